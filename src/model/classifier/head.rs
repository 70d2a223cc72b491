//! From the places of the lowest level to classes: the four ways of `EncoderUNetModel`.

use burn::module::{Module, Param};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use super::{ClassifierConfig, Pool};
use crate::nn::{GroupNorm, GroupNormConfig, Linear, LinearConfig, learned_matrix, ops};

/// Groups and epsilon of its normalisations, which no configuration tells.
const GROUPS: usize = 32;
const EPS: f64 = 1e-5;
/// Width between the two matrices of heads that look at all levels.
const INNER_WIDTH: usize = 2048;

/// What tells classes.
#[allow(
    clippy::large_enum_variant,
    reason = "a network has one of them, and all of one network are of one kind"
)]
#[derive(Module, Debug)]
pub(super) enum Head {
    /// By the mean of all places.
    Mean(MeanHead),
    /// By attention of their mean to all places.
    Attention(AttentionHead),
    /// By the means of every level.
    Levels(LevelsHead),
}

/// A matrix behind the mean of all places.
#[derive(Module, Debug)]
pub(super) struct MeanHead {
    norm: GroupNorm,
    project: Linear,
}

/// Attention of the mean of all places to itself and to them, as CLIP has it (Radford et
/// al. 2021, <https://arxiv.org/abs/2103.00020>).
#[derive(Module, Debug)]
pub(super) struct AttentionHead {
    norm: GroupNorm,
    /// `[channels, 1 + places]`.
    positional_embedding: Param<Tensor<2>>,
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    project: Linear,
    #[module(skip)]
    heads: usize,
}

/// Two matrices behind the means of what every block says.
#[derive(Module, Debug)]
pub(super) struct LevelsHead {
    linear_1: Linear,
    /// Without it, ReLU takes the place of SiLU.
    norm: Option<GroupNorm>,
    linear_2: Linear,
}

impl Head {
    /// `skips` are the widths of what is said before each step down.
    pub fn new(config: &ClassifierConfig, skips: &[usize], device: &Device) -> Self {
        let width = skips.last().copied().unwrap_or_default();
        let classes = config.out_channels;
        let norm = |channels| {
            GroupNormConfig {
                groups: GROUPS,
                channels,
                eps: EPS,
            }
            .init(device)
        };
        let linear = |input, output| LinearConfig::new(input, output).init(device);
        let levels = |norm| {
            Self::Levels(LevelsHead {
                linear_1: linear(skips.iter().sum::<usize>() + width, INNER_WIDTH),
                norm,
                linear_2: linear(INNER_WIDTH, classes),
            })
        };
        match config.pool {
            Pool::Adaptive => Self::Mean(MeanHead {
                norm: norm(width),
                project: LinearConfig::new(width, classes).zeroed().init(device),
            }),
            Pool::Attention => {
                let places = config.lowest_side().pow(2);
                let std = (width as f64).sqrt().recip();
                Self::Attention(AttentionHead {
                    norm: norm(width),
                    positional_embedding: learned_matrix([width, 1 + places], std, device),
                    to_q: linear(width, width),
                    to_k: linear(width, width),
                    to_v: linear(width, width),
                    project: linear(width, classes),
                    heads: width / config.num_head_channels.unwrap_or(width).max(1),
                })
            }
            Pool::Spatial => levels(None),
            Pool::SpatialV2 => levels(Some(norm(INNER_WIDTH))),
        }
    }

    /// # Shapes
    /// `lowest`: `[batch, channels, h, w]`; result: `[batch, classes]`.
    pub fn forward(&self, lowest: Tensor<4>, skips: Vec<Tensor<4>>) -> Tensor<2> {
        match self {
            Self::Mean(MeanHead { norm, project }) => {
                project.forward(means(norm.forward_silu(lowest)))
            }
            Self::Attention(head) => head.forward(lowest),
            Self::Levels(LevelsHead {
                linear_1,
                norm,
                linear_2,
            }) => {
                let all = skips.into_iter().chain([lowest]);
                let inner = linear_1.forward(Tensor::cat(all.map(means).collect(), 1));
                let [batch, width] = inner.dims();
                let inner = match norm {
                    Some(norm) => {
                        let normal = norm.forward_silu(inner.reshape([batch, width, 1, 1]));
                        normal.reshape([batch, width])
                    }
                    None => relu(inner),
                };
                linear_2.forward(inner)
            }
        }
    }
}

impl AttentionHead {
    fn forward(&self, lowest: Tensor<4>) -> Tensor<2> {
        let normal = self.norm.forward_silu(lowest);
        let [batch, channels, height, width] = normal.dims();
        let places: Tensor<3> = normal.reshape([batch, channels, height * width]);
        let mean = places.clone().mean_dim(2);
        let known: Tensor<3> = self.positional_embedding.val().unsqueeze_dim(0);
        let tokens = (Tensor::cat(vec![mean, places], 2) + known).swap_dims(1, 2);
        // Nobody asks what the places say.
        let query = self.to_q.forward(tokens.clone().narrow(1, 0, 1));
        let key = self.to_k.forward(tokens.clone());
        let value = self.to_v.forward(tokens);
        let said = ops::attention(query, key, value, self.heads, false);
        self.project.forward(said.reshape([batch, channels]))
    }
}

/// # Shapes
/// `[batch, channels, h, w]` to `[batch, channels]`.
fn means(map: Tensor<4>) -> Tensor<2> {
    let [batch, channels, height, width] = map.dims();
    let places: Tensor<3> = map.reshape([batch, channels, height * width]);
    places.mean_dim(2).reshape([batch, channels])
}
