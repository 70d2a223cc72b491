//! What a picture goes on from: a step of one that was painted.

use std::cell::RefCell;

use crate::diffusion::{DiffusionError, Session};
use crate::engine::job::JobContext;
use crate::engine::protocol::{Ending, EngineError, StepId, StopReason};
use crate::engine::steps::{Step, Steps};
use crate::recipe::GenerateSpec;

/// A step that a picture goes on from.
pub(super) struct Onward {
    id: StepId,
    ending: Ending,
    /// The step, once it is found.
    step: Option<Step>,
}

impl Onward {
    pub fn new(id: StepId, ending: Ending) -> Self {
        Self {
            id,
            ending,
            step: None,
        }
    }

    /// Finds the step, and answers what was asked for of its picture.
    pub fn find(
        &mut self,
        steps: &RefCell<Steps>,
        context: &JobContext,
    ) -> Result<GenerateSpec, StopReason> {
        let found = steps.borrow_mut().branch(self.id, context.job());
        let found = found.ok_or_else(|| {
            StopReason::Failed(EngineError::Paint(format!(
                "Step {} of that picture is not kept any more; paint the picture again with its seed, and go on from there",
                self.id.step
            )))
        })?;
        let spec = found.spec.clone();
        self.step = Some(found);
        Ok(spec)
    }

    /// Steps of a first pass that came before those of the run.
    pub fn before(&self) -> u32 {
        self.step.as_ref().map_or(0, |step| step.before)
    }

    /// Takes a run that has just begun to the step, and answers whether a recipe leaves out
    /// some of what it was told; `told` is what it is told now.
    pub fn go_on(
        &self,
        session: &mut Session<'_>,
        told: &GenerateSpec,
    ) -> Result<bool, DiffusionError> {
        let Some(step) = &self.step else {
            return Ok(false);
        };
        session.go_to(step.state.clone())?;
        match self.ending {
            Ending::Same => {}
            Ending::Other { seed } => session.go_on_under_noise(step.denoised.clone(), seed),
            Ending::Here => session.end_with(step.denoised.clone()),
        }
        let is_told_anew = step.spec.clone().told_as(told) != step.spec;
        Ok(step.was_retold || self.ending != Ending::Same || is_told_anew)
    }
}
