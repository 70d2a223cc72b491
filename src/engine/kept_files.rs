//! Small files for models, looked for by name: LoRA, words, first stages. They lie in folders
//! beside the models, here as in other programs.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::library::is_named_as_weights;
use crate::folders;
use crate::model::lora::{LoraFile, trigger_words};
use crate::model::{ClassifierFile, ControlNetFile, ModelFolder};
use crate::recipe::NamedFile;

pub use crate::model::lora::TriggerWords;

/// Folders within folders that are looked into.
const DEPTH: usize = 4;
/// Folders around a model beside which such files may lie: other programs keep models in
/// a folder of theirs, which people divide further, and words farther up.
const ANCESTORS: usize = 5;

/// The file that makes a folder one network.
const CONFIG: &str = "config.json";

/// Kinds of files that are kept beside models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Changes of a model.
    Loras,
    /// Words for a text encoder.
    Embeddings,
    /// First stages.
    Vaes,
    /// Networks through which pictures control a model.
    Controls,
    /// Networks that lead a model to classes.
    Classifiers,
    /// Tiny first stages, to see steps by.
    Previews,
}

impl Kept {
    /// Folders of this kind, ours first.
    fn folders(self) -> &'static [&'static str] {
        match self {
            Self::Loras => &["loras", "Lora", "lora", "LyCORIS", "autoimport/lora"],
            Self::Embeddings => &["embeddings", "embedding", "autoimport/embedding"],
            Self::Vaes => &["vae", "VAE"],
            Self::Controls => &["controlnet", "ControlNet"],
            Self::Classifiers => &["classifiers"],
            Self::Previews => &["vae_approx", "VAE-taesd"],
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Loras => "LoRA",
            Self::Embeddings => "file of words",
            Self::Vaes => "first stage",
            Self::Controls => "ControlNet",
            Self::Classifiers => "classifier",
            Self::Previews => "tiny first stage",
        }
    }
}

/// There is no such file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no {} \u{201c}{name}\u{201d}; put it into a folder \u{201c}{}\u{201d} beside the model, {}",
    kept.label(), kept.folders()[0], self.remedy()
)]
pub struct NoSuchFile {
    kept: Kept,
    name: String,
    /// Whether it was told where it lies.
    has_place: bool,
}

impl NoSuchFile {
    fn remedy(&self) -> String {
        match (self.kept, self.has_place) {
            // Most often it is a word of the prompt.
            (Kept::Loras, false) => {
                let name = &self.name;
                format!("name its file, or take <lora:{name}> out of the prompt")
            }
            _ => "or name its file".to_owned(),
        }
    }
}

/// The folders in which files of a kind are looked for, for a model.
fn places(kept: Kept, model: &Path) -> impl Iterator<Item = PathBuf> {
    // Told from the folder that the program works in, or by a link, it lies in more than one.
    let told = std::path::absolute(model).unwrap_or_else(|_| model.to_path_buf());
    let real = model.canonicalize().ok();
    let models = std::iter::once(told).chain(real);
    let around = models.flat_map(|model| {
        let around = model.ancestors().skip(1).take(ANCESTORS);
        around.map(Path::to_path_buf).collect::<Vec<_>>()
    });
    let mut seen = HashSet::new();
    let around = around.chain(folders::user_models());
    let is_new = move |folder: &PathBuf| {
        let real = folder.canonicalize();
        seen.insert(real.unwrap_or_else(|_| folder.clone()))
    };
    around
        .filter(is_new)
        .flat_map(move |folder| kept.folders().iter().map(move |name| folder.join(name)))
}

/// The files of a kind that can be had without being told where they lie, by place and name.
pub fn listed(kept: Kept, model: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    // Such a network may lie in a folder of its own.
    let has_folder = matches!(kept, Kept::Controls | Kept::Classifiers);
    let is_whole = |path: &Path| has_folder && path.join(CONFIG).is_file();
    for place in places(kept, model) {
        let inner = WalkDir::new(place)
            .max_depth(DEPTH)
            .follow_links(true)
            .sort_by_file_name();
        for entry in inner.into_iter().filter_map(Result::ok) {
            let path = entry.path();
            let is_one = match entry.file_type().is_file() {
                true => {
                    // Deeper lie the checkpoints of runs.
                    let is_alone = kept != Kept::Classifiers || entry.depth() == 1;
                    is_alone && is_named_as_weights(path) && !path.parent().is_some_and(is_whole)
                }
                false => is_whole(path),
            };
            if is_one && !found.iter().any(|it| it == path) {
                found.push(entry.into_path());
            }
        }
    }
    found
}

/// Whether a file lies where those of a kind are looked for, for a model. Reads nothing.
pub fn is_kept(kept: Kept, file: &Path, model: &Path) -> bool {
    let is_in = |place: PathBuf| {
        let inner = file.strip_prefix(place);
        inner.is_ok_and(|inner| (1..=DEPTH).contains(&inner.components().count()))
    };
    places(kept, model).any(is_in)
}

/// Where a file lies: at its path, or else among those of its name; case does not matter
/// where no name is the same.
///
/// # Errors
/// If there is none.
pub fn find_file(file: &NamedFile, kept: Kept, model: &Path) -> Result<PathBuf, NoSuchFile> {
    if let Some(path) = &file.path {
        // What is wrong with a path is told when it is opened.
        if path.exists() || path.components().count() != 1 {
            return Ok(path.clone());
        }
    }
    let whole = file.path.as_deref().map(Path::to_string_lossy);
    let whole = whole.as_deref().unwrap_or(&file.name);
    // Other programs write the folder within theirs too; it is no path here.
    let name = whole.rsplit(['/', '\\']).next().unwrap_or(whole);
    let files = listed(kept, model);
    let is_called = |path: &Path, is_same: &dyn Fn(&str) -> bool| {
        let names = [path.file_stem(), path.file_name()];
        let mut names = names.into_iter().flatten();
        let is_network = kept == Kept::Classifiers && is_same(&NamedFile::of_network(path).name);
        is_network || names.any(|own| is_same(&own.to_string_lossy()))
    };
    let alike = name.to_lowercase();
    let found = files
        .iter()
        .find(|path| is_called(path, &|own| own == name))
        .or_else(|| {
            let mut files = files.iter();
            files.find(|path| is_called(path, &|own| own.to_lowercase() == alike))
        });
    found.cloned().ok_or_else(|| NoSuchFile {
        kept,
        name: name.to_owned(),
        has_place: file.path.is_some(),
    })
}

/// A decoder of the tiny kind for the latents of Stable Diffusion 1 and 2, or for those of
/// XL, which are as large and mean other colours; as its author names them.
pub fn preview_file(model: &Path, is_xl: bool) -> Option<PathBuf> {
    let names = match is_xl {
        true => ["taesdxl", "taesdxl_decoder"],
        false => ["taesd", "taesd_decoder"],
    };
    let is_it = |path: &PathBuf| {
        let stem = path.file_stem().unwrap_or_default();
        names.iter().any(|name| stem == *name)
    };
    listed(Kept::Previews, model).into_iter().find(is_it)
}

/// What a LoRA says of the words that call it.
///
/// # Errors
/// If it cannot be found or read, or is none, as a sentence.
pub fn lora_words(file: &NamedFile, model: &Path) -> Result<TriggerWords, String> {
    let path = find_file(file, Kept::Loras, model).map_err(|error| error.to_string())?;
    LoraFile::open(&path).map_err(|error| error.to_string())?;
    trigger_words(&path).map_err(|error| error.to_string())
}

/// Whether a ControlNet was made for such models as this; with no model, whether it is one.
///
/// # Errors
/// If not, or it cannot be found or read, as a sentence.
pub fn control_fits(file: &NamedFile, model: &Path) -> Result<(), String> {
    let path = find_file(file, Kept::Controls, model).map_err(|error| error.to_string())?;
    let opened = ControlNetFile::open(&path).map_err(|error| error.to_string())?;
    // What is wrong with the model is told where it is loaded.
    let Ok(model) = ModelFolder::open(model) else {
        return Ok(());
    };
    let (Ok(unet), Ok(first_stage)) = (model.unet_config(), model.first_stage_config()) else {
        return Ok(());
    };
    let fits = opened.config_for(unet, first_stage.info());
    fits.map(drop).map_err(|error| error.to_string())
}

/// What a classifier tells apart, if it can lead pictures of a model; with no model, if it
/// is one.
///
/// # Errors
/// If not, or it cannot be found or read, as a sentence.
pub fn classifier_classes(file: &NamedFile, model: &Path) -> Result<Vec<String>, String> {
    let path = find_file(file, Kept::Classifiers, model).map_err(|error| error.to_string())?;
    let opened = ClassifierFile::open(&path).map_err(|error| error.to_string())?;
    let config = opened.config();
    // What is wrong with the model is told where it is loaded.
    if let Ok(model) = ModelFolder::open(model)
        && let Ok(first_stage) = model.first_stage_config()
    {
        let classes = model.manifest().classes().map(<[String]>::len);
        // Which size is painted is not settled.
        let fits = config.check(first_stage.info(), [config.image_size; 2], classes);
        fits.map_err(|error| error.to_string())?;
    }
    Ok(config.class_names())
}

/// Files of words that some texts mention by name.
pub fn words_in(texts: &[String], model: &Path) -> Vec<PathBuf> {
    let texts: Vec<String> = texts.iter().map(|text| text.to_lowercase()).collect();
    if texts.iter().all(|text| text.trim().is_empty()) {
        return Vec::new();
    }
    let mut files = listed(Kept::Embeddings, model);
    let mut seen = Vec::new();
    files.retain(|path| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let word = stem.to_lowercase();
        let is_told = !word.is_empty() && texts.iter().any(|text| has_word(text, &word));
        let is_first = !seen.contains(&word);
        seen.push(word);
        is_told && is_first
    });
    files
}

/// Whether a word stands in a text by itself, both in small letters.
pub fn has_word(text: &str, word: &str) -> bool {
    let belongs = |letter: Option<char>| letter.is_some_and(|it| it.is_alphanumeric() || it == '_');
    text.match_indices(word).any(|(place, _)| {
        let before = text[..place].chars().next_back();
        let after = text[place + word.len()..].chars().next();
        !belongs(before) && !belongs(after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_beside_the_model_as_other_programs_keep_them() {
        let root = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            path
        };
        let model = make("models/Stable-diffusion/sd.safetensors");
        let ink = make("models/Lora/styles/Ink.v2.safetensors");
        let word = make("embeddings/bad-hands.pt");
        make("models/Lora/notes.txt");
        let find = |name: &str| find_file(&NamedFile::named(name), Kept::Loras, &model);
        assert_eq!(find("Ink.v2"), Ok(ink.clone()));
        assert_eq!(find("ink.V2"), Ok(ink.clone()));
        assert_eq!(find("styles/Ink.v2"), Ok(ink.clone()));
        let typed = NamedFile::at("Ink.v2");
        assert_eq!(find_file(&typed, Kept::Loras, &model), Ok(ink));
        let error = find("notes").unwrap_err().to_string();
        assert!(
            error.contains("loras") && error.ends_with("take <lora:notes> out of the prompt"),
            "{error}"
        );
        let typed = find_file(&NamedFile::at("notes"), Kept::Loras, &model);
        let error = typed.unwrap_err().to_string();
        assert!(error.ends_with("or name its file"), "{error}");
        let told = |text: &str| words_in(&[text.to_owned()], &model);
        assert_eq!(told("a hand, (Bad-Hands:1.2)"), std::slice::from_ref(&word));
        assert_eq!(told("a bad-handstand"), [] as [PathBuf; 0]);
        // Whoever works in the folder of a model names it alone.
        let here = std::env::current_dir().unwrap();
        for told in ["sd1", "sd1/", "./sd1"] {
            let mut places = places(Kept::Loras, Path::new(told));
            assert_eq!(places.next(), Some(here.join("loras")), "{told}");
        }
        // People sort their models into folders, and InvokeAI has words in another one.
        let sorted = make("models/Stable-diffusion/SD 1/styles/painted.safetensors");
        assert_eq!(
            listed(Kept::Embeddings, &sorted),
            std::slice::from_ref(&word)
        );
        let invoke = make("invoke/models/sd-1/main/one.safetensors");
        let theirs = make("invoke/models/sd-1/embedding/inka.pt");
        assert_eq!(listed(Kept::Embeddings, &invoke)[0], theirs);
        // A run keeps its network in a folder of that run's name.
        make("models/classifiers/times/model/config.json");
        make("models/classifiers/times/checkpoints/step-1/classifier.weights.safetensors");
        let lone = make("models/classifiers/alone.safetensors");
        let network = root.path().join("models/classifiers/times/model");
        let model_beside = root.path().join("models/paints");
        assert_eq!(
            listed(Kept::Classifiers, &model_beside),
            [lone, network.clone()]
        );
        let named = NamedFile::named("times");
        let found = find_file(&named, Kept::Classifiers, &model_beside);
        assert_eq!(found, Ok(network));
        let elsewhere = make("downloads/embeddings/bad-feet.pt");
        for (file, is_there) in [(&word, true), (&elsewhere, false), (&model, false)] {
            assert_eq!(is_kept(Kept::Embeddings, file, &model), is_there);
            assert_eq!(listed(Kept::Embeddings, &model).contains(file), is_there);
        }
    }
}
