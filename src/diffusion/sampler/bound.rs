//! What keeps predicted clean samples within bounds.

use burn::tensor::Tensor;

/// How the clean samples that a step sees are bounded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::diffusion) enum Bound {
    /// Not at all.
    #[default]
    Free,
    /// To a magnitude.
    Clipped(f64),
    /// By dynamic thresholds (Saharia et al. 2022, <https://arxiv.org/abs/2205.11487>, §2.3):
    /// each picture to the magnitude below which a share of its own numbers lie, but at least
    /// 1 and at most `most`, and divided by that.
    Dynamic { share: f64, most: f64 },
}

impl Bound {
    /// The same clean samples within the bounds.
    ///
    /// # Shapes
    /// `[pictures, channels, h, w]`; the result too.
    pub fn keep(self, x0: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Free => x0,
            Self::Clipped(range) => x0.clamp(-range, range),
            Self::Dynamic { share, most } => {
                let pictures = x0.dims()[0];
                let pictures = (0..pictures).map(|at| {
                    let picture = x0.clone().narrow(0, at, 1);
                    let threshold = quantile(&picture, share).max(1.0).min(most);
                    picture.clamp(-threshold, threshold) / threshold
                });
                Tensor::cat(pictures.collect(), 0)
            }
        }
    }
}

/// The magnitude below which a share of a tensor's numbers lie, between two of them by linear
/// interpolation, as `torch.quantile` has it.
fn quantile(values: &Tensor<4>, share: f64) -> f64 {
    let data = values.clone().abs().into_data();
    let mut sizes: Vec<f32> = data.try_into_vec_as().unwrap_or_default();
    let Some(last) = sizes.len().checked_sub(1) else {
        return 0.0;
    };
    // In f32, as there.
    let place = share as f32 * last as f32;
    let (below, part) = (place.floor() as usize, f64::from(place.fract()));
    let (_, low, above) = sizes.select_nth_unstable_by(below.min(last), f32::total_cmp);
    let low = f64::from(*low);
    let next = above.iter().copied().min_by(f32::total_cmp);
    next.map_or(low, |high| low + part * (f64::from(high) - low))
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    fn pictures(values: &[f32]) -> Tensor<4> {
        let shape = [values.len() / 4, 1, 2, 2];
        Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::flex())
    }

    /// By torch.quantile of the magnitudes.
    #[test]
    fn quantiles_lie_between_numbers() {
        let values = pictures(&[-3.0, 0.5, 2.0, -1.0]);
        for (share, wanted) in [
            (0.0, 0.5),
            (0.25, 0.875),
            (0.5, 1.5),
            (0.9, 2.7),
            (0.995, 2.985),
            (1.0, 3.0),
        ] {
            let found = quantile(&values, share);
            assert!((found - wanted).abs() < 1e-5, "{share}: {found}");
        }
    }

    #[test]
    fn each_picture_has_a_threshold_of_its_own() {
        let bound = Bound::Dynamic {
            share: 0.5,
            most: 4.0,
        };
        let kept = bound.keep(pictures(&[
            -3.0, 0.5, 2.0, -1.0, 0.1, -0.2, 0.3, -2.0, 9.0, -9.0, 2.0, 9.0,
        ]));
        let found: Vec<f32> = kept.into_data().try_into_vec_as().expect("numbers");
        let wanted = [
            [-1.0, 1.0 / 3.0, 1.0, -2.0 / 3.0],
            // No less than 1, and no more than 4.
            [0.1, -0.2, 0.3, -1.0],
            [1.0, -1.0, 0.5, 1.0],
        ];
        for (found, wanted) in found.iter().zip(wanted.as_flattened()) {
            assert!((found - wanted).abs() < 1e-6, "{found} {wanted}");
        }
    }
}
