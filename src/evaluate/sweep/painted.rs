//! A set of pictures that a model paints, and how long it takes.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::processor::Processor;
use crate::diffusion::LatentDiffusion;
use crate::evaluate::compare::{Comparison, FeatureNetwork, Gatherer, Side, compare};
use crate::evaluate::{EvaluateError, EvaluationPlan, paint_captions};

/// Figures of a set of painted pictures.
pub(super) struct Painted {
    pub comparison: Comparison,
    /// Of painting alone.
    pub pictures_per_sec: f64,
    /// The same by the time that the processors worked for it.
    pub pictures_per_cpu_sec: f64,
}

/// Paints a plan's captions and compares them with real scenes; `observe` is told the
/// captions as they are painted.
pub(super) fn painted(
    model: &LatentDiffusion,
    plan: &EvaluationPlan,
    network: &FeatureNetwork,
    real: &Side,
    observe: &mut dyn FnMut(&str) -> ControlFlow<()>,
) -> Result<Painted, EvaluateError> {
    let mut gatherer = Gatherer::new(network, plan.count as usize);
    let mut failure = None;
    let mut processor = Processor::new();
    let (mut spent, mut worked) = (Duration::ZERO, Duration::ZERO);
    let mut began = (Instant::now(), processor.time());
    let ended = paint_captions(model, plan, &mut |event| {
        spent += began.0.elapsed();
        worked += processor.time().saturating_sub(began.1);
        if let Err(error) = gatherer.add(event.picture.clone()) {
            failure = Some(error);
            return ControlFlow::Break(());
        }
        let answer = observe(event.caption);
        began = (Instant::now(), processor.time());
        answer
    });
    if let Some(error) = failure {
        return Err(error);
    }
    ended?;
    let made = Side::seen(gatherer.finish()?, network.kind());
    let in_a_second = |time: Duration| match time.is_zero() {
        true => f64::NAN,
        false => f64::from(plan.count) / time.as_secs_f64(),
    };
    Ok(Painted {
        comparison: compare(&made, real)?,
        pictures_per_sec: in_a_second(spent),
        pictures_per_cpu_sec: in_a_second(worked),
    })
}
