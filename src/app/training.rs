//! The training dialog's data: the form, and what a run has reported so far.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use image::RgbaImage;

use crate::engine::protocol::{EngineEvent, JobId, JobOutcome, StopReason, TrainEvent};
use crate::folders;
use crate::recipe::{TrainSpec, TrainTarget};

/// Most points of a loss curve; beyond, neighbours are averaged.
const MOST_POINTS: usize = 2000;

/// From which weights a run starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartFrom {
    /// Those of the model chosen in the Generate panel.
    CurrentModel,
    /// Random ones.
    Scratch,
}

/// What the dialog edits.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainForm {
    /// Folder of pictures.
    pub folder: Option<PathBuf>,
    /// Which stage.
    pub target: TrainTarget,
    /// From which weights.
    pub start: StartFrom,
    /// Optimiser steps.
    pub steps: u64,
    /// Side of the pictures in pixels.
    pub size_px: u32,
    /// Pictures per step.
    pub batch: u32,
    /// Where the model goes; `None` is [`Self::usual_output`].
    pub output: Option<PathBuf>,
}

impl Default for TrainForm {
    fn default() -> Self {
        Self {
            folder: None,
            target: TrainTarget::Diffusion,
            start: StartFrom::CurrentModel,
            steps: 2000,
            size_px: 64,
            batch: 16,
            output: None,
        }
    }
}

impl TrainForm {
    /// Where the model goes unless the user says otherwise: a folder among the
    /// user's models, named after that of the pictures.
    pub fn usual_output(&self) -> Option<PathBuf> {
        let name = self.folder.as_deref().and_then(Path::file_name)?;
        Some(folders::user_models()?.join(name))
    }

    /// Where the model goes.
    pub fn output_folder(&self) -> Option<PathBuf> {
        self.output.clone().or_else(|| self.usual_output())
    }

    /// Why the run cannot start yet, as a sentence.
    pub fn problem(&self) -> Option<&'static str> {
        match (&self.folder, self.output_folder()) {
            (None, _) => Some("Choose a folder of pictures first"),
            (_, None) => Some("Choose where the model is saved first"),
            _ => None,
        }
    }

    /// The run that the form describes. `model` is the folder of the model
    /// chosen in the Generate panel.
    pub fn spec(&self, model: Option<PathBuf>) -> Option<TrainSpec> {
        let every = (self.steps / 10).clamp(1, 500);
        let (from, first_stage) = match (&self.start, self.target) {
            (StartFrom::CurrentModel, _) => (model, None),
            (StartFrom::Scratch, TrainTarget::Autoencoder) => (None, None),
            // A new denoiser still needs somebody's latents.
            (StartFrom::Scratch, TrainTarget::Diffusion) => (None, model),
        };
        Some(TrainSpec {
            target: self.target,
            data: Some(self.folder.clone()?),
            from,
            first_stage,
            output: self.output_folder()?,
            size_px: self.size_px,
            steps: self.steps,
            batch: self.batch,
            warmup_steps: (self.steps / 20).min(200),
            checkpoint_every: every,
            sample_every: every,
            ..TrainSpec::default()
        })
    }
}

/// How a training run stands.
#[derive(Clone, Debug, PartialEq)]
pub enum TrainPhase {
    /// In the queue.
    Waiting,
    /// At work.
    Running,
    /// Done; the model lies in this folder.
    Done(PathBuf),
    /// Ended by the user; its last checkpoint is kept.
    Cancelled,
    /// Failed, with the reason.
    Failed(String),
}

/// What a training run has reported so far.
#[derive(Clone, Debug)]
pub struct Training {
    /// The job.
    pub job: JobId,
    /// What was asked for.
    pub spec: TrainSpec,
    /// How it stands.
    pub phase: TrainPhase,
    /// Steps done and asked for.
    pub step: u64,
    /// Since the start.
    pub elapsed: Duration,
    /// Step and loss, thinned out.
    pub losses: Vec<[f64; 2]>,
    /// The newest learning rate.
    pub learning_rate: f64,
    /// The newest speed.
    pub images_per_sec: f32,
    /// The newest norm of all gradients together, before clipping.
    pub grad_norm: f32,
    /// What the model was judged by on pictures that it is not trained on: step,
    /// name with its unit, value.
    pub evaluations: Vec<(u64, &'static str, f64)>,
    /// Step of the newest checkpoint, and the model that was written with it.
    pub saved: Option<(u64, PathBuf)>,
    /// Pictures that were left out.
    pub skipped: u64,
    /// The newest sample sheet and the step at which it was made.
    pub sheet: Option<(u64, Arc<RgbaImage>)>,
    /// Steps per point of the curve.
    stride: u64,
    /// Sum and number of the losses that the next point averages.
    pending: (f64, u64),
}

impl Training {
    /// A run in the queue.
    pub fn new(job: JobId, spec: TrainSpec) -> Self {
        Self {
            job,
            spec,
            phase: TrainPhase::Waiting,
            step: 0,
            elapsed: Duration::ZERO,
            losses: Vec::new(),
            learning_rate: 0.0,
            images_per_sec: 0.0,
            grad_norm: 0.0,
            evaluations: Vec::new(),
            saved: None,
            skipped: 0,
            sheet: None,
            stride: 1,
            pending: (0.0, 0),
        }
    }

    /// Whether it is queued or at work.
    pub fn is_active(&self) -> bool {
        matches!(self.phase, TrainPhase::Waiting | TrainPhase::Running)
    }

    /// The newest averaged loss.
    pub fn loss(&self) -> Option<f64> {
        self.losses.last().map(|point| point[1])
    }

    /// Takes in what an event says of this run.
    pub fn apply(&mut self, event: &EngineEvent) {
        match event {
            EngineEvent::Started { job } | EngineEvent::WentOn { job } if *job == self.job => {
                self.phase = TrainPhase::Running;
            }
            EngineEvent::GaveWay { job } if *job == self.job => self.phase = TrainPhase::Waiting,
            EngineEvent::Progress { job, elapsed, .. } if *job == self.job => {
                self.elapsed = *elapsed;
            }
            EngineEvent::Training { job, news } if *job == self.job => self.take_news(news),
            EngineEvent::Finished {
                job,
                outcome: JobOutcome::Trained(outcome),
            } if *job == self.job => {
                self.phase = TrainPhase::Done(outcome.model.clone());
            }
            EngineEvent::Stopped { job, reason } if *job == self.job => {
                self.phase = match reason {
                    StopReason::Cancelled => TrainPhase::Cancelled,
                    StopReason::Failed(error) => TrainPhase::Failed(error.to_string()),
                };
            }
            _ => {}
        }
    }

    fn take_news(&mut self, news: &TrainEvent) {
        match news {
            TrainEvent::Started { step, .. } => self.step = *step,
            TrainEvent::Step(report) => {
                self.step = report.step;
                self.learning_rate = report.learning_rate;
                self.images_per_sec = report.images_per_sec;
                self.grad_norm = report.grad_norm;
                self.add_loss(report.step, report.loss);
            }
            TrainEvent::Evaluation { step, name, value } => {
                self.evaluations.push((*step, *name, *value));
            }
            TrainEvent::SampleSheet { step, image, .. } => {
                self.sheet = Some((*step, Arc::clone(image)));
            }
            TrainEvent::Checkpoint { model, .. } => self.saved = Some((self.step, model.clone())),
            TrainEvent::Skipped(_) => self.skipped += 1,
            TrainEvent::Warning { .. } => {}
        }
    }

    fn add_loss(&mut self, step: u64, loss: f32) {
        if !loss.is_finite() {
            return;
        }
        self.pending.0 += f64::from(loss);
        self.pending.1 += 1;
        if self.pending.1 < self.stride {
            return;
        }
        self.losses
            .push([step as f64, self.pending.0 / self.pending.1 as f64]);
        self.pending = (0.0, 0);
        if self.losses.len() >= MOST_POINTS {
            self.losses = self
                .losses
                .chunks(2)
                .map(|pair| {
                    let mean = pair.iter().map(|point| point[1]).sum::<f64>() / pair.len() as f64;
                    [pair[pair.len() - 1][0], mean]
                })
                .collect();
            self.stride *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::protocol::StepReport;

    #[test]
    fn a_long_curve_stays_small_and_keeps_its_mean() {
        let mut run = Training::new(JobId(1), TrainSpec::default());
        let losses = (1..=50_000).map(|step| (step, if step % 2 == 0 { 1.0 } else { 3.0 }));
        for (step, loss) in losses {
            let report = StepReport {
                step,
                total: 50_000,
                loss,
                learning_rate: 1e-4,
                images_per_sec: 10.0,
                grad_norm: 1.0,
            };
            run.apply(&EngineEvent::Training {
                job: JobId(1),
                news: TrainEvent::Step(report),
            });
        }
        assert!(run.losses.len() <= MOST_POINTS);
        assert!(run.losses.iter().all(|point| (point[1] - 2.0).abs() < 1e-9));
        assert!(run.losses.is_sorted_by(|a, b| a[0] < b[0]));
    }

    #[test]
    fn the_form_says_what_is_missing() {
        let mut form = TrainForm::default();
        assert!(form.problem().is_some());
        form.folder = Some("/pictures".into());
        form.output = Some("/models/mine".into());
        assert_eq!(form.problem(), None);
        form.start = StartFrom::Scratch;
        let spec = form
            .spec(Some("/models/storybook".into()))
            .expect("a whole form");
        assert_eq!(spec.from, None);
        assert_eq!(spec.first_stage, Some("/models/storybook".into()));
    }
}
