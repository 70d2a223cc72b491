//! How different two pictures look: by [`Lpips`], where the user has its weights, else
//! judged without a downloaded network.
//!
//! The latter has two halves, both cheap next to an autoencoder:
//! - differences of the slopes of the pictures at full, half and quarter size:
//!   edges must lie where they lie and be as sharp (a Laplacian-pyramid-like term);
//! - differences of the responses of a pyramid of fixed random filters. The
//!   filters of a layer are orthonormal, and responses are divided by their local
//!   strength, as LPIPS does it with learned ones (Zhang et al. 2018,
//!   <https://arxiv.org/abs/1801.03924>): faint textures count as much as strong
//!   ones. Random filters see patterns well enough to punish blur, and have no
//!   licence and no download.

use burn::tensor::ops::AvgPoolOptions;
use burn::tensor::{Device, Tensor, TensorData, activation, module};

use super::TrainError;
use super::random::Purpose;
use crate::model::Lpips;
use crate::nn::ops;
use crate::recipe::TrainSpec;

/// Channels of the layers of the pyramid; each halves the picture.
const WIDTHS: [usize; 3] = [16, 32, 64];
/// Scales at which slopes are compared.
const SCALES: usize = 3;
/// Added to the local strength: responses below its root count as silence.
const SILENCE: f64 = 0.01;
/// Weights of the halves: they are then of the same order on natural errors.
const SLOPES: f64 = 1.0;
const RESPONSES: f64 = 0.5;

/// What judges.
pub(super) enum PerceptualLoss {
    /// What people's answers taught.
    Lpips(Lpips),
    /// Slopes, and responses of fixed filters.
    Filters(Filters),
}

impl PerceptualLoss {
    /// The one that a run is asked for.
    ///
    /// # Errors
    /// If there are weights that cannot be read, or pictures too small for their network.
    pub fn open(spec: &TrainSpec, device: &Device) -> Result<Self, TrainError> {
        Ok(match &spec.perceptual_weights {
            Some(_) if (spec.size_px as usize) < Lpips::LEAST_SIDE_PX => {
                return Err(TrainError::setting(format!(
                    "LPIPS needs pictures of {} pixels and more; choose a larger size, or leave its weights out",
                    Lpips::LEAST_SIDE_PX
                )));
            }
            Some(path) => Self::Lpips(Lpips::open(path, device)?),
            None => Self::Filters(Filters::new(device)),
        })
    }

    /// Mean difference of two batches; gradients reach the first only.
    ///
    /// # Shapes
    /// Both `[batch, 3, height, width]` in [-1, 1]; the result has one number.
    pub fn forward(&self, made: Tensor<4>, wanted: Tensor<4>) -> Tensor<1> {
        match self {
            Self::Lpips(lpips) => lpips.forward(made, wanted).mean(),
            Self::Filters(filters) => filters.forward(made, wanted),
        }
    }
}

/// The fixed filters.
pub(super) struct Filters {
    filters: Vec<Tensor<4>>,
}

impl Filters {
    /// Draws the filters, which are the same in every run.
    pub fn new(device: &Device) -> Self {
        let mut input = 3;
        let mut filters = Vec::new();
        for (layer, output) in WIDTHS.into_iter().enumerate() {
            let values = orthonormal_rows(output, input * 9, layer as u64);
            let data = TensorData::new(values, [output, input, 3, 3]);
            filters.push(Tensor::from_data(data, device));
            input = output;
        }
        Self { filters }
    }

    /// The loss with other filters than its own.
    #[cfg(test)]
    pub fn with(filters: Vec<Tensor<4>>) -> Self {
        Self { filters }
    }

    /// As [`PerceptualLoss::forward`].
    fn forward(&self, made: Tensor<4>, wanted: Tensor<4>) -> Tensor<1> {
        let slopes = slopes(made.clone() - wanted.clone());
        let mut responses: Option<Tensor<1>> = None;
        let (mut made, mut wanted) = (made, wanted);
        for filter in &self.filters {
            made = self.layer(made, filter);
            wanted = self.layer(wanted, filter);
            let difference = (relative(made.clone()) - relative(wanted.clone()))
                .abs()
                .mean();
            responses = Some(match responses {
                Some(sum) => sum + difference,
                None => difference,
            });
        }
        let layers = self.filters.len() as f64;
        match responses {
            Some(sum) => slopes * SLOPES + sum * (RESPONSES / layers),
            None => slopes * SLOPES,
        }
    }

    fn layer(&self, x: Tensor<4>, filter: &Tensor<4>) -> Tensor<4> {
        let x = ops::conv2d(x, filter.clone(), None, 2, [(1, 1); 2]);
        activation::leaky_relu(x, 0.2)
    }
}

/// Responses divided by their strength over all channels at a place.
fn relative(x: Tensor<4>) -> Tensor<4> {
    let strength = (x.clone() * x.clone()).mean_dim(1);
    x * (strength + SILENCE).sqrt().recip()
}

/// Mean slope of a difference of pictures, over several scales.
fn slopes(mut difference: Tensor<4>) -> Tensor<1> {
    let mut sum: Option<Tensor<1>> = None;
    let mut scales = 0.0;
    for scale in 0..SCALES {
        if scale > 0 {
            let options = AvgPoolOptions::new([2, 2]).with_stride([2, 2]);
            difference = module::avg_pool2d(difference, options);
        }
        let [_, _, height, width] = difference.dims();
        if height < 2 || width < 2 {
            break;
        }
        let step = |axis: usize, length: usize| {
            let later = difference.clone().narrow(axis, 1, length - 1);
            (later - difference.clone().narrow(axis, 0, length - 1))
                .abs()
                .mean()
        };
        let slope = step(2, height) + step(3, width);
        sum = Some(match sum {
            Some(sum) => sum + slope,
            None => slope,
        });
        scales += 2.0;
    }
    match sum {
        Some(sum) => sum / scales,
        None => difference.abs().mean(),
    }
}

/// Rows of unit length at right angles to each other, as far as there are
/// dimensions for it.
fn orthonormal_rows(rows: usize, columns: usize, layer: u64) -> Vec<f32> {
    let values = Purpose::Filters.random(0, layer).normals(rows * columns);
    let mut done: Vec<Vec<f32>> = Vec::with_capacity(rows);
    for row in values.chunks_exact(columns) {
        let mut row = row.to_vec();
        // Past the number of dimensions nothing would be left of a row.
        let first = done.len() / columns * columns;
        for other in &done[first..] {
            let product: f32 = row.iter().zip(other).map(|(a, b)| a * b).sum();
            for (value, other) in row.iter_mut().zip(other) {
                *value -= product * other;
            }
        }
        let length = row.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-6);
        done.push(row.iter().map(|x| x / length).collect());
    }
    done.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(values: impl Fn(usize, usize) -> f32) -> Tensor<4> {
        let plane: Vec<f32> = (0..32 * 32).map(|i| values(i / 32, i % 32)).collect();
        let data = TensorData::new(
            [plane.clone(), plane.clone(), plane].concat(),
            [1, 3, 32, 32],
        );
        Tensor::from_data(data, &Device::flex())
    }

    #[test]
    fn pictures_too_small_for_lpips_are_refused() {
        let spec = TrainSpec {
            perceptual_weights: Some("nowhere".into()),
            size_px: 8,
            ..TrainSpec::default()
        };
        let refused = PerceptualLoss::open(&spec, &Device::flex()).err();
        let error = refused.expect("8 pixels are too few").to_string();
        assert!(error.contains("16 pixels and more"), "{error}");
    }

    #[test]
    fn filters_are_orthonormal() {
        let rows = orthonormal_rows(16, 27, 0);
        for i in 0..16 {
            for j in 0..16 {
                let product: f32 = (0..27).map(|k| rows[i * 27 + k] * rows[j * 27 + k]).sum();
                let expected = if i == j { 1.0 } else { 0.0 };
                assert!((product - expected).abs() < 1e-5, "{i} {j} {product}");
            }
        }
    }

    #[test]
    fn blur_is_worse_than_a_change_of_brightness() {
        let loss = Filters::new(&Device::flex());
        let stripes = |x: usize| if (x / 2).is_multiple_of(2) { 0.5 } else { -0.5 };
        let sharp = || picture(|_, x| stripes(x));
        let brighter = picture(|_, x| stripes(x) + 0.1);
        let blurred = picture(|_, x| {
            let at = |x: usize| stripes(x.min(31));
            0.25 * at(x.saturating_sub(1)) + 0.5 * at(x) + 0.25 * at(x + 1)
        });
        let of = |made: Tensor<4>| loss.forward(made, sharp()).into_scalar::<f32>();
        assert_eq!(of(sharp()), 0.0);
        assert!(of(brighter.clone()) > 0.0);
        assert!(of(blurred) > 4.0 * of(brighter));
    }
}
