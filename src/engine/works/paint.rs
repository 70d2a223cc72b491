//! Paints the pictures of a job, one step a slice, and finishes them, one tile a slice.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use image::RgbImage;

use super::onward::Onward;
use crate::diffusion::{
    Conditions, DiffusionError, Enlargement, Retelling, RunPlan, Session, StepState, StepView,
};
use crate::engine::additions::{file_digits, lacks_vae};
use crate::engine::classifiers::ReadClassifier;
use crate::engine::controls::ReadControl;
use crate::engine::inputs::{canvas_of, in_frame, pasted, request_of};
use crate::engine::job::JobContext;
use crate::engine::model_cache::Loaded;
use crate::engine::protocol::{
    Ending, EngineError, JobOutcome, Latents, PaintedImage, StepId, StopReason, TrajectoryFrame,
};
use crate::engine::settle::settled;
use crate::engine::steps::Step;
use crate::engine::work::{Flow, Work};
use crate::engine::workbench::Workbench;
use crate::gpu::share::SharedTensor;
use crate::model::Upscaler;
use crate::model::weights::WeightDigest;
use crate::pixels::opaque;
use crate::recipe::{ControlSpec, Finish, GenerateSpec};

/// Longest side of the thumbnails of steps whose picture stays on the graphics card.
const THUMBNAIL_PX: u32 = 128;
/// Longest side of the steps that come from the processor: each is handed to the
/// window, copied to the graphics card, and only seen for a moment.
pub(super) const STEP_PX: u32 = 512;

/// What is told where memory does not suffice for whole pictures in the first stage.
const IN_PARTS: &str = "there is not enough memory to decode the picture at once; it is decoded in parts, which changes it by a shade";

/// Digits of a model's digest in recipes.
const HASH_DIGITS: usize = 10;

/// Pictures to be painted.
pub(in crate::engine) struct Paint {
    spec: GenerateSpec,
    /// What the picture goes on from; none where it begins anew.
    onward: Option<Onward>,
    bench: Rc<Workbench>,
    /// The model as it is without a job's files, held until the last picture is painted,
    /// whatever else is loaded meanwhile.
    model: Option<Rc<Loaded>>,
    /// Whether the first stage sees pictures in parts, for want of memory.
    is_in_parts: bool,
    /// The networks through which pictures control it, held as long; where memory is saved,
    /// until the steps of a picture are done.
    controls: Vec<Rc<ReadControl>>,
    /// The model with the files of the last picture, which lets go of what it read in turn.
    last: Option<Rc<Loaded>>,
    /// What leads it to its class, held as long.
    classifier: Option<Rc<ReadClassifier>>,
    /// Index of the picture in hand.
    index: u32,
    picture: Option<Picture>,
    /// Steps that the last picture took.
    steps: u32,
    /// What enlarges the pictures, if that is asked for.
    upscaler: Option<Rc<Upscaler>>,
    finishing: Option<(PaintedImage, Enlargement)>,
    /// Warnings: what several pictures have in common is told once.
    warned: BTreeSet<String>,
}

/// A picture in hand.
struct Picture {
    /// Its recipe, with every default filled in.
    spec: GenerateSpec,
    /// The model with the files that its words name.
    model: Rc<Loaded>,
    plan: RunPlan,
    state: StepState,
}

impl Paint {
    pub fn new(spec: GenerateSpec, bench: Rc<Workbench>) -> Self {
        Self {
            spec,
            onward: None,
            bench,
            model: None,
            is_in_parts: false,
            controls: Vec::new(),
            last: None,
            classifier: None,
            index: 0,
            picture: None,
            steps: 0,
            upscaler: None,
            finishing: None,
            warned: BTreeSet::new(),
        }
    }

    /// A picture that goes on from one of its steps.
    pub fn from_step(step: StepId, ending: Ending, bench: Rc<Workbench>) -> Self {
        let mut paint = Self::new(GenerateSpec::default(), bench);
        paint.onward = Some(Onward::new(step, ending));
        paint
    }

    /// What was asked for of the picture in hand.
    fn asked(&self) -> GenerateSpec {
        GenerateSpec {
            seed: self.spec.seed.wrapping_add(u64::from(self.index)),
            batch: 1,
            ..self.spec.clone()
        }
    }

    /// Chooses wildcards, which may name files too, adds the files to the model, reads the
    /// text and encodes pictures.
    fn begin(&mut self, base: &Rc<Loaded>, context: &JobContext) -> Result<Picture, StopReason> {
        let spec = self.asked().resolved();
        let model = self.bench.fitted(base, &spec, context)?;
        self.last = Some(Rc::clone(&model));
        model
            .model
            .model()
            .watch_turns(Some(context.reading_turns()));
        if self.controls.is_empty() {
            self.controls = self.bench.controls(base, &spec, context)?;
        }
        if context.is_watched() {
            let prepared = model.model.prepare_previews();
            prepared.map_err(|error| failed(error, context))?;
        }
        let (mut spec, warnings) =
            settled(&spec, &model.model).map_err(|error| failed(error, context))?;
        for warning in warnings {
            if self.warned.insert(warning.clone()) {
                context.warn(warning);
            }
        }
        let mut request = request_of(&spec, &self.controls);
        request.canvas.in_parts = self.is_in_parts;
        if let Some(classifier) = &self.classifier {
            request.class_guide = Some(classifier.guide(&spec));
            request.conditions.class = self.told_class(&spec, &model);
        }
        let mut session =
            Session::new(&model.model, &request).map_err(|error| failed(error, context))?;
        if let Some(onward) = &self.onward {
            let gone_on = onward.go_on(&mut session, &self.spec);
            spec.was_retold = gone_on.map_err(|error| failed(error, context))?;
        }
        let (plan, state) = session.into_parts();
        Ok(Picture {
            spec,
            model,
            plan,
            state,
        })
    }

    /// The class that the model itself is told: none, where it has none and only the
    /// classifier leads to it.
    fn told_class(&self, spec: &GenerateSpec, model: &Loaded) -> Option<u32> {
        let takes = model.model.manifest().classes().is_some();
        spec.class.filter(|_| takes || self.classifier.is_none())
    }

    /// Tells the picture in hand, and those to come, something else.
    fn retell(&mut self, told: &GenerateSpec) -> Result<(), DiffusionError> {
        let named = |spec: &GenerateSpec| spec.prompt_syntax.loras_in(&spec.prompt).ok();
        if self.spec.loras != told.loras || named(&self.spec) != named(told) {
            return Err(DiffusionError::LorasStay);
        }
        // The canvas that they are shown changes with every stroke, and stays for the run.
        if !acts_alike(&self.spec.controls, &told.controls) {
            return Err(DiffusionError::ControlsStay);
        }
        if self.spec.classifier != told.classifier {
            return Err(DiffusionError::ClassifierStays);
        }
        let spec = self.spec.clone().told_as(told);
        let mut class = spec.class;
        if let Some(picture) = &self.picture {
            class = self.told_class(&spec, &picture.model);
        }
        if let Some(picture) = &mut self.picture {
            let conditions = Conditions {
                layout: spec.layout.clone(),
                layout_weight: spec.layout_weight,
                layout_bias: spec.layout_bias,
                semantic: spec.semantic.clone(),
                semantic_weight: spec.semantic_weight,
                class,
                grounding_share: spec.grounding_share,
                places_boxes: spec.is_composed(),
                ..Conditions::default()
            };
            let before = picture.spec.clone();
            let now = GenerateSpec {
                seed: before.seed,
                ..spec.clone()
            };
            let now = before.clone().told_as(&now.resolved());
            // Other wildcards may choose others.
            if named(&before) != named(&now) {
                return Err(DiffusionError::LorasStay);
            }
            let anew = picture.model.model.told_anew(&Retelling {
                prompt: &now.prompt_syntax.without_loras(&now.prompt),
                negative_prompt: &now.negative_prompt,
                reading: now.reading(),
                steps: picture.plan.total(),
                seed: now.seed,
                guidance_scale: spec.guidance_scale,
                conditions: &conditions,
                size_px: [spec.width_px, spec.height_px],
                canvas: canvas_of(&picture.spec),
            })?;
            if let Some(classifier) = &self.classifier {
                let guide = classifier.guide(&spec);
                picture.plan.lead_to(guide.class, guide.scale)?;
            }
            picture.plan.tell(anew);
            picture.spec = now;
            let is_begun = picture.plan.done(picture.state.index) > 0;
            picture.spec.was_retold |= is_begun && picture.spec != before;
        }
        self.spec = spec;
        Ok(())
    }

    /// Does a step; the picture, once all are done.
    fn step(
        &mut self,
        picture: Picture,
        context: &JobContext,
    ) -> Result<Option<PaintedImage>, DiffusionError> {
        let Picture {
            spec,
            model,
            plan,
            state,
        } = picture;
        let mut session = Session::resumed(&model.model, plan, state);
        let Some(view) = session.step()? else {
            let digests = self.controls.iter().map(|read| read.digest());
            let digests: Vec<_> = digests.collect();
            if model.model.model().is_in_turn() {
                // The decoder has its turn.
                session.let_go_of_controls();
                self.controls.clear();
                self.bench.forget_controls();
            }
            let mut painted = finished(spec, &session, &model, context)?;
            let pairs = painted.spec.controls.iter_mut().zip(&digests);
            pairs.for_each(|(control, digest)| control.hash = file_digits(digest));
            painted.spec.classifier_hash = self.classifier.as_ref().map(|read| read.digits());
            return Ok(Some(painted));
        };
        let (step, total) = (view.step as u32, view.total as u32);
        if context.is_watched() {
            let (image, planes) = shown(&view, self.bench.device.shares_window)?;
            context.frame(TrajectoryFrame {
                job: context.job(),
                index: self.index,
                step,
                total,
                image: Arc::new(opaque(&image)),
                planes,
            });
            let id = StepId {
                job: context.job(),
                picture: self.index,
                step,
            };
            let kept = Step {
                spec: self.asked(),
                was_retold: spec.was_retold,
                state: session.state(),
                denoised: view.denoised.clone(),
            };
            self.bench.steps.borrow_mut().keep(id, kept);
        }
        self.steps = total;
        self.tell_progress(step, context);
        // The first step is seen before all weights are read once more.
        model.digest.begin();
        let (plan, state) = session.into_parts();
        self.picture = Some(Picture {
            spec,
            model,
            plan,
            state,
        });
        Ok(None)
    }

    /// Tells how much of the job is done when so much of the picture in hand is.
    fn tell_progress(&self, done: u32, context: &JobContext) {
        let size_px = [self.spec.width_px, self.spec.height_px];
        let tiles = self.spec.finish.map(|_| Enlargement::tiles_of(size_px));
        let each = self.steps + tiles.unwrap_or(0);
        context.progress(self.index * each + done, self.spec.batch * each);
    }

    /// Does a tile of a painted picture that is being enlarged.
    fn finish(
        &mut self,
        mut painted: PaintedImage,
        mut enlargement: Enlargement,
        context: &JobContext,
    ) -> Flow {
        let device = &self.bench.device.device;
        if let Some(network) = &self.upscaler {
            match enlargement.step(network, device) {
                Ok(true) => {
                    self.tell_progress(self.steps + enlargement.progress().0, context);
                    self.finishing = Some((painted, enlargement));
                    return Flow::More;
                }
                Ok(false) => {}
                // What was painted is better than nothing.
                Err(error) => {
                    context.warn(format!("{error}; the picture stays as it was painted"));
                    painted.spec.finish = None;
                    return self.hand_over(painted, context);
                }
            }
        }
        painted.image = Arc::new(enlargement.into_picture());
        self.hand_over(painted, context)
    }

    fn hand_over(&mut self, mut painted: PaintedImage, context: &JobContext) -> Flow {
        if let Some(frame) = painted.spec.frame {
            painted.image = Arc::new(in_frame(&painted.spec, frame, &painted.image));
        }
        context.painted(painted);
        self.index += 1;
        if self.index < self.spec.batch {
            return Flow::More;
        }
        self.bench.tell_memory(context);
        Flow::Done(JobOutcome::Painted)
    }
}

/// What was read in turn stays with nobody.
impl Drop for Paint {
    fn drop(&mut self) {
        if let Some(last) = &self.last {
            last.model.model().watch_turns(None);
            last.model.model().let_go();
        }
    }
}

impl Work for Paint {
    fn slice(&mut self, context: &JobContext) -> Result<Flow, StopReason> {
        let Some(model) = self.model.clone() else {
            if let Some(onward) = &mut self.onward {
                self.spec = onward.find(&self.bench.steps, context)?;
            }
            self.spec
                .validate()
                .map_err(|error| StopReason::Failed(error.into()))?;
            self.is_in_parts = self
                .bench
                .check_painting(&self.spec, context.saves_memory())?;
            if self.is_in_parts {
                context.warn(IN_PARTS);
            }
            if self.spec.finish.is_some() {
                self.upscaler = Some(self.bench.upscaler()?);
            }
            let vae = self.spec.vae.as_ref();
            let base = self.bench.model(&self.spec.model, vae, context)?;
            self.controls = self.bench.controls(&base, &self.spec, context)?;
            self.classifier = self.bench.classifier(&self.spec, context)?;
            self.model = Some(base);
            return Ok(Flow::More);
        };
        if let Some((painted, enlargement)) = self.finishing.take() {
            return Ok(self.finish(painted, enlargement, context));
        }
        if let Some(told) = context.take_told()
            && let Err(error) = self.retell(&told)
        {
            context.warn(format!("The picture does not follow the change: {error}"));
        }
        let Some(picture) = self.picture.take() else {
            self.picture = Some(self.begin(&model, context)?);
            return Ok(Flow::More);
        };
        let step = self.step(picture, context);
        let Some(painted) = step.map_err(|error| failed(error, context))? else {
            return Ok(Flow::More);
        };
        let Some(Finish::X4) = self.spec.finish else {
            return Ok(self.hand_over(painted, context));
        };
        let enlargement = Enlargement::new(Arc::clone(&painted.image));
        self.finishing = Some((painted, enlargement));
        Ok(Flow::More)
    }
}

/// Whether controls are the same but for their pictures.
fn acts_alike(these: &[ControlSpec], those: &[ControlSpec]) -> bool {
    let acts = |it: &ControlSpec| {
        let numbers = [it.weight, it.start, it.end].map(f32::to_bits);
        (it.file.clone(), it.kind, numbers)
    };
    these.iter().map(acts).eq(those.iter().map(acts))
}

/// Why a job ends: what it was ended for has not failed.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn failed(error: DiffusionError, context: &JobContext) -> StopReason {
    match context.checkpoint() {
        Err(ended) => ended,
        Ok(()) => StopReason::Failed(EngineError::Paint(error.to_string())),
    }
}

fn finished(
    spec: GenerateSpec,
    session: &Session<'_>,
    loaded: &Loaded,
    context: &JobContext,
) -> Result<PaintedImage, DiffusionError> {
    let latents = session.state().latents;
    let shape = latents.dims();
    let values = latents
        .into_data()
        .try_to_vec::<f32>()
        .map_err(|error| DiffusionError::Device(format!("{error:?}")))?;
    let latents = Arc::new(Latents { shape, values });
    let picture = session
        .picture()
        .inspect_err(|_| context.undecoded(Arc::clone(&latents)))?;
    let image = pasted(&spec, opaque(&picture));
    let hashes = |files: &BTreeMap<String, Arc<WeightDigest>>| {
        let files = files.iter();
        let files = files.map(|(name, digest)| (name.clone(), file_digits(digest)));
        files.collect()
    };
    let used = &loaded.used;
    let vae = used.vae.as_ref().map(file_digits);
    let spec = GenerateSpec {
        lora_hashes: hashes(&used.loras),
        word_hashes: hashes(&used.words),
        vae: spec.vae.clone().filter(|_| !lacks_vae(&spec, loaded)),
        vae_hash: vae.map(|digits| digits.chars().take(HASH_DIGITS).collect()),
        ..spec
    };
    Ok(PaintedImage {
        image: Arc::new(image),
        spec: Box::new(spec),
        model_hash: digits_of(loaded, context),
        model_name: loaded.summary.name.clone(),
        latents: Some(latents),
    })
}

/// The digits of a model's digest in recipes.
pub(super) fn digits_of(loaded: &Loaded, context: &JobContext) -> String {
    // A picture without its model's name is better than none.
    let digest = loaded.digest.digits().unwrap_or_else(|error| {
        context.warn(error.to_string());
        String::new()
    });
    digest.chars().take(HASH_DIGITS).collect()
}

/// What is shown of a step. On the window's own graphics card the picture stays
/// where it is, and only a thumbnail for the strip comes back.
fn shown(
    view: &StepView<'_>,
    shares_window: bool,
) -> Result<(RgbImage, Option<Arc<SharedTensor>>), DiffusionError> {
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
pub(super) fn at_most(picture: RgbImage, most_px: u32) -> RgbImage {
    let (width, height) = picture.dimensions();
    let longest = width.max(height);
    if longest <= most_px {
        return picture;
    }
    let part = |side: u32| (side * most_px / longest).max(1);
    image::imageops::thumbnail(&picture, part(width), part(height))
}
