//! The second pass over a picture: it was painted, made larger, and is painted over once more.

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
