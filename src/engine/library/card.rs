//! What a model is, told from its headers for a list of models.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::inspect::{self, Addition, Family, Inspection, Task};
use crate::model::lora::LoraFile;
use crate::model::{ClipTextConfig, ControlNetFile, Manifest, ModelError, ModelFolder};
use crate::recipe::InputSpec;

/// What a file or folder of weights is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CardKind {
    /// A model to paint with.
    Model,
    /// A first stage alone.
    FirstStage,
    /// Changes weights of a model.
    Lora,
    /// A word for a model.
    Embedding,
    /// Controls a model by a picture.
    ControlNet,
    /// Leads a model to classes.
    Classifier,
    /// Something else, or nothing that is known.
    Other,
}

/// What is known of a file or folder of weights without reading them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// The file or folder.
    pub path: PathBuf,
    /// What it is called in lists.
    pub name: String,
    /// What it is good for.
    pub kind: CardKind,
    /// What else it is, in a few words, if that can be said.
    pub other: Option<String>,
    /// Whose models it is like, if it is known.
    pub family: Option<Family>,
    /// What it is for, if it is known.
    pub task: Option<Task>,
    /// What it is, in the sentence that `velatura models inspect` says.
    pub sentence: String,
    /// Why it does not open as a model, as a sentence; `None` if it does. Of a relative
    /// of LoRA that is not known here, why it is of no use.
    pub obstacle: Option<String>,
    /// Whether it can be used with a model: a LoRA, a first stage or a word.
    pub goes_with_models: bool,
    /// Memory for painting at its own size on the processor, about; `None` if it does not open.
    pub memory_bytes: Option<u64>,
    /// Side in pixels of the pictures it was trained on; `None` if it does not open.
    pub native_size_px: Option<u32>,
    /// What it can be asked for.
    pub inputs: Vec<InputSpec>,
}

impl ModelCard {
    /// Tells what a file or folder is from its headers and configurations.
    pub fn of(path: &Path) -> Self {
        let found = inspect::inspect(path, None);
        let opened = ModelFolder::open(path).map(ModelFolder::held_to_paint);
        let obstacle = obstacle(path, &found, &opened);
        let opened = opened.ok().filter(|_| obstacle.is_none());
        let manifest = opened.as_ref().map(ModelFolder::manifest);
        let native_size_px = manifest.as_ref().map(|manifest| manifest.resolution_px);
        let memory = opened.as_ref().zip(native_size_px);
        let memory = memory.and_then(|(model, side)| model.painting_memory([side; 2], 1).ok());
        let told = found.as_ref().ok();
        let kind = kind(&found);
        let refusal = match kind {
            CardKind::Lora => LoraFile::open(path).err().map(|error| error.to_string()),
            CardKind::ControlNet => {
                let opened = ControlNetFile::open(path);
                opened.err().map(|error| error.to_string())
            }
            _ => None,
        };
        let goes_with_models = match (kind, &found) {
            (CardKind::FirstStage | CardKind::Classifier, Ok(told)) => is_whole(told),
            (CardKind::Lora | CardKind::Embedding | CardKind::ControlNet, _) => refusal.is_none(),
            _ => false,
        };
        Self {
            path: path.to_path_buf(),
            name: name_of(path, manifest.as_ref()),
            kind,
            other: found.as_ref().err().and_then(other),
            family: told.map(|told| told.family),
            task: told.map(|told| told.task),
            sentence: match &found {
                Ok(told) => told.sentence(),
                Err(error) => error.to_string(),
            },
            goes_with_models,
            obstacle: refusal.or(obstacle),
            memory_bytes: memory.map(|memory| memory.total_bytes()),
            native_size_px,
            inputs: manifest.map_or_else(Vec::new, |manifest| manifest.inputs),
        }
    }

    /// Whether it can be loaded and painted with.
    pub fn opens(&self) -> bool {
        self.obstacle.is_none()
    }
}

fn kind(found: &Result<Inspection, ModelError>) -> CardKind {
    match found {
        Ok(told) if told.task == Task::Autoencoder => CardKind::FirstStage,
        Ok(told) if told.task == Task::Classifier => CardKind::Classifier,
        Ok(_) => CardKind::Model,
        Err(error) => match inspect::addition(error) {
            Some(Addition::Lora) => CardKind::Lora,
            Some(Addition::Embedding) => CardKind::Embedding,
            Some(Addition::ControlNet) => CardKind::ControlNet,
            None => CardKind::Other,
        },
    }
}

/// What a file is that is nothing of use here, in a few words.
fn other(error: &ModelError) -> Option<String> {
    /// More would not fit on a card.
    const MOST_LETTERS: usize = 24;
    let kind = match error {
        ModelError::OtherKind { kind, .. } => *kind,
        ModelError::Damaged { .. } | ModelError::Checkpoint { .. } => "damaged",
        ModelError::LfsPointer(_) => "not fetched",
        ModelError::Io { .. } => "cannot be read",
        _ => return None,
    };
    let kind = kind.split(',').next()?;
    let articles = ["a ", "an "].into_iter();
    let kind = articles.fold(kind, |kind, it| kind.strip_prefix(it).unwrap_or(kind));
    let mut letters = kind.chars();
    let first = letters.next()?.to_uppercase();
    let text: String = first.chain(letters).collect();
    (text.chars().count() <= MOST_LETTERS).then_some(text)
}

/// Whether all weights are there.
fn is_whole(told: &Inspection) -> bool {
    told.missing.is_empty() && told.mismatched.is_empty()
}

/// Why a model cannot be painted with.
fn obstacle(
    path: &Path,
    found: &Result<Inspection, ModelError>,
    opened: &Result<ModelFolder, ModelError>,
) -> Option<String> {
    if let Ok(told) = found {
        if told.task == Task::Autoencoder {
            return Some(format!(
                "{} is an autoencoder, a part of models that paints nothing alone",
                path.display()
            ));
        }
        if told.task == Task::Classifier {
            return Some(format!(
                "{} is a classifier, which leads a model to classes and paints nothing alone; \
                 give it as --classifier",
                path.display()
            ));
        }
        let lost = told.missing.iter();
        let lost = lost.chain(told.mismatched.iter().map(|(name, ..)| name));
        let lost: Vec<&String> = lost.collect();
        if let (Ok(_), [first, others @ ..]) = (opened, lost.as_slice()) {
            let error = ModelError::Lacking {
                path: path.to_path_buf(),
                family: told.family.label(),
                name: (*first).clone(),
                count: others.len() + 1,
            };
            return Some(error.to_string());
        }
    }
    match (opened, found) {
        // What a file is says more than what a folder lacks.
        (Err(_), Err(error)) | (Err(error), Ok(_)) => Some(error.to_string()),
        (Ok(model), _) => {
            let error = model.unet_config().err();
            let error = error.or_else(|| match path.is_file() {
                true => words_obstacle(path, model),
                false => {
                    let mut obstacles = model.obstacles().into_iter();
                    // An autoencoder can be chosen for it.
                    obstacles.find(|it| !matches!(it, ModelError::NoAutoencoder(_)))
                }
            });
            error.map(|error| error.to_string())
        }
    }
}

/// Why the words of a model in one file do not go with its text encoder. Loading would only find
/// it after all weights are read.
fn words_obstacle(path: &Path, model: &ModelFolder) -> Option<ModelError> {
    let text = model.text_encoder_config().ok()?;
    // It has no words of its own, and CLIP's need not be read to know their number.
    if text.vocab_size >= ClipTextConfig::default().vocab_size {
        return None;
    }
    let ModelError::Tokenizer { message, .. } = model.tokenizer().err()? else {
        return None;
    };
    Some(ModelError::Tokenizer {
        path: path.to_path_buf(),
        message,
    })
}

/// Names of files that say nothing of what is in them.
const PLAIN_NAMES: [&str; 7] = [
    "adapter_model",
    "diffusion_pytorch_model",
    "learned_embeds",
    "model",
    "pytorch_lora_weights",
    "pytorch_model",
    "snapshots",
];

/// What a model is called in lists: as it says itself, or like its file or folder.
pub(super) fn name_of(path: &Path, manifest: Option<&Manifest>) -> String {
    match manifest {
        Some(manifest) if path.join("studio.json").is_file() => manifest.name.clone(),
        _ => display_name(path),
    }
}

/// What a file or folder is called in lists. A training writes its model into a
/// folder `model` beside the checkpoints, diffusers has one name for all files, and the
/// cache of Hugging Face names folders by numbers: then the folder around says more.
pub fn display_name(path: &Path) -> String {
    let name = |path: &Path| Some(path.file_name()?.to_string_lossy().into_owned());
    let own = match path.extension() {
        Some(ending) if is_weights_ending(ending) => path.file_stem(),
        _ => path.file_name(),
    };
    let own = own.map(|own| own.to_string_lossy().into_owned());
    let own = own.unwrap_or_else(|| path.display().to_string());
    let around = path.parent();
    if around.and_then(name).as_deref() == Some("snapshots") {
        let repository = around.and_then(Path::parent).and_then(name);
        let last = repository.and_then(|name| Some(name.rsplit("--").next()?.to_owned()));
        return last.unwrap_or(own);
    }
    match around.and_then(name) {
        Some(around) if PLAIN_NAMES.contains(&own.as_str()) => around,
        _ => own,
    }
}

/// Endings of files that may hold weights, in small letters.
pub const WEIGHT_ENDINGS: [&str; 6] = ["safetensors", "ckpt", "pt", "pth", "bin", "gguf"];

pub(super) fn is_weights_ending(ending: &std::ffi::OsStr) -> bool {
    WEIGHT_ENDINGS
        .iter()
        .any(|known| ending.eq_ignore_ascii_case(known))
}

/// Whether a file may hold weights, by its name.
pub fn is_named_as_weights(path: &Path) -> bool {
    path.extension().is_some_and(is_weights_ending)
}

#[cfg(test)]
mod tests {
    use super::super::single::write_single;
    use super::*;

    #[test]
    fn models_are_called_by_what_says_most() {
        for (path, name) in [
            ("/m/v1-5-pruned.safetensors", "v1-5-pruned"),
            ("/m/dream.v2", "dream.v2"),
            ("/m/cats/model", "cats"),
            ("/m/garden", "garden"),
            ("model", "model"),
            ("/m/vae-ft/diffusion_pytorch_model.safetensors", "vae-ft"),
            ("/hub/models--a--tiny-sd/snapshots/0f3c", "tiny-sd"),
            ("/", "/"),
        ] {
            assert_eq!(display_name(Path::new(path)), name);
        }
    }

    #[test]
    fn cards_say_what_opens_and_what_does_not() {
        let data = Path::new("tests/data/reference");
        // What it lacks is seen before it is loaded, and the file is named.
        let wordless = data.join("sd1-single/model.safetensors");
        let text = ModelCard::of(&wordless).obstacle.unwrap_or_default();
        let tells = |part: &str| assert!(text.contains(part), "{text}");
        tells("sd1-single/model.safetensors cannot be used");
        tells("the text encoder only 50");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sd1-single/model.safetensors");
        std::fs::create_dir(folder.path().join("sd1-single")).unwrap();
        write_single(&path);
        let single = ModelCard::of(&path);
        assert_eq!(
            (single.kind, single.name.as_str()),
            (CardKind::Model, "sd1-single")
        );
        assert_eq!(single.family, Some(Family::StableDiffusion1));
        assert!(
            single.opens() && single.memory_bytes > Some(1 << 20),
            "{single:?}"
        );
        let tiny = ModelCard::of(&data.join("sd2-tiny"));
        assert!(
            tiny.opens() && tiny.task == Some(Task::TextToImage),
            "{tiny:?}"
        );
        let storybook = ModelCard::of(Path::new("assets/models/storybook"));
        assert!(storybook.opens(), "{:?}", storybook.obstacle);
        assert_eq!(storybook.family, Some(Family::Velatura));
        let stage = ModelCard::of(&data.join("sd1-tiny/vae"));
        assert_eq!((stage.kind, stage.opens()), (CardKind::FirstStage, false));
        let nothing = ModelCard::of(Path::new("tests/data/photographs/cup.png"));
        assert_eq!((nothing.kind, nothing.opens()), (CardKind::Other, false));
        assert_eq!(nothing.other.as_deref(), Some("Picture"));
        let empty = folder.path().join("empty.safetensors");
        std::fs::write(&empty, "").unwrap();
        assert_eq!(ModelCard::of(&empty).other.as_deref(), Some("Damaged"));
        // What would only be found when it is loaded.
        let wordless = folder.path().join("wordless");
        std::fs::create_dir_all(wordless.join("unet")).unwrap();
        std::fs::create_dir_all(wordless.join("text_encoder")).unwrap();
        for part in ["unet", "text_encoder"] {
            for file in std::fs::read_dir(data.join("sd1-tiny").join(part)).unwrap() {
                let file = file.unwrap();
                std::fs::copy(file.path(), wordless.join(part).join(file.file_name())).unwrap();
            }
        }
        let told = ModelCard::of(&wordless).obstacle.unwrap_or_default();
        assert!(told.contains("has no tokenizer"), "{told}");
        assert!(
            nothing.sentence.contains("a picture"),
            "{}",
            nothing.sentence
        );
    }
}
