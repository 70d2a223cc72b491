//! Boxes that say where something of a class is to appear: tokens beside those of
//! words, as in GLIGEN (Li et al. 2023, <https://arxiv.org/abs/2301.07093>), and
//! planes that show what each place of the latents is covered by.

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::{Asked, Bench, Conditioner, Conditioning};
use crate::model::{LatentInfo, ModelError, limits};
use crate::nn::{
    Embedding, EmbeddingConfig, Linear, LinearConfig, learned_vector, ops, parameter_count,
    related_vectors,
};
use crate::recipe::palette::is_same_name;
use crate::recipe::{LayoutBox, MAX_BOXES};

/// The planes.
pub const BOXES: &str = "boxes";

const CLASS: &str = "LayoutEncoder";
/// The corners of a box: x0, y0, x1, y1.
const CORNERS: usize = 4;

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
        let (hidden, inner) = (self.hidden_size, self.intermediate_size);
        // Beside the features of corners, and in planes beside latents, of deviation 1
        // both, numbers of 0.02 are not heard; each class is too rare to become louder.
        let table = |count| {
            EmbeddingConfig {
                count,
                width: hidden,
                std: 1.0,
            }
            .init(device)
        };
        let features = 2 * CORNERS * self.frequencies;
        Ok(LayoutEncoder {
            class_embedding: table(self.classes),
            colour_embedding: table(self.colours + 1),
            null_token: learned_vector(hidden, 0.02, device),
            linear_1: LinearConfig::new(hidden + features, inner).init(device),
            linear_2: LinearConfig::new(inner, hidden).init(device),
            // That something is there is the same of all classes.
            plane_embedding: related_vectors(self.classes, self.plane_channels, device),
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

    /// The token of a place that no box has.
    ///
    /// # Shapes
    /// `[1, 1, hidden_size]`.
    fn null(&self) -> Tensor<3> {
        self.null_token
            .val()
            .reshape([1, 1, self.config.hidden_size])
    }

    /// Tokens and planes of the boxes of several pictures, which act with `weight`;
    /// boxes beyond those that it takes are passed over. `size` is that of the latents
    /// (columns, rows).
    ///
    /// # Shapes
    /// `[pictures, max_boxes, hidden_size]` and
    /// `[pictures, plane_channels, rows, columns]`.
    pub fn tell(
        &self,
        pictures: &[&[NumberedBox]],
        weight: f32,
        [columns, rows]: [usize; 2],
        device: &Device,
    ) -> (Tensor<3>, Tensor<4>) {
        let LayoutEncoderConfig {
            max_boxes,
            frequencies,
            plane_channels,
            ..
        } = self.config;
        let batch = pictures.len();
        let count = pictures.iter().map(|boxes| boxes.len()).max();
        let count = count.unwrap_or(0).min(max_boxes);
        let null = self.null();
        let free = |places: usize| null.clone().repeat_dim(0, batch).repeat_dim(1, places);
        if count == 0 {
            let planes = Tensor::zeros([batch, plane_channels, rows, columns], device);
            return (free(max_boxes), planes);
        }
        // As many places for each picture; some are nobody's.
        let places = pictures
            .iter()
            .flat_map(|boxes| (0..count).map(|place| boxes.get(place)));
        let places: Vec<Option<&NumberedBox>> = places.collect();
        let numbers = |which: fn(&NumberedBox) -> usize| {
            let numbers = places.iter().map(|it| it.map_or(0, which) as i32);
            let data = TensorData::new(numbers.collect::<Vec<i32>>(), [batch, count]);
            Tensor::<2, Int>::from_data(data, device)
        };
        let table = |width: usize, row: &dyn Fn(&NumberedBox) -> Vec<f32>| {
            let rows = places
                .iter()
                .flat_map(|it| it.map_or_else(|| vec![0.0; width], row));
            let data = TensorData::new(rows.collect::<Vec<f32>>(), [batch, count, width]);
            Tensor::<3>::from_data(data, device)
        };
        let (classes, colours) = (numbers(|it| it.class), numbers(|it| it.colour));
        let features = table(2 * CORNERS * frequencies, &|it| {
            fourier_features(it.corners, frequencies)
        });
        let acts = table(1, &|_| vec![weight]);
        let what =
            self.class_embedding.forward(classes.clone()) + self.colour_embedding.forward(colours);
        let hidden = self.linear_1.forward(Tensor::cat(vec![what, features], 2));
        let tokens = self.linear_2.forward(ops::silu(hidden));
        let mut tokens = null.clone() + (tokens - null.clone()) * acts.clone();
        if count < max_boxes {
            tokens = Tensor::cat(vec![tokens, free(max_boxes - count)], 1);
        }
        let shares = table(columns * rows, &|it| it.covered([columns, rows]));
        let drawn = self.plane_embedding.forward(classes) * acts;
        let planes = shares.swap_dims(1, 2).matmul(drawn).swap_dims(1, 2);
        (
            tokens,
            planes.reshape([batch, plane_channels, rows, columns]),
        )
    }

    /// What attention adds for each token of the boxes of a picture at the places of its
    /// latents: `bias` at those that a box covers, −`bias` at the others, in between by
    /// the share; nothing for tokens that no box has.
    ///
    /// # Shapes
    /// `[1, max_boxes, rows, columns]`.
    fn heard(
        &self,
        boxes: &[NumberedBox],
        bias: f32,
        [columns, rows]: [usize; 2],
        device: &Device,
    ) -> Tensor<4> {
        let max_boxes = self.config.max_boxes;
        let boxes = &boxes[..boxes.len().min(max_boxes)];
        let mut added: Vec<f32> = boxes
            .iter()
            .flat_map(|it| it.covered([columns, rows]))
            .map(|share| bias * (2.0 * share - 1.0))
            .collect();
        added.resize(max_boxes * rows * columns, 0.0);
        Tensor::from_data(
            TensorData::new(added, [1, max_boxes, rows, columns]),
            device,
        )
    }
}

/// A box as the network knows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NumberedBox {
    /// Which class.
    pub class: usize,
    /// Which colour word, counted from 1; 0 for none.
    pub colour: usize,
    /// x0, y0, x1, y1 as shares of the picture.
    pub corners: [f32; CORNERS],
}

impl NumberedBox {
    /// The share of each place of the latents that it covers, row by row.
    fn covered(&self, [columns, rows]: [usize; 2]) -> Vec<f32> {
        let (across, down) = (columns as f32, rows as f32);
        let [x0, y0, x1, y1] = self.corners;
        let corners = [x0 * across, y0 * down, x1 * across, y1 * down];
        covered(corners, [columns, rows])
    }
}

/// The names of what boxes may hold, in the order of the network's numbers.
#[derive(Clone, Debug)]
pub struct BoxNames {
    classes: Vec<String>,
    colours: Vec<String>,
}

impl BoxNames {
    /// For a network that knows these classes and colour words.
    pub fn new(classes: Vec<String>, colours: Vec<String>) -> Self {
        Self { classes, colours }
    }

    /// Which class a box has; `None` for one that is not known.
    pub fn class(&self, it: &LayoutBox) -> Option<usize> {
        place_of(&it.class, &self.classes)
    }

    /// A box of a picture of so many pixels; `None` for a class that is not known.
    pub fn numbered(&self, it: &LayoutBox, [across, down]: [f32; 2]) -> Option<NumberedBox> {
        let colour = it.colour.as_deref();
        let colour = colour.and_then(|word| place_of(word, &self.colours));
        let [x, y, width, height] = it.rect;
        Some(NumberedBox {
            class: self.class(it)?,
            colour: colour.map_or(0, |at| at + 1),
            corners: [
                x / across,
                y / down,
                (x + width) / across,
                (y + height) / down,
            ],
        })
    }
}

fn place_of(name: &str, names: &[String]) -> Option<usize> {
    names.iter().position(|known| is_same_name(known, name))
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
    names: BoxNames,
    network: LayoutEncoder,
}

impl BoxLayout {
    /// For a denoiser that knows these names.
    pub fn new(names: BoxNames, network: LayoutEncoder) -> Self {
        Self { names, network }
    }

    /// What the denoiser is told of boxes in one branch; those that the model does not
    /// know are passed over.
    fn told(
        &self,
        boxes: &[LayoutBox],
        (weight, bias): (f32, f32),
        bench: &Bench<'_>,
    ) -> Conditioning {
        let size_px = bench.size_px.map(|side| side as f32);
        let known = boxes
            .iter()
            .filter_map(|it| self.names.numbered(it, size_px));
        let known: Vec<NumberedBox> = known.collect();
        let latents = bench.latent_size();
        let (tokens, planes) = self.network.tell(&[&known], weight, latents, bench.device);
        let heard = match known.is_empty() || weight * bias == 0.0 {
            true => Vec::new(),
            false => vec![(
                BOXES,
                self.network
                    .heard(&known, weight * bias, latents, bench.device),
            )],
        };
        Conditioning {
            context: vec![(BOXES, tokens)],
            bias: heard,
            concat: vec![(BOXES, planes)],
            ..Conditioning::default()
        }
    }

    /// What it is told where there are none.
    fn free(&self, bench: &Bench<'_>) -> Conditioning {
        self.told(&[], (1.0, 0.0), bench)
    }
}

impl Conditioner for BoxLayout {
    fn encode(&self, asked: &Asked<'_>, bench: &mut Bench<'_>) -> Option<Conditioning> {
        let Asked::Layout {
            boxes,
            weight,
            bias,
            is_guided,
        } = *asked
        else {
            return None;
        };
        let told = self.told(boxes, (weight, bias), bench);
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
    fn boxes_are_heard_more_where_they_are() {
        let config = LayoutEncoderConfig {
            max_boxes: 2,
            ..Default::default()
        };
        let device = Device::flex();
        let network = config.init(&device).expect("a network");
        let it = NumberedBox {
            class: 0,
            colour: 0,
            corners: [0.25, 0.0, 1.0, 1.0],
        };
        let heard = network.heard(&[it], 2.0, [2, 1], &device);
        let heard: Vec<f32> = heard.into_data().try_to_vec().expect("numbers");
        assert_eq!(heard, [0.0, 2.0, 0.0, 0.0]);
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
