//! Autoencoders as first stages (Rombach et al. 2022,
//! <https://arxiv.org/abs/2112.10752>, §3.1 and §G): pictures to latents and back.
//!
//! [`codec`] says what encoder and decoder are made of, `blocks` makes them; the
//! two kinds differ in what keeps the latents in bounds: a distribution (`kl`) or
//! a codebook (`vq`). `tiny` stands in for a large one. [`presets`] are the released ones by name.

mod blocks;
pub(super) mod codec;
mod gaussian;
mod kl;
mod kl_config;
pub mod presets;
mod quantizer;
mod tiny;
mod tiny_config;
mod vq;
mod vq_config;

pub use gaussian::DiagonalGaussian;
pub use kl::AutoencoderKl;
pub use kl_config::AutoencoderKlConfig;
pub use quantizer::{CodebookLoss, Quantized};
pub use tiny::AutoencoderTiny;
pub use tiny_config::AutoencoderTinyConfig;
pub use vq::VqModel;
pub use vq_config::VqModelConfig;
