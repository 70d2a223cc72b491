//! Words that act in parts of a picture, with any network that attends to words and
//! without any training.
//!
//! The common context is attended to everywhere, and each region's own context beside
//! it. What both say is mixed place by place, as in the attention mode of the Regional
//! Prompter with its base ratio
//! (<https://github.com/hako-mikuru/sd-webui-regional-prompter>) and in ComfyUI's
//! Attention Couple (<https://github.com/laksjdjf/attention-couple-ComfyUI>). With s_r(p)
//! the share in which region r acts at place p, and β = [`BASE_RATIO`]:
//!
//! n_r(p) = (1 − β) s_r(p) / max(1, Σ s(p))
//!
//! out(p) = (1 − Σ n(p)) · attention(p, common) + Σ n_r(p) · attention(p, context of r)
//!
//! So regions that overlap are averaged by their shares, and where there is none the
//! network does what it always did.

use burn::tensor::Tensor;

use super::levels::Levels;

/// What the common context counts inside of regions, and the default of both programs.
pub const BASE_RATIO: f64 = 0.2;

/// Contexts that act in parts of a map.
#[derive(Clone, Debug)]
pub struct Regions {
    /// # Shapes
    /// `[regions, keys, context width]`.
    tokens: Tensor<3>,
    /// What each context counts at each place, n.
    ///
    /// # Shapes
    /// `[regions, height · width, 1]`.
    levels: Levels<3>,
}

impl Regions {
    /// Contexts, and the share from 0 to 1 in which each acts at every place of the
    /// highest resolution. At lower ones it is the mean of the area.
    ///
    /// # Shapes
    /// `tokens`: `[regions, keys, context width]`; `shares`: `[1, regions, height, width]`.
    pub fn new(tokens: Tensor<3>, shares: Tensor<4>) -> Self {
        Self {
            tokens,
            levels: Levels::new(shares, counted),
        }
    }

    /// The contexts.
    ///
    /// # Shapes
    /// `[regions, keys, context width]`.
    pub(super) fn tokens(&self) -> &Tensor<3> {
        &self.tokens
    }

    /// What each counts at each place of a map of a height and width; `None` for a map
    /// that is no halving of the first.
    ///
    /// # Shapes
    /// `[regions, height · width, 1]`.
    pub(super) fn at(&self, size: [usize; 2]) -> Option<&Tensor<3>> {
        self.levels.at(size)
    }
}

/// n of s.
fn counted(shares: Tensor<4>) -> Tensor<3> {
    let [_, regions, height, width] = shares.dims();
    let most = shares.clone().sum_dim(1).clamp_min(1.0);
    let counted = shares / most * (1.0 - BASE_RATIO);
    counted.reshape([regions, height * width, 1])
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    #[test]
    fn regions_that_overlap_share_their_places() {
        let shares = [1.0, 1.0, 0.0, 0.0, 1.0, 0.5, 0.0, 0.0_f32];
        let shares = TensorData::new(shares.to_vec(), [1, 2, 2, 2]);
        let device = Device::flex();
        let shares = Tensor::from_data(shares, &device);
        let regions = Regions::new(Tensor::zeros([2, 1, 1], &device), shares);
        let at = |size| -> Vec<f32> {
            let counted = regions.at(size).expect("a level").clone();
            counted.into_data().try_to_vec().expect("numbers")
        };
        let near = |found: Vec<f32>, wanted: &[f32]| {
            let close = found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-6);
            assert!(close && found.len() == wanted.len(), "{found:?}");
        };
        near(
            at([2, 2]),
            &[0.4, 0.8 / 1.5, 0.0, 0.0, 0.4, 0.4 / 1.5, 0.0, 0.0],
        );
        near(at([1, 1]), &[0.4, 0.3]);
        assert!(regions.at([4, 4]).is_none());
    }
}
