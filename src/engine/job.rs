//! What an engine is, and the reins and reports of one job.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use super::FrameBacklog;
use super::handle::Waker;
use super::protocol::{
    AdapterSummary, EngineError, EngineEvent, JobControl, JobId, JobSpec, Latents, MemorySummary,
    PaintedImage, StopReason, TrainEvent, TrajectoryFrame,
};
use super::work::Work;
use crate::model::TurnWatch;
use crate::model::weights::ReadWatch;
use crate::recipe::GenerateSpec;

/// Something that does jobs on the engine thread.
///
/// It is made on that thread and never leaves it, so it may own tensors. The
/// worker loop turns what a job's [`Work`] returns into its one terminal event;
/// an engine cannot send a terminal event itself.
pub trait Engine {
    /// The device it computes on.
    fn adapter(&self) -> AdapterSummary;

    /// Takes a job in hand. It is done in the slices of the work, not here.
    fn begin(&mut self, spec: JobSpec) -> Box<dyn Work>;

    /// Why nothing can be computed any more, if that is so: asked after a job
    /// failed or panicked.
    fn lost(&self) -> Option<String> {
        None
    }
}

/// Makes an engine, on the engine thread: at the start, and again after a panic.
pub type EngineFactory = Box<dyn FnMut() -> Result<Box<dyn Engine>, EngineError> + Send>;

/// What a job in hand may use: its reins, and ways to report.
#[derive(Clone)]
pub struct JobContext {
    pub(super) job: JobId,
    pub(super) control: JobControl,
    pub(super) clock: Rc<WorkClock>,
    pub(super) events: EventSink,
    pub(super) backlog: FrameBacklog,
}

/// How long a job was worked on: the time between its slices does not count.
#[derive(Debug, Default)]
pub(super) struct WorkClock {
    before: Cell<Duration>,
    slice: Cell<Option<Instant>>,
}

impl WorkClock {
    pub(super) fn begin_slice(&self) {
        self.slice.set(Some(Instant::now()));
    }

    pub(super) fn end_slice(&self) {
        self.before.set(self.elapsed());
        self.slice.set(None);
    }

    fn elapsed(&self) -> Duration {
        let slice = self
            .slice
            .get()
            .map_or(Duration::ZERO, |begun| begun.elapsed());
        self.before.get() + slice
    }
}

impl JobContext {
    /// The job.
    pub fn job(&self) -> JobId {
        self.job
    }

    /// To be called on the way through a long slice.
    ///
    /// # Errors
    /// [`StopReason::Cancelled`] once the user ended the job.
    pub fn checkpoint(&self) -> Result<(), StopReason> {
        if self.control.is_cancelled() {
            Err(StopReason::Cancelled)
        } else {
            Ok(())
        }
    }

    /// Whether networks are to be read when their turn comes.
    pub fn saves_memory(&self) -> bool {
        self.control.saves_memory()
    }

    /// What the job is told anew, if it was since it last listened.
    pub fn take_told(&self) -> Option<Box<GenerateSpec>> {
        self.control.take_told()
    }

    /// Reports that `step` of `total` steps are done.
    pub fn progress(&self, step: u32, total: u32) {
        let elapsed = self.clock.elapsed();
        self.events.send(EngineEvent::Progress {
            job: self.job,
            step,
            total,
            elapsed,
        });
    }

    /// For a model that is read: to be told of every part in bytes, of `total_bytes` or
    /// about so many; answers whether reading goes on. It is reported each per cent.
    pub fn reading(&self, total_bytes: u64) -> impl Fn(u64) -> bool + Send + Sync + use<> {
        let (job, control, events) = (self.job, self.control.clone(), self.events.clone());
        reading(job, control, events, total_bytes)
    }

    /// The same for networks that are read when their turn comes, one after the other.
    pub fn reading_turns(&self) -> TurnWatch {
        let (job, control, events) = (self.job, self.control.clone(), self.events.clone());
        TurnWatch::new(move |bytes| {
            ReadWatch::new(reading(job, control.clone(), events.clone(), bytes))
        })
    }

    /// Hands over a finished picture.
    pub fn painted(&self, image: PaintedImage) {
        self.events.send(EngineEvent::Painted {
            job: self.job,
            image,
        });
    }

    /// Hands over what a picture would have been decoded of, so that its steps are not lost.
    pub fn undecoded(&self, latents: Arc<Latents>) {
        self.events.send(EngineEvent::Undecoded {
            job: self.job,
            latents,
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

    /// Whether anybody looks at the steps of a trajectory; if not, their pictures
    /// need not be made.
    pub fn is_watched(&self) -> bool {
        self.backlog.is_watched()
    }

    /// Shows one step of the trajectory.
    pub fn frame(&self, frame: TrajectoryFrame) {
        self.backlog.push(frame);
        self.events.wake();
    }
}

fn reading(
    job: JobId,
    control: JobControl,
    events: EventSink,
    total_bytes: u64,
) -> impl Fn(u64) -> bool + Send + Sync {
    let read_bytes = AtomicU64::new(0);
    let percent = move |bytes: u64| (bytes.saturating_mul(100) / total_bytes.max(1)).min(100);
    move |bytes| {
        let before = read_bytes.fetch_add(bytes, Ordering::Relaxed);
        let done = percent(before + bytes);
        if done != percent(before) {
            let share = done as f32 / 100.0;
            events.send(EngineEvent::Reading { job, share });
        }
        !control.is_cancelled()
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
