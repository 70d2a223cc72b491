//! A class out of a list, as a token that the denoiser looks at (Rombach et al. 2022,
//! §4.3 and table 10), or as an embedding that the denoiser adds to that of time.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};

use super::{Asked, Bench, Conditioner, Conditioning};
use crate::model::{ModelError, limits};
use crate::nn::{Embedding, EmbeddingConfig, parameter_count};

/// The token of the class.
pub const CLASS_LABEL: &str = "class";

const CLASS: &str = "ClassEmbedder";

/// `config.json` of a [`ClassEncoder`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClassEncoderConfig {
    /// Always `ClassEmbedder`, as in the paper's code.
    #[serde(rename = "_class_name")]
    pub class_name: String,
    /// What a picture may be of, one that stands for nothing included.
    pub classes: usize,
    /// Width of a token.
    pub hidden_size: usize,
}

impl Default for ClassEncoderConfig {
    fn default() -> Self {
        Self {
            class_name: CLASS.into(),
            classes: 1001,
            hidden_size: 512,
        }
    }
}

impl ClassEncoderConfig {
    /// Checks that the network can be built.
    ///
    /// # Errors
    /// The first key that is not supported.
    pub fn validate(&self) -> Result<(), ModelError> {
        if self.class_name != CLASS {
            let supported = "only ClassEmbedder is";
            return Err(ModelError::unsupported(
                CLASS,
                "_class_name",
                &self.class_name,
                supported,
            ));
        }
        limits::within(CLASS, "classes", self.classes, &limits::CLASSES)?;
        limits::within(CLASS, "hidden_size", self.hidden_size, &limits::WIDTH)
    }

    /// Makes the network; weights are drawn when first used.
    ///
    /// # Errors
    /// Where the configuration asks for something that is not supported.
    pub fn init(&self, device: &Device) -> Result<ClassEncoder, ModelError> {
        self.validate()?;
        let table = EmbeddingConfig {
            count: self.classes,
            width: self.hidden_size,
            std: 1.0,
        };
        Ok(ClassEncoder {
            embedding: table.init(device),
            config: self.clone(),
        })
    }

    /// Number of weights of the network, without making any.
    ///
    /// # Errors
    /// As [`Self::init`].
    pub fn parameter_count(&self) -> Result<usize, ModelError> {
        Ok(parameter_count(&self.init(&Device::flex())?))
    }
}

/// The network of a [`ClassLabel`]: a table of tokens.
#[derive(Module, Debug)]
pub struct ClassEncoder {
    embedding: Embedding,
    #[module(skip)]
    config: ClassEncoderConfig,
}

impl ClassEncoder {
    /// The configuration the network was made from.
    pub fn config(&self) -> &ClassEncoderConfig {
        &self.config
    }

    /// The tokens of classes by their numbers.
    ///
    /// # Shapes
    /// `[classes]` to `[classes, 1, hidden_size]`.
    pub fn tokens(&self, classes: Tensor<1, Int>) -> Tensor<3> {
        self.embedding.forward(classes.unsqueeze_dim(1))
    }
}

/// Tells the denoiser of a class.
#[derive(Debug)]
pub struct ClassLabel {
    /// The number that stands for no class.
    empty: usize,
    /// `None` where the denoiser has the table.
    network: Option<ClassEncoder>,
}

impl ClassLabel {
    /// For a denoiser for which the number `empty` stands for no class.
    pub fn new(empty: usize, network: Option<ClassEncoder>) -> Self {
        Self { empty, network }
    }

    /// What the denoiser is told of a class in one branch.
    fn told(&self, class: usize, device: &Device) -> Conditioning {
        let class = Tensor::<1, Int>::from_data([class as i32], device);
        match &self.network {
            Some(network) => Conditioning {
                context: vec![(CLASS_LABEL, network.tokens(class))],
                ..Conditioning::default()
            },
            None => Conditioning {
                classes: Some(class),
                ..Conditioning::default()
            },
        }
    }
}

impl Conditioner for ClassLabel {
    fn encode(&self, asked: &Asked<'_>, bench: &mut Bench<'_>) -> Option<Conditioning> {
        let Asked::Class { class, is_guided } = *asked else {
            return None;
        };
        let told = self.told(class as usize, bench.device);
        Some(told.beside(is_guided, || self.told(self.empty, bench.device)))
    }

    fn nothing(&self, bench: &mut Bench<'_>) -> Conditioning {
        self.told(self.empty, bench.device)
    }

    fn parameter_count(&self) -> usize {
        self.network.as_ref().map_or(0, parameter_count)
    }
}
