//! The whole picture in small, as channels beside the latents (Rombach et al. 2022,
//! §4.4): of it the denoiser makes a larger one.

use burn::tensor::Tensor;

use super::{Asked, Bench, Conditioner, Conditioning};
use crate::model::LatentInfo;
use crate::nn::ops;

/// The small picture, and a channel that says whether there is one.
pub const LOW_RESOLUTION: &str = "low_resolution";

/// The groups of channels that small pictures give, with their numbers. `factor` is
/// how often their side goes into that of the large one; where they are needed, no
/// channel says whether there is one.
pub fn groups(factor: usize, is_needed: bool, latents: LatentInfo) -> Vec<(&'static str, usize)> {
    let said = usize::from(!is_needed);
    vec![(LOW_RESOLUTION, 3 * block(factor, latents).pow(2) + said)]
}

fn block(factor: usize, latents: LatentInfo) -> usize {
    latents.factor / factor.max(1)
}

/// Tells the denoiser of small pictures.
#[derive(Clone, Copy, Debug)]
pub struct SmallPicture {
    factor: usize,
    is_needed: bool,
}

impl SmallPicture {
    /// For pictures whose side is a `factor`-th of what is painted. To models that paint
    /// from nothing else, for which they are needed, no channel says that there is one.
    pub fn new(factor: usize, is_needed: bool) -> Self {
        Self { factor, is_needed }
    }

    /// Pixels of the small picture per side of a latent's place.
    pub fn block(self, latents: LatentInfo) -> usize {
        block(self.factor, latents)
    }

    /// The channels of small pictures.
    ///
    /// # Shapes
    /// `[batch, 3, height, width]` to `[batch, 3 c² + 1, height / c, width / c]`, where
    /// c is the factor of the latents over that of the pictures; 3 c² where they are needed.
    pub fn channels(self, pictures: Tensor<4>, latents: LatentInfo) -> Tensor<4> {
        let blocks = ops::pixel_unshuffle(pictures, self.block(latents));
        if self.is_needed {
            return blocks;
        }
        let [batch, _, rows, columns] = blocks.dims();
        let is_there = Tensor::ones([batch, 1, rows, columns], &blocks.device());
        Tensor::cat(vec![blocks, is_there], 1)
    }
}

impl Conditioner for SmallPicture {
    fn encode(&self, asked: &Asked<'_>, bench: &mut Bench<'_>) -> Option<Conditioning> {
        let Asked::LowResolution { picture } = *asked else {
            return None;
        };
        let channels = self.channels(picture.clone(), bench.first_stage.info());
        Some(Conditioning {
            concat: vec![(LOW_RESOLUTION, channels)],
            ..Conditioning::default()
        })
    }

    fn nothing(&self, bench: &mut Bench<'_>) -> Conditioning {
        bench.zeros(&groups(
            self.factor,
            self.is_needed,
            bench.first_stage.info(),
        ))
    }

    fn groups(&self, latents: LatentInfo) -> Vec<(&'static str, usize)> {
        groups(self.factor, self.is_needed, latents)
    }
}
