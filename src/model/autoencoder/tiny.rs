//! A tiny autoencoder that gives nearly what a large one does, in a fraction of the time:
//! diffusers' `AutoencoderTiny` (TAESD, <https://github.com/madebyollin/taesd>). Its
//! latents are those of the large one as its denoiser wants them.

use std::path::Path;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, activation};

use super::AutoencoderTinyConfig;
use crate::model::ModelError;
use crate::model::first_stage::{Draw, FirstStage, FirstStageConfig, Scaling};
use crate::model::weights::{self, WeightDtype, names};
use crate::nn::{self, Conv2d, Conv2dConfig, ops};

/// How far the latents reach that the decoder takes as they are.
const REACH: f64 = 3.0;

/// A convolution between two levels, without bias.
#[derive(Module, Debug)]
struct Bare {
    weight: Param<Tensor<4>>,
    #[module(skip)]
    stride: usize,
}

impl Bare {
    fn new(width: usize, stride: usize, device: &Device) -> Self {
        Self {
            weight: Conv2dConfig::same(width, width, 3).init(device).weight,
            stride,
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        ops::conv2d(x, self.weight.val(), None, self.stride, [(1, 1); 2])
    }
}

/// Three convolutions around which the input goes too.
#[derive(Module, Debug)]
struct Block {
    /// Between them nothing but what has no weights.
    conv: Vec<Option<Conv2d>>,
}

impl Block {
    fn new(width: usize, device: &Device) -> Self {
        let conv = || Some(Conv2dConfig::same(width, width, 3).init(device));
        Self {
            conv: vec![conv(), None, conv(), None, conv()],
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let inner = self.conv.iter().fold(x.clone(), |x, layer| match layer {
            Some(conv) => conv.forward(x),
            None => activation::relu(x),
        });
        activation::relu(x + inner)
    }
}

/// A layer with weights.
#[derive(Module, Debug)]
enum Layer {
    Conv(Conv2d),
    Bare(Bare),
    Block(Block),
}

impl Layer {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Conv(conv) => conv.forward(x),
            Self::Bare(conv) => conv.forward(x),
            Self::Block(block) => block.forward(x),
        }
    }
}

/// Pictures to latents.
#[derive(Module, Debug)]
struct Encoder {
    layers: Vec<Layer>,
}

impl Encoder {
    fn new(config: &AutoencoderTinyConfig, device: &Device) -> Self {
        let width = config.width();
        let mut layers = Vec::new();
        for (level, blocks) in config.num_encoder_blocks.iter().enumerate() {
            layers.push(match level {
                0 => Layer::Conv(Conv2dConfig::same(config.in_channels, width, 3).init(device)),
                _ => Layer::Bare(Bare::new(width, 2, device)),
            });
            layers.extend((0..*blocks).map(|_| Layer::Block(Block::new(width, device))));
        }
        let last = Conv2dConfig::same(width, config.latent_channels, 3);
        layers.push(Layer::Conv(last.init(device)));
        Self { layers }
    }

    /// From pictures in [-1, 1].
    fn forward(&self, pictures: Tensor<4>) -> Tensor<4> {
        let pictures = (pictures + 1.0) / 2.0;
        self.layers
            .iter()
            .fold(pictures, |x, layer| layer.forward(x))
    }
}

/// Latents to pictures.
#[derive(Module, Debug)]
struct Decoder {
    /// The second has no weights, nor has that before each convolution without bias or
    /// at the end of a level.
    layers: Vec<Option<Layer>>,
}

impl Decoder {
    fn new(config: &AutoencoderTinyConfig, device: &Device) -> Self {
        let width = config.width();
        let first = Conv2dConfig::same(config.latent_channels, width, 3);
        let mut layers = vec![Some(Layer::Conv(first.init(device))), None];
        let levels = config.num_decoder_blocks.len();
        for (level, blocks) in config.num_decoder_blocks.iter().enumerate() {
            layers.extend((0..*blocks).map(|_| Some(Layer::Block(Block::new(width, device)))));
            if level + 1 < levels {
                layers.push(None);
                layers.push(Some(Layer::Bare(Bare::new(width, 1, device))));
            } else {
                let last = Conv2dConfig::same(width, config.out_channels, 3);
                layers.push(Some(Layer::Conv(last.init(device))));
            }
        }
        Self { layers }
    }

    /// To pictures in about [-1, 1].
    fn forward(&self, latents: Tensor<4>) -> Tensor<4> {
        let latents = activation::tanh(latents / REACH) * REACH;
        let layers = self.layers.iter().enumerate();
        let picture = layers.fold(latents, |x, (index, layer)| match layer {
            Some(layer) => layer.forward(x),
            // After the first convolution; all others make two of one.
            None if index == 1 => activation::relu(x),
            None => {
                let [_, _, height, width] = x.dims();
                ops::upsample_nearest(x, [2 * height, 2 * width])
            }
        });
        picture * 2.0 - 1.0
    }
}

impl AutoencoderTinyConfig {
    /// Makes the network; weights are drawn when first used.
    ///
    /// # Errors
    /// Where the configuration asks for something that is not supported, or
    /// its sizes contradict each other.
    pub fn init(&self, device: &Device) -> Result<AutoencoderTiny, ModelError> {
        self.validate()?;
        Ok(AutoencoderTiny {
            encoder: self.has_encoder().then(|| Encoder::new(self, device)),
            decoder: Decoder::new(self, device),
            config: self.clone(),
        })
    }
}

/// The tiny autoencoder, or only its decoder.
#[derive(Module, Debug)]
pub struct AutoencoderTiny {
    encoder: Option<Encoder>,
    decoder: Decoder,
    #[module(skip)]
    config: AutoencoderTinyConfig,
}

impl AutoencoderTiny {
    /// The configuration the network was made from.
    pub fn config(&self) -> &AutoencoderTinyConfig {
        &self.config
    }

    /// Pictures in [-1, 1] to their latents; latents of nothing from a decoder alone.
    ///
    /// # Shapes
    /// `[batch, 3, height, width]` to `[batch, channels, height / f, width / f]`.
    pub fn encode(&self, pictures: Tensor<4>) -> Tensor<4> {
        let Some(encoder) = &self.encoder else {
            let [batch, _, height, width] = pictures.dims();
            let factor = self.config.downsampling();
            let shape = [
                batch,
                self.config.latent_channels,
                height / factor,
                width / factor,
            ];
            return Tensor::zeros(shape, &pictures.device());
        };
        ops::on_workers(&pictures.clone(), || encoder.forward(pictures))
    }

    /// Latents to pictures of about [-1, 1].
    ///
    /// # Shapes
    /// `[batch, channels, h, w]` to `[batch, 3, f · h, f · w]`.
    pub fn decode(&self, latents: Tensor<4>) -> Tensor<4> {
        ops::on_workers(&latents.clone(), || self.decoder.forward(latents))
    }
}

impl FirstStage for AutoencoderTiny {
    fn configuration(&self) -> FirstStageConfig {
        FirstStageConfig::Tiny(self.config.clone())
    }

    fn scaling(&self) -> Scaling {
        self.config.scaling()
    }

    fn set_scaling_factor(&mut self, factor: f64) {
        self.config.scaling_factor = factor;
    }

    fn draw_unscaled(&self, pictures: Tensor<4>, _noise: Draw<'_>) -> Tensor<4> {
        self.encode(pictures)
    }

    fn likeliest_unscaled(&self, pictures: Tensor<4>) -> Tensor<4> {
        self.encode(pictures)
    }

    fn distribution_unscaled(&self, pictures: Tensor<4>) -> (Tensor<4>, Option<Tensor<4>>) {
        (self.likeliest_unscaled(pictures), None)
    }

    fn decode_unscaled(&self, latents: Tensor<4>) -> Tensor<4> {
        self.decode(latents)
    }

    fn parameter_count(&self) -> usize {
        nn::parameter_count(self)
    }

    fn decoder_work(&self) -> f64 {
        self.config.decoder_work()
    }

    fn save_weights(&self, path: &Path, dtype: WeightDtype) -> Result<(), ModelError> {
        weights::save(self, path, &names::DIFFUSERS, dtype)
    }

    fn differentiable(&self) -> Box<dyn FirstStage> {
        Box::new(self.clone().no_grad().train())
    }

    fn boxed(&self) -> Box<dyn FirstStage> {
        Box::new(self.clone())
    }
}
