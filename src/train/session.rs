//! The loop that both stages share: steps, figures, sheets, checkpoints, the end.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use image::RgbaImage;
use serde_json::{Map, Value, json};

use super::TrainError;
use super::checkpoint::{Checkpoints, Identity, RunState};
use super::event::{StepReport, TrainEvent, TrainOutcome};
use super::metrics::Metrics;
use super::schedule::{Decay, learning_rate};
use super::sheet;
use super::source::SkippedPicture;
use crate::recipe::TrainSpec;

/// Steps without a finite loss after which a run is given up.
const MOST_BAD_STEPS: u32 = 20;
/// Share of the last step in the reported speed.
const SPEED_SHARE: f64 = 0.1;

/// Who listens to a run, and whether it wants the run to go on.
pub(super) struct Reporter<'a> {
    observer: &'a mut dyn FnMut(TrainEvent) -> ControlFlow<()>,
    is_stopped: bool,
    skipped: Vec<SkippedPicture>,
    known: BTreeSet<PathBuf>,
}

impl<'a> Reporter<'a> {
    pub fn new(observer: &'a mut dyn FnMut(TrainEvent) -> ControlFlow<()>) -> Self {
        Self {
            observer,
            is_stopped: false,
            skipped: Vec::new(),
            known: BTreeSet::new(),
        }
    }

    pub fn tell(&mut self, event: TrainEvent) {
        if (self.observer)(event).is_break() {
            self.is_stopped = true;
        }
    }

    pub fn warn(&mut self, message: impl Into<String>) {
        let message = message.into();
        log::warn!("{message}");
        self.tell(TrainEvent::Warning { message });
    }

    /// Tells of pictures left out, of each once.
    pub fn skip(&mut self, pictures: Vec<SkippedPicture>) {
        for picture in pictures {
            if self.known.insert(picture.path.clone()) {
                self.skipped.push(picture.clone());
                self.tell(TrainEvent::Skipped(picture));
            }
        }
    }
}

/// What a step came to.
pub(super) struct Figures {
    pub loss: f32,
    pub grad_norm: f32,
    /// Whether the weights were changed.
    pub is_applied: bool,
    /// More columns for the metrics.
    pub more: Map<String, Value>,
}

/// One of the two stages of a latent diffusion model, being trained.
pub(super) trait Stage {
    /// The configurations of the networks.
    fn networks(&self) -> Value;

    /// Weights that are trained.
    fn parameters(&self) -> usize;

    /// Reads a checkpoint's tensors.
    fn load(&mut self, folder: &Path, state: &RunState) -> Result<(), TrainError>;

    /// Begins to read pictures for the step after `step` steps.
    fn begin(&mut self, step: u64, reporter: &mut Reporter<'_>) -> Result<(), TrainError>;

    /// Does the step after `step` steps.
    fn step(
        &mut self,
        step: u64,
        learning_rate: f64,
        reporter: &mut Reporter<'_>,
    ) -> Result<Figures, TrainError>;

    /// Judges the model on pictures that it is not trained on.
    fn evaluate(&mut self) -> Result<Vec<(&'static str, f64)>, TrainError>;

    /// Shows what the model can do, by the same pictures and noise each time.
    fn sheet(&mut self) -> Result<RgbaImage, TrainError>;

    /// Writes everything that [`Self::load`] needs.
    fn save(&self, folder: &Path) -> Result<(), TrainError>;

    /// Steps that changed the weights, of each network.
    fn updates(&self) -> BTreeMap<String, u64>;

    /// Numbers that were measured once and must be the same after resuming.
    fn measured(&self) -> BTreeMap<String, f64>;

    /// Writes the model of now.
    fn export(&mut self, folder: &Path) -> Result<(), TrainError>;
}

/// Runs a stage to its end, or until the observer has enough.
pub(super) fn drive(
    spec: &TrainSpec,
    decay: Decay,
    pictures: &str,
    stage: &mut dyn Stage,
    reporter: &mut Reporter<'_>,
) -> Result<TrainOutcome, TrainError> {
    let checkpoints = Checkpoints::new(&spec.output);
    let identity = Identity::new(spec, pictures.to_owned(), stage.networks());
    let mut state = RunState::new(identity);
    if spec.resume {
        let folder = checkpoints.newest()?;
        state = Checkpoints::read(&folder, &state.identity)?;
        stage.load(&folder, &state)?;
        reporter.skip(state.skipped.clone());
    }
    let mut run = Run {
        metrics: Metrics::open(&spec.output.join("metrics.jsonl"), state.step)?,
        model: spec.output.join("model"),
        started: Instant::now(),
        elapsed_before: state.elapsed_secs,
        saved: spec.resume.then_some(state.step),
        spec,
        checkpoints,
        state,
    };
    reporter.tell(TrainEvent::Started {
        step: run.state.step,
        total: spec.steps,
        parameters: stage.parameters(),
        pictures: pictures.to_owned(),
    });
    stage.begin(run.state.step, reporter)?;
    let loss = run.steps(decay, stage, reporter)?;
    if run.saved != Some(run.state.step) {
        run.save(stage, reporter)?;
    } else if !run.model.exists() {
        stage.export(&run.model)?;
    }
    Ok(TrainOutcome {
        model: run.model,
        step: run.state.step,
        is_complete: run.state.step >= spec.steps,
        loss,
        skipped: std::mem::take(&mut reporter.skipped),
    })
}

struct Run<'a> {
    spec: &'a TrainSpec,
    checkpoints: Checkpoints,
    state: RunState,
    metrics: Metrics,
    model: PathBuf,
    started: Instant,
    elapsed_before: f64,
    /// Step of the newest checkpoint.
    saved: Option<u64>,
}

impl Run<'_> {
    fn steps(
        &mut self,
        decay: Decay,
        stage: &mut dyn Stage,
        reporter: &mut Reporter<'_>,
    ) -> Result<Option<f32>, TrainError> {
        let spec = self.spec;
        let pictures_per_step = f64::from(spec.batch) * f64::from(spec.accumulate);
        let mut speed: Option<f64> = None;
        let mut bad_steps = 0;
        let mut last = None;
        while self.state.step < spec.steps && !reporter.is_stopped {
            let begun = Instant::now();
            let done = self.state.step;
            let rate = learning_rate(
                spec.learning_rate,
                spec.warmup_steps,
                decay,
                done,
                spec.steps,
            );
            let figures = stage.step(done, rate, reporter)?;
            self.state.step += 1;
            let step = self.state.step;
            bad_steps = if figures.is_applied { 0 } else { bad_steps + 1 };
            if bad_steps >= MOST_BAD_STEPS {
                return Err(TrainError::Diverged(bad_steps));
            }
            if !figures.is_applied {
                reporter.warn(format!(
                    "step {step} was left out, because its loss is no finite number"
                ));
            }
            let now = pictures_per_step / begun.elapsed().as_secs_f64().max(1e-9);
            // The first step also warms caches up; it is not held against the rest.
            let smooth = match speed {
                Some(old) if done > 1 => old + SPEED_SHARE * (now - old),
                _ => now,
            };
            speed = Some(smooth);
            last = Some(figures.loss);
            let report = StepReport {
                step,
                total: spec.steps,
                loss: figures.loss,
                learning_rate: rate,
                images_per_sec: smooth as f32,
                grad_norm: figures.grad_norm,
            };
            self.write_metrics(&report, figures.more)?;
            reporter.tell(TrainEvent::Step(report));
            let is_due = |every: u64| every > 0 && step.is_multiple_of(every);
            if is_due(spec.sample_every) || step == spec.steps {
                self.show(stage, reporter)?;
            }
            if is_due(spec.checkpoint_every) {
                self.save(stage, reporter)?;
            }
        }
        Ok(last)
    }

    fn elapsed_secs(&self) -> f64 {
        self.elapsed_before + self.started.elapsed().as_secs_f64()
    }

    fn write_metrics(
        &mut self,
        report: &StepReport,
        more: Map<String, Value>,
    ) -> Result<(), TrainError> {
        let mut line = json!({
            "step": report.step,
            "loss": report.loss,
            "lr": report.learning_rate,
            "images_per_sec": report.images_per_sec,
            "grad_norm": report.grad_norm,
            "elapsed": (self.elapsed_secs() * 1000.0).round() / 1000.0,
        });
        if let Some(columns) = line.as_object_mut() {
            columns.extend(more);
        }
        self.metrics.write(&line)
    }

    /// Judges the model and writes a sample sheet.
    fn show(
        &mut self,
        stage: &mut dyn Stage,
        reporter: &mut Reporter<'_>,
    ) -> Result<(), TrainError> {
        let step = self.state.step;
        for (name, value) in stage.evaluate()? {
            self.metrics.write(&json!({ "step": step, name: value }))?;
            reporter.tell(TrainEvent::Evaluation { step, name, value });
        }
        let image = stage.sheet()?;
        let path = self
            .spec
            .output
            .join("samples")
            .join(format!("step-{step:08}.png"));
        sheet::save(&image, &path)?;
        let image = Arc::new(image);
        reporter.tell(TrainEvent::SampleSheet { step, image, path });
        Ok(())
    }

    fn save(
        &mut self,
        stage: &mut dyn Stage,
        reporter: &mut Reporter<'_>,
    ) -> Result<(), TrainError> {
        self.state.updates = stage.updates();
        self.state.measured = stage.measured();
        self.state.elapsed_secs = self.elapsed_secs();
        self.state.skipped = reporter.skipped.clone();
        let path = self
            .checkpoints
            .write(&self.state, |folder| stage.save(folder))?;
        self.saved = Some(self.state.step);
        stage.export(&self.model)?;
        reporter.tell(TrainEvent::Checkpoint {
            path,
            model: self.model.clone(),
        });
        Ok(())
    }
}
