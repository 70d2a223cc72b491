//! The kernels as operations on burn tensors, differentiable under autodiff.

mod backward;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Flex, TensorMetadata, backend_extension};
use burn::tensor::{DType, TensorData};

use super::activation::{Activation, activate, geglu, prelu};
use super::attention::AttentionShape;
use super::conv::{self, ConvShape};
use super::linear as affine;
use super::norm::{self, GroupNormShape};
use super::weights::Weights;

type Plain = FloatTensor<Flex>;

/// The operations that this room computes itself.
///
/// The names begin with `fast_` because every backend already has methods such
/// as `conv2d`.
#[backend_extension(Flex, Autodiff)]
pub trait FastOps: Backend {
    /// An activation, element by element.
    fn fast_activation(x: FloatTensor<Self>, activation: Activation) -> FloatTensor<Self>;
    /// PReLU of `[batch, channels, …]` with a slope for each channel.
    fn fast_prelu(x: FloatTensor<Self>, slopes: FloatTensor<Self>) -> FloatTensor<Self>;
    /// GEGLU over the last axis.
    fn fast_geglu(x: FloatTensor<Self>) -> FloatTensor<Self>;
    /// Group normalisation of `[batch, channels, …]`, then SiLU if asked.
    fn fast_group_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        groups: usize,
        eps: f32,
        silu: bool,
    ) -> FloatTensor<Self>;
    /// Layer normalisation of the last axis.
    fn fast_layer_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        eps: f32,
    ) -> FloatTensor<Self>;
    /// Convolution with bias; `padding` is (before, after) for rows and for columns.
    fn fast_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        stride: usize,
        padding: [(usize, usize); 2],
    ) -> FloatTensor<Self>;
    /// `x · weight` over the last axis; here and below the weights may be f16 or bf16.
    fn fast_matmul(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self>;
    /// `x · weight + bias` over the last axis.
    fn fast_linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
    /// `x · weight + bias` over the last axis, then GEGLU of it.
    fn fast_linear_geglu(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
    /// Multi-head attention with the heads side by side in the last axis.
    fn fast_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        heads: usize,
        causal: bool,
    ) -> FloatTensor<Self>;
}

/// A contiguous tensor's values.
fn values(tensor: &Plain) -> &[f32] {
    tensor
        .as_slice::<f32>()
        .expect("made contiguous f32 on entry")
}

/// The weights of a contiguous tensor.
fn weights(tensor: &Plain) -> Weights<'_> {
    let halves = match tensor.dtype() {
        DType::F16 => tensor.as_slice().map(Weights::F16),
        DType::BF16 => tensor.as_slice().map(Weights::Bf16),
        _ => None,
    };
    halves.unwrap_or_else(|| Weights::F32(values(tensor)))
}

fn tensor(values: Vec<f32>, shape: impl Into<Vec<usize>>) -> Plain {
    Plain::from_data(TensorData::new(values, shape.into()))
}

fn dims(tensor: &Plain) -> Vec<usize> {
    tensor.shape().to_vec()
}

/// Values of each channel of a picture.
fn plane_area(x: &Plain) -> usize {
    dims(x)[2..].iter().product()
}

fn last(tensor: &Plain) -> usize {
    dims(tensor).last().copied().unwrap_or(1)
}

fn conv_shape(x: &Plain, weight: &Plain, stride: usize, padding: [(usize, usize); 2]) -> ConvShape {
    let (x, weight) = (dims(x), dims(weight));
    ConvShape {
        batch: x[0],
        channels_in: x[1],
        channels_out: weight[0],
        input: [x[2], x[3]],
        kernel: [weight[2], weight[3]],
        stride: [stride; 2],
        padding: padding.map(|(before, _)| before),
        padding_after: padding.map(|(_, after)| after),
    }
}

fn group_norm_shape(x: &Plain, groups: usize, eps: f32, silu: bool) -> GroupNormShape {
    let x = dims(x);
    GroupNormShape {
        batch: x[0],
        channels: x[1],
        area: x[2..].iter().product(),
        groups,
        eps,
        silu,
    }
}

fn attention_shape(q: &Plain, k: &Plain, heads: usize, causal: bool) -> AttentionShape {
    let (q, k) = (dims(q), dims(k));
    AttentionShape {
        batch: q[0],
        heads,
        queries: q[1],
        keys: k[1],
        head_dim: q[2] / heads,
        causal,
    }
}

fn with_last(tensor: &Plain, size: usize) -> Vec<usize> {
    let mut shape = dims(tensor);
    if let Some(last) = shape.last_mut() {
        *last = size;
    }
    shape
}

fn run_conv2d(
    x: &Plain,
    weight: &Plain,
    bias: &Plain,
    stride: usize,
    padding: [(usize, usize); 2],
) -> Plain {
    let shape = conv_shape(x, weight, stride, padding);
    let [height, width] = shape.output();
    let out = conv::conv2d(values(x), weights(weight), Some(values(bias)), &shape);
    tensor(out, [shape.batch, shape.channels_out, height, width])
}

fn run_linear(x: &Plain, weight: &Plain, bias: Option<&Plain>) -> Plain {
    let [inputs, outputs] = [dims(weight)[0], dims(weight)[1]];
    let out = affine::linear(
        values(x),
        weights(weight),
        bias.map(values),
        inputs,
        outputs,
    );
    tensor(out, with_last(x, outputs))
}

impl FastOps for Flex {
    fn fast_activation(x: Plain, activation: Activation) -> Plain {
        let x = x.to_contiguous();
        tensor(activate(values(&x), activation), dims(&x))
    }

    fn fast_prelu(x: Plain, slopes: Plain) -> Plain {
        let (x, slopes) = (x.to_contiguous(), slopes.to_contiguous());
        tensor(prelu(values(&x), values(&slopes), plane_area(&x)), dims(&x))
    }

    fn fast_geglu(x: Plain) -> Plain {
        let x = x.to_contiguous();
        let width = last(&x) / 2;
        tensor(geglu(values(&x), width), with_last(&x, width))
    }

    fn fast_group_norm(
        x: Plain,
        gamma: Plain,
        beta: Plain,
        groups: usize,
        eps: f32,
        silu: bool,
    ) -> Plain {
        let (x, gamma, beta) = (
            x.to_contiguous(),
            gamma.to_contiguous(),
            beta.to_contiguous(),
        );
        let shape = group_norm_shape(&x, groups, eps, silu);
        let (out, _) = norm::group_norm(values(&x), values(&gamma), values(&beta), shape);
        tensor(out, dims(&x))
    }

    fn fast_layer_norm(x: Plain, gamma: Plain, beta: Plain, eps: f32) -> Plain {
        let (x, gamma, beta) = (
            x.to_contiguous(),
            gamma.to_contiguous(),
            beta.to_contiguous(),
        );
        let (out, _) = norm::layer_norm(values(&x), values(&gamma), values(&beta), eps);
        tensor(out, dims(&x))
    }

    fn fast_conv2d(
        x: Plain,
        weight: Plain,
        bias: Plain,
        stride: usize,
        padding: [(usize, usize); 2],
    ) -> Plain {
        let (x, weight, bias) = (
            x.to_contiguous(),
            weight.to_contiguous(),
            bias.to_contiguous(),
        );
        run_conv2d(&x, &weight, &bias, stride, padding)
    }

    fn fast_matmul(x: Plain, weight: Plain) -> Plain {
        run_linear(&x.to_contiguous(), &weight.to_contiguous(), None)
    }

    fn fast_linear(x: Plain, weight: Plain, bias: Plain) -> Plain {
        run_linear(
            &x.to_contiguous(),
            &weight.to_contiguous(),
            Some(&bias.to_contiguous()),
        )
    }

    fn fast_linear_geglu(x: Plain, weight: Plain, bias: Plain) -> Plain {
        let (x, weight, bias) = (
            x.to_contiguous(),
            weight.to_contiguous(),
            bias.to_contiguous(),
        );
        let [inputs, outputs] = [dims(&weight)[0], dims(&weight)[1]];
        let (values_of_x, bias) = (values(&x), values(&bias));
        let out = affine::linear_geglu(values_of_x, weights(&weight), bias, inputs, outputs);
        tensor(out, with_last(&x, outputs / 2))
    }

    fn fast_attention(q: Plain, k: Plain, v: Plain, heads: usize, causal: bool) -> Plain {
        let (q, k, v) = (q.to_contiguous(), k.to_contiguous(), v.to_contiguous());
        let shape = attention_shape(&q, &k, heads, causal);
        tensor(
            super::attention::attention(values(&q), values(&k), values(&v), &shape),
            dims(&q),
        )
    }
}
