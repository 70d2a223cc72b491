//! Classifier-free guidance (Ho and Salimans 2022, <https://arxiv.org/abs/2207.12598>): how
//! strongly, and in which steps, what is told acts against what is to be steered away from.

use std::borrow::Cow;

use burn::tensor::Tensor;

use super::session::share_of;

/// How what the denoiser says of two branches becomes one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Guidance {
    /// The scale; 1 asks for what is told alone.
    pub scale: f32,
    /// How much of what guidance adds to the deviation is taken back (Lin et al. 2023,
    /// <https://arxiv.org/abs/2305.08891>, equations 14 to 16).
    pub rescale: f32,
    /// The shares of all steps, those of a whole picture, that are over when it begins and
    /// when it ends (Kynkäänniemi et al. 2024, <https://arxiv.org/abs/2404.07724>; counted
    /// as diffusers' guiders do).
    pub interval: [f32; 2],
    /// How strongly each of the texts acts that a prompt joins; none where it is one.
    pub weights: Vec<f32>,
}

impl Guidance {
    /// So strong in all steps.
    pub fn of(scale: f32) -> Self {
        Self {
            scale,
            rescale: 0.0,
            interval: [0.0, 1.0],
            weights: Vec::new(),
        }
    }

    /// What it is in a step, counted from 0, of so many.
    pub fn at(&self, step: usize, steps: usize) -> Cow<'_, Self> {
        let [from, to] = self.interval.map(|share| share_of(share, steps));
        if (from..to).contains(&step) {
            return Cow::Borrowed(self);
        }
        Cow::Owned(Self {
            scale: 1.0,
            rescale: 0.0,
            ..self.clone()
        })
    }

    /// Whether nothing needs to be asked but what is told.
    pub fn asks_once(&self) -> bool {
        self.scale == 1.0 && self.weights.is_empty()
    }

    /// What is said with guidance: `free` of nothing, or of what to steer away from, and
    /// `told` of what is told, `away` from the first.
    ///
    /// # Shapes
    /// All `[1, latent_channels, h, w]`.
    pub fn guided(&self, free: Tensor<4>, away: Tensor<4>, told: &Tensor<4>) -> Tensor<4> {
        let guided = free + away * self.scale;
        if self.rescale > 0.0 {
            return rescaled(guided, told, self.rescale);
        }
        guided
    }
}

/// What guidance led to, with a part of what it added to the deviation taken back (Lin
/// et al. 2023, <https://arxiv.org/abs/2305.08891>, equations 14 to 16).
///
/// # Shapes
/// `guided` and `told_of`: `[1, latent_channels, h, w]`; the result too.
fn rescaled(guided: Tensor<4>, told_of: &Tensor<4>, part: f32) -> Tensor<4> {
    let deviation = |said: &Tensor<4>| {
        let numbers = said.dims().iter().product();
        let flat: Tensor<2> = said.clone().reshape([1, numbers]);
        flat.var(1).sqrt()
    };
    let ratio = deviation(told_of) / deviation(&guided);
    let factor: Tensor<4> = (ratio * part + (1.0 - part)).reshape([1, 1, 1, 1]);
    guided * factor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_acts_in_the_steps_of_its_interval() {
        let guided = |interval, steps| {
            let guidance = Guidance {
                rescale: 0.5,
                interval,
                ..Guidance::of(4.0)
            };
            let steps = 0..steps;
            let of = steps.clone().map(|step| guidance.at(step, steps.end));
            let acts = of.map(|it| (it.scale > 1.0, it.rescale > 0.0, !it.asks_once()));
            let acts: Vec<_> = acts.collect();
            assert!(acts.iter().all(|it| it.0 == it.1 && it.0 == it.2));
            acts.iter().map(|it| it.0).collect::<Vec<_>>()
        };
        assert_eq!(guided([0.0, 1.0], 3), [true; 3]);
        assert_eq!(guided([0.3, 1.0], 5), [false, true, true, true, true]);
        assert_eq!(
            guided([0.3, 0.7], 10)[2..8],
            [false, true, true, true, true, false]
        );
        assert_eq!(guided([0.5, 0.5], 4), [false; 4]);
    }

    #[test]
    fn joined_texts_are_asked_of_in_every_step() {
        let guidance = Guidance {
            interval: [0.5, 1.0],
            weights: vec![1.0, 0.5],
            ..Guidance::of(4.0)
        };
        let before = guidance.at(0, 4);
        assert_eq!((before.scale, before.asks_once()), (1.0, false));
    }
}
