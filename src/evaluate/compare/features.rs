//! What a network sees in pictures, as numbers.

use image::RgbImage;
use serde::Serialize;

use super::inception::Inception;
use super::matrix::Matrix;
use crate::evaluate::{EvaluateError, Judge};

/// Rows of numbers, one for each picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    width: usize,
    values: Vec<f32>,
}

impl Rows {
    /// Rows of so many numbers, one after the other.
    pub fn new(width: usize, values: Vec<f32>) -> Self {
        Self {
            width: width.max(1),
            values,
        }
    }

    /// Pictures.
    pub fn count(&self) -> usize {
        self.values.len() / self.width
    }

    /// The numbers of a picture.
    pub(super) fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.width..][..self.width]
    }

    /// Some of the rows.
    pub(super) fn chosen(&self, rows: &[usize]) -> Matrix {
        let values = rows.iter().flat_map(|row| self.row(*row));
        Matrix {
            rows: rows.len(),
            columns: self.width,
            values: values.copied().map(f64::from).collect(),
        }
    }

    pub(super) fn push(&mut self, row: &[f32]) {
        self.values.extend_from_slice(row);
    }
}

/// Which network features are of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "network", rename_all = "kebab-case")]
pub enum FeatureKind {
    /// Our small network, which knows storybook scenes and nothing else.
    Scenes {
        /// First digits of the hash of its weights; of one that is not in a file, none.
        weights: Option<String>,
    },
    /// Inception, as FID takes it.
    Inception {
        /// First digits of the hash of its file.
        weights: String,
        /// Whose way of scaling pictures.
        resize: super::Resize,
        /// Whether the file is the one that was released.
        is_released: bool,
    },
    /// Statistics of a file that does not say.
    Unsaid,
}

impl FeatureKind {
    /// How a file of statistics says which network they are of.
    pub(super) fn tag(&self) -> String {
        match self {
            Self::Scenes { weights } => {
                let weights = weights.as_deref().unwrap_or("unsaved");
                format!("velatura-scenes {weights}")
            }
            Self::Inception {
                weights, resize, ..
            } => format!("inception-2015-12-05 {} {weights}", resize.name()),
            Self::Unsaid => String::new(),
        }
    }

    /// What a file's words stand for.
    pub(super) fn of_tag(tag: &str) -> Self {
        let parts: Vec<&str> = tag.split(' ').collect();
        match parts[..] {
            ["velatura-scenes", weights] => Self::Scenes {
                weights: (weights != "unsaved").then(|| weights.to_owned()),
            },
            ["inception-2015-12-05", resize, weights] => match super::Resize::of_name(resize) {
                Some(resize) => Self::Inception {
                    weights: weights.to_owned(),
                    resize,
                    is_released: super::inception::is_released(weights),
                },
                None => Self::Unsaid,
            },
            _ => Self::Unsaid,
        }
    }

    /// A few words for a report.
    pub fn name(&self) -> String {
        match self {
            Self::Scenes { weights } => format!(
                "Velatura's scene network ({})",
                weights.as_deref().unwrap_or("unsaved")
            ),
            Self::Inception { resize, .. } => {
                format!("Inception-2015, pictures scaled as by {}", resize.name())
            }
            Self::Unsaid => "a network that its file does not name (Inception, scaled as by \
                             pytorch-fid, if that made it: give --inception)"
                .to_owned(),
        }
    }
}

/// A network that sees features.
#[derive(Debug)]
pub enum FeatureNetwork {
    /// Our own.
    Scenes(Box<Judge>),
    /// The usual one.
    Inception(Box<Inception>),
}

/// What a network saw in some pictures.
pub(super) struct Seen {
    pub features: Vec<f32>,
    /// What it takes them for, without bias; only Inception says.
    pub logits: Option<Vec<f32>>,
}

impl FeatureNetwork {
    /// Which one it is.
    pub fn kind(&self) -> FeatureKind {
        match self {
            Self::Scenes(judge) => FeatureKind::Scenes {
                weights: judge.digest().map(str::to_owned),
            },
            Self::Inception(inception) => inception.kind(),
        }
    }

    /// Features of a picture.
    pub fn width(&self) -> usize {
        match self {
            Self::Scenes(_) => Judge::FEATURES,
            Self::Inception(_) => Inception::FEATURES,
        }
    }

    /// Pictures that are looked at together.
    pub(super) fn at_once(&self) -> usize {
        match self {
            Self::Scenes(_) => 16,
            // At 299 pixels a side each takes some 20 MB on its way.
            Self::Inception(_) => 8,
        }
    }

    pub(super) fn look(&self, pictures: &[RgbImage]) -> Result<Seen, EvaluateError> {
        let seen = match self {
            Self::Scenes(judge) => Seen {
                features: judge.features(pictures)?,
                logits: None,
            },
            Self::Inception(inception) => {
                let (features, logits) = inception.features(pictures)?;
                Seen {
                    features,
                    logits: Some(logits),
                }
            }
        };
        match seen.features.iter().all(|value| value.is_finite()) {
            true => Ok(seen),
            false => Err(EvaluateError::NoFeatures),
        }
    }
}
