//! The pictures of a pass, and how much each of their places counts.

use burn::tensor::{Tensor, TensorData};

use crate::train::loader::planes;
use crate::train::source::Sample;

/// A batch of pictures.
pub(super) struct Shown {
    /// Their pixels in [-1, 1].
    pub values: Vec<f32>,
    /// How much each pixel counts, 1 in the mean; empty where all count alike.
    pub weights: Vec<f32>,
}

impl Shown {
    /// The pictures; what a caption names counts `object_weight` times as much as
    /// the rest.
    pub fn new(samples: &[Sample], object_weight: f32) -> Self {
        let values = planes(samples);
        if object_weight == 1.0 {
            return Self {
                values,
                weights: Vec::new(),
            };
        }
        let mut weights = Vec::with_capacity(values.len() / 3);
        for sample in samples {
            let own = sample.weights(1, object_weight);
            let area = (sample.rgb.width() * sample.rgb.height()) as usize;
            weights.extend(if own.is_empty() { vec![1.0; area] } else { own });
        }
        let mean = weights.iter().sum::<f32>() / weights.len().max(1) as f32;
        for weight in &mut weights {
            *weight /= mean;
        }
        Self { values, weights }
    }

    /// Multiplies what was found at each place by how much it counts.
    ///
    /// # Shapes
    /// `[batch, channels, height, width]`, as the pictures.
    pub fn weigh(&self, found: Tensor<4>) -> Tensor<4> {
        if self.weights.is_empty() {
            return found;
        }
        let [count, _, height, width] = found.dims();
        let weights = TensorData::new(self.weights.clone(), [count, 1, height, width]);
        let weights = Tensor::from_data(weights, &found.device());
        found * weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_count_more_and_all_together_as_before() {
        let plain = Sample {
            rgb: image::RgbImage::new(8, 8),
            caption: String::new(),
            objects: Vec::new(),
            known: Default::default(),
        };
        let mut with_thing = plain.clone();
        // The middles of four by two pixels lie in it.
        with_thing.objects.push([2.0, 4.0, 4.0, 2.0]);
        assert!(Shown::new(&[with_thing.clone()], 1.0).weights.is_empty());
        let shown = Shown::new(&[plain, with_thing], 5.0);
        assert_eq!(
            (shown.values.len(), shown.weights.len()),
            (2 * 3 * 64, 2 * 64)
        );
        let heavy = |weights: &[f32]| weights.iter().filter(|w| **w > 1.0).count();
        assert_eq!(heavy(&shown.weights[..64]), 0);
        assert_eq!(heavy(&shown.weights[64..]), 8);
        assert!(shown.weights[64 + 4 * 8 + 2] > 4.9 * shown.weights[0]);
        let mean = shown.weights.iter().sum::<f32>() / 128.0;
        assert!((mean - 1.0).abs() < 1e-5, "{mean}");
    }
}
