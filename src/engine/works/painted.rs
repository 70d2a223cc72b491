//! What comes of a run: its picture with the recipe, and what its steps look like.

use std::collections::BTreeMap;
use std::sync::Arc;

use image::RgbImage;

use crate::diffusion::{DiffusionError, Session, StepView};
use crate::engine::additions::{file_digits, lacks_vae};
use crate::engine::inputs::pasted;
use crate::engine::job::JobContext;
use crate::engine::model_cache::Loaded;
use crate::engine::protocol::{Latents, PaintedImage};
use crate::gpu::share::SharedTensor;
use crate::model::weights::WeightDigest;
use crate::pixels::opaque;
use crate::recipe::GenerateSpec;

/// Longest side of the thumbnails of steps whose picture stays on the graphics card.
const THUMBNAIL_PX: u32 = 128;
/// Longest side of the steps that come from the processor: each is handed to the
/// window, copied to the graphics card, and only seen for a moment.
pub(super) const STEP_PX: u32 = 512;

/// Digits of a model's digest in recipes.
const HASH_DIGITS: usize = 10;

/// The picture of a run that is done.
pub(super) fn finished(
    spec: GenerateSpec,
    session: &Session<'_>,
    loaded: &Loaded,
    context: &JobContext,
) -> Result<PaintedImage, DiffusionError> {
    let latents = session.state().latents;
    let shape = latents.dims();
    let values = latents
        .into_data()
        .try_to_vec::<f32>()
        .map_err(|error| DiffusionError::Device(format!("{error:?}")))?;
    let latents = Arc::new(Latents { shape, values });
    let picture = session
        .picture()
        .inspect_err(|_| context.undecoded(Arc::clone(&latents)))?;
    let image = pasted(&spec, opaque(&picture));
    let hashes = |files: &BTreeMap<String, Arc<WeightDigest>>| {
        let files = files.iter();
        let files = files.map(|(name, digest)| (name.clone(), file_digits(digest)));
        files.collect()
    };
    let used = &loaded.used;
    let vae = used.vae.as_ref().map(file_digits);
    let spec = GenerateSpec {
        lora_hashes: hashes(&used.loras),
        word_hashes: hashes(&used.words),
        vae: spec.vae.clone().filter(|_| !lacks_vae(&spec, loaded)),
        vae_hash: vae.map(|digits| digits.chars().take(HASH_DIGITS).collect()),
        ..spec
    };
    Ok(PaintedImage {
        image: Arc::new(image),
        spec: Box::new(spec),
        model_hash: digits_of(loaded, context),
        model_name: loaded.summary.name.clone(),
        latents: Some(latents),
    })
}

/// The digits of a model's digest in recipes.
pub(super) fn digits_of(loaded: &Loaded, context: &JobContext) -> String {
    // A picture without its model's name is better than none.
    let digest = loaded.digest.digits().unwrap_or_else(|error| {
        context.warn(error.to_string());
        String::new()
    });
    digest.chars().take(HASH_DIGITS).collect()
}

/// What is shown of a step. On the window's own graphics card the picture stays
/// where it is, and only a thumbnail for the strip comes back.
pub(super) fn shown(
    view: &StepView<'_>,
    shares_window: bool,
) -> Result<(RgbImage, Option<Arc<SharedTensor>>), DiffusionError> {
    if !shares_window {
        return Ok((at_most(view.preview()?, STEP_PX), None));
    }
    let (planes, thumbnail) = view.planes(THUMBNAIL_PX)?;
    match SharedTensor::publish(planes) {
        Ok(planes) => Ok((thumbnail, Some(Arc::new(planes)))),
        Err(error) => {
            log::warn!("{error}");
            Ok((view.preview()?, None))
        }
    }
}

/// A picture whose longest side has at most so many pixels.
pub(super) fn at_most(picture: RgbImage, most_px: u32) -> RgbImage {
    let (width, height) = picture.dimensions();
    let longest = width.max(height);
    if longest <= most_px {
        return picture;
    }
    let part = |side: u32| (side * most_px / longest).max(1);
    image::imageops::thumbnail(&picture, part(width), part(height))
}
