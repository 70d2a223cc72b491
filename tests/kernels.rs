//! The processor kernels against burn's own operations, over random shapes:
//! values and gradients.
//!
//! Weights in half precision are compared with the same weights widened before.

use burn::tensor::Gradients;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{DType, Device, Distribution, Tensor, TensorData, activation, module};
use proptest::prelude::*;
use velatura::kernels::{self, Activation};

fn device() -> Device {
    Device::flex().autodiff()
}

fn random<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u32 << 23) as f32 - 1.0
        })
        .collect();
    Tensor::from_data(TensorData::new(values, shape), &device()).require_grad()
}

fn largest_difference<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> f32 {
    assert_eq!(a.dims(), b.dims());
    (a - b).abs().max().into_scalar::<f32>()
}

/// Compares two ways of computing the same thing, and the gradients by each input.
macro_rules! same {
    ([$($input:ident),+], $ours:expr, $plain:expr, $tolerance:expr) => {{
        let ours = $ours;
        let plain = $plain;
        let weight = random(plain.dims(), 99).detach();
        prop_assert!(largest_difference(ours.clone().inner(), plain.clone().inner()) <= $tolerance);
        let mut ours = (ours * weight.clone()).sum().backward();
        let mut plain = (plain * weight).sum().backward();
        $(
            let a = $input.grad_remove(&mut ours).expect("our gradient");
            let b = $input.grad_remove(&mut plain).expect("burn's gradient");
            let scale = b.clone().abs().max().into_scalar::<f32>().max(1.0);
            let difference = largest_difference(a, b);
            prop_assert!(difference <= $tolerance * scale, "gradient by {}: {} of {}", stringify!($input), difference, scale);
        )+
    }};
}

/// Runs on so many threads, whatever the machine has.
fn on_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build().expect("threads are to be had").install(work)
}

fn plain_group_norm(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    groups: usize,
    silu: bool,
) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    let grouped = x.reshape([batch, groups, channels / groups * height * width]);
    let centred = grouped.clone() - grouped.mean_dim(2);
    let variance = centred.clone().square().mean_dim(2);
    let y = (centred / (variance + 1e-5).sqrt()).reshape([batch, channels, height, width]);
    let y = y * gamma.reshape([1, channels, 1, 1]) + beta.reshape([1, channels, 1, 1]);
    if silu { activation::silu(y) } else { y }
}

fn plain_layer_norm(x: Tensor<3>, gamma: Tensor<1>, beta: Tensor<1>) -> Tensor<3> {
    let width = gamma.dims()[0];
    let centred = x.clone() - x.mean_dim(2);
    let variance = centred.clone().square().mean_dim(2);
    centred / (variance + 1e-5).sqrt() * gamma.reshape([1, 1, width]) + beta.reshape([1, 1, width])
}

fn plain_attention(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    heads: usize,
    causal: bool,
) -> Tensor<3> {
    let [batch, queries, width] = q.dims();
    let keys = k.dims()[1];
    let split =
        |x: Tensor<3>, n: usize| x.reshape([batch, n, heads, width / heads]).swap_dims(1, 2);
    let scores =
        split(q, queries).matmul(split(k, keys).transpose()) / ((width / heads) as f64).sqrt();
    let scores = if causal {
        let mask = Tensor::<2>::ones([queries, keys], &scores.device()).triu(1) * -1e9;
        scores + mask.reshape([1, 1, queries, keys])
    } else {
        scores
    };
    activation::softmax(scores, 3)
        .matmul(split(v, keys))
        .swap_dims(1, 2)
        .reshape([batch, queries, width])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn prelu(batch in 1usize..3, channels in 1usize..9, height in 1usize..40, width in 1usize..40) {
        let (x, slopes) = (random([batch, channels, height, width], 1), random([channels], 2));
        let plain = activation::relu(x.clone())
            - activation::relu(-x.clone()) * slopes.clone().reshape([1, -1, 1, 1]);
        same!([x, slopes], kernels::prelu(x.clone(), slopes.clone()), plain, 1e-4);
    }

    #[test]
    fn pointwise(threads in 1usize..9, rows in 1usize..40, width in 1usize..70, seed in any::<u64>()) {
        on_threads(threads, || {
            let x = random([rows, width], seed) * 6.0;
            let x = x.detach().require_grad();
            let quick = |x: Tensor<2>| x.clone() * activation::sigmoid(x * 1.702);
            same!([x], kernels::activation(x.clone(), Activation::Silu), activation::silu(x.clone()), 2e-6);
            same!([x], kernels::activation(x.clone(), Activation::QuickGelu), quick(x.clone()), 2e-6);
            same!([x], kernels::activation(x.clone(), Activation::Gelu), activation::gelu(x.clone()), 5e-6);
            let x = (random([rows, 2 * width], seed) * 4.0).detach().require_grad();
            let halves = |x: Tensor<2>| {
                let parts = x.chunk(2, 1);
                parts[0].clone() * activation::gelu(parts[1].clone())
            };
            same!([x], kernels::geglu(x.clone()), halves(x.clone()), 5e-6);
            Ok(())
        })?;
    }

    #[test]
    fn normalisation(threads in 1usize..9, batch in 1usize..4, per_group in 1usize..4, groups in 1usize..5, h in 1usize..9, w in 2usize..9, silu in any::<bool>(), seed in any::<u64>()) {
        on_threads(threads, || {
            let channels = groups * per_group;
            let (x, gamma, beta) = (random([batch, channels, h, w], seed), random([channels], seed ^ 1), random([channels], seed ^ 2));
            same!([x, gamma, beta],
                kernels::group_norm(x.clone(), gamma.clone(), beta.clone(), groups, 1e-5, silu),
                plain_group_norm(x.clone(), gamma.clone(), beta.clone(), groups, silu), 2e-4);
            let width = 3 * channels + 1;
            let (x, gamma, beta) = (random([batch, h * w, width], seed), random([width], seed ^ 1), random([width], seed ^ 2));
            same!([x, gamma, beta],
                kernels::layer_norm(x.clone(), gamma.clone(), beta.clone(), 1e-5),
                plain_layer_norm(x.clone(), gamma.clone(), beta.clone()), 2e-4);
            Ok(())
        })?;
    }

    #[test]
    fn convolution(threads in 1usize..9, batch in 1usize..5, c_in in 1usize..7, c_out in 1usize..7, h in 3usize..14, w in 3usize..14, kernel in prop::sample::select(vec![1usize, 3, 4]), stride in 1usize..3, before in 0usize..2, after in 0usize..2, seed in any::<u64>()) {
        on_threads(threads, || {
            prop_assume!(h + before + after >= kernel && w + before + after >= kernel);
            let (x, weight, bias) = (random([batch, c_in, h, w], seed), random([c_out, c_in, kernel, kernel], seed ^ 1), random([c_out], seed ^ 2));
            let padding = [(before, after); 2];
            let options = ConvOptions::new_with_padding([stride; 2], padding, [1, 1], 1);
            same!([x, weight, bias],
                kernels::conv2d(x.clone(), weight.clone(), Some(bias.clone()), stride, padding),
                module::conv2d(x.clone(), weight.clone(), Some(bias.clone()), options), 1e-4);
            Ok(())
        })?;
    }

    #[test]
    fn convolution_with_fewer_multiplications(threads in 1usize..9, batch in 1usize..5, c_in in 32usize..45, c_out in 32usize..45, h in 10usize..35, w in 18usize..35, before in 0usize..3, after in 0usize..3, seed in any::<u64>()) {
        on_threads(threads, || {
            // As large as in a network: 9 · c_in products of variance 1/3 sum up to about 1.
            let weight = (random([c_out, c_in, 3, 3], seed ^ 1) * 0.08).detach().require_grad();
            let (x, bias) = (random([batch, c_in, h, w], seed), random([c_out], seed ^ 2));
            let padding = [(before, after); 2];
            let options = ConvOptions::new_with_padding([1; 2], padding, [1, 1], 1);
            same!([x, weight, bias],
                kernels::conv2d(x.clone(), weight.clone(), Some(bias.clone()), 1, padding),
                module::conv2d(x.clone(), weight.clone(), Some(bias.clone()), options), 5e-5);
            Ok(())
        })?;
    }

    #[test]
    fn affine(threads in 1usize..9, rows in 1usize..40, inputs in 1usize..50, outputs in 1usize..50, seed in any::<u64>()) {
        on_threads(threads, || {
            let (x, weight, bias) = (random([2, rows, inputs], seed), random([inputs, outputs], seed ^ 1), random([outputs], seed ^ 2));
            let plain = |bias: Option<Tensor<1>>| {
                let y = x.clone().matmul(weight.clone().reshape([1, inputs, outputs]));
                match bias { Some(bias) => y + bias.reshape([1, 1, outputs]), None => y }
            };
            same!([x, weight, bias], kernels::linear(x.clone(), weight.clone(), Some(bias.clone())), plain(Some(bias.clone())), 1e-4);
            same!([x, weight], kernels::linear(x.clone(), weight.clone(), None), plain(None), 1e-4);
            Ok(())
        })?;
    }

    #[test]
    fn half_weights(threads in 1usize..9, batch in 1usize..4, c_in in 1usize..50, c_out in 1usize..50, side in 3usize..26, kernel in prop::sample::select(vec![1usize, 3]), dtype in prop::sample::select(vec![DType::F16, DType::BF16]), seed in any::<u64>()) {
        on_threads(threads, || {
            let held = |weight: Tensor<4>| weight.inner().cast(dtype);
            let (x, bias) = (random([batch, c_in, side, side], seed).inner(), random([c_out], seed ^ 2).inner());
            let weight = held(random([c_out, c_in, kernel, kernel], seed ^ 1) * 0.1);
            let y = |weight: Tensor<4>| kernels::conv2d(x.clone(), weight, Some(bias.clone()), 1, [(kernel / 2, kernel / 2); 2]);
            prop_assert_eq!(weight.dtype(), dtype);
            prop_assert!(largest_difference(y(weight.clone()), y(weight.cast(DType::F32))) <= 1e-6);

            let x = random([batch, side, c_in], seed).inner();
            let weight = held(random([1, 1, c_in, c_out], seed ^ 3)).reshape([c_in, c_out]);
            for bias in [None, Some(bias)] {
                let y = |weight: Tensor<2>| kernels::linear(x.clone(), weight, bias.clone());
                prop_assert!(largest_difference(y(weight.clone()), y(weight.clone().cast(DType::F32))) <= 1e-6);
            }
            Ok(())
        })?;
    }

    #[test]
    fn gated_affine(threads in 1usize..9, rows in 1usize..40, inputs in 1usize..50, hidden in 1usize..90, seed in any::<u64>()) {
        on_threads(threads, || {
            let (x, weight, bias) = (random([2, rows, inputs], seed), random([inputs, 2 * hidden], seed ^ 1), random([2 * hidden], seed ^ 2));
            let plain = |weight: Tensor<2>| kernels::geglu(kernels::linear(x.clone(), weight, Some(bias.clone())));
            same!([x, weight, bias], kernels::linear_geglu(x.clone(), weight.clone(), bias.clone()), plain(weight.clone()), 1e-4);
            for kind in [DType::F32, DType::F16, DType::BF16] {
                let held = weight.clone().inner().cast(kind);
                let ours = kernels::linear_geglu(x.clone().inner(), held.clone(), bias.clone().inner());
                let plain = plain(Tensor::from_inner(held.cast(DType::F32))).inner();
                prop_assert!(largest_difference(ours, plain) <= 1e-4);
            }
            Ok(())
        })?;
    }

    #[test]
    fn attention(threads in 1usize..9, batch in 1usize..4, heads in 1usize..4, head_dim in 1usize..20, queries in 1usize..90, keys in 1usize..300, causal in any::<bool>(), seed in any::<u64>()) {
        on_threads(threads, || {
            let keys = if causal { queries } else { keys };
            let width = heads * head_dim;
            let (q, k, v) = (random([batch, queries, width], seed), random([batch, keys, width], seed ^ 1), random([batch, keys, width], seed ^ 2));
            same!([q, k, v],
                kernels::attention(q.clone(), k.clone(), v.clone(), heads, causal),
                plain_attention(q.clone(), k.clone(), v.clone(), heads, causal), 1e-4);
            Ok(())
        })?;
    }
}

#[test]
fn larger_shapes_take_every_path() {
    // Tiles of several pictures, tiles of rows, and work shared out over threads.
    for (batch, channels, side) in [(9, 40, 8), (1, 24, 70), (2, 8, 160)] {
        let x = random([batch, channels, side, side], 5);
        let weight = random([channels, channels, 3, 3], 6);
        let bias = random([channels], 7);
        let ours = kernels::conv2d(
            x.clone(),
            weight.clone(),
            Some(bias.clone()),
            1,
            [(1, 1); 2],
        );
        let plain = module::conv2d(
            x,
            weight,
            Some(bias),
            ConvOptions::new([1, 1], [1, 1], [1, 1], 1),
        );
        assert!(largest_difference(ours, plain) < 2e-4);
    }
    let q = Tensor::<3>::random([1, 1100, 64], Distribution::Default, &device());
    let ours = kernels::attention(q.clone(), q.clone(), q.clone(), 2, false);
    assert!(largest_difference(ours, plain_attention(q.clone(), q.clone(), q, 2, false)) < 1e-4);
}

#[test]
fn half_weights_are_widened_block_by_block() {
    // 3 blocks of columns, and 2 of output channels.
    let wide = |shape: [usize; 2], seed| random(shape, seed).inner().cast(DType::F16);
    let (x, weight) = (random([3, 1500], 1).inner(), wide([1500, 6000], 2));
    let y = |weight| kernels::linear(x.clone(), weight, None);
    let difference = largest_difference(y(weight.clone()), y(weight.cast(DType::F32)));
    assert!(difference < 1e-4, "{difference}");

    let weight = wide([1100, 480 * 9], 3).reshape([1100, 480, 3, 3]);
    for batch in [1, 3] {
        let x = random([batch, 480, 4, 5], 4).inner();
        let y = |weight| kernels::conv2d(x.clone(), weight, None, 1, [(1, 1); 2]);
        let difference = largest_difference(y(weight.clone()), y(weight.clone().cast(DType::F32)));
        assert!(difference < 1e-4, "{difference}");
    }
}

#[test]
fn frozen_half_weights_let_gradients_through() {
    let x = random([4, 6], 1);
    let weight = random([6, 5], 2).inner().cast(DType::F16);
    let frozen = Tensor::from_inner(weight.clone());
    let mut gradients = kernels::linear(x.clone(), frozen, None).sum().backward();
    let ours = x.grad_remove(&mut gradients).expect("tracked");
    let plain = weight
        .cast(DType::F32)
        .sum_dim(1)
        .transpose()
        .repeat_dim(0, 4);
    assert!(largest_difference(ours, plain) < 1e-5);
}

/// Every kernel forward, and the gradients of its inputs.
fn everything() -> Vec<(String, Vec<f32>)> {
    let mut found = Vec::new();
    let mut note = |name: &str, y: Tensor<1>, inputs: &[&dyn Fn(&Gradients) -> Tensor<1>]| {
        let gradients = y.clone().square().sum().backward();
        let parts = inputs.iter().map(|gradient| gradient(&gradients));
        for (index, part) in std::iter::once(y.inner()).chain(parts).enumerate() {
            let values = part.into_data().try_to_vec::<f32>().expect("f32");
            found.push((format!("{name}, {index}"), values));
        }
    };
    macro_rules! note {
        ($name:expr, $y:expr, [$($input:ident),+]) => {
            note($name, $y.flatten(0, -1), &[$(&|gradients| $input.grad(gradients).expect("tracked").flatten(0, -1)),+])
        };
    }
    for (channels, kernel, stride) in [(40, 3, 1), (40, 3, 2), (40, 1, 1), (10, 3, 1)] {
        let x = random([3, channels, 23, 26], 1);
        let (weight, bias) = (random([33, channels, kernel, kernel], 2), random([33], 3));
        let padding = [(kernel / 2, kernel / 2); 2];
        let y = kernels::conv2d(
            x.clone(),
            weight.clone(),
            Some(bias.clone()),
            stride,
            padding,
        );
        note!(
            &format!("convolution of {channels} by {kernel}, {stride}"),
            y,
            [x, weight, bias]
        );
    }
    let x = random([2, 300, 65], 4);
    for outputs in [30, 500] {
        let (weight, bias) = (random([65, outputs], 5), random([outputs], 6));
        let y = kernels::linear(x.clone(), weight.clone(), Some(bias.clone()));
        note!(&format!("linear to {outputs}"), y, [x, weight, bias]);
    }
    let (q, k, v) = (
        random([2, 300, 64], 7),
        random([2, 300, 64], 8),
        random([2, 300, 64], 9),
    );
    let y = kernels::attention(q.clone(), k.clone(), v.clone(), 2, false);
    note!("attention", y, [q, k, v]);
    let (x, gamma, beta) = (
        random([3, 24, 20, 30], 10),
        random([24], 11),
        random([24], 12),
    );
    let y = kernels::group_norm(x.clone(), gamma.clone(), beta.clone(), 6, 1e-5, true);
    note!("group norm", y, [x, gamma, beta]);
    let (x, gamma, beta) = (random([3, 300, 33], 13), random([33], 14), random([33], 15));
    let y = kernels::layer_norm(x.clone(), gamma.clone(), beta.clone(), 1e-5);
    note!("layer norm", y, [x, gamma, beta]);
    let x = random([400, 130], 16);
    note!(
        "activation",
        kernels::activation(x.clone(), Activation::Gelu),
        [x]
    );
    note!("gated activation", kernels::geglu(x.clone()), [x]);
    let (weight, bias) = (random([40, 90], 41).inner(), random([90], 42).inner());
    let y = kernels::linear_geglu(random([1, 500, 40], 43).inner(), weight, bias);
    let values = y.into_data().try_to_vec::<f32>().expect("f32");
    found.push(("gated linear".to_owned(), values));
    found
}

#[test]
fn threads_change_nothing_but_rounding() {
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build()
            .expect("threads are to be had")
            .install(everything)
    };
    let one = with(1);
    for threads in [2, 3, 7] {
        for ((name, values), (_, wanted)) in on_threads(threads, everything).into_iter().zip(&one) {
            assert_eq!(values.len(), wanted.len());
            let size = wanted
                .iter()
                .fold(1.0_f32, |size, value| size.max(value.abs()));
            let differences = values.iter().zip(wanted).map(|(a, b)| (a - b).abs());
            let largest = differences.fold(0.0, f32::max);
            assert!(
                largest <= 2e-5 * size,
                "{name}, {threads} threads: {largest} of {size}"
            );
        }
    }
}

#[test]
fn views_are_taken_as_they_look() {
    let x = random([2, 6, 5, 7], 1).swap_dims(2, 3);
    let (gamma, beta) = (random([6], 2), random([6], 3));
    let ours = kernels::group_norm(x.clone(), gamma.clone(), beta.clone(), 3, 1e-5, true);
    assert!(largest_difference(ours, plain_group_norm(x, gamma, beta, 3, true)) < 2e-4);
}

/// The slope of a convolution along a random direction, by its gradients and by
/// two evaluations: it is linear in each input, so these differ by rounding only.
#[test]
fn gradients_are_slopes() {
    for (channels, side) in [(40, 24), (5, 9)] {
        let x = random([2, channels, side, side], 1);
        let weight = random([channels, channels, 3, 3], 2);
        let asked = random([2, channels, side, side], 3).detach();
        let y = |x: Tensor<4>, weight: Tensor<4>| {
            (kernels::conv2d(x, weight, None, 1, [(1, 1); 2]) * asked.clone()).sum()
        };
        let mut gradients = y(x.clone(), weight.clone()).backward();
        let slope = |gradient: Tensor<4>, along: Tensor<4>| -> f32 {
            (gradient * along.inner()).sum().into_scalar()
        };
        let along = random([2, channels, side, side], 4).detach();
        let by_gradient = slope(
            x.grad_remove(&mut gradients).expect("tracked"),
            along.clone(),
        );
        let at = |step: f64| -> f32 {
            y(x.clone() + along.clone() * step, weight.clone()).into_scalar()
        };
        let (high, low) = (at(0.5), at(-0.5));
        let size = high.abs().max(low.abs()).max(by_gradient.abs());
        assert!(
            (high - low - by_gradient).abs() < 1e-4 * size.max(100.0),
            "{high} {low} {by_gradient}"
        );

        let along = random([channels, channels, 3, 3], 5).detach();
        let by_gradient = slope(
            weight.grad_remove(&mut gradients).expect("tracked"),
            along.clone(),
        );
        let at = |step: f64| -> f32 {
            y(x.clone(), weight.clone() + along.clone() * step).into_scalar()
        };
        let (high, low) = (at(0.5), at(-0.5));
        let size = high.abs().max(low.abs()).max(by_gradient.abs());
        assert!(
            (high - low - by_gradient).abs() < 1e-4 * size.max(100.0),
            "{high} {low} {by_gradient}"
        );
    }
}

#[test]
fn what_is_not_finite_stays_where_it_is() {
    let device = Device::flex();
    let weight = random([32, 32, 3, 3], 2).inner();
    for odd in [f32::NAN, f32::INFINITY] {
        let mut values = vec![0.5f32; 2 * 32 * 24 * 24];
        values[32 * 24 * 24 + 5 * 24 + 7] = odd;
        let x = Tensor::<4>::from_data(TensorData::new(values, [2, 32, 24, 24]), &device);
        let y = kernels::conv2d(x, weight.clone(), None, 1, [(1, 1); 2]);
        let y = y.into_data().try_to_vec::<f32>().expect("f32");
        for (index, value) in y.iter().enumerate() {
            let (image, row, column) = (index / (32 * 576), index / 24 % 24, index % 24);
            let is_near = image == 1 && (4..=6).contains(&row) && (6..=8).contains(&column);
            assert_eq!(
                value.is_finite(),
                !is_near,
                "{image} {row} {column}: {value}"
            );
        }
    }
}

/// Which values are numbers, and which are not numbers.
fn kinds<const D: usize>(x: Tensor<D>) -> Vec<(bool, bool)> {
    let values = x.into_data().try_to_vec::<f32>().expect("f32");
    let kind = |value: &f32| (value.is_finite(), value.is_nan());
    values.iter().map(kind).collect()
}

#[test]
fn what_is_not_finite_spreads_as_in_the_plain_operations() {
    let device = Device::flex();
    for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let spoiled = |shape: [usize; 3]| {
            let values = random(shape, 1).inner().into_data();
            let mut values = values.try_to_vec::<f32>().expect("f32");
            let middle = values.len() / 2;
            values[middle] = odd;
            Tensor::<3>::from_data(TensorData::new(values, shape), &device)
        };
        let (x, good) = (spoiled([2, 70, 40]), random([2, 70, 40], 2).inner());
        for (q, k, v) in [(&x, &good, &good), (&good, &x, &good), (&good, &good, &x)] {
            let ours = kernels::attention(q.clone(), k.clone(), v.clone(), 2, false);
            let plain = plain_attention(q.clone(), k.clone(), v.clone(), 2, false);
            // Infinity less infinity is met in one order or the other: only "finite" is compared.
            let finite = |y| kinds(y).into_iter().map(|kind| kind.0).collect::<Vec<_>>();
            assert_eq!(finite(ours), finite(plain), "attention, {odd}");
        }
        let weight = random([40, 30], 3).inner();
        let plain = x.clone().matmul(weight.clone().unsqueeze());
        assert_eq!(
            kinds(kernels::linear(x.clone(), weight, None)),
            kinds(plain),
            "linear, {odd}"
        );
        let (gamma, beta) = (random([40], 4).inner(), random([40], 5).inner());
        let ours = kernels::layer_norm(x.clone(), gamma.clone(), beta.clone(), 1e-5);
        assert_eq!(
            kinds(ours),
            kinds(plain_layer_norm(x.clone(), gamma, beta)),
            "layer norm, {odd}"
        );
        let x = x.reshape([2, 40, 7, 10]);
        let (gamma, beta) = (random([40], 4).inner(), random([40], 5).inner());
        let ours = kernels::group_norm(x.clone(), gamma.clone(), beta.clone(), 8, 1e-5, false);
        assert_eq!(
            kinds(ours),
            kinds(plain_group_norm(x.clone(), gamma, beta, 8, false)),
            "group norm, {odd}"
        );
        let plain = |x: Tensor<4>, name| match name {
            Activation::Silu => activation::silu(x),
            Activation::Gelu => activation::gelu(x),
            Activation::QuickGelu => x.clone() * activation::sigmoid(x * 1.702),
        };
        for name in [Activation::Silu, Activation::Gelu, Activation::QuickGelu] {
            let ours = kernels::activation(x.clone(), name);
            assert_eq!(
                kinds(ours),
                kinds(plain(x.clone(), name)),
                "{name:?}, {odd}"
            );
        }
    }
}

#[test]
fn nothing_in_is_nothing_out() {
    let device = Device::flex();
    let x = Tensor::<4>::zeros([0, 40, 8, 8], &device);
    let (weight, bias) = (random([33, 40, 3, 3], 1).inner(), random([33], 2).inner());
    let y = kernels::conv2d(x.clone(), weight, Some(bias), 1, [(1, 1); 2]);
    assert_eq!(y.dims(), [0, 33, 8, 8]);
    let (gamma, beta) = (random([40], 3).inner(), random([40], 4).inner());
    let y = kernels::group_norm(x.clone(), gamma.clone(), beta.clone(), 8, 1e-5, true);
    assert_eq!(y.dims(), [0, 40, 8, 8]);
    assert_eq!(
        kernels::activation(x, Activation::Gelu).dims(),
        [0, 40, 8, 8]
    );
    let x = Tensor::<3>::zeros([2, 0, 40], &device);
    let y = kernels::layer_norm(x.clone(), gamma, beta, 1e-5);
    assert_eq!(y.dims(), [2, 0, 40]);
    assert_eq!(kernels::geglu(x.clone()).dims(), [2, 0, 20]);
    let y = kernels::linear(x.clone(), random([40, 7], 5).inner(), None);
    assert_eq!(y.dims(), [2, 0, 7]);
    let keys = random([2, 5, 40], 6).inner();
    let y = kernels::attention(x, keys.clone(), keys, 2, false);
    assert_eq!(y.dims(), [2, 0, 40]);
}

#[test]
fn not_a_number_and_infinity_pass_through() {
    let device = Device::flex();
    let x = Tensor::<1>::from_floats([f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0], &device);
    let y = kernels::activation(x, Activation::Silu)
        .into_data()
        .try_to_vec::<f32>()
        .expect("f32");
    assert!(y[0].is_nan() && y[1] == f32::INFINITY && y[2].is_nan() && y[3] == 0.0);
}
