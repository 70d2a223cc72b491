//! The losses of 50 steps of an autoencoder against PyTorch and diffusers, from the tenth
//! on with a discriminator; see `tests/data/reference/make_training_curves.py`.

use std::sync::Arc;

use super::divergence::DivergenceBounds;
use super::*;
use crate::model::ModelFolder;
use crate::train::holdings::Holdings;
use crate::train::perceptual::Filters;
use crate::train::pictures::Split;
use crate::train::reference::Reference;
use crate::train::scene_pictures::ScenePictures;
use crate::train::schedule::{Decay, learning_rate};

const FOLDER: &str = "tests/data/reference/inpaint-tiny";
const SIDE_PX: u32 = 32;
const STEPS: u64 = 50;
const START: u64 = 10;
const BATCH: usize = 2;
/// How far a term may be from PyTorch's, relative to what is more than 1.
const TOLERANCE: f32 = 1e-4;
/// Peak of both learning rates, at which PyTorch in f32 is off by 8e-6 from the reference, which is
/// PyTorch in f64. Five times as fast, the game of two networks makes much of last bits from step
/// 23 on, and the discriminator's term is off by 1.1e-3.
const PEAK: f64 = 2e-5;

fn stage(device: &Device) -> AutoencoderStage<DivergenceBounds> {
    let spec = TrainSpec {
        size_px: SIDE_PX,
        batch: BATCH as u32,
        seed: 7,
        discriminator_start: Some(START),
        perceptual_weight: 0.7,
        kl_weight: 1e-2,
        ..TrainSpec::default()
    };
    let pictures = Pictures {
        source: Arc::new(ScenePictures::new(SIDE_PX, 1).expect("scenes")),
        split: Split::None,
        judged: Vec::new(),
        captions: Vec::new(),
        holdings: Holdings::default(),
    };
    let folder = ModelFolder::open(FOLDER).expect("a model");
    let network = folder.load_autoencoder(device).expect("an autoencoder");
    let bounds = DivergenceBounds::new(&spec);
    let config = TrainConfig::default();
    let stage = AutoencoderStage::new(&spec, &config, device, pictures, network, bounds);
    let mut stage = stage.expect("a stage");
    let reference = Reference::open(device);
    let critic = stage.critic.as_ref().expect("a discriminator").module();
    let critic = reference.fill(critic.clone(), "loss.critic");
    let options = LearnerOptions {
        betas: (0.5, 0.9),
        weight_decay: 0.0,
        clip_norm: spec.clip_norm,
        ema_decay: None,
    };
    stage.critic = Some(Learner::new(critic, options, device));
    let filters = (0..3).map(|i| reference.tensor(&format!("loss.filter.{i}")));
    stage.loss.perceptual = PerceptualLoss::Filters(Filters::with(filters.collect()));
    stage
}

#[test]
fn fifty_losses_with_an_adaptive_weight_are_those_of_torch() {
    let device = Device::flex().autodiff();
    let mut stage = stage(&device);
    let reference = Reference::curves(&device);
    let pictures = reference.values("first-stage.pictures");
    let each = 3 * (SIDE_PX as usize).pow(2);
    let count = pictures.len() / each;
    let torch = reference.values("first-stage.terms");
    let names = [
        "loss",
        "l1",
        "perceptual",
        "kl",
        "adversarial",
        "weight",
        "hinge",
    ];
    for (step, torch) in (0..STEPS).zip(torch.chunks(names.len())) {
        let chosen = (0..BATCH).map(|i| (step as usize * BATCH + i) % count);
        let values = chosen.flat_map(|index| pictures[index * each..][..each].to_vec());
        let shown = Shown {
            values: values.collect(),
            weights: Vec::new(),
        };
        let is_adversarial = step >= START;
        let terms = stage.pass(shown, step, is_adversarial).expect("a pass");
        let rate = learning_rate(PEAK, 5, Decay::Constant, step, STEPS);
        stage.learner.apply(rate, 1).expect("a step");
        if let (true, Some(critic)) = (is_adversarial, &mut stage.critic) {
            critic.apply(rate, 1).expect("a step");
        }
        let ours = [
            stage.total(&terms),
            terms.absolute,
            terms.perceptual,
            terms.bounds,
            terms.adversarial,
            terms.adaptive_weight,
            terms.discriminator,
        ];
        for ((name, ours), torch) in names.iter().zip(ours).zip(torch) {
            let error = (ours - torch).abs();
            let most = TOLERANCE * torch.abs().max(1.0);
            assert!(error < most, "{name} of step {step}: {ours} for {torch}");
        }
    }
}
