//! What a denoiser is taken to predict, where a model is wrong about itself.

use serde::{Deserialize, Serialize};

/// What a denoiser predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Prediction {
    /// The noise.
    #[serde(rename = "epsilon")]
    Epsilon,
    /// The velocity (Salimans and Ho 2022, <https://arxiv.org/abs/2202.00512>).
    #[serde(rename = "v")]
    Velocity,
}

impl Prediction {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Epsilon, Self::Velocity];

    /// The word for programs, and in infotext.
    pub fn id(self) -> &'static str {
        match self {
            Self::Epsilon => "epsilon",
            Self::Velocity => "v",
        }
    }

    /// That of a word.
    pub fn of_id(id: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|prediction| prediction.id() == id)
    }
}
