//! Tiny networks and pictures for the tests of the trainer.
#![allow(dead_code, reason = "each test uses its own part")]
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use image::{Rgb, RgbImage};
use velatura::recipe::{TrainSpec, TrainTarget};
use velatura::train::{StepReport, TrainError, TrainEvent, TrainOutcome, run};

/// Sizes of networks that train in seconds.
pub const CONFIG: &str = r#"{
  "autoencoder": {
    "block_out_channels": [16, 32], "layers_per_block": 1, "latent_channels": 4,
    "norm_num_groups": 8, "mid_block_add_attention": false,
    "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D"],
    "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"]
  },
  "unet": {
    "block_out_channels": [32, 32], "layers_per_block": 1, "in_channels": 9, "out_channels": 4,
    "norm_num_groups": 8, "cross_attention_dim": 16, "attention_head_dim": 2,
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"]
  },
  "text_encoder": {
    "hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2,
    "num_hidden_layers": 1, "max_position_embeddings": 12
  },
  "tokenizer": { "vocab_size": 560 },
  "scheduler": {
    "_class_name": "EulerDiscreteScheduler", "num_train_timesteps": 1000,
    "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction", "timestep_spacing": "trailing", "steps_offset": 1
  }
}"#;

/// Four pictures of 24 × 20 pixels with captions, and the configuration.
pub fn make_data(root: &Path) -> (PathBuf, PathBuf) {
    let folder = root.join("pictures");
    std::fs::create_dir_all(folder.join("more")).unwrap();
    let colours = [[220, 60, 40], [40, 90, 200], [60, 180, 80], [230, 200, 60]];
    let names = ["red.png", "blue.png", "more/green.png", "more/yellow.png"];
    for (i, (name, colour)) in names.into_iter().zip(colours).enumerate() {
        let picture = RgbImage::from_fn(24, 20, |x, y| {
            if x / 6 % 2 == (y / 5 + i as u32) % 2 {
                Rgb(colour)
            } else {
                Rgb([colour[2], colour[0], 255 - colour[1]])
            }
        });
        let path = folder.join(name);
        picture.save(&path).unwrap();
        let words = [
            "a red board",
            "a blue board",
            "a green board",
            "a yellow board",
        ];
        std::fs::write(path.with_extension("txt"), words[i]).unwrap();
    }
    let config = root.join("tiny.json");
    std::fs::write(&config, CONFIG).unwrap();
    (folder, config)
}

/// A short run on the pictures of [`make_data`].
pub fn spec(root: &Path, target: TrainTarget) -> TrainSpec {
    TrainSpec {
        target,
        data: Some(root.join("pictures")),
        config: Some(root.join("tiny.json")),
        output: root.join("run"),
        size_px: 16,
        steps: 10,
        batch: 4,
        learning_rate: 2e-3,
        warmup_steps: 5,
        ema_decay: 0.9,
        seed: 7,
        checkpoint_every: 0,
        sample_every: 0,
        ..TrainSpec::default()
    }
}

/// Everything that a run told.
pub struct Told {
    pub outcome: Result<TrainOutcome, TrainError>,
    pub events: Vec<TrainEvent>,
}

impl Told {
    pub fn steps(&self) -> Vec<StepReport> {
        let steps = self.events.iter().filter_map(|event| match event {
            TrainEvent::Step(report) => Some(*report),
            _ => None,
        });
        steps.collect()
    }

    /// What the model was last judged to be, by the name of a figure.
    pub fn figure(&self, name: &str) -> Option<f64> {
        self.events.iter().rev().find_map(|event| match event {
            TrainEvent::Evaluation {
                name: own, value, ..
            } if *own == name => Some(*value),
            _ => None,
        })
    }

    /// Losses, bit for bit.
    pub fn losses(&self) -> Vec<(u64, u32)> {
        self.steps()
            .iter()
            .map(|report| (report.step, report.loss.to_bits()))
            .collect()
    }
}

/// Runs to the end, or until `stop_after` steps are done.
pub fn train(spec: &TrainSpec, stop_after: Option<u64>) -> Told {
    let mut events = Vec::new();
    let outcome = run(spec, &Device::flex(), &mut |event| {
        let is_last = matches!(
            (&event, stop_after),
            (TrainEvent::Step(report), Some(last)) if report.step >= last
        );
        events.push(event);
        if is_last {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    Told { outcome, events }
}
