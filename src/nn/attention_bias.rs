//! Tokens that are heard more in some parts of a picture than in others, by any network
//! that attends to them and without any training.
//!
//! A number for each place and token is added to what the place's attention makes of the
//! token before the softmax, as in paint-with-words of eDiff-I (Balaji et al. 2022,
//! <https://arxiv.org/abs/2211.01324>, section 5):
//!
//! attention = softmax(Q Kᵀ / √d + A) V

use burn::tensor::Tensor;

use super::levels::Levels;

/// What is added to the logits of an attention.
#[derive(Clone, Debug)]
pub struct AttentionBias {
    /// # Shapes
    /// `[rows, 1, height · width, keys]`.
    levels: Levels<4>,
}

impl AttentionBias {
    /// What is added for each key at every place of the highest resolution, in the last of
    /// so many rows; nothing is in the others. At lower resolutions it is the mean of the
    /// area.
    ///
    /// # Shapes
    /// `added`: `[1, keys, height, width]`.
    pub fn new(added: Tensor<4>, rows: usize) -> Self {
        let levels = Levels::new(added, |added| {
            let [_, keys, height, width] = added.dims();
            let places = height * width;
            let last: Tensor<4> = added
                .reshape([1, keys, places])
                .swap_dims(1, 2)
                .reshape([1, 1, places, keys]);
            match rows {
                1 => last,
                _ => {
                    let nothing = Tensor::zeros([rows - 1, 1, places, keys], &last.device());
                    Tensor::cat(vec![nothing, last], 0)
                }
            }
        });
        Self { levels }
    }

    /// What is added at the places of a map of a height and width; `None` for a map that
    /// is no halving of the first.
    ///
    /// # Shapes
    /// `[rows, 1, height · width, keys]`.
    pub(super) fn at(&self, size: [usize; 2]) -> Option<&Tensor<4>> {
        self.levels.at(size)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    #[test]
    fn the_last_row_hears_tokens_by_place() {
        let added = [2.0, -2.0, 0.0, 1.0, 0.0, 0.0, 0.0, 4.0_f32];
        let data = TensorData::new(added.to_vec(), [1, 2, 2, 2]);
        let bias = AttentionBias::new(Tensor::from_data(data, &Device::flex()), 2);
        let at = |size| -> Vec<f32> {
            let level = bias.at(size).expect("a level").clone();
            level.into_data().try_to_vec().expect("numbers")
        };
        assert_eq!(
            at([2, 2]),
            [
                0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0, -2.0, 0.0, 0.0, 0.0, 1.0, 4.0
            ]
        );
        assert_eq!(at([1, 1]), [0.0, 0.0, 0.25, 1.0]);
        assert!(bias.at([4, 4]).is_none());
    }
}
