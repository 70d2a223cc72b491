//! All parameters of a network: drawn, and counted without being drawn.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

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
/// Weights are otherwise drawn at first use; call this while what [`super::seeded`] returns
/// is held to make a fresh network the same on each run.
pub fn draw_weights<M: Module>(module: &M) {
    struct Draw;
    impl ModuleVisitor for Draw {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            drop(param.val());
        }
    }
    module.visit(&mut Draw);
}
