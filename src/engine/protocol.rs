//! The words that the window (or a test) and the engine exchange.
//!
//! Events are ordered and lossless; the steps of a trajectory are no events but
//! wait in a [`FrameBacklog`](super::FrameBacklog) under a byte budget, because a
//! slow reader must skip frames rather than fall behind. Cancel and pause are
//! flags on the job ([`JobControl`]), so that they are seen within a slice; what a job
//! is told on its way lies there too, and only the newest of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{PromptReader, SamplerChoice};
use crate::gpu::share::SharedTensor;
use crate::recipe::{
    GenerateSpec, ImageInput, InputSpec, LayoutInput, ModelSource, NamedFile, PaintedRecipe,
    PaletteClass, SamplerId, Schedule, SpecError, TrainSpec, UpscaleSpec,
};

pub use crate::evaluate::Segmentation;
pub use crate::recipe::Latents;
pub use crate::train::{
    FoundRun, Holdings, SkippedPicture, StepReport, TrainConfig, TrainError, TrainEvent,
    TrainOutcome, is_free_for_run, is_run_file, is_sizes_file, preview_of_folder, read_run,
    save_run, survey_of_folder,
};

/// Names a job for as long as the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub u64);

/// Names a step of a picture that was painted for as long as the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StepId {
    /// The job.
    pub job: JobId,
    /// Which picture of the batch, from 0.
    pub picture: u32,
    /// Which step, from 1.
    pub step: u32,
}

impl StepId {
    /// The step that a frame shows.
    pub fn of(frame: &TrajectoryFrame) -> Self {
        Self {
            job: frame.job,
            picture: frame.index,
            step: frame.step,
        }
    }
}

/// How a picture goes on from one of its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With the noise that it has.
    Same,
    /// With as much other noise on what it looks like at the step.
    Other {
        /// Seed of that noise.
        seed: u64,
    },
    /// Not at all: it ends as it looks at the step.
    Here,
}

/// What the engine can be asked to do.
#[derive(Clone, Debug)]
pub enum JobSpec {
    /// Load a model, so that the next job starts at once; with the first stage that is
    /// chosen for it, which it may lack.
    LoadModel(ModelSource, Option<NamedFile>),
    /// Paint.
    Generate(Box<GenerateSpec>),
    /// Paint a picture once more from one of its steps on, as it was asked for but for what
    /// the job is told.
    GoOn(StepId, Ending),
    /// Train.
    Train(Box<TrainSpec>),
    /// Make pictures larger.
    Upscale(Box<UpscaleSpec>),
    /// Read what a picture shows where.
    Segment(ImageInput),
    /// Place boxes for the words of a picture that is not painted yet.
    Compose(Box<GenerateSpec>),
}

impl JobSpec {
    /// Whether the job lets others go before it, also those that are asked for
    /// while it is in hand.
    pub fn gives_way(&self) -> bool {
        matches!(self, Self::Train(_))
    }
}

/// What the engine says.
#[derive(Clone, Debug)]
pub enum EngineEvent {
    /// The engine runs and computes on this device.
    Ready {
        /// The device.
        adapter: AdapterSummary,
    },
    /// A job left the queue.
    Started {
        /// The job.
        job: JobId,
    },
    /// A job in hand waits, because another goes before it.
    GaveWay {
        /// The job.
        job: JobId,
    },
    /// A job that gave way goes on.
    WentOn {
        /// The job.
        job: JobId,
    },
    /// The weights of a job's model are being read.
    Reading {
        /// The job.
        job: JobId,
        /// How much of them is there, 0 to 1.
        share: f32,
    },
    /// A step of a job is done.
    Progress {
        /// The job.
        job: JobId,
        /// Steps done.
        step: u32,
        /// Steps in all.
        total: u32,
        /// Time that the job was worked on.
        elapsed: Duration,
    },
    /// A picture is finished. Whatever becomes of the job, it stays.
    Painted {
        /// The job.
        job: JobId,
        /// The picture.
        image: PaintedImage,
    },
    /// All steps of a picture are done, and it cannot be decoded; the job fails.
    Undecoded {
        /// The job.
        job: JobId,
        /// What the steps led to.
        latents: Arc<Latents>,
    },
    /// Something happened in a training run.
    Training {
        /// The job.
        job: JobId,
        /// What the trainer tells.
        news: TrainEvent,
    },
    /// Something was done differently from what was asked; the job goes on.
    Warning {
        /// The job.
        job: JobId,
        /// A sentence for the user.
        message: String,
    },
    /// The job is done. Terminal.
    Finished {
        /// The job.
        job: JobId,
        /// What came of it.
        outcome: JobOutcome,
    },
    /// The job ended early. Terminal.
    Stopped {
        /// The job.
        job: JobId,
        /// Why.
        reason: StopReason,
    },
    /// Memory in use, sent now and then.
    Memory(MemorySummary),
}

/// What came of a job.
#[derive(Clone, Debug)]
pub enum JobOutcome {
    /// Every picture is painted; each came as [`EngineEvent::Painted`].
    Painted,
    /// The larger pictures, in the order in which they were given.
    Enlarged(Vec<EnlargedImage>),
    /// What the picture shows where.
    Segmented(Segmentation),
    /// Boxes for the words, on a picture of the size of the job; `None` where they name
    /// nothing that the model can place.
    Composed(Option<LayoutInput>),
    /// A model is trained.
    Trained(TrainOutcome),
    /// The model is in memory.
    ModelLoaded(ModelSummary),
}

/// One picture that was made larger.
#[derive(Clone, Debug)]
pub struct EnlargedImage {
    /// The larger picture.
    pub image: Arc<image::RgbaImage>,
    /// What painted it, where a model did.
    pub by: Option<PaintedBy>,
}

/// What painted a larger picture.
#[derive(Clone, Debug)]
pub struct PaintedBy {
    /// The job that paints it from the small picture, with every default filled in.
    pub spec: Box<GenerateSpec>,
    /// First ten hexadecimal digits of the SHA-256 of the denoiser's weights.
    pub model_hash: String,
    /// The model's name.
    pub model_name: String,
}

impl PaintedBy {
    /// What its file tells of it.
    pub fn into_recipe(self) -> PaintedRecipe {
        let sampler = self.spec.sampler.as_ref();
        let label = sampler.map(SamplerChoice::label_of).unwrap_or_default();
        let label = label.to_owned();
        PaintedRecipe::new(*self.spec, self.model_name, self.model_hash).with_sampler_label(label)
    }
}

/// One painted picture.
#[derive(Clone, Debug)]
pub struct PaintedImage {
    /// The picture, at the job's size or as it was finished. For an inpainting job the pixels
    /// outside the mask are those of the input, bit for bit.
    pub image: Arc<image::RgbaImage>,
    /// The recipe with every default filled in and this picture's own seed.
    pub spec: Box<GenerateSpec>,
    /// First ten hexadecimal digits of the SHA-256 of the denoiser's weights.
    pub model_hash: String,
    /// The model's name.
    pub model_name: String,
    /// The final latents as the sampler left them, before the division by the model's
    /// scaling factor; `None` from an engine that has none.
    pub latents: Option<Arc<Latents>>,
}

/// What the window needs to know of a loaded model.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSummary {
    /// Where it came from.
    pub source: ModelSource,
    /// Its name.
    pub name: String,
    /// Side in pixels of the pictures it was trained on.
    pub native_size_px: u32,
    /// Both sides of a picture must be multiples of this.
    pub size_multiple_px: u32,
    /// The sampler that its scheduler names.
    pub default_sampler: SamplerId,
    /// How its scheduler asks noise levels to be spread.
    pub default_schedule: Schedule,
    /// A good number of steps.
    pub default_steps: u32,
    /// A good guidance scale.
    pub default_guidance: f32,
    /// The share of the steps that is over when it begins.
    pub default_guidance_start: f32,
    /// What it can be asked for.
    pub inputs: Vec<InputSpec>,
    /// Whether it can place boxes for words.
    pub places_boxes: bool,
    /// Whether things on label maps can be told as boxes to it.
    pub knows_things: bool,
    /// How it reads words, if it does.
    pub prompts: Option<PromptReader>,
    /// Number of weights.
    pub parameters: u64,
}

impl ModelSummary {
    /// Whether it can be asked for words.
    pub fn takes_text(&self) -> bool {
        let is_text = |input: &InputSpec| matches!(input, InputSpec::Text { .. });
        self.inputs.iter().any(is_text)
    }

    /// The names of the classes that it paints, and whether a further one stands for
    /// none of them; `None` for a model that paints no classes.
    pub fn classes(&self) -> Option<(&[String], bool)> {
        self.inputs.iter().find_map(|input| match input {
            InputSpec::Class { classes, empty } => Some((classes.as_slice(), empty.is_some())),
            _ => None,
        })
    }

    /// The classes of the label maps that it takes; `None` for a model that takes none.
    pub fn map_classes(&self) -> Option<&[PaletteClass]> {
        self.inputs.iter().find_map(|input| match input {
            InputSpec::Semantic { classes } => Some(classes.as_slice()),
            _ => None,
        })
    }

    /// Whether it was trained to fill masks.
    pub fn takes_mask(&self) -> bool {
        let is_mask = |input: &InputSpec| matches!(input, InputSpec::Mask { .. });
        self.inputs.iter().any(is_mask)
    }
}

/// Why a job ended early.
#[derive(Clone, Debug, PartialEq)]
pub enum StopReason {
    /// The user asked for it.
    Cancelled,
    /// Something went wrong.
    Failed(EngineError),
}

/// What went wrong, as a sentence with a remedy.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EngineError {
    /// The job makes no sense as it is described.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The picture could not be painted.
    #[error("{0}")]
    Paint(String),
    /// The job needs more memory than there is. Told before anything is allocated.
    #[error(
        "{what} needs about {} of memory, and {} can be had; {remedy}",
        gibibytes(.needed_bytes), gibibytes(.available_bytes)
    )]
    TooLarge {
        /// The job, as the beginning of a sentence.
        what: String,
        /// Memory that it needs, about.
        needed_bytes: u64,
        /// Memory that can be had.
        available_bytes: u64,
        /// What can be done about it.
        remedy: &'static str,
    },
    /// The device that was asked for cannot be used.
    #[error("{0}")]
    Device(String),
    /// The model could not be opened.
    #[error("{0}")]
    Model(String),
    /// The model lacks its first stage as a whole, and none was chosen.
    #[error("{0}")]
    NoFirstStage(String),
    /// The picture could not be enlarged.
    #[error("{0}")]
    Upscale(String),
    /// The picture could not be read.
    #[error("{0}")]
    Segment(String),
    /// The training run failed.
    #[error("{0}")]
    Train(String),
    /// The device does not answer any more; nothing can be computed until a restart.
    #[error(
        "The graphics device was lost ({0}). Your document is safe: save it and restart Velatura."
    )]
    DeviceLost(String),
    /// A bug of ours; the engine restarted.
    #[error("The engine stopped unexpectedly ({0}) and was restarted. Your document is untouched.")]
    Panicked(String),
}

fn gibibytes(bytes: &u64) -> String {
    format!("{:.1} GiB", *bytes as f64 / f64::from(1 << 30))
}

/// The device that computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterSummary {
    /// Name for the status bar, such as `CPU, 2 threads`.
    pub name: String,
    /// Whether it is a graphics card.
    pub is_gpu: bool,
}

/// Memory in use by the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemorySummary {
    /// Bytes in use.
    pub used_bytes: u64,
    /// Bytes there are, if known.
    pub total_bytes: Option<u64>,
}

/// One step of a denoising trajectory, ready to be shown.
#[derive(Clone, Debug)]
pub struct TrajectoryFrame {
    /// The job it belongs to.
    pub job: JobId,
    /// Which picture of the batch, from 0.
    pub index: u32,
    /// Steps done, from 1.
    pub step: u32,
    /// Steps in all.
    pub total: u32,
    /// The picture as it would be if denoising ended here, possibly smaller
    /// than the job's size (one pixel per latent): the viewer scales it up.
    pub image: Arc<image::RgbaImage>,
    /// The picture in full on the window's graphics card, as planes in [-1, 1]
    /// (`[1, 3, height, width]`), where the engine computes there.
    pub planes: Option<Arc<SharedTensor>>,
}

impl TrajectoryFrame {
    /// Bytes of memory that the frame holds, on both sides.
    pub fn size_bytes(&self) -> usize {
        self.image.as_raw().len() + self.planes_bytes()
    }

    /// Bytes of the graphics card's memory that the frame holds.
    pub fn planes_bytes(&self) -> usize {
        self.planes.as_ref().map_or(0, |planes| {
            planes.dims().iter().product::<usize>() * size_of::<f32>()
        })
    }
}

/// The reins of a running job: shared by the window and the engine.
#[derive(Clone, Debug, Default)]
pub struct JobControl {
    flags: Arc<Flags>,
}

#[derive(Debug, Default)]
struct Flags {
    cancel: AtomicBool,
    pause: AtomicBool,
    saves_memory: AtomicBool,
    told: Mutex<Option<Box<GenerateSpec>>>,
}

impl JobControl {
    /// Ends the job within one step.
    pub fn cancel(&self) {
        self.flags.cancel.store(true, Ordering::Relaxed);
    }

    /// Whether the job was asked to end.
    pub fn is_cancelled(&self) -> bool {
        self.flags.cancel.load(Ordering::Relaxed)
    }

    /// Holds the job after the step in hand, or lets it go on.
    pub fn set_paused(&self, paused: bool) {
        self.flags.pause.store(paused, Ordering::Relaxed);
    }

    /// Tells a job that paints what another one would be told of words, boxes and a
    /// label map, from its next step on. What it has not heard yet is forgotten.
    pub fn tell(&self, spec: Box<GenerateSpec>) {
        *self.told() = Some(spec);
    }

    /// What the job was told since it last listened.
    pub fn take_told(&self) -> Option<Box<GenerateSpec>> {
        self.told().take()
    }

    fn told(&self) -> MutexGuard<'_, Option<Box<GenerateSpec>>> {
        self.flags
            .told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the job read networks when their turn comes, or all at once.
    pub fn set_saving_memory(&self, saves_memory: bool) {
        self.flags
            .saves_memory
            .store(saves_memory, Ordering::Relaxed);
    }

    /// Whether the job reads networks when their turn comes.
    pub fn saves_memory(&self) -> bool {
        self.flags.saves_memory.load(Ordering::Relaxed)
    }

    /// Whether the job is held.
    pub fn is_paused(&self) -> bool {
        self.flags.pause.load(Ordering::Relaxed)
    }
}
