//! What a training run has reported so far.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use image::RgbaImage;

use crate::app::classifier::ClassifierCommand;
use crate::app::command::Command;
use crate::engine::library::Renamed;
use crate::engine::protocol::{EngineEvent, JobId, JobOutcome, StopReason, TrainEvent};
use crate::recipe::{ModelSource, TrainSpec, TrainTarget};

/// Most points of a loss curve; beyond, neighbours are averaged.
const MOST_POINTS: usize = 2000;

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

    /// The same run, which goes on from its newest checkpoint as another job.
    pub fn going_on(&self, job: JobId, spec: TrainSpec) -> Self {
        Self {
            job,
            spec,
            phase: TrainPhase::Waiting,
            ..self.clone()
        }
    }

    /// Whether it ended early and left a checkpoint to go on from.
    pub fn can_go_on(&self) -> bool {
        let has_ended_early = matches!(self.phase, TrainPhase::Cancelled | TrainPhase::Failed(_));
        has_ended_early && self.saved.is_some()
    }

    /// Knows its model, and what it began with, where they lie since they were renamed.
    pub fn follow(&mut self, renamed: &Renamed) {
        let spec = &mut self.spec;
        let begun_with = [spec.from.as_mut(), spec.first_stage.as_mut()];
        let saved = self.saved.as_mut().map(|(_, model)| model);
        let done = match &mut self.phase {
            TrainPhase::Done(model) => Some(model),
            _ => None,
        };
        let places = [Some(&mut spec.output), saved, done];
        for path in places.into_iter().chain(begun_with).flatten() {
            if let Some(place) = renamed.place_of(path) {
                *path = place;
            }
        }
    }

    /// What is done with a model that came of it, and the words on the button for that.
    pub fn use_of(&self, model: &Path) -> (&'static str, Command) {
        let folder = model.to_path_buf();
        match self.spec.target {
            TrainTarget::Classifier => (
                "Use this classifier",
                ClassifierCommand::Take(folder).into(),
            ),
            TrainTarget::Diffusion | TrainTarget::Autoencoder => (
                "Use this model",
                Command::ChooseModel(ModelSource::Folder(folder)),
            ),
        }
    }

    /// The newest values that the model was judged by on pictures which it does
    /// not learn from: step, name with its unit, value.
    pub fn newest_evaluations(&self) -> impl Iterator<Item = &(u64, &'static str, f64)> {
        let newest = self.evaluations.last().map(|(step, ..)| *step);
        let evaluations = self.evaluations.iter();
        evaluations.filter(move |(step, ..)| Some(*step) == newest)
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
    fn what_came_of_it_is_used_where_it_lies_since_it_was_renamed() {
        let mut run = Training::new(JobId(1), TrainSpec::default());
        let old = Path::new("models").join("cats");
        run.spec.output.clone_from(&old);
        run.saved = Some((7, old.join("model")));
        run.phase = TrainPhase::Done(old.join("model"));
        let new = Path::new("models").join("tabby");
        run.follow(&Renamed {
            name: "tabby".to_owned(),
            moves: vec![(old, new.clone())],
        });
        let model = new.join("model");
        assert_eq!(run.phase, TrainPhase::Done(model.clone()));
        assert_eq!((run.spec.output, run.saved), (new, Some((7, model))));
    }

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
}
