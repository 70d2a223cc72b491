//! Means and covariances of features, gathered as pictures come, and how far two of
//! them are apart.

use burn::tensor::{DType, Device, Tensor, TensorData};

use super::matrix::Matrix;
use crate::evaluate::EvaluateError;

/// Rows that are added at a time.
const TOGETHER: usize = 128;

/// The normal distribution that features are taken to have.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// Mean of each feature.
    pub mean: Vec<f64>,
    /// Covariances, for samples: divided by one less than there are.
    pub covariance: Matrix,
    /// Pictures that were seen; `None` where a file does not say.
    pub count: Option<u64>,
}

impl Distribution {
    /// Fréchet's distance of two normal distributions (Heusel et al. 2017,
    /// <https://arxiv.org/abs/1706.08500>):
    /// |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 √(Σ₁ Σ₂)).
    ///
    /// The eigenvalues of Σ₁ Σ₂ are the squares of the singular values of L₁ᵀ L₂, where
    /// L · Lᵀ = Σ: nothing is complex, and dimensions that few pictures do not reach
    /// add no noise.
    ///
    /// # Errors
    /// When one of them is none, or they are not of the same features.
    pub fn distance(&self, other: &Self) -> Result<f64, EvaluateError> {
        if self.mean.len() != other.mean.len() {
            return Err(EvaluateError::OtherFeatures(
                self.mean.len(),
                other.mean.len(),
            ));
        }
        let root = |of: &Self| of.covariance.root().ok_or(EvaluateError::NoCovariance);
        let between = root(self)?.turned_times(&root(other)?)?;
        let squares = if between.rows <= between.columns {
            between.times_turned(&between)?
        } else {
            between.turned_times(&between)?
        };
        let squares = squares.eigenvalues().ok_or(EvaluateError::NoCovariance)?;
        let shared: f64 = squares.iter().map(|square| square.max(0.0).sqrt()).sum();
        let means = self.mean.iter().zip(&other.mean);
        let apart: f64 = means.map(|(a, b)| (a - b).powi(2)).sum();
        let distance = apart + self.covariance.trace() + other.covariance.trace() - 2.0 * shared;
        let distance = Some(distance).filter(|it| it.is_finite());
        distance.ok_or(EvaluateError::NoCovariance)
    }
}

/// Gathers a [`Distribution`]; the memory that it takes does not grow with the number
/// of pictures.
#[derive(Debug)]
pub struct Moments {
    count: u64,
    mean: Vec<f64>,
    /// Sum of the products of differences from the mean.
    scatter: Matrix,
    waiting: Vec<f32>,
}

impl Moments {
    /// Of so many features, before any picture.
    pub fn new(width: usize) -> Self {
        Self {
            count: 0,
            mean: vec![0.0; width],
            scatter: Matrix::zeros(width, width),
            waiting: Vec::new(),
        }
    }

    /// Adds the features of pictures, one after the other.
    ///
    /// # Errors
    /// When the device fails.
    pub fn add(&mut self, rows: &[f32]) -> Result<(), EvaluateError> {
        self.waiting.extend_from_slice(rows);
        if self.waiting.len() >= TOGETHER * self.mean.len() {
            self.merge()?;
        }
        Ok(())
    }

    /// Adds what waits: sums of two parts and the step between their means (Chan et al.
    /// 1983), so that nothing is lost where means are large.
    fn merge(&mut self) -> Result<(), EvaluateError> {
        let width = self.mean.len();
        let rows = std::mem::take(&mut self.waiting);
        let count = rows.len() / width;
        if count == 0 {
            return Ok(());
        }
        let mut mean = vec![0.0; width];
        for row in rows.chunks(width) {
            let sums = mean.iter_mut().zip(row);
            sums.for_each(|(sum, value)| *sum += f64::from(*value) / count as f64);
        }
        let from_mean = rows.iter().enumerate();
        let from_mean = from_mean.map(|(at, value)| f64::from(*value) - mean[at % width]);
        let centred = TensorData::new(from_mean.collect::<Vec<f64>>(), [count, width]);
        let centred = Tensor::<2>::from_data(centred, (&Device::flex(), DType::F64));
        let scatter = centred.clone().transpose().matmul(centred);
        let scatter = scatter.try_into_data().map_err(EvaluateError::device)?;
        let scatter: Vec<f64> = scatter.try_into_vec_as().map_err(EvaluateError::device)?;
        let (old, new) = (self.count as f64, count as f64);
        let step: Vec<f64> = mean.iter().zip(&self.mean).map(|(a, b)| a - b).collect();
        let weight = old * new / (old + new);
        let sums = self.scatter.values.chunks_mut(width);
        for ((sums, more), a) in sums.zip(scatter.chunks(width)).zip(&step) {
            for ((sum, more), b) in sums.iter_mut().zip(more).zip(&step) {
                *sum += more + weight * a * b;
            }
        }
        for (mean, step) in self.mean.iter_mut().zip(&step) {
            *mean += step * new / (old + new);
        }
        self.count += count as u64;
        Ok(())
    }

    /// What came of all of them.
    ///
    /// # Errors
    /// When there were fewer than two.
    pub fn finish(mut self) -> Result<Distribution, EvaluateError> {
        self.merge()?;
        if self.count < 2 {
            return Err(EvaluateError::TooFewPictures(self.count));
        }
        let freedom = (self.count - 1) as f64;
        let mut covariance = self.scatter;
        covariance.values.iter_mut().for_each(|sum| *sum /= freedom);
        Ok(Distribution {
            mean: self.mean,
            covariance,
            count: Some(self.count),
        })
    }
}
