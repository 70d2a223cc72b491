//! Makes pictures four times as large, one tile a slice.

use std::rc::Rc;
use std::sync::Arc;

use crate::diffusion::{DiffusionError, Enlargement};
use crate::engine::job::JobContext;
use crate::engine::protocol::{EngineError, EnlargedImage, JobOutcome, StopReason};
use crate::engine::work::{Flow, Work};
use crate::engine::workbench::Workbench;
use crate::model::Upscaler;
use crate::recipe::UpscaleSpec;

/// Pictures to be enlarged.
pub(in crate::engine) struct Upscale {
    spec: UpscaleSpec,
    bench: Rc<Workbench>,
    network: Option<Rc<Upscaler>>,
    picture: Option<Enlargement>,
    finished: Vec<EnlargedImage>,
    /// Tiles that are done, and tiles in all.
    tiles: (u32, u32),
}

impl Upscale {
    pub fn new(spec: UpscaleSpec, bench: Rc<Workbench>) -> Self {
        let sizes = spec.pictures.iter().map(|picture| picture.0.dimensions());
        let total = sizes.map(|(width, height)| Enlargement::tiles_of([width, height]));
        Self {
            tiles: (0, total.sum()),
            spec,
            bench,
            network: None,
            picture: None,
            finished: Vec::new(),
        }
    }
}

impl Work for Upscale {
    fn slice(&mut self, context: &JobContext) -> Result<Flow, StopReason> {
        let Some(network) = &self.network else {
            self.spec
                .validate()
                .map_err(|error| StopReason::Failed(error.into()))?;
            self.bench.check_enlarging(&self.spec)?;
            self.network = Some(self.bench.upscaler()?);
            return Ok(Flow::More);
        };
        let Some(mut picture) = self.picture.take() else {
            let Some(next) = self.spec.pictures.get(self.finished.len()) else {
                self.bench.tell_memory(context);
                let finished = std::mem::take(&mut self.finished);
                return Ok(Flow::Done(JobOutcome::Enlarged(finished)));
            };
            self.picture = Some(Enlargement::new(Arc::clone(&next.0)));
            return Ok(Flow::More);
        };
        let device = &self.bench.device.device;
        if picture.step(network, device).map_err(failed)? {
            self.tiles.0 += 1;
            context.progress(self.tiles.0, self.tiles.1);
            self.picture = Some(picture);
        } else {
            self.finished.push(EnlargedImage {
                image: Arc::new(picture.into_picture()),
                by: None,
            });
        }
        Ok(Flow::More)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn failed(error: DiffusionError) -> StopReason {
    StopReason::Failed(EngineError::Upscale(error.to_string()))
}
