//! What the denoiser of a model in one file predicts.

use std::path::Path;

use super::super::folder::{FewSteps, name_words};
use super::super::paper::{OriginalPrediction, OriginalUnet, Seen};
use super::super::weights::WeightSource;
use super::{Family, Predicts, foreign};

/// Where a header says what the denoiser predicts, `epsilon` or `v`
/// (<https://github.com/Stability-AI/ModelSpec>).
pub(in crate::model) const PREDICTION_NOTE: &str = "modelspec.prediction_type";

/// Where a header says what a model is like, and what that means for Stable Diffusion 2.
const ARCHITECTURE_NOTE: &str = "modelspec.architecture";
const SECOND_ARCHITECTURES: [(&str, Predicts); 2] = [
    ("stable-diffusion-v2-512", Predicts::Epsilon),
    ("stable-diffusion-v2-768-v", Predicts::Velocity),
];

/// What the denoiser of a file predicts: by its configuration, its header, its names, and
/// last by its own name.
pub(super) fn of(
    unet: &OriginalUnet,
    told: Option<OriginalPrediction>,
    family: Family,
    (seen, source): (&Seen<'_>, &dyn WeightSource),
    notices: &mut Vec<String>,
) -> Predicts {
    if let Some(told) = told {
        return match told {
            OriginalPrediction::Epsilon => Predicts::Epsilon,
            OriginalPrediction::Velocity => Predicts::Velocity,
            OriginalPrediction::Sample => Predicts::Sample,
        };
    }
    if let Some(noted) = source.note(PREDICTION_NOTE)
        && let Some(noted) = [Predicts::Epsilon, Predicts::Velocity]
            .into_iter()
            .find(|prediction| prediction.id() == noted)
    {
        return noted;
    }
    match family {
        // Fine-tuned versions mark themselves so.
        Family::StableDiffusionXl if seen.has("v_pred") || seen.has(foreign::EDM_NAMES[1]) => {
            Predicts::Velocity
        }
        Family::StableDiffusion2 if unet.input_channels == unet.output_channels => {
            let noted = source.note(ARCHITECTURE_NOTE);
            let noted = noted.and_then(|noted| {
                let known = SECOND_ARCHITECTURES.iter().find(|(name, _)| *name == noted);
                known.map(|(_, predicts)| *predicts)
            });
            noted.unwrap_or_else(|| of_second(source.path(), notices))
        }
        _ => Predicts::Epsilon,
    }
}

/// What a denoiser of Stable Diffusion 2 predicts, by the name of its file.
pub(super) fn of_second(path: &Path, notices: &mut Vec<String>) -> Predicts {
    let words = name_words(&path.file_stem().unwrap_or_default().to_string_lossy());
    let has = |known: &str| words.iter().any(|word| word == known);
    if has("768") {
        return Predicts::Velocity;
    }
    // Turbo was distilled from the one for 512 pixels.
    if has("512") || has("base") || FewSteps::of(path) == Some(FewSteps::Turbo) {
        return Predicts::Epsilon;
    }
    notices.push(
        "a file of Stable Diffusion 2 does not say what its denoiser predicts: velocity is assumed"
            .into(),
    );
    Predicts::Velocity
}
