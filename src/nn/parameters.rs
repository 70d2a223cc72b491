//! Parameters: how they are drawn, and counted without being drawn.

use burn::module::{Initializer, Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};

/// PyTorch's default for weights and biases: uniform in ±1/√(fan in).
pub(super) fn uniform(fan_in: usize) -> Initializer {
    let bound = (fan_in as f64).sqrt().recip();
    Initializer::Uniform {
        min: -bound,
        max: bound,
    }
}

/// A parameter that is drawn when it is first used, so that loading allocates nothing twice.
pub(super) fn lazy<const D: usize>(
    initializer: &Initializer,
    shape: [usize; D],
    device: &Device,
) -> Param<Tensor<D>> {
    initializer.init_with(shape, None, None, device)
}

/// Number of weights in a module, counted from their shapes: nothing is allocated.
pub fn parameter_count<M: Module>(module: &M) -> usize {
    struct Count(usize);
    impl ModuleVisitor for Count {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0 += param.lazy_shape().num_elements();
        }
    }
    let mut count = Count(0);
    module.visit(&mut count);
    count.0
}

/// Draws every weight that was not drawn yet, in the order of the module tree.
///
/// Weights are otherwise drawn at first use; call this after `Device::seed` to
/// make a fresh network the same on each run.
pub fn draw_weights<M: Module>(module: &M) {
    struct Draw;
    impl ModuleVisitor for Draw {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            drop(param.val());
        }
    }
    module.visit(&mut Draw);
}
