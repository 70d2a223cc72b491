//! The kernels as functions of tensors, for `nn::ops`.

use burn::backend::{Dispatch, DispatchTensorKind};
use burn::tensor::{DType, Tensor};

use super::activation::Activation;
use super::flex::FastOps as _;

/// Whether the kernels of this room can take a tensor: f32 on the Flex backend,
/// with or without autodiff.
pub fn is_accelerated<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor.dtype() == DType::F32 && is_on_processor(tensor)
}

/// Whether a tensor, of whatever kind, lives on the Flex backend.
pub fn is_on_processor<const D: usize>(tensor: &Tensor<D>) -> bool {
    match tensor.clone().into_dispatch().kind {
        DispatchTensorKind::Flex(_) => true,
        DispatchTensorKind::Autodiff(inner) => matches!(*inner, DispatchTensorKind::Flex(_)),
        _ => false,
    }
}

/// An activation of an accelerated tensor, element by element.
pub fn activation<const D: usize>(x: Tensor<D>, activation: Activation) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::fast_activation(x.into_dispatch(), activation))
}

/// PReLU of an accelerated `[batch, channels, …]` tensor with a slope for each channel.
pub fn prelu<const D: usize>(x: Tensor<D>, slopes: Tensor<1>) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::fast_prelu(
        x.into_dispatch(),
        slopes.into_dispatch(),
    ))
}

/// GEGLU of an accelerated tensor: `a · gelu(gate)` with `a` and `gate` the
/// halves of the last axis.
pub fn geglu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::fast_geglu(x.into_dispatch()))
}

/// Group normalisation of an accelerated `[batch, channels, …]` tensor,
/// followed by SiLU if asked.
pub fn group_norm<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    groups: usize,
    eps: f32,
    silu: bool,
) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::fast_group_norm(
        x.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        groups,
        eps,
        silu,
    ))
}

/// Layer normalisation of an accelerated tensor's last axis.
pub fn layer_norm<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    eps: f32,
) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::fast_layer_norm(
        x.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        eps,
    ))
}

/// Convolution of an accelerated tensor with the same stride both ways;
/// `padding` is (before, after) for rows and for columns.
///
/// # Shapes
/// - `x`: `[batch, channels_in, height, width]`
/// - `weight`: `[channels_out, channels_in, kernel_h, kernel_w]`, f32, f16 or bf16
/// - `bias`: `[channels_out]`
pub fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: usize,
    padding: [(usize, usize); 2],
) -> Tensor<4> {
    let bias = bias.unwrap_or_else(|| Tensor::zeros([weight.dims()[0]], &x.device()));
    Tensor::from_dispatch(Dispatch::fast_conv2d(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        stride,
        padding,
    ))
}

/// Affine map of an accelerated tensor's last axis.
///
/// # Shapes
/// - `weight`: `[inputs, outputs]`, f32, f16 or bf16
/// - `bias`: `[outputs]`
pub fn linear<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    Tensor::from_dispatch(match bias {
        Some(bias) => Dispatch::fast_linear(
            x.into_dispatch(),
            weight.into_dispatch(),
            bias.into_dispatch(),
        ),
        None => Dispatch::fast_matmul(x.into_dispatch(), weight.into_dispatch()),
    })
}

/// Affine map of an accelerated tensor's last axis, then GEGLU of it.
///
/// # Shapes
/// - `weight`: `[inputs, 2 · hidden]`, f32, f16 or bf16
/// - `bias`: `[2 · hidden]`
pub fn linear_geglu<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::fast_linear_geglu(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
    ))
}

/// Multi-head attention of accelerated tensors.
///
/// # Shapes
/// - `q`: `[batch, queries, heads · head_dim]`
/// - `k`, `v`: `[batch, keys, heads · head_dim]`
pub fn attention(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    heads: usize,
    causal: bool,
) -> Tensor<3> {
    Tensor::from_dispatch(Dispatch::fast_attention(
        q.into_dispatch(),
        k.into_dispatch(),
        v.into_dispatch(),
        heads,
        causal,
    ))
}
