//! Waits for a job of the engine and tells how it goes.

use std::time::Duration;

use super::report::Progress;
use super::{CliError, interrupt};
use crate::engine::EngineHandle;
use crate::engine::protocol::{EngineEvent, JobId, JobOutcome, StopReason};

/// How often to look whether the user wants to end the job.
const PATIENCE: Duration = Duration::from_millis(100);

/// What a command does with the events of its job.
pub(super) type Listener<'a> = dyn FnMut(EngineEvent, &mut Progress) -> Result<(), CliError> + 'a;

/// Follows a job to its end. An interruption ends it as early as it can be.
///
/// # Errors
/// When the job was stopped, or what `listener` says.
pub(super) fn follow(
    engine: &mut EngineHandle,
    wanted: JobId,
    progress: &mut Progress,
    listener: &mut Listener<'_>,
) -> Result<JobOutcome, CliError> {
    interrupt::listen()?;
    let ended = wait_for_end(engine, wanted, progress, listener);
    progress.finish();
    ended
}

fn wait_for_end(
    engine: &mut EngineHandle,
    wanted: JobId,
    progress: &mut Progress,
    listener: &mut Listener<'_>,
) -> Result<JobOutcome, CliError> {
    let mut is_ending = false;
    loop {
        if interrupt::is_asked() && !is_ending {
            is_ending = true;
            progress.say("Ending with what is done; a second Ctrl+C ends at once.");
            engine.cancel(wanted);
        }
        match engine.wait(PATIENCE) {
            None => {}
            Some(EngineEvent::Ready { adapter }) => {
                progress.say(&format!("Computing on {}.", adapter.name));
            }
            Some(EngineEvent::Warning { job, message }) if job == wanted => progress.warn(&message),
            Some(EngineEvent::Finished { job, outcome }) if job == wanted => return Ok(outcome),
            Some(EngineEvent::Stopped { job, reason }) if job == wanted => {
                return Err(match reason {
                    StopReason::Cancelled => CliError::Interrupted,
                    StopReason::Failed(error) => CliError::Engine(error),
                });
            }
            // There is one job, so every other event is its.
            Some(event) => listener(event, progress)?,
        }
    }
}
