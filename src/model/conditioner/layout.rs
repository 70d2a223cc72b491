//! Boxes that say where something of a class is to appear: tokens beside those of
//! words, as in GLIGEN (Li et al. 2023, <https://arxiv.org/abs/2301.07093>), and
//! planes that show what each place of the latents is covered by.

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::{Asked, Bench, Conditioner, ConditionerKind, Conditioning};
use crate::model::{LatentInfo, ModelError, limits};
use crate::nn::{
    Embedding, EmbeddingConfig, Linear, LinearConfig, learned_vector, ops, parameter_count,
};
use crate::recipe::palette::is_same_name;
use crate::recipe::{LayoutBox, MAX_BOXES};

/// The planes.
pub const BOXES: &str = "boxes";

const CLASS: &str = "LayoutEncoder";
/// The corners of a box: x0, y0, x1, y1.
const CORNERS: usize = 4;

pub(super) fn kind(classes: &[String], colours: &[String]) -> ConditionerKind {
    let (classes, colours) = (classes.to_vec(), colours.to_vec());
    ConditionerKind {
        groups: &[BOXES],
        open: Box::new(move |folder, device| {
            let network = folder.load_layout_encoder(device)?;
            Ok(Box::new(BoxLayout {
                classes: classes.clone(),
                colours: colours.clone(),
                network,
            }))
        }),
    }
}

/// The groups of channels that such an encoder gives, with their numbers.
pub fn groups(config: &LayoutEncoderConfig) -> Vec<(&'static str, usize)> {
    vec![(BOXES, config.plane_channels)]
}

/// `config.json` of a [`LayoutEncoder`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LayoutEncoderConfig {
    /// Always `LayoutEncoder`.
    #[serde(rename = "_class_name")]
    pub class_name: String,
    /// What a box may hold.
    pub classes: usize,
    /// Colour words that a box may have.
    pub colours: usize,
    /// Tokens; boxes beyond are not seen.
    pub max_boxes: usize,
    /// Width of a token.
    pub hidden_size: usize,
    /// Frequencies of the Fourier features of a corner.
    pub frequencies: usize,
    /// Width between the two layers.
    pub intermediate_size: usize,
    /// Planes at the size of the latents.
    pub plane_channels: usize,
}

impl Default for LayoutEncoderConfig {
    fn default() -> Self {
        Self {
            class_name: CLASS.into(),
            classes: 1,
            colours: 0,
            max_boxes: 12,
            hidden_size: 192,
            frequencies: 8,
            intermediate_size: 384,
            plane_channels: 16,
        }
    }
}

impl LayoutEncoderConfig {
    /// Checks that the network can be built.
    ///
    /// # Errors
    /// The first key that is not supported.
    pub fn validate(&self) -> Result<(), ModelError> {
        if self.class_name != CLASS {
            let supported = "only LayoutEncoder is";
            return Err(ModelError::unsupported(
                CLASS,
                "_class_name",
                &self.class_name,
                supported,
            ));
        }
        for (key, value, range) in [
            ("classes", self.classes, &(1..=65_536)),
            ("colours", self.colours, &(0..=65_536)),
            ("max_boxes", self.max_boxes, &(1..=MAX_BOXES)),
            ("hidden_size", self.hidden_size, &limits::WIDTH),
            ("frequencies", self.frequencies, &(1..=64)),
            (
                "intermediate_size",
                self.intermediate_size,
                &limits::INNER_WIDTH,
            ),
            ("plane_channels", self.plane_channels, &(1..=4096)),
        ] {
            limits::within(CLASS, key, value, range)?;
        }
        Ok(())
    }

    /// Makes the network; weights are drawn when first used.
    ///
    /// # Errors
    /// Where the configuration asks for something that is not supported.
    pub fn init(&self, device: &Device) -> Result<LayoutEncoder, ModelError> {
        self.validate()?;
        let table = |count, width| {
            EmbeddingConfig {
                count,
                width,
                std: 0.02,
            }
            .init(device)
        };
        let (hidden, inner) = (self.hidden_size, self.intermediate_size);
        let features = 2 * CORNERS * self.frequencies;
        Ok(LayoutEncoder {
            class_embedding: table(self.classes, hidden),
            colour_embedding: table(self.colours + 1, hidden),
            null_token: learned_vector(hidden, 0.02, device),
            linear_1: LinearConfig::new(hidden + features, inner).init(device),
            linear_2: LinearConfig::new(inner, hidden).init(device),
            plane_embedding: table(self.classes, self.plane_channels),
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

/// The networks of a [`BoxLayout`].
#[derive(Module, Debug)]
pub struct LayoutEncoder {
    class_embedding: Embedding,
    /// Row 0 stands for no colour.
    colour_embedding: Embedding,
    null_token: Param<Tensor<1>>,
    linear_1: Linear,
    linear_2: Linear,
    plane_embedding: Embedding,
    #[module(skip)]
    config: LayoutEncoderConfig,
}

impl LayoutEncoder {
    /// The configuration the network was made from.
    pub fn config(&self) -> &LayoutEncoderConfig {
        &self.config
    }

    /// The tokens of boxes; `features` are those of [`fourier_features`].
    ///
    /// # Shapes
    /// `classes` and `colours` (0 for none): `[batch, boxes]`; `features`:
    /// `[batch, boxes, 8 · frequencies]`; result: `[batch, boxes, hidden_size]`.
    pub fn tokens(
        &self,
        classes: Tensor<2, Int>,
        colours: Tensor<2, Int>,
        features: Tensor<3>,
    ) -> Tensor<3> {
        let what = self.class_embedding.forward(classes) + self.colour_embedding.forward(colours);
        let hidden = self.linear_1.forward(Tensor::cat(vec![what, features], 2));
        self.linear_2.forward(ops::silu(hidden))
    }

    /// The token of a place that no box has.
    ///
    /// # Shapes
    /// `[1, 1, hidden_size]`.
    pub fn null(&self) -> Tensor<3> {
        self.null_token
            .val()
            .reshape([1, 1, self.config.hidden_size])
    }

    /// The planes of boxes, given the share of each place that each box covers.
    ///
    /// # Shapes
    /// `classes`: `[batch, boxes]`; `covered`: `[batch, places, boxes]`; result:
    /// `[batch, places, plane_channels]`.
    pub fn planes(&self, classes: Tensor<2, Int>, covered: Tensor<3>) -> Tensor<3> {
        covered.matmul(self.plane_embedding.forward(classes))
    }
}

/// GLIGEN's features of a box, by frequency, then sine and cosine, then corner.
///
/// Its corners x0, y0, x1, y1 are shares of the picture.
pub fn fourier_features(corners: [f32; CORNERS], frequencies: usize) -> Vec<f32> {
    let mut features = Vec::with_capacity(2 * CORNERS * frequencies);
    for k in 0..frequencies {
        let frequency = 100_f32.powf(k as f32 / frequencies as f32);
        features.extend(corners.map(|corner| (frequency * corner).sin()));
        features.extend(corners.map(|corner| (frequency * corner).cos()));
    }
    features
}

/// The share of each place of the latents, row by row, that a box covers; its
/// corners x0, y0, x1, y1 are in places.
pub fn covered([x0, y0, x1, y1]: [f32; CORNERS], [columns, rows]: [usize; 2]) -> Vec<f32> {
    let along = |from: f32, to: f32, count: usize| -> Vec<f32> {
        let share = |at: usize| (to.min(at as f32 + 1.0) - from.max(at as f32)).max(0.0);
        (0..count).map(share).collect()
    };
    let across = along(x0, x1, columns);
    let down = along(y0, y1, rows);
    let row = |share: &f32| -> Vec<f32> { across.iter().map(|other| other * share).collect() };
    down.iter().flat_map(row).collect()
}

/// Tells the denoiser of boxes.
#[derive(Debug)]
pub struct BoxLayout {
    classes: Vec<String>,
    colours: Vec<String>,
    network: LayoutEncoder,
}

impl BoxLayout {
    /// For a denoiser that knows these classes and colour words, in this order.
    pub fn new(classes: Vec<String>, colours: Vec<String>, network: LayoutEncoder) -> Self {
        Self {
            classes,
            colours,
            network,
        }
    }

    /// Numbers of class and colour; a colour of 0 is none.
    fn numbers(&self, it: &LayoutBox) -> Option<[i32; 2]> {
        let find = |names: &[String], name: &str| {
            let found = names.iter().position(|known| is_same_name(known, name));
            found.map(|at| at as i32)
        };
        let class = find(&self.classes, &it.class)?;
        let colour = it.colour.as_deref();
        let colour = colour.and_then(|word| find(&self.colours, word));
        Some([class, colour.map_or(0, |at| at + 1)])
    }

    /// What the denoiser is told of boxes in one branch; those that the model does not
    /// know are passed over.
    fn told(&self, boxes: &[LayoutBox], weight: f32, bench: &Bench<'_>) -> Conditioning {
        let LayoutEncoderConfig {
            max_boxes,
            frequencies,
            plane_channels,
            ..
        } = *self.network.config();
        let device = bench.device;
        let known = boxes.iter().filter_map(|it| {
            let [x, y, across, down] = it.rect;
            let corners = [x, y, x + across, y + down];
            self.numbers(it).map(|numbers| (numbers, corners))
        });
        let known: Vec<([i32; 2], [f32; CORNERS])> = known.take(max_boxes).collect();
        let count = known.len();
        if count == 0 {
            return self.free(bench);
        }
        let column = |which: usize| {
            let numbers: Vec<i32> = known.iter().map(|(numbers, _)| numbers[which]).collect();
            Tensor::<2, Int>::from_data(TensorData::new(numbers, [1, count]), device)
        };
        let table = |rows: Vec<f32>, width: usize| {
            Tensor::<3>::from_data(TensorData::new(rows, [1, count, width]), device)
        };
        let scaled = |corners: [f32; CORNERS], [across, down]: [f32; 2]| {
            let [x0, y0, x1, y1] = corners;
            [x0 / across, y0 / down, x1 / across, y1 / down]
        };
        let size_px = bench.size_px.map(|side| side as f32);
        let features = known
            .iter()
            .flat_map(|(_, corners)| fourier_features(scaled(*corners, size_px), frequencies));
        let features = table(features.collect(), 2 * CORNERS * frequencies);
        let (null, classes) = (self.network.null(), column(0));
        let tokens = self.network.tokens(classes.clone(), column(1), features);
        let mut tokens = null.clone() + (tokens - null.clone()) * weight;
        if count < max_boxes {
            let free = null.repeat_dim(1, max_boxes - count);
            tokens = Tensor::cat(vec![tokens, free], 1);
        }
        let latent = bench.latent_size();
        let factor = [bench.first_stage.info().factor as f32; 2];
        let shares = known
            .iter()
            .flat_map(|(_, corners)| covered(scaled(*corners, factor), latent));
        let [columns, rows] = latent;
        let shares = table(shares.collect(), columns * rows).swap_dims(1, 2);
        let planes = self.network.planes(classes, shares) * weight;
        let planes = planes.swap_dims(1, 2);
        Conditioning {
            context: vec![(BOXES, tokens)],
            concat: vec![(BOXES, planes.reshape([1, plane_channels, rows, columns]))],
        }
    }

    /// What it is told where there are none.
    fn free(&self, bench: &Bench<'_>) -> Conditioning {
        let LayoutEncoderConfig {
            max_boxes,
            plane_channels,
            ..
        } = *self.network.config();
        let [columns, rows] = bench.latent_size();
        let planes = Tensor::zeros([1, plane_channels, rows, columns], bench.device);
        Conditioning {
            context: vec![(BOXES, self.network.null().repeat_dim(1, max_boxes))],
            concat: vec![(BOXES, planes)],
        }
    }
}

impl Conditioner for BoxLayout {
    fn encode(&self, asked: &Asked<'_>, bench: &mut Bench<'_>) -> Option<Conditioning> {
        let Asked::Layout {
            boxes,
            weight,
            is_guided,
        } = *asked
        else {
            return None;
        };
        let told = self.told(boxes, weight, bench);
        Some(if is_guided {
            Conditioning::branches(self.free(bench), told)
        } else {
            told
        })
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
    fn a_box_covers_parts_of_places() {
        // Half of the first column, all of the second, and over the lower edge.
        let shares = covered([0.5, 1.0, 2.0, 9.0], [3, 2]);
        assert_eq!(shares, [0.0, 0.0, 0.0, 0.5, 1.0, 0.0]);
        let outside = covered([-3.0, -3.0, -1.0, -1.0], [3, 2]);
        assert!(outside.iter().all(|share| *share == 0.0));
        let within = covered([0.25, 0.25, 0.75, 0.5], [1, 1]);
        assert_eq!(within, [0.125]);
    }

    #[test]
    fn features_go_by_frequency_then_wave_then_corner() {
        let features = fourier_features([0.0, 0.5, 1.0, -0.25], 2);
        assert_eq!(features.len(), 16);
        assert_eq!([features[0], features[4]], [0.0, 1.0]);
        assert!((features[10] - 10_f32.sin()).abs() < 1e-6);
        assert!((features[15] - (-2.5_f32).cos()).abs() < 1e-6);
    }

    #[test]
    fn absurd_sizes_are_refused_by_name() {
        for key in [
            "classes",
            "max_boxes",
            "hidden_size",
            "frequencies",
            "plane_channels",
        ] {
            for value in [0_u64, 4_294_967_295] {
                let json = serde_json::json!({ key: value });
                let config: LayoutEncoderConfig = serde_json::from_value(json).expect("a number");
                let error = config.validate().expect_err("absurd").to_string();
                assert!(error.contains(key), "{error}");
            }
        }
    }
}
