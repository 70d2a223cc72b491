//! Layers that only hold weights and call [`ops`](super::ops).

use burn::module::{Initializer, Module, ModuleVisitor, Param};
use burn::tensor::{Device, Int, Tensor};

use super::ops;

/// PyTorch's default for weights and biases: uniform in ±1/√(fan in).
fn uniform(fan_in: usize) -> Initializer {
    let bound = (fan_in as f64).sqrt().recip();
    Initializer::Uniform {
        min: -bound,
        max: bound,
    }
}

/// A parameter that is drawn when it is first used, so that loading allocates nothing twice.
fn lazy<const D: usize>(
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

/// Sizes of a [`Conv2d`].
#[derive(Clone, Copy, Debug)]
pub struct Conv2dConfig {
    /// Channels in.
    pub input: usize,
    /// Channels out.
    pub output: usize,
    /// Rows and columns of the kernel.
    pub kernel: usize,
    /// Step between outputs.
    pub stride: usize,
    /// Zeros (before, after) on rows and on columns.
    pub padding: [(usize, usize); 2],
    /// Whether the weights start at 0 instead of at random.
    pub zero: bool,
}

impl Conv2dConfig {
    /// A convolution that keeps the size of the picture.
    pub fn same(input: usize, output: usize, kernel: usize) -> Self {
        Self {
            input,
            output,
            kernel,
            stride: 1,
            padding: [(kernel / 2, kernel / 2); 2],
            zero: false,
        }
    }

    /// Starts the weights at 0.
    pub fn zeroed(mut self) -> Self {
        self.zero = true;
        self
    }

    /// Makes the layer.
    pub fn init(&self, device: &Device) -> Conv2d {
        let draw = if self.zero {
            Initializer::Zeros
        } else {
            uniform(self.input * self.kernel * self.kernel)
        };
        Conv2d {
            weight: lazy(
                &draw,
                [self.output, self.input, self.kernel, self.kernel],
                device,
            ),
            bias: lazy(&draw, [self.output], device),
            stride: self.stride,
            padding: self.padding,
        }
    }
}

/// A convolution with bias.
#[derive(Module, Debug)]
pub struct Conv2d {
    /// `[output, input, rows, columns]`.
    pub weight: Param<Tensor<4>>,
    /// `[output]`.
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    stride: usize,
    #[module(skip)]
    padding: [(usize, usize); 2],
}

impl Conv2d {
    /// # Shapes
    /// `[batch, input, height, width]` to `[batch, output, height', width']`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        ops::conv2d(
            x,
            self.weight.val(),
            Some(self.bias.val()),
            self.stride,
            self.padding,
        )
    }
}

/// Sizes of a [`Linear`].
#[derive(Clone, Copy, Debug)]
pub struct LinearConfig {
    /// Width in.
    pub input: usize,
    /// Width out.
    pub output: usize,
    /// Whether there is a bias.
    pub bias: bool,
    /// Whether the weights start at 0 instead of at random.
    pub zero: bool,
}

impl LinearConfig {
    /// A layer with bias.
    pub fn new(input: usize, output: usize) -> Self {
        Self {
            input,
            output,
            bias: true,
            zero: false,
        }
    }

    /// Sets whether there is a bias.
    pub fn with_bias(mut self, bias: bool) -> Self {
        self.bias = bias;
        self
    }

    /// Starts the weights at 0.
    pub fn zeroed(mut self) -> Self {
        self.zero = true;
        self
    }

    /// Makes the layer.
    pub fn init(&self, device: &Device) -> Linear {
        let draw = if self.zero {
            Initializer::Zeros
        } else {
            uniform(self.input)
        };
        Linear {
            weight: lazy(&draw, [self.input, self.output], device),
            bias: self.bias.then(|| lazy(&draw, [self.output], device)),
        }
    }
}

/// A matrix product with optional bias.
///
/// The matrix is held as burn multiplies it, which is the transpose of
/// PyTorch's; `model::checkpoint` turns it when reading and writing.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[input, output]`.
    pub weight: Param<Tensor<2>>,
    /// `[output]`.
    pub bias: Option<Param<Tensor<1>>>,
}

impl Linear {
    /// # Shapes
    /// `[.., input]` to `[.., output]`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        ops::linear(x, self.weight.val(), self.bias.as_ref().map(Param::val))
    }
}

/// Sizes of a [`GroupNorm`].
#[derive(Clone, Copy, Debug)]
pub struct GroupNormConfig {
    /// Number of groups; divides `channels`.
    pub groups: usize,
    /// Channels.
    pub channels: usize,
    /// Added to the variance.
    pub eps: f64,
}

impl GroupNormConfig {
    /// Makes the layer.
    pub fn init(&self, device: &Device) -> GroupNorm {
        GroupNorm {
            weight: lazy(&Initializer::Ones, [self.channels], device),
            bias: lazy(&Initializer::Zeros, [self.channels], device),
            groups: self.groups,
            eps: self.eps,
        }
    }
}

/// Group normalisation with learned scale and shift.
#[derive(Module, Debug)]
pub struct GroupNorm {
    /// `[channels]`.
    pub weight: Param<Tensor<1>>,
    /// `[channels]`.
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    groups: usize,
    #[module(skip)]
    eps: f64,
}

impl GroupNorm {
    /// # Shapes
    /// `[batch, channels, height, width]` to the same.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        ops::group_norm(x, self.groups, self.weight.val(), self.bias.val(), self.eps)
    }

    /// Normalises, then applies SiLU.
    ///
    /// # Shapes
    /// `[batch, channels, height, width]` to the same.
    pub fn forward_silu(&self, x: Tensor<4>) -> Tensor<4> {
        ops::group_norm_silu(x, self.groups, self.weight.val(), self.bias.val(), self.eps)
    }
}

/// Sizes of a [`LayerNorm`].
#[derive(Clone, Copy, Debug)]
pub struct LayerNormConfig {
    /// Width of a token.
    pub width: usize,
    /// Added to the variance.
    pub eps: f64,
}

impl LayerNormConfig {
    /// Makes the layer.
    pub fn init(&self, device: &Device) -> LayerNorm {
        LayerNorm {
            weight: lazy(&Initializer::Ones, [self.width], device),
            bias: lazy(&Initializer::Zeros, [self.width], device),
            eps: self.eps,
        }
    }
}

/// Layer normalisation with learned scale and shift.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// `[width]`.
    pub weight: Param<Tensor<1>>,
    /// `[width]`.
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    eps: f64,
}

impl LayerNorm {
    /// # Shapes
    /// `[batch, tokens, width]` to the same.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        ops::layer_norm(x, self.weight.val(), self.bias.val(), self.eps)
    }
}

/// Sizes of an [`Embedding`].
#[derive(Clone, Copy, Debug)]
pub struct EmbeddingConfig {
    /// Number of vectors.
    pub count: usize,
    /// Width of a vector.
    pub width: usize,
    /// Standard deviation of the first weights.
    pub std: f64,
}

impl EmbeddingConfig {
    /// Makes the table.
    pub fn init(&self, device: &Device) -> Embedding {
        let draw = Initializer::Normal {
            mean: 0.0,
            std: self.std,
        };
        Embedding {
            weight: lazy(&draw, [self.count, self.width], device),
        }
    }
}

/// A table of learned vectors.
#[derive(Module, Debug)]
pub struct Embedding {
    /// `[count, width]`.
    pub weight: Param<Tensor<2>>,
}

impl Embedding {
    /// # Shapes
    /// `[batch, tokens]` to `[batch, tokens, width]`.
    pub fn forward(&self, indices: Tensor<2, Int>) -> Tensor<3> {
        ops::embedding(self.weight.val(), indices)
    }
}
