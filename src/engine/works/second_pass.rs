//! The second pass over a picture: it was painted, made larger, and is painted over once more.

use std::sync::Arc;

use crate::diffusion::{Composing, LatentDiffusion};
use crate::engine::inputs::canvas_of;
use crate::engine::protocol::PaintedImage;
use crate::recipe::{GenerateSpec, ImageInput, WindowChoice};

/// What a second pass paints over.
pub(super) struct FirstPass {
    /// The picture as it was painted, with the recipe of both passes.
    pub painted: PaintedImage,
    /// Steps that it took.
    pub steps: u32,
    /// What is asked for of the second pass.
    pub asked: GenerateSpec,
}

impl FirstPass {
    /// Tells the second pass something else, which `now` says at the size of the first.
    /// Answers what it is told.
    pub fn retell(
        &mut self,
        now: &GenerateSpec,
        windows: WindowChoice,
        model: &LatentDiffusion,
    ) -> GenerateSpec {
        let before = &self.painted.spec;
        let told = before.as_ref().clone().told_as(now);
        if let Some(larger) = self.asked.init.clone() {
            self.asked = asked(&told, windows, model, larger);
        }
        let was_retold = before.was_retold || told != **before;
        *self.painted.spec = GenerateSpec { was_retold, ..told };
        self.asked.clone()
    }

    /// The picture as it was made larger, with the recipe of that: for a second pass that
    /// fails.
    pub fn made_larger(&self) -> PaintedImage {
        let mut larger = self.painted.clone();
        if let Some(ImageInput(picture)) = &self.asked.init {
            larger.image = Arc::clone(picture);
        }
        larger.spec.second_strength = 0.0;
        larger.spec.second_steps = 0;
        larger
    }

    /// The picture after both passes.
    pub fn painted_over(self, second: PaintedImage) -> PaintedImage {
        PaintedImage {
            image: second.image,
            latents: second.latents,
            ..self.painted
        }
    }
}

/// What a second pass over the picture of a job is asked for, once that is settled.
/// Boxes that the model placed for its words lie where they did.
pub(super) fn asked(
    first: &GenerateSpec,
    windows: WindowChoice,
    model: &LatentDiffusion,
    larger: ImageInput,
) -> GenerateSpec {
    let is_placed = first.is_composed() && first.semantic.is_none();
    let placed = is_placed.then(|| {
        model.boxes_for(&Composing {
            prompt: &first.prompt_syntax.without_loras(&first.prompt),
            syntax: first.prompt_syntax,
            steps: first.steps as usize,
            seed: first.seed,
            size_px: [first.width_px, first.height_px],
            canvas: canvas_of(first),
        })
    });
    let layout = first.layout.clone().or(placed.flatten());
    let first = GenerateSpec {
        layout,
        windows,
        ..first.clone()
    };
    first.second_pass(larger)
}

#[cfg(test)]
mod tests {
    use image::RgbaImage;

    use super::*;
    use crate::recipe::Finish;

    #[test]
    fn a_second_pass_that_fails_leaves_the_larger_picture_and_its_own_recipe() {
        let picture = |side| Arc::new(RgbaImage::new(side, side));
        let spec = GenerateSpec {
            finish: Some(Finish::X2),
            second_strength: 0.4,
            second_steps: 9,
            ..GenerateSpec::default()
        };
        let first = FirstPass {
            painted: PaintedImage {
                image: picture(64),
                spec: Box::new(spec.clone()),
                model_hash: String::new(),
                model_name: String::new(),
                latents: None,
            },
            steps: 20,
            asked: spec.second_pass(ImageInput(picture(128))),
        };
        let kept = first.made_larger();
        assert_eq!(kept.image.dimensions(), (128, 128));
        assert_eq!(kept.spec.finish, Some(Finish::X2));
        assert_eq!(kept.spec.second_px(), None);
        assert_eq!(kept.spec.second_steps, 0);
    }
}
