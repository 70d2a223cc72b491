//! The real engine on the processor, and what its jobs report.
#![allow(dead_code, reason = "not every test file looks at all of it")]

use std::sync::Arc;
use std::time::Duration;

use velatura::engine::device::ComputeDevice;
use velatura::engine::protocol::{EngineEvent, JobId, JobOutcome, PaintedImage, StopReason};
use velatura::engine::{EngineHandle, studio};

/// How long a test waits for an event.
pub const PATIENCE: Duration = Duration::from_secs(300);

pub fn engine() -> EngineHandle {
    let factory = studio::factory(ComputeDevice::cpu());
    EngineHandle::spawn(factory, Arc::new(|| {})).expect("a thread")
}

/// What a job reports on its way to its end.
pub struct Told {
    pub images: Vec<PaintedImage>,
    pub progress: Vec<(u32, u32)>,
    pub outcome: JobOutcome,
}

/// Waits for the end of a job; what is said where it warns of something or fails.
pub fn end(engine: &mut EngineHandle, job: JobId) -> Result<Told, String> {
    let (mut images, mut progress) = (Vec::new(), Vec::new());
    loop {
        match engine.wait(PATIENCE).expect("an event in time") {
            EngineEvent::Warning { message, .. } => return Err(message),
            EngineEvent::Painted { image, .. } => images.push(image),
            EngineEvent::Progress { step, total, .. } => progress.push((step, total)),
            EngineEvent::Finished { job: done, outcome } if done == job => {
                return Ok(Told {
                    images,
                    progress,
                    outcome,
                });
            }
            EngineEvent::Stopped { reason, .. } => {
                return match reason {
                    StopReason::Failed(error) => Err(error.to_string()),
                    StopReason::Cancelled => Err("cancelled".to_owned()),
                };
            }
            _ => {}
        }
    }
}
