//! A training run as a value: it is opened, stepped, held for as long as one
//! likes, and finished. What both stages share: steps, figures, sheets,
//! checkpoints, the end.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use burn::tensor::Device;
use image::RgbaImage;
use serde_json::{Map, Value, json};

use super::TrainError;
use super::autoencoder;
use super::checkpoint::{Identity, RunState};
use super::classifier::ClassifierStage;
use super::config::TrainConfig;
use super::diffusion::DiffusionStage;
use super::event::{StepReport, TrainEvent, TrainOutcome};
use super::folder::FolderReport;
use super::metrics::{self, Metrics};
use super::run_folder::RunFolder;
use super::schedule::{Decay, learning_rate};
use super::source::SkippedPicture;
use super::{going_on, limits, pictures, run_file, sheet};
use crate::recipe::{TrainSpec, TrainTarget};

/// Steps without a finite loss after which a run is given up.
const MOST_BAD_STEPS: u32 = 20;
/// Share of the last step in the reported speed.
const SPEED_SHARE: f64 = 0.1;

/// Who listens to a run.
pub(super) struct Reporter<'a> {
    observer: Box<dyn FnMut(TrainEvent) + 'a>,
    skipped: Vec<SkippedPicture>,
    known: BTreeSet<PathBuf>,
}

impl<'a> Reporter<'a> {
    fn new(observer: Box<dyn FnMut(TrainEvent) + 'a>) -> Self {
        Self {
            observer,
            skipped: Vec::new(),
            known: BTreeSet::new(),
        }
    }

    pub fn tell(&mut self, event: TrainEvent) {
        (self.observer)(event);
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

/// One of the two stages of a latent diffusion model, or a classifier, being trained.
pub(super) trait Stage {
    /// The configurations of the networks.
    fn networks(&self) -> Value;

    /// Weights that are trained.
    fn parameters(&self) -> usize;

    /// Reads a checkpoint's tensors.
    fn load(&mut self, folder: &Path, state: &RunState) -> Result<(), TrainError>;

    /// Begins to read pictures for the step after `step` steps, a part of them at
    /// each call; whether that was the last part.
    fn begin(&mut self, step: u64, reporter: &mut Reporter<'_>) -> Result<bool, TrainError>;

    /// Does the step after `step` steps.
    fn step(
        &mut self,
        step: u64,
        learning_rate: f64,
        reporter: &mut Reporter<'_>,
    ) -> Result<Figures, TrainError>;

    /// Judges the model on pictures that it is not trained on, or says `train_…`.
    fn evaluate(&mut self) -> Result<Vec<(&'static str, f64)>, TrainError>;

    /// Shows what the model can do, by the same pictures and noise each time.
    fn sheet(&mut self) -> Result<RgbaImage, TrainError>;

    /// Writes everything that [`Self::load`] needs.
    fn save(&self, folder: &Path) -> Result<(), TrainError>;

    /// Steps that changed the weights, of each network.
    fn updates(&self) -> BTreeMap<String, u64>;

    /// Digest of the first stage whose latents are learnt from, if there is one with
    /// weights.
    fn first_stage(&self) -> Option<String> {
        None
    }

    /// Numbers that were measured once and must be the same after resuming.
    fn measured(&self) -> BTreeMap<String, f64>;

    /// Writes the model of now.
    fn export(&mut self, folder: &Path) -> Result<(), TrainError>;
}

/// A run in progress. Between two calls it may wait for as long as one likes:
/// its losses do not depend on when its steps are made, nor on what else is
/// computed meanwhile.
pub struct Run<'a> {
    spec: TrainSpec,
    decay: Decay,
    stage: Box<dyn Stage>,
    reporter: Reporter<'a>,
    folder: RunFolder,
    state: RunState,
    metrics: Metrics,
    /// Time in the calls of this run and of those that it goes on from.
    worked: Duration,
    is_begun: bool,
    /// What is due after the last step, before the next.
    due: Due,
    /// Step of the newest checkpoint.
    saved: Option<u64>,
    images_per_sec: Option<f64>,
    bad_steps: u32,
    loss: Option<f32>,
}

#[derive(Clone, Copy, Default)]
struct Due {
    sheet: bool,
    checkpoint: bool,
}

impl<'a> Run<'a> {
    /// Finds the pictures, makes or loads the networks, and reads the checkpoint
    /// of a run that goes on. `observer` is told what happens from now on.
    ///
    /// # Errors
    /// If a setting makes no sense, pictures or models cannot be read, the
    /// checkpoint to resume is of another run, or the output cannot be written.
    pub fn open(
        spec: &TrainSpec,
        device: &Device,
        observer: Box<dyn FnMut(TrainEvent) + 'a>,
    ) -> Result<Self, TrainError> {
        let begun = Instant::now();
        limits::check_run(spec)?;
        let mut config = TrainConfig::of(spec)?;
        let folder = RunFolder::take(spec)?;
        let mut reporter = Reporter::new(observer);
        if spec.resume {
            let networks = folder.checkpoints.networks().unwrap_or_default();
            let remark = going_on::go_on(spec, &mut config, &networks)?;
            remark.into_iter().for_each(|remark| reporter.warn(remark));
        }
        let mut report = FolderReport::default();
        let found = pictures::open(spec, config.training.sticker_share, &mut report)?;
        reporter.skip(report.skipped);
        for remark in report.remarks {
            reporter.warn(remark);
        }
        let pictures = found.describe();
        let source = found.source.identity();
        let mut stage: Box<dyn Stage> = match spec.target {
            TrainTarget::Autoencoder => autoencoder::open(spec, &config, device, found)?,
            TrainTarget::Diffusion => Box::new(DiffusionStage::new(spec, &config, device, found)?),
            TrainTarget::Classifier => {
                Box::new(ClassifierStage::new(spec, &config, device, found)?)
            }
        };
        let identity = Identity {
            first_stage: stage.first_stage(),
            ..Identity::new(spec, pictures.clone(), source, stage.networks())
        };
        let mut state = RunState::new(identity.clone());
        if spec.resume {
            state = folder.checkpoints.resume(
                &identity,
                |path, state| stage.load(path, state),
                &mut |warning| reporter.warn(warning),
            )?;
            if let Some(difference) = identity.other_pictures(&state.identity) {
                reporter.warn(format!("{difference}; the run goes on"));
            }
            state.identity = identity;
            reporter.skip(state.skipped.clone());
        }
        run_file::write(spec)?;
        let (metrics, other_metrics) = Metrics::open(&spec.output.join(metrics::NAME), state.step)?;
        if let Some(other) = other_metrics {
            let other = other.display();
            reporter.warn(format!(
                "there was a metrics.jsonl already; it is called {other} now"
            ));
        }
        let mut run = Self {
            metrics,
            worked: Duration::try_from_secs_f64(state.elapsed_secs).unwrap_or_default(),
            saved: spec.resume.then_some(state.step),
            spec: spec.clone(),
            decay: config.training.decay,
            stage,
            reporter,
            folder,
            state,
            is_begun: false,
            due: Due::default(),
            images_per_sec: None,
            bad_steps: 0,
            loss: None,
        };
        run.reporter.tell(TrainEvent::Started {
            step: run.state.step,
            total: spec.steps,
            parameters: run.stage.parameters(),
            pictures,
        });
        run.worked += begun.elapsed();
        Ok(run)
    }

    /// Weights that are trained.
    pub fn parameters(&self) -> usize {
        self.stage.parameters()
    }

    /// Whether the preparations are done: before, there is nothing to keep.
    pub fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// Whether all steps are done and shown.
    pub fn is_complete(&self) -> bool {
        self.state.step >= self.spec.steps && !self.due.sheet && !self.due.checkpoint
    }

    /// Does what comes next: a part of the preparations, a step of the optimiser, or the sample sheet or the
    /// checkpoint that is due after one.
    ///
    /// # Errors
    /// If a picture or the device fails, a file cannot be written, or the loss is
    /// no number for many steps in a row.
    pub fn step(&mut self) -> Result<(), TrainError> {
        let begun = Instant::now();
        let done = if !self.is_begun {
            let begun = self.stage.begin(self.state.step, &mut self.reporter);
            begun.map(|is_begun| self.is_begun = is_begun)
        } else if self.due.sheet {
            self.due.sheet = false;
            self.show()
        } else if self.due.checkpoint {
            self.checkpoint()
        } else if self.state.step < self.spec.steps {
            self.optimise(begun)
        } else {
            Ok(())
        };
        self.worked += begun.elapsed();
        done
    }

    /// Writes a checkpoint and the model of now, unless those of this step are
    /// there.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn checkpoint(&mut self) -> Result<(), TrainError> {
        self.due.checkpoint = false;
        if self.saved == Some(self.state.step) {
            if !self.folder.model.exists() {
                self.stage.export(&self.folder.model)?;
            }
            return Ok(());
        }
        self.state.updates = self.stage.updates();
        self.state.measured = self.stage.measured();
        self.state.elapsed_secs = self.worked.as_secs_f64();
        self.state.skipped = self.reporter.skipped.clone();
        let stage = &self.stage;
        let path = self
            .folder
            .checkpoints
            .write(&self.state, |folder| stage.save(folder))?;
        self.saved = Some(self.state.step);
        self.stage.export(&self.folder.model)?;
        self.reporter.tell(TrainEvent::Checkpoint {
            path,
            model: self.folder.model.clone(),
        });
        Ok(())
    }

    /// Ends the run where it is, with its checkpoint.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn finish(mut self) -> Result<TrainOutcome, TrainError> {
        // A model needs what is measured at the beginning.
        while !self.is_begun {
            self.step()?;
        }
        self.checkpoint()?;
        Ok(TrainOutcome {
            model: self.folder.model.clone(),
            step: self.state.step,
            is_complete: self.state.step >= self.spec.steps,
            loss: self.loss,
            skipped: self.reporter.skipped,
        })
    }

    fn optimise(&mut self, begun: Instant) -> Result<(), TrainError> {
        let spec = &self.spec;
        let done = self.state.step;
        let rate = learning_rate(
            spec.learning_rate,
            spec.warmup_steps,
            self.decay,
            done,
            spec.steps,
        );
        let figures = self.stage.step(done, rate, &mut self.reporter)?;
        let step = done + 1;
        self.state.step = step;
        self.bad_steps = if figures.is_applied {
            0
        } else {
            self.bad_steps + 1
        };
        if self.bad_steps >= MOST_BAD_STEPS {
            return Err(TrainError::Diverged(self.bad_steps));
        }
        if !figures.is_applied {
            self.reporter.warn(format!(
                "step {step} was left out, because its loss is no finite number"
            ));
        }
        let pictures = f64::from(spec.batch) * f64::from(spec.accumulate);
        let now = pictures / begun.elapsed().as_secs_f64().max(1e-9);
        // The first step also warms caches up; it is not held against the rest.
        let images_per_sec = match self.images_per_sec {
            Some(old) if done > 1 => old + SPEED_SHARE * (now - old),
            _ => now,
        };
        self.images_per_sec = Some(images_per_sec);
        self.loss = Some(figures.loss);
        let report = StepReport {
            step,
            total: spec.steps,
            loss: figures.loss,
            learning_rate: rate,
            images_per_sec: images_per_sec as f32,
            grad_norm: figures.grad_norm,
        };
        let is_due = |every: u64| every > 0 && step.is_multiple_of(every);
        self.due = Due {
            sheet: is_due(spec.sample_every) || step == spec.steps,
            checkpoint: is_due(spec.checkpoint_every),
        };
        self.write_metrics(&report, figures.more, self.worked + begun.elapsed())?;
        self.reporter.tell(TrainEvent::Step(report));
        Ok(())
    }

    fn write_metrics(
        &mut self,
        report: &StepReport,
        more: Map<String, Value>,
        worked: Duration,
    ) -> Result<(), TrainError> {
        let mut line = json!({
            "step": report.step,
            "loss": report.loss,
            "lr": report.learning_rate,
            "images_per_sec": report.images_per_sec,
            "grad_norm": report.grad_norm,
            "elapsed": (worked.as_secs_f64() * 1000.0).round() / 1000.0,
        });
        if let Some(columns) = line.as_object_mut() {
            columns.extend(more);
        }
        self.metrics.write(&line)
    }

    /// Judges the model and writes a sample sheet.
    fn show(&mut self) -> Result<(), TrainError> {
        let step = self.state.step;
        for (name, value) in self.stage.evaluate()? {
            self.metrics.write(&json!({ "step": step, name: value }))?;
            self.reporter
                .tell(TrainEvent::Evaluation { step, name, value });
        }
        let image = self.stage.sheet()?;
        let path = self
            .spec
            .output
            .join("samples")
            .join(format!("step-{step:08}.png"));
        sheet::save(&image, &path)?;
        let image = Arc::new(image);
        self.reporter
            .tell(TrainEvent::SampleSheet { step, image, path });
        Ok(())
    }
}
