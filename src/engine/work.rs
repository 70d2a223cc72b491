//! A job in hand.

use super::job::JobContext;
use super::protocol::{EngineError, JobOutcome, StopReason};

/// What a slice of a job came to.
#[derive(Debug)]
pub enum Flow {
    /// There is more to do.
    More,
    /// The job is done.
    Done(JobOutcome),
}

/// A job in hand. It is done in slices, each of which ends at a point where the
/// job can wait for as long as one likes: while it is held, and while others go
/// before it.
pub trait Work {
    /// Does the next slice. One that takes long looks at
    /// [`JobContext::checkpoint`] on the way.
    ///
    /// # Errors
    /// [`StopReason::Cancelled`] when the user ended the job, else what failed.
    fn slice(&mut self, context: &JobContext) -> Result<Flow, StopReason>;

    /// Called when the user has ended the job, in place of further slices:
    /// keeps what can be kept.
    ///
    /// # Errors
    /// If it cannot be kept.
    fn end_early(&mut self) -> Result<(), EngineError> {
        Ok(())
    }
}
