//! The window's end of the engine: submit jobs, hold their reins, read reports.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::FrameBacklog;
use super::job::{EngineFactory, EventSink};
use super::protocol::{Ending, EngineEvent, JobControl, JobId, JobSpec, StepId, TrajectoryFrame};
use super::worker_loop::{self, Order, Wiring};
use crate::recipe::{GenerateSpec, ImageInput, ModelSource, NamedFile, TrainSpec, UpscaleSpec};

/// Called by the engine thread when there is something to read.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// Owns the engine thread.
///
/// Dropping it cancels every job and ends the thread once they have ended, but
/// does not wait for that: a training run may still write its checkpoint, and the
/// one who drops may be the UI thread. [`EngineHandle::close`] waits. So can
/// whoever made the factory: it is dropped with the thread.
pub struct EngineHandle {
    orders: Sender<Order>,
    events: Receiver<EngineEvent>,
    backlog: FrameBacklog,
    /// The jobs that have not ended yet.
    controls: BTreeMap<JobId, JobControl>,
    next_job: u64,
    saves_memory: bool,
    thread: Option<JoinHandle<()>>,
}

impl EngineHandle {
    /// Starts the engine thread and makes the engine on it.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn spawn(factory: EngineFactory, waker: Waker) -> std::io::Result<Self> {
        let (orders, orders_inbox) = unbounded();
        let (sender, events) = unbounded();
        let backlog = FrameBacklog::default();
        let wiring = Wiring {
            orders: orders_inbox,
            events: EventSink { sender, waker },
            backlog: backlog.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("engine".to_owned())
            .spawn(move || worker_loop::run(factory, &wiring))?;
        Ok(Self {
            orders,
            events,
            backlog,
            controls: BTreeMap::new(),
            next_job: 1,
            saves_memory: false,
            thread: Some(thread),
        })
    }

    /// Has jobs to come read the networks of a model when their turn comes, so that of the
    /// large ones no more than one is in memory at a time; or all at once.
    pub fn save_memory(&mut self, saves_memory: bool) {
        self.saves_memory = saves_memory;
    }

    /// Queues the loading of a model, with the first stage that is chosen for it.
    pub fn load_model(&mut self, source: ModelSource, vae: Option<NamedFile>) -> JobId {
        self.submit(JobSpec::LoadModel(source, vae))
    }

    /// Queues a generation.
    pub fn generate(&mut self, spec: GenerateSpec) -> JobId {
        self.submit(JobSpec::Generate(Box::new(spec)))
    }

    /// Queues another ending of a picture that was painted, from one of its steps on.
    /// `told` is what it is told of words, boxes and a label map from there on; what it was
    /// told before where that is `None`.
    pub fn go_on(&mut self, step: StepId, ending: Ending, told: Option<GenerateSpec>) -> JobId {
        let control = JobControl::default();
        if let Some(told) = told {
            control.tell(Box::new(told));
        }
        self.submit_with(control, JobSpec::GoOn(step, ending))
    }

    /// Queues a training run. It gives way to everything else.
    pub fn train(&mut self, spec: TrainSpec) -> JobId {
        self.submit(JobSpec::Train(Box::new(spec)))
    }

    /// Queues the enlarging of pictures.
    pub fn upscale(&mut self, spec: UpscaleSpec) -> JobId {
        self.submit(JobSpec::Upscale(Box::new(spec)))
    }

    /// Queues the reading of what a picture shows where.
    pub fn segment(&mut self, picture: ImageInput) -> JobId {
        self.submit(JobSpec::Segment(picture))
    }

    /// Queues the placing of boxes for the words of a job.
    pub fn compose(&mut self, spec: GenerateSpec) -> JobId {
        self.submit(JobSpec::Compose(Box::new(spec)))
    }

    fn submit(&mut self, spec: JobSpec) -> JobId {
        self.submit_with(JobControl::default(), spec)
    }

    fn submit_with(&mut self, control: JobControl, spec: JobSpec) -> JobId {
        let job = JobId(self.next_job);
        self.next_job += 1;
        control.set_saving_memory(self.saves_memory);
        self.controls.insert(job, control.clone());
        self.order(Order::Do { job, spec, control });
        job
    }

    /// Cancels every job, and waits until all have ended: for programs without a
    /// window.
    pub fn close(mut self) {
        self.order(Order::Leave);
        if let Some(thread) = self.thread.take() {
            // Panics of jobs are caught in the loop; one of the loop itself was
            // already printed by the panic hook.
            thread.join().ok();
        }
    }

    fn order(&self, order: Order) {
        // The thread outlives its handle, so there is always a reader.
        self.orders.send(order).ok();
    }

    /// Ends a job within one step, or before it begins.
    pub fn cancel(&self, job: JobId) {
        if let Some(control) = self.controls.get(&job) {
            control.cancel();
            self.order(Order::Look);
        }
    }

    /// Holds a job after the step in hand, or lets it go on.
    pub fn set_paused(&self, job: JobId, paused: bool) {
        if let Some(control) = self.controls.get(&job) {
            control.set_paused(paused);
            self.order(Order::Look);
        }
    }

    /// Tells a job that paints what another one would be told of words, boxes and a
    /// label map, from its next step on.
    pub fn tell(&self, job: JobId, spec: GenerateSpec) {
        if let Some(control) = self.controls.get(&job) {
            control.tell(Box::new(spec));
        }
    }

    /// Whether any job is queued or running.
    pub fn is_busy(&self) -> bool {
        !self.controls.is_empty()
    }

    /// The next event, if there is one.
    pub fn poll(&mut self) -> Option<EngineEvent> {
        let event = self.events.try_recv().ok()?;
        self.note_end(&event);
        Some(event)
    }

    /// The next event, waiting for it at most `patience`: for programs without
    /// a window, never for the UI thread.
    pub fn wait(&mut self, patience: Duration) -> Option<EngineEvent> {
        let event = self.events.recv_timeout(patience).ok()?;
        self.note_end(&event);
        Some(event)
    }

    fn note_end(&mut self, event: &EngineEvent) {
        if let EngineEvent::Finished { job, .. } | EngineEvent::Stopped { job, .. } = event {
            self.controls.remove(job);
        }
    }

    /// Says that nobody looks at trajectory frames, so that none are made.
    pub fn look_away(&self) {
        self.backlog.set_watched(false);
    }

    /// Every trajectory frame since the last call, oldest first.
    pub fn drain_frames(&mut self) -> Vec<TrajectoryFrame> {
        self.backlog.drain()
    }
}

impl Drop for EngineHandle {
    fn drop(&mut self) {
        self.order(Order::Leave);
    }
}
