//! The engine thread: takes jobs in order and sees that each ends exactly once.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crossbeam_channel::Receiver;

use super::job::{Engine, EngineFactory, EventSink, JobContext};
use super::protocol::{
    EngineCommand, EngineError, EngineEvent, JobControl, JobId, StopReason, TrajectoryFrame,
};
use super::{FrameBacklog, Latest};

/// A command on its way to the engine thread, with the reins of its job.
pub(super) struct Order {
    pub(super) command: EngineCommand,
    pub(super) control: JobControl,
}

/// What the engine thread shares with its handle.
pub(super) struct Wiring {
    pub(super) orders: Receiver<Order>,
    pub(super) events: EventSink,
    pub(super) latest: Latest<TrajectoryFrame>,
    pub(super) backlog: FrameBacklog,
}

/// Runs until [`EngineCommand::Shutdown`], or until every handle is gone.
pub(super) fn run(mut factory: EngineFactory, wiring: &Wiring) {
    let mut engine = build(&mut factory, &wiring.events);
    while let Ok(Order { command, control }) = wiring.orders.recv() {
        let Some(job) = job_of(&command) else { break };
        if control.is_cancelled() {
            let reason = StopReason::Cancelled;
            wiring.events.send(EngineEvent::Stopped { job, reason });
            continue;
        }
        wiring.events.send(EngineEvent::Started { job });
        let ended = match &mut engine {
            Ok(engine) => do_job(engine.as_mut(), command, job, control, wiring),
            Err(error) => Ended::Stopped(StopReason::Failed(error.clone())),
        };
        match ended {
            Ended::Finished(event) => wiring.events.send(event),
            Ended::Stopped(reason) => {
                if let StopReason::Failed(lost @ EngineError::DeviceLost(_)) = &reason {
                    // Every buffer on a lost device is gone and a second device
                    // would not share the window's: nothing can be computed any more.
                    engine = Err(lost.clone());
                }
                wiring.events.send(EngineEvent::Stopped { job, reason });
            }
            Ended::Panicked(message) => {
                let reason = StopReason::Failed(EngineError::Panicked(message));
                wiring.events.send(EngineEvent::Stopped { job, reason });
                engine = build(&mut factory, &wiring.events);
            }
        }
    }
}

enum Ended {
    Finished(EngineEvent),
    Stopped(StopReason),
    Panicked(String),
}

fn do_job(
    engine: &mut dyn Engine,
    command: EngineCommand,
    job: JobId,
    control: JobControl,
    wiring: &Wiring,
) -> Ended {
    let context = JobContext {
        job,
        control,
        started: Instant::now(),
        events: wiring.events.clone(),
        latest: wiring.latest.clone(),
        backlog: wiring.backlog.clone(),
    };
    // After a panic the engine is thrown away and made anew, so that its broken
    // state is never looked at.
    match catch_unwind(AssertUnwindSafe(|| engine.run(command, &context))) {
        Ok(Ok(outcome)) => Ended::Finished(EngineEvent::Finished { job, outcome }),
        Ok(Err(reason)) => Ended::Stopped(reason),
        Err(payload) => Ended::Panicked(panic_message(payload.as_ref())),
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

fn job_of(command: &EngineCommand) -> Option<JobId> {
    match command {
        EngineCommand::LoadModel { job, .. }
        | EngineCommand::Generate { job, .. }
        | EngineCommand::Train { job, .. } => Some(*job),
        EngineCommand::Shutdown => None,
    }
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
