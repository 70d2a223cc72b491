//! The running average of the weights, which paints better than the last ones
//! (LDM `ema.py`).

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;

use super::slots::Slot;

/// The decay of averaged weights at an update: it grows with their number, so
/// that the first weights are soon forgotten.
pub(super) fn decay(max: f64, updates: u64) -> f64 {
    let n = updates as f64;
    max.min((1.0 + n) / (10.0 + n))
}

/// The network with averaged weights, without autodiff.
pub(super) fn averaged<M: Module>(module: &M, slots: &[Slot]) -> M {
    module.valid().map(&mut UseAverage {
        slots: slots.iter(),
    })
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
