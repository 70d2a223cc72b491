//! Two-dimensional convolution and its gradients: which of the two ways is taken.

mod patches;
mod shape;
mod winograd;

pub use self::shape::ConvShape;
use super::weights::Weights;

/// Convolution (cross-correlation, as in every network library).
///
/// # Shapes
/// - `x`: `[batch, channels_in, height, width]`
/// - `weight`: `[channels_out, channels_in, kernel_h, kernel_w]`
/// - `bias`: `[channels_out]`
/// - output: `[batch, channels_out, height_out, width_out]`
pub fn conv2d(x: &[f32], weight: Weights<'_>, bias: Option<&[f32]>, shape: &ConvShape) -> Vec<f32> {
    let fast = winograd::suits(shape).then(|| winograd::conv2d(x, weight, bias, shape));
    fast.flatten()
        .unwrap_or_else(|| patches::conv2d(x, weight, bias, shape))
}

/// Gradient of [`conv2d`] by its input.
pub fn conv2d_input_gradient(weight: &[f32], dy: &[f32], shape: &ConvShape) -> Vec<f32> {
    let [kernel_h, kernel_w] = shape.kernel;
    let fits = |padding: [usize; 2]| padding[0] < kernel_h && padding[1] < kernel_w;
    if shape.stride == [1, 1] && fits(shape.padding) && fits(shape.padding_after) {
        // The gradient is itself a convolution, with the kernel turned round.
        let taps = kernel_h * kernel_w;
        let mut turned = vec![0.0; weight.len()];
        for o in 0..shape.channels_out {
            for i in 0..shape.channels_in {
                let from = &weight[(o * shape.channels_in + i) * taps..][..taps];
                let to = &mut turned[(i * shape.channels_out + o) * taps..][..taps];
                for (to, from) in to.iter_mut().zip(from.iter().rev()) {
                    *to = *from;
                }
            }
        }
        let back = ConvShape {
            channels_in: shape.channels_out,
            channels_out: shape.channels_in,
            input: shape.output(),
            padding: [
                kernel_h - 1 - shape.padding[0],
                kernel_w - 1 - shape.padding[1],
            ],
            padding_after: [
                kernel_h - 1 - shape.padding_after[0],
                kernel_w - 1 - shape.padding_after[1],
            ],
            ..*shape
        };
        debug_assert_eq!(back.output(), shape.input);
        return conv2d(dy, Weights::F32(&turned), None, &back);
    }
    patches::input_gradient(weight, dy, shape)
}

/// Gradient of [`conv2d`] by its weight.
pub fn conv2d_weight_gradient(x: &[f32], dy: &[f32], shape: &ConvShape) -> Vec<f32> {
    if winograd::suits_gradient(shape) {
        winograd::weight_gradient(x, dy, shape)
    } else {
        patches::weight_gradient(x, dy, shape)
    }
}

/// Gradient of [`conv2d`] by its bias: the sums of `dy` over each channel.
pub fn conv2d_bias_gradient(dy: &[f32], channels: usize, area: usize) -> Vec<f32> {
    let mut db = vec![0.0; channels];
    if area == 0 {
        return db;
    }
    for (index, plane) in dy.chunks_exact(area).enumerate() {
        db[index % channels] += super::simd::vectorized(
            #[inline(always)]
            || super::simd::sum(plane),
        );
    }
    db
}
