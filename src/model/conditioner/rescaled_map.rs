//! A label map as the paper's models are told it: a channel for each class, made as
//! small as the latents and mapped to a few channels beside them (`SpatialRescaler`;
//! Rombach et al. 2022, §4.3.2).

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};

use super::semantic::{ClassShares, LABEL_MAP, class_number, class_shares};
use super::{Asked, Bench, Conditioner, Conditioning};
use crate::model::LatentInfo;
use crate::model::weights::Piece;
use crate::nn::{Linear, LinearConfig, ops, parameter_count};
use crate::recipe::{PaletteClass, SemanticInput};

/// From the shares of classes at a place to the channels of a denoiser.
#[derive(Module, Debug)]
pub struct Rescaler {
    /// A convolution that looks at one place.
    channel_mapper: Linear,
    #[module(skip)]
    outputs: usize,
}

impl Rescaler {
    /// Makes the network for so many classes and channels; weights are drawn when first
    /// used.
    pub fn init(inputs: usize, outputs: usize, has_bias: bool, device: &Device) -> Self {
        let config = LinearConfig::new(inputs, outputs).with_bias(has_bias);
        Self {
            channel_mapper: config.init(device),
            outputs,
        }
    }

    /// Channels for the denoiser.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Where the weights lie in a checkpoint of the paper's code, by our names.
    pub fn pieces(has_bias: bool) -> BTreeMap<String, Piece> {
        let ends = ["weight", "bias"]
            .into_iter()
            .take(1 + usize::from(has_bias));
        let piece = |end: &str| {
            let stored = Piece::whole(format!("cond_stage_model.channel_mapper.{end}"));
            (format!("channel_mapper.{end}"), stored)
        };
        ends.map(piece).collect()
    }

    /// The channels of a map; `size` is that of the latents (columns, rows).
    ///
    /// # Shapes
    /// `[1, outputs, rows, columns]`.
    pub fn channels(
        &self,
        map: ClassShares,
        [columns, rows]: [usize; 2],
        device: &Device,
    ) -> Tensor<4> {
        let ClassShares {
            mut classes,
            mut shares,
        } = map;
        if classes.is_empty() {
            // There is nothing of the first class either.
            (classes, shares) = (vec![0], vec![0.0; rows * columns]);
        }
        let count = classes.len();
        // Only the classes that are somewhere: a channel for each would be large.
        let classes = Tensor::from_data(TensorData::new(classes, [1, count]), device);
        let shares = Tensor::from_data(TensorData::new(shares, [1, rows * columns, count]), device);
        let mapper = &self.channel_mapper;
        let mapped = shares.matmul(ops::embedding(mapper.weight.val(), classes));
        let mapped = match &mapper.bias {
            Some(bias) => mapped + bias.val().reshape([1, 1, self.outputs]),
            None => mapped,
        };
        let planes: Tensor<3> = mapped.swap_dims(1, 2);
        planes.reshape([1, self.outputs, rows, columns])
    }
}

/// Tells the denoiser of label maps.
#[derive(Debug)]
pub struct RescaledMap {
    classes: Vec<PaletteClass>,
    network: Rescaler,
}

impl RescaledMap {
    /// For a denoiser that knows these classes by their numbers.
    pub fn new(classes: Vec<PaletteClass>, network: Rescaler) -> Self {
        Self { classes, network }
    }

    fn told(&self, input: &SemanticInput, weight: f32, bench: &Bench<'_>) -> Conditioning {
        let number = |value| {
            let place = class_number(&self.classes, &input.palette, value)?;
            Some(usize::from(self.classes[place].index))
        };
        let size = bench.latent_size();
        // To halve by neighbours several times is to take means of whole cells.
        let side = bench.first_stage.info().factor;
        let shares = class_shares(&input.map, number, size, side);
        let channels = self.network.channels(shares, size, bench.device);
        Conditioning {
            concat: vec![(LABEL_MAP, channels * weight)],
            ..Conditioning::default()
        }
    }

    fn free(&self, bench: &Bench<'_>) -> Conditioning {
        bench.zeros(&[(LABEL_MAP, self.network.outputs)])
    }
}

impl Conditioner for RescaledMap {
    fn encode(&self, asked: &Asked<'_>, bench: &mut Bench<'_>) -> Option<Conditioning> {
        let Asked::Semantic {
            input,
            weight,
            is_guided,
        } = *asked
        else {
            return None;
        };
        let told = self.told(input, weight, bench);
        Some(told.beside(is_guided, || self.free(bench)))
    }

    fn nothing(&self, bench: &mut Bench<'_>) -> Conditioning {
        self.free(bench)
    }

    fn groups(&self, _latents: LatentInfo) -> Vec<(&'static str, usize)> {
        vec![(LABEL_MAP, self.network.outputs)]
    }

    fn parameter_count(&self) -> usize {
        parameter_count(&self.network)
    }
}
