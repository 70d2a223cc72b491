//! Inception (Szegedy et al. 2015, <https://arxiv.org/abs/1512.00567>) as FID takes it:
//! the network of 2015-12-05, in which averages leave out the padding and the last
//! block takes the greatest instead of the mean.
//!
//! Its weights are not ours to give; users point at `pt_inception-2015-12-05-6726825d.pth`
//! of pytorch-fid or torch-fidelity, or the same as safetensors.

use std::path::Path;

use burn::tensor::activation::relu;
use burn::tensor::module::{avg_pool2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};
use burn::tensor::{Device, Tensor, TensorData};
use image::RgbImage;

use super::FeatureKind;
use super::scaling::{Resize, SIDE_PX};
use crate::evaluate::EvaluateError;
use crate::evaluate::judge::host;
use crate::model::weights::{self, WeightDigest, WeightDtype, WeightSource};
use crate::nn::ops;

/// First digits of the hash of the file that was released; they end its name.
const RELEASED: &str = "6726825d";
/// Digits by which files of weights are told apart.
const DIGITS: usize = RELEASED.len();
/// Added to variances before their roots are divided by.
const EPSILON: f32 = 1e-3;
/// Classes of the last layer, 8 of which are no classes.
const CLASSES: usize = 1008;

/// Whether these are the first digits of the released file.
pub(super) fn is_released(digits: &str) -> bool {
    digits == RELEASED
}

/// Inception, ready to look.
#[derive(Debug)]
pub struct Inception {
    stem: [Conv; 5],
    blocks: Vec<Block>,
    /// `[FEATURES, CLASSES]`.
    classes: Tensor<2>,
    resize: Resize,
    digits: String,
    device: Device,
}

/// A convolution with what its normalisation does, and a rectifier.
#[derive(Debug)]
struct Conv {
    weight: Tensor<4>,
    bias: Tensor<1>,
    stride: usize,
    padding: [(usize, usize); 2],
}

impl Conv {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let weight = self.weight.clone();
        let bias = Some(self.bias.clone());
        relu(ops::conv2d(x, weight, bias, self.stride, self.padding))
    }
}

/// Convolutions one after the other, then perhaps several beside each other.
#[derive(Debug)]
struct Branch {
    row: Vec<Conv>,
    fork: Vec<Conv>,
}

impl Branch {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.row.iter().fold(x, |x, conv| conv.forward(x));
        if self.fork.is_empty() {
            return x;
        }
        let ends = self.fork.iter().map(|conv| conv.forward(x.clone()));
        Tensor::cat(ends.collect(), 1)
    }
}

/// The last branch of a block.
#[derive(Debug)]
enum Pool {
    /// The mean of neighbours, then a convolution.
    Mean(Conv),
    /// The greatest of neighbours, then a convolution.
    Greatest(Conv),
    /// The greatest of neighbours at every second place.
    Halving,
}

/// Branches side by side.
#[derive(Debug)]
struct Block {
    branches: Vec<Branch>,
    pool: Pool,
}

impl Block {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let branches = self.branches.iter().map(|branch| branch.forward(x.clone()));
        let mut ends: Vec<Tensor<4>> = branches.collect();
        ends.push(match &self.pool {
            Pool::Mean(conv) => {
                let options = AvgPoolOptions::new([3, 3]).with_stride([1, 1]);
                let options = options.with_padding([1, 1]).with_count_include_pad(false);
                conv.forward(avg_pool2d(x, options))
            }
            Pool::Greatest(conv) => {
                let options = MaxPoolOptions::new([3, 3]).with_stride([1, 1]);
                conv.forward(max_pool2d(x, options.with_padding([1, 1])))
            }
            Pool::Halving => halved(x),
        });
        Tensor::cat(ends, 1)
    }
}

fn halved(x: Tensor<4>) -> Tensor<4> {
    max_pool2d(x, MaxPoolOptions::new([3, 3]).with_stride([2, 2]))
}

impl Inception {
    /// Features of a picture.
    pub const FEATURES: usize = 2048;

    /// Reads the weights.
    ///
    /// # Errors
    /// When the file cannot be read, or is of another network.
    pub fn open(path: &Path, resize: Resize, device: &Device) -> Result<Self, EvaluateError> {
        let file = weights::open(path)?;
        let reader = Reader {
            file: file.as_ref(),
            device,
        };
        let (stem, blocks) = (reader.stem()?, reader.blocks()?);
        let classes = reader.read("fc.weight", &[CLASSES, Self::FEATURES])?;
        let classes = TensorData::new(classes, [CLASSES, Self::FEATURES]);
        let digest = WeightDigest::new(file.files()).digits();
        let mut digits = digest.map_err(|error| EvaluateError::Device(error.to_string()))?;
        digits.truncate(DIGITS);
        Ok(Self {
            stem,
            blocks,
            classes: Tensor::<2>::from_data(classes, device).transpose(),
            resize,
            digits,
            device: device.clone(),
        })
    }

    pub(super) fn kind(&self) -> FeatureKind {
        FeatureKind::Inception {
            weights: self.digits.clone(),
            resize: self.resize,
            is_released: is_released(&self.digits),
        }
    }

    /// Features and logits without bias of some pictures, one picture after the other.
    ///
    /// # Errors
    /// When the device fails.
    pub fn features(&self, pictures: &[RgbImage]) -> Result<(Vec<f32>, Vec<f32>), EvaluateError> {
        let mut planes = Vec::with_capacity(pictures.len() * 3 * SIDE_PX * SIDE_PX);
        for picture in pictures {
            self.resize.push_planes(picture, &mut planes);
        }
        let planes = TensorData::new(planes, [pictures.len(), 3, SIDE_PX, SIDE_PX]);
        let x = Tensor::<4>::from_data(planes, &self.device);
        let features = ops::on_workers(&x.clone(), || self.forward(x));
        let logits = features.clone().matmul(self.classes.clone());
        Ok((host(features)?, host(logits)?))
    }

    /// # Shapes
    /// `[batch, 3, SIDE_PX, SIDE_PX]` to `[batch, FEATURES]`.
    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let [a, b, c, d, e] = &self.stem;
        let x = halved(c.forward(b.forward(a.forward(x))));
        let x = halved(e.forward(d.forward(x)));
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x));
        let [batch, channels, height, width] = x.dims();
        let x: Tensor<3> = x.reshape([batch, channels, height * width]);
        x.mean_dim(2).reshape([batch, channels])
    }
}

/// What is at the edges of a convolution.
#[derive(Clone, Copy, PartialEq)]
enum Edge {
    /// The size stays.
    Kept,
    /// Nothing: the size shrinks.
    Bare,
    /// Nothing, and every second place is left out.
    Halved,
}
use Edge::{Bare, Halved, Kept};

/// A convolution: its name, channels out, kernel, edge.
type Layer = (&'static str, usize, [usize; 2], Edge);

/// Reads the parts of the network from a file.
struct Reader<'a> {
    file: &'a dyn WeightSource,
    device: &'a Device,
}

impl Reader<'_> {
    fn foreign(&self, reason: String) -> EvaluateError {
        EvaluateError::NotInception {
            path: self.file.path().to_owned(),
            reason,
        }
    }

    fn read(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, EvaluateError> {
        let found = self.file.shape(name);
        let found = found.ok_or_else(|| self.foreign(format!("it has no {name}")))?;
        if found != shape {
            return Err(self.foreign(format!("{name} is {found:?} instead of {shape:?}")));
        }
        let data = self.file.read(name, shape, false, WeightDtype::F32)?;
        data.try_into_vec_as().map_err(EvaluateError::device)
    }

    /// The convolution `within.name`, its normalisation multiplied into it.
    fn conv(&self, within: &str, input: usize, layer: Layer) -> Result<Conv, EvaluateError> {
        let (name, output, [rows, columns], edge) = layer;
        let dot = if within.is_empty() { "" } else { "." };
        let name = format!("{within}{dot}{name}");
        let of = |part: &str| self.read(&format!("{name}.bn.{part}"), &[output]);
        let shape = [output, input, rows, columns];
        let mut weight = self.read(&format!("{name}.conv.weight"), &shape)?;
        let (gain, shift) = (of("weight")?, of("bias")?);
        let (mean, variance) = (of("running_mean")?, of("running_var")?);
        let mut bias = Vec::with_capacity(output);
        for (channel, weights) in weight.chunks_mut(input * rows * columns).enumerate() {
            let scale = gain[channel] / (variance[channel] + EPSILON).sqrt();
            weights.iter_mut().for_each(|weight| *weight *= scale);
            bias.push(shift[channel] - mean[channel] * scale);
        }
        let padding = [rows, columns].map(|side| match edge {
            Kept => (side / 2, side / 2),
            Bare | Halved => (0, 0),
        });
        Ok(Conv {
            weight: Tensor::from_data(TensorData::new(weight, shape), self.device),
            bias: Tensor::from_data(TensorData::new(bias, [output]), self.device),
            stride: if edge == Halved { 2 } else { 1 },
            padding,
        })
    }

    fn stem(&self) -> Result<[Conv; 5], EvaluateError> {
        Ok([
            self.conv("", 3, ("Conv2d_1a_3x3", 32, [3, 3], Halved))?,
            self.conv("", 32, ("Conv2d_2a_3x3", 32, [3, 3], Bare))?,
            self.conv("", 32, ("Conv2d_2b_3x3", 64, [3, 3], Kept))?,
            self.conv("", 64, ("Conv2d_3b_1x1", 80, [1, 1], Bare))?,
            self.conv("", 80, ("Conv2d_4a_3x3", 192, [3, 3], Bare))?,
        ])
    }

    fn branch(
        &self,
        within: &str,
        input: usize,
        row: &[Layer],
        fork: &[Layer],
    ) -> Result<Branch, EvaluateError> {
        let mut width = input;
        let mut convs = Vec::new();
        for layer in row {
            convs.push(self.conv(within, width, *layer)?);
            width = layer.1;
        }
        let fork = fork.iter().map(|layer| self.conv(within, width, *layer));
        Ok(Branch {
            row: convs,
            fork: fork.collect::<Result<_, _>>()?,
        })
    }

    fn block(
        &self,
        within: &str,
        input: usize,
        rows: &[&[Layer]],
        pool: Pool,
    ) -> Result<Block, EvaluateError> {
        let branches = rows.iter().map(|row| self.branch(within, input, row, &[]));
        Ok(Block {
            branches: branches.collect::<Result<_, _>>()?,
            pool,
        })
    }

    fn after_pool(&self, within: &str, input: usize, output: usize) -> Result<Conv, EvaluateError> {
        self.conv(within, input, ("branch_pool", output, [1, 1], Kept))
    }

    fn blocks(&self) -> Result<Vec<Block>, EvaluateError> {
        let mut blocks = Vec::new();
        for (name, input, pool) in [
            ("Mixed_5b", 192, 32),
            ("Mixed_5c", 256, 64),
            ("Mixed_5d", 288, 64),
        ] {
            blocks.push(self.small(name, input, pool)?);
        }
        let rows: [&[Layer]; 2] = [
            &[("branch3x3", 384, [3, 3], Halved)],
            &[
                ("branch3x3dbl_1", 64, [1, 1], Kept),
                ("branch3x3dbl_2", 96, [3, 3], Kept),
                ("branch3x3dbl_3", 96, [3, 3], Halved),
            ],
        ];
        blocks.push(self.block("Mixed_6a", 288, &rows, Pool::Halving)?);
        for (name, width) in [
            ("Mixed_6b", 128),
            ("Mixed_6c", 160),
            ("Mixed_6d", 160),
            ("Mixed_6e", 192),
        ] {
            blocks.push(self.long(name, width)?);
        }
        let rows: [&[Layer]; 2] = [
            &[
                ("branch3x3_1", 192, [1, 1], Kept),
                ("branch3x3_2", 320, [3, 3], Halved),
            ],
            &[
                ("branch7x7x3_1", 192, [1, 1], Kept),
                ("branch7x7x3_2", 192, [1, 7], Kept),
                ("branch7x7x3_3", 192, [7, 1], Kept),
                ("branch7x7x3_4", 192, [3, 3], Halved),
            ],
        ];
        blocks.push(self.block("Mixed_7a", 768, &rows, Pool::Halving)?);
        let pool = Pool::Mean(self.after_pool("Mixed_7b", 1280, 192)?);
        blocks.push(self.wide("Mixed_7b", 1280, pool)?);
        let pool = Pool::Greatest(self.after_pool("Mixed_7c", 2048, 192)?);
        blocks.push(self.wide("Mixed_7c", 2048, pool)?);
        Ok(blocks)
    }

    /// pytorch-fid's `FIDInceptionA`.
    fn small(&self, name: &str, input: usize, pool: usize) -> Result<Block, EvaluateError> {
        let rows: [&[Layer]; 3] = [
            &[("branch1x1", 64, [1, 1], Kept)],
            &[
                ("branch5x5_1", 48, [1, 1], Kept),
                ("branch5x5_2", 64, [5, 5], Kept),
            ],
            &[
                ("branch3x3dbl_1", 64, [1, 1], Kept),
                ("branch3x3dbl_2", 96, [3, 3], Kept),
                ("branch3x3dbl_3", 96, [3, 3], Kept),
            ],
        ];
        let pool = Pool::Mean(self.after_pool(name, input, pool)?);
        self.block(name, input, &rows, pool)
    }

    /// `FIDInceptionC`.
    fn long(&self, name: &str, width: usize) -> Result<Block, EvaluateError> {
        let rows: [&[Layer]; 3] = [
            &[("branch1x1", 192, [1, 1], Kept)],
            &[
                ("branch7x7_1", width, [1, 1], Kept),
                ("branch7x7_2", width, [1, 7], Kept),
                ("branch7x7_3", 192, [7, 1], Kept),
            ],
            &[
                ("branch7x7dbl_1", width, [1, 1], Kept),
                ("branch7x7dbl_2", width, [7, 1], Kept),
                ("branch7x7dbl_3", width, [1, 7], Kept),
                ("branch7x7dbl_4", width, [7, 1], Kept),
                ("branch7x7dbl_5", 192, [1, 7], Kept),
            ],
        ];
        let pool = Pool::Mean(self.after_pool(name, 768, 192)?);
        self.block(name, 768, &rows, pool)
    }

    /// `FIDInceptionE_1` and `FIDInceptionE_2`, which differ in the pool.
    fn wide(&self, name: &str, input: usize, pool: Pool) -> Result<Block, EvaluateError> {
        let one: [Layer; 1] = [("branch1x1", 320, [1, 1], Kept)];
        let three: [Layer; 1] = [("branch3x3_1", 384, [1, 1], Kept)];
        let double: [Layer; 2] = [
            ("branch3x3dbl_1", 448, [1, 1], Kept),
            ("branch3x3dbl_2", 384, [3, 3], Kept),
        ];
        let three_fork: [Layer; 2] = [
            ("branch3x3_2a", 384, [1, 3], Kept),
            ("branch3x3_2b", 384, [3, 1], Kept),
        ];
        let double_fork: [Layer; 2] = [
            ("branch3x3dbl_3a", 384, [1, 3], Kept),
            ("branch3x3dbl_3b", 384, [3, 1], Kept),
        ];
        Ok(Block {
            branches: vec![
                self.branch(name, input, &one, &[])?,
                self.branch(name, input, &three, &three_fork)?,
                self.branch(name, input, &double, &double_fork)?,
            ],
            pool,
        })
    }
}
