//! Whether a classifier can be trained further on what there is.

use crate::model::{ClassifierConfig, LatentInfo, Pool};
use crate::train::TrainError;

/// Checks that a classifier that is trained further sees what the model makes of pictures:
/// latents like those it learnt from, of `side` places a side.
pub(super) fn check_latents(
    config: &ClassifierConfig,
    latents: LatentInfo,
    side: usize,
) -> Result<(), TrainError> {
    let factor = config.latents.as_ref().map(|known| known.factor);
    let own = LatentInfo {
        channels: config.in_channels,
        factor: factor.unwrap_or(latents.factor),
    };
    if own != latents {
        return Err(TrainError::setting(format!(
            "the classifier learnt from latents of {} channels and {} pixels a side, and those of \
             the model have {} and {}; name the model that it was trained for as first stage",
            own.channels, own.factor, latents.channels, latents.factor
        )));
    }
    if config.pool == Pool::Attention && side != config.image_size {
        return Err(TrainError::setting(format!(
            "the classifier tells pictures of {0} pixels a side apart, and no others; train it \
             further on pictures of {0} pixels, or begin a new one",
            config.image_size * latents.factor
        )));
    }
    Ok(())
}

/// Checks that a classifier that is trained further tells the same classes apart.
pub(super) fn check_classes(config: &ClassifierConfig, found: &[String]) -> Result<(), TrainError> {
    let known = config.class_names();
    if known == found {
        return Ok(());
    }
    let listed = |names: &[String]| {
        let shown: Vec<&str> = names.iter().take(6).map(String::as_str).collect();
        shown.join(", ")
    };
    Err(TrainError::setting(format!(
        "the classifier tells other classes apart ({}) than the folders are called ({})",
        listed(&known),
        listed(found)
    )))
}
