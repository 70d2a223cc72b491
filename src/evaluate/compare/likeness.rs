//! How alike two pictures of one size are.

use image::RgbImage;
use serde::Serialize;

use crate::pixels::psnr_db;

/// Pixels of the window that structure is looked at through, on a side.
const WINDOW: usize = 11;
/// Its standard deviation in pixels.
const SIGMA: f64 = 1.5;

/// The mean over pairs, and how much they differ.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub deviation: f64,
}

impl Spread {
    /// Of some numbers; `None` of none.
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
        (!values.is_empty()).then_some(Self {
            mean,
            deviation: variance.sqrt(),
        })
    }
}

/// The peak signal-to-noise ratio in dB over all three channels; equal pictures have
/// 78 instead of infinitely many.
pub fn psnr(a: &RgbImage, b: &RgbImage) -> f64 {
    let pairs = a.as_raw().iter().zip(b.as_raw());
    let squares: f64 = pairs.map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
    psnr_db(squares / a.as_raw().len().max(1) as f64)
}

/// Structural similarity (Wang et al. 2004), a Gaussian window of 11 pixels, the mean
/// of the channels, where the window lies inside; 1 for equal pictures. `None` where
/// it lies nowhere.
///
/// As `structural_similarity` of scikit-image with `gaussian_weights` and without
/// `use_sample_covariance`.
pub fn ssim(a: &RgbImage, b: &RgbImage) -> Option<f64> {
    let (width, height) = (a.width() as usize, a.height() as usize);
    if width < WINDOW || height < WINDOW || a.dimensions() != b.dimensions() {
        return None;
    }
    let (c1, c2) = ((0.01_f64 * 255.0).powi(2), (0.03_f64 * 255.0).powi(2));
    let mut sum = 0.0;
    let mut count = 0;
    for channel in 0..3 {
        let plane = |of: &RgbImage| -> Vec<f64> {
            let values = of.as_raw().iter().skip(channel).step_by(3);
            values.map(|byte| f64::from(*byte)).collect()
        };
        let (x, y) = (plane(a), plane(b));
        let blurred = |of: &dyn Fn(f64, f64) -> f64| {
            let values: Vec<f64> = x.iter().zip(&y).map(|(x, y)| of(*x, *y)).collect();
            blur(&values, width, height)
        };
        let (mean_x, mean_y) = (blurred(&|x, _| x), blurred(&|_, y| y));
        let (xx, yy) = (blurred(&|x, _| x * x), blurred(&|_, y| y * y));
        let xy = blurred(&|x, y| x * y);
        for (at, (x, y)) in mean_x.iter().zip(&mean_y).enumerate() {
            let (var_x, var_y) = (xx[at] - x * x, yy[at] - y * y);
            let both = xy[at] - x * y;
            let top = (2.0 * x * y + c1) * (2.0 * both + c2);
            sum += top / ((x * x + y * y + c1) * (var_x + var_y + c2));
        }
        count += mean_x.len();
    }
    Some(sum / count as f64)
}

/// Under the Gaussian window, where it lies inside.
fn blur(values: &[f64], width: usize, height: usize) -> Vec<f64> {
    let middle = (WINDOW / 2) as f64;
    let weight = |at: usize| (-0.5 * ((at as f64 - middle) / SIGMA).powi(2)).exp();
    let sum: f64 = (0..WINDOW).map(weight).sum();
    let weights: Vec<f64> = (0..WINDOW).map(|at| weight(at) / sum).collect();
    let (inner, rows) = (width + 1 - WINDOW, height + 1 - WINDOW);
    let across = values.chunks(width).flat_map(|row| {
        let windows = row.windows(WINDOW);
        windows.map(|window| window.iter().zip(&weights).map(|(x, w)| x * w).sum::<f64>())
    });
    let across: Vec<f64> = across.collect();
    let down = |at: usize| -> f64 {
        let taps = weights.iter().enumerate();
        taps.map(|(tap, w)| w * across[at + tap * inner]).sum()
    };
    (0..rows * inner).map(down).collect()
}
