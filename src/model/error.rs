//! What can be wrong with a model.

use std::io;
use std::path::{Path, PathBuf};

use crate::files::reason_of;

/// What is wrong with a model folder, in a sentence for the user.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file or folder cannot be read or written.
    #[error("cannot {action} {}: {}", path.display(), reason_of(source))]
    Io {
        /// "read", "write", …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Whoever watched the reading ended it.
    #[error("reading {} was ended", .0.display())]
    BrokenOff(PathBuf),
    /// Whoever watched the writing ended it.
    #[error("writing {} was ended", .0.display())]
    WritingEnded(PathBuf),
    /// What would be written is there already.
    #[error("{} is there already; choose another name, or say --overwrite to replace it", .0.display())]
    Exists(PathBuf),
    /// A model is to be written in a form that is not written.
    #[error(
        "{} would be a PyTorch checkpoint, which is not written; end the name in .safetensors, or name a folder",
        .0.display()
    )]
    TorchTarget(PathBuf),
    /// A YAML file is named for a folder that says itself what it is.
    #[error("{} says itself what it is made of; leave out --config, which is for checkpoints in one file", .0.display())]
    NeedsNoYaml(PathBuf),
    /// A file lies where a model would be read with it to which it does not belong.
    #[error(
        "{} belongs to another model, and the new one would be read with it; write into another folder, or put it elsewhere first",
        .0.display()
    )]
    Stray(PathBuf),
    /// A model cannot be said in one file of the original naming.
    #[error(
        "{} has no form in one file: {reason}; give a folder to write into, without .safetensors at the end",
        path.display()
    )]
    NoSingleForm {
        /// The model.
        path: PathBuf,
        /// What such files do not tell.
        reason: String,
    },
    /// The folder is not a model.
    #[error("{} is not a model folder: it has no model_index.json, no unet, vae or text_encoder folder, and no one file of weights", .0.display())]
    NotAModel(PathBuf),
    /// There is no autoencoder in a folder.
    #[error("{} holds no autoencoder: neither a vae or vqvae folder nor a config.json of one", .0.display())]
    NoFirstStage(PathBuf),
    /// A lone file of weights tells nothing of its sizes.
    #[error(
        "{} is none of the released autoencoders; put its config.json or YAML beside it",
        .0.display()
    )]
    UnknownFirstStage(PathBuf),
    /// A tiny autoencoder lacks the half that paints.
    #[error(
        "{} is the encoder of a tiny autoencoder, without its decoder; put the file of that beside it",
        .0.display()
    )]
    OnlyEncoder(PathBuf),
    /// A part that is needed is not in the folder.
    #[error("the model {} has no {part}; choose a model that has one", folder.display())]
    MissingPart {
        /// The model folder.
        folder: PathBuf,
        /// The part.
        part: &'static str,
    },
    /// A part has a configuration but no weights.
    #[error("no weights in {}: {} is needed", folder.display(), expected.join(" or "))]
    MissingWeights {
        /// The part's folder.
        folder: PathBuf,
        /// File names that would do.
        expected: Vec<String>,
    },
    /// A PyTorch checkpoint is damaged, hostile or none.
    #[error("{} cannot be read as a PyTorch checkpoint: {message}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A large file was not fetched.
    #[error(
        "{} only stands for a file that Git LFS keeps elsewhere; fetch it with `git lfs pull` in that folder, \
         or download it by hand",
        .0.display()
    )]
    LfsPointer(PathBuf),
    /// A file is of a kind that is no model here.
    #[error("{} is {kind}{}: {remedy}", path.display(), refused(kind))]
    OtherKind {
        /// The file.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
        /// What to do instead.
        remedy: &'static str,
    },
    /// A model that is known and does not open yet.
    #[error(
        "{} is {} model of the family {family}, which does not open for painting yet; \
         `velatura models inspect` tells what is in it",
        path.display(), with_article(task)
    )]
    NotYet {
        /// The file.
        path: PathBuf,
        /// Whose models it is like.
        family: &'static str,
        /// What it is for.
        task: &'static str,
    },
    /// An autoencoder was chosen to paint with.
    #[error(
        "{} is an autoencoder, which paints nothing itself; give it as --vae, or use `velatura autoencoder`",
        .0.display()
    )]
    PaintsNothing(PathBuf),
    /// A denoiser was chosen without the rest of its model.
    #[error(
        "{} is the denoiser of a model alone; choose the folder or the file of the whole model",
        .0.display()
    )]
    DenoiserAlone(PathBuf),
    /// A model lacks its autoencoder as a whole.
    #[error(
        "{} has no autoencoder in it, and nothing is painted without one; choose one, or give it as --vae FILE|DIR",
        .0.display()
    )]
    NoAutoencoder(PathBuf),
    /// Nothing tells the heads of a model's attention.
    #[error(
        "{} is {} model of the family Latent Diffusion, and only its YAML file tells the heads of its \
         attention; put that beside it as {} or config.yaml, or name it with --config",
        path.display(), with_article(task), yaml(path)
    )]
    NeedsYaml {
        /// The file.
        path: PathBuf,
        /// What it is for.
        task: &'static str,
    },
    /// A model has a conditioner of the paper's code, which is read and not written.
    #[error(
        "{} is told by a network of the paper's own code, which is not written anew; copy it as it is, \
         with all files that belong to it",
        .0.display()
    )]
    OnlyOriginal(PathBuf),
    /// A model lacks weights that it needs.
    #[error(
        "{} is a model of the family {family} and lacks {name}{}; fetch the file again",
        path.display(), more(*count)
    )]
    Lacking {
        /// The file.
        path: PathBuf,
        /// Whose models it is like.
        family: &'static str,
        /// The first weight that is missing, by its name in the file.
        name: String,
        /// How many are missing.
        count: usize,
    },
    /// The YAML file of a model tells another one.
    #[error(
        "{} is not the YAML file of {}: {name} is {:?} and would have to be {:?}{}; \
         put that of the model beside it as {}, or name it with --config",
        yaml_path.display(), path.display(), shapes[0], shapes[1], neither(*count), yaml(path)
    )]
    OtherYaml {
        /// The file of weights.
        path: PathBuf,
        /// The YAML file.
        yaml_path: PathBuf,
        /// The first weight that does not fit, by its name in the file.
        name: String,
        /// Its shape, and the shape by the YAML file.
        shapes: Box<[Vec<usize>; 2]>,
        /// How many do not fit.
        count: usize,
    },
    /// A file of weights holds none.
    #[error("{} holds no tensors; fetch the file again, or take another", .0.display())]
    NoTensors(PathBuf),
    /// The weights in a file are those of no network that is known.
    #[error("the weights in {} are those of no model that is known here, such as {first}", path.display())]
    UnknownWeights {
        /// The file.
        path: PathBuf,
        /// The first of their names.
        first: String,
    },
    /// A JSON or YAML file does not say what it should.
    #[error("{} cannot be understood: {message}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What serde says.
        message: String,
    },
    /// A configuration asks for something this program does not have.
    #[error("{part} with {key} = {value} is not supported: {supported}")]
    Unsupported {
        /// The class of diffusers.
        part: &'static str,
        /// The key of its configuration.
        key: &'static str,
        /// The value found.
        value: String,
        /// What would be supported.
        supported: String,
    },
    /// A weight file is damaged or no safetensors file.
    #[error("{} is not a whole safetensors file: {message}; download or copy it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A weight is stored as numbers that networks do not compute with.
    #[error("{} holds {key} as {found}; take a version of the file in F32, F16, BF16 or F64", path.display())]
    NumberKind {
        /// The file.
        path: PathBuf,
        /// The weight.
        key: String,
        /// Its kind of number, in the file's words.
        found: String,
    },
    /// A weight is beyond the range in which it was to be held.
    #[error("{} holds a number in {key} that f16 cannot hold; use bf16 or f32", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The weight.
        key: String,
    },
    /// The weights do not belong to the configuration.
    #[error("the weights in {} do not fit {config}: {message}", path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// The network whose shapes were expected.
        config: &'static str,
        /// Keys and shapes.
        message: String,
    },
    /// A file holds changes of a kind that is not known here.
    #[error("{} is {kind} ({key}), which is not supported in this edition; {remedy}", path.display())]
    LoraKind {
        /// The file.
        path: PathBuf,
        /// What it is, with its article.
        kind: &'static str,
        /// The name that tells it.
        key: String,
        /// What to do instead.
        remedy: &'static str,
    },
    /// A file that was to change a model holds nothing of the kind.
    #[error("{} is no LoRA: it holds {first}, which changes no model", path.display())]
    NotALora {
        /// The file.
        path: PathBuf,
        /// The first of its names.
        first: String,
    },
    /// A LoRA was made for another model, or is damaged.
    #[error("the LoRA {} does not fit the model: {key} {reason}; leave it out, or take one that was made for such models", path.display())]
    LoraMisfit {
        /// The file.
        path: PathBuf,
        /// The first name in it that does not fit.
        key: String,
        /// Why.
        reason: String,
    },
    /// A LoRA is told to act infinitely, or by no number.
    #[error(
        "the LoRA {} cannot be used: {key} in its header is {value}, which is no finite number; \
         fetch the file again, or take another",
        path.display()
    )]
    LoraAlpha {
        /// The file.
        path: PathBuf,
        /// The key in its header.
        key: &'static str,
        /// What it says.
        value: String,
    },
    /// A file that was to control a model is a relative of what could.
    #[error(
        "{} is {kind}, which is not supported in this edition; take a ControlNet for one kind of picture, \
         as a file or a folder of diffusers",
        path.display()
    )]
    ControlNetKind {
        /// The file.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// A file that was to control a model holds nothing of the kind.
    #[error("{} is no ControlNet: it holds {first}; take one in the format of diffusers or of the paper", path.display())]
    NotAControlNet {
        /// The file or folder.
        path: PathBuf,
        /// The first of its names.
        first: String,
    },
    /// A ControlNet was made for another model.
    #[error("the ControlNet {} does not fit the model: {reason}; leave it out, or take one that was made for such models", path.display())]
    ControlNetMisfit {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A first stage makes other latents than a model's denoiser takes.
    #[error(
        "the {class} makes latents of {} channels, each for {} pixels a side, and the model paints latents of \
         {} channels, each for {} pixels a side; take one that makes such",
        found[0], found[1], wanted[0], wanted[1]
    )]
    OtherLatents {
        /// The class of the first stage.
        class: &'static str,
        /// Its channels, and pixels of a side.
        found: [usize; 2],
        /// Those of the model.
        wanted: [usize; 2],
    },
    /// A model refers to a first stage that is not there.
    #[error(
        "the first stage that \u{201c}{}\u{201d} shares with other models {} \u{201c}{}\u{201d}; bring it back there, or into the folder of your models", model.display(),
        if *is_other { "is no longer the one in" } else { "is not in" }, path.display()
    )]
    FirstStageGone {
        /// The model.
        model: PathBuf,
        /// Where it should lie.
        path: PathBuf,
        /// Whether another one lies there.
        is_other: bool,
    },
    /// A tiny autoencoder without its first half.
    #[error(
        "the tiny autoencoder has no encoder, only a decoder: put the file of its encoder beside it, or take another first stage"
    )]
    OnlyDecoder,
    /// A file of words for the text encoder is none, or is for another one.
    #[error("the words in {} cannot be taught to the model: {message}", path.display())]
    Words {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A model would replace something else.
    #[error("{} is not empty and holds no model that the new one could replace; choose another name for the new model", .0.display())]
    Occupied(PathBuf),
    /// A model's folder that would be replaced holds something else too.
    #[error(
        "{} also holds {}, which is no part of the model and would be lost; \
         choose another name for the new model, or put that elsewhere first",
        folder.display(), foreign.display()
    )]
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// What it holds, as seen from there.
        foreign: PathBuf,
    },
    /// `studio.json` says something that cannot be.
    #[error("studio.json with {key} = {value} is not supported: {supported}")]
    Studio {
        /// The key.
        key: &'static str,
        /// The value found.
        value: String,
        /// What would be supported.
        supported: String,
    },
    /// Weights of something else.
    #[error(
        "{} does not hold the weights of LPIPS: {reason}; name a file with all of them, or a folder \
         with vgg16-397923af.pth of torchvision and vgg.pth of LPIPS", path.display()
    )]
    NotLpips {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Something else than a classifier.
    #[error("{} is no classifier that opens here: {reason}", path.display())]
    NotAClassifier {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A classifier was trained on something else than what is painted.
    #[error("the classifier cannot guide this picture: {0}")]
    ClassifierMisfit(String),
    /// A tokenizer's files do not fit together.
    #[error("the tokenizer in {} cannot be used: {message}", path.display())]
    Tokenizer {
        /// Its folder.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

/// What is said of a kind of file that does not open, unless it is used in another way.
fn refused(kind: &str) -> &'static str {
    match kind.ends_with("and is none") || kind.ends_with("and none itself") {
        true => "",
        false => ", which does not open",
    }
}

/// The name of the YAML file that belongs to a checkpoint.
fn yaml(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default();
    format!("{}.yaml", stem.to_string_lossy())
}

/// A task, such as an inpainting or a text-to-image one.
fn with_article(task: &str) -> String {
    let article = if task.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {task}")
}

/// How many are not named.
fn more(count: usize) -> String {
    match count {
        0 | 1 => String::new(),
        count => format!(" and {} more weights", count - 1),
    }
}

/// How many fit as little as the one that is named.
fn neither(count: usize) -> String {
    match count {
        0 | 1 => String::new(),
        2 => ", and one more weight fits as little".into(),
        count => format!(", and {} more weights fit as little", count - 1),
    }
}

impl ModelError {
    /// Turns an I/O error into a sentence.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// Something a configuration asks for and we do not have.
    pub(crate) fn unsupported(
        part: &'static str,
        key: &'static str,
        value: impl std::fmt::Display,
        supported: impl Into<String>,
    ) -> Self {
        Self::Unsupported {
            part,
            key,
            value: value.to_string(),
            supported: supported.into(),
        }
    }
}
