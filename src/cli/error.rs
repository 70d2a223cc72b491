//! Why a command could not do what was asked.

use std::path::PathBuf;

use crate::diffusion::DiffusionError;
use crate::engine::kept_files::NoSuchFile;
use crate::engine::protocol::{EngineError, TrainError};
use crate::evaluate::EvaluateError;
use crate::exchange::ExchangeError;
use crate::model::ModelError;
use crate::recipe::param::STRENGTH;
use crate::recipe::{FrameSpec, MAX_SIDE_PX, RecipeFileError, SpecError};
use crate::scenes::SceneError;

/// Why a command failed, in one sentence for the user.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// A picture file cannot be read or written.
    #[error(transparent)]
    Picture(#[from] RecipeFileError),
    /// A file of boxes or a label map cannot be used.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The job cannot be done as described.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A model cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A file beside the model cannot be found.
    #[error(transparent)]
    Kept(#[from] NoSuchFile),
    /// The engine could not do the job.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The system gave no thread for the engine.
    #[error("the engine could not be started: {0}; close other programs and try again")]
    NoEngine(std::io::Error),
    /// The user ended the job.
    #[error("interrupted; what was done is kept")]
    Interrupted,
    /// Inception sees nothing where only our judge looks.
    #[error(
        "--inception is for comparing pictures; give --fid-against or --sweep too, or leave it out"
    )]
    InceptionAlone,
    /// The system does not tell of interruptions.
    #[error("the program cannot listen for Ctrl+C: {0}; start it in another terminal")]
    NoInterrupt(std::io::Error),
    /// Scenes cannot be made.
    #[error(transparent)]
    Scenes(#[from] SceneError),
    /// A model cannot paint.
    #[error(transparent)]
    Diffusion(#[from] DiffusionError),
    /// A model could not be judged.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// What describes a training run cannot be used.
    #[error(transparent)]
    Run(#[from] TrainError),
    /// A training run without pictures.
    #[error("a run needs pictures: name their folder, or train on storybook scenes with --scenes")]
    NoTrainingData,
    /// A training run that is described nowhere.
    #[error(
        "name the file that describes the run with --config, or say what is trained: \
         `velatura train diffusion`, `velatura train autoencoder` or `velatura train classifier`"
    )]
    NoRun,
    /// Sizes of networks in the place of a run.
    #[error(
        "\u{201c}{}\u{201d} says sizes of networks and does not describe a run; begin with \
         `velatura train diffusion` or `velatura train autoencoder`",
        .0.display()
    )]
    OnlySizes(PathBuf),
    /// A file that describes a run of another stage.
    #[error(
        "\u{201c}{}\u{201d} describes a run of another stage, {trained}; begin it with \
         `velatura train --config` and without --task",
        path.display()
    )]
    OtherStage {
        /// The file.
        path: PathBuf,
        /// What is trained by it.
        trained: &'static str,
    },
    /// A choice of latents for an autoencoder that is there already.
    #[error(
        "the autoencoder of this run is given by its model or its network sizes; leave out --latents and --factor"
    )]
    GivenAutoencoder,
    /// There is no model of that name.
    #[error(
        "there is no model folder \u{201c}{}\u{201d}; `velatura models` lists those that can be found",
        .0.display()
    )]
    NoModel(PathBuf),
    /// A model makes no larger pictures of small ones.
    #[error(
        "\u{201c}{}\u{201d} makes no larger pictures of small ones; name a model of super-resolution, or leave --model out",
        .0.display()
    )]
    NoSuperResolution(PathBuf),
    /// Neither the model nor the classifier knows such a class.
    #[error(
        "there is no class \u{201c}{told}\u{201d}; name one that can be painted, or give a number from 0 to {last}"
    )]
    UnknownClass {
        /// As it was asked for.
        told: String,
        /// The largest number.
        last: usize,
    },
    /// A label map for a model that knows none.
    #[error(
        "this model knows no label maps; say with --palette what the map's classes are called, \
         so that their names act as regional prompts"
    )]
    NoPalette,
    /// A picture carries no recipe.
    #[error("\u{201c}{}\u{201d} does not say how it was painted; give the settings as options", .0.display())]
    NoRecipe(PathBuf),
    /// A recipe cannot be repeated without its input.
    #[error(
        "\u{201c}{}\u{201d} was painted from another picture; give that with {}",
        .0.display(), .1
    )]
    RecipeNeeds(PathBuf, &'static str),
    /// A frame around a mask that is not given.
    #[error("--frame mask needs a mask; give one with --mask, or the frame as x,y,width,height")]
    NoMaskToFrame,
    /// A mask that covers nothing.
    #[error("the mask is empty; make white what is to be repainted")]
    EmptyMask,
    /// A mask that covers nothing of the frame.
    #[error("nothing of the mask lies in the frame; move the frame, or give it as mask")]
    MaskElsewhere,
    /// A mask of an absurd strength.
    #[error(
        "the strength of the mask \u{201c}{}\u{201d} is \u{201c}{given}\u{201d}; it must be {}",
        path.display(), STRENGTH.allowed
    )]
    MaskStrength {
        /// The mask.
        path: PathBuf,
        /// What was given for it.
        given: String,
    },
    /// A frame that does not touch the picture.
    #[error(
        "the frame {},{},{},{} lies outside of the picture, which is {} × {} pixels; move it so that they overlap",
        frame.x, frame.y, frame.width_px, frame.height_px, picture_px[0], picture_px[1]
    )]
    FrameOutside {
        /// The frame.
        frame: FrameSpec,
        /// Size of the picture.
        picture_px: [u32; 2],
    },
    /// A frame that reaches too far over the picture's edge.
    #[error(
        "with this frame the picture would grow to {} × {} pixels; each side must be at most {MAX_SIDE_PX}",
        .0[0], .0[1]
    )]
    TooGrown([u32; 2]),
    /// The model of a recipe is not known.
    #[error(
        "\u{201c}{}\u{201d} was painted with the model \u{201c}{name}\u{201d} ({hash}), which is not among \
         those that `velatura models` lists; give its folder with --model",
        picture.display()
    )]
    UnknownModel {
        /// The picture with the recipe.
        picture: PathBuf,
        /// The model's name.
        name: String,
        /// First digits of its weights' hash.
        hash: String,
    },
    /// Latents under the name of a picture.
    #[error(
        "\u{201c}{}\u{201d} is a name for pictures; end the name of the latents in .safetensors",
        .0.display()
    )]
    LatentsName(PathBuf),
    /// A folder is not there.
    #[error("the folder \u{201c}{}\u{201d} does not exist; create it or name another", .0.display())]
    NoFolder(PathBuf),
    /// What came with the program cannot be found.
    #[error(
        "the Storybook model that comes with Velatura was not found; reinstall Velatura, \
         or set {} to its assets folder",
        crate::folders::ASSETS_VARIABLE
    )]
    NoStorybook,
    /// Nobody knows where to save.
    #[error("this system has no folder for pictures; name a file with --output")]
    NoPicturesFolder,
    /// A file cannot be read.
    #[error("\u{201c}{}\u{201d} could not be read: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// A file cannot be written.
    #[error("\u{201c}{}\u{201d} could not be written: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
}
