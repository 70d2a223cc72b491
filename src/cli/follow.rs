//! Waits for a job of the engine and tells how it goes.

use std::time::Duration;

use super::CliError;
use super::report::Reporter;
use crate::engine::EngineHandle;
use crate::engine::protocol::{EngineEvent, JobId, JobOutcome, PaintedImage, StopReason};

/// How often to look whether the engine thread is still there.
const PATIENCE: Duration = Duration::from_millis(500);

/// Reports a job's progress until it ends; each picture goes to `take` when it
/// is painted.
///
/// # Errors
/// When the job was stopped, or what `take` says: the job is then cancelled.
pub(super) fn follow(
    engine: &mut EngineHandle,
    wanted: JobId,
    total: u64,
    report: Reporter,
    take: &mut dyn FnMut(PaintedImage) -> Result<(), CliError>,
) -> Result<JobOutcome, CliError> {
    let mut progress = report.progress(total, "steps");
    loop {
        let Some(event) = engine.wait(PATIENCE) else {
            continue;
        };
        match event {
            EngineEvent::Ready { adapter } => {
                progress.say(&format!("Computing on {}.", adapter.name));
            }
            EngineEvent::Progress {
                job, step, total, ..
            } if job == wanted => {
                progress.show(u64::from(step), u64::from(total), "");
            }
            EngineEvent::Painted { job, image } if job == wanted => {
                progress.above(|| take(image))?;
            }
            EngineEvent::Warning { job, message } if job == wanted => progress.warn(&message),
            EngineEvent::Finished { job, outcome } if job == wanted => {
                progress.finish();
                return Ok(outcome);
            }
            EngineEvent::Stopped { job, reason } if job == wanted => {
                progress.finish();
                return Err(match reason {
                    StopReason::Cancelled => CliError::Cancelled,
                    StopReason::Failed(error) => CliError::Engine(error),
                });
            }
            _ => {}
        }
    }
}
