//! Pictures that are told something else while they are painted.

use super::Paint;
use crate::diffusion::{Conditions, DiffusionError, Retelling};
use crate::engine::inputs::{canvas_of, request_of};
use crate::recipe::{ControlSpec, GenerateSpec};

impl Paint {
    /// Tells the picture in hand, and those to come, something else.
    pub(super) fn retell(&mut self, told: &GenerateSpec) -> Result<(), DiffusionError> {
        let named = |spec: &GenerateSpec| spec.prompt_syntax.loras_in(&spec.prompt).ok();
        if self.spec.loras != told.loras || named(&self.spec) != named(told) {
            return Err(DiffusionError::LorasStay);
        }
        // The canvas that they are shown changes with every stroke, and stays for the run.
        if !acts_alike(&self.spec.controls, &told.controls) {
            return Err(DiffusionError::ControlsStay);
        }
        if self.spec.classifier != told.classifier {
            return Err(DiffusionError::ClassifierStays);
        }
        let spec = self.spec.clone().told_as(told);
        let mut class = spec.class;
        if let Some(picture) = &self.picture {
            class = self.told_class(&spec, &picture.model);
        }
        if let Some(picture) = &mut self.picture {
            let before = picture.spec.clone();
            let now = GenerateSpec {
                seed: before.seed,
                ..spec.clone()
            };
            let mut now = now.resolved();
            // Other wildcards may choose others.
            if named(&before) != named(&now) {
                return Err(DiffusionError::LorasStay);
            }
            if now.is_filled_in() {
                let request = request_of(&now, &self.controls);
                self.bench.fill_in(&mut now, &picture.model.model, &request);
            }
            let now = match &mut picture.over {
                Some(first) => first.retell(&now, spec.windows, &picture.model.model),
                None => now,
            };
            let conditions = Conditions {
                layout: now.layout.clone(),
                layout_weight: now.layout_weight,
                layout_bias: now.layout_bias,
                semantic: now.semantic.clone(),
                semantic_weight: now.semantic_weight,
                class,
                grounding_share: now.grounding_share,
                places_boxes: now.is_composed(),
                ..Conditions::default()
            };
            let size_px = [now.width_px, now.height_px];
            let now = before.clone().told_as(&now);
            let anew = picture.model.model.told_anew(&Retelling {
                prompt: &now.prompt_syntax.without_loras(&now.prompt),
                negative_prompt: &now.negative_prompt,
                reading: now.reading(),
                steps: picture.plan.total(),
                seed: now.seed,
                guidance_scale: spec.guidance_scale,
                conditions: &conditions,
                size_px,
                canvas: canvas_of(&picture.spec),
            })?;
            if let Some(classifier) = &self.classifier {
                let guide = classifier.guide(&spec);
                picture.plan.lead_to(guide.class, guide.scale)?;
            }
            picture.plan.tell(anew);
            picture.spec = now;
            let is_begun = picture.plan.done(picture.state.index) > 0;
            picture.spec.was_retold |= is_begun && picture.spec != before;
        }
        self.spec = spec;
        Ok(())
    }
}

/// Whether controls are the same but for their pictures.
fn acts_alike(these: &[ControlSpec], those: &[ControlSpec]) -> bool {
    let acts = |it: &ControlSpec| {
        let numbers = [it.weight, it.start, it.end].map(f32::to_bits);
        (it.file.clone(), it.kind, numbers)
    };
    these.iter().map(acts).eq(those.iter().map(acts))
}
