//! Makes pictures larger with a diffusion model, one step or band a slice.

use std::rc::Rc;
use std::sync::Arc;

use super::painted::{STEP_PX, at_most, digits_of};
use crate::diffusion::{DiffusionError, Repainting, RepaintingOptions};
use crate::engine::job::JobContext;
use crate::engine::model_cache::Loaded;
use crate::engine::protocol::{
    EngineError, EnlargedImage, JobOutcome, PaintedBy, StopReason, TrajectoryFrame,
};
use crate::engine::settle::settled;
use crate::engine::work::{Flow, Work};
use crate::engine::workbench::Workbench;
use crate::pixels::opaque;
use crate::recipe::{
    GenerateSpec, ImageInput, SuperResolution, UpscaleSpec, WindowChoice, enlarging_window_px,
};

/// Pictures to be painted larger.
pub(in crate::engine) struct Repaint {
    spec: UpscaleSpec,
    by: SuperResolution,
    bench: Rc<Workbench>,
    model: Option<Rc<Loaded>>,
    picture: Option<Repainting>,
    finished: Vec<EnlargedImage>,
    /// Steps and bands of the pictures that are finished, and all there are.
    parts: (u32, u32),
}

impl Repaint {
    pub fn new(spec: UpscaleSpec, by: SuperResolution, bench: Rc<Workbench>) -> Self {
        Self {
            spec,
            by,
            bench,
            model: None,
            picture: None,
            finished: Vec::new(),
            parts: (0, 0),
        }
    }

    /// Reads the model, once it is known that the job can be done.
    fn open(&mut self, context: &JobContext) -> Result<Rc<Loaded>, StopReason> {
        self.spec
            .validate()
            .map_err(|error| StopReason::Failed(error.into()))?;
        self.bench
            .check_repainting(&self.spec, &self.by, context.saves_memory())?;
        let model = self.bench.model(&self.by.model, None, context)?;
        if model.model.manifest().low_resolution_factor() != Some(self.by.factor) {
            let text = format!(
                "{} does not make pictures {} times as large; choose a model of super-resolution",
                model.summary.name, self.by.factor
            );
            return Err(StopReason::Failed(EngineError::Upscale(text)));
        }
        let latents = model.model.model().latents().factor;
        let steps = self.steps(&model);
        let heights = self.spec.pictures.iter().map(|it| it.0.height());
        let parts = heights.map(|height| {
            let height_px = height.saturating_mul(self.by.factor);
            Repainting::parts_of(steps, height_px, latents)
        });
        self.parts.1 = parts.sum();
        Ok(model)
    }

    fn steps(&self, model: &Loaded) -> u32 {
        self.by.steps.unwrap_or(model.summary.default_steps)
    }

    fn options(&self, model: &Loaded, size_px: [u32; 2]) -> RepaintingOptions {
        RepaintingOptions {
            steps: self.steps(model),
            seed: self.by.seed.wrapping_add(self.finished.len() as u64),
            window_px: enlarging_window_px(
                size_px,
                model.summary.native_size_px,
                model.summary.size_multiple_px,
            ),
        }
    }

    fn begin(&self, model: &Loaded, small: &ImageInput) -> Result<Repainting, DiffusionError> {
        let (width, height) = small.0.dimensions();
        let size_px = [width, height].map(|side| side * self.by.factor);
        let options = self.options(model, size_px);
        Repainting::new(&model.model, Arc::clone(&small.0), options)
    }

    /// How the picture in hand can be painted again.
    fn painted_by(
        &self,
        model: &Loaded,
        picture: &Repainting,
        context: &JobContext,
    ) -> Result<PaintedBy, DiffusionError> {
        let size_px = picture.size_px();
        let options = self.options(model, size_px);
        let spec = GenerateSpec {
            model: self.by.model.clone(),
            steps: options.steps,
            seed: options.seed,
            width_px: size_px[0],
            height_px: size_px[1],
            guidance_scale: 1.0,
            windows: options
                .window_px
                .map_or(WindowChoice::Off, WindowChoice::Side),
            low_resolution: Some(ImageInput(Arc::new(opaque(&picture.seen())))),
            ..GenerateSpec::default()
        };
        let (spec, _) = settled(&spec, &model.model)?;
        Ok(PaintedBy {
            spec: Box::new(spec),
            model_hash: digits_of(model, context),
            model_name: model.summary.name.clone(),
        })
    }

    /// Does a step of the picture in hand, and shows it.
    fn step(
        &self,
        model: &Loaded,
        picture: &mut Repainting,
        context: &JobContext,
    ) -> Result<bool, DiffusionError> {
        let (step, total) = picture.progress();
        let mut show = |image| {
            context.frame(TrajectoryFrame {
                job: context.job(),
                index: self.finished.len() as u32,
                step: step + 1,
                total,
                image: Arc::new(opaque(&at_most(image, STEP_PX))),
                planes: None,
            });
        };
        let show: Option<&mut dyn FnMut(_)> = match context.is_watched() {
            true => Some(&mut show),
            false => None,
        };
        picture.step(&model.model, show)
    }
}

impl Work for Repaint {
    fn slice(&mut self, context: &JobContext) -> Result<Flow, StopReason> {
        let Some(model) = self.model.clone() else {
            self.model = Some(self.open(context)?);
            return Ok(Flow::More);
        };
        let Some(mut picture) = self.picture.take() else {
            let Some(next) = self.spec.pictures.get(self.finished.len()) else {
                self.bench.tell_memory(context);
                let finished = std::mem::take(&mut self.finished);
                return Ok(Flow::Done(JobOutcome::Enlarged(finished)));
            };
            let begun = self.begin(&model, next);
            self.picture = Some(begun.map_err(|error| failed(error, context))?);
            return Ok(Flow::More);
        };
        let is_more = self.step(&model, &mut picture, context);
        let is_more = is_more.map_err(|error| failed(error, context))?;
        let (done, all) = picture.progress();
        context.progress(self.parts.0 + done, self.parts.1);
        // The first step is seen before all weights are read once more.
        model.digest.begin();
        if is_more {
            self.picture = Some(picture);
        } else {
            self.parts.0 += all;
            let by = self.painted_by(&model, &picture, context);
            let by = by.map_err(|error| failed(error, context))?;
            self.finished.push(EnlargedImage {
                image: Arc::new(picture.into_picture()),
                by: Some(by),
            });
        }
        Ok(Flow::More)
    }
}

/// Why a job ends: what it was ended for has not failed.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn failed(error: DiffusionError, context: &JobContext) -> StopReason {
    match context.checkpoint() {
        Err(ended) => ended,
        Ok(()) => StopReason::Failed(EngineError::Upscale(error.to_string())),
    }
}
