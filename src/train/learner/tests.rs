//! The optimiser against PyTorch's, on both of its roads.

use burn::module::Param;

use super::*;
use crate::nn::{Linear, LinearConfig};
use crate::train::reference::Reference;

/// A matrix and a vector, as they come.
#[derive(Module, Debug)]
struct Pair {
    matrix: Param<Tensor<2>>,
    vector: Param<Tensor<1>>,
}

/// What PyTorch did in [`follow`]: the part of the file, the decays, the weight
/// decay and the largest decay of the average.
type Run = (&'static str, (f64, f64), f64, f64);

const RUNS: [Run; 2] = [
    ("adamw.model", (0.9, 0.999), 0.1, 0.97),
    ("adamw.critic", (0.5, 0.9), 0.0, 0.9999),
];
const STEPS: usize = 50;
const PASSES: usize = 2;

/// Takes 50 steps by the same gradients as PyTorch, and compares weights, both
/// moments, the average and the norms before clipping.
fn follow((name, betas, weight_decay, ema_decay): Run, is_in_memory: bool) {
    let reference = Reference::open(&Device::flex().autodiff());
    let at = |part: &str| format!("{name}.{part}");
    let start = Pair {
        matrix: Param::from_tensor(reference.tensor(&at("matrix"))),
        vector: Param::from_tensor(reference.tensor(&at("vector"))),
    };
    let options = LearnerOptions {
        betas,
        weight_decay,
        clip_norm: 1.0,
        ema_decay: Some(ema_decay),
    };
    let mut learner = Learner::new(start, options, &reference.device);
    learner.is_in_memory = is_in_memory;
    let by_matrix = reference.tensor::<4>(&at("by_matrix"));
    let by_vector = reference.tensor::<3>(&at("by_vector"));
    let rates = reference.values(&at("rates"));
    let norms = reference.values(&at("norms"));
    for step in 0..STEPS {
        for pass in 0..PASSES {
            let matrix = by_matrix.clone().slice([step..step + 1, pass..pass + 1]);
            let vector = by_vector.clone().slice([step..step + 1, pass..pass + 1]);
            let pair = learner.module();
            let loss = (pair.matrix.val() * matrix.reshape([5, 6])).sum()
                + (pair.vector.val() * vector.reshape([5])).sum();
            learner.accumulate(loss.backward());
        }
        let update = learner
            .apply(f64::from(rates[step]), PASSES as u32)
            .expect("a step");
        assert!(update.is_applied);
        assert!((update.grad_norm - norms[step]).abs() < 1e-5 * norms[step]);
        if [1, 10, STEPS].contains(&(step + 1)) {
            let pair = learner.module();
            let now = |part: &str| at(&format!("{part}.{}", step + 1));
            reference.compare(&now("matrix"), pair.matrix.val().inner(), 2e-6);
            reference.compare(&now("vector"), pair.vector.val().inner(), 2e-6);
        }
    }
    let average = learner.averaged();
    reference.compare(&at("matrix.average"), average.matrix.val(), 2e-6);
    reference.compare(&at("vector.average"), average.vector.val(), 2e-6);
    for (slot, part) in learner.slots.iter().zip(["matrix", "vector"]) {
        let shaped = |moment: &Tensor<1>| moment.clone();
        for (moment, kind) in [(&slot.first, "first"), (&slot.second, "second")] {
            let name = at(&format!("{part}.{kind}"));
            match slot.shape.as_slice() {
                [rows, columns] => {
                    let moment = shaped(moment).reshape([*rows, *columns]);
                    reference.compare(&name, moment, 5e-6);
                }
                _ => reference.compare(&name, shaped(moment), 5e-6),
            }
        }
    }
}

#[test]
fn fifty_steps_are_those_of_torch() {
    for run in RUNS {
        follow(run, true);
    }
}

#[test]
fn fifty_steps_by_tensors_are_those_of_torch() {
    for run in RUNS {
        follow(run, false);
    }
}

fn linear() -> Learner<Linear> {
    let device = Device::flex().autodiff();
    let options = LearnerOptions {
        betas: (0.9, 0.999),
        weight_decay: 0.0,
        clip_norm: 0.0,
        ema_decay: Some(0.99),
    };
    Learner::new(LinearConfig::new(3, 2).init(&device), options, &device)
}

fn loss(linear: &Linear) -> Tensor<1> {
    let device = Device::flex().autodiff();
    let y = linear.forward(Tensor::<2>::from_data([[1.0, -2.0, 0.5]], &device));
    (y.clone() * y).sum()
}

#[test]
fn gradients_that_are_no_numbers_change_nothing() {
    let mut learner = linear();
    learner.accumulate(loss(learner.module()).backward());
    learner.apply(0.1, 1).expect("a step");
    let before = host(learner.module().weight.val().inner()).expect("values");
    for bad in [f32::NAN, f32::INFINITY] {
        learner.accumulate((loss(learner.module()) * bad).backward());
        assert!(!learner.apply(0.1, 1).expect("a step").is_applied);
    }
    let after = host(learner.module().weight.val().inner()).expect("values");
    assert_eq!((before, learner.updates()), (after, 1));
}

#[test]
fn weights_that_are_no_numbers_are_never_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut learner = linear();
    learner.save(folder.path(), "sound").expect("written");
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let values = TensorData::new(vec![0.0, bad, 1.0, 2.0, 3.0, 4.0], [6]);
        learner.slots[0].average = Some(Tensor::from_data(values, &Device::flex()));
        let error = learner.save(folder.path(), "spoilt").expect_err("useless");
        assert!(matches!(&error, TrainError::NotFinite(part) if part == "spoilt"));
    }
    let written = std::fs::read_dir(folder.path()).expect("a folder");
    assert_eq!(written.count(), 4);
}
