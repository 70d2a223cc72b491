//! What the training dialog edits.

use std::path::{Path, PathBuf};

use super::{OutputPlace, PreviewOf, TrainPreview, TrainSurvey};
use crate::folders;
use crate::recipe::param::{Number, Range, Shown};
use crate::recipe::{Degradation, Fit, LatentKind, TrainSpec, TrainTarget, TrainTask};

/// From which weights a run starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartFrom {
    /// Those of the model chosen in the Generate panel: it learns further.
    CurrentModel,
    /// Random ones.
    Scratch,
    /// The newest checkpoint of the run that lies in the output folder.
    Run,
    /// What the opened settings say.
    Settings,
}

/// Settings of a run that were read from a file: what the dialog does not show stays as it
/// is there.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenedSettings {
    /// The file.
    pub path: PathBuf,
    /// What it says.
    pub spec: TrainSpec,
}

/// Optimiser steps.
pub static STEPS: Number = Number {
    id: "train_steps",
    label: "Steps",
    hint: "Number of optimiser steps",
    unit: None,
    allowed: Range::whole(1, 100_000_000),
    offered: Range::whole(10, 200_000),
    shown: Shown::WholeByMagnitude,
    infotext: None,
};

/// Pictures per step.
pub static BATCH: Number = Number {
    id: "train_batch",
    label: "Batch",
    hint: "Number of pictures that one step learns from",
    unit: Some("pictures a step"),
    allowed: Range::whole(1, 256),
    offered: Range::whole(1, 256),
    shown: Shown::Whole,
    infotext: None,
};

/// Side of the pictures that begin with random weights, unless the model is smaller.
const SCRATCH_SIZE_PX: u32 = 128;

/// A change of one field of the form.
#[derive(Clone, Debug)]
pub enum TrainChange {
    /// Folder of pictures.
    Folder(Option<PathBuf>),
    /// Which stage.
    Target(TrainTarget),
    /// What a new denoiser paints from.
    Task(Option<TrainTask>),
    /// What keeps the latents of a new autoencoder in bounds.
    Latents(LatentKind),
    /// From which weights.
    Start(StartFrom),
    /// Optimiser steps.
    Steps(u64),
    /// Side of the pictures in pixels.
    SizePx(u32),
    /// How pictures that are no squares become such.
    Fit(Fit),
    /// How the small pictures are made that a model learns to enlarge.
    Degradation(Degradation),
    /// Pictures per step.
    Batch(u32),
    /// Where the model goes.
    Output(Option<PathBuf>),
    /// What the model is called.
    Name(Option<String>),
}

/// What the dialog edits.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainForm {
    /// Folder of pictures.
    pub folder: Option<PathBuf>,
    /// Which stage.
    pub target: TrainTarget,
    /// What a new denoiser paints from; `None` is from words and around holes.
    pub task: Option<TrainTask>,
    /// What keeps the latents of a new autoencoder in bounds.
    pub latents: LatentKind,
    /// From which weights.
    pub start: StartFrom,
    /// Optimiser steps.
    pub steps: u64,
    /// Side of the pictures in pixels.
    pub size_px: u32,
    /// The side that was chosen by hand; otherwise it is [`Self::settle_size`]'s.
    pub chosen_px: Option<u32>,
    /// The one that was before a classifier was to be trained, which sees what the model
    /// paints.
    pub other_px: Option<u32>,
    /// How pictures that are no squares become such.
    pub fit: Fit,
    /// How the small pictures are made that a model learns to enlarge.
    pub degradation: Degradation,
    /// Pictures per step.
    pub batch: u32,
    /// Where the model goes; `None` is [`Self::usual_output`].
    pub output: Option<PathBuf>,
    /// What the model is called; `None` is [`Self::usual_name`].
    pub name: Option<String>,
    /// Settings that were read from a file.
    pub opened: Option<Box<OpenedSettings>>,
}

impl Default for TrainForm {
    fn default() -> Self {
        Self {
            folder: None,
            target: TrainTarget::Diffusion,
            task: None,
            latents: LatentKind::Kl,
            start: StartFrom::CurrentModel,
            steps: 2000,
            size_px: TrainSpec::default().size_px,
            chosen_px: None,
            other_px: None,
            fit: Fit::Auto,
            degradation: Degradation::Bicubic,
            batch: 16,
            output: None,
            name: None,
            opened: None,
        }
    }
}

impl TrainForm {
    /// Takes over settings that were read from a file.
    pub fn open(&mut self, opened: OpenedSettings) {
        let spec = &opened.spec;
        let names_weights = spec.from.is_some() || spec.first_stage.is_some();
        *self = Self {
            folder: spec.data.clone(),
            target: spec.target,
            task: spec.task,
            latents: spec.latents,
            start: match names_weights {
                true => StartFrom::Settings,
                false => StartFrom::Scratch,
            },
            steps: spec.steps,
            size_px: spec.size_px,
            chosen_px: Some(spec.size_px),
            other_px: None,
            fit: spec.fit,
            degradation: spec.degradation,
            batch: spec.batch,
            output: Some(spec.output.clone()).filter(|it| *it != TrainSpec::default().output),
            name: spec.name.clone(),
            opened: Some(Box::new(opened)),
        };
    }

    /// What the opened settings say.
    fn settings(&self) -> Option<&TrainSpec> {
        self.opened.as_ref().map(|opened| &opened.spec)
    }

    /// Whether scenes are trained on, which are drawn meanwhile, and not a folder.
    pub fn is_on_scenes(&self) -> bool {
        let has_scenes = |spec: &TrainSpec| spec.data.is_none();
        self.folder.is_none() && self.settings().is_some_and(has_scenes)
    }

    /// Whether the weights are random at first.
    pub fn begins_anew(&self) -> bool {
        match self.start {
            StartFrom::Scratch => true,
            StartFrom::Settings => self.settings().is_none_or(|spec| spec.from.is_none()),
            StartFrom::CurrentModel | StartFrom::Run => false,
        }
    }

    /// Whether an autoencoder begins anew, so that its kind can be chosen.
    pub fn chooses_latents(&self) -> bool {
        self.target == TrainTarget::Autoencoder && self.begins_anew()
    }

    /// Whether a denoiser begins anew, so that it can be chosen what it paints from.
    pub fn chooses_task(&self) -> bool {
        self.target == TrainTarget::Diffusion && self.begins_anew()
    }

    /// Whether a denoiser learns to enlarge, so that it can be chosen what the small
    /// pictures are like; `is_enlarger` says whether the model of the Generate panel is one.
    pub fn chooses_degradation(&self, is_enlarger: bool) -> bool {
        let is_task = self.chooses_task() && self.task == Some(TrainTask::SuperResolution);
        let learns_on = self.start == StartFrom::CurrentModel && is_enlarger;
        is_task || (self.target == TrainTarget::Diffusion && learns_on)
    }

    /// What the pictures must say for it to be learnt, where that is known.
    pub fn needed_task(&self) -> Option<TrainTask> {
        match self.target {
            TrainTarget::Classifier => Some(TrainTask::Class),
            TrainTarget::Diffusion | TrainTarget::Autoencoder => {
                self.task.filter(|_| self.chooses_task())
            }
        }
    }

    /// Whether a run starts from the model of the Generate panel, or needs its latents.
    pub fn needs_model(&self) -> bool {
        match self.start {
            StartFrom::Settings | StartFrom::Run => false,
            StartFrom::CurrentModel => true,
            StartFrom::Scratch => self.target != TrainTarget::Autoencoder,
        }
    }

    /// Chooses the stage. What was chosen by hand is no size for a classifier, which sees
    /// what the model paints; for another stage it is there again.
    fn aim_at(&mut self, target: TrainTarget) {
        if self.target == target {
            return;
        }
        if target == TrainTarget::Classifier {
            self.other_px = self.chosen_px.take();
        } else {
            self.chosen_px = self.chosen_px.or(self.other_px.take());
        }
        self.target = target;
    }

    /// Has the pictures the size that suits the run, unless one was chosen by hand: what
    /// learns further, or for a model, sees pictures as large as that paints them,
    /// `native_px` a side where that is known. What begins with random weights needs
    /// long enough without large pictures.
    pub fn settle_size(&mut self, native_px: Option<u32>) {
        let is_small = self.begins_anew() && self.target != TrainTarget::Classifier;
        let usual_px = match native_px {
            Some(native_px) if is_small => native_px.min(SCRATCH_SIZE_PX),
            Some(native_px) => native_px,
            None if is_small => SCRATCH_SIZE_PX,
            None => self.size_px,
        };
        self.size_px = self.chosen_px.unwrap_or(usual_px);
    }

    /// Changes one field.
    pub fn change(&mut self, change: TrainChange) {
        match change {
            TrainChange::Folder(folder) => self.folder = folder,
            TrainChange::Target(target) => self.aim_at(target),
            TrainChange::Task(task) => self.task = task,
            TrainChange::Latents(latents) => self.latents = latents,
            TrainChange::Start(start) => self.start = start,
            TrainChange::Steps(steps) => self.steps = steps,
            TrainChange::SizePx(size_px) => {
                self.chosen_px = Some(size_px);
                self.other_px = None;
            }
            TrainChange::Fit(fit) => self.fit = fit,
            TrainChange::Degradation(degradation) => self.degradation = degradation,
            TrainChange::Batch(batch) => self.batch = batch,
            TrainChange::Output(output) => self.output = output,
            TrainChange::Name(name) => self.name = name,
        }
    }

    /// Where the model goes unless the user says otherwise: a folder among the
    /// user's models, named after that of the pictures; classifiers have a place among
    /// them where they are found by name.
    pub fn usual_output(&self) -> Option<PathBuf> {
        let name = self.folder.as_deref().and_then(Path::file_name)?;
        let models = folders::user_models()?;
        Some(match self.target {
            TrainTarget::Classifier => models.join("classifiers").join(name),
            TrainTarget::Diffusion | TrainTarget::Autoencoder => models.join(name),
        })
    }

    /// The folder that is asked for, whatever lies there.
    pub fn wanted_output(&self) -> Option<PathBuf> {
        self.output.clone().or_else(|| self.usual_output())
    }

    /// Where the model goes, once it is known what lies there: another folder than
    /// the usual one if that is in use.
    pub fn output_folder<'a>(&self, place: Option<&'a OutputPlace>) -> Option<&'a Path> {
        let wanted = self.wanted_output()?;
        let place = place.filter(|place| place.wanted == wanted)?;
        Some(if self.output.is_some() || self.start == StartFrom::Run {
            &place.wanted
        } else {
            &place.free
        })
    }

    /// Whether it can be chosen what the model is called: classifiers are found by the
    /// names of their folders.
    pub fn chooses_name(&self) -> bool {
        self.target != TrainTarget::Classifier
    }

    /// What the model is called unless the user says otherwise.
    pub fn usual_name(&self, place: Option<&OutputPlace>) -> String {
        let run = place.and_then(|place| place.run.as_ref());
        if let Some(run) = run.filter(|_| self.start == StartFrom::Run) {
            return run.spec.model_name();
        }
        let usual = TrainSpec {
            target: self.target,
            data: self.folder.clone(),
            ..TrainSpec::default()
        };
        match self.output_folder(place) {
            Some(output) => TrainSpec {
                output: output.to_path_buf(),
                ..usual
            },
            None => usual,
        }
        .model_name()
    }

    /// What a preview of the pictures would show; `None` without a folder.
    pub fn wanted_preview(&self) -> Option<PreviewOf> {
        Some(PreviewOf {
            folder: self.folder.clone()?,
            size_px: self.size_px,
            fit: self.fit,
        })
    }

    /// Why the run cannot start yet, as a sentence; `survey` is of what the folder holds,
    /// `preview` of how it is seen.
    pub fn problem(
        &self,
        place: Option<&OutputPlace>,
        survey: Option<&TrainSurvey>,
        preview: Option<&TrainPreview>,
    ) -> Option<String> {
        let needs_folder = self.start != StartFrom::Run && !self.is_on_scenes();
        if self.folder.is_none() && needs_folder {
            return Some("Choose a folder of pictures first".to_owned());
        }
        let task = self.needed_task();
        let holdings = survey.filter(|it| Some(&it.folder) == self.folder.as_ref());
        let holdings = holdings.and_then(|it| it.found.as_ref()?.as_ref().ok());
        if let (Some(task), Some(holdings)) = (task, holdings)
            && let Err(missing) = holdings.found_for(task)
        {
            return Some(missing);
        }
        let preview = preview.filter(|it| {
            self.start != StartFrom::Run && self.wanted_preview().as_ref() == Some(&it.of)
        });
        if let Some(Err(unseen)) = preview.and_then(|it| it.row.as_ref()) {
            return Some(unseen.clone());
        }
        let Some(wanted) = self.wanted_output() else {
            return Some("Choose where the model is saved first".to_owned());
        };
        let Some(place) = place.filter(|place| place.wanted == wanted) else {
            return Some("Looking at the folder for the model".to_owned());
        };
        match (self.start, &place.run) {
            (StartFrom::Run, Some(_)) => None,
            (StartFrom::Run, None) => Some(format!(
                "No run lies in {} that could go on",
                wanted.display()
            )),
            _ if self.output.is_none() || place.is_free() => None,
            (_, Some(_)) => {
                Some("That folder holds a run: go on with it, or choose another one".to_owned())
            }
            (_, None) => Some("That folder is in use: choose another one".to_owned()),
        }
    }

    /// The run that the form describes, or the one in the output folder that goes
    /// on. `model` is the folder of the model chosen in the Generate panel.
    pub fn spec(&self, model: Option<PathBuf>, place: Option<&OutputPlace>) -> Option<TrainSpec> {
        let output = self.output_folder(place)?.to_path_buf();
        if self.start == StartFrom::Run {
            let found = place.and_then(|place| place.run.as_ref())?;
            return Some(TrainSpec {
                output,
                name: self.name.clone().or_else(|| found.spec.name.clone()),
                resume: true,
                steps: self.steps.max(found.step + 1),
                ..found.spec.clone()
            });
        }
        let every = (self.steps / 10).clamp(1, 500);
        let usual = TrainSpec {
            warmup_steps: (self.steps / 20).min(200),
            checkpoint_every: every,
            sample_every: every,
            ..TrainSpec::default()
        };
        let settings = self.settings().cloned().unwrap_or(usual);
        let (from, first_stage) = match (self.start, self.target) {
            (StartFrom::Settings, _) => (settings.from.clone(), settings.first_stage.clone()),
            // It learns what the model that it is to lead makes of pictures.
            (_, TrainTarget::Classifier) => (None, model),
            (StartFrom::CurrentModel, _) => (model, None),
            // A new denoiser still needs somebody's latents.
            (_, TrainTarget::Diffusion) => (None, model),
            (_, TrainTarget::Autoencoder) => (None, None),
        };
        // A path that is typed may begin where the program was started.
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        Some(TrainSpec {
            target: self.target,
            task: self.task.filter(|_| self.chooses_task()),
            latents: self.latents,
            data: match self.is_on_scenes() {
                true => None,
                false => Some(absolute(self.folder.clone()?)),
            },
            from,
            first_stage,
            output: absolute(output),
            name: self.name.clone().filter(|_| self.chooses_name()),
            size_px: self.size_px,
            fit: self.fit,
            degradation: self.degradation,
            steps: self.steps,
            batch: self.batch,
            resume: false,
            ..settings
        })
    }
}

#[cfg(test)]
mod tests;
