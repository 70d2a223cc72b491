//! Trains, one step a slice.

use std::rc::Rc;

use crate::engine::job::JobContext;
use crate::engine::protocol::{EngineError, JobOutcome, StopReason};
use crate::engine::work::{Flow, Work};
use crate::engine::workbench::{Reservation, Workbench};
use crate::recipe::TrainSpec;
use crate::train::{Run, TrainError, TrainEvent};

/// Numbers that are kept for each weight in training: the weight itself, its
/// gradient, two moments and its average.
const NUMBERS_PER_WEIGHT: usize = 5;

/// A training run.
pub(in crate::engine) struct Train {
    spec: TrainSpec,
    bench: Rc<Workbench>,
    run: Option<(Run<'static>, Reservation)>,
}

impl Train {
    pub fn new(spec: TrainSpec, bench: Rc<Workbench>) -> Self {
        Self {
            spec,
            bench,
            run: None,
        }
    }

    fn open(&self, context: &JobContext) -> Result<(Run<'static>, Reservation), StopReason> {
        self.bench.check_training(&self.spec)?;
        // It needs the memory, and may be about to replace one of these models.
        self.bench.forget_models();
        let context = context.clone();
        let tell = Box::new(move |event| report(event, &context));
        let run = Run::open(&self.spec, &self.bench.device.device, tell).map_err(failed)?;
        let bytes = run.parameters() * NUMBERS_PER_WEIGHT * size_of::<f32>();
        Ok((run, Workbench::reserve(&self.bench, bytes as u64)))
    }
}

impl Work for Train {
    fn slice(&mut self, context: &JobContext) -> Result<Flow, StopReason> {
        let Some((run, _)) = &mut self.run else {
            self.run = Some(self.open(context)?);
            return Ok(Flow::More);
        };
        if !run.is_complete() {
            run.step().map_err(failed)?;
            return Ok(Flow::More);
        }
        let outcome = self.run.take().map(|(run, _)| run.finish());
        self.bench.tell_memory(context);
        match outcome {
            Some(outcome) => Ok(Flow::Done(JobOutcome::Trained(outcome.map_err(failed)?))),
            None => Ok(Flow::More),
        }
    }

    fn end_early(&mut self) -> Result<(), EngineError> {
        match self.run.take() {
            Some((run, _)) if run.is_begun() => {
                run.finish().map(|_| ()).map_err(|error| told(&error))
            }
            _ => Ok(()),
        }
    }
}

fn told(error: &TrainError) -> EngineError {
    EngineError::Train(error.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn failed(error: TrainError) -> StopReason {
    StopReason::Failed(told(&error))
}

fn report(event: TrainEvent, context: &JobContext) {
    let clamp = |step: u64| u32::try_from(step).unwrap_or(u32::MAX);
    let done = match &event {
        TrainEvent::Started { step, total, .. } => Some((*step, *total)),
        TrainEvent::Step(report) => Some((report.step, report.total)),
        _ => None,
    };
    context.training(event);
    if let Some((step, total)) = done {
        context.progress(clamp(step), clamp(total));
    }
}
