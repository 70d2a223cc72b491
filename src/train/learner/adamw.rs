//! AdamW (Loshchilov and Hutter 2019, <https://arxiv.org/abs/1711.05101>), in one
//! pass with the average of the weights.
//!
//! The numbers of a step are computed in f64 and only then rounded, as PyTorch
//! does it: 1 − 0.999 in f32 is wrong from the fifth digit on.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

use super::slots::Slot;
use super::{LearnerOptions, average};
use crate::train::TrainError;
use crate::train::tensors::{flat, host};

/// Added to the root of the second moment, as in PyTorch.
const EPSILON: f32 = 1e-8;
/// Weights that one task updates: small enough for the second cache.
const CHUNK: usize = 1 << 15;

/// An old value and a new one, and how much each counts.
#[derive(Clone, Copy)]
struct Blend {
    old: f32,
    new: f32,
}

impl Blend {
    fn new(decay: f64) -> Self {
        Self {
            old: decay as f32,
            new: (1.0 - decay) as f32,
        }
    }

    fn of(self, old: f32, new: f32) -> f32 {
        self.old * old + self.new * new
    }

    fn of_tensors(self, old: Tensor<1>, new: Tensor<1>) -> Tensor<1> {
        old * self.old + new * self.new
    }
}

/// The numbers of one step.
#[derive(Clone, Copy)]
pub(super) struct Rule {
    /// Of the gradients.
    scale: f32,
    first: Blend,
    second: Blend,
    /// The learning rate, with the first moment's correction.
    rate: f32,
    /// The second moment's correction, as a factor of its root.
    root: f32,
    /// What the decay leaves of the weights.
    keep: f32,
    average: Blend,
}

impl Rule {
    /// The rule of update number `updates`, counted from 1; gradients are
    /// multiplied by `scale`.
    pub fn new(options: &LearnerOptions, learning_rate: f64, updates: u64, scale: f64) -> Self {
        let (beta1, beta2) = options.betas;
        let correction = |beta: f64| 1.0 - beta.powf(updates as f64);
        let decay = options.ema_decay.map(|max| average::decay(max, updates));
        Self {
            scale: scale as f32,
            first: Blend::new(beta1),
            second: Blend::new(beta2),
            rate: (learning_rate / correction(beta1)) as f32,
            root: correction(beta2).sqrt().recip() as f32,
            keep: (1.0 - learning_rate * options.weight_decay) as f32,
            average: Blend::new(decay.unwrap_or(0.0)),
        }
    }

    /// One pass over the numbers instead of one for each operation: the update
    /// is bound by memory, not by arithmetic.
    fn on_host(
        &self,
        weights: &mut [f32],
        gradient: &[f32],
        first: &mut [f32],
        second: &mut [f32],
        average: Option<&mut [f32]>,
    ) {
        let rule = *self;
        for (((w, g), m), v) in weights
            .iter_mut()
            .zip(gradient)
            .zip(&mut *first)
            .zip(second)
        {
            let g = g * rule.scale;
            *m = rule.first.of(*m, g);
            *v = rule.second.of(*v, g * g);
            *w = *w * rule.keep - rule.rate * *m / (v.sqrt() * rule.root + EPSILON);
        }
        if let Some(average) = average {
            for (a, w) in average.iter_mut().zip(weights) {
                *a = rule.average.of(*a, *w);
            }
        }
    }

    fn on_device(&self, slot: &mut Slot, weights: Tensor<1>, gradient: Tensor<1>) -> Tensor<1> {
        let gradient = gradient * self.scale;
        let square = gradient.clone() * gradient.clone();
        let first = self.first.of_tensors(slot.first.clone(), gradient);
        let second = self.second.of_tensors(slot.second.clone(), square);
        let delta = first.clone() * self.rate / (second.clone().sqrt() * self.root + EPSILON);
        let weights = weights * self.keep - delta;
        slot.first = first;
        slot.second = second;
        if let Some(average) = slot.average.take() {
            slot.average = Some(self.average.of_tensors(average, weights.clone()));
        }
        weights
    }

    /// As [`Self::on_device`], where the tensors' memory can be reached.
    fn in_memory(
        &self,
        slot: &mut Slot,
        weights: Tensor<1>,
        gradient: Tensor<1>,
        device: &Device,
    ) -> Result<Tensor<1>, TrainError> {
        let empty = || Tensor::<1>::zeros([0], device);
        let mut w = host(weights)?;
        let g = host(gradient)?;
        let mut m = host(std::mem::replace(&mut slot.first, empty()))?;
        let mut v = host(std::mem::replace(&mut slot.second, empty()))?;
        let mut a = slot.average.take().map(host).transpose()?;
        let parts = w
            .par_chunks_mut(CHUNK)
            .zip(g.par_chunks(CHUNK))
            .zip(m.par_chunks_mut(CHUNK))
            .zip(v.par_chunks_mut(CHUNK));
        match &mut a {
            Some(a) => parts
                .zip(a.par_chunks_mut(CHUNK))
                .for_each(|((((w, g), m), v), a)| self.on_host(w, g, m, v, Some(a))),
            None => parts.for_each(|(((w, g), m), v)| self.on_host(w, g, m, v, None)),
        }
        let tensor = |values: Vec<f32>| {
            let count = values.len();
            Tensor::<1>::from_data(TensorData::new(values, [count]), device)
        };
        slot.first = tensor(m);
        slot.second = tensor(v);
        slot.average = a.map(tensor);
        Ok(tensor(w))
    }
}

/// Moves all weights by the gradients in the slots, and takes these out. The
/// first value is whole only if there is no error.
pub(super) fn apply<M: Module>(
    module: M,
    slots: &mut [Slot],
    rule: Rule,
    is_in_memory: bool,
    device: &Device,
) -> (M, Option<TrainError>) {
    let mut mapper = Apply {
        slots: slots.iter_mut(),
        rule,
        is_in_memory,
        device,
        error: None,
    };
    let module = module.map(&mut mapper);
    (module, mapper.error)
}

struct Apply<'a> {
    slots: std::slice::IterMut<'a, Slot>,
    rule: Rule,
    is_in_memory: bool,
    device: &'a Device,
    error: Option<TrainError>,
}

impl ModuleMapper for Apply<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let slot = self.slots.next().expect("one slot for each parameter");
        let Some(gradient) = slot.gradient.take() else {
            return param;
        };
        if self.error.is_some() {
            return param;
        }
        let mut rule = self.rule;
        if D < 2 {
            rule.keep = 1.0;
        }
        let (id, tensor, mapper) = param.consume();
        let dims = tensor.dims();
        let weights = flat(tensor.inner());
        let weights = if self.is_in_memory {
            rule.in_memory(slot, weights, gradient, self.device)
                .unwrap_or_else(|error| {
                    // The weights are lost with the device; the run ends here.
                    self.error = Some(error);
                    Tensor::zeros([dims.iter().product::<usize>()], self.device)
                })
        } else {
            rule.on_device(slot, weights, gradient)
        };
        let tensor = Tensor::from_inner(weights.reshape(dims)).require_grad();
        Param::from_mapped_value(id, tensor, mapper)
    }
}
