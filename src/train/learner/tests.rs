//! The optimiser against burn's own, and against its other half.

use burn::optim::{AdamWConfig, GradientsParams};

use super::*;
use crate::nn::{Linear, LinearConfig};

fn learner(decay: Option<f64>, clip_norm: f64) -> Learner<Linear> {
    let device = Device::flex().autodiff();
    let linear = LinearConfig::new(3, 2).init(&device);
    let options = LearnerOptions {
        betas: (0.9, 0.999),
        weight_decay: 0.0,
        clip_norm,
        ema_decay: decay,
    };
    Learner::new(linear, options, &device)
}

fn loss(linear: &Linear, step: u32) -> Tensor<1> {
    let device = Device::flex().autodiff();
    let x = Tensor::<2>::from_data([[1.0, -2.0, 0.5 + step as f32]], &device);
    let y = linear.forward(x);
    (y.clone() * y).sum()
}

#[test]
fn steps_equal_burns_adamw() {
    let mut ours = learner(None, 0.0);
    let mut plain = ours.module().clone();
    let mut optimizer = AdamWConfig::new()
        .with_epsilon(EPSILON)
        .with_weight_decay(0.0)
        .init();
    for step in 0..6 {
        let gradients = loss(ours.module(), step).backward();
        ours.accumulate(gradients);
        assert!(ours.apply(0.01, 1).expect("a step").is_applied);
        let gradients = loss(&plain, step).backward();
        let gradients = GradientsParams::from_grads(gradients, &plain);
        plain = optimizer.step(0.01, plain, gradients);
    }
    let difference = ours.module().weight.val() - plain.weight.val();
    let difference = difference.inner().abs().max().into_scalar::<f32>();
    assert!(difference < 1e-6, "{difference}");
}

#[test]
fn host_and_device_rules_agree() {
    let rule = Rule {
        scale: 0.5,
        beta1: 0.9,
        beta2: 0.99,
        rate: 0.01,
        root: 1.5,
        keep: 0.999,
        average: 0.8,
    };
    let device = Device::flex();
    let tensor = |values: [f32; 4]| Tensor::<1>::from_data(values, &device);
    let mut slot = Slot {
        name: String::new(),
        shape: vec![4],
        first: tensor([0.1, -0.1, 0.0, 0.3]),
        second: tensor([0.1, 0.2, 0.0, 0.5]),
        average: Some(tensor([1.0, 1.0, 1.0, 1.0])),
        gradient: None,
    };
    let (w, g) = (tensor([1.0, 2.0, 3.0, 4.0]), tensor([0.5, -0.5, 1e-3, 0.0]));
    let mut w_host = host(w.clone()).expect("values");
    let mut m = host(slot.first.clone()).expect("values");
    let mut v = host(slot.second.clone()).expect("values");
    let mut a = vec![1.0; 4];
    let g_host = host(g.clone()).expect("values");
    rule.on_host(&mut w_host, &g_host, &mut m, &mut v, Some(&mut a));
    let w = rule.on_device(&mut slot, w, g);
    let close = |tensor: Tensor<1>, values: &[f32]| {
        for (x, y) in host(tensor).expect("values").iter().zip(values) {
            assert!((x - y).abs() < 1e-6, "{x} {y}");
        }
    };
    close(w, &w_host);
    close(slot.first, &m);
    close(slot.second, &v);
    close(slot.average.expect("kept"), &a);
}

#[test]
fn gradients_are_clipped_together_and_bad_ones_change_nothing() {
    let mut ours = learner(None, 1e-3);
    ours.accumulate(loss(ours.module(), 0).backward());
    let update = ours.apply(0.1, 1).expect("a step");
    assert!(update.grad_norm > 1e-3);
    let first: f32 = ours
        .slots
        .iter()
        .flat_map(|slot| host(slot.first.clone()).expect("values"))
        .map(|m| m * m)
        .sum();
    // After one step the first moment is a tenth of the clipped gradient.
    assert!((first.sqrt() - 1e-4).abs() < 1e-7, "{}", first.sqrt());

    let before = host(ours.module().weight.val().inner()).expect("values");
    let bad = loss(ours.module(), 0) * f32::NAN;
    ours.accumulate(bad.backward());
    assert!(!ours.apply(0.1, 1).expect("a step").is_applied);
    let after = host(ours.module().weight.val().inner()).expect("values");
    assert_eq!(before, after);
}

#[test]
fn the_average_warms_up_as_in_the_paper() {
    assert!((ema_decay(0.9999, 1) - 2.0 / 11.0).abs() < 1e-12);
    assert!((ema_decay(0.9999, 90) - 0.91).abs() < 1e-12);
    assert_eq!(ema_decay(0.9999, 1_000_000), 0.9999);
    let mut ours = learner(Some(0.9999), 0.0);
    let start = host(ours.module().weight.val().inner()).expect("values");
    ours.accumulate(loss(ours.module(), 0).backward());
    ours.apply(0.1, 1).expect("a step");
    let now = host(ours.module().weight.val().inner()).expect("values");
    let mean = host(ours.averaged().weight.val()).expect("values");
    for ((start, now), mean) in start.iter().zip(&now).zip(&mean) {
        let expected = 2.0 / 11.0 * start + 9.0 / 11.0 * now;
        assert!((mean - expected).abs() < 1e-6);
    }
}
