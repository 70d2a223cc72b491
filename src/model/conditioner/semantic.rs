//! A class for every pixel, as channels at the size of the latents (Rombach et al.
//! 2022, §4.3.2): the map is brought there by area, so that a place that is partly
//! sky says so.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use image::{GrayImage, Luma};
use serde::{Deserialize, Serialize};

use super::{Asked, Bench, Conditioner, Conditioning};
use crate::model::{LatentInfo, ModelError, limits};
use crate::nn::{Embedding, EmbeddingConfig, ops, parameter_count};
use crate::recipe::palette::is_same_name;
use crate::recipe::{Palette, PaletteClass, SemanticInput};

/// The map.
pub const LABEL_MAP: &str = "label_map";

const CLASS: &str = "SemanticEncoder";

/// The groups of channels that such an encoder gives, with their numbers.
pub fn groups(config: &SemanticEncoderConfig) -> Vec<(&'static str, usize)> {
    vec![(LABEL_MAP, config.width * config.cells * config.cells)]
}

/// `config.json` of a [`SemanticEncoder`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SemanticEncoderConfig {
    /// Always `SemanticEncoder`.
    #[serde(rename = "_class_name")]
    pub class_name: String,
    /// What a pixel may be.
    pub classes: usize,
    /// Numbers that stand for a class.
    pub width: usize,
    /// Cells of the map for each place of the latents, along each side.
    pub cells: usize,
}

impl Default for SemanticEncoderConfig {
    fn default() -> Self {
        Self {
            class_name: CLASS.into(),
            classes: 1,
            width: 12,
            cells: 2,
        }
    }
}

impl SemanticEncoderConfig {
    /// Checks that the network can be built.
    ///
    /// # Errors
    /// The first key that is not supported.
    pub fn validate(&self) -> Result<(), ModelError> {
        if self.class_name != CLASS {
            let supported = "only SemanticEncoder is";
            return Err(ModelError::unsupported(
                CLASS,
                "_class_name",
                &self.class_name,
                supported,
            ));
        }
        for (key, value, range) in [
            ("classes", self.classes, 1..=255),
            ("width", self.width, 1..=4096),
            ("cells", self.cells, 1..=16),
        ] {
            limits::within(CLASS, key, value, &range)?;
        }
        Ok(())
    }

    /// Makes the network; weights are drawn when first used.
    ///
    /// # Errors
    /// Where the configuration asks for something that is not supported.
    pub fn init(&self, device: &Device) -> Result<SemanticEncoder, ModelError> {
        self.validate()?;
        let table = EmbeddingConfig {
            count: self.classes,
            width: self.width,
            // As loud as the latents that they lie beside, so that they are heard at once.
            std: 1.0,
        };
        Ok(SemanticEncoder {
            class_embedding: table.init(device),
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

/// The network of a [`LabelMap`].
#[derive(Module, Debug)]
pub struct SemanticEncoder {
    class_embedding: Embedding,
    #[module(skip)]
    config: SemanticEncoderConfig,
}

impl SemanticEncoder {
    /// The configuration the network was made from.
    pub fn config(&self) -> &SemanticEncoderConfig {
        &self.config
    }

    /// The channels of the maps of several pictures; `size` is that of the latents
    /// (columns, rows).
    ///
    /// # Shapes
    /// `[pictures, width · cells², rows, columns]`.
    pub fn channels(&self, maps: &[ClassShares], size: [usize; 2], device: &Device) -> Tensor<4> {
        let SemanticEncoderConfig { width, cells, .. } = self.config;
        let batch = maps.len();
        let [columns, rows] = size.map(|places| places * cells);
        let most = maps.iter().map(|map| map.classes.len()).max();
        let Some(most @ 1..) = most else {
            let [across, down] = size;
            return Tensor::zeros([batch, width * cells * cells, down, across], device);
        };
        let mut classes = Vec::with_capacity(batch * most);
        let mut shares = vec![0.0; batch * rows * columns * most];
        for (map, shares) in maps.iter().zip(shares.chunks_mut(rows * columns * most)) {
            let count = map.classes.len();
            classes.extend(&map.classes);
            // Of what is only in other maps, nothing is there.
            classes.resize(classes.len() + most - count, 0);
            if count > 0 {
                let cells = map.shares.chunks(count).zip(shares.chunks_mut(most));
                cells.for_each(|(from, to)| to[..count].copy_from_slice(from));
            }
        }
        let classes = Tensor::<2, Int>::from_data(TensorData::new(classes, [batch, most]), device);
        let shape = [batch, rows * columns, most];
        let shares = Tensor::<3>::from_data(TensorData::new(shares, shape), device);
        let embedded = shares.matmul(self.class_embedding.forward(classes));
        let planes = embedded.swap_dims(1, 2);
        ops::pixel_unshuffle(planes.reshape([batch, width, rows, columns]), cells)
    }
}

/// The share of each cell that each class has of those in the map.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClassShares {
    /// Classes that are somewhere, as the model numbers them.
    pub classes: Vec<i32>,
    /// For each cell, row by row, the share of each of them.
    pub shares: Vec<f32>,
}

/// Brings a map to a size in cells, each `side` pixels wide. What `class` has no
/// number for is nothing; beyond its edges the map goes on as it ends.
pub fn class_shares(
    map: &GrayImage,
    class: impl Fn(u8) -> Option<usize>,
    [columns, rows]: [usize; 2],
    side: usize,
) -> ClassShares {
    let mut is_there = [false; 256];
    for value in map.as_raw() {
        is_there[usize::from(*value)] = true;
    }
    let mut places = [None; 256];
    let mut classes = Vec::new();
    for value in 0..=u8::MAX {
        if is_there[usize::from(value)]
            && let Some(class) = class(value)
        {
            places[usize::from(value)] = Some(classes.len());
            classes.push(class as i32);
        }
    }
    let count = classes.len();
    let mut shares = vec![0.0; columns * rows * count];
    let (Some(right), Some(bottom)) = (map.width().checked_sub(1), map.height().checked_sub(1))
    else {
        return ClassShares { classes, shares };
    };
    let part = ((side * side) as f32).recip();
    for y in 0..rows * side {
        for x in 0..columns * side {
            let Luma([value]) = map.get_pixel((x as u32).min(right), (y as u32).min(bottom));
            if let Some(place) = places[usize::from(*value)] {
                shares[(y / side * columns + x / side) * count + place] += part;
            }
        }
    }
    ClassShares { classes, shares }
}

/// Which of a model's classes a number of another palette means, by its name.
pub fn class_number(known: &[PaletteClass], palette: &Palette, value: u8) -> Option<usize> {
    let class = palette.class(value)?;
    let mut known = known.iter();
    known.position(|known| is_same_name(&known.name, &class.name))
}

/// Tells the denoiser of label maps.
#[derive(Debug)]
pub struct LabelMap {
    classes: Vec<PaletteClass>,
    network: SemanticEncoder,
}

impl LabelMap {
    /// For a denoiser that knows these classes, in this order.
    pub fn new(classes: Vec<PaletteClass>, network: SemanticEncoder) -> Self {
        Self { classes, network }
    }

    /// What the denoiser is told of a map in one branch.
    fn told(&self, input: &SemanticInput, weight: f32, bench: &Bench<'_>) -> Conditioning {
        let cells = self.network.config().cells;
        let side = bench.first_stage.info().factor / cells;
        let size = bench.latent_size().map(|places| places * cells);
        let number = |value| class_number(&self.classes, &input.palette, value);
        let shares = class_shares(&input.map, number, size, side);
        let channels = self
            .network
            .channels(&[shares], bench.latent_size(), bench.device);
        Conditioning {
            concat: vec![(LABEL_MAP, channels * weight)],
            ..Conditioning::default()
        }
    }

    /// What it is told where there is none.
    fn free(&self, bench: &Bench<'_>) -> Conditioning {
        bench.zeros(&groups(self.network.config()))
    }
}

impl Conditioner for LabelMap {
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
        groups(self.network.config())
    }

    fn parameter_count(&self) -> usize {
        parameter_count(&self.network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_have_shares_of_classes() {
        // Classes 3 and 9 are known as 1 and 0; 255 is nothing.
        let map = GrayImage::from_raw(4, 2, vec![3, 3, 9, 255, 3, 9, 9, 255]).expect("a map");
        let class = |value| match value {
            3 => Some(1),
            9 => Some(0),
            _ => None,
        };
        let told = class_shares(&map, class, [3, 1], 2);
        assert_eq!(told.classes, [1, 0]);
        // The last cell lies beyond the edge, where there is nothing.
        assert_eq!(told.shares, [0.75, 0.25, 0.0, 0.5, 0.0, 0.0]);
    }

    #[test]
    fn blocks_become_channels_in_torchs_order() {
        let numbers: Vec<f32> = (0..32).map(|number| number as f32).collect();
        let x = Tensor::from_data(TensorData::new(numbers, [1, 2, 4, 4]), &Device::flex());
        let y = ops::pixel_unshuffle(x, 2);
        assert_eq!(y.dims(), [1, 8, 2, 2]);
        let numbers: Vec<f32> = y.into_data().try_to_vec().expect("numbers");
        assert_eq!(numbers[..8], [0.0, 2.0, 8.0, 10.0, 1.0, 3.0, 9.0, 11.0]);
        assert_eq!(numbers[16..20], [16.0, 18.0, 24.0, 26.0]);
    }

    #[test]
    fn absurd_sizes_are_refused_by_name() {
        for key in ["classes", "width", "cells"] {
            for value in [0_u64, 4_294_967_295] {
                let json = serde_json::json!({ key: value });
                let config: SemanticEncoderConfig = serde_json::from_value(json).expect("a number");
                let error = config.validate().expect_err("absurd").to_string();
                assert!(error.contains(key), "{error}");
            }
        }
    }
}
