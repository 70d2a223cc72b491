//! What an engine is, and the reins and reports of one job.

use std::time::Instant;

use crossbeam_channel::Sender;

use super::handle::Waker;
use super::protocol::{
    AdapterSummary, EngineCommand, EngineError, EngineEvent, JobControl, JobId, JobOutcome,
    MemorySummary, PaintedImage, StopReason, TrainEvent, TrajectoryFrame,
};
use super::{FrameBacklog, Latest};

/// Something that does jobs, one at a time, on the engine thread.
///
/// It is made on that thread and never leaves it, so it may own tensors. The
/// worker loop turns what [`Engine::run`] returns into the job's one terminal
/// event; an engine cannot send a terminal event itself.
pub trait Engine {
    /// The device it computes on.
    fn adapter(&self) -> AdapterSummary;

    /// Does one job, checking [`JobContext::checkpoint`] at every step.
    ///
    /// # Errors
    /// [`StopReason::Cancelled`] when the user ended the job, else what failed.
    fn run(
        &mut self,
        command: EngineCommand,
        context: &JobContext,
    ) -> Result<JobOutcome, StopReason>;
}

/// Makes an engine, on the engine thread: at the start, and again after a panic.
pub type EngineFactory = Box<dyn FnMut() -> Result<Box<dyn Engine>, EngineError> + Send>;

/// What a running job may use: its reins, and ways to report.
#[derive(Clone)]
pub struct JobContext {
    pub(super) job: JobId,
    pub(super) control: JobControl,
    pub(super) started: Instant,
    pub(super) events: EventSink,
    pub(super) latest: Latest<TrajectoryFrame>,
    pub(super) backlog: FrameBacklog,
}

impl JobContext {
    /// The job.
    pub fn job(&self) -> JobId {
        self.job
    }

    /// The flags by which the user cancels and holds the job.
    pub fn control(&self) -> &JobControl {
        &self.control
    }

    /// To be called between steps: waits while the job is held.
    ///
    /// # Errors
    /// [`StopReason::Cancelled`] once the user ended the job.
    pub fn checkpoint(&self) -> Result<(), StopReason> {
        if self.control.checkpoint() {
            Ok(())
        } else {
            Err(StopReason::Cancelled)
        }
    }

    /// Reports that `step` of `total` steps are done.
    pub fn progress(&self, step: u32, total: u32) {
        let elapsed = self.started.elapsed();
        self.events.send(EngineEvent::Progress {
            job: self.job,
            step,
            total,
            elapsed,
        });
    }

    /// Hands over a finished picture.
    pub fn painted(&self, image: PaintedImage) {
        self.events.send(EngineEvent::Painted {
            job: self.job,
            image,
        });
    }

    /// Passes on what a training run tells.
    pub fn training(&self, news: TrainEvent) {
        self.events.send(EngineEvent::Training {
            job: self.job,
            news,
        });
    }

    /// Tells the user of something that is done differently from what was asked.
    pub fn warn(&self, message: impl Into<String>) {
        self.events.send(EngineEvent::Warning {
            job: self.job,
            message: message.into(),
        });
    }

    /// Reports the memory in use.
    pub fn memory(&self, memory: MemorySummary) {
        self.events.send(EngineEvent::Memory(memory));
    }

    /// Shows one step of the trajectory: to the canvas (newest only) and to the
    /// strip (every step, under a byte budget).
    pub fn frame(&self, frame: TrajectoryFrame) {
        self.backlog.push(frame.clone());
        self.latest.publish(frame);
        self.events.wake();
    }
}

/// The engine's way of speaking: ordered, lossless events, and a nudge to the
/// window to read them.
#[derive(Clone)]
pub(super) struct EventSink {
    pub(super) sender: Sender<EngineEvent>,
    pub(super) waker: Waker,
}

impl EventSink {
    pub(super) fn send(&self, event: EngineEvent) {
        // The receiver is gone only when the window closes; nobody is left to tell.
        self.sender.send(event).ok();
        self.wake();
    }

    pub(super) fn wake(&self) {
        (self.waker)();
    }
}
