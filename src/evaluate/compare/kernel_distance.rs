//! The kernel distance of two sets of features (Bińkowski et al. 2018,
//! <https://arxiv.org/abs/1801.01401>), as torch-fidelity computes it.

use serde::Serialize;

use super::features::Rows;
use super::matrix::Matrix;
use super::numpy_random::RandomState;
use crate::evaluate::EvaluateError;

/// Subsets that are compared.
const SUBSETS: usize = 100;
/// Pictures of a subset, where there are so many.
const SUBSET: usize = 1000;
/// torch-fidelity's seed.
const SEED: u32 = 2020;

/// Squared maximum mean discrepancy for the kernel (x·y / width + 1)³, without bias.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct KernelDistance {
    /// Mean over subsets; a little below 0 is as good as 0.
    pub mean: f64,
    /// Standard deviation over subsets.
    pub deviation: f64,
    /// Pictures of a subset.
    pub subset: usize,
}

/// The distance; `None` where a set has fewer than two pictures.
///
/// # Errors
/// When the device fails.
pub fn kernel_distance(a: &Rows, b: &Rows) -> Result<Option<KernelDistance>, EvaluateError> {
    let subset = SUBSET.min(a.count()).min(b.count());
    if subset < 2 {
        return Ok(None);
    }
    // All subsets are the same where they take everything.
    let is_whole = subset == a.count() && subset == b.count();
    let mut random = RandomState::new(SEED);
    let mut found = Vec::new();
    for _ in 0..if is_whole { 1 } else { SUBSETS } {
        let x = a.chosen(&random.choice(a.count(), subset));
        let y = b.chosen(&random.choice(b.count(), subset));
        found.push(discrepancy(&x, &y)?);
    }
    let count = found.len() as f64;
    let mean = found.iter().sum::<f64>() / count;
    let variance = found.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
    Ok(Some(KernelDistance {
        mean,
        deviation: variance.sqrt(),
        subset,
    }))
}

fn discrepancy(x: &Matrix, y: &Matrix) -> Result<f64, EvaluateError> {
    let width = x.columns as f64;
    let kernel = |product: f64| (product / width + 1.0).powi(3);
    let sum = |a: &Matrix, b: &Matrix, has_diagonal: bool| -> Result<f64, EvaluateError> {
        let products = a.times_turned(b)?;
        let all: f64 = products.values.iter().map(|value| kernel(*value)).sum();
        let diagonal = products.values.iter().step_by(products.columns + 1);
        let diagonal: f64 = diagonal.map(|value| kernel(*value)).sum();
        Ok(if has_diagonal { all } else { all - diagonal })
    };
    let count = x.rows as f64;
    let own = sum(x, x, false)? + sum(y, y, false)?;
    Ok(own / (count * (count - 1.0)) - 2.0 * sum(x, y, true)? / (count * count))
}
