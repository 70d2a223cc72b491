//! The arithmetic under the modules: everything that takes time is here.
//!
//! All functions can be differentiated, because the modules are trained too.

use burn::tensor::module::{
    attention as burn_attention, conv2d as burn_conv2d, embedding as burn_embedding, interpolate,
    linear as burn_linear,
};
use burn::tensor::ops::{AttentionModuleOptions, ConvOptions, InterpolateMode, InterpolateOptions};
use burn::tensor::{DType, Int, Tensor, activation};

use crate::kernels::{self, Activation};
pub use crate::kernels::{give_way, lend, untouched, widen_f16, with_scratch};

/// Runs many operations in a row where they are quickest, if they are for the
/// device of `like`: a network's pass forward or backward.
pub fn on_workers<const D: usize, R: Send>(like: &Tensor<D>, work: impl FnOnce() -> R + Send) -> R {
    if kernels::is_on_processor(like) {
        return kernels::on_workers(work);
    }
    work()
}

/// x · σ(x), also called swish (Elfwing et al. 2017, <https://arxiv.org/abs/1702.03118>).
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if kernels::is_accelerated(&x) {
        return kernels::activation(x, Activation::Silu);
    }
    activation::silu(x)
}

/// x · Φ(x) with the exact normal distribution (Hendrycks and Gimpel 2016,
/// <https://arxiv.org/abs/1606.08415>).
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if kernels::is_accelerated(&x) {
        return kernels::activation(x, Activation::Gelu);
    }
    activation::gelu(x)
}

/// x · σ(1.702 x), the approximation of GELU that CLIP was trained with.
pub fn quick_gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if kernels::is_accelerated(&x) {
        return kernels::activation(x, Activation::QuickGelu);
    }
    x.clone() * activation::sigmoid(x * 1.702)
}

/// x where it is positive, elsewhere x times the slope of its channel (He et al. 2015,
/// <https://arxiv.org/abs/1502.01852>).
///
/// # Shapes
/// `x`: `[batch, channels, height, width]`; `slopes`: `[channels]`.
pub fn prelu(x: Tensor<4>, slopes: Tensor<1>) -> Tensor<4> {
    if kernels::is_accelerated(&x) {
        return kernels::prelu(x, slopes);
    }
    let slopes = slopes.reshape([1, -1, 1, 1]);
    activation::relu(x.clone()) - activation::relu(-x) * slopes
}

/// Splits the last axis into halves (a, gate) and returns a · GELU(gate)
/// (Shazeer 2020, <https://arxiv.org/abs/2002.05202>).
///
/// # Shapes
/// `[.., 2 n]` to `[.., n]`.
pub fn geglu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if kernels::is_accelerated(&x) {
        return kernels::geglu(x);
    }
    let half = x.dims()[D - 1] / 2;
    let gate = x.clone().narrow(D - 1, half, half);
    x.narrow(D - 1, 0, half) * gelu(gate)
}

/// Group normalisation (Wu and He 2018, <https://arxiv.org/abs/1803.08494>).
///
/// # Shapes
/// `x`: `[batch, channels, height, width]`; `weight` and `bias`: `[channels]`.
pub fn group_norm(
    x: Tensor<4>,
    groups: usize,
    weight: Tensor<1>,
    bias: Tensor<1>,
    eps: f64,
) -> Tensor<4> {
    if kernels::is_accelerated(&x) {
        return kernels::group_norm(x, weight, bias, groups, eps as f32, false);
    }
    let [batch, channels, height, width] = x.dims();
    let grouped = x.reshape([batch, groups, channels / groups * height * width]);
    let mean = grouped.clone().mean_dim(2);
    let centred = grouped - mean;
    let variance = (centred.clone() * centred.clone()).mean_dim(2);
    let normal = centred * (variance + eps).sqrt().recip();
    normal.reshape([batch, channels, height, width]) * weight.reshape([1, channels, 1, 1])
        + bias.reshape([1, channels, 1, 1])
}

/// [`group_norm`] followed by [`silu`].
///
/// # Shapes
/// As [`group_norm`].
pub fn group_norm_silu(
    x: Tensor<4>,
    groups: usize,
    weight: Tensor<1>,
    bias: Tensor<1>,
    eps: f64,
) -> Tensor<4> {
    if kernels::is_accelerated(&x) {
        return kernels::group_norm(x, weight, bias, groups, eps as f32, true);
    }
    silu(group_norm(x, groups, weight, bias, eps))
}

/// Layer normalisation over the last axis (Ba et al. 2016, <https://arxiv.org/abs/1607.06450>).
///
/// # Shapes
/// `x`: `[batch, tokens, width]`; `weight` and `bias`: `[width]`.
pub fn layer_norm(x: Tensor<3>, weight: Tensor<1>, bias: Tensor<1>, eps: f64) -> Tensor<3> {
    if kernels::is_accelerated(&x) {
        return kernels::layer_norm(x, weight, bias, eps as f32);
    }
    let width = x.dims()[2];
    let mean = x.clone().mean_dim(2);
    let centred = x - mean;
    let variance = (centred.clone() * centred.clone()).mean_dim(2);
    centred * (variance + eps).sqrt().recip() * weight.reshape([1, 1, width])
        + bias.reshape([1, 1, width])
}

/// x · weight + bias; the weight may be of another precision than `x`.
///
/// # Shapes
/// `x`: `[.., input]`; `weight`: `[input, output]`; result: `[.., output]`.
pub fn linear<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    if kernels::is_accelerated(&x) {
        return kernels::linear(x, weight, bias);
    }
    let weight = weight.cast(x.dtype());
    burn_linear(x, weight, bias)
}

/// [`geglu`] of x · weight + bias.
///
/// # Shapes
/// `x`: `[.., input]`; `weight`: `[input, 2 n]`; `bias`: `[2 n]`; result: `[.., n]`.
pub fn linear_geglu<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<D> {
    if kernels::is_accelerated(&x) {
        return kernels::linear_geglu(x, weight, bias);
    }
    geglu(linear(x, weight, Some(bias)))
}

/// Rows of a table, in f32 whatever the table is in.
///
/// # Shapes
/// `table`: `[count, width]`; `indices`: `[batch, tokens]`; result: `[batch, tokens, width]`.
pub fn embedding(table: Tensor<2>, indices: Tensor<2, Int>) -> Tensor<3> {
    burn_embedding(table, indices).cast(DType::F32)
}

/// Scaled dot-product attention with the heads side by side on the last axis
/// (Vaswani et al. 2017, <https://arxiv.org/abs/1706.03762>).
///
/// With `causal`, a query sees the keys up to its own place only.
///
/// # Shapes
/// `query`: `[batch, queries, heads · width]`; `key` and `value`:
/// `[batch, keys, heads · width]`; result: as `query`.
pub fn attention(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    heads: usize,
    causal: bool,
) -> Tensor<3> {
    if kernels::is_accelerated(&query) {
        return kernels::attention(query, key, value, heads, causal);
    }
    heads_apart(query, key, value, heads, None, causal)
}

/// The same with a number added for each query and key before the softmax.
///
/// # Shapes
/// As [`attention`]; `bias`: `[batch, 1, queries, keys]`.
pub fn biased_attention(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    heads: usize,
    bias: Tensor<4>,
) -> Tensor<3> {
    heads_apart(query, key, value, heads, Some(bias), false)
}

fn heads_apart(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    heads: usize,
    bias: Option<Tensor<4>>,
    causal: bool,
) -> Tensor<3> {
    let [batch, queries, inner] = query.dims();
    let split = |x: Tensor<3>| {
        let tokens = x.dims()[1];
        x.reshape([batch, tokens, heads, inner / heads])
            .swap_dims(1, 2)
    };
    let options = AttentionModuleOptions {
        is_causal: causal,
        ..Default::default()
    };
    burn_attention(split(query), split(key), split(value), None, bias, options)
        .swap_dims(1, 2)
        .reshape([batch, queries, inner])
}

/// Convolution with square strides; `padding` is (before, after) for rows and for columns.
/// The weight may be of another precision than `x`.
///
/// # Shapes
/// `x`: `[batch, input, height, width]`; `weight`: `[output, input, rows, columns]`.
pub fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: usize,
    padding: [(usize, usize); 2],
) -> Tensor<4> {
    if kernels::is_accelerated(&x) {
        return kernels::conv2d(x, weight, bias, stride, padding);
    }
    let weight = weight.cast(x.dtype());
    burn_conv2d(
        x,
        weight,
        bias,
        ConvOptions::new_with_padding([stride; 2], padding, [1, 1], 1),
    )
}

/// Doubles rows and columns by repetition and cuts the result to `size`.
///
/// For the odd sizes that occur (2 n − 1 from n), this equals PyTorch's nearest
/// interpolation to that size.
///
/// # Shapes
/// `[batch, channels, h, w]` to `[batch, channels, size[0], size[1]]` with `size ≤ [2 h, 2 w]`.
pub fn upsample_nearest(x: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    let doubled = [2 * height, 2 * width];
    let options = InterpolateOptions::new(InterpolateMode::Nearest).with_output_size(doubled);
    let mut y = interpolate(x, options);
    if size[0] != doubled[0] {
        y = y.narrow(2, 0, size[0]);
    }
    if size[1] != doubled[1] {
        y = y.narrow(3, 0, size[1]);
    }
    y
}

/// The means of blocks of 2 × 2 places; where a size is odd, its last row or column is
/// taken twice.
///
/// # Shapes
/// `[batch, channels, h, w]` to `[batch, channels, ⌈h / 2⌉, ⌈w / 2⌉]`.
pub fn halved(mut x: Tensor<4>) -> Tensor<4> {
    for axis in [2, 3] {
        let side = x.dims()[axis];
        if !side.is_multiple_of(2) {
            let last = x.clone().narrow(axis, side - 1, 1);
            x = Tensor::cat(vec![x, last], axis);
        }
    }
    let [batch, channels, height, width] = x.dims();
    let (rows, columns) = (height / 2, width / 2);
    let blocks: Tensor<6> = x.reshape([batch, channels, rows, 2, columns, 2]);
    blocks
        .mean_dim(5)
        .mean_dim(3)
        .reshape([batch, channels, rows, columns])
}

/// Brings blocks of `factor` × `factor` places into channels, in PyTorch's order:
/// channel, row of the block, column of the block.
///
/// # Shapes
/// `[batch, channels, h, w]` to `[batch, channels · factor², h / factor, w / factor]`.
pub fn pixel_unshuffle(x: Tensor<4>, factor: usize) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    let (rows, columns) = (height / factor, width / factor);
    x.reshape([batch, channels, rows, factor, columns, factor])
        .permute([0, 1, 3, 5, 2, 4])
        .reshape([batch, channels * factor * factor, rows, columns])
}

/// Spreads channels over blocks of `factor` × `factor` places: [`pixel_unshuffle`]
/// turned round (Shi et al. 2016, <https://arxiv.org/abs/1609.05158>).
///
/// # Shapes
/// `[batch, channels · factor², h, w]` to `[batch, channels, factor · h, factor · w]`.
pub fn pixel_shuffle(x: Tensor<4>, factor: usize) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    let channels = channels / (factor * factor);
    x.reshape([batch, channels, factor, factor, height, width])
        .permute([0, 1, 4, 2, 5, 3])
        .reshape([batch, channels, height * factor, width * factor])
}
