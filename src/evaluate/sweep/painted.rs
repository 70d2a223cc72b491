//! A set of pictures that a model paints, and how long it takes.

use std::ops::ControlFlow;
use std::time::Instant;

use crate::diffusion::LatentDiffusion;
use crate::evaluate::compare::{Comparison, FeatureNetwork, Gatherer, Side, compare};
use crate::evaluate::{EvaluateError, EvaluationPlan, paint_captions};

/// Figures of a set of painted pictures.
pub(super) struct Painted {
    pub comparison: Comparison,
    /// Of painting alone.
    pub pictures_per_sec: f64,
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
    let mut spent_secs = 0.0;
    let mut began = Instant::now();
    let ended = paint_captions(model, plan, &mut |event| {
        spent_secs += began.elapsed().as_secs_f64();
        if let Err(error) = gatherer.add(event.picture.clone()) {
            failure = Some(error);
            return ControlFlow::Break(());
        }
        let answer = observe(event.caption);
        began = Instant::now();
        answer
    });
    if let Some(error) = failure {
        return Err(error);
    }
    ended?;
    let made = Side::seen(gatherer.finish()?, network.kind());
    Ok(Painted {
        comparison: compare(&made, real)?,
        pictures_per_sec: f64::from(plan.count) / spent_secs.max(f64::MIN_POSITIVE),
    })
}
