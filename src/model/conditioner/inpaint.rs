//! A picture and the part of it that is painted anew, as two groups of channels:
//! the mask at the size of the latents, and the latents of the picture without
//! that part (Rombach et al. 2022, §4.5).

use burn::tensor::{Tensor, TensorData};

use super::{Asked, Bench, Conditioner, Conditioning, MaskPlanes};
use crate::model::LatentInfo;
use crate::recipe::MaskConvention;

/// The mask, one channel.
pub const MASK: &str = "mask";
/// The latents of the picture without its masked part.
pub const MASKED_IMAGE: &str = "masked_image";

/// The groups of channels that masks give, with their numbers.
pub fn groups(latents: LatentInfo) -> Vec<(&'static str, usize)> {
    vec![(MASK, 1), (MASKED_IMAGE, latents.channels)]
}

/// A mask and the latents of the picture without its masked part, as plain numbers.
#[derive(Clone, Debug, Default)]
pub struct MaskedLatent {
    /// 1 where it is painted anew, at the size of the latent.
    pub mask: Vec<f32>,
    /// The latent of the picture with that part greyed out.
    pub latent: Vec<f32>,
}

/// Tells the denoiser of masks.
#[derive(Clone, Copy, Debug)]
pub struct InpaintMask {
    convention: MaskConvention,
}

impl InpaintMask {
    /// For a denoiser that understands masks so.
    pub fn new(convention: MaskConvention) -> Self {
        Self { convention }
    }

    /// Adds a group of channels by its name, as the denoiser wants it; nothing for
    /// names of others.
    pub fn push(&self, name: &str, masked: &MaskedLatent, input: &mut Vec<f32>) {
        match name {
            MASK => input.extend(
                masked
                    .mask
                    .iter()
                    .map(|number| self.convention.number(*number)),
            ),
            MASKED_IMAGE => input.extend_from_slice(&masked.latent),
            _ => {}
        }
    }

    fn channels(
        &self,
        picture: Tensor<4>,
        mask: &MaskPlanes,
        bench: &mut Bench<'_>,
    ) -> Conditioning {
        let [width, height] = mask.size_px;
        let plane = |values: Vec<f32>, height, width| {
            Tensor::from_data(TensorData::new(values, [1, 1, height, width]), bench.device)
        };
        let numbers = mask
            .latent
            .iter()
            .map(|number| self.convention.number(*number));
        let small = plane(numbers.collect(), height / mask.factor, width / mask.factor);
        let around = |picture: Tensor<4>| {
            let kept = plane(mask.kept.clone(), height, width);
            let hole = (1.0 - kept.clone()) * self.convention.hole();
            picture * kept + hole
        };
        let stage = bench.first_stage;
        let latents = match self.convention {
            // The first stage stands there as it is, and draws nothing.
            MaskConvention::Signed => stage.likeliest_unscaled(around(picture)),
            MaskConvention::KeptLatents => stage.to_latents(picture, bench.noise) * small.clone(),
            MaskConvention::OneIsRepainted | MaskConvention::OneIsKept => {
                stage.to_latents(around(picture), bench.noise)
            }
        };
        Conditioning {
            concat: vec![(MASK, small), (MASKED_IMAGE, latents)],
            ..Conditioning::default()
        }
    }
}

impl Conditioner for InpaintMask {
    fn encode(&self, asked: &Asked<'_>, bench: &mut Bench<'_>) -> Option<Conditioning> {
        let Asked::Mask { picture, mask } = asked else {
            return None;
        };
        Some(self.channels((*picture).clone(), mask, bench))
    }

    /// All of a picture of which nothing is known is painted.
    fn nothing(&self, bench: &mut Bench<'_>) -> Conditioning {
        let [width, height] = bench.size_px;
        let picture = Tensor::zeros([1, 3, height, width], bench.device);
        let mask = MaskPlanes::whole(bench.size_px, bench.first_stage.info().factor);
        self.channels(picture, &mask, bench)
    }

    fn groups(&self, latents: LatentInfo) -> Vec<(&'static str, usize)> {
        groups(latents)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::model::{FirstStage as _, ModelFolder};

    fn numbers(tensor: Tensor<4>) -> Vec<f32> {
        tensor.into_data().try_to_vec().expect("numbers")
    }

    /// Training tells the denoiser in plain numbers what painting tells it in
    /// tensors. It once turned no mask round, so that models for which 1 is kept
    /// were trained on the wrong part.
    #[test]
    fn painting_and_training_say_the_same_in_both_conventions() {
        let device = Device::flex();
        let folder = ModelFolder::open("tests/data/reference/inpaint-tiny").expect("a model");
        let first_stage = folder.load_autoencoder(&device).expect("an autoencoder");
        let mask = MaskPlanes::new([16, 16], 4, |x, _| x < 8);
        let picture = Tensor::<4>::ones([1, 3, 16, 16], &device) * 0.5;
        let erased = TensorData::new(mask.erase(&[0.5; 768], 0.0), [1, 3, 16, 16]);
        let latents = first_stage.likeliest_latents(Tensor::from_data(erased, &device));
        let masked = MaskedLatent {
            mask: mask.latent.clone(),
            latent: numbers(latents),
        };
        for (convention, first) in [
            (MaskConvention::OneIsRepainted, 1.0),
            (MaskConvention::OneIsKept, 0.0),
        ] {
            let conditioner = InpaintMask::new(convention);
            let mut bench = Bench {
                first_stage: &first_stage,
                size_px: [16, 16],
                noise: &mut |shape| Tensor::zeros(shape, &device),
                device: &device,
            };
            let asked = Asked::Mask {
                picture: &picture,
                mask: &mask,
            };
            let told = conditioner.encode(&asked, &mut bench).expect("a mask");
            assert_eq!(told.concat.len(), 2);
            for (name, channels) in told.concat {
                let mut pushed = Vec::new();
                conditioner.push(name, &masked, &mut pushed);
                assert_eq!(numbers(channels), pushed, "{name}");
                assert!(name != MASK || pushed[0] == first);
            }
            // Without a mask everything is painted.
            let (name, whole) = conditioner.nothing(&mut bench).concat.swap_remove(0);
            assert_eq!(name, MASK);
            assert!(numbers(whole).iter().all(|number| *number == first));
        }
    }
}
