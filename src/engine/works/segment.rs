//! Reads what a picture shows where.

use std::rc::Rc;

use crate::engine::job::JobContext;
use crate::engine::protocol::{EngineError, JobOutcome, StopReason};
use crate::engine::work::{Flow, Work};
use crate::engine::workbench::Workbench;
use crate::evaluate::Judge;
use crate::recipe::ImageInput;

/// A picture to be read.
pub(in crate::engine) struct Segment {
    picture: ImageInput,
    bench: Rc<Workbench>,
    judge: Option<Rc<Judge>>,
}

impl Segment {
    pub fn new(picture: ImageInput, bench: Rc<Workbench>) -> Self {
        Self {
            picture,
            bench,
            judge: None,
        }
    }
}

impl Work for Segment {
    fn slice(&mut self, _context: &JobContext) -> Result<Flow, StopReason> {
        let Some(judge) = &self.judge else {
            self.judge = Some(self.bench.judge()?);
            return Ok(Flow::More);
        };
        let read = judge.segment(&self.picture.0);
        let read = read.map_err(|error| {
            StopReason::Failed(EngineError::Segment(format!(
                "The picture could not be read: {error}"
            )))
        })?;
        Ok(Flow::Done(JobOutcome::Segmented(read)))
    }
}
