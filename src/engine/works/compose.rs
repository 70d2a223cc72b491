//! Places boxes for the words of a picture that is not painted yet.

use std::rc::Rc;

use crate::diffusion::Composing;
use crate::engine::inputs::canvas_of;
use crate::engine::job::JobContext;
use crate::engine::protocol::{JobOutcome, StopReason};
use crate::engine::settle::beside_boxes;
use crate::engine::work::{Flow, Work};
use crate::engine::workbench::Workbench;
use crate::recipe::GenerateSpec;

/// A picture that boxes are placed for.
pub(in crate::engine) struct Compose {
    spec: GenerateSpec,
    bench: Rc<Workbench>,
}

impl Compose {
    pub fn new(spec: GenerateSpec, bench: Rc<Workbench>) -> Self {
        Self { spec, bench }
    }
}

impl Work for Compose {
    fn slice(&mut self, context: &JobContext) -> Result<Flow, StopReason> {
        let vae = self.spec.vae.as_ref();
        let loaded = self.bench.model(&self.spec.model, vae, context)?;
        let spec = GenerateSpec {
            windows: beside_boxes(&self.spec, &loaded.model),
            ..self.spec.clone()
        };
        let spec = spec.resolved();
        let boxes = loaded.model.boxes_for(&Composing {
            prompt: &spec.prompt_syntax.without_loras(&spec.prompt),
            syntax: spec.prompt_syntax,
            steps: spec.steps as usize,
            seed: spec.seed,
            size_px: [spec.width_px, spec.height_px],
            canvas: canvas_of(&spec),
        });
        Ok(Flow::Done(JobOutcome::Composed(boxes)))
    }
}
