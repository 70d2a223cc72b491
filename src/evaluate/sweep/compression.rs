//! Quality against the factor of the first stage: for each a small first stage and a
//! small denoiser, trained for equally many steps on the same scenes.

use std::fs;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::PathBuf;

use burn::tensor::Device;
use serde::Serialize;
use serde_json::{Value, json};

use super::chart::{Chart, Series};
use super::painted::painted;
use super::{MOST_TRAINING_STEPS, Observer, TableRow, real};
use crate::diffusion::LatentDiffusion;
use crate::evaluate::compare::FeatureNetwork;
use crate::evaluate::study::reconstruction;
use crate::evaluate::{EvaluateError, EvaluationPlan};
use crate::files::write_atomically;
use crate::model::ModelFolder;
use crate::recipe::{TrainSpec, TrainTarget};
use crate::scenes::{Scene, SceneSource};
use crate::train::{self, TrainEvent};

/// Side of the scenes in pixels: what trains in minutes on a processor.
const SIDE_PX: u32 = 32;
/// Factors and the channels of their latents, as in the paper's table 13.
const CHANNELS: [(u32, usize); 5] = [(1, 3), (2, 2), (4, 3), (8, 4), (16, 8)];
/// Scenes that go through a first stage and back.
const RECONSTRUCTED: usize = 100;

/// What is trained and tried.
#[derive(Clone, Debug)]
pub struct CompressionPlan {
    /// Pixels per side of a latent; 1 paints pixels.
    pub factors: Vec<u32>,
    /// Optimiser steps of each first stage, and of each denoiser.
    pub training_steps: u64,
    /// Pictures that each paints.
    pub count: u32,
    /// Seed of the training, of captions and of noise.
    pub seed: u64,
    /// Steps of the sampler.
    pub steps: u32,
    /// Folder of the runs; what is trained in it already is not trained again.
    pub folder: PathBuf,
}

impl CompressionPlan {
    /// Checks every number.
    ///
    /// # Errors
    /// The first that is out of range.
    pub fn validate(&self) -> Result<(), EvaluateError> {
        let is_known = |factor: &u32| CHANNELS.iter().any(|(known, _)| known == factor);
        if let Some(factor) = self.factors.iter().find(|factor| !is_known(factor)) {
            return Err(EvaluateError::Factor(*factor));
        }
        if !(1..=MOST_TRAINING_STEPS).contains(&self.training_steps) {
            return Err(EvaluateError::TrainingSteps(self.training_steps));
        }
        self.painting().validate()
    }

    fn painting(&self) -> EvaluationPlan {
        EvaluationPlan {
            tasks: Vec::new(),
            count: self.count,
            seed: self.seed,
            sampler: None,
            steps: self.steps,
            // As the paper's: the models as they are.
            guidance_scale: 1.0,
            boxes_are_regions: false,
        }
    }

    /// Steps and pictures in all.
    pub fn work(&self) -> u64 {
        let of = |factor: &u32| {
            let stages = if *factor == 1 { 1 } else { 2 };
            stages * self.training_steps + u64::from(self.count)
        };
        self.factors.iter().map(of).sum()
    }
}

/// A factor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CompressionRow {
    /// Pixels per side of a latent.
    pub factor: u32,
    /// Steps of each training.
    pub training_steps: u64,
    /// Weights of the denoiser with its text encoder, and of the first stage.
    pub parameters: usize,
    /// Pictures.
    pub count: u32,
    /// Unseen scenes through the first stage and back.
    pub reconstruction_psnr_db: f64,
    /// Fréchet's distance to real scenes.
    pub frechet_distance: f64,
    /// The kernel distance to them.
    pub kernel_distance: f64,
    /// Pictures painted in a second.
    pub pictures_per_sec: f64,
}

impl TableRow for CompressionRow {
    const COLUMNS: &'static [&'static str] = &[
        "factor",
        "training_steps",
        "parameters",
        "pictures",
        "reconstruction_psnr_db",
        "frechet_distance",
        "kernel_distance",
        "pictures_per_sec",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.factor.to_string(),
            self.training_steps.to_string(),
            self.parameters.to_string(),
            self.count.to_string(),
            format!("{:.3}", self.reconstruction_psnr_db),
            format!("{:.5}", self.frechet_distance),
            format!("{:.6}", self.kernel_distance),
            format!("{:.4}", self.pictures_per_sec),
        ]
    }
}

/// Trains and tries every factor. `observe` is told how much of the work is done and
/// what is, and each row once it is there.
///
/// # Errors
/// If the plan is out of range, a training fails or is of other settings than what lies
/// in the folder, or `observe` has enough; what is trained stays and is gone on with.
pub fn compression(
    network: &FeatureNetwork,
    device: &Device,
    plan: &CompressionPlan,
    observe: &mut Observer<'_, CompressionRow>,
) -> Result<(), EvaluateError> {
    plan.validate()?;
    let real = real(network, SIDE_PX, plan.seed)?;
    let source = SceneSource::new(SIDE_PX)?;
    let scenes: Vec<Scene> = source.endless(plan.seed, 0).take(RECONSTRUCTED).collect();
    let mut done = 0;
    for factor in &plan.factors {
        let what = format!("f = {factor}");
        let folder = trained(plan, *factor, device, &mut |steps| {
            observe(done + steps, &what, None)
        })?;
        let stages = if *factor == 1 { 1 } else { 2 };
        done += stages * plan.training_steps;
        let model = LatentDiffusion::load(&ModelFolder::open(&folder)?, device)?;
        let found = painted(&model, &plan.painting(), network, &real, &mut |_| {
            done += 1;
            observe(done, &what, None)
        })?;
        let figures = found.comparison;
        let row = CompressionRow {
            factor: *factor,
            training_steps: plan.training_steps,
            parameters: model.parameter_count(),
            count: plan.count,
            reconstruction_psnr_db: reconstruction(&model, device, &scenes)?.psnr_db,
            frechet_distance: figures.frechet_distance,
            kernel_distance: figures.kernel_distance.map_or(f64::NAN, |it| it.mean),
            pictures_per_sec: found.pictures_per_sec,
        };
        if observe(done, &what, Some(&row)).is_break() {
            return Err(EvaluateError::Stopped);
        }
    }
    Ok(())
}

/// The folder of a model of this factor, which is trained if it is not there.
fn trained(
    plan: &CompressionPlan,
    factor: u32,
    device: &Device,
    observe: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<PathBuf, EvaluateError> {
    let folder = plan.folder.join(format!("f{factor}"));
    let config = folder.join("config.json");
    let text = serde_json::to_vec_pretty(&networks(factor)).map_err(EvaluateError::device)?;
    fs::create_dir_all(&folder)
        .and_then(|()| write_atomically(&config, |file| file.write_all(&text)))
        .map_err(|source| EvaluateError::Io {
            action: "write",
            path: config.clone(),
            source,
        })?;
    let spec = |target, name: &str| {
        let output = folder.join(name);
        TrainSpec {
            target,
            config: Some(config.clone()),
            resume: output.join("checkpoints").is_dir(),
            output,
            size_px: SIDE_PX,
            steps: plan.training_steps,
            batch: 8,
            learning_rate: 1e-3,
            warmup_steps: plan.training_steps / 10,
            seed: 1,
            checkpoint_every: 500,
            sample_every: u64::MAX,
            perceptual_weight: 0.0,
            ..TrainSpec::default()
        }
    };
    let mut before = 0;
    let mut first_stage = PathBuf::from("pixels");
    if factor > 1 {
        let spec = spec(TrainTarget::Autoencoder, "autoencoder");
        first_stage = run(&spec, device, &mut |step| observe(step))?;
        before = plan.training_steps;
    }
    let spec = TrainSpec {
        first_stage: Some(first_stage),
        ..spec(TrainTarget::Diffusion, "diffusion")
    };
    run(&spec, device, &mut |step| observe(before + step))
}

fn run(
    spec: &TrainSpec,
    device: &Device,
    observe: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<PathBuf, EvaluateError> {
    let outcome = train::run(spec, device, &mut |event| match event {
        TrainEvent::Step(step) => observe(step.step),
        _ => ControlFlow::Continue(()),
    })?;
    match outcome.is_complete {
        true => Ok(outcome.model),
        false => Err(EvaluateError::Stopped),
    }
}

/// The networks of a factor: denoisers of about as many weights each, with the levels
/// that their latents can be halved to.
fn networks(factor: u32) -> Value {
    let (_, channels) = CHANNELS
        .into_iter()
        .find(|(known, _)| *known == factor)
        .unwrap_or(CHANNELS[0]);
    let side = SIDE_PX / factor;
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
        let widths = &[16, 32, 64, 64, 64][..levels];
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
            "sample_size": SIDE_PX,
            "scaling_factor": 1.0,
        });
    }
    all
}

impl CompressionRow {
    /// Distance against the factor.
    pub fn chart(rows: &[Self], measure: &str) -> Chart {
        let point = |row: &Self| {
            let at = [f64::from(row.factor), row.frechet_distance];
            (at, format!("f = {}", row.factor))
        };
        let steps = rows.first().map_or(0, |row| row.training_steps);
        Chart {
            title: format!("Quality against the first stage, {steps} steps of training each"),
            across: "pixels per side of a latent".to_owned(),
            up: measure.to_owned(),
            series: vec![Series {
                name: "painted pictures".to_owned(),
                points: rows.iter().map(point).collect(),
            }],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::TrainConfig;

    #[test]
    fn networks_of_every_factor_have_about_as_many_weights() {
        let counts = CHANNELS.map(|(factor, _)| {
            let config: TrainConfig = serde_json::from_value(networks(factor)).expect("a config");
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
