//! What can go wrong on the way from a prompt to a picture.

use crate::model::ModelError;
use crate::recipe::{LayoutError, SamplerId, SemanticError};

/// Why a picture cannot be painted, in a sentence for the user.
#[derive(Debug, thiserror::Error)]
pub enum DiffusionError {
    /// A part of the model is missing or damaged.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The model's noise schedule is not one of ours.
    #[error(
        "the model's noise schedule (its scheduler_config.json or YAML file) cannot be used: {0}"
    )]
    Scheduler(String),
    /// The sampler cannot take so many steps.
    #[error(
        "{sampler} cannot take {steps} steps with this model; choose between {least} and {most}"
    )]
    Steps {
        /// The sampler's label.
        sampler: &'static str,
        /// The number asked for.
        steps: usize,
        /// The smallest number that works.
        least: usize,
        /// The largest number that works.
        most: usize,
    },
    /// No sampler has this name.
    #[error("there is no sampler {name}; choose one of {}", known.join(", "))]
    UnknownSampler {
        /// The name asked for.
        name: SamplerId,
        /// The names that there are.
        known: Vec<&'static str>,
    },
    /// The strength is so small that no step is left.
    #[error(
        "with strength {strength} and {steps} steps nothing would be painted; raise the strength or the steps"
    )]
    Strength {
        /// The strength asked for.
        strength: f32,
        /// The steps asked for.
        steps: u32,
    },
    /// The parts of the model do not fit each other.
    #[error("the parts of this model do not fit together: {0}")]
    Parts(String),
    /// A picture, mask or map of strengths does not have the size of the job.
    #[error(
        "the {what} is {} × {} pixels but the picture to paint is {} × {}; make them the same size",
        found_px[0], found_px[1], wanted_px[0], wanted_px[1]
    )]
    Size {
        /// "picture", "mask", "map of strengths", "guide" or "control picture".
        what: &'static str,
        /// Its size.
        found_px: [u32; 2],
        /// The size of the job.
        wanted_px: [u32; 2],
    },
    /// A guide shows nothing.
    #[error(
        "all of the guide is transparent, so that it guides nothing; paint something on it, or leave it out"
    )]
    ClearGuide,
    /// Noise or latents that are handed in are of something else.
    #[error(
        "the shape of the initial {what} is {found:?}, but this model and size need {wanted:?}; \
         make another file, or choose another size"
    )]
    GivenShape {
        /// "noise" or "latents".
        what: &'static str,
        /// Their shape.
        found: [usize; 4],
        /// The shape of one picture.
        wanted: [usize; 4],
    },
    /// Some of them are no numbers.
    #[error("there are numbers in the initial {0} that are not finite; make another file")]
    GivenNumbers(&'static str),
    /// The model cannot be told something.
    #[error("this model takes no {0}; choose a model that does, or leave it out")]
    NotTaken(&'static str),
    /// A class beyond those of the model.
    #[error("there is no class {class}; this model has those from 0 to {last}")]
    UnknownClass {
        /// The number given.
        class: u32,
        /// The largest there is.
        last: usize,
    },
    /// A class beyond those of the classifier.
    #[error("there is no class {class}; the classifier has those from 0 to {last}")]
    UnknownClassifierClass {
        /// The number given.
        class: u32,
        /// The largest there is.
        last: usize,
    },
    /// The classifier knows latents of another scale.
    #[error(
        "the classifier was trained on latents times {found:.4}, and the model paints latents times {wanted:.4}; \
         train one with this model as its first stage"
    )]
    ClassifierLatents {
        /// That of the classifier.
        found: f64,
        /// That of the model.
        wanted: f64,
    },
    /// The classifier knows other noise.
    #[error(
        "the classifier was trained on other noise than the model; train one with this model as its first stage"
    )]
    ClassifierNoise,
    /// The classifier tells of noise that is not one of ours.
    #[error(
        "the noise schedule of the classifier (scheduler in its config.json) cannot be used: {0}; \
         take the scheduler_config.json of the model that it was trained with"
    )]
    ClassifierSchedule(String),
    /// The model paints from something that is not there.
    #[error("this model makes small pictures larger and paints from nothing else; give it one")]
    NeedsSmallPicture,
    /// Boxes cannot be painted.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A label map cannot be painted.
    #[error(transparent)]
    Semantic(#[from] SemanticError),
    /// The small picture does not have its size.
    #[error(
        "the low-resolution picture is {} × {} pixels; for a picture of {} × {} it must be {} × {}",
        found_px[0], found_px[1], size_px[0], size_px[1], wanted_px[0], wanted_px[1]
    )]
    SmallSize {
        /// Its size.
        found_px: [u32; 2],
        /// The size that it should have.
        wanted_px: [u32; 2],
        /// The size of the job.
        size_px: [u32; 2],
    },
    /// A picture that is to go on over its edges ends inside of a latent.
    #[error(
        "a picture of {} × {} pixels cannot be tiled with this model; its sides must be multiples of {factor}: \
         take {} × {}",
        size_px[0], size_px[1],
        size_px[0].max(*factor) / factor * factor, size_px[1].max(*factor) / factor * factor
    )]
    TileSides {
        /// Pixels per side of a latent's place.
        factor: u32,
        /// The size of the picture.
        size_px: [u32; 2],
    },
    /// A sampler goes by the steps of a training that had none.
    #[error(
        "{sampler} asks a model at steps of its training, and this one was trained at any level of noise (EDM); \
         choose one of: {}", others.join(", ")
    )]
    NoSteps {
        /// What the sampler is called.
        sampler: &'static str,
        /// Those that can.
        others: Vec<&'static str>,
    },
    /// A run cannot go on from a state of another one.
    #[error("this step belongs to a run with other steps or of another size; begin a new run")]
    State,
    /// A picture that is being painted cannot be given other LoRAs.
    #[error("the LoRAs of a picture in hand stay as they are; paint it anew for others")]
    LorasStay,
    /// A picture that is being painted cannot be given other ControlNets.
    #[error("the ControlNets of a picture in hand stay as they are; paint it anew for others")]
    ControlsStay,
    /// A picture that is being painted cannot be given another classifier.
    #[error("the classifier of a picture in hand stays as it is; paint it anew for another")]
    ClassifierStays,
    /// The networks returned numbers that are none.
    #[error(
        "the model returned numbers that are not finite at step {step}; lower the guidance, or check the model's files"
    )]
    NotFinite {
        /// The step, from 1.
        step: usize,
    },
    /// A picture cannot be cut into places of latents.
    #[error(
        "the picture is {} × {} pixels, but this autoencoder needs sides that {factor} divides; \
         crop it to {} × {}",
        found_px[0], found_px[1], found_px[0].max(*factor) / factor * factor,
        found_px[1].max(*factor) / factor * factor
    )]
    Sides {
        /// Pixels per side of a latent's place.
        factor: u32,
        /// The size of the picture.
        found_px: [u32; 2],
    },
    /// Latents are of another autoencoder.
    #[error(
        "the latents have {found} channels, but those of this autoencoder have {wanted}; \
         decode them with the one that made them"
    )]
    Channels {
        /// Channels of the latents.
        found: usize,
        /// Channels of the autoencoder's.
        wanted: usize,
    },
    /// Latents would make a picture larger than any.
    #[error(
        "the latents are too large; with this autoencoder they may be {most} places wide and high"
    )]
    TooLarge {
        /// Places of a side.
        most: usize,
    },
    /// The first stage returned numbers that are none, of latents that are some.
    #[error(
        "the autoencoder returned numbers that are not finite; check its file, or choose another one (--vae)"
    )]
    NotDecoded,
    /// Latents decode to numbers that are none.
    #[error(
        "the latents decode to numbers that are not finite; they are damaged, or of another autoencoder"
    )]
    NoPicture,
    /// The tensor library could not hand over its numbers.
    #[error("the result could not be read from the device: {0}; try again, or compute on the CPU")]
    Device(String),
}
