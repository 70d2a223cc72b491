//! The real engine on the processor, and what its jobs report.
#![allow(dead_code, reason = "not every test file looks at all of it")]

use std::sync::Arc;
use std::time::Duration;

use velatura::engine::device::ComputeDevice;
use velatura::engine::protocol::{EngineEvent, JobId, JobOutcome, PaintedImage, StopReason};
use velatura::engine::{EngineHandle, studio};

/// How long a test waits for an event.
pub const PATIENCE: Duration = Duration::from_secs(600);

pub fn engine() -> EngineHandle {
    let factory = studio::factory(ComputeDevice::cpu());
    EngineHandle::spawn(factory, Arc::new(|| {})).expect("a thread")
}

/// What a job reports on its way, and how it ends.
#[derive(Debug)]
pub struct Told {
    pub images: Vec<PaintedImage>,
    pub progress: Vec<(u32, u32)>,
    pub warnings: Vec<String>,
    pub ended: Result<JobOutcome, StopReason>,
}

impl Told {
    /// What comes of it; what is said where it warns of something or fails.
    pub fn outcome(self) -> Result<JobOutcome, String> {
        if let Some(warning) = self.warnings.into_iter().next() {
            return Err(warning);
        }
        self.ended.map_err(|reason| match reason {
            StopReason::Failed(error) => error.to_string(),
            StopReason::Cancelled => "cancelled".to_owned(),
        })
    }

    /// The pictures that it paints; what is said where it warns of something or fails.
    pub fn pictures(mut self) -> Result<Vec<PaintedImage>, String> {
        let images = std::mem::take(&mut self.images);
        assert!(matches!(self.outcome()?, JobOutcome::Painted));
        Ok(images)
    }

    /// What is said of its failure.
    pub fn complaint(self) -> String {
        match self.ended {
            Err(StopReason::Failed(error)) => error.to_string(),
            other => panic!("no error: {other:?}"),
        }
    }
}

/// Waits for the end of a job.
pub fn end(engine: &mut EngineHandle, job: JobId) -> Told {
    let (mut images, mut progress, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    let ended = loop {
        match engine.wait(PATIENCE).expect("an event in time") {
            EngineEvent::Warning { message, .. } => warnings.push(message),
            EngineEvent::Painted { job: of, image } if of == job => images.push(image),
            EngineEvent::Progress { step, total, .. } => progress.push((step, total)),
            EngineEvent::Finished { job: of, outcome } if of == job => break Ok(outcome),
            EngineEvent::Stopped { job: of, reason } if of == job => break Err(reason),
            _ => {}
        }
    };
    Told {
        images,
        progress,
        warnings,
        ended,
    }
}
