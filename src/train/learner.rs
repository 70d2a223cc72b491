//! A network while it learns: its weights, AdamW's moments, the average of its weights.

mod adamw;
mod average;
mod slots;

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Gradients, Tensor, TensorData};

use self::adamw::Rule;
use self::slots::Slot;
use super::TrainError;
use super::tensor_file::{self, Stored};
use super::tensors::host;
use crate::recipe::TrainSpec;

/// Constants of the optimiser.
#[derive(Clone, Copy, Debug)]
pub struct LearnerOptions {
    /// Decays of the two moments.
    pub betas: (f64, f64),
    /// Decay of the weights; biases, normalisations and other vectors have none.
    pub weight_decay: f64,
    /// Largest norm of all gradients together; 0 for no limit.
    pub clip_norm: f64,
    /// Upper bound of the decay of the averaged weights; `None` for no average.
    pub ema_decay: Option<f64>,
}

impl LearnerOptions {
    /// Those of a run.
    pub fn of(spec: &TrainSpec) -> Self {
        Self {
            betas: (0.9, 0.999),
            weight_decay: spec.weight_decay,
            clip_norm: spec.clip_norm,
            ema_decay: Some(spec.ema_decay),
        }
    }
}

/// What a step did.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    /// Norm of all gradients together, before clipping.
    pub grad_norm: f32,
    /// Whether the weights were changed; they are not when a gradient is no number.
    pub is_applied: bool,
}

/// A network and everything that its optimiser remembers.
pub struct Learner<M: Module> {
    /// Taken out only while a step replaces its weights.
    module: Option<M>,
    slots: Vec<Slot>,
    updates: u64,
    options: LearnerOptions,
    /// Without autodiff.
    device: Device,
    /// Whether the device computes in the program's own memory.
    is_in_memory: bool,
}

impl<M: Module> Learner<M> {
    /// Draws weights that were not drawn yet and begins with empty moments.
    pub fn new(module: M, options: LearnerOptions, device: &Device) -> Self {
        let device = device.clone().inner();
        Self {
            slots: slots::of(&module, options.ema_decay.is_some()),
            module: Some(module),
            updates: 0,
            options,
            is_in_memory: device == Device::flex(),
            device,
        }
    }

    /// The network, on the autodiff device.
    pub fn module(&self) -> &M {
        self.module
            .as_ref()
            .expect("only `apply` and `load` take it, and put it back")
    }

    /// Adds the gradients of a forward pass to those of the step.
    pub fn accumulate(&mut self, gradients: Gradients) {
        let module = self.module.as_ref().expect("as in `module`");
        slots::add_gradients(module, &mut self.slots, gradients);
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
        let rule = Rule::new(&self.options, learning_rate, self.updates, scale * shrink);
        let module = self.module.take().expect("as in `module`");
        let (module, error) = adamw::apply(
            module,
            &mut self.slots,
            rule,
            self.is_in_memory,
            &self.device,
        );
        self.module = Some(module);
        match error {
            Some(error) => Err(error),
            None => Ok(Update {
                grad_norm: norm as f32,
                is_applied: true,
            }),
        }
    }

    /// Puts other numbers into rows of a matrix, without autodiff: each number of a
    /// row, and its average with it, while its moments begin anew.
    ///
    /// # Errors
    /// If the device fails.
    pub fn replace_rows(
        &mut self,
        name: &str,
        rows: &[(usize, Vec<f32>)],
    ) -> Result<(), TrainError> {
        let Some(index) = self.slots.iter().position(|slot| slot.name == name) else {
            return Ok(());
        };
        let device = self.device.clone();
        let replaced = |tensor: Tensor<1>, is_moment: bool| -> Result<Tensor<1>, TrainError> {
            let mut values = host(tensor)?;
            for (row, numbers) in rows {
                let place = row * numbers.len();
                let place = &mut values[place..place + numbers.len()];
                match is_moment {
                    true => place.fill(0.0),
                    false => place.copy_from_slice(numbers),
                }
            }
            let count = values.len();
            Ok(Tensor::from_data(TensorData::new(values, [count]), &device))
        };
        let mut weights = slots::weights(self.module());
        weights[index] = replaced(weights[index].clone(), false)?;
        let slot = &mut self.slots[index];
        slot.first = replaced(slot.first.clone(), true)?;
        slot.second = replaced(slot.second.clone(), true)?;
        let average = slot.average.take();
        slot.average = average.map(|it| replaced(it, false)).transpose()?;
        let module = self.module.take().expect("as in `module`");
        self.module = Some(slots::with_weights(module, weights));
        Ok(())
    }

    /// The network with averaged weights, without autodiff.
    pub fn averaged(&self) -> M {
        average::averaged(self.module(), &self.slots)
    }

    /// Writes everything into files of a checkpoint; `part` names them.
    ///
    /// # Errors
    /// If a file cannot be written, or a weight is no finite number: such a
    /// network is of no use to anybody, and would replace one that is.
    pub fn save(&self, folder: &Path, part: &str) -> Result<(), TrainError> {
        let pick = |which: fn(&Slot) -> Option<&Tensor<1>>| {
            let tensors = self.slots.iter().filter_map(which).cloned();
            tensors.collect::<Vec<_>>()
        };
        let mut files = vec![
            ("weights", slots::weights(self.module())),
            ("first_moment", pick(|slot| Some(&slot.first))),
            ("second_moment", pick(|slot| Some(&slot.second))),
        ];
        if self.options.ema_decay.is_some() {
            files.push(("average", pick(|slot| slot.average.as_ref())));
        }
        for (_, tensors) in &files {
            if !are_finite(tensors)? {
                return Err(TrainError::NotFinite(part.to_owned()));
            }
        }
        for (kind, tensors) in files {
            let entries = self.slots.iter().zip(tensors);
            let entries = entries.map(|(slot, tensor)| Stored {
                name: slot.name.clone(),
                shape: slot.shape.clone(),
                tensor,
            });
            tensor_file::write(&file_name(folder, part, kind), entries.collect())?;
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
        self.module = Some(slots::with_weights(module, weights));
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
        let squares = gradients.map(|gradient| gradient.clone() * gradient.clone());
        match sums(squares)? {
            sums if sums.is_empty() => Ok(f64::NAN),
            sums => Ok(sums.iter().map(|sum| f64::from(*sum)).sum::<f64>().sqrt()),
        }
    }
}

/// The sum of each vector, with one wait for the device instead of one for each.
fn sums(tensors: impl Iterator<Item = Tensor<1>>) -> Result<Vec<f32>, TrainError> {
    let sums: Vec<Tensor<1>> = tensors.map(Tensor::sum).collect();
    if sums.is_empty() {
        return Ok(Vec::new());
    }
    host(Tensor::cat(sums, 0))
}

fn are_finite(tensors: &[Tensor<1>]) -> Result<bool, TrainError> {
    // Nothing times what is not finite is no number.
    let nothing = sums(tensors.iter().map(|tensor| tensor.clone() * 0.0))?;
    Ok(nothing.iter().all(|sum| sum.is_finite()))
}

fn file_name(folder: &Path, part: &str, kind: &str) -> std::path::PathBuf {
    folder.join(format!("{part}.{kind}.safetensors"))
}

#[cfg(test)]
mod tests;
