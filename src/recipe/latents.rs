//! Latents that are handed in or out.

/// Latents of pictures, scaled as the denoiser sees them.
#[derive(Clone, Debug, PartialEq)]
pub struct Latents {
    /// Batch, channels, height and width.
    pub shape: [usize; 4],
    /// The numbers, row-major.
    pub values: Vec<f32>,
}
