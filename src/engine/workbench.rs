//! What the works of one engine share: the device and the models in memory.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use super::additions::Fitted;
use super::classifiers::{Classifiers, ReadClassifier};
use super::controls::{Controls, ReadControl};
use super::device::ComputeDevice;
use super::job::JobContext;
use super::memory::{Memory, memory_in_use};
use super::model_cache::{Loaded, ModelCache, bad_model, folder_of, path_of};
use super::protocol::{EngineError, StopReason};
use super::steps::Steps;
use crate::diffusion::{GenerationRequest, LatentDiffusion};
use crate::evaluate::{FilledIn, Judge};
use crate::folders;
use crate::frame::patch_bytes;
use crate::model::{Beside, MemoryEstimate, ModelFolder, Upscaler, WeightDtype};
use crate::recipe::{
    BoxUse, GenerateSpec, MapUse, ModelSource, NamedFile, SuperResolution, TrainSpec, UpscaleSpec,
    enlarging_window_px,
};
use crate::train;

/// Part of the computer's memory that models may keep after their jobs.
const SHARE_FOR_MODELS: u64 = 4;

/// Memory that the network which enlarges pictures works in, about.
const ENLARGING_BYTES: u64 = 256 << 20;

/// Memory for each pixel of a picture that a model paints larger, about: some copies of
/// latents and of what the model is shown beside them, with four pixels a side to a latent.
const LATENT_BYTES_A_PIXEL: u64 = 12;

/// What the works of one engine share.
pub(super) struct Workbench {
    pub device: ComputeDevice,
    models: RefCell<ModelCache>,
    fitted: RefCell<Fitted>,
    controls: RefCell<Controls>,
    classifiers: RefCell<Classifiers>,
    upscaler: OnceCell<Rc<Upscaler>>,
    judge: OnceCell<Rc<Judge>>,
    /// The steps of what was painted last.
    pub steps: RefCell<Steps>,
    /// Bytes that training runs in hand need.
    reserved_bytes: Cell<u64>,
}

impl Workbench {
    pub fn new(device: ComputeDevice) -> Self {
        Self {
            device,
            models: RefCell::default(),
            fitted: RefCell::default(),
            controls: RefCell::default(),
            classifiers: RefCell::default(),
            upscaler: OnceCell::new(),
            judge: OnceCell::new(),
            steps: RefCell::default(),
            reserved_bytes: Cell::new(0),
        }
    }

    /// A model, from memory if it is there; `vae` is the first stage that is chosen for it.
    pub fn model(
        &self,
        source: &ModelSource,
        vae: Option<&NamedFile>,
        context: &JobContext,
    ) -> Result<Rc<Loaded>, StopReason> {
        let budget_bytes = self.budget_bytes();
        self.fitted.borrow_mut().forget_others(source);
        self.controls.borrow_mut().forget_others(source);
        let mut models = self.models.borrow_mut();
        models.get(source, vae, &self.device, budget_bytes, context)
    }

    /// The model of a job with what the job adds to it.
    pub fn fitted(
        &self,
        base: &Rc<Loaded>,
        spec: &GenerateSpec,
        context: &JobContext,
    ) -> Result<Rc<Loaded>, StopReason> {
        self.fitted
            .borrow_mut()
            .get(base, spec, &self.device, context)
    }

    /// The networks through which pictures control a job.
    pub fn controls(
        &self,
        base: &Rc<Loaded>,
        spec: &GenerateSpec,
        context: &JobContext,
    ) -> Result<Vec<Rc<ReadControl>>, StopReason> {
        self.controls
            .borrow_mut()
            .get(base, spec, &self.device, context)
    }

    /// Lets go of the networks through which pictures control a job.
    pub fn forget_controls(&self) {
        self.controls.borrow_mut().forget();
    }

    /// What leads a job to its class.
    pub fn classifier(
        &self,
        spec: &GenerateSpec,
        context: &JobContext,
    ) -> Result<Option<Rc<ReadClassifier>>, StopReason> {
        self.classifiers
            .borrow_mut()
            .get(spec, &self.device, context)
    }

    /// Refuses to paint what needs more memory than there is, and answers whether the
    /// first stage has to see the picture in parts to have enough. How much a graphics
    /// card has is not told; there the driver says so in its time.
    pub fn check_painting(
        &self,
        spec: &GenerateSpec,
        saves_memory: bool,
    ) -> Result<bool, StopReason> {
        if self.device.summary.is_gpu {
            return Ok(false);
        }
        let size_px = [spec.width_px, spec.height_px];
        let folder = folder_of(&spec.model, spec.vae.as_ref(), &self.device, saves_memory)?;
        let native_px = folder.manifest().resolution_px;
        let window_px = spec.windows.side_px(size_px, native_px);
        let controls = self.controls.borrow();
        let (beside, control_bytes) = beside(spec, &folder, &controls);
        let estimated = |is_in_parts: bool| {
            let estimate = folder.painting_memory_beside(size_px, window_px, is_in_parts, &beside);
            estimate.map_err(|error| bad_model(&error))
        };
        let estimate = estimated(window_px.is_some())?;
        let (spare_bytes, is_loaded) = self.models.borrow().spare_bytes(Some(&spec.model));
        let frame_px = spec.frame.map_or([0, 0], |frame| frame.size_px());
        let guide_bytes = guide_bytes(spec, &folder);
        let classifier_bytes = classifier_bytes(spec, &folder, &self.classifiers.borrow())?;
        let needed_bytes = |estimate: MemoryEstimate| {
            let model_bytes = match is_loaded && !folder.is_in_turn() {
                true => estimate.working_bytes + control_bytes,
                false => estimate.total_bytes(),
            };
            model_bytes
                .saturating_add(guide_bytes)
                .saturating_add(classifier_bytes)
                .saturating_add(patch_bytes(frame_px))
        };
        let available_bytes = Memory::now().map(|memory| memory.available_bytes + spare_bytes);
        let (estimate, is_in_parts) = match window_px {
            None if available_bytes.is_some_and(|available| needed_bytes(estimate) > available) => {
                let in_parts = estimated(true)?;
                (in_parts, in_parts.working_bytes < estimate.working_bytes)
            }
            _ => (estimate, false),
        };
        check_room(
            &format!("Painting {} × {} pixels", size_px[0], size_px[1]),
            needed_bytes(estimate),
            available_bytes,
            match folder.is_in_turn() {
                true => "make the picture smaller, or close other programs",
                false => {
                    "make the picture smaller, close other programs, or save memory (--low-memory)"
                }
            },
        )
        .map_err(StopReason::Failed)?;
        Ok(is_in_parts)
    }

    /// Refuses a training run that needs more memory than there is.
    pub fn check_training(&self, spec: &TrainSpec) -> Result<(), StopReason> {
        // What is wrong with the run is told when it is opened.
        let (false, Ok(estimate)) = (self.device.summary.is_gpu, train::memory_needed(spec)) else {
            return Ok(());
        };
        let (spare_bytes, _) = self.models.borrow().spare_bytes(None);
        check_room(
            &format!("Training with {} pictures at a time", spec.batch),
            estimate.total_bytes(),
            Memory::now().map(|memory| memory.available_bytes + spare_bytes),
            "take a smaller batch and more forward passes a step, or smaller pictures",
        )
        .map_err(StopReason::Failed)
    }

    /// The network that enlarges pictures. It is so small that it stays in memory.
    pub fn upscaler(&self) -> Result<Rc<Upscaler>, StopReason> {
        if let Some(network) = self.upscaler.get() {
            return Ok(Rc::clone(network));
        }
        let weights = folders::upscaler().ok_or_else(|| {
            bad_model(&format!(
                "The network that enlarges pictures is missing; reinstall Velatura, or set {} to its assets folder.",
                folders::ASSETS_VARIABLE
            ))
        })?;
        let network = Upscaler::open(&weights, &self.device.device);
        let network = Rc::new(network.map_err(|error| bad_model(&error))?);
        Ok(Rc::clone(self.upscaler.get_or_init(|| network)))
    }

    /// The network that reads scenes. It is so small that it stays in memory.
    pub fn judge(&self) -> Result<Rc<Judge>, StopReason> {
        if let Some(judge) = self.judge.get() {
            return Ok(Rc::clone(judge));
        }
        let folder = folders::judge().ok_or_else(|| {
            bad_model(&format!(
                "The network that reads pictures is missing; reinstall Velatura, or set {} to its assets folder.",
                folders::ASSETS_VARIABLE
            ))
        })?;
        let judge = Judge::open(&folder).map_err(|error| bad_model(&error))?;
        Ok(Rc::clone(self.judge.get_or_init(|| Rc::new(judge))))
    }

    /// Tells a job that paints a part of a picture anew what that lacks: boxes for what is
    /// missing, and no words for what stands elsewhere. Without the network that sees it, it
    /// is painted as it was told.
    pub fn fill_in(
        &self,
        spec: &mut GenerateSpec,
        model: &LatentDiffusion,
        request: &GenerationRequest,
    ) {
        if !model.places_boxes(false) {
            return;
        }
        let judge = match self.judge() {
            Ok(judge) => judge,
            Err(reason) => {
                log::warn!("Nobody can see what is missing in the picture: {reason:?}");
                return;
            }
        };
        let around = spec.around.as_ref().map(|around| around.0.as_ref());
        match judge.missing(model, request, around) {
            Ok(FilledIn { layout, prompt }) => {
                spec.layout = layout;
                // Words that add files to the model stay as they are.
                if let Some(prompt) = prompt.filter(|_| request.prompt == spec.prompt) {
                    spec.prompt = prompt;
                }
            }
            Err(error) => log::warn!("What is missing in the picture cannot be seen: {error}"),
        }
    }

    /// Refuses to make pictures that are larger than the memory there is, which is
    /// the computer's, whatever computes.
    pub fn check_enlarging(&self, spec: &UpscaleSpec) -> Result<(), StopReason> {
        let (spare_bytes, _) = self.models.borrow().spare_bytes(None);
        check_room(
            "The enlarged picture",
            spec.result_bytes() + ENLARGING_BYTES,
            Memory::now().map(|memory| memory.available_bytes + spare_bytes),
            "begin with a smaller picture, or close other programs",
        )
        .map_err(StopReason::Failed)
    }

    /// Refuses to paint pictures larger than the memory there is: beside the model and what
    /// a window of it takes, the latents of the largest picture and the pictures.
    pub fn check_repainting(
        &self,
        spec: &UpscaleSpec,
        by: &SuperResolution,
        saves_memory: bool,
    ) -> Result<(), StopReason> {
        let folder = folder_of(&by.model, None, &self.device, saves_memory)?;
        let native_px = folder.manifest().resolution_px;
        let sizes = spec.pictures.iter().map(|picture| {
            let (width, height) = picture.0.dimensions();
            [width, height].map(|side| side.saturating_mul(by.factor))
        });
        let largest_px = sizes.max_by_key(|[width, height]| u64::from(*width) * u64::from(*height));
        let largest_px = largest_px.unwrap_or_default();
        let stage = folder.first_stage_config();
        let factor = stage.map_err(|error| bad_model(&error))?.info().factor;
        let window_px = enlarging_window_px(largest_px, native_px, factor as u32);
        let part_px = largest_px.map(|side| side.min(window_px.unwrap_or(u32::MAX)));
        let estimate = folder.painting_memory_in(part_px, window_px);
        let estimate = estimate.map_err(|error| bad_model(&error))?;
        let (spare_bytes, is_loaded) = self.models.borrow().spare_bytes(Some(&by.model));
        let model_bytes = match (self.device.summary.is_gpu, is_loaded) {
            // How much a graphics card has is not told.
            (true, _) => 0,
            (false, true) => estimate.working_bytes,
            (false, false) => estimate.total_bytes(),
        };
        let pixels = largest_px.map(u64::from).iter().product::<u64>();
        let needed_bytes = spec
            .result_bytes()
            .saturating_add(pixels.saturating_mul(LATENT_BYTES_A_PIXEL))
            // What is transparent is made larger too.
            .saturating_add(ENLARGING_BYTES)
            .saturating_add(model_bytes);
        check_room(
            "The enlarged picture",
            needed_bytes,
            Memory::now().map(|memory| memory.available_bytes + spare_bytes),
            "begin with a smaller picture, or close other programs",
        )
        .map_err(StopReason::Failed)
    }

    /// Lets go of all models that no work holds.
    pub fn forget_models(&self) {
        self.steps.borrow_mut().forget();
        self.fitted.borrow_mut().forget();
        self.controls.borrow_mut().forget();
        self.classifiers.borrow_mut().forget();
        self.models.borrow_mut().shrink(0);
    }

    /// Keeps memory free of models for as long as the answer lives.
    pub fn reserve(bench: &Rc<Self>, bytes: u64) -> Reservation {
        bench.reserved_bytes.update(|all| all + bytes);
        bench.fitted.borrow_mut().forget();
        bench.controls.borrow_mut().forget();
        bench.classifiers.borrow_mut().forget();
        bench.models.borrow_mut().shrink(bench.budget_bytes());
        Reservation {
            bench: Rc::clone(bench),
            bytes,
        }
    }

    /// Bytes that models may take beside the one in use. How much memory a
    /// graphics card has is not told, so there the last one only is kept.
    fn budget_bytes(&self) -> u64 {
        let total = match Memory::now() {
            Some(memory) if !self.device.summary.is_gpu => memory.total_bytes,
            _ => 0,
        };
        (total / SHARE_FOR_MODELS).saturating_sub(self.reserved_bytes.get())
    }

    /// Reports the memory in use.
    pub fn tell_memory(&self, context: &JobContext) {
        if let Some(memory) = memory_in_use() {
            context.memory(memory);
        }
    }
}

/// Memory that the program has beside models and what they work with: itself, and what its
/// threads keep for their work (0.22 GB with Stable Diffusion XL, 0.25 GB with 1.5).
const PROGRAM_BYTES: u64 = 256 << 20;

/// Memory of the whole program at most while it paints on the processor with networks that are
/// read in turn, about; `None` where the model does not open, or is read as a whole all the same.
pub fn memory_in_turn(spec: &GenerateSpec, weights: WeightDtype) -> Option<u64> {
    let device = ComputeDevice::cpu().with_weights(weights).ok()?;
    let folder = folder_of(&spec.model, spec.vae.as_ref(), &device, true).ok()?;
    if !folder.is_in_turn() {
        return None;
    }
    let size_px = [spec.width_px, spec.height_px];
    let window_px = spec
        .windows
        .side_px(size_px, folder.manifest().resolution_px);
    let (beside, _) = beside(spec, &folder, &Controls::default());
    let is_in_parts = window_px.is_some();
    let estimate = folder.painting_memory_beside(size_px, window_px, is_in_parts, &beside);
    let total_bytes = estimate.ok()?.total_bytes();
    let classifiers = Classifiers::default();
    let classifier_bytes = classifier_bytes(spec, &folder, &classifiers).unwrap_or(0);
    let more_bytes = guide_bytes(spec, &folder).saturating_add(classifier_bytes);
    Some((PROGRAM_BYTES + total_bytes).saturating_add(more_bytes))
}

/// What the classifier that leads a job takes beside what is in memory, about.
fn classifier_bytes(
    spec: &GenerateSpec,
    folder: &ModelFolder,
    classifiers: &Classifiers,
) -> Result<u64, StopReason> {
    let Ok(stage) = folder.first_stage_config() else {
        // What is wrong with it is told when it is read.
        return Ok(0);
    };
    let factor = stage.info().factor.max(1);
    let size = [spec.width_px, spec.height_px].map(|side| (side as usize).div_ceil(factor));
    classifiers.needed_bytes(spec, size)
}

/// Whether a picture pulls a job towards itself.
fn is_pulled(spec: &GenerateSpec) -> bool {
    spec.guide.is_some() && spec.guide_scale > 0.0
}

/// What that takes beside the networks, about.
fn guide_bytes(spec: &GenerateSpec, folder: &ModelFolder) -> u64 {
    match is_pulled(spec) {
        true => folder.guide_memory([spec.width_px, spec.height_px]),
        false => 0,
    }
}

/// What a job has beside its model and the words of its prompt, and bytes of the networks of
/// it that are not in memory.
fn beside(spec: &GenerateSpec, folder: &ModelFolder, controls: &Controls) -> (Beside, u64) {
    let model = path_of(&spec.model).unwrap_or_default();
    let [numbers, fresh_bytes] = controls.sizes(spec, &model, folder.held());
    let manifest = folder.manifest();
    let are_regions = BoxUse::of(&manifest.inputs) == Some(BoxUse::Regions);
    let boxes = spec.layout.iter().filter(|_| are_regions);
    let of_boxes: usize = boxes.map(|layout| layout.0.len()).sum();
    let is_regional = MapUse::of(&manifest.inputs) == Some(MapUse::Regions);
    let maps = spec.semantic.iter().filter(|_| is_regional);
    let of_map: usize = maps.map(|map| map.painted().len()).sum();
    let beside = Beside {
        controls: spec.controls.len(),
        control_numbers: usize::try_from(numbers).unwrap_or(usize::MAX),
        regions: of_boxes + of_map,
        has_guide: is_pulled(spec),
    };
    (beside, fresh_bytes)
}

pub(super) fn check_room(
    what: &str,
    needed_bytes: u64,
    available_bytes: Option<u64>,
    remedy: &'static str,
) -> Result<(), EngineError> {
    match available_bytes {
        Some(available_bytes) if needed_bytes > available_bytes => Err(EngineError::TooLarge {
            what: what.to_owned(),
            needed_bytes,
            available_bytes,
            remedy,
        }),
        _ => Ok(()),
    }
}

/// Memory that models leave alone.
pub(super) struct Reservation {
    bench: Rc<Workbench>,
    bytes: u64,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.bench.reserved_bytes.update(|all| all - self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_in_a_sentence() {
        let gib = 1 << 30;
        let check = |needed, available| check_room("Painting", needed, available, "wait");
        assert_eq!(check(5 * gib, Some(8 * gib)), Ok(()));
        assert_eq!(check(5 * gib, None), Ok(()));
        let error = check(62 * gib, Some(8 * gib)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "Painting needs about 62.0 GiB of memory, and 8.0 GiB can be had; wait"
        );
    }
}
