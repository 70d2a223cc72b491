//! What the preview shaders compute, once more on the CPU.
//!
//! Tests hold the shaders against these functions, and the CPU engine uses
//! them for its frames.

/// A linear map from four latent channels to red, green and blue, each in
/// [-1, 1]: `rgb[c] = bias[c] + Σ_k weights[c][k] · latent[k]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LatentToRgb {
    /// One row of weights for each of red, green and blue.
    pub weights: [[f32; 4]; 3],
    /// What is added.
    pub bias: [f32; 3],
}

impl LatentToRgb {
    /// The colour of a latent.
    pub fn color(&self, latent: [f32; 4]) -> [u8; 4] {
        let channel = |c: usize| {
            let sum: f32 = self.weights[c].iter().zip(latent).map(|(w, x)| w * x).sum();
            unit_from_signed(self.bias[c] + sum)
        };
        [channel(0), channel(1), channel(2), 255]
    }
}

/// The colour of three decoded values in [-1, 1].
pub fn color_from_planes(planes: [f32; 3]) -> [u8; 4] {
    let [r, g, b] = planes.map(unit_from_signed);
    [r, g, b, 255]
}

/// From [-1, 1] to 0…255, as diffusers does it: `round(255 · clamp(x / 2 + 1/2))`.
fn unit_from_signed(value: f32) -> u8 {
    // A NaN becomes 0, as `clamp` and the store of a shader make it.
    (((value * 0.5 + 0.5).clamp(0.0, 1.0) * 255.0) + 0.5) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_map_to_the_whole_range() {
        assert_eq!(color_from_planes([-1.0, 0.0, 1.0]), [0, 128, 255, 255]);
        assert_eq!(color_from_planes([-7.0, 9.0, f32::NAN]), [0, 255, 0, 255]);
    }

    #[test]
    fn latents_map_linearly() {
        let map = LatentToRgb {
            weights: [
                [1.0, 0.0, 0.0, 0.0],
                [0.0, 0.5, 0.5, 0.0],
                [0.0, 0.0, 0.0, -1.0],
            ],
            bias: [0.0, 0.0, 0.5],
        };
        assert_eq!(map.color([1.0, 1.0, -1.0, 0.5]), [255, 128, 128, 255]);
    }
}
