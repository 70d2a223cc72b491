//! The engine thread: does jobs slice by slice and sees that each ends exactly
//! once.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crossbeam_channel::Receiver;

use super::FrameBacklog;
use super::job::{Engine, EngineFactory, EventSink};
use super::protocol::{
    EngineError, EngineEvent, JobControl, JobId, JobOutcome, JobSpec, StopReason,
};
use super::queue::{Queue, Queued, Stage};
use super::work::Flow;

/// What the engine thread is told.
pub(super) enum Order {
    /// A job, with its reins.
    Do {
        job: JobId,
        spec: JobSpec,
        control: JobControl,
    },
    /// The reins of a job were pulled.
    Look,
    /// Every job is to end, and then the thread.
    Leave,
}

/// What the engine thread shares with its handle.
pub(super) struct Wiring {
    pub(super) orders: Receiver<Order>,
    pub(super) events: EventSink,
    pub(super) backlog: FrameBacklog,
}

/// Runs until [`Order::Leave`], or until every handle is gone.
pub(super) fn run(factory: EngineFactory, wiring: &Wiring) {
    let mut thread = EngineThread::start(factory, wiring);
    let mut queue = Queue::default();
    while queue.listen(&wiring.orders, wiring) {
        if let Some((place, mut job)) = queue.take() {
            thread.announce(&job, &queue);
            match thread.advance(&mut job) {
                Step::More => queue.put_back(place, job),
                Step::Ended(end) => thread.end(job, end),
            }
        }
    }
}

/// What became of a job in its turn.
enum Step {
    More,
    Ended(Ended),
}

/// How a job ended.
enum Ended {
    Finished(JobOutcome),
    Stopped(StopReason),
    Panicked(String),
}

impl From<StopReason> for Step {
    fn from(reason: StopReason) -> Self {
        Self::Ended(Ended::Stopped(reason))
    }
}

struct EngineThread<'a> {
    factory: EngineFactory,
    engine: Result<Box<dyn Engine>, EngineError>,
    wiring: &'a Wiring,
    /// The job that had the last slice.
    last: Option<JobId>,
}

impl<'a> EngineThread<'a> {
    fn start(mut factory: EngineFactory, wiring: &'a Wiring) -> Self {
        Self {
            engine: build(&mut factory, &wiring.events),
            factory,
            wiring,
            last: None,
        }
    }

    /// Tells whose turn it is, where that has changed.
    fn announce(&mut self, next: &Queued, others: &Queue) {
        let job = next.job();
        if self.last == Some(job) || (next.control().is_cancelled() && !next.is_in_hand()) {
            return;
        }
        let events = &self.wiring.events;
        if let Some(last) = self.last.replace(job).filter(|last| others.has(*last)) {
            events.send(EngineEvent::GaveWay { job: last });
        }
        events.send(if next.is_in_hand() {
            EngineEvent::WentOn { job }
        } else {
            EngineEvent::Started { job }
        });
    }

    /// Does the next slice of a job, or ends it where the user wants that.
    fn advance(&mut self, job: &mut Queued) -> Step {
        let is_cancelled = job.control().is_cancelled();
        let work = match (&mut job.stage, &mut self.engine) {
            (Stage::Waiting(_), _) if is_cancelled => return StopReason::Cancelled.into(),
            (_, Err(error)) => return StopReason::Failed(error.clone()).into(),
            (Stage::Waiting(spec), Ok(engine)) => {
                let spec = spec.clone();
                match catch_unwind(AssertUnwindSafe(|| engine.begin(spec))) {
                    Ok(work) => job.stage = Stage::InHand(work),
                    Err(payload) => return panicked(payload.as_ref()),
                }
                return Step::More;
            }
            (Stage::InHand(work), Ok(_)) => work,
        };
        let context = &job.context;
        context.clock.begin_slice();
        // After a panic the work and the engine are thrown away, so that their
        // broken state is never looked at.
        let done = catch_unwind(AssertUnwindSafe(|| {
            if is_cancelled {
                work.end_early().map_err(StopReason::Failed)?;
                return Err(StopReason::Cancelled);
            }
            work.slice(context)
        }));
        context.clock.end_slice();
        match done {
            Ok(Ok(Flow::More)) => Step::More,
            Ok(Ok(Flow::Done(outcome))) => Step::Ended(Ended::Finished(outcome)),
            Ok(Err(reason)) => reason.into(),
            Err(payload) => panicked(payload.as_ref()),
        }
    }

    fn end(&mut self, ended: Queued, end: Ended) {
        let job = ended.job();
        // What it held goes first: whoever hears of the end may ask for more.
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(ended)));
        let end = match dropped {
            Err(payload) => Ended::Panicked(panic_message(payload.as_ref())),
            Ok(()) => end,
        };
        let events = &self.wiring.events;
        match end {
            Ended::Finished(outcome) => events.send(EngineEvent::Finished { job, outcome }),
            Ended::Stopped(StopReason::Cancelled) => {
                let reason = StopReason::Cancelled;
                events.send(EngineEvent::Stopped { job, reason });
            }
            Ended::Stopped(StopReason::Failed(error)) => {
                let reason = StopReason::Failed(self.if_lost().unwrap_or(error));
                events.send(EngineEvent::Stopped { job, reason });
            }
            Ended::Panicked(message) => {
                let lost = self.if_lost();
                let is_lost = lost.is_some();
                let reason = StopReason::Failed(lost.unwrap_or(EngineError::Panicked(message)));
                events.send(EngineEvent::Stopped { job, reason });
                if !is_lost {
                    self.engine = build(&mut self.factory, events);
                }
            }
        }
    }

    /// Gives the engine up if its device is lost. Every buffer there is gone and a
    /// second device would not share the window's: nothing can be computed any
    /// more, and an engine made anew would fail again.
    fn if_lost(&mut self) -> Option<EngineError> {
        let engine = self.engine.as_ref().ok()?;
        let lost = EngineError::DeviceLost(engine.lost()?);
        self.engine = Err(lost.clone());
        Some(lost)
    }
}

fn build(factory: &mut EngineFactory, events: &EventSink) -> Result<Box<dyn Engine>, EngineError> {
    let built = catch_unwind(AssertUnwindSafe(factory))
        .unwrap_or_else(|payload| Err(EngineError::Panicked(panic_message(payload.as_ref()))));
    match &built {
        Ok(engine) => events.send(EngineEvent::Ready {
            adapter: engine.adapter(),
        }),
        Err(error) => log::error!("The engine could not start: {error}"),
    }
    built
}

fn panicked(payload: &(dyn Any + Send)) -> Step {
    Step::Ended(Ended::Panicked(panic_message(payload)))
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
