//! What is known of one job.

use std::time::Duration;

use crate::app::tracing::Traced;
use crate::app::training::Training;
use crate::app::trajectory::{Placement, Run};
use crate::document::{DocumentSnapshot, LayerId};
use crate::engine::protocol::{JobId, TrajectoryFrame};
use crate::recipe::ModelSource;

/// What a job does, with what is known of it.
#[derive(Clone, Debug)]
pub enum JobKind {
    /// Loads a model.
    LoadModel(ModelSource),
    /// Paints.
    Generate(Box<Painting>),
    /// Trains.
    Train(Box<Training>),
    /// Enlarges the pictures of a document.
    Enlarge(Box<Enlarging>),
    /// Reads what a picture shows where.
    Trace(Traced),
}

/// What is known of a job that enlarges a document.
#[derive(Clone, Debug)]
pub struct Enlarging {
    /// The document as it was given to the engine.
    pub document: DocumentSnapshot,
    /// The layers of the pictures, in their order.
    pub layers: Vec<LayerId>,
    /// How often the old sides go into the new ones.
    pub factor: u32,
    /// The newest step of a picture that a model paints larger.
    pub newest: Option<TrajectoryFrame>,
}

/// What is known of a job that paints.
#[derive(Clone, Debug)]
pub struct Painting {
    /// Where its pictures belong.
    pub place: Placement,
    /// Its steps.
    pub run: Run,
    /// Whether it paints a live picture, which no button ends and no layer waits for.
    pub is_live: bool,
    /// Pictures that were painted and are on their way to their place.
    pub(super) unplaced: usize,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobPhase {
    /// In the queue.
    Waiting,
    /// At work.
    Running,
    /// Over, well or not.
    Ended,
}

/// Everything that is known of a job.
#[derive(Clone, Debug)]
pub struct JobRecord {
    /// Names it.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// Where it stands.
    pub phase: JobPhase,
    /// Whether the user holds it.
    pub paused: bool,
    /// Whether the user asked it to end.
    pub cancelling: bool,
    /// Steps done.
    pub step: u32,
    /// Steps in all.
    pub total: u32,
    /// Since it started.
    pub elapsed: Duration,
    /// How much of its model is read, 0 to 1; `None` unless that is going on.
    pub reading: Option<f32>,
}

impl JobRecord {
    /// Whether it is at work.
    pub fn is_running(&self) -> bool {
        self.phase == JobPhase::Running
    }

    /// Whether the engine is done with it.
    pub fn has_ended(&self) -> bool {
        self.phase == JobPhase::Ended
    }

    /// Share done, 0 to 1.
    pub fn fraction(&self) -> f32 {
        if self.total == 0 {
            0.0
        } else {
            self.step as f32 / self.total as f32
        }
    }

    /// How long it will take from here, once a step is done.
    pub fn time_left(&self) -> Option<Duration> {
        let left = self.total.checked_sub(self.step)?;
        (self.step > 0 && !self.paused)
            .then(|| self.elapsed.mul_f64(f64::from(left) / f64::from(self.step)))
    }

    /// What is known of it, if it paints.
    pub fn painting(&self) -> Option<&Painting> {
        match &self.kind {
            JobKind::Generate(painting) => Some(painting),
            _ => None,
        }
    }

    /// What is known of it, if it enlarges a document.
    pub fn enlarging(&self) -> Option<&Enlarging> {
        match &self.kind {
            JobKind::Enlarge(enlarging) => Some(enlarging),
            _ => None,
        }
    }

    /// What is known of it, if it reads a picture.
    pub fn tracing(&self) -> Option<Traced> {
        match &self.kind {
            JobKind::Trace(traced) => Some(*traced),
            _ => None,
        }
    }

    pub(super) fn painting_mut(&mut self) -> Option<&mut Painting> {
        match &mut self.kind {
            JobKind::Generate(painting) => Some(painting),
            _ => None,
        }
    }

    /// What is known of it, if it trains.
    pub fn training(&self) -> Option<&Training> {
        match &self.kind {
            JobKind::Train(training) => Some(training),
            _ => None,
        }
    }

    /// Whether it has a strip to show.
    pub(super) fn has_frames(&self) -> bool {
        self.painting()
            .is_some_and(|painting| !painting.run.frames().is_empty())
    }

    pub(super) fn is_generation(&self) -> bool {
        let is_painted = self.painting().is_some_and(|painting| !painting.is_live);
        is_painted || self.enlarging().is_some()
    }

    pub(super) fn is_active(&self) -> bool {
        let unplaced = self.painting().map_or(0, |painting| painting.unplaced);
        !self.has_ended() || unplaced > 0
    }
}
