//! The models of the sweep over factors: networks small enough to be trained on a
//! processor, of about as many weights for every factor.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde_json::{Value, json};

use super::compression::OnStep;
use crate::evaluate::EvaluateError;
use crate::files::write_atomically;
use crate::recipe::{TrainSpec, TrainTarget};
use crate::train::{self, FoundRun, TrainEvent};

/// Sides of scenes, in pixels, that there are models for.
pub(super) const SIDES_PX: [u32; 2] = [32, 64];
/// Factors and the channels of their latents, as in the paper's table 13.
const CHANNELS: [(u32, usize); 6] = [(1, 3), (2, 2), (4, 3), (8, 4), (16, 8), (32, 32)];
/// Pictures of a step.
const BATCH: u32 = 8;
/// Steps between checkpoints.
const CHECKPOINT_EVERY: u64 = 250;

/// Channels of the latents of a factor, if there are models of it.
pub(super) fn channels(factor: u32) -> Option<usize> {
    let mut known = CHANNELS.into_iter();
    known.find(|it| it.0 == factor).map(|it| it.1)
}

/// Where the models lie and how long they are trained.
pub(super) struct SmallModels<'a> {
    pub folder: &'a Path,
    pub side_px: u32,
    pub first_stage_steps: u64,
    /// Steps of the longest training of a denoiser.
    pub longest: u64,
}

impl SmallModels<'_> {
    fn place(&self, factor: u32) -> PathBuf {
        self.folder.join(format!("f{factor}"))
    }

    /// Where a row of figures is kept.
    pub fn row(&self, factor: u32, seed: u64, steps: u64) -> PathBuf {
        self.place(factor)
            .join(format!("figures-{seed}-{steps}.json"))
    }

    /// Steps over which the learning rate of a denoiser rises.
    pub fn warmup_steps(&self) -> u64 {
        self.longest / 10
    }

    fn spec(&self, factor: u32, target: TrainTarget, name: &str) -> TrainSpec {
        TrainSpec {
            target,
            config: Some(self.place(factor).join("config.json")),
            output: self.place(factor).join(name),
            size_px: self.side_px,
            batch: BATCH,
            learning_rate: 1e-3,
            checkpoint_every: CHECKPOINT_EVERY,
            sample_every: u64::MAX,
            perceptual_weight: 0.0,
            // A denoiser that goes on finds what it has seen.
            latent_cache: Some(self.folder.join("latents")),
            ..TrainSpec::default()
        }
    }

    /// The first stage of a factor, which is trained if it is not there.
    pub fn first_stage(
        &self,
        factor: u32,
        device: &Device,
        observe: &mut OnStep<'_>,
    ) -> Result<PathBuf, EvaluateError> {
        let config = self.place(factor).join("config.json");
        let networks = networks(factor, self.side_px);
        let text = serde_json::to_vec_pretty(&networks).map_err(EvaluateError::device)?;
        fs::create_dir_all(self.place(factor))
            .and_then(|()| write_atomically(&config, |file| file.write_all(&text)))
            .map_err(|source| EvaluateError::Io {
                action: "write",
                path: config.clone(),
                source,
            })?;
        if factor == 1 {
            return Ok(PathBuf::from("pixels"));
        }
        let spec = TrainSpec {
            steps: self.first_stage_steps,
            warmup_steps: self.first_stage_steps / 10,
            seed: 1,
            ..self.spec(factor, TrainTarget::Autoencoder, "autoencoder")
        };
        run(spec, device, observe)
    }

    /// A denoiser of a factor after so many steps of training on a first stage.
    pub fn denoiser(
        &self,
        factor: u32,
        seed: u64,
        (steps, first_stage): (u64, &Path),
        device: &Device,
        observe: &mut OnStep<'_>,
    ) -> Result<PathBuf, EvaluateError> {
        let name = match seed {
            1 => "diffusion".to_owned(),
            _ => format!("diffusion-{seed}"),
        };
        let spec = TrainSpec {
            steps,
            warmup_steps: self.warmup_steps(),
            seed,
            first_stage: Some(first_stage.to_owned()),
            ..self.spec(factor, TrainTarget::Diffusion, &name)
        };
        run(spec, device, observe)
    }
}

fn run(
    mut spec: TrainSpec,
    device: &Device,
    observe: &mut OnStep<'_>,
) -> Result<PathBuf, EvaluateError> {
    let found = FoundRun::in_folder(&spec.output);
    if let Some(found) = found.as_ref().filter(|found| found.step > spec.steps) {
        return Err(EvaluateError::TrainedFurther {
            folder: spec.output,
            steps: [found.step, spec.steps],
        });
    }
    if let Some(found) = &found {
        check_same(&found.spec, &spec)?;
    }
    spec.resume = found.is_some();
    let outcome = train::run(&spec, device, &mut |event| match event {
        TrainEvent::Step(step) => observe(step.step),
        _ => std::ops::ControlFlow::Continue(()),
    })?;
    match outcome.is_complete {
        true => Ok(outcome.model),
        false => Err(EvaluateError::Stopped),
    }
}

/// Refuses to go on with a training that was begun otherwise: what was tried of it is not
/// comparable with what would come of it, and denoisers know their first stage as it was.
fn check_same(begun: &TrainSpec, asked: &TrainSpec) -> Result<(), EvaluateError> {
    let is_first_stage = asked.target == TrainTarget::Autoencoder;
    let wrong = if is_first_stage && begun.steps != asked.steps {
        Some(("steps of a first stage", [begun.steps, asked.steps]))
    } else if begun.warmup_steps != asked.warmup_steps {
        Some((
            "steps of warm-up, a tenth of the longest training",
            [begun.warmup_steps, asked.warmup_steps],
        ))
    } else {
        None
    };
    match wrong {
        Some((what, steps)) => Err(EvaluateError::TrainedOtherwise {
            folder: asked.output.clone(),
            what,
            steps,
        }),
        None => Ok(()),
    }
}

/// The networks of a factor: denoisers of about as many weights each, with the levels
/// that their latents can be halved to.
fn networks(factor: u32, side_px: u32) -> Value {
    let channels = channels(factor).unwrap_or(3);
    let side = side_px / factor;
    let widths: &[usize] = match side {
        ..=2 => &[96],
        3..=4 => &[64, 64],
        _ => &[32, 64, 64],
    };
    let levels = widths.len();
    let kind = |level: usize, way: &str| match level {
        0 if levels > 1 => format!("{way}Block2D"),
        _ => format!("CrossAttn{way}Block2D"),
    };
    let heads: Vec<usize> = widths.iter().map(|width| width / 32).collect();
    let down: Vec<String> = (0..levels).map(|level| kind(level, "Down")).collect();
    let up: Vec<String> = (0..levels).rev().map(|level| kind(level, "Up")).collect();
    let mut all = json!({
        "unet": {
            "sample_size": side,
            "in_channels": 2 * channels + 1,
            "out_channels": channels,
            "down_block_types": down,
            "up_block_types": up,
            "block_out_channels": widths,
            "layers_per_block": 1,
            "norm_num_groups": 16,
            "cross_attention_dim": 64,
            "attention_head_dim": heads,
            "use_linear_projection": true,
        },
        // From the text alone.
        "training": {
            "cached_pictures": 256,
            "cache_reuse": 4.0,
            "masks_per_picture": 1,
            "full_mask_share": 1.0,
        },
    });
    if factor > 1 {
        let levels = factor.ilog2() as usize + 1;
        let widths = &[16, 32, 64, 64, 64, 64][..levels];
        all["autoencoder"] = json!({
            "_class_name": "AutoencoderKL",
            "act_fn": "silu",
            "block_out_channels": widths,
            "down_block_types": vec!["DownEncoderBlock2D"; levels],
            "up_block_types": vec!["UpDecoderBlock2D"; levels],
            "in_channels": 3,
            "out_channels": 3,
            "latent_channels": channels,
            "layers_per_block": 1,
            "norm_num_groups": 8,
            "sample_size": side_px,
            "scaling_factor": 1.0,
        });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::TrainConfig;

    #[test]
    fn a_training_goes_on_as_it_was_begun() {
        let folder = tempfile::tempdir().expect("a folder");
        let models = |first_stage_steps, longest| SmallModels {
            folder: folder.path(),
            side_px: 32,
            first_stage_steps,
            longest,
        };
        let spec = |steps, warmup_steps, target| TrainSpec {
            steps,
            warmup_steps,
            target,
            ..TrainSpec::default()
        };
        let eyes = |steps| spec(steps, steps / 10, TrainTarget::Autoencoder);
        let painter = |steps, longest| {
            let warmup_steps = models(1, longest).warmup_steps();
            spec(steps, warmup_steps, TrainTarget::Diffusion)
        };
        check_same(&eyes(100), &eyes(100)).expect("the same");
        // Few enough to have the same warm-up.
        check_same(&eyes(102), &eyes(104)).expect_err("another first stage");
        check_same(&painter(250, 1000), &painter(500, 1000)).expect("it is tried on the way");
        let told = check_same(&painter(250, 250), &painter(500, 500));
        let told = told.expect_err("another warm-up").to_string();
        assert!(
            told.contains("25") && told.contains("another folder"),
            "{told}"
        );
    }

    #[test]
    fn networks_of_every_factor_have_about_as_many_weights() {
        for side_px in SIDES_PX {
            let counts = CHANNELS.map(|(factor, _)| {
                let networks = networks(factor, side_px);
                let config: TrainConfig = serde_json::from_value(networks).expect("a config");
                let unet = config.unet.expect("a denoiser");
                unet.validate().expect("sizes that can be");
                assert_eq!(config.autoencoder.is_some(), factor > 1);
                crate::nn::parameter_count(&unet.init(&Device::flex()).expect("a denoiser"))
            });
            let (least, most) = (counts.iter().min(), counts.iter().max());
            let (least, most) = (least.copied().unwrap_or(0), most.copied().unwrap_or(0));
            assert!(most < 2 * least, "{counts:?}");
        }
    }
}
