//! Waits for a job of the engine and tells how it goes.

use std::time::Duration;

use serde_json::json;

use super::CliError;
use super::report::Reporter;
use crate::engine::EngineHandle;
use crate::engine::protocol::{EngineEvent, JobId, JobOutcome, StopReason};

/// How often to look whether the engine thread is still there.
const PATIENCE: Duration = Duration::from_millis(500);

/// Reports a job's progress until it ends.
///
/// # Errors
/// When the job was stopped.
pub(super) fn follow(
    engine: &mut EngineHandle,
    wanted: JobId,
    total: u64,
    report: Reporter,
) -> Result<JobOutcome, CliError> {
    let mut progress = report.progress(total, "steps");
    let mut note = String::new();
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
                progress.show(u64::from(step), u64::from(total), &note);
            }
            EngineEvent::TrainMetrics {
                job,
                step,
                loss,
                learning_rate,
                images_per_sec,
            } if job == wanted => {
                note = format!("loss {loss:.4}, {images_per_sec:.1} pictures/s");
                report.event(
                    "metrics",
                    json!({
                        "step": step,
                        "loss": loss,
                        "learning_rate": learning_rate,
                        "images_per_sec": images_per_sec,
                    }),
                );
            }
            EngineEvent::SampleSheet { job, step, .. } if job == wanted => {
                report.event("sample_sheet", json!({ "step": step }));
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::fake::{FakeEngine, FakePace};
    use crate::recipe::{GenerateSpec, TrainSpec};

    fn engine() -> EngineHandle {
        EngineHandle::spawn(FakeEngine::factory(FakePace::Immediate), Arc::new(|| {})).unwrap()
    }

    #[test]
    fn a_job_is_followed_to_its_end() {
        let mut engine = engine();
        let spec = GenerateSpec {
            batch: 2,
            ..Default::default()
        };
        let job = engine.generate(spec);
        let outcome = follow(&mut engine, job, 50, Reporter::new(true)).unwrap();
        assert!(matches!(outcome, JobOutcome::Images(images) if images.len() == 2));

        let spec = TrainSpec {
            steps: 3,
            ..Default::default()
        };
        let job = engine.train(spec);
        let outcome = follow(&mut engine, job, 3, Reporter::new(false)).unwrap();
        assert!(matches!(outcome, JobOutcome::Model { .. }));
    }

    #[test]
    fn a_failed_job_is_an_error_with_the_engines_sentence() {
        let mut engine = engine();
        let spec = GenerateSpec {
            prompt: "please fail".to_owned(),
            ..Default::default()
        };
        let job = engine.generate(spec);
        let error = follow(&mut engine, job, 1, Reporter::new(true)).unwrap_err();
        assert!(matches!(error, CliError::Engine(_)), "{error}");

        let job = engine.generate(GenerateSpec::default());
        engine.cancel(job);
        match follow(&mut engine, job, 1, Reporter::new(true)) {
            // The engine may have been quicker than the cancel.
            Ok(JobOutcome::Images(_)) | Err(CliError::Cancelled) => {}
            other => panic!("unexpected end: {other:?}"),
        }
    }
}
