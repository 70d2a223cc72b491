//! Pictures from the captions of unseen scenes, one after the other: as many as one
//! likes, of which nothing is kept here.

use std::ops::ControlFlow;
use std::time::Instant;

use super::study::{paint_scene, request_for};
use super::{EvaluateError, EvaluationEvent, EvaluationPlan, PictureKind};
use crate::diffusion::{Conditions, LatentDiffusion};
use crate::scenes::SceneSource;

/// Paints the captions of a plan's scenes; the same ones, with the same noise, as
/// [`evaluate`](super::evaluate) does for its first question.
///
/// # Errors
/// If a number of the plan is out of range, the model cannot paint, a device fails, or
/// `observe` has enough.
pub fn paint_captions(
    model: &LatentDiffusion,
    plan: &EvaluationPlan,
    observe: &mut dyn FnMut(EvaluationEvent<'_>) -> ControlFlow<()>,
) -> Result<(), EvaluateError> {
    plan.validate()?;
    let source = SceneSource::new(model.manifest().resolution_px)?;
    for (index, scene) in (0..plan.count).zip(source.endless(plan.seed, 0)) {
        let told = (Conditions::default(), None);
        let prompt = (scene.caption.as_str(), index as usize);
        let begun = Instant::now();
        let request = request_for(plan, prompt, &scene, told);
        let picture = paint_scene(model, &request, &scene, None)?;
        let event = EvaluationEvent {
            done: index + 1,
            total: plan.count,
            index,
            kind: PictureKind::TextToImage,
            caption: &scene.caption,
            picture: &picture,
            seconds: begun.elapsed().as_secs_f64(),
        };
        if observe(event).is_break() {
            return Err(EvaluateError::Stopped);
        }
    }
    Ok(())
}
