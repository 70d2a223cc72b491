//! Quick pictures of unfinished latents.
//!
//! A decoder costs as much as several steps of a denoiser, too much to run at
//! each of them. Near the latents that models make it is almost linear, so a
//! linear map from the 3 × 3 latents around each place to the pixels of that
//! place, fitted once to what the decoder itself says, shows the same picture
//! a little blurred in a thousandth of the time. Small decoders are less linear
//! and cost little: where that is so, the decoder itself is run.

use std::time::Instant;

use burn::tensor::module::avg_pool2d;
use burn::tensor::ops::{AvgPoolOptions, PadMode};
use burn::tensor::{Device, Tensor, TensorData};
use image::RgbImage;

use super::DiffusionError;
use super::pixels::{host, rgb_from_planes};
use super::torch_random::TorchGenerator;
use crate::model::AutoencoderKl;
use crate::nn::ops;

/// Sides of the neighbourhood of a latent.
const REACH: usize = 3;
/// Sides of the latents that the map is fitted to.
const SIDE: usize = 20;
/// Random latents that the map is fitted to, each smoother than the one before.
const EXAMPLES: usize = 3;
/// Keeps the fit from following what the few examples say of rare latents.
const RIDGE: f64 = 1e-2;

/// Most time that the decoder may take at each step, as a share of the step.
const MOST_SHARE: f64 = 0.6;

/// A linear stand-in for a decoder.
#[derive(Clone, Debug)]
pub(super) struct PreviewDecoder {
    channels: usize,
    factor: usize,
    /// For each pixel of a place and each colour, the weights of the
    /// neighbourhood and a constant.
    weights: Vec<f32>,
    /// Time that the decoder itself takes for one latent.
    secs_per_latent: f64,
}

impl PreviewDecoder {
    /// Fits the map to a decoder.
    ///
    /// # Errors
    /// If the device does not hand over what was decoded.
    pub fn fit(autoencoder: &AutoencoderKl, device: &Device) -> Result<Self, DiffusionError> {
        let config = autoencoder.config();
        let (channels, factor) = (config.latent_channels, config.downsampling());
        let latents: Vec<f32> = (0..EXAMPLES).flat_map(|k| example(channels, k)).collect();
        let shape = [EXAMPLES, channels, SIDE, SIDE];
        let tensor = Tensor::<4>::from_data(TensorData::new(latents.clone(), shape), device);
        let start = Instant::now();
        let decoded = host(autoencoder.decode(tensor / config.scaling_factor))?;
        let secs_per_latent = start.elapsed().as_secs_f64() / (EXAMPLES * SIDE * SIDE) as f64;

        let features = channels * REACH * REACH + 1;
        let outputs = 3 * factor * factor;
        let mut gram = vec![0.0_f64; features * features];
        let mut product = vec![0.0_f64; features * outputs];
        let side = SIDE * factor;
        for k in 0..EXAMPLES {
            let latent = &latents[k * channels * SIDE * SIDE..][..channels * SIDE * SIDE];
            let picture = &decoded[k * 3 * side * side..][..3 * side * side];
            for y in 0..SIDE {
                for x in 0..SIDE {
                    let row = neighbourhood(latent, channels, [SIDE, SIDE], [x, y]);
                    for (i, a) in row.iter().enumerate() {
                        for (j, b) in row.iter().enumerate() {
                            gram[i * features + j] += f64::from(a * b);
                        }
                        for o in 0..outputs {
                            let (colour, place) = (o / (factor * factor), o % (factor * factor));
                            let (px, py) =
                                (x * factor + place % factor, y * factor + place / factor);
                            let seen = picture[(colour * side + py) * side + px];
                            product[i * outputs + o] += f64::from(a * seen);
                        }
                    }
                }
            }
        }
        let places = (EXAMPLES * SIDE * SIDE) as f64;
        for i in 0..features {
            gram[i * features + i] += RIDGE * places;
        }
        let solved = solve(gram, product, features, outputs);
        // Output by output, which is how they are used.
        let weights = (0..outputs * features)
            .map(|at| solved[at % features * outputs + at / features] as f32)
            .collect();
        Ok(Self {
            channels,
            factor,
            weights,
            secs_per_latent,
        })
    }

    /// Whether steps that take `step_secs` leave time for the decoder itself.
    ///
    /// # Shapes
    /// `latents`: `[1, channels, h, w]`.
    pub fn affords_decoder(&self, latents: &Tensor<4>, step_secs: f64) -> bool {
        let [_, _, height, width] = latents.dims();
        self.secs_per_latent * (height * width) as f64 <= MOST_SHARE * step_secs
    }

    /// The picture that latents will become, about.
    ///
    /// # Shapes
    /// `latents`: `[1, channels, h, w]`; the picture is f times as large.
    ///
    /// # Errors
    /// If the device does not hand over the latents.
    pub fn picture(&self, latents: Tensor<4>) -> Result<RgbImage, DiffusionError> {
        let [_, _, height, width] = latents.dims();
        let latents = host(latents)?;
        let factor = self.factor;
        let features = self.channels * REACH * REACH + 1;
        let plane = width * height * factor * factor;
        let mut planes = vec![0.0_f32; 3 * plane];
        for y in 0..height {
            for x in 0..width {
                let row = neighbourhood(&latents, self.channels, [width, height], [x, y]);
                for (o, weights) in self.weights.chunks_exact(features).enumerate() {
                    let (colour, place) = (o / (factor * factor), o % (factor * factor));
                    let (px, py) = (x * factor + place % factor, y * factor + place / factor);
                    let value: f32 = row.iter().zip(weights).map(|(a, b)| a * b).sum();
                    planes[colour * plane + py * width * factor + px] = value;
                }
            }
        }
        Ok(rgb_from_planes(&planes, width * factor, height * factor))
    }

    /// The same picture, computed and left on the device of the latents.
    ///
    /// # Shapes
    /// `latents`: `[1, channels, h, w]`; planes in [-1, 1]: `[1, 3, f·h, f·w]`.
    pub fn planes(&self, latents: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = latents.dims();
        let device = latents.device();
        let factor = self.factor;
        let features = self.channels * REACH * REACH + 1;
        let outputs = 3 * factor * factor;
        let rows = self.weights.chunks_exact(features);
        let kernel: Vec<f32> = rows
            .clone()
            .flat_map(|row| row[..features - 1].to_vec())
            .collect();
        let constants: Vec<f32> = rows.map(|row| row[features - 1]).collect();
        let kernel = TensorData::new(kernel, [outputs, self.channels, REACH, REACH]);
        let kernel = Tensor::<4>::from_data(kernel, &device);
        let constants = Tensor::<1>::from_data(TensorData::new(constants, [outputs]), &device);
        let edge = REACH / 2;
        let padded = latents.pad((edge, edge, edge, edge), PadMode::Edge);
        ops::conv2d(padded, kernel, Some(constants), 1, [(0, 0); 2])
            .reshape([1, 3, factor, factor, height, width])
            .permute([0, 1, 4, 2, 5, 3])
            .reshape([1, 3, height * factor, width * factor])
    }
}

/// A picture cut to whole multiples of the step that makes its longest side at
/// most `longest_px`, and shrunk by it.
///
/// # Shapes
/// `planes`: `[1, 3, h, w]`.
///
/// # Errors
/// If the device does not hand over the picture.
pub(super) fn thumbnail(planes: Tensor<4>, longest_px: u32) -> Result<RgbImage, DiffusionError> {
    let [_, _, height, width] = planes.dims();
    let longest = (longest_px.max(1) as usize).min(height.max(width));
    let step = height.max(width).div_ceil(longest).min(height.min(width));
    let small = if step > 1 {
        let options = AvgPoolOptions {
            kernel_size: [step, step],
            stride: [step, step],
            padding: [(0, 0); 2],
            count_include_pad: false,
            ceil_mode: false,
        };
        avg_pool2d(planes, options)
    } else {
        planes
    };
    let [_, _, height, width] = small.dims();
    Ok(rgb_from_planes(&host(small)?, width, height))
}

/// Random latents of unit variance, smoothed `k` times: flat and detailed parts
/// of pictures look different to a decoder.
fn example(channels: usize, k: usize) -> Vec<f32> {
    let mut values = TorchGenerator::new(k as u64).normals(channels * SIDE * SIDE);
    for _ in 0..2 * k {
        let before = values.clone();
        for (at, value) in values.iter_mut().enumerate() {
            let (x, y, start) = (
                at % SIDE,
                at / SIDE % SIDE,
                at / (SIDE * SIDE) * SIDE * SIDE,
            );
            let near = |dx: usize, dy: usize| {
                let x = (x + dx).saturating_sub(1).min(SIDE - 1);
                let y = (y + dy).saturating_sub(1).min(SIDE - 1);
                before[start + y * SIDE + x]
            };
            *value = (0..9).map(|i| near(i % 3, i / 3)).sum::<f32>() / 9.0;
        }
    }
    let variance = values.iter().map(|v| v * v).sum::<f32>() / values.len() as f32;
    let scale = 1.0 / variance.sqrt().max(1e-6);
    values.into_iter().map(|v| v * scale).collect()
}

/// The latents around a place, repeated at the borders, and a one.
fn neighbourhood(latent: &[f32], channels: usize, size: [usize; 2], at: [usize; 2]) -> Vec<f32> {
    let [width, height] = size;
    let mut row = Vec::with_capacity(channels * REACH * REACH + 1);
    for channel in 0..channels {
        for dy in 0..REACH {
            let y = (at[1] + dy).saturating_sub(REACH / 2).min(height - 1);
            for dx in 0..REACH {
                let x = (at[0] + dx).saturating_sub(REACH / 2).min(width - 1);
                row.push(latent[(channel * height + y) * width + x]);
            }
        }
    }
    row.push(1.0);
    row
}

/// Solves `gram · x = product` for a symmetric positive matrix, by Cholesky's method.
fn solve(mut gram: Vec<f64>, mut product: Vec<f64>, n: usize, columns: usize) -> Vec<f64> {
    for i in 0..n {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| gram[i * n + k] * gram[j * n + k]).sum();
            let rest = gram[i * n + j] - known;
            // The ridge keeps the diagonal away from zero.
            gram[i * n + j] = if i == j {
                rest.max(1e-12).sqrt()
            } else {
                rest / gram[j * n + j]
            };
        }
    }
    for c in 0..columns {
        for i in 0..n {
            let known: f64 = (0..i)
                .map(|k| gram[i * n + k] * product[k * columns + c])
                .sum();
            product[i * columns + c] = (product[i * columns + c] - known) / gram[i * n + i];
        }
        for i in (0..n).rev() {
            let known: f64 = (i + 1..n)
                .map(|k| gram[k * n + i] * product[k * columns + c])
                .sum();
            product[i * columns + c] = (product[i * columns + c] - known) / gram[i * n + i];
        }
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equations_are_solved() {
        // [[4, 2], [2, 3]] · [[1, -1], [2, 0.5]]
        let solved = solve(vec![4.0, 2.0, 2.0, 3.0], vec![8.0, -3.0, 8.0, -0.5], 2, 2);
        for (found, wanted) in solved.iter().zip([1.0, -1.0, 2.0, 0.5]) {
            assert!((found - wanted).abs() < 1e-12);
        }
    }

    #[test]
    fn the_device_computes_the_same_picture() {
        let (channels, factor) = (4, 2);
        let count = 3 * factor * factor * (channels * REACH * REACH + 1);
        let weights = TorchGenerator::new(3).normals(count);
        let decoder = PreviewDecoder {
            channels,
            factor,
            weights: weights.into_iter().map(|weight| weight * 0.1).collect(),
            secs_per_latent: 1e-3,
        };
        let device = Device::flex();
        let latents = TorchGenerator::new(4).normals(channels * 5 * 7);
        let latents = Tensor::from_data(TensorData::new(latents, [1, channels, 5, 7]), &device);
        let picture = decoder.picture(latents.clone()).unwrap();
        let planes = decoder.planes(latents);
        assert_eq!(planes.dims(), [1, 3, 10, 14]);
        let same = thumbnail(planes.clone(), 14).unwrap();
        assert_eq!(same.dimensions(), picture.dimensions());
        for (a, b) in same.as_raw().iter().zip(picture.as_raw()) {
            assert!(a.abs_diff(*b) <= 1);
        }
        assert_eq!(thumbnail(planes.clone(), 7).unwrap().dimensions(), (7, 5));
        assert!(decoder.affords_decoder(&planes, 1.0));
        assert!(!decoder.affords_decoder(&planes, 0.1));
    }

    #[test]
    fn examples_have_unit_variance_and_grow_smoother() {
        let rough = |values: &[f32]| -> f32 {
            values
                .windows(2)
                .map(|pair| (pair[1] - pair[0]).powi(2))
                .sum()
        };
        let examples: Vec<_> = (0..EXAMPLES).map(|k| example(4, k)).collect();
        for pair in examples.windows(2) {
            assert!(rough(&pair[1]) < rough(&pair[0]));
        }
    }
}
