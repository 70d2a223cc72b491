//! What the first stage is told of its pictures.

use burn::tensor::Tensor;

use super::shown::Shown;
use crate::nn;
use crate::train::TrainError;
use crate::train::discriminator::{PatchDiscriminator, adaptive_weight};
use crate::train::perceptual::PerceptualLoss;
use crate::train::tensors::scalar;

/// The terms of the loss that look at pictures.
pub(super) struct PictureLoss {
    pub perceptual: PerceptualLoss,
    pub perceptual_weight: f64,
    pub discriminator_weight: f32,
}

/// The parts of a loss.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Terms {
    pub absolute: f32,
    pub perceptual: f32,
    /// What keeps the latents in bounds, with its weight.
    pub bounds: f32,
    /// The same as it is told in figures.
    pub told: f32,
    pub adversarial: f32,
    pub adaptive_weight: f32,
    pub discriminator: f32,
}

impl Terms {
    /// Adds a share of the terms of a pass.
    pub fn add(&mut self, terms: &Self, share: f32) {
        self.absolute += terms.absolute * share;
        self.perceptual += terms.perceptual * share;
        self.bounds += terms.bounds * share;
        self.told += terms.told * share;
        self.adversarial += terms.adversarial * share;
        self.adaptive_weight += terms.adaptive_weight * share;
        self.discriminator += terms.discriminator * share;
    }
}

impl PictureLoss {
    /// The gradient of the loss by decoded pictures, and its terms. `critic`, where
    /// it has a say, stands still here.
    ///
    /// # Shapes
    /// `made` (without autodiff), `wanted` and the result: `[batch, 3, height, width]`.
    pub fn direction(
        &self,
        made: Tensor<4>,
        wanted: Tensor<4>,
        shown: &Shown,
        critic: Option<PatchDiscriminator>,
    ) -> Result<(Tensor<4>, Terms), TrainError> {
        let leaf = Tensor::from_inner(made).require_grad();
        let absolute = (leaf.clone() - wanted.clone()).abs();
        let absolute = shown.weigh(absolute).mean();
        let perceptual = self.perceptual.forward(leaf.clone(), wanted);
        let mut terms = Terms {
            absolute: scalar(absolute.clone())?,
            perceptual: scalar(perceptual.clone())?,
            ..Terms::default()
        };
        let loss = absolute + perceptual * self.perceptual_weight;
        let mut direction = gradient(&loss, &leaf)?;
        if let Some(critic) = critic {
            let leaf = leaf.detach().require_grad();
            let [_, channels, height, width] = leaf.dims();
            let opinion = critic.forward(leaf.clone()).mean().neg();
            terms.adversarial = scalar(opinion.clone())?;
            let wish = gradient(&opinion, &leaf)?;
            terms.adaptive_weight = adaptive_weight(
                norm(direction.clone())?,
                norm(wish.clone())?,
                channels * height * width,
                self.discriminator_weight,
            );
            direction = direction + wish * terms.adaptive_weight;
        }
        Ok((direction, terms))
    }
}

fn norm(tensor: Tensor<4>) -> Result<f32, TrainError> {
    Ok(scalar((tensor.clone() * tensor).sum())?.sqrt())
}

/// The gradient of a loss by one of its inputs.
fn gradient(loss: &Tensor<1>, input: &Tensor<4>) -> Result<Tensor<4>, TrainError> {
    let mut gradients = nn::ops::on_workers(loss, || loss.backward());
    input
        .grad_remove(&mut gradients)
        .ok_or_else(|| TrainError::device("a gradient was lost on the way"))
}

#[cfg(test)]
mod tests {
    use burn::module::Module as _;
    use burn::tensor::Device;

    use super::*;
    use crate::train::discriminator::{PatchDiscriminatorConfig, hinge_loss};
    use crate::train::perceptual::Filters;
    use crate::train::reference::Reference;

    fn loss(reference: &Reference) -> PictureLoss {
        let filters = (0..3).map(|i| reference.tensor(&format!("loss.filter.{i}")));
        PictureLoss {
            perceptual: PerceptualLoss::Filters(Filters::with(filters.collect())),
            perceptual_weight: 0.7,
            discriminator_weight: 0.5,
        }
    }

    fn critic(reference: &Reference) -> PatchDiscriminator {
        let network = PatchDiscriminatorConfig::for_size(32).init(&reference.device);
        reference.fill(network, "loss.critic")
    }

    #[test]
    fn the_direction_is_that_of_torch() {
        let reference = Reference::open(&Device::flex().autodiff());
        let made = || reference.tensor::<4>("loss.made").inner();
        let wanted = || reference.tensor::<4>("loss.wanted");
        let shown = Shown {
            values: Vec::new(),
            weights: reference.values("loss.places"),
        };
        let loss = loss(&reference);
        let (plain, _) = loss
            .direction(made(), wanted(), &shown, None)
            .expect("plain");
        reference.compare("loss.plain", plain, 1e-5);
        let (direction, terms) = loss
            .direction(made(), wanted(), &shown, Some(critic(&reference).no_grad()))
            .expect("with an opinion");
        reference.compare("loss.direction", direction, 1e-5);
        let told = [
            terms.absolute,
            terms.perceptual,
            terms.adversarial,
            terms.adaptive_weight,
        ];
        for (ours, torch) in told.into_iter().zip(reference.values("loss.terms")) {
            assert!((ours - torch).abs() < 1e-5 * torch.abs(), "{ours} {torch}");
        }
    }

    #[test]
    fn the_discriminator_learns_as_in_torch() {
        let reference = Reference::open(&Device::flex().autodiff());
        let critic = critic(&reference);
        let hinge = hinge_loss(
            critic.forward(reference.tensor("loss.wanted")),
            critic.forward(reference.tensor("loss.made")),
        );
        reference.compare("loss.hinge", hinge.clone().inner(), 1e-6);
        reference.compare_gradients("loss.hinge", &critic, hinge.backward(), 1e-5);
    }
}
