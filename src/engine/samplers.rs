//! What the window may know of the samplers: words, and no tensors.

use crate::diffusion::SAMPLERS;
use crate::recipe::SamplerId;

/// A sampler that can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SamplerChoice {
    /// The name on the command line and in recipes.
    pub id: &'static str,
    /// The name in menus and in infotext.
    pub label: &'static str,
    /// Whether its noise levels can be spread in other ways than that of the training.
    pub takes_schedules: bool,
    /// Whether η changes anything.
    pub takes_eta: bool,
}

impl SamplerChoice {
    /// Every sampler, in the order of menus.
    pub fn all() -> impl ExactSizeIterator<Item = Self> + Clone {
        SAMPLERS.iter().map(|info| Self {
            id: info.id,
            label: info.label,
            takes_schedules: info.takes_schedules,
            takes_eta: info.takes_eta,
        })
    }

    /// The one that is taken where nobody chooses.
    pub fn usual() -> SamplerId {
        SAMPLERS[0].sampler_id()
    }

    /// The sampler of a name, if there is one.
    pub fn find(id: &SamplerId) -> Option<Self> {
        Self::all().find(|choice| choice.id == id.as_str())
    }

    /// The label of a sampler; its name where there is none of that name.
    pub fn label_of(id: &SamplerId) -> &str {
        Self::find(id).map_or(id.as_str(), |choice| choice.label)
    }
}
