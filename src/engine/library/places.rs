//! Folders of models, our own and those of other programs, which are only looked into.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use walkdir::{DirEntry, WalkDir};

use super::card::is_named_as_weights;
use super::extra_paths::extra_paths;
use crate::recipe::PictureFormat;

/// How deep folders are looked into.
const MOST_DEPTH: usize = 8;
/// Entries of a folder that are looked at, in all that it holds.
const MOST_ENTRIES: usize = 100_000;
/// Folders that hold programs, not models.
const PROGRAMS: [&str; 6] = [
    "venv",
    "node_modules",
    "__pycache__",
    "site-packages",
    "python_embeded",
    "python_embedded",
];
/// By what a folder is seen to be a model.
const MODEL_SIGNS: [&str; 3] = ["model_index.json", "studio.json", "unet/config.json"];

/// Other programs whose folders are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// AUTOMATIC1111's web UI, Forge and what else has its folders.
    A1111,
    /// `ComfyUI`.
    ComfyUi,
    /// `InvokeAI`.
    InvokeAi,
}

impl Program {
    /// Its name for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::A1111 => "A1111 or Forge",
            Self::ComfyUi => "ComfyUI",
            Self::InvokeAi => "InvokeAI",
        }
    }

    /// Folders of its models folder: of each group one is there.
    fn signs(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::A1111 => &[&["Stable-diffusion"]],
            // A folder of checkpoints alone may be anybody's.
            Self::ComfyUi => &[
                &["checkpoints", "diffusion_models"],
                &["loras", "vae", "controlnet", "embeddings"],
            ],
            Self::InvokeAi => &[&["sd-1", "sd-2", "sdxl"]],
        }
    }

    /// Folders of its models folder that hold what can be listed; empty for all.
    fn folders(self) -> &'static [&'static str] {
        match self {
            Self::A1111 => &[
                "Stable-diffusion",
                "Lora",
                "LyCORIS",
                "VAE",
                "VAE-taesd",
                "ControlNet",
            ],
            Self::ComfyUi => &[
                "checkpoints",
                "diffusers",
                "diffusion_models",
                "unet",
                "loras",
                "vae",
                "vae_approx",
                "embeddings",
                "controlnet",
            ],
            Self::InvokeAi => &[],
        }
    }

    /// Folders beside its models folder.
    fn beside(self) -> &'static [&'static str] {
        match self {
            Self::A1111 => &["embeddings", "extensions/sd-webui-controlnet/models"],
            Self::ComfyUi => &[],
            Self::InvokeAi => &["autoimport"],
        }
    }
}

/// A file or folder of weights, by what the system says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The file or folder.
    pub path: PathBuf,
    /// Bytes on the disk.
    pub size_bytes: u64,
    /// When it was changed last.
    pub changed: Option<SystemTime>,
    /// A picture that lies beside it.
    pub picture: Option<PathBuf>,
    /// By what it is seen that something in it was exchanged.
    pub(super) stamp: u64,
}

/// The program whose folder it is, and the folders in it to be looked into.
pub(super) fn layout(place: &Path) -> (Option<Program>, Vec<PathBuf>) {
    const INNER: [&str; 5] = [
        "models",
        "",
        "ComfyUI/models",
        "webui/models",
        "invokeai/models",
    ];
    for inner in INNER {
        let models = place.join(inner);
        let is_of = |program: &Program| {
            let is_there = |group: &&[&str]| group.iter().any(|it| models.join(it).is_dir());
            program.signs().iter().all(is_there)
        };
        let programs = [Program::A1111, Program::ComfyUi, Program::InvokeAi];
        let Some(program) = programs.into_iter().find(is_of) else {
            continue;
        };
        let mut folders: Vec<PathBuf> = match program.folders() {
            [] => vec![models.clone()],
            folders => folders.iter().map(|folder| models.join(folder)).collect(),
        };
        // Never outside of what was named, here or in the program's own list of folders.
        if let Some(around) = models.parent().filter(|_| !inner.is_empty()) {
            folders.extend(program.beside().iter().map(|folder| around.join(folder)));
        }
        folders.retain(|folder| folder.is_dir());
        if program == Program::ComfyUi {
            let around = models.parent().filter(|_| !inner.is_empty());
            add_extra(&mut folders, around.unwrap_or(place));
        }
        return (Some(program), folders);
    }
    // All its models may lie elsewhere.
    for around in [place.to_path_buf(), place.join("ComfyUI")] {
        let mut folders = Vec::new();
        add_extra(&mut folders, &around);
        if !folders.is_empty() {
            return (Some(Program::ComfyUi), folders);
        }
    }
    (None, vec![place.to_path_buf()])
}

/// Adds the folders that a ComfyUI's own list names, each once.
fn add_extra(folders: &mut Vec<PathBuf>, comfy: &Path) {
    for extra in extra_paths(comfy, Program::ComfyUi.folders()) {
        if !folders.contains(&extra) {
            folders.push(extra);
        }
    }
}

/// What may be a model in a folder, or the one file; ends early when it is not wanted.
pub(super) fn find(root: &Path, is_wanted: &dyn Fn() -> bool) -> Vec<Found> {
    let mut found = Vec::new();
    let mut files = Vec::new();
    // By paths with endings in small letters.
    let mut pictures = HashMap::new();
    // Links are followed: large files often lie on another disk.
    let walk = WalkDir::new(root).follow_links(true).max_depth(MOST_DEPTH);
    let mut walk = walk.sort_by_file_name().into_iter();
    let mut looked_at = 0;
    while let Some(entry) = walk.next() {
        looked_at += 1;
        if looked_at > MOST_ENTRIES || !is_wanted() {
            break;
        }
        // What cannot be looked into, and links in a circle.
        let Ok(entry) = entry else { continue };
        if entry.file_type().is_dir() {
            if entry.depth() > 0 && is_passed_over(&entry) {
                walk.skip_current_dir();
            } else if let Some(model) = model_at(entry.path()) {
                found.extend(of_folder(&model));
                walk.skip_current_dir();
            }
        } else if is_named_as_weights(entry.path()) {
            files.push(entry);
        } else if PictureFormat::from_path(entry.path()).is_some() {
            pictures.insert(with_small_ending(entry.path()), entry.into_path());
        }
    }
    found.extend(files.iter().filter_map(of_file));
    if root.is_file() {
        let beside = pictures_of(root).filter(|picture| picture.is_file());
        pictures.extend(beside.map(|picture| (picture.clone(), picture)));
    }
    for found in &mut found {
        let beside = pictures_of(&found.path).find_map(|picture| pictures.get(&picture).cloned());
        found.picture = found.picture.take().or(beside);
    }
    found
}

fn with_small_ending(path: &Path) -> PathBuf {
    let ending = path.extension().unwrap_or_default();
    path.with_extension(ending.to_ascii_lowercase())
}

fn is_passed_over(entry: &DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy();
    // What begins with a point is being written, or is not the user's.
    name.starts_with('.') || PROGRAMS.iter().any(|known| name == *known)
}

/// The model that a folder is, or that a training run wrote into it beside its checkpoints.
fn model_at(folder: &Path) -> Option<PathBuf> {
    let is_model = |folder: &PathBuf| MODEL_SIGNS.iter().any(|sign| folder.join(sign).is_file());
    let of_run = folder.join("checkpoints").is_dir();
    let of_run = of_run.then(|| folder.join("model"));
    let mut folders = std::iter::once(folder.to_path_buf()).chain(of_run);
    folders.find(is_model)
}

/// Where pictures of a model may lie, best first.
pub(super) fn pictures_of(path: &Path) -> impl Iterator<Item = PathBuf> {
    let is_file = is_named_as_weights(path);
    let stem = if is_file {
        path.file_stem()
    } else {
        path.file_name()
    };
    let stem = stem.unwrap_or_default().to_string_lossy().into_owned();
    let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
    [".preview", ""].into_iter().flat_map(move |middle| {
        let (folder, stem) = (folder.clone(), stem.clone());
        PictureFormat::endings().map(move |ending| folder.join(format!("{stem}{middle}.{ending}")))
    })
}

fn of_file(entry: &DirEntry) -> Option<Found> {
    let metadata = entry.metadata().ok()?;
    let path = entry.path();
    // A YAML file beside tells sizes that the file does not.
    let beside = [
        path.with_extension("yaml"),
        path.with_file_name("config.yaml"),
    ];
    let beside = beside
        .iter()
        .filter_map(|path| std::fs::metadata(path).ok());
    let all = std::iter::once(metadata.clone()).chain(beside);
    Some(Found {
        path: path.to_path_buf(),
        size_bytes: metadata.len(),
        changed: metadata.modified().ok(),
        picture: None,
        stamp: stamp(all.map(|it| (it.len(), it.modified().ok()))),
    })
}

fn of_folder(folder: &Path) -> Option<Found> {
    const INNER_DEPTH: usize = 3;
    const MOST_FILES: usize = 4096;
    let walk = WalkDir::new(folder)
        .max_depth(INNER_DEPTH)
        .follow_links(true);
    let entries = walk.sort_by_file_name().into_iter().filter_map(Result::ok);
    let files = entries.filter(|entry| entry.file_type().is_file());
    let files: Vec<_> = files
        .take(MOST_FILES)
        .filter_map(|entry| entry.metadata().ok())
        .collect();
    let mut picture =
        PictureFormat::endings().map(|ending| folder.join(format!("preview.{ending}")));
    Some(Found {
        path: folder.to_path_buf(),
        size_bytes: files.iter().map(std::fs::Metadata::len).sum(),
        changed: files.iter().filter_map(|it| it.modified().ok()).max(),
        picture: picture.find(|picture| picture.is_file()),
        stamp: stamp(files.iter().map(|it| (it.len(), it.modified().ok()))),
    })
}

fn stamp(files: impl Iterator<Item = (u64, Option<SystemTime>)>) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    files.for_each(|file| file.hash(&mut hasher));
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, name: &str) {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, "{}").expect("a file");
    }

    fn found(place: &Path) -> Vec<String> {
        let (_, folders) = layout(place);
        let all = folders.iter().flat_map(|folder| find(folder, &|| true));
        let mut names: Vec<String> = all
            .map(|found| {
                let inner = found.path.strip_prefix(place).expect("inside");
                inner.to_string_lossy().into_owned()
            })
            .collect();
        names.sort();
        names
    }

    #[test]
    fn folders_of_other_programs_are_known() {
        let root = tempfile::tempdir().expect("a folder");
        let a1111 = root.path().join("stable-diffusion");
        for name in [
            "models/Stable-diffusion/one.safetensors",
            "models/Stable-diffusion/deep/two.ckpt",
            "models/Lora/style.safetensors",
            "models/VAE/vae.pt",
            "models/deepbooru/tags.pt",
            "embeddings/word.pt",
            "venv/lib/torch.bin",
        ] {
            write(&a1111, name);
        }
        assert_eq!(layout(&a1111).0, Some(Program::A1111));
        let models = [
            "embeddings/word.pt",
            "models/Lora/style.safetensors",
            "models/Stable-diffusion/deep/two.ckpt",
            "models/Stable-diffusion/one.safetensors",
            "models/VAE/vae.pt",
        ];
        assert_eq!(found(&a1111), models);
        // The models folder alone, beside which nothing is looked at.
        assert_eq!(layout(&a1111.join("models")).0, Some(Program::A1111));
        assert_eq!(found(&a1111.join("models")).len(), 4);
        let comfy = root.path().join("comfy");
        for name in [
            "ComfyUI/models/checkpoints/one.safetensors",
            "ComfyUI/models/diffusers/tiny/model_index.json",
            "ComfyUI/models/loras/a.safetensors",
            "ComfyUI/models/clip_vision/b.safetensors",
            "ComfyUI/custom_nodes/c.pth",
        ] {
            write(&comfy, name);
        }
        assert_eq!(layout(&comfy).0, Some(Program::ComfyUi));
        assert_eq!(found(&comfy).len(), 3);
        let invoke = root.path().join("invoke");
        for name in [
            "models/sd-1/main/tiny/unet/config.json",
            "models/sd-1/main/tiny/unet/diffusion_pytorch_model.safetensors",
            "models/sd-1/lora/a.safetensors",
            "databases/invokeai.db",
        ] {
            write(&invoke, name);
        }
        assert_eq!(layout(&invoke).0, Some(Program::InvokeAi));
        assert_eq!(
            found(&invoke),
            ["models/sd-1/lora/a.safetensors", "models/sd-1/main/tiny"]
        );
        assert_eq!(layout(root.path()).0, None);
    }

    #[test]
    fn pictures_beside_models_are_theirs() {
        let root = tempfile::tempdir().expect("a folder");
        for name in [
            "one.safetensors",
            "one.png",
            "one.preview.png",
            "two.ckpt",
            "two.JPG",
            "cats/model/model_index.json",
            "cats/checkpoints/step-2/state.safetensors",
            "dogs/model_index.json",
            "dogs/preview.webp",
            ".writing-1/model_index.json",
            "three.safetensors",
        ] {
            write(root.path(), name);
        }
        let found = find(root.path(), &|| true);
        let picture = |name: &str| {
            let found = found.iter().find(|found| found.path.ends_with(name));
            let picture = found.expect("it is listed").picture.as_ref()?;
            Some(picture.file_name()?.to_string_lossy().into_owned())
        };
        assert_eq!(
            picture("one.safetensors").as_deref(),
            Some("one.preview.png")
        );
        assert_eq!(picture("two.ckpt").as_deref(), Some("two.JPG"));
        assert_eq!(picture("dogs").as_deref(), Some("preview.webp"));
        assert_eq!(
            (picture("cats/model"), picture("three.safetensors")),
            (None, None)
        );
        assert_eq!(found.len(), 5, "{found:?}");
        // A folder of that name hides nothing beside it.
        let plain = tempfile::tempdir().expect("a folder");
        write(plain.path(), "model/model_index.json");
        write(plain.path(), "other.safetensors");
        assert_eq!(find(plain.path(), &|| true).len(), 2);
        let alone = find(&root.path().join("one.safetensors"), &|| true);
        assert!(alone.len() == 1 && alone[0].picture.is_some(), "{alone:?}");
        assert!(find(root.path(), &|| false).is_empty());
    }
}
