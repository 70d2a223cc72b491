//! The kernels' gradients, for burn's autodiff.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::ops::FloatTensorOps as _;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::FloatDType;

use super::super::activation::{Activation, activate_backward, geglu_backward, prelu_backward};
use super::super::attention::{AttentionShape, attention, attention_backward};
use super::super::conv::{self, ConvShape};
use super::super::linear as affine;
use super::super::norm::{self, GroupNormShape, Moments};
use super::{
    FastOps, Plain, attention_shape, conv_shape, dims, group_norm_shape, last, plane_area,
    run_conv2d, run_linear, tensor, values,
};

/// Records an operation and its state on the graph, or only passes its output on.
macro_rules! record {
    ($op:expr, $strategy:ty, [$($parent:ident),+], $state:expr, $output:expr) => {
        match $op.prepare::<$strategy>([$($parent),+]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish($state, $output),
            OpsKind::UnTracked(prep) => prep.finish($output),
        }
    };
}

/// Splits an autodiff tensor into its contiguous value and its place in the graph.
macro_rules! part {
    ($tensor:ident => $value:ident, $node:ident) => {
        let ($value, $node) = $tensor.into_parts();
        // Gradients are taken of f32 only; weights of other kinds are here frozen.
        let $value = Flex::float_cast($value, FloatDType::F32).to_contiguous();
    };
}

#[derive(Debug)]
struct Activate;

impl Backward<Flex, 1> for Activate {
    type State = (Plain, Activation);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<Flex>(&ops.node).to_contiguous();
        let (x, activation) = ops.state;
        if let [Some(parent)] = ops.parents {
            let dx = activate_backward(values(&x), values(&dy), activation);
            grads.register::<Flex>(parent.id, tensor(dx, dims(&x)));
        }
    }
}

#[derive(Debug)]
struct PRelu;

impl Backward<Flex, 2> for PRelu {
    type State = (Plain, Plain);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<Flex>(&ops.node).to_contiguous();
        let (x, slopes) = ops.state;
        let [parent_x, parent_slopes] = ops.parents;
        let (dx, dslopes) =
            prelu_backward(values(&x), values(&slopes), values(&dy), plane_area(&x));
        if let Some(parent) = parent_x {
            grads.register::<Flex>(parent.id, tensor(dx, dims(&x)));
        }
        if let Some(parent) = parent_slopes {
            grads.register::<Flex>(parent.id, tensor(dslopes, dims(&slopes)));
        }
    }
}

#[derive(Debug)]
struct Geglu;

impl Backward<Flex, 1> for Geglu {
    type State = Plain;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<Flex>(&ops.node).to_contiguous();
        let x = ops.state;
        if let [Some(parent)] = ops.parents {
            let dx = geglu_backward(values(&x), values(&dy), last(&x) / 2);
            grads.register::<Flex>(parent.id, tensor(dx, dims(&x)));
        }
    }
}

/// Registers the gradients of a normalisation: of its input, scale and offset.
fn register_affine(
    parents: [Option<burn::backend::autodiff::NodeId>; 3],
    grads: &mut Gradients,
    gradients: (Vec<f32>, Vec<f32>, Vec<f32>),
    shape: Vec<usize>,
) {
    let (dx, dgamma, dbeta) = gradients;
    let width = dgamma.len();
    let [x, gamma, beta] = parents;
    if let Some(id) = x {
        grads.register::<Flex>(id, tensor(dx, shape));
    }
    if let Some(id) = gamma {
        grads.register::<Flex>(id, tensor(dgamma, [width]));
    }
    if let Some(id) = beta {
        grads.register::<Flex>(id, tensor(dbeta, [width]));
    }
}

#[derive(Debug)]
struct GroupNorm;

impl Backward<Flex, 3> for GroupNorm {
    type State = (Plain, Plain, Plain, Moments, GroupNormShape);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<Flex>(&ops.node).to_contiguous();
        let (x, gamma, beta, stats, shape) = ops.state;
        let all = norm::group_norm_backward(
            values(&x),
            values(&gamma),
            values(&beta),
            &stats,
            values(&dy),
            shape,
        );
        register_affine(ops.parents.map(|p| p.map(|p| p.id)), grads, all, dims(&x));
    }
}

#[derive(Debug)]
struct LayerNorm;

impl Backward<Flex, 3> for LayerNorm {
    type State = (Plain, Plain, Moments);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<Flex>(&ops.node).to_contiguous();
        let (x, gamma, stats) = ops.state;
        let all = norm::layer_norm_backward(values(&x), values(&gamma), &stats, values(&dy));
        register_affine(ops.parents.map(|p| p.map(|p| p.id)), grads, all, dims(&x));
    }
}

#[derive(Debug)]
struct Conv2d;

impl Backward<Flex, 3> for Conv2d {
    type State = (Plain, Plain, ConvShape);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<Flex>(&ops.node).to_contiguous();
        let (x, weight, shape) = ops.state;
        let [to_x, to_weight, to_bias] = ops.parents;
        if let Some(node) = to_x {
            let dx = conv::conv2d_input_gradient(values(&weight), values(&dy), &shape);
            grads.register::<Flex>(node.id, tensor(dx, dims(&x)));
        }
        if let Some(node) = to_weight {
            let dw = conv::conv2d_weight_gradient(values(&x), values(&dy), &shape);
            grads.register::<Flex>(node.id, tensor(dw, dims(&weight)));
        }
        if let Some(node) = to_bias {
            let area = shape.output().iter().product();
            let db = conv::conv2d_bias_gradient(values(&dy), shape.channels_out, area);
            grads.register::<Flex>(node.id, tensor(db, [shape.channels_out]));
        }
    }
}

/// Registers the gradients of an affine map by its input and weight.
fn register_linear(
    parents: [Option<burn::backend::autodiff::NodeId>; 2],
    grads: &mut Gradients,
    x: &Plain,
    weight: &Plain,
    dy: &Plain,
) {
    let [inputs, outputs] = [dims(weight)[0], dims(weight)[1]];
    let [to_x, to_weight] = parents;
    if let Some(id) = to_x {
        let dx = affine::linear_input_gradient(values(weight), values(dy), inputs, outputs);
        grads.register::<Flex>(id, tensor(dx, dims(x)));
    }
    if let Some(id) = to_weight {
        let dw = affine::linear_weight_gradient(values(x), values(dy), inputs, outputs);
        grads.register::<Flex>(id, tensor(dw, dims(weight)));
    }
}

#[derive(Debug)]
struct Matmul;

impl Backward<Flex, 2> for Matmul {
    type State = (Plain, Plain);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<Flex>(&ops.node).to_contiguous();
        let (x, weight) = ops.state;
        register_linear(
            ops.parents.map(|p| p.map(|p| p.id)),
            grads,
            &x,
            &weight,
            &dy,
        );
    }
}

#[derive(Debug)]
struct Linear;

impl Backward<Flex, 3> for Linear {
    type State = (Plain, Plain);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<Flex>(&ops.node).to_contiguous();
        let (x, weight) = ops.state;
        let [to_x, to_weight, to_bias] = ops.parents.map(|p| p.map(|p| p.id));
        register_linear([to_x, to_weight], grads, &x, &weight, &dy);
        if let Some(id) = to_bias {
            let outputs = last(&dy);
            grads.register::<Flex>(
                id,
                tensor(
                    affine::linear_bias_gradient(values(&dy), outputs),
                    [outputs],
                ),
            );
        }
    }
}

#[derive(Debug)]
struct Attention;

impl Backward<Flex, 3> for Attention {
    type State = (Plain, Plain, Plain, AttentionShape);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<Flex>(&ops.node).to_contiguous();
        let (q, k, v, shape) = ops.state;
        let (dq, dk, dv) =
            attention_backward(values(&q), values(&k), values(&v), values(&dy), &shape);
        let [to_q, to_k, to_v] = ops.parents;
        for (node, gradient, like) in [(to_q, dq, &q), (to_k, dk, &k), (to_v, dv, &v)] {
            if let Some(node) = node {
                grads.register::<Flex>(node.id, tensor(gradient, dims(like)));
            }
        }
    }
}

impl<C: CheckpointStrategy> FastOps for Autodiff<Flex, C> {
    fn fast_activation(x: FloatTensor<Self>, activation: Activation) -> FloatTensor<Self> {
        part!(x => value, node);
        let out = Flex::fast_activation(value.clone(), activation);
        record!(Activate, C, [node], (value, activation), out)
    }

    fn fast_prelu(x: FloatTensor<Self>, slopes: FloatTensor<Self>) -> FloatTensor<Self> {
        part!(x => x, node_x);
        part!(slopes => slopes, node_slopes);
        let out = Flex::fast_prelu(x.clone(), slopes.clone());
        record!(PRelu, C, [node_x, node_slopes], (x, slopes), out)
    }

    fn fast_geglu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        part!(x => value, node);
        let out = Flex::fast_geglu(value.clone());
        record!(Geglu, C, [node], value, out)
    }

    fn fast_group_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        groups: usize,
        eps: f32,
        silu: bool,
    ) -> FloatTensor<Self> {
        part!(x => x, node_x);
        part!(gamma => gamma, node_gamma);
        part!(beta => beta, node_beta);
        let shape = group_norm_shape(&x, groups, eps, silu);
        let (out, stats) = norm::group_norm(values(&x), values(&gamma), values(&beta), shape);
        let out = tensor(out, dims(&x));
        record!(
            GroupNorm,
            C,
            [node_x, node_gamma, node_beta],
            (x, gamma, beta, stats, shape),
            out
        )
    }

    fn fast_layer_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        eps: f32,
    ) -> FloatTensor<Self> {
        part!(x => x, node_x);
        part!(gamma => gamma, node_gamma);
        part!(beta => beta, node_beta);
        let (out, stats) = norm::layer_norm(values(&x), values(&gamma), values(&beta), eps);
        let out = tensor(out, dims(&x));
        record!(
            LayerNorm,
            C,
            [node_x, node_gamma, node_beta],
            (x, gamma, stats),
            out
        )
    }

    fn fast_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        stride: usize,
        padding: [(usize, usize); 2],
    ) -> FloatTensor<Self> {
        part!(x => x, node_x);
        part!(weight => weight, node_weight);
        part!(bias => bias, node_bias);
        let shape = conv_shape(&x, &weight, stride, padding);
        let out = run_conv2d(&x, &weight, &bias, stride, padding);
        record!(
            Conv2d,
            C,
            [node_x, node_weight, node_bias],
            (x, weight, shape),
            out
        )
    }

    fn fast_matmul(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        part!(x => x, node_x);
        part!(weight => weight, node_weight);
        let out = run_linear(&x, &weight, None);
        record!(Matmul, C, [node_x, node_weight], (x, weight), out)
    }

    fn fast_linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        part!(x => x, node_x);
        part!(weight => weight, node_weight);
        part!(bias => bias, node_bias);
        let out = run_linear(&x, &weight, Some(&bias));
        record!(
            Linear,
            C,
            [node_x, node_weight, node_bias],
            (x, weight),
            out
        )
    }

    fn fast_linear_geglu(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        // In turn: the gradient needs what lies between.
        Self::fast_geglu(Self::fast_linear(x, weight, bias))
    }

    fn fast_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        heads: usize,
        causal: bool,
    ) -> FloatTensor<Self> {
        part!(q => q, node_q);
        part!(k => k, node_k);
        part!(v => v, node_v);
        let shape = attention_shape(&q, &k, heads, causal);
        let out = attention(values(&q), values(&k), values(&v), &shape);
        let out = tensor(out, dims(&q));
        record!(
            Attention,
            C,
            [node_q, node_k, node_v],
            (q, k, v, shape),
            out
        )
    }
}
