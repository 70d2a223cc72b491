//! Latents that are kept near the vectors of a codebook.

mod usage;

use std::path::Path;

use burn::tensor::Tensor;

use self::usage::CodeUsage;
use super::bounds::{Bounds, Passed};
use crate::model::{CodebookLoss, VqModel};
use crate::recipe::TrainSpec;
use crate::train::config::TrainingConfig;
use crate::train::random::Purpose;
use crate::train::tensors::{host, scalar};
use crate::train::{Learner, TrainError};

/// Where the learner keeps the codebook.
const PARAMETER: &str = "quantize.embedding.weight";

/// The loss of the codebook, and a look at which of its vectors are used.
pub(super) struct CodebookBounds {
    loss: CodebookLoss,
    usage: CodeUsage,
    seed: u64,
    /// Latents of the last pass, without autodiff.
    latents: Option<Tensor<4>>,
}

impl CodebookBounds {
    pub fn new(spec: &TrainSpec, config: &TrainingConfig, codes: usize) -> Self {
        let restart_steps = match config.decoder_only {
            true => 0,
            false => config.codebook_restart_steps,
        };
        Self {
            loss: CodebookLoss {
                beta: config.codebook_beta,
                is_legacy: config.is_codebook_loss_legacy,
            },
            usage: CodeUsage::new(codes, restart_steps),
            seed: spec.seed,
            latents: None,
        }
    }
}

impl Bounds for CodebookBounds {
    type Network = VqModel;

    const COLUMN: &'static str = "codebook";

    fn with_fixed_latents(network: VqModel) -> VqModel {
        network.with_fixed_encoder()
    }

    fn pass(
        &mut self,
        network: &VqModel,
        pictures: Tensor<4>,
        _counter: u64,
    ) -> Result<Passed, TrainError> {
        let quantized = network.quantize(network.encode(pictures));
        let codes = quantized.codes.clone().try_into_data();
        let codes = codes.map_err(TrainError::device)?.try_into_vec_as::<i64>();
        self.usage.count(&codes.map_err(TrainError::device)?);
        self.latents = Some(quantized.latents.clone().inner());
        let pull = self.loss.forward(&quantized);
        Ok(Passed {
            made: network.decode_quantized(quantized.straight_through()),
            told: scalar(pull.clone())?,
            pull,
        })
    }

    /// Vectors that are never the nearest learn nothing: they are put where latents
    /// are (Dhariwal et al. 2020, <https://arxiv.org/abs/2005.00341>, §3.1).
    fn after_step(&mut self, step: u64, learner: &mut Learner<VqModel>) -> Result<(), TrainError> {
        let unused = self.usage.end_step();
        let Some(latents) = self.latents.take().filter(|_| !unused.is_empty()) else {
            return Ok(());
        };
        let [count, channels, height, width] = latents.dims();
        let places = count * height * width;
        let latents = host(latents.permute([0, 2, 3, 1]))?;
        let mut random = Purpose::Codebook.random(self.seed, step);
        let rows = unused.into_iter().map(|code| {
            let place = random.below(places as u64) as usize * channels;
            (code, latents[place..place + channels].to_vec())
        });
        learner.replace_rows(PARAMETER, &rows.collect::<Vec<_>>())
    }

    fn figures(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("code_perplexity", self.usage.perplexity()),
            ("codes_used_share", self.usage.used_share()),
            ("codes_restarted", self.usage.restarted() as f64),
        ]
    }

    fn judged(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("train_code_perplexity", self.usage.perplexity()),
            ("train_codes_used_share", self.usage.used_share()),
        ]
    }

    fn save(&self, folder: &Path) -> Result<(), TrainError> {
        self.usage.save(folder)
    }

    fn load(&mut self, folder: &Path) -> Result<(), TrainError> {
        self.usage.load(folder)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::model::ModelFolder;
    use crate::model::weights::{SafetensorsFile, WeightDtype, WeightSource as _};
    use crate::train::LearnerOptions;
    use crate::train::autoencoder::loss::PictureLoss;
    use crate::train::autoencoder::shown::Shown;
    use crate::train::perceptual::{Filters, PerceptualLoss};

    const FOLDER: &str = "tests/data/reference/first-stages/vq-f8";

    /// Steps of the whole loss but for perception and discriminator, from the same
    /// weights on the same pictures as PyTorch's
    /// (`tests/data/reference/make_first_stage_reference.py`).
    fn follow(name: &str, is_legacy: bool) {
        let device = Device::flex().autodiff();
        let file = Path::new(FOLDER).join("training.safetensors");
        let file = SafetensorsFile::open(&file).expect("references");
        let read = |name: &str| -> (Vec<usize>, Vec<f32>) {
            let shape = file.shape(name).expect("a tensor").to_vec();
            let data = file.read(name, &shape, false, WeightDtype::F32);
            (
                shape,
                data.expect("numbers").try_into_vec_as().expect("f32"),
            )
        };
        let (shape, pictures) = read("pictures");
        let [batches, count, channels, height, width] = shape[..] else {
            panic!("{shape:?}");
        };
        let options = LearnerOptions {
            betas: (0.9, 0.999),
            weight_decay: 0.01,
            clip_norm: 1.0,
            ema_decay: None,
        };
        let network = ModelFolder::open(FOLDER).and_then(|it| it.load_vq_model(&device));
        let mut learner = Learner::new(network.expect("a network"), options, &device);
        let config = TrainingConfig {
            is_codebook_loss_legacy: is_legacy,
            codebook_restart_steps: 0,
            ..TrainingConfig::default()
        };
        let mut bounds = CodebookBounds::new(&TrainSpec::default(), &config, 64);
        let loss = PictureLoss {
            perceptual: PerceptualLoss::Filters(Filters::new(&device)),
            perceptual_weight: 0.0,
            discriminator_weight: 0.0,
        };
        let size = count * channels * height * width;
        for (step, wanted) in read(name).1.into_iter().enumerate() {
            let values = pictures[step % batches * size..][..size].to_vec();
            let data = TensorData::new(values, [count, channels, height, width]);
            let x = Tensor::<4>::from_data(data, &device);
            let passed = bounds.pass(learner.module(), x.clone(), 0).expect("a pass");
            let shown = Shown {
                values: Vec::new(),
                weights: Vec::new(),
            };
            let made = passed.made.clone().inner();
            let (direction, terms) = loss.direction(made, x, &shown, None).expect("a loss");
            let ours = terms.absolute + passed.told;
            let error = (ours - wanted).abs();
            assert!(error <= 1e-4 * wanted, "step {step}: {ours} for {wanted}");
            let sum = (passed.made * Tensor::from_inner(direction)).sum() + passed.pull;
            learner.accumulate(sum.backward());
            learner.apply(2e-3, 1).expect("a step");
            bounds
                .after_step(step as u64, &mut learner)
                .expect("a look");
        }
    }

    #[test]
    fn the_legacy_loss_falls_as_in_torch() {
        follow("legacy", true);
    }

    #[test]
    fn the_corrected_loss_falls_as_in_torch() {
        follow("corrected", false);
    }

    #[test]
    fn vectors_that_nobody_uses_are_put_where_latents_are() {
        let device = Device::flex().autodiff();
        let network = ModelFolder::open(FOLDER).and_then(|it| it.load_vq_model(&device));
        let options = LearnerOptions {
            betas: (0.9, 0.999),
            weight_decay: 0.0,
            clip_norm: 0.0,
            ema_decay: Some(0.99),
        };
        let mut learner = Learner::new(network.expect("a network"), options, &device);
        let config = TrainingConfig {
            codebook_restart_steps: 2,
            ..TrainingConfig::default()
        };
        let mut bounds = CodebookBounds::new(&TrainSpec::default(), &config, 64);
        let x = Tensor::<4>::random(
            [2, 3, 16, 16],
            burn::tensor::Distribution::Uniform(-1.0, 1.0),
            &device,
        );
        let pass = |bounds: &mut CodebookBounds, learner: &mut Learner<VqModel>, step| {
            bounds.pass(learner.module(), x.clone(), 0).expect("a pass");
            let latents = host(
                bounds
                    .latents
                    .clone()
                    .expect("latents")
                    .permute([0, 2, 3, 1]),
            );
            bounds.after_step(step, learner).expect("a look");
            latents.expect("numbers")
        };
        let codebook = |learner: &Learner<VqModel>| {
            host(learner.module().quantizer().codebook().val().inner()).expect("numbers")
        };
        let before = codebook(&learner);
        pass(&mut bounds, &mut learner, 0);
        assert_eq!(codebook(&learner), before);
        let latents = pass(&mut bounds, &mut learner, 1);
        let after = codebook(&learner);
        let (mut kept, mut put) = (0, 0);
        for (before, after) in before.chunks(3).zip(after.chunks(3)) {
            if before == after {
                kept += 1;
            } else {
                assert!(latents.chunks(3).any(|latent| latent == after));
                put += 1;
            }
        }
        assert!(kept <= 8 && put >= 56, "{kept} {put}");
        let figures = bounds.figures();
        assert_eq!(figures[2], ("codes_restarted", put as f64));
        assert_eq!(figures[1], ("codes_used_share", kept as f64 / 64.0));
        assert!((1.0..=kept as f64).contains(&figures[0].1), "{figures:?}");
        // The average moves along at once.
        let averaged = learner.averaged();
        assert_eq!(host(averaged.quantizer().codebook().val()).unwrap(), after);
    }
}
