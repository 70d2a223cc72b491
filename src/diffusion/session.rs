//! A run in progress, as a value: it can be stepped, held, copied, put back and
//! told something else on the way.

use std::borrow::Cow;

use burn::tensor::Tensor;
use image::RgbImage;

use super::control::Controls;
use super::enlarge::back_projected;
use super::guidance::Guidance;
use super::guide::{Lead, Pull};
use super::kept::Kept;
use super::sampler::{Sampler, SamplerMemory, SamplerOptions, sampler_info};
use super::start::Start;
use super::step_view::{StepView, cropped};
use super::tensors::is_finite;
use super::torch_random::TorchGenerator;
use super::{Canvas, DiffusionError, GenerationRequest, LatentDiffusion};
use crate::model::conditioner::Conditioning;
use crate::model::windows::Windows;

/// All that changes from step to step. From equal states equal runs go on to
/// equal latents, bit for bit.
#[derive(Clone, Debug)]
pub struct StepState {
    /// Index of the next evaluation among the timesteps of the sampler.
    pub index: usize,
    /// # Shapes
    /// `[1, latent_channels, h, w]`.
    pub latents: Tensor<4>,
    /// What the sampler keeps.
    pub memory: SamplerMemory,
    /// The noise to come.
    pub random: TorchGenerator,
}

/// What the denoiser is told, and how strongly; [`LatentDiffusion::told_of`]
/// makes it of words.
#[derive(Clone, Debug)]
pub struct Told {
    pub(super) conditioning: Conditioning,
    pub(super) guidance: Guidance,
    /// What words are once so many steps are done, where they change on the way.
    pub(super) later: Vec<(usize, Conditioning)>,
    /// What is told of boxes in each window instead, turn by turn; `None` where nothing
    /// is said of it.
    pub(super) boxes: Option<Vec<Vec<Conditioning>>>,
}

impl Told {
    /// What the denoiser is told once so many steps are done.
    fn once_done(&self, steps: usize) -> Cow<'_, Conditioning> {
        let mut later = self.later.iter().rev();
        match later.find(|(from, _)| *from <= steps) {
            Some((_, words)) => Cow::Owned(self.conditioning.clone().but(words.clone())),
            None => Cow::Borrowed(&self.conditioning),
        }
    }
}

impl Told {
    /// What the denoiser is told.
    pub fn conditioning(&self) -> &Conditioning {
        &self.conditioning
    }
}

/// All of a run that does not change by stepping. Owned, so that a run can be
/// held without its model; it goes on with [`Session::resumed`].
pub struct RunPlan {
    sampler: Box<dyn Sampler>,
    /// Index of the first evaluation.
    first: usize,
    /// Steps of a whole picture that come before it.
    skipped: usize,
    /// Evaluations of the first step beyond those of any other: methods that
    /// prepare themselves do so within it.
    warm_up: usize,
    /// Evaluations in which boxes with phrases act, from the first.
    grounded: usize,
    told: Told,
    kept: Option<Kept>,
    size_px: [u32; 2],
    canvas: Canvas,
    /// The windows in which the denoiser sees the latents, in turn; none for whole.
    windows: Vec<Windows>,
    /// What pulls the picture towards itself.
    guide: Option<Pull>,
    /// What leads it to a class.
    lead: Option<Lead>,
    /// What controls the picture beside what is told.
    controls: Controls,
    /// The picture in small that the painted one is to agree with.
    small: Option<RgbImage>,
}

impl RunPlan {
    /// Number of steps.
    pub fn total(&self) -> usize {
        let evaluations = self.sampler.grid().timesteps().len() - self.first;
        (evaluations - self.warm_up).div_ceil(self.sampler.grid().order())
    }

    /// Tells the denoiser something else from the next step on; what it was told of
    /// anything else stays.
    pub fn tell(&mut self, told: Told) {
        let before = std::mem::take(&mut self.told.conditioning);
        let boxes = self.told.boxes.take();
        let drawn = told.boxes.is_some().then(|| {
            let Conditioning {
                regions, grounding, ..
            } = told.conditioning.clone();
            (regions, grounding)
        });
        let mut conditioning = before.but(told.conditioning);
        if let Some((regions, grounding)) = drawn {
            // Those that are gone are told as nothing.
            conditioning.regions = regions;
            conditioning.grounding = grounding;
        }
        self.told = Told {
            conditioning,
            boxes: told.boxes.or(boxes),
            // How, not what: nobody says that anew.
            guidance: Guidance {
                rescale: self.told.guidance.rescale,
                interval: self.told.guidance.interval,
                ..told.guidance
            },
            ..told
        };
    }

    /// Leads the run to another class from the next step on, or more strongly; a run
    /// without a classifier is led nowhere.
    ///
    /// # Errors
    /// If the classifier has no such class.
    pub fn lead_to(&mut self, class: u32, scale: f32) -> Result<(), DiffusionError> {
        let lead = self.lead.as_mut();
        lead.map_or(Ok(()), |lead| lead.lead_to(class, scale))
    }

    /// Steps that are done when an evaluation is next.
    pub fn done(&self, index: usize) -> usize {
        // The last step may do without its last evaluation.
        if index == self.sampler.grid().timesteps().len() {
            return self.total();
        }
        index.saturating_sub(self.first + self.warm_up) / self.sampler.grid().order()
    }
}

/// So many of a number, as Python cuts it.
pub(super) fn share_of(share: f32, count: usize) -> usize {
    // Through decimals, so that 0.3 · 10 is 3.
    let share = (f64::from(share) * 1e6).round() / 1e6;
    (share * count as f64) as usize
}

/// A run of a model.
pub struct Session<'m> {
    model: &'m LatentDiffusion,
    plan: RunPlan,
    state: StepState,
}

impl<'m> Session<'m> {
    /// Prepares a run: reads the text and encodes pictures, but does no step.
    ///
    /// # Errors
    /// If the request does not fit the model.
    pub fn new(
        model: &'m LatentDiffusion,
        request: &GenerationRequest,
    ) -> Result<Self, DiffusionError> {
        let composed = model.composed(request);
        let request = composed.as_ref();
        request.check_sizes()?;
        let size_px = [request.width_px, request.height_px];
        let is_divided = request.canvas.divides(size_px);
        let conditions = &request.conditions;
        conditions.check(model.manifest(), size_px, is_divided)?;
        request.canvas.check(size_px, model.size_multiple_px())?;
        let info = match &request.sampler {
            Some(id) => sampler_info(id)?,
            None => model.default_sampler(),
        };
        let steps = request.steps as usize;
        let options = SamplerOptions {
            steps,
            schedule: request.schedule.unwrap_or_else(|| model.default_schedule()),
            eta: request.eta,
        };
        let inpaints = model.manifest().takes_mask() || request.mask.is_some();
        // The pipelines of latent diffusion take their files as they are, for words too, and
        // those of XL, which has a second network for them.
        let [_, second_width] = model.model().word_widths();
        let is_corrected = model.text_layers().is_some() && second_width.is_none();
        let config = match is_corrected {
            true => model.scheduler().corrected(info, inpaints),
            false => model.scheduler().clone(),
        };
        let config = match request.prediction {
            Some(prediction) => config.predicting(prediction)?,
            None => config,
        };
        let sampler = info.build(&config, options)?;
        let mut random = TorchGenerator::new(request.seed);
        let Start {
            latents,
            first,
            told,
            kept,
            windows,
        } = Start::new(model, request, sampler.as_ref(), &mut random)?;
        model.model().check_turns()?;
        let guide = request.guide.as_ref().filter(|guide| guide.scale > 0.0);
        let guide = guide.map(|guide| {
            let picture = (size_px, request.canvas);
            Pull::new(
                model,
                guide,
                picture,
                sampler.as_ref(),
                config.prediction_type,
            )
        });
        let guide = guide.transpose()?;
        let lead = request.class_guide.as_ref();
        let lead = lead.map(|guide| {
            let prediction = config.prediction_type;
            let picture = (size_px, request.canvas);
            Lead::new(model, guide, picture, sampler.as_ref(), prediction)
        });
        let lead = lead.transpose()?;
        let multiple = model.size_multiple_px() as usize;
        let size = size_px.map(|side| (side as usize).next_multiple_of(multiple.max(1)));
        let controls = Controls::new(&request.conditions.controls, size, model.device());
        let order = sampler.grid().order();
        let kept_steps = steps.saturating_sub(first / order);
        let plan = RunPlan {
            warm_up: (sampler.grid().timesteps().len() - first).saturating_sub(kept_steps * order),
            first,
            skipped: steps - kept_steps,
            grounded: share_of(
                request.conditions.grounding_share,
                sampler.grid().timesteps().len() - first,
            ),
            told,
            kept,
            size_px,
            canvas: request.canvas,
            windows,
            guide,
            lead,
            controls,
            small: conditions
                .low_resolution
                .clone()
                .filter(|_| model.manifest().trusts_small_pictures()),
            sampler,
        };
        let state = StepState {
            index: first,
            latents,
            memory: SamplerMemory::default(),
            random,
        };
        Ok(Self { model, plan, state })
    }

    /// A run that was held, with the model that it was made for.
    pub fn resumed(model: &'m LatentDiffusion, plan: RunPlan, state: StepState) -> Self {
        Self { model, plan, state }
    }

    /// Holds the run without its model.
    pub fn into_parts(self) -> (RunPlan, StepState) {
        (self.plan, self.state)
    }

    /// Where the run is; a copy, which costs next to nothing.
    pub fn state(&self) -> StepState {
        self.state.clone()
    }

    /// Goes on from another state, of this run or of one like it.
    ///
    /// # Errors
    /// If the state is of a run with other steps or another size.
    pub fn go_to(&mut self, state: StepState) -> Result<(), DiffusionError> {
        let end = self.plan.sampler.grid().timesteps().len();
        if !(self.plan.first..=end).contains(&state.index)
            || state.latents.dims() != self.state.latents.dims()
        {
            return Err(DiffusionError::State);
        }
        self.state = state;
        Ok(())
    }

    /// Puts other noise on clean latents, as much as there is at this step, and goes on
    /// from there; at the end of the run they stay as they are.
    ///
    /// # Shapes
    /// `clean`: `[1, latent_channels, h, w]`.
    pub fn go_on_under_noise(&mut self, clean: Tensor<4>, seed: u64) {
        let index = self.state.index;
        let sampler = self.plan.sampler.as_ref();
        if index >= sampler.grid().timesteps().len() {
            return;
        }
        let mut random = TorchGenerator::new(seed);
        let noise = random.randn(clean.dims(), self.model.device());
        let noised = sampler.grid().noised(clean, noise, index);
        let kept = self.plan.kept.as_ref();
        self.state = StepState {
            index,
            latents: match kept {
                Some(kept) => kept.restored(noised, sampler, index),
                None => noised,
            },
            memory: sampler.restarted(&self.state.memory),
            random,
        };
    }

    /// Leaves the steps to come out: the run ends with clean latents.
    ///
    /// # Shapes
    /// `clean`: `[1, latent_channels, h, w]`.
    pub fn end_with(&mut self, clean: Tensor<4>) {
        let sampler = self.plan.sampler.as_ref();
        let end = sampler.grid().timesteps().len();
        self.state.index = end;
        self.state.latents = match &self.plan.kept {
            Some(kept) => kept.restored(clean, sampler, end),
            None => clean,
        };
    }

    /// Tells the denoiser something else from the next step on; what it was told of
    /// anything else stays.
    pub fn tell(&mut self, told: Told) {
        self.plan.tell(told);
    }

    /// Number of steps of the run.
    pub fn total(&self) -> usize {
        self.plan.total()
    }

    /// Steps done.
    pub fn done(&self) -> usize {
        self.plan.done(self.state.index)
    }

    /// Does one step, of as many evaluations as the sampler makes for it;
    /// `None` when all are done.
    ///
    /// # Errors
    /// If the networks answer with numbers that are none.
    pub fn step(&mut self) -> Result<Option<StepView<'m>>, DiffusionError> {
        let (before, mut denoised) = (self.done(), None);
        while self.done() == before && self.state.index < self.plan.sampler.grid().timesteps().len()
        {
            denoised = Some(self.evaluate()?);
        }
        let Some(denoised) = denoised else {
            return Ok(None);
        };
        let step = self.done();
        if !is_finite(&self.state.latents)? {
            return Err(DiffusionError::NotFinite { step });
        }
        Ok(Some(StepView {
            step,
            total: self.total(),
            denoised,
            model: self.model,
            size_px: self.plan.size_px,
            canvas: self.plan.canvas,
            passes: self.plan.sampler.grid().order() * self.plan.told.conditioning.passes(),
        }))
    }

    /// One evaluation of the denoiser; returns the clean latents as they look from there.
    ///
    /// # Errors
    /// If the device fails.
    fn evaluate(&mut self) -> Result<Tensor<4>, DiffusionError> {
        let (done, total) = (self.done(), self.total());
        let RunPlan {
            first,
            skipped,
            grounded,
            sampler,
            told,
            kept,
            windows,
            guide,
            lead,
            controls,
            ..
        } = &self.plan;
        let StepState {
            index,
            latents,
            memory,
            random,
        } = &mut self.state;
        let seen = sampler.grid().scaled(latents.clone(), *index);
        let timestep = sampler.grid().timesteps()[*index];
        let guidance = told.guidance.at(skipped + done, skipped + total);
        let mut conditioning = told.once_done(done);
        let evaluations = sampler.grid().timesteps().len() - first;
        let controls = controls.at(*index - first, evaluations);
        if !controls.is_empty() {
            conditioning.to_mut().controls = controls;
        }
        if *index - first >= *grounded && conditioning.grounding.is_some() {
            conditioning.to_mut().grounding = None;
        }
        let said = self.model.said_in(
            (windows, *index),
            &seen,
            timestep,
            (&conditioning, told),
            &guidance,
        );
        self.model.model().check_turns()?;
        let said = match lead {
            Some(lead) => lead.led(said, seen.clone(), timestep, *index),
            None => said,
        };
        let said = match guide {
            Some(guide) => guide.pulled(said, seen, *index)?,
            None => said,
        };
        let result = sampler.step(*index, memory, said, latents.clone(), random);
        *index += 1;
        *latents = match kept {
            Some(kept) => kept.restored(result.sample, sampler.as_ref(), *index),
            None => result.sample,
        };
        Ok(result.denoised)
    }

    /// Lets go of the networks that control the run, which is at its end.
    pub fn let_go_of_controls(&mut self) {
        self.plan.controls = Controls::default();
    }

    /// The picture of the latents as they are; with a mask it is not yet laid
    /// over the original.
    ///
    /// # Errors
    /// If the device does not hand it over, or its numbers are none.
    pub fn picture(&self) -> Result<RgbImage, DiffusionError> {
        // The decoder has its turn.
        self.model.model().let_go();
        let picture = self
            .model
            .picture(self.state.latents.clone(), self.plan.canvas)?;
        self.model.model().let_go();
        self.model.model().check_turns()?;
        let picture = match picture {
            Some(picture) => picture,
            None if is_finite(&self.state.latents)? => return Err(DiffusionError::NotDecoded),
            None => return Err(DiffusionError::NotFinite { step: self.done() }),
        };
        let picture = cropped(picture, self.plan.size_px);
        Ok(match &self.plan.small {
            Some(small) => back_projected(picture, small),
            None => picture,
        })
    }
}
