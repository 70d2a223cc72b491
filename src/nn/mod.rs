//! The small blocks that every network of the studio is built from.
//!
//! Uses burn and nothing of ours; `model` and `train` build on it. Each module
//! has its configuration next to it, and field names follow diffusers, so that
//! the path of a parameter in the module tree *is* (but for a few renames in
//! `model::weights`) its key in a diffusers file.
//!
//! Every normalisation, activation, attention and convolution goes through
//! [`ops`]: one file to make fast, and the modules around it stay plain.

mod attention;
mod attention_bias;
mod conv2d;
mod embedding;
mod gated;
mod group_norm;
mod initializer;
mod layer_norm;
mod levels;
mod linear;
pub mod ops;
mod parameters;
mod prelu;
mod regions;
mod res_block;
mod resample;
mod seeded;
mod time;
mod transformer;

pub use attention::{Attention, AttentionConfig};
pub use attention_bias::AttentionBias;
pub use conv2d::{Conv2d, Conv2dConfig};
pub use embedding::{
    Embedding, EmbeddingConfig, codebook, learned_matrix, learned_number, learned_vector,
    related_vectors,
};
pub use gated::{GatedSelfAttention, GatedSelfAttentionConfig};
pub use group_norm::{GroupNorm, GroupNormConfig};
pub use layer_norm::{LayerNorm, LayerNormConfig};
pub use linear::{Linear, LinearConfig};
pub use parameters::{draw_weights, parameter_count};
pub use prelu::PRelu;
pub use regions::{BASE_RATIO, Regions};
pub use res_block::{ResBlock, ResBlockConfig};
pub use resample::{Downsample, DownsampleConfig, Upsample, UpsampleConfig};
pub use seeded::{Seeded, seeded};
pub use time::{TimestepEmbedding, TimestepEmbeddingConfig, sinusoidal_embedding};
pub use transformer::{
    BasicTransformerBlock, BasicTransformerBlockConfig, Context, FeedForward, FeedForwardConfig,
    SpatialTransformer, SpatialTransformerConfig,
};
