//! The text encoders of a diffusers folder by the names that they have in one file.

use crate::model::folder::single::{self, Pieces, UNUSED_LAYERS};
use crate::model::folder::{ModelFolder, SECOND_TEXT};
use crate::model::paper::{ClipSizes, Layout, OriginalConditioner};
use crate::model::weights::Piece;
use crate::model::{ClipTextConfig, HiddenAct, ModelError};

/// The kinds of models by their text encoders, as headers call them
/// (<https://github.com/Stability-AI/ModelSpec>).
const FIRST: &str = "stable-diffusion-v1";
pub(super) const SECOND: &str = "stable-diffusion-v2-512";
/// The same where velocity is predicted.
pub(super) const SECOND_VELOCITY: &str = "stable-diffusion-v2-768-v";
const XL: &str = "stable-diffusion-xl-v1-base";
const REFINER: &str = "stable-diffusion-xl-v1-refiner";

/// Where the text encoders of a folder go.
pub(super) struct Texts {
    /// The kind of model.
    pub architecture: &'static str,
    /// For each folder the names and shapes in the file, and what diffusers calls them.
    pub named: Vec<(&'static str, Layout, Pieces)>,
    /// Layers in the file that the folder does not have.
    pub unused_layers: usize,
}

impl Texts {
    /// Those of a folder with one at least.
    ///
    /// # Errors
    /// If it has none.
    pub fn of(folder: &ModelFolder) -> Result<Self, ModelError> {
        if let Some(second) = folder.second_text_encoder_config() {
            return Ok(Self::xl(folder.text_encoder_config().ok(), second));
        }
        let text = folder.text_encoder_config()?;
        if text.hidden_act == HiddenAct::Gelu {
            let sizes = sizes(text, UNUSED_LAYERS);
            let pieces = single::open_clip("cond_stage_model.model", sizes, text.num_hidden_layers);
            let layout = OriginalConditioner::OpenClip(sizes).layout();
            return Ok(Self {
                architecture: SECOND,
                named: vec![("text_encoder", layout, pieces)],
                unused_layers: UNUSED_LAYERS,
            });
        }
        let layout = OriginalConditioner::Clip(sizes(text, 0)).layout();
        let pieces = clip(&layout, "cond_stage_model.transformer.");
        Ok(Self {
            architecture: FIRST,
            named: vec![("text_encoder", layout, pieces)],
            unused_layers: 0,
        })
    }

    /// Both of Stable Diffusion XL, or the second of its refiner alone.
    fn xl(first: Option<&ClipTextConfig>, second: &ClipTextConfig) -> Self {
        const PLACE: &str = "conditioner.embedders.0.transformer.";
        let own = sizes(second, 0);
        let both = OriginalConditioner::Both {
            clip: first.map(|first| sizes(first, 0)),
            open_clip: own,
        };
        let layout = both.layout().into_iter();
        let (of_first, of_second): (Layout, Layout) =
            layout.partition(|(name, _)| name.starts_with(PLACE));
        let place = format!(
            "conditioner.embedders.{}.model",
            usize::from(first.is_some())
        );
        let mut pieces = single::open_clip(&place, own, own.layers);
        // OpenCLIP multiplies from the other side.
        let projection = Piece::turned(format!("{place}.text_projection"));
        pieces.insert("text_projection.weight".into(), projection);
        let mut named = vec![(SECOND_TEXT, of_second, pieces)];
        if first.is_some() {
            let pieces = clip(&of_first, PLACE);
            named.push(("text_encoder", of_first, pieces));
        }
        Self {
            architecture: if first.is_some() { XL } else { REFINER },
            named,
            unused_layers: 0,
        }
    }
}

fn clip(layout: &Layout, place: &str) -> Pieces {
    single::clip(layout.keys().map(String::as_str), place)
}

fn sizes(text: &ClipTextConfig, unused_layers: usize) -> ClipSizes {
    ClipSizes {
        width: text.hidden_size,
        inner_width: text.intermediate_size,
        layers: text.num_hidden_layers + unused_layers,
        vocabulary: text.vocab_size,
        length: text.max_position_embeddings,
    }
}
