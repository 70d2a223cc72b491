//! The real engine: loads models, paints and trains.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use image::RgbaImage;

use super::device::ComputeDevice;
use super::job::{Engine, EngineFactory, JobContext};
use super::memory::memory_in_use;
use super::protocol::{
    AdapterSummary, EngineCommand, EngineError, JobOutcome, Latents, ModelSummary, PaintedImage,
    StopReason, TrajectoryFrame,
};
use super::settle::settled;
use crate::diffusion::{
    DiffusionError, GenerationOutcome, GenerationRequest, LatentDiffusion, StepView, paste_back,
};
use crate::folders;
use crate::gpu::share::SharedTensor;
use crate::model::ModelFolder;
use crate::model::weights::{FileStamp, WeightDigest};
use crate::recipe::{GenerateSpec, ModelSource, TrainSpec};
use crate::train::{self, TrainEvent};

/// Longest side of the thumbnails of steps whose picture stays on the graphics card.
const THUMBNAIL_PX: u32 = 128;
/// Longest side of the steps that come from the processor: each is handed to the
/// window, copied to the graphics card, and only seen for a moment.
const STEP_PX: u32 = 512;

/// Does jobs on one device, keeping the last model in memory.
pub struct StudioEngine {
    device: ComputeDevice,
    loaded: Option<Loaded>,
}

struct Loaded {
    model: LatentDiffusion,
    summary: ModelSummary,
    /// By which pictures name the model; it is still being made when painting begins.
    digest: Arc<WeightDigest>,
    /// What the folder looked like when it was read.
    folder: PathBuf,
    stamp: Vec<FileStamp>,
}

impl Loaded {
    fn is_still(&self, source: &ModelSource) -> bool {
        self.summary.source == *source && ModelFolder::stamp_of(&self.folder) == self.stamp
    }
}

/// A factory of engines that compute on `device`.
pub fn factory(device: ComputeDevice) -> EngineFactory {
    Box::new(move || {
        Ok(Box::new(StudioEngine {
            device: device.clone(),
            loaded: None,
        }))
    })
}

fn bad_picture(error: &dyn std::fmt::Display) -> StopReason {
    StopReason::Failed(EngineError::Paint(error.to_string()))
}

fn bad_model(error: &dyn std::fmt::Display) -> StopReason {
    StopReason::Failed(EngineError::Model(error.to_string()))
}

impl Engine for StudioEngine {
    fn adapter(&self) -> AdapterSummary {
        self.device.summary.clone()
    }

    fn run(
        &mut self,
        command: EngineCommand,
        context: &JobContext,
    ) -> Result<JobOutcome, StopReason> {
        let outcome = match command {
            EngineCommand::LoadModel { source, .. } => self
                .load(&source, context)
                .map(|loaded| JobOutcome::ModelLoaded(loaded.summary.clone())),
            EngineCommand::Generate { spec, .. } => self.generate(&spec, context),
            EngineCommand::Train { spec, .. } => self.train(&spec, context),
            EngineCommand::Shutdown => Err(StopReason::Cancelled),
        };
        if let Some(memory) = memory_in_use() {
            context.memory(memory);
        }
        outcome
    }
}

impl StudioEngine {
    fn load(&mut self, source: &ModelSource, context: &JobContext) -> Result<&Loaded, StopReason> {
        if self
            .loaded
            .as_ref()
            .is_some_and(|loaded| loaded.is_still(source))
        {
            // Checked again below so that the borrow ends here.
        } else {
            // The old model goes first: two may not fit into memory.
            self.loaded = None;
            let loaded = open(source, &self.device)?;
            for warning in loaded.model.warnings() {
                context.warn(warning);
            }
            self.loaded = Some(loaded);
        }
        self.loaded
            .as_ref()
            .ok_or_else(|| bad_model(&"The model is not in memory; load it again."))
    }

    fn generate(
        &mut self,
        spec: &GenerateSpec,
        context: &JobContext,
    ) -> Result<JobOutcome, StopReason> {
        spec.validate()
            .map_err(|error| StopReason::Failed(error.into()))?;
        let shares_window = self.device.shares_window;
        let loaded = self.load(&spec.model, context)?;
        let (spec, warnings) = settled(spec, &loaded.model).map_err(|error| bad_picture(&error))?;
        for warning in warnings {
            context.warn(warning);
        }
        for index in 0..spec.batch {
            context.checkpoint()?;
            context.painted(paint(loaded, &spec, index, shares_window, context)?);
        }
        Ok(JobOutcome::Painted)
    }

    fn train(&mut self, spec: &TrainSpec, context: &JobContext) -> Result<JobOutcome, StopReason> {
        // Training needs the memory, and may be about to overwrite this very model.
        self.loaded = None;
        let mut observe = |event: TrainEvent| {
            report_training(event, context);
            if context.checkpoint().is_ok() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        };
        let outcome = train::run(spec, &self.device.device, &mut observe)
            .map_err(|error| StopReason::Failed(EngineError::Train(error.to_string())))?;
        if context.control().is_cancelled() {
            return Err(StopReason::Cancelled);
        }
        Ok(JobOutcome::Trained(outcome))
    }
}

fn open(source: &ModelSource, device: &ComputeDevice) -> Result<Loaded, StopReason> {
    let path = match source {
        ModelSource::Folder(path) => path.clone(),
        ModelSource::Storybook => folders::storybook_model().ok_or_else(|| {
            bad_model(
                &"The Storybook model is missing; reinstall Velatura or open another model folder.",
            )
        })?,
    };
    // Before anything is read: what changes meanwhile is read again next time.
    let stamp = ModelFolder::stamp_of(&path);
    let folder = ModelFolder::open(&path)
        .map_err(|error| bad_model(&error))?
        .held_as(device.weights);
    let model =
        LatentDiffusion::load(&folder, &device.device).map_err(|error| bad_model(&error))?;
    let studio = model.studio();
    let summary = ModelSummary {
        source: source.clone(),
        name: studio.name.clone(),
        native_size_px: studio.resolution_px,
        size_multiple_px: model.size_multiple_px(),
        default_sampler: model.default_sampler().sampler_id(),
        default_karras: model.default_karras(),
        default_steps: studio.default_steps,
        default_guidance: studio.default_guidance_scale,
        has_text: true,
        has_mask_channels: studio.inpaints(),
        parameters: model.parameter_count() as u64,
    };
    let digest = folder.unet_digest().map_err(|error| bad_model(&error))?;
    Ok(Loaded {
        model,
        summary,
        digest,
        folder: path,
        stamp,
    })
}

fn paint(
    loaded: &Loaded,
    spec: &GenerateSpec,
    index: u32,
    shares_window: bool,
    context: &JobContext,
) -> Result<PaintedImage, StopReason> {
    let Loaded { model, summary, .. } = loaded;
    let seed = spec.seed.wrapping_add(u64::from(index));
    let init = spec.init.as_ref().map(|init| init.0.as_ref());
    let mask = spec.mask.as_ref();
    let request = GenerationRequest {
        prompt: spec.prompt.clone(),
        negative_prompt: spec.negative_prompt.clone(),
        sampler: spec.sampler.clone(),
        karras: spec.karras,
        steps: spec.steps,
        guidance_scale: spec.guidance_scale,
        eta: spec.eta,
        seed,
        width_px: spec.width_px,
        height_px: spec.height_px,
        strength: spec.strength,
        init: init.map(flatten),
        mask: mask.map(|mask| mask.coverage.as_ref().clone()),
    };
    let mut unseen = None;
    let outcome = model
        .generate(&request, &mut |view| {
            let (picture, planes) = match shown(&view, shares_window) {
                Ok(shown) => shown,
                Err(error) => {
                    unseen = Some(error);
                    return ControlFlow::Break(());
                }
            };
            let total = view.total as u32;
            let step = view.step as u32;
            context.frame(TrajectoryFrame {
                job: context.job(),
                index,
                step,
                total,
                image: Arc::new(opaque(&picture)),
                planes,
            });
            context.progress(index * total + step, spec.batch * total);
            if context.checkpoint().is_ok() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })
        .map_err(|error| bad_picture(&error))?;
    if let Some(error) = unseen {
        return Err(bad_picture(&error));
    }
    let GenerationOutcome::Finished { latents, image } = outcome else {
        return Err(StopReason::Cancelled);
    };
    let image = match (init, mask) {
        (Some(original), Some(mask)) => {
            paste_back(original, &opaque(&image), &mask.coverage, mask.feather_px)
        }
        _ => opaque(&image),
    };
    let shape = latents.dims();
    let values = latents
        .into_data()
        .try_to_vec::<f32>()
        .map_err(|error| bad_picture(&format!("{error:?}")))?;
    let digest = loaded.digest.digits().map_err(|error| bad_model(&error))?;
    Ok(PaintedImage {
        image: Arc::new(image),
        spec: Box::new(GenerateSpec {
            seed,
            batch: 1,
            ..spec.clone()
        }),
        model_hash: digest.chars().take(10).collect(),
        model_name: summary.name.clone(),
        latents: Some(Arc::new(Latents { shape, values })),
    })
}

/// What is shown of a step. On the window's own graphics card the picture stays
/// where it is, and only a thumbnail for the strip comes back.
fn shown(
    view: &StepView<'_>,
    shares_window: bool,
) -> Result<(image::RgbImage, Option<Arc<SharedTensor>>), DiffusionError> {
    if !shares_window {
        return Ok((at_most(view.preview()?, STEP_PX), None));
    }
    let (planes, thumbnail) = view.planes(THUMBNAIL_PX)?;
    match SharedTensor::publish(planes) {
        Ok(planes) => Ok((thumbnail, Some(Arc::new(planes)))),
        Err(error) => {
            log::warn!("{error}");
            Ok((view.preview()?, None))
        }
    }
}

/// A picture whose longest side has at most so many pixels.
fn at_most(picture: image::RgbImage, most_px: u32) -> image::RgbImage {
    let (width, height) = picture.dimensions();
    let longest = width.max(height);
    if longest <= most_px {
        return picture;
    }
    let part = |side: u32| (side * most_px / longest).max(1);
    image::imageops::thumbnail(&picture, part(width), part(height))
}

/// The picture on white: networks know nothing of transparency.
fn flatten(image: &RgbaImage) -> image::RgbImage {
    image::RgbImage::from_fn(image.width(), image.height(), |x, y| {
        let [r, g, b, a] = image.get_pixel(x, y).0.map(u32::from);
        image::Rgb([r, g, b].map(|channel| ((channel * a + 255 * (255 - a) + 127) / 255) as u8))
    })
}

fn opaque(image: &image::RgbImage) -> RgbaImage {
    RgbaImage::from_fn(image.width(), image.height(), |x, y| {
        let [r, g, b] = image.get_pixel(x, y).0;
        image::Rgba([r, g, b, 255])
    })
}

fn report_training(event: TrainEvent, context: &JobContext) {
    let clamp = |step: u64| u32::try_from(step).unwrap_or(u32::MAX);
    let done = match &event {
        TrainEvent::Started { step, total, .. } => Some((*step, *total)),
        TrainEvent::Step(report) => Some((report.step, report.total)),
        _ => None,
    };
    context.training(event);
    if let Some((step, total)) = done {
        context.progress(clamp(step), clamp(total));
    }
}
