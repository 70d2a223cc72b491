//! From pictures with captions and masks to what the denoiser sees of them.

use burn::tensor::{Device, Tensor, TensorData};

use super::TrainError;
use super::latent_cache::Footprint;
use super::latent_store::LatentStore;
use super::loader::planes;
use super::masks::PixelMask;
use super::random::Purpose;
use super::source::Sample;
use super::telling::{Tellable, Teller};
use super::tensors::host;
use crate::model::FirstStage;
use crate::model::conditioner::MaskPlanes;
use crate::model::conditioner::inpaint::MaskedLatent;
use crate::random::Random;

/// Values of pictures that go through the autoencoder at a time.
const ENCODED_VALUES: usize = 1 << 21;
/// Least standard deviation of scaled latents that nothing is said of; the most is as far
/// from 1.
const USUAL_DEVIATION: f64 = 1.0 / 3.0;

/// Pixels to latents that suit the denoiser.
pub(super) struct Encoder {
    network: Box<dyn FirstStage>,
    device: Device,
    size: usize,
    seed: u64,
    /// Whether the factor of `network` is that of its latents.
    is_measured: bool,
    /// What was encoded in earlier runs.
    store: Option<LatentStore>,
}

impl Encoder {
    /// `network` and `device` are without autodiff.
    pub fn new(mut network: Box<dyn FirstStage>, device: &Device, size_px: u32, seed: u64) -> Self {
        network.set_scaling_factor(1.0);
        Self {
            network,
            device: device.clone(),
            size: size_px as usize,
            seed,
            is_measured: false,
            store: None,
        }
    }

    /// The same, which looks into a store before it encodes, and keeps there what it
    /// encoded.
    pub fn with_store(mut self, store: Option<LatentStore>) -> Self {
        self.store = store;
        self
    }

    /// Writes down what was encoded and is not kept yet.
    pub fn keep(&mut self) {
        if let Some(store) = &mut self.store {
            store.keep();
        }
    }

    /// The first stage.
    pub fn network(&self) -> &dyn FirstStage {
        self.network.as_ref()
    }

    /// What latents are multiplied by; 1 until it was measured.
    pub fn factor(&self) -> f64 {
        self.network.scaling().factor
    }

    /// Whether the factor was measured.
    pub fn is_measured(&self) -> bool {
        self.is_measured
    }

    /// Fixes the factor.
    pub fn set_factor(&mut self, factor: f64) {
        self.network.set_scaling_factor(factor);
        self.is_measured = true;
    }

    /// Channels and side of a latent.
    pub fn latent_shape(&self) -> [usize; 3] {
        let latents = self.network.info();
        let side = self.size / latents.factor;
        [latents.channels, side, side]
    }

    /// Latents of pictures, drawn from their distributions with the noise of `counter`.
    pub fn encode(&mut self, values: &[f32], counter: u64) -> Result<Vec<Vec<f32>>, TrainError> {
        let picture = 3 * self.size * self.size;
        let latent: usize = self.latent_shape().iter().product();
        let known = self.distributions(values)?;
        let noise = Purpose::Posterior
            .random(self.seed, counter)
            .normals(values.len() / picture * latent);
        let scaling = self.network.scaling();
        let [_, height, width] = self.latent_shape();
        let drawn = known
            .iter()
            .zip(noise.chunks(latent))
            .map(|(known, noise)| {
                let (mean, deviation) = known.split_at(latent);
                let mut latents = mean.to_vec();
                for ((z, deviation), noise) in latents.iter_mut().zip(deviation).zip(noise) {
                    *z += deviation * noise;
                }
                for (channel, plane) in latents.chunks_mut(height * width).enumerate() {
                    let [shift, factor] = scaling.of_channel(channel);
                    for z in plane {
                        *z = (*z - shift) * factor;
                    }
                }
                latents
            });
        Ok(drawn.collect())
    }

    /// Means of the unscaled latents of pictures, of each followed by their standard
    /// deviations, if it has any.
    fn distributions(&mut self, values: &[f32]) -> Result<Vec<Vec<f32>>, TrainError> {
        let picture = 3 * self.size * self.size;
        let latent: usize = self.latent_shape().iter().product();
        let mut known: Vec<Option<Vec<f32>>> = match &mut self.store {
            Some(store) => values
                .chunks(picture)
                .map(|values| store.find(values))
                .map(|found| found.filter(|it| it.len() == latent || it.len() == 2 * latent))
                .collect(),
            None => vec![None; values.len() / picture],
        };
        let missing: Vec<usize> = (0..known.len()).filter(|i| known[*i].is_none()).collect();
        let at_once = (ENCODED_VALUES / picture).max(1);
        for places in missing.chunks(at_once) {
            let pictures = places.iter().map(|i| &values[i * picture..][..picture]);
            let pictures = pictures.collect::<Vec<_>>().concat();
            for (place, made) in places.iter().zip(self.look(pictures, places.len())?) {
                if let Some(store) = &mut self.store {
                    store.add(&values[place * picture..][..picture], &made);
                }
                known[*place] = Some(made);
            }
        }
        Ok(known.into_iter().flatten().collect())
    }

    /// The same, of pictures that go through the network together.
    fn look(&self, pictures: Vec<f32>, count: usize) -> Result<Vec<Vec<f32>>, TrainError> {
        let dims = [count, 3, self.size, self.size];
        let pictures = Tensor::from_data(TensorData::new(pictures, dims), &self.device);
        let (mean, deviation) = self.network.distribution_unscaled(pictures);
        let told = match deviation {
            Some(deviation) => Tensor::cat(vec![mean, deviation], 1),
            None => mean,
        };
        let told = host(told)?;
        Ok(told
            .chunks(told.len() / count)
            .map(<[f32]>::to_vec)
            .collect())
    }

    /// A picture of which everything is masked, and hence nothing known; drawn
    /// from its distribution as in painting; `hole` stands everywhere in it.
    pub fn encode_blank(&mut self, hole: f32) -> Result<MaskedLatent, TrainError> {
        // A counter that no group reaches.
        let latents = self.encode(&vec![hole; 3 * self.size * self.size], u64::MAX)?;
        let whole = MaskPlanes::whole([self.size; 2], self.network.info().factor);
        Ok(MaskedLatent {
            mask: whole.latent,
            latent: latents.concat(),
        })
    }
}

/// A picture as the denoiser sees it.
#[derive(Clone, Default)]
pub(super) struct Cached {
    /// What can be told of it.
    pub about: Tellable,
    /// Its latent.
    pub latent: Vec<f32>,
    /// Ways of masking it; none for models without masks.
    pub masked: Vec<MaskedLatent>,
    /// How much the loss counts at each place of the latent; empty where all
    /// places are alike.
    pub weights: Vec<f32>,
}

/// A group of pictures, made ready for the autoencoder in the background.
pub(super) struct Prepared {
    /// The pictures, then for each of them its masked versions.
    values: Vec<f32>,
    masks: Vec<Vec<f32>>,
    about: Vec<Tellable>,
    weights: Vec<Vec<f32>>,
}

/// Turns pictures into what the cache wants.
#[derive(Clone)]
pub(super) struct Preparation {
    pub teller: Teller,
    pub seed: u64,
    /// Masks for each picture.
    pub masks: usize,
    /// Pixels per side of a latent pixel.
    pub factor: usize,
    /// What stands in a picture, from -1 to 1, where it is masked.
    pub hole: f32,
    /// Share of the masks that cover an object.
    pub object_mask_share: f32,
    /// Weight of the loss where an object is.
    pub object_weight: f32,
}

impl Preparation {
    /// Group `number` of the stream.
    pub fn prepare(&self, number: u64, samples: &[Sample]) -> Prepared {
        let mut values = planes(samples);
        let picture = values.len() / samples.len().max(1);
        let mut masks = Vec::with_capacity(samples.len() * self.masks);
        let mut about = Vec::with_capacity(samples.len());
        for (i, sample) in samples.iter().enumerate() {
            let position = number * samples.len() as u64 + i as u64;
            let mut random = Purpose::Mask.random(self.seed, position);
            for _ in 0..self.masks {
                let mask = self.mask(sample, &mut random).planes(self.factor);
                let erased = mask.erase(&values[i * picture..][..picture], self.hole);
                masks.push(mask.latent);
                values.extend(erased);
            }
            let mut random = Purpose::Degradation.random(self.seed, position);
            about.push(self.teller.tellable(sample, &mut random));
        }
        Prepared {
            values,
            masks,
            about,
            weights: samples
                .iter()
                .map(|sample| sample.weights(self.factor, self.object_weight))
                .collect(),
        }
    }

    /// A random mask for a picture.
    pub fn mask(&self, sample: &Sample, random: &mut Random) -> PixelMask {
        let size = sample.rgb.width() as usize;
        let count = sample.objects.len() as u64;
        // Without objects nothing is drawn for them: other runs stay what they were.
        if count > 0 && self.object_mask_share > 0.0 && random.happens(self.object_mask_share) {
            let object = sample.objects[random.below(count) as usize];
            return PixelMask::over(size, object, random);
        }
        PixelMask::draw(size, random)
    }

    /// What a picture takes.
    pub fn footprint(&self, encoder: &Encoder) -> Footprint {
        let [channels, height, width] = encoder.latent_shape();
        let area = height * width;
        let numbers = (1 + self.masks) * channels * area + (self.masks + 1) * area;
        Footprint {
            pixels: 4 * (1 + self.masks) * 3 * encoder.size * encoder.size,
            latents: 4 * numbers + self.teller.footprint(encoder.size),
        }
    }
}

impl Encoder {
    /// Encodes a group; `number` decides on its noise.
    pub fn encode_group(
        &mut self,
        number: u64,
        prepared: Prepared,
    ) -> Result<Vec<Cached>, TrainError> {
        let Prepared {
            values,
            masks,
            about,
            weights,
        } = prepared;
        let count = about.len();
        let per_picture = masks.len() / count.max(1);
        let mut latents = self.encode(&values, number)?;
        let mut masked = latents
            .split_off(count)
            .into_iter()
            .zip(masks)
            .map(|(latent, mask)| MaskedLatent { mask, latent });
        let cached =
            about
                .into_iter()
                .zip(latents)
                .zip(weights)
                .map(|((about, latent), weights)| Cached {
                    about,
                    latent,
                    weights,
                    masked: masked.by_ref().take(per_picture).collect(),
                });
        Ok(cached.collect())
    }
}

/// 1 / standard deviation of all numbers of latents (LDM §D.1); `None` if they
/// do not vary.
pub(super) fn scaling_factor(latents: &[f32]) -> Option<f64> {
    let count = latents.len() as f64;
    let mean = latents.iter().map(|x| f64::from(*x)).sum::<f64>() / count;
    let square = |x: &f32| (f64::from(*x) - mean).powi(2);
    let variance = latents.iter().map(square).sum::<f64>() / (count - 1.0);
    let factor = variance.sqrt().recip();
    (factor.is_finite() && factor > 0.0).then_some(factor)
}

/// What follows for the user from scaled latents that are far fainter or louder than the
/// noise: most steps of the diffusion then show all of a picture or nothing of it, and
/// what a denoiser is told of pictures hardly matters to its loss.
pub(super) fn remark_on_loudness(latents: &[f32]) -> Option<String> {
    let factor = scaling_factor(latents)?;
    let is_usual = (USUAL_DEVIATION..=USUAL_DEVIATION.recip()).contains(&factor);
    (!is_usual).then(|| {
        let deviation = factor.recip();
        format!(
            "latents of these pictures have a deviation of {deviation:.2}, where 1 is usual, so that most steps show all of a picture or nothing of it; a scaling factor {factor:.2} times as large would suit its first stage"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faint_and_loud_latents_are_remarked_on() {
        let latents = Purpose::Sheet.random(1, 0).normals(5000);
        let scaled = |by: f32| latents.iter().map(|z| by * z).collect::<Vec<f32>>();
        for by in [0.4, 1.0, 2.5] {
            assert_eq!(remark_on_loudness(&scaled(by)), None);
        }
        let faint = remark_on_loudness(&scaled(0.1)).expect("a remark");
        assert!(faint.contains("deviation of 0.10"), "{faint}");
        assert!(remark_on_loudness(&scaled(10.0)).is_some());
        assert_eq!(remark_on_loudness(&[0.5; 9]), None);
    }

    #[test]
    fn latents_are_brought_to_unit_variance() {
        let latents: Vec<f32> = Purpose::Sheet
            .random(1, 0)
            .normals(50_000)
            .into_iter()
            .map(|x| 4.0 * x + 1.0)
            .collect();
        let factor = scaling_factor(&latents).expect("they vary");
        assert!((factor - 0.25).abs() < 0.005, "{factor}");
        assert_eq!(scaling_factor(&[1.0, 1.0, 1.0]), None);
    }
}
