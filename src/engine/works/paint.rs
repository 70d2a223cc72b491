//! Paints the pictures of a job, one step a slice, and finishes them, one tile a slice.

mod retelling;

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use image::RgbaImage;

use super::onward::Onward;
use super::painted::{finished, shown};
use super::second_pass::{self, FirstPass};
use crate::diffusion::{DiffusionError, Enlargement, RunPlan, Session, StepState};
use crate::engine::additions::file_digits;
use crate::engine::classifiers::ReadClassifier;
use crate::engine::controls::ReadControl;
use crate::engine::inputs::{in_frame, request_of};
use crate::engine::job::JobContext;
use crate::engine::model_cache::Loaded;
use crate::engine::protocol::{
    Ending, EngineError, JobOutcome, PaintedImage, StepId, StopReason, TrajectoryFrame,
};
use crate::engine::settle::settled;
use crate::engine::steps::Step;
use crate::engine::work::{Flow, Work};
use crate::engine::workbench::Workbench;
use crate::model::Upscaler;
use crate::pixels::opaque;
use crate::recipe::{GenerateSpec, ImageInput, scale_picture};

/// What is told where memory does not suffice for whole pictures in the first stage.
const IN_PARTS: &str = "there is not enough memory to decode the picture at once; it is decoded in parts, which changes it by a shade";

/// Pictures to be painted.
pub(in crate::engine) struct Paint {
    spec: GenerateSpec,
    /// What the picture goes on from; none where it begins anew.
    onward: Option<Onward>,
    bench: Rc<Workbench>,
    /// The model as it is without a job's files, held until the last picture is painted,
    /// whatever else is loaded meanwhile.
    model: Option<Rc<Loaded>>,
    /// Whether the first stage sees pictures in parts, for want of memory: those of the
    /// first pass, and of the second.
    is_in_parts: [bool; 2],
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
    /// Steps that the first pass of the last picture took.
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
    /// Steps that are counted before its own.
    before: u32,
    /// What it paints over, in a second pass.
    over: Option<Box<FirstPass>>,
}

impl Paint {
    pub fn new(spec: GenerateSpec, bench: Rc<Workbench>) -> Self {
        Self {
            spec,
            onward: None,
            bench,
            model: None,
            is_in_parts: [false; 2],
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
        self.spec.of_picture(self.index)
    }

    /// What is asked for of the second pass over the picture in hand, which was made larger;
    /// `None` where there is to be none.
    fn asked_second(&self, painted: &PaintedImage, larger: &Arc<RgbaImage>) -> Option<FirstPass> {
        painted.spec.second_px()?;
        let model = &self.last.as_ref()?.model;
        let larger = ImageInput(Arc::clone(larger));
        Some(FirstPass {
            asked: second_pass::asked(&painted.spec, self.spec.windows, model, larger),
            painted: painted.clone(),
            steps: self.steps,
        })
    }

    /// Hands over what was painted and made larger, where the second pass over it fails: it is
    /// better than nothing. What was ended has not failed.
    fn without_second(
        &mut self,
        larger: Option<PaintedImage>,
        reason: StopReason,
        context: &JobContext,
    ) -> Result<Flow, StopReason> {
        match (larger, reason) {
            (Some(larger), StopReason::Failed(error)) => {
                context.warn(format!(
                    "{error}; the picture stays as it was made larger, without a second pass"
                ));
                Ok(self.hand_over(larger, context))
            }
            (_, reason) => Err(reason),
        }
    }

    /// Adds the files to the model that words name, reads the text and encodes pictures.
    fn begin(
        &mut self,
        spec: &GenerateSpec,
        over: Option<Box<FirstPass>>,
        base: &Rc<Loaded>,
        context: &JobContext,
    ) -> Result<Picture, StopReason> {
        let model = self.bench.fitted(base, spec, context)?;
        self.last = Some(Rc::clone(&model));
        model
            .model
            .model()
            .watch_turns(Some(context.reading_turns()));
        if self.controls.is_empty() {
            self.controls = self.bench.controls(base, spec, context)?;
        }
        if context.is_watched() {
            let prepared = model.model.prepare_previews();
            prepared.map_err(|error| failed(error, context))?;
        }
        let is_filled_in = spec.is_filled_in();
        let (mut spec, warnings) =
            settled(spec, &model.model).map_err(|error| failed(error, context))?;
        for warning in warnings {
            if self.warned.insert(warning.clone()) {
                context.warn(warning);
            }
        }
        let mut request = request_of(&spec, &self.controls);
        if is_filled_in {
            self.bench.fill_in(&mut spec, &model.model, &request);
            request.conditions.layout = spec.layout.clone();
            request.prompt = spec.prompt_syntax.without_loras(&spec.prompt).into_owned();
        }
        request.canvas.in_parts = self.is_in_parts[usize::from(over.is_some())];
        if let Some(classifier) = &self.classifier {
            request.class_guide = Some(classifier.guide(&spec));
            request.conditions.class = self.told_class(&spec, &model);
        }
        let mut session =
            Session::new(&model.model, &request).map_err(|error| failed(error, context))?;
        let mut before = over.as_ref().map_or(0, |first| first.steps);
        if let Some(onward) = self.onward.as_ref().filter(|_| over.is_none()) {
            before = onward.before();
            let gone_on = onward.go_on(&mut session, &self.spec);
            spec.was_retold = gone_on.map_err(|error| failed(error, context))?;
        }
        let (plan, state) = session.into_parts();
        Ok(Picture {
            spec,
            model,
            plan,
            state,
            before,
            over,
        })
    }

    /// The class that the model itself is told: none, where it has none and only the
    /// classifier leads to it.
    fn told_class(&self, spec: &GenerateSpec, model: &Loaded) -> Option<u32> {
        let takes = model.model.manifest().classes().is_some();
        spec.class.filter(|_| takes || self.classifier.is_none())
    }

    /// Does a step; the picture, once all are done, and whether that was the second pass.
    fn step(
        &mut self,
        picture: Picture,
        context: &JobContext,
    ) -> Result<Option<(PaintedImage, bool)>, DiffusionError> {
        let Picture {
            spec,
            model,
            plan,
            state,
            before,
            over,
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
            let is_over = over.is_some();
            if let Some(first) = over {
                painted = first.painted_over(painted);
            }
            return Ok(Some((painted, is_over)));
        };
        let after = match over {
            None => self.second_steps(),
            Some(_) => 0,
        };
        let (step, total) = (before + view.step as u32, before + view.total as u32);
        if context.is_watched() {
            let (image, planes) = shown(&view, self.bench.device.shares_window)?;
            context.frame(TrajectoryFrame {
                job: context.job(),
                index: self.index,
                step,
                total: total + after,
                image: Arc::new(opaque(&image)),
                planes,
            });
            let id = StepId {
                job: context.job(),
                picture: self.index,
                step,
            };
            let kept = Step {
                spec: match &over {
                    Some(first) => first.asked.clone(),
                    None => self.asked(),
                },
                before,
                // No recipe holds the picture that a second pass begins with.
                was_retold: spec.was_retold || over.is_some(),
                state: session.state(),
                denoised: view.denoised.clone(),
            };
            self.bench.steps.borrow_mut().keep(id, kept);
        }
        let tiles = match over {
            None => {
                self.steps = total;
                0
            }
            Some(_) => self.tiles(),
        };
        self.tell_progress(step + tiles, context);
        // The first step is seen before all weights are read once more.
        model.digest.begin();
        let (plan, state) = session.into_parts();
        self.picture = Some(Picture {
            spec,
            model,
            plan,
            state,
            before,
            over,
        });
        Ok(None)
    }

    /// Tiles in which each picture is made larger.
    fn tiles(&self) -> u32 {
        let size_px = [self.spec.width_px, self.spec.height_px];
        let tiles = self.spec.finish.map(|_| Enlargement::tiles_of(size_px));
        tiles.unwrap_or(0)
    }

    /// Steps of the second pass over each.
    fn second_steps(&self) -> u32 {
        let second = self.spec.second_px().map(|_| self.spec.second_steps_done());
        second.unwrap_or(0)
    }

    /// Tells how much of the job is done when so much of the picture in hand is.
    fn tell_progress(&self, done: u32, context: &JobContext) {
        let each = self.steps + self.tiles() + self.second_steps();
        context.progress(self.index * each + done, self.spec.batch * each);
    }

    /// Does a tile of a painted picture that is being enlarged.
    fn finish(
        &mut self,
        mut painted: PaintedImage,
        mut enlargement: Enlargement,
        context: &JobContext,
    ) -> Result<Flow, StopReason> {
        let device = &self.bench.device.device;
        if let Some(network) = &self.upscaler {
            match enlargement.step(network, device) {
                Ok(true) => {
                    self.tell_progress(self.steps + enlargement.progress().0, context);
                    self.finishing = Some((painted, enlargement));
                    return Ok(Flow::More);
                }
                Ok(false) => {}
                // What was painted is better than nothing.
                Err(error) => {
                    context.warn(format!("{error}; the picture stays as it was painted"));
                    painted.spec.finish = None;
                    painted.spec.second_strength = 0.0;
                    return Ok(self.hand_over(painted, context));
                }
            }
        }
        let mut larger = enlargement.into_picture();
        let finished_px = painted
            .spec
            .finish
            .map(|finish| finish.finished_px([painted.spec.width_px, painted.spec.height_px]));
        if let Some([width_px, height_px]) = finished_px
            && larger.dimensions() != (width_px, height_px)
        {
            larger = scale_picture(&larger, width_px, height_px);
        }
        let larger = Arc::new(larger);
        let base = self.model.clone();
        if let Some((first, base)) = self.asked_second(&painted, &larger).zip(base) {
            let made_larger = first.made_larger();
            let asked = first.asked.clone();
            match self.begin(&asked, Some(Box::new(first)), &base, context) {
                Ok(second) => self.picture = Some(second),
                Err(reason) => return self.without_second(Some(made_larger), reason, context),
            }
            return Ok(Flow::More);
        }
        painted.image = larger;
        Ok(self.hand_over(painted, context))
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
            let fits = |spec| self.bench.check_painting(spec, context.saves_memory());
            self.is_in_parts[0] = fits(&self.spec)?;
            if let Some([width_px, height_px]) = self.spec.second_px() {
                self.is_in_parts[1] = fits(&GenerateSpec {
                    width_px,
                    height_px,
                    ..self.spec.clone()
                })?;
            }
            if self.is_in_parts.contains(&true) {
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
            return self.finish(painted, enlargement, context);
        }
        if let Some(told) = context.take_told()
            && let Err(error) = self.retell(&told)
        {
            context.warn(format!("The picture does not follow the change: {error}"));
        }
        let Some(picture) = self.picture.take() else {
            // Wildcards are chosen now, which may name files too.
            let asked = self.asked().resolved();
            self.picture = Some(self.begin(&asked, None, &model, context)?);
            return Ok(Flow::More);
        };
        let made_larger = picture.over.as_ref().map(|first| first.made_larger());
        let (painted, is_over) = match self.step(picture, context) {
            Ok(Some(done)) => done,
            Ok(None) => return Ok(Flow::More),
            Err(error) => {
                return self.without_second(made_larger, failed(error, context), context);
            }
        };
        if is_over || self.spec.finish.is_none() {
            return Ok(self.hand_over(painted, context));
        }
        let enlargement = Enlargement::new(Arc::clone(&painted.image));
        self.finishing = Some((painted, enlargement));
        Ok(Flow::More)
    }
}

/// Why a job ends: what it was ended for has not failed.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn failed(error: DiffusionError, context: &JobContext) -> StopReason {
    match context.checkpoint() {
        Err(ended) => ended,
        Ok(()) => StopReason::Failed(EngineError::Paint(error.to_string())),
    }
}
