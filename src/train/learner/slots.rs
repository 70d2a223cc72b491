//! What is remembered for each parameter of a network, in the order in which the
//! network shows them.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor};

use crate::train::tensors::flat;

/// What is kept for one parameter; all as long vectors.
pub(super) struct Slot {
    pub name: String,
    pub shape: Vec<usize>,
    pub first: Tensor<1>,
    pub second: Tensor<1>,
    pub average: Option<Tensor<1>>,
    pub gradient: Option<Tensor<1>>,
}

/// A slot for each parameter of a network.
pub(super) fn of<M: Module>(module: &M, has_average: bool) -> Vec<Slot> {
    let mut visitor = MakeSlots {
        path: Vec::new(),
        slots: Vec::new(),
        has_average,
    };
    module.visit(&mut visitor);
    visitor.slots
}

/// Adds the gradients of a pass to those that the slots have.
pub(super) fn add_gradients<M: Module>(module: &M, slots: &mut [Slot], mut gradients: Gradients) {
    module.visit(&mut TakeGradients {
        gradients: &mut gradients,
        slots: slots.iter_mut(),
    });
}

/// All weights of a network, without autodiff.
pub(super) fn weights<M: Module>(module: &M) -> Vec<Tensor<1>> {
    let mut weights = Weights(Vec::new());
    module.visit(&mut weights);
    weights.0
}

/// The network with other weights.
pub(super) fn with_weights<M: Module>(module: M, weights: Vec<Tensor<1>>) -> M {
    module.map(&mut SetWeights(weights.into_iter()))
}

/// Makes a slot for each parameter, its weights as their own average.
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

/// Adds the gradient of each parameter to what its slot has.
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
