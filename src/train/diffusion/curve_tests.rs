//! The losses of 50 steps against PyTorch and diffusers, on the same weights, latents and
//! noise; see `tests/data/reference/make_training_curves.py`.

use std::sync::Arc;

use super::*;
use crate::model::conditioner::inpaint::{MASK, MASKED_IMAGE};
use crate::train::config::TrainingConfig;
use crate::train::holdings::Holdings;
use crate::train::pictures::Split;
use crate::train::reference::Reference;
use crate::train::scene_pictures::ScenePictures;
use crate::train::schedule::{Decay, learning_rate};

const FOLDER: &str = "tests/data/reference/inpaint-tiny";
const STEPS: u64 = 50;
const WARMUP: u64 = 5;
const PEAK: f64 = 2e-3;
const BATCH: usize = 4;
/// Latents that the batches are made of.
const COUNT: usize = 8;
const TOLERANCE: f32 = 1e-4;

fn stage(device: &Device, prediction: &str, training: TrainingConfig) -> DiffusionStage {
    let spec = TrainSpec {
        from: Some(FOLDER.into()),
        size_px: 32,
        batch: BATCH as u32,
        seed: 7,
        ema_decay: 0.9,
        ..TrainSpec::default()
    };
    let pictures = Pictures {
        source: Arc::new(ScenePictures::new(32, 1).expect("scenes")),
        split: Split::None,
        judged: Vec::new(),
        captions: Vec::new(),
        holdings: Holdings::default(),
    };
    let folder = ModelFolder::open(FOLDER).expect("a model");
    let mut scheduler = folder.scheduler_config();
    scheduler["prediction_type"] = json!(prediction);
    let config = TrainConfig {
        scheduler: Some(scheduler),
        training,
        ..TrainConfig::default()
    };
    DiffusionStage::new(&spec, &config, device, pictures).expect("a stage")
}

/// The batch of a step, as the reference has it.
fn batch(reference: &Reference, stage: &DiffusionStage, step: u64) -> Batch {
    let part = |name: &str, index: usize| {
        let values = reference.values(&format!("denoiser.{name}"));
        let each = values.len() / COUNT;
        values[index * each..][..each].to_vec()
    };
    let mut batch = Batch {
        masks: vec![(MASK, Vec::new()), (MASKED_IMAGE, Vec::new())],
        ..Batch::default()
    };
    let noise = stage.noise(step);
    for (i, noise) in noise.chunks(noise.len() / BATCH).enumerate() {
        let index = (step as usize * BATCH + i) % COUNT;
        let time = (step as usize * 137 + i * 251) % 1000;
        let Batch { noisy, target, .. } = &mut batch;
        stage
            .noising
            .corrupt(time, &part("latents", index), noise, noisy, target);
        batch.steps.push(time);
        batch.masks[0].1.extend(part("mask", index));
        batch.masks[1].1.extend(part("masked", index));
        let tokens = part("tokens", index).into_iter().map(|token| token as i32);
        batch.tokens.extend(tokens);
    }
    batch
}

fn follow(name: &str, prediction: &str, training: TrainingConfig) {
    let device = Device::flex();
    let reference = Reference::curves(&device);
    let mut stage = stage(&device, prediction, training);
    let at = |part: &str| reference.values(&format!("{name}.{part}"));
    let (losses, norms) = (at("losses"), at("norms"));
    for (step, (torch, norm)) in (0..STEPS).zip(losses.iter().zip(norms)) {
        let batch = batch(&reference, &stage, step);
        let (_, loss) = stage.learn(&batch).expect("a pass");
        let rate = learning_rate(PEAK, WARMUP, Decay::Constant, step, STEPS);
        let update = stage.learner.apply(rate, 1).expect("a step");
        let error = (loss - torch).abs();
        assert!(error < TOLERANCE, "{name} {step}: {loss} for {torch}");
        let error = (update.grad_norm - norm).abs();
        assert!(
            error < 1e-3 * norm.max(1.0),
            "{name} {step}: {} for {norm}",
            update.grad_norm
        );
    }
    let batch = batch(&reference, &stage, STEPS);
    let errors = stage.errors(&stage.learner.averaged(), &batch, &device);
    for (ours, torch) in host(errors).expect("numbers").iter().zip(at("averaged")) {
        assert!(
            (ours - torch).abs() < TOLERANCE,
            "{name}: {ours} for {torch}"
        );
    }
}

#[test]
fn fifty_losses_of_noise_are_those_of_torch() {
    follow("epsilon", "epsilon", TrainingConfig::default());
}

#[test]
fn fifty_losses_of_velocity_with_min_snr_and_offset_noise_are_those_of_torch() {
    let training = TrainingConfig {
        min_snr_gamma: Some(5.0),
        offset_noise: 0.1,
        ..TrainingConfig::default()
    };
    follow("velocity", "v_prediction", training);
}
