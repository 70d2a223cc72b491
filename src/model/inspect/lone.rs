//! Networks that lie alone in one file, by diffusers' names and without the
//! configuration that their folder has.

use std::path::Path;

use super::super::ModelError;
use super::super::paper::Lone;
use super::super::weights;
use super::pipeline::{Network, Sizes};
use super::{Family, Inspection, folder, prediction};

/// Beside the weights that sizes tell, what is added to a denoiser for fewer steps.
const FEW_STEPS: &str = "time_embedding.cond_proj.weight";

/// Tells what such a file is; `None` if its weights are those of no such network.
///
/// # Errors
/// If the file is damaged.
pub(super) fn inspected(path: &Path) -> Result<Option<Inspection>, ModelError> {
    let source = weights::open(path)?;
    let Some(lone) = Lone::of(source.as_ref()) else {
        return Ok(None);
    };
    let layout = lone.layout(source.as_ref());
    let count = source.names().count();
    let network = Network {
        layout,
        sizes: match lone {
            Lone::Unet(unet) => Sizes::Unet(unet),
            Lone::FirstStage(stage) => Sizes::FirstStage(stage),
        },
        source: Some(source),
    };
    let mut found = folder::described(path, None, &[network]);
    found.surplus.retain(|name| name != FEW_STEPS);
    // A network of which most is unknown is another one that has like blocks.
    if found.surplus.len() > count / 2 {
        return Ok(None);
    }
    if found.family == Family::StableDiffusion2 && found.task != super::Task::Inpainting {
        let prediction = prediction::of_second(path, &mut found.notices);
        found.prediction = Some(prediction);
    }
    Ok(Some(found))
}
