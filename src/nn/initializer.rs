//! What the weights of a layer are before they are learnt or read.

use burn::module::{Param, ParamId};
use burn::tensor::{Device, Distribution, Tensor};

/// How a parameter is filled.
#[derive(Clone, Copy, Debug)]
pub(super) enum Initializer {
    /// With zeros.
    Zeros,
    /// With ones.
    Ones,
    /// With one number.
    Constant {
        /// The number.
        value: f64,
    },
    /// From a uniform distribution.
    Uniform {
        /// Largest absolute value.
        bound: f64,
    },
    /// From a normal distribution of mean 0.
    Normal {
        /// Standard deviation.
        std: f64,
    },
    /// Rows that have something in common: each the sum of one that is the same for all of
    /// them and one of its own, both from the standard normal distribution.
    RelatedRows,
}

impl Initializer {
    /// PyTorch's default for weights and biases: uniform in ±1/√(fan in).
    pub fn of_fan_in(fan_in: usize) -> Self {
        Self::Uniform {
            bound: (fan_in as f64).sqrt().recip(),
        }
    }

    /// A parameter that is filled when it is first used, so that loading allocates
    /// nothing twice.
    pub fn param<const D: usize>(self, shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
        Param::uninitialized(
            ParamId::new(),
            move |device, requires_gradient| {
                device.memory_persistent_allocations((), |()| {
                    let tensor = self.tensor(shape, device);
                    if requires_gradient {
                        tensor.require_grad()
                    } else {
                        tensor
                    }
                })
            },
            device.clone(),
            true,
            shape.into(),
        )
    }

    fn tensor<const D: usize>(self, shape: [usize; D], device: &Device) -> Tensor<D> {
        let drawn_as = |shape: [usize; D], distribution| {
            let _turn = super::seeded::turn();
            Tensor::random(shape, distribution, device)
        };
        let drawn = |distribution| drawn_as(shape, distribution);
        match self {
            Self::Zeros => Tensor::zeros(shape, device),
            Self::Ones => Tensor::ones(shape, device),
            Self::Constant { value } => Tensor::full(shape, value, device),
            Self::Uniform { bound } => drawn(Distribution::Uniform(-bound, bound)),
            Self::Normal { std } => drawn(Distribution::Normal(0.0, std)),
            Self::RelatedRows => {
                let normal = Distribution::Normal(0.0, 1.0);
                let mut row = shape;
                row[0] = 1;
                drawn(normal) + drawn_as(row, normal)
            }
        }
    }
}
