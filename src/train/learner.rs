//! A network while it learns: its weights, AdamW's moments, the average of its weights.

use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use rayon::prelude::*;

use super::TrainError;
use super::tensor_file::{self, Stored};

/// Added to the root of the second moment, as in PyTorch.
const EPSILON: f32 = 1e-8;
/// Weights that one task updates: small enough for the second cache.
const CHUNK: usize = 1 << 15;

/// Constants of AdamW (Loshchilov and Hutter 2019,
/// <https://arxiv.org/abs/1711.05101>).
#[derive(Clone, Copy, Debug)]
pub(super) struct LearnerOptions {
    /// Decays of the two moments.
    pub betas: (f32, f32),
    /// Decay of the weights; biases, normalisations and other vectors have none.
    pub weight_decay: f64,
    /// Largest norm of all gradients together; 0 for no limit.
    pub clip_norm: f64,
    /// Upper bound of the decay of the averaged weights; `None` for no average.
    pub ema_decay: Option<f64>,
}

/// What a step did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Update {
    /// Norm of all gradients together, before clipping.
    pub grad_norm: f32,
    /// Whether the weights were changed; they are not when a gradient is no number.
    pub is_applied: bool,
}

/// What is kept for one parameter; all as long vectors.
struct Slot {
    name: String,
    shape: Vec<usize>,
    first: Tensor<1>,
    second: Tensor<1>,
    average: Option<Tensor<1>>,
    gradient: Option<Tensor<1>>,
}

/// A network and everything that its optimiser remembers.
pub(super) struct Learner<M: Module> {
    /// Taken out only while a step replaces its weights.
    module: Option<M>,
    slots: Vec<Slot>,
    updates: u64,
    options: LearnerOptions,
    /// Without autodiff.
    device: Device,
}

impl<M: Module> Learner<M> {
    /// Draws weights that were not drawn yet and begins with empty moments.
    pub fn new(module: M, options: LearnerOptions, device: &Device) -> Self {
        let device = device.clone().inner();
        let mut visitor = MakeSlots {
            path: Vec::new(),
            slots: Vec::new(),
            has_average: options.ema_decay.is_some(),
        };
        module.visit(&mut visitor);
        Self {
            module: Some(module),
            slots: visitor.slots,
            updates: 0,
            options,
            device,
        }
    }

    /// The network, on the autodiff device.
    pub fn module(&self) -> &M {
        self.module
            .as_ref()
            .expect("only `apply` takes it, and puts it back")
    }

    /// Adds the gradients of a forward pass to those of the step.
    pub fn accumulate(&mut self, mut gradients: Gradients) {
        let mut visitor = TakeGradients {
            gradients: &mut gradients,
            slots: self.slots.iter_mut(),
        };
        let module = self.module.as_ref().expect("as in `module`");
        module.visit(&mut visitor);
    }

    /// Forgets the gradients of the step.
    pub fn clear(&mut self) {
        for slot in &mut self.slots {
            slot.gradient = None;
        }
    }

    /// Moves the weights by the mean of `passes` accumulated gradients, and their
    /// average after them. Nothing changes when a gradient is no finite number.
    pub fn apply(&mut self, learning_rate: f64, passes: u32) -> Result<Update, TrainError> {
        let scale = 1.0 / f64::from(passes.max(1));
        let norm = self.gradient_norm()? * scale;
        if !norm.is_finite() {
            self.clear();
            return Ok(Update {
                grad_norm: norm as f32,
                is_applied: false,
            });
        }
        let clip = self.options.clip_norm;
        let shrink = if clip > 0.0 && norm > clip {
            clip / norm
        } else {
            1.0
        };
        self.updates += 1;
        let (beta1, beta2) = self.options.betas;
        let time = i32::try_from(self.updates).unwrap_or(i32::MAX);
        let corrections = (1.0 - beta1.powi(time), 1.0 - beta2.powi(time));
        let rule = Rule {
            scale: (scale * shrink) as f32,
            beta1,
            beta2,
            rate: learning_rate as f32 / corrections.0,
            root: corrections.1.sqrt().recip(),
            keep: (1.0 - learning_rate * self.options.weight_decay) as f32,
            average: self
                .options
                .ema_decay
                .map_or(0.0, |max| ema_decay(max, self.updates) as f32),
        };
        let module = self.module.take().expect("as in `module`");
        let mut mapper = Apply {
            slots: self.slots.iter_mut(),
            rule,
            on_host: self.device == Device::flex(),
            device: &self.device,
            error: None,
        };
        let module = module.map(&mut mapper);
        let error = mapper.error.take();
        self.module = Some(module);
        match error {
            Some(error) => Err(error),
            None => Ok(Update {
                grad_norm: norm as f32,
                is_applied: true,
            }),
        }
    }

    /// The network with averaged weights, without autodiff.
    pub fn averaged(&self) -> M {
        let module = self.module().valid();
        let mut mapper = UseAverage {
            slots: self.slots.iter(),
        };
        module.map(&mut mapper)
    }

    /// Writes everything into files of a checkpoint; `part` names them.
    pub fn save(&self, folder: &Path, part: &str) -> Result<(), TrainError> {
        let mut weights = Weights(Vec::new());
        self.module().visit(&mut weights);
        let stored = |tensors: Vec<Tensor<1>>| {
            let entries = self.slots.iter().zip(tensors);
            let entries = entries.map(|(slot, tensor)| Stored {
                name: slot.name.clone(),
                shape: slot.shape.clone(),
                tensor,
            });
            entries.collect::<Vec<_>>()
        };
        let pick = |which: fn(&Slot) -> Option<&Tensor<1>>| {
            let tensors = self.slots.iter().filter_map(which).cloned();
            tensors.collect::<Vec<_>>()
        };
        let mut files = vec![
            ("weights", weights.0),
            ("first_moment", pick(|slot| Some(&slot.first))),
            ("second_moment", pick(|slot| Some(&slot.second))),
        ];
        if self.options.ema_decay.is_some() {
            files.push(("average", pick(|slot| slot.average.as_ref())));
        }
        for (kind, tensors) in files {
            tensor_file::write(&file_name(folder, part, kind), stored(tensors))?;
        }
        Ok(())
    }

    /// Reads what [`Self::save`] wrote for a network of the same shapes.
    pub fn load(&mut self, folder: &Path, part: &str, updates: u64) -> Result<(), TrainError> {
        let read = |kind: &str| {
            let wanted = self
                .slots
                .iter()
                .map(|slot| (slot.name.as_str(), slot.shape.as_slice()));
            tensor_file::read(&file_name(folder, part, kind), wanted, &self.device)
        };
        let weights = read("weights")?;
        let first = read("first_moment")?;
        let second = read("second_moment")?;
        let average = match self.options.ema_decay {
            Some(_) => read("average")?.into_iter().map(Some).collect(),
            None => vec![None; self.slots.len()],
        };
        for (((slot, first), second), average) in
            self.slots.iter_mut().zip(first).zip(second).zip(average)
        {
            slot.first = first;
            slot.second = second;
            slot.average = average;
        }
        let module = self.module.take().expect("as in `module`");
        self.module = Some(module.map(&mut SetWeights(weights.into_iter())));
        self.updates = updates;
        Ok(())
    }

    /// Steps that changed the weights.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Norm of the sum of the accumulated gradients; no number if none arrived.
    fn gradient_norm(&self) -> Result<f64, TrainError> {
        let gradients = self.slots.iter().filter_map(|slot| slot.gradient.as_ref());
        let mut sums = Vec::new();
        for gradient in gradients {
            let square = gradient.clone();
            sums.push((square.clone() * square).sum());
        }
        if sums.is_empty() {
            return Ok(f64::NAN);
        }
        // One wait for the device instead of one per parameter.
        let values = host(Tensor::cat(sums, 0))?;
        Ok(values.iter().map(|sum| f64::from(*sum)).sum::<f64>().sqrt())
    }
}

/// The decay of averaged weights at an update: it grows with their number, so
/// that the first weights are soon forgotten (LDM `ema.py`).
pub(super) fn ema_decay(max: f64, updates: u64) -> f64 {
    let n = updates as f64;
    max.min((1.0 + n) / (10.0 + n))
}

fn file_name(folder: &Path, part: &str, kind: &str) -> std::path::PathBuf {
    folder.join(format!("{part}.{kind}.safetensors"))
}

/// The numbers of a tensor; free of copies on the processor if nobody else holds it.
pub(super) fn host<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, TrainError> {
    tensor
        .try_into_data()
        .map_err(TrainError::device)?
        .try_into_vec_as::<f32>()
        .map_err(TrainError::device)
}

fn flat<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let count: usize = tensor.dims().iter().product();
    tensor.reshape([count])
}

/// The numbers of one step.
#[derive(Clone, Copy)]
struct Rule {
    scale: f32,
    beta1: f32,
    beta2: f32,
    rate: f32,
    root: f32,
    keep: f32,
    average: f32,
}

impl Rule {
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
        let Self {
            scale,
            beta1,
            beta2,
            rate,
            root,
            keep,
            average: decay,
        } = *self;
        for (((w, g), m), v) in weights
            .iter_mut()
            .zip(gradient)
            .zip(&mut *first)
            .zip(second)
        {
            let g = g * scale;
            *m = beta1 * *m + (1.0 - beta1) * g;
            *v = beta2 * *v + (1.0 - beta2) * g * g;
            *w = *w * keep - rate * *m / (v.sqrt() * root + EPSILON);
        }
        if let Some(average) = average {
            for (a, w) in average.iter_mut().zip(weights) {
                *a = decay * *a + (1.0 - decay) * *w;
            }
        }
    }

    fn on_device(&self, slot: &mut Slot, weights: Tensor<1>, gradient: Tensor<1>) -> Tensor<1> {
        let gradient = gradient * self.scale;
        let first = slot.first.clone() * self.beta1 + gradient.clone() * (1.0 - self.beta1);
        let square = gradient.clone() * gradient;
        let second = slot.second.clone() * self.beta2 + square * (1.0 - self.beta2);
        let delta = first.clone() * self.rate / (second.clone().sqrt() * self.root + EPSILON);
        let weights = weights * self.keep - delta;
        slot.first = first;
        slot.second = second;
        if let Some(average) = slot.average.take() {
            slot.average = Some(average * self.average + weights.clone() * (1.0 - self.average));
        }
        weights
    }
}

struct MakeSlots {
    path: Vec<String>,
    slots: Vec<Slot>,
    has_average: bool,
}

impl ModuleVisitor for MakeSlots {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val().inner();
        let flat = flat(value.clone());
        self.slots.push(Slot {
            name: self.path.join("."),
            shape: value.dims().to_vec(),
            first: flat.zeros_like(),
            second: flat.zeros_like(),
            average: self.has_average.then_some(flat),
            gradient: None,
        });
    }
}

struct TakeGradients<'a> {
    gradients: &'a mut Gradients,
    slots: std::slice::IterMut<'a, Slot>,
}

impl ModuleVisitor for TakeGradients<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let slot = self.slots.next().expect("one slot for each parameter");
        if !param.is_require_grad() {
            return;
        }
        let Some(gradient) = param.val().grad_remove(self.gradients) else {
            return;
        };
        let gradient = flat(gradient);
        slot.gradient = Some(match slot.gradient.take() {
            Some(sum) => sum + gradient,
            None => gradient,
        });
    }
}

struct Apply<'a> {
    slots: std::slice::IterMut<'a, Slot>,
    rule: Rule,
    on_host: bool,
    device: &'a Device,
    error: Option<TrainError>,
}

impl Apply<'_> {
    fn update_on_host(
        rule: Rule,
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
                .for_each(|((((w, g), m), v), a)| rule.on_host(w, g, m, v, Some(a))),
            None => parts.for_each(|(((w, g), m), v)| rule.on_host(w, g, m, v, None)),
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
        let weights = if self.on_host {
            match Self::update_on_host(rule, slot, weights, gradient, self.device) {
                Ok(weights) => weights,
                Err(error) => {
                    // The weights are lost with the device; the run ends here.
                    self.error = Some(error);
                    Tensor::zeros([dims.iter().product::<usize>()], self.device)
                }
            }
        } else {
            rule.on_device(slot, weights, gradient)
        };
        let tensor = Tensor::from_inner(weights.reshape(dims)).require_grad();
        Param::from_mapped_value(id, tensor, mapper)
    }
}

struct UseAverage<'a> {
    slots: std::slice::Iter<'a, Slot>,
}

impl ModuleMapper for UseAverage<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let slot = self.slots.next().expect("one slot for each parameter");
        match &slot.average {
            Some(average) => param.map(|tensor| average.clone().reshape(tensor.dims())),
            None => param,
        }
    }
}

struct Weights(Vec<Tensor<1>>);

impl ModuleVisitor for Weights {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push(flat(param.val().inner()));
    }
}

struct SetWeights(std::vec::IntoIter<Tensor<1>>);

impl ModuleMapper for SetWeights {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let weights = self.0.next().expect("one tensor for each parameter");
        let needs_gradient = param.is_require_grad();
        param.map(|old| {
            let tensor = Tensor::from_inner(weights.reshape(old.dims()));
            tensor.set_require_grad(needs_gradient)
        })
    }
}

#[cfg(test)]
mod tests;
