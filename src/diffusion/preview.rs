//! Quick pictures of unfinished latents.
//!
//! A decoder costs as much as several steps of a denoiser, too much to run at
//! each of them. Near the latents that models make it is almost linear, so a
//! linear map from the 3 × 3 latents around each place to the pixels of that
//! place, fitted once to what the decoder itself says, shows the same picture
//! a little blurred in a thousandth of the time. Small decoders are less linear
//! and cost little: where that is so, the decoder itself is run.

use burn::tensor::module::avg_pool2d;
use burn::tensor::ops::{AvgPoolOptions, PadMode};
use burn::tensor::{Device, Tensor, TensorData};
use image::RgbImage;
use serde::{Deserialize, Serialize};

use super::DiffusionError;
use super::tensors::{host, rgb_from_tensor};
use super::torch_random::TorchGenerator;
use crate::model::weights::Fingerprint;
use crate::model::{FirstStage, LatentInfo};
use crate::nn::ops;
use crate::pixels;

/// Sides of the neighbourhood of a latent.
const REACH: usize = 3;
/// Sides of the latents that the map is fitted to.
const SIDE: usize = 20;
/// Pictures that the map is fitted to: the cells of their grid along a side, and
/// whether its borders are soft.
const EXAMPLES: [[usize; 2]; 4] = [[3, 1], [5, 0], [8, 1], [11, 0]];
/// Keeps the fit from following what the few examples say of rare latents.
const RIDGE: f64 = 1e-3;

/// Most work that the decoder may do at each step, as a share of the step's own.
const MOST_SHARE: f64 = 0.6;

/// Multiply-adds that any processor does at a glance, whatever a step takes.
const GLANCE_WORK: f64 = 2e9;

/// Whether steps of so much work leave room for that of the decoder itself.
pub(super) fn affords_decoder(decoder_work: f64, step_work: f64) -> bool {
    decoder_work <= (MOST_SHARE * step_work).max(GLANCE_WORK)
}

/// What a fitted map is remembered as. Another number for maps that are made otherwise.
const NAME: &str = "preview 1";

/// A linear stand-in for a decoder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct PreviewDecoder {
    channels: usize,
    factor: usize,
    /// For each pixel of a place and each colour, the weights of the
    /// neighbourhood and a constant.
    weights: Vec<f32>,
}

impl PreviewDecoder {
    /// The map for a decoder: as it is remembered of the files of its weights, or fitted.
    ///
    /// # Errors
    /// As [`Self::fit`].
    pub fn of(
        first_stage: &dyn FirstStage,
        device: &Device,
        files: Option<&Fingerprint>,
    ) -> Result<Self, DiffusionError> {
        if let Some(known) = Self::recalled(first_stage.info(), files) {
            return Ok(known);
        }
        let fitted = Self::fit(first_stage, device)?;
        // A map that is no number says nothing, and JSON has no word for it.
        if let Some(files) = files.filter(|_| fitted.weights.iter().all(|it| it.is_finite())) {
            files.remember(NAME, &fitted);
        }
        Ok(fitted)
    }

    /// The map as it is remembered of the files of the weights of a decoder for such latents.
    pub fn recalled(latents: LatentInfo, files: Option<&Fingerprint>) -> Option<Self> {
        let LatentInfo { channels, factor } = latents;
        let features = channels * REACH * REACH + 1;
        let suits = |it: &Self| {
            (it.channels, it.factor) == (channels, factor)
                && it.weights.len() == 3 * factor * factor * features
        };
        files?.recall::<Self>(NAME).filter(suits)
    }

    /// Fits the map to a decoder.
    ///
    /// # Errors
    /// If the device does not hand over what was decoded.
    pub fn fit(first_stage: &dyn FirstStage, device: &Device) -> Result<Self, DiffusionError> {
        let LatentInfo { channels, factor } = first_stage.info();
        let side = SIDE * factor;
        let count = EXAMPLES.len();
        let pictures: Vec<f32> = EXAMPLES
            .iter()
            .flat_map(|cells| example(side, *cells))
            .collect();
        let shape = [count, 3, side, side];
        let pictures = Tensor::<4>::from_data(TensorData::new(pictures, shape), device);
        let likeliest = first_stage.likeliest_latents(pictures);
        let latents = host(likeliest.clone())?;
        let decoded = host(first_stage.to_pictures(likeliest))?;

        let features = channels * REACH * REACH + 1;
        let outputs = 3 * factor * factor;
        let mut gram = vec![0.0_f64; features * features];
        let mut product = vec![0.0_f64; features * outputs];
        for k in 0..count {
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
        let places = (count * SIDE * SIDE) as f64;
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
        })
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
        Ok(pixels::picture(&planes, width * factor, height * factor))
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
    rgb_from_tensor(small)
}

/// A picture of random colours in [-1, 1], as three planes: a grid of few or
/// many, with hard or soft borders. Latents drawn at random instead, which no
/// picture has, would teach the map wrong colours.
fn example(side: usize, [cells, soft]: [usize; 2]) -> Vec<f32> {
    let colours: Vec<f32> = TorchGenerator::new(cells as u64)
        .normals(3 * cells * cells)
        .into_iter()
        .map(|value| (1.5 * value).tanh())
        .collect();
    // Where a pixel lies between two cells: the first one, and how far from it.
    let between = |at: usize| -> (usize, f32) {
        if soft == 0 {
            return (at * cells / side, 0.0);
        }
        let place = at as f32 * (cells - 1) as f32 / (side - 1).max(1) as f32;
        let cell = (place as usize).min(cells - 2);
        (cell, place - cell as f32)
    };
    let mut planes = Vec::with_capacity(3 * side * side);
    for plane in colours.chunks_exact(cells * cells) {
        for y in 0..side {
            let (row, down) = between(y);
            for x in 0..side {
                let (column, across) = between(x);
                let near = |dx: usize, dy: usize| {
                    let row = (row + dy).min(cells - 1);
                    plane[row * cells + (column + dx).min(cells - 1)]
                };
                let above = near(0, 0) * (1.0 - across) + near(1, 0) * across;
                let below = near(0, 1) * (1.0 - across) + near(1, 1) * across;
                planes.push(above * (1.0 - down) + below * down);
            }
        }
    }
    planes
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
        assert_eq!(thumbnail(planes, 7).unwrap().dimensions(), (7, 5));
    }

    #[test]
    fn the_decoder_shows_steps_where_it_is_cheap() {
        // 512 pixels of Stable Diffusion with guidance, and Storybook's 64 pixels.
        assert!(!affords_decoder(1.24e12, 2.0 * 3.39e11));
        assert!(affords_decoder(1e9, 1e8));
        assert!(affords_decoder(5e11, 1e12));
    }

    #[test]
    fn examples_are_pictures_with_hard_or_soft_borders() {
        for cells in EXAMPLES {
            let side = 40;
            let picture = example(side, cells);
            assert_eq!(picture.len(), 3 * side * side);
            assert!(picture.iter().all(|value| value.abs() <= 1.0));
            let steps = picture[..side].windows(2).map(|pair| pair[1] - pair[0]);
            let flat = steps.filter(|step| *step == 0.0).count();
            assert_eq!(flat > side / 2, cells[1] == 0, "{cells:?}");
        }
    }
}
