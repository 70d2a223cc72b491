//! What noisy latents show: a classifier that is told the time, by whose gradient a run
//! is led to a class (Dhariwal and Nichol 2021, <https://arxiv.org/abs/2105.05233>, §4).
//!
//! It is the way down of a denoiser with a head on it, `EncoderUNetModel` of their code
//! and of the paper's. [`ClassifierFile`] opens what there is on disk, a
//! [`ClassifierConfig`] says its sizes, what it tells apart and what it was trained on.

mod config;
mod file;
mod head;

use std::path::Path;

use burn::module::Module;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor};
use serde_json::Value;

pub use config::{ClassifierConfig, ClassifierLatents, Pool};
pub use file::ClassifierFile;

use self::head::Head;
use super::ModelError;
use super::unet::{Told, WayDown};
use crate::nn::{self, ops};

/// A classifier of noisy latents.
#[derive(Module, Debug)]
pub struct Classifier {
    way_down: WayDown,
    head: Head,
    #[module(skip)]
    config: ClassifierConfig,
}

impl ClassifierConfig {
    /// Makes the network; weights are drawn when first used.
    ///
    /// # Errors
    /// Where the configuration asks for something that is not supported.
    pub fn init(&self, device: &Device) -> Result<Classifier, ModelError> {
        self.validate()?;
        let architecture = self.original().config(self.image_size)?.architecture()?;
        let skips = architecture.skips();
        Ok(Classifier {
            way_down: architecture.way_down(device)?,
            head: Head::new(self, &skips, device),
            config: self.clone(),
        })
    }
}

impl Classifier {
    /// The configuration the network was made from.
    pub fn config(&self) -> &ClassifierConfig {
        &self.config
    }

    /// The same, which says of itself on which latents and under which noise it is
    /// trained; `scheduler` is a `scheduler_config.json`.
    #[must_use]
    pub fn trained_on(mut self, latents: ClassifierLatents, scheduler: Value) -> Self {
        self.config.latents = Some(latents);
        self.config.scheduler = Some(scheduler);
        self
    }

    /// Number of weights.
    pub fn parameter_count(&self) -> usize {
        nn::parameter_count(self)
    }

    /// How strongly each class is told from noisy latents, before any softmax.
    ///
    /// # Shapes
    /// `sample`: `[batch, in_channels, h, w]`; `timesteps`: `[batch]`, or `[1]` for the
    /// whole batch; result: `[batch, out_channels]`.
    pub fn forward(&self, sample: Tensor<4>, timesteps: Tensor<1>) -> Tensor<2> {
        ops::on_workers(&sample.clone(), || {
            // Its attention looks at nothing but places.
            let told = Told::from(Tensor::zeros([1, 1, 1], &sample.device()));
            let time = self.way_down.time(timesteps, &told);
            let (lowest, skips) = self.way_down.forward(sample, None, &time, &told);
            self.head.forward(lowest, skips)
        })
    }

    /// The same with the same weights, of which gradients are taken by latents only.
    #[must_use]
    pub fn differentiable(&self) -> Self {
        self.clone().no_grad().train()
    }

    /// The gradient of the logarithm of the probability of a class by noisy latents, of
    /// one that is [`Self::differentiable`].
    ///
    /// # Shapes
    /// `sample`: `[batch, in_channels, h, w]` without autodiff; `timesteps` as in
    /// [`Self::forward`]; result: as `sample`.
    pub fn gradient(&self, sample: Tensor<4>, timesteps: Tensor<1>, class: usize) -> Tensor<4> {
        let blank = sample.zeros_like();
        let leaf = Tensor::from_inner(sample).require_grad();
        let logits = self.forward(leaf.clone(), Tensor::from_inner(timesteps));
        let told = log_softmax(logits, 1).narrow(1, class, 1).sum();
        let gradients = ops::on_workers(&told, || told.backward());
        leaf.grad(&gradients).unwrap_or(blank)
    }

    /// Writes the network into a folder, which [`ClassifierFile`] opens.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), ModelError> {
        file::save(self, folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That of `64x64_classifier.pt`.
    #[test]
    fn the_published_network_has_its_number_of_weights() {
        let config = ClassifierConfig {
            image_size: 64,
            in_channels: 3,
            model_channels: 128,
            out_channels: 1000,
            num_res_blocks: 4,
            attention_resolutions: vec![2, 4, 8],
            channel_mult: vec![1, 2, 3, 4],
            num_head_channels: Some(64),
            use_scale_shift_norm: true,
            resblock_updown: true,
            ..ClassifierConfig::default()
        };
        let network = config.init(&Device::flex()).expect("supported");
        assert_eq!(network.parameter_count(), 65_438_568);
    }
}
