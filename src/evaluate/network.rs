//! The network that reads pictures.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::questions::{BACKGROUNDS, PLACES, STYLES, TIMES, label_count};
use crate::nn::{Conv2d, Conv2dConfig, GroupNorm, GroupNormConfig, Linear, LinearConfig, ops};

/// Side in pixels of the pictures that the judge looks at.
pub(super) const SIZE_PX: usize = 128;
/// Pixels per side of a cell, the smallest part of which it says what it shows.
pub(super) const CELL_PX: usize = 4;
/// Cells per side.
pub(super) const CELLS: usize = SIZE_PX / CELL_PX;

const GROUPS: usize = 8;
const WIDTHS: [usize; 4] = [32, 64, 96, 128];

/// Numbers in which it sees a cell, before it is said what that shows.
pub(super) const CELL_FEATURES: usize = WIDTHS[1];

/// Numbers that stand for a whole picture, before it is said what it shows.
pub(super) const FEATURES: usize = WIDTHS[1] + WIDTHS[3];

/// A convolution, a normalisation and SiLU.
#[derive(Module, Debug)]
pub(super) struct Layer {
    conv: Conv2d,
    norm: GroupNorm,
}

impl Layer {
    pub fn new(input: usize, output: usize, kernel: usize, stride: usize, device: &Device) -> Self {
        let config = Conv2dConfig {
            stride,
            ..Conv2dConfig::same(input, output, kernel)
        };
        let norm = GroupNormConfig {
            groups: GROUPS,
            channels: output,
            eps: 1e-5,
        };
        Self {
            conv: config.init(device),
            norm: norm.init(device),
        }
    }

    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.norm.forward_silu(self.conv.forward(x))
    }
}

/// A small segmenter: down to a sixteenth, back to a quarter of the side.
///
/// It says for every cell what it shows, because that is how much more can be
/// learnt from a scene than from its caption.
#[derive(Module, Debug)]
pub(super) struct JudgeNetwork {
    stem: Layer,
    fine: Layer,
    down_1: Layer,
    middle: Layer,
    down_2: Layer,
    coarse_1: Layer,
    coarse_2: Layer,
    down_3: Layer,
    deep_1: Layer,
    deep_2: Layer,
    back_2: Layer,
    joined_2: Layer,
    back: Layer,
    joined: Layer,
    cells: Conv2d,
    setting: Linear,
}

/// What lies under the answers.
struct Depths {
    /// A quarter of the side.
    joined: Tensor<4>,
    /// Of the whole picture: `[batch, FEATURES]`.
    whole: Tensor<2>,
}

/// What the network says; all of it before the softmax.
pub(super) struct Answers {
    /// What each cell shows.
    ///
    /// # Shapes
    /// `[batch, labels, CELLS, CELLS]`.
    pub labels: Tensor<4>,
    /// The style of what each cell shows.
    ///
    /// # Shapes
    /// `[batch, STYLES, CELLS, CELLS]`.
    pub styles: Tensor<4>,
    /// `[batch, TIMES]`.
    pub time: Tensor<2>,
    /// `[batch, PLACES]`.
    pub place: Tensor<2>,
    /// `[batch, BACKGROUNDS]`.
    pub background: Tensor<2>,
}

impl JudgeNetwork {
    pub fn new(device: &Device) -> Self {
        let [narrow, middle, wide, deep] = WIDTHS;
        let cells = Conv2dConfig::same(middle, label_count() + STYLES, 1);
        Self {
            stem: Layer::new(3, narrow, 3, 2, device),
            fine: Layer::new(narrow, narrow, 3, 1, device),
            down_1: Layer::new(narrow, middle, 3, 2, device),
            middle: Layer::new(middle, middle, 3, 1, device),
            down_2: Layer::new(middle, wide, 3, 2, device),
            coarse_1: Layer::new(wide, wide, 3, 1, device),
            coarse_2: Layer::new(wide, wide, 3, 1, device),
            down_3: Layer::new(wide, deep, 3, 2, device),
            deep_1: Layer::new(deep, deep, 3, 1, device),
            deep_2: Layer::new(deep, deep, 3, 1, device),
            back_2: Layer::new(deep, wide, 1, 1, device),
            joined_2: Layer::new(wide, wide, 3, 1, device),
            back: Layer::new(wide, middle, 1, 1, device),
            joined: Layer::new(middle, middle, 3, 1, device),
            cells: cells.init(device),
            setting: LinearConfig::new(FEATURES, TIMES + PLACES + BACKGROUNDS).init(device),
        }
    }

    /// # Shapes
    /// `x`: `[batch, 3, SIZE_PX, SIZE_PX]` in [-1, 1].
    pub fn forward(&self, x: Tensor<4>) -> Answers {
        let Depths { joined, whole } = self.depths(x);
        let both = self.cells.forward(joined);
        let setting = self.setting.forward(whole);
        Answers {
            labels: both.clone().narrow(1, 0, label_count()),
            styles: both.narrow(1, label_count(), STYLES),
            time: setting.clone().narrow(1, 0, TIMES),
            place: setting.clone().narrow(1, TIMES, PLACES),
            background: setting.narrow(1, TIMES + PLACES, BACKGROUNDS),
        }
    }

    /// What it sees of whole pictures, by which sets of them are compared.
    ///
    /// # Shapes
    /// `x`: `[batch, 3, SIZE_PX, SIZE_PX]` in [-1, 1]; result: `[batch, FEATURES]`.
    pub fn features(&self, x: Tensor<4>) -> Tensor<2> {
        self.depths(x).whole
    }

    /// What each cell shows, before the softmax, and what it sees of each.
    ///
    /// # Shapes
    /// `x`: `[batch, 3, SIZE_PX, SIZE_PX]` in [-1, 1]; result: `[batch, labels, CELLS, CELLS]`
    /// and `[batch, CELL_FEATURES, CELLS, CELLS]`.
    pub fn cells(&self, x: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let seen = self.depths(x).joined;
        let labels = self.cells.forward(seen.clone());
        (labels.narrow(1, 0, label_count()), seen)
    }

    fn depths(&self, x: Tensor<4>) -> Depths {
        let batch = x.dims()[0];
        let x = self.fine.forward(self.stem.forward(x));
        let x = self.down_1.forward(x);
        let quarter = x.clone() + self.middle.forward(x);
        let x = self.down_2.forward(quarter.clone());
        let x = x.clone() + self.coarse_1.forward(x);
        let eighth = x.clone() + self.coarse_2.forward(x);
        let x = self.down_3.forward(eighth.clone());
        let x = x.clone() + self.deep_1.forward(x);
        let deep = x.clone() + self.deep_2.forward(x);
        let back = ops::upsample_nearest(self.back_2.forward(deep.clone()), [CELLS / 2; 2]);
        let eighth = self.joined_2.forward(eighth + back);
        let back = ops::upsample_nearest(self.back.forward(eighth), [CELLS; 2]);
        let joined = self.joined.forward(quarter + back);
        let mean = |x: Tensor<4>| {
            let [_, channels, height, width] = x.dims();
            x.reshape([batch, channels, height * width])
                .mean_dim(2)
                .reshape([batch, channels])
        };
        let whole = Tensor::cat(vec![mean(joined.clone()), mean(deep)], 1);
        Depths { joined, whole }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_is_small_and_its_answers_have_the_shapes_they_say() {
        let device = Device::flex();
        let network = JudgeNetwork::new(&device);
        assert!(crate::nn::parameter_count(&network) < 1_000_000);
        let answers = network.forward(Tensor::zeros([2, 3, SIZE_PX, SIZE_PX], &device));
        assert_eq!(answers.labels.dims(), [2, label_count(), CELLS, CELLS]);
        assert_eq!(answers.styles.dims(), [2, STYLES, CELLS, CELLS]);
        assert_eq!(answers.time.dims(), [2, TIMES]);
        assert_eq!(answers.place.dims(), [2, PLACES]);
        assert_eq!(answers.background.dims(), [2, BACKGROUNDS]);
    }
}
