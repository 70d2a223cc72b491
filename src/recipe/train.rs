//! The description of one training job.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which stage of a latent diffusion model is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrainTarget {
    /// The first stage: pictures to latents and back.
    Autoencoder,
    /// The second stage: the denoising network (and, from scratch, its text encoder).
    Diffusion,
    /// A classifier of noisy latents, which leads a model to classes.
    Classifier,
}

/// What a denoiser learns to paint from (Rombach et al. 2022,
/// <https://arxiv.org/abs/2112.10752>, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrainTask {
    /// Nothing: more pictures like those that it saw.
    Unconditional,
    /// A class out of a list, which are the folders that the pictures lie in.
    Class,
    /// Words.
    Text,
    /// Boxes that say where what is.
    Layout,
    /// A class for every pixel.
    Semantic,
    /// The picture around a hole.
    Inpaint,
    /// The picture in small.
    SuperResolution,
}

impl TrainTask {
    /// Every task, in the order of menus.
    pub const ALL: [Self; 7] = [
        Self::Unconditional,
        Self::Class,
        Self::Text,
        Self::Layout,
        Self::Semantic,
        Self::Inpaint,
        Self::SuperResolution,
    ];

    /// Its name.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Unconditional => "More like these",
            Self::Class => "Classes",
            Self::Text => "Words",
            Self::Layout => "Boxes",
            Self::Semantic => "Label maps",
            Self::Inpaint => "Filling holes",
            Self::SuperResolution => "Enlarging",
        }
    }

    /// What it is learnt of, as a sentence.
    pub const fn needs(self) -> &'static str {
        match self {
            Self::Unconditional | Self::Inpaint | Self::SuperResolution => {
                "Needs pictures and nothing else"
            }
            Self::Class => "Needs a folder for each class, with the pictures of it inside",
            Self::Text => "Needs captions: barn.txt beside barn.png says what it shows",
            Self::Layout => "Needs boxes: COCO JSON files, or barn.json beside barn.png",
            Self::Semantic => "Needs label maps: barn.label.png, a grey value for each class",
        }
    }

    /// What the model will do, as a sentence.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Unconditional => "Paints more pictures like those in the folder",
            Self::Class => "Paints pictures of a class; each class is a folder of its own",
            Self::Text => "Paints what words say; captions are text files beside the pictures",
            Self::Layout => {
                "Paints things where boxes are; COCO JSON, or barn.json beside barn.png"
            }
            Self::Semantic => "Paints what a label map says; barn.label.png beside barn.png",
            Self::Inpaint => "Fills holes with what fits to the picture around them",
            Self::SuperResolution => "Makes large pictures of small ones",
        }
    }
}

/// What keeps the latents of an autoencoder in bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LatentKind {
    /// A distribution near the standard normal one (KL).
    #[default]
    Kl,
    /// A codebook (VQ).
    Vq,
}

/// How a picture that is no square becomes one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// Cut-outs, which are clear in parts, as a whole; of others a square is cut.
    #[default]
    Auto,
    /// A square of it is cut, at another place each time.
    Crop,
    /// All of it: its edge is drawn out, and around a cut-out is white.
    Pad,
}

impl Fit {
    /// Every way, in the order of menus.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Crop, Self::Pad];

    /// Its name.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Auto => "Cut-outs whole",
            Self::Crop => "Cropped",
            Self::Pad => "All whole",
        }
    }

    /// What it does, as a sentence.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Auto => {
                "Pictures that are clear in parts are seen whole, on white; of others a square is cut, at another place each time"
            }
            Self::Crop => "A square is cut out of every picture, at another place each time",
            Self::Pad => {
                "Every picture is seen whole: its edge is drawn out to a square, and around a cut-out is white"
            }
        }
    }

    /// What runs did that do not say it.
    const fn unsaid() -> Self {
        Self::Crop
    }
}

/// How the small pictures are made that a model learns to enlarge (Rombach et al. 2022,
/// section 4.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Degradation {
    /// They are small, and as good as they can be.
    #[default]
    Bicubic,
    /// Blurred, noisy and with the blocks of JPEG besides, a little and at random, as
    /// pictures that people have (`bsrgan_light` of the paper's code).
    BsrganLight,
}

impl Degradation {
    /// Every way, in the order of menus.
    pub const ALL: [Self; 2] = [Self::Bicubic, Self::BsrganLight];

    /// Its name.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Bicubic => "Clean",
            Self::BsrganLight => "As found",
        }
    }

    /// What it does, as a sentence.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Bicubic => {
                "Small pictures are made by bicubic interpolation; for enlarging clean ones"
            }
            Self::BsrganLight => {
                "Small pictures are blurred, noisy and compressed a little, each in another way; for enlarging those of cameras and the web"
            }
        }
    }
}

/// Everything that decides what a training run does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainSpec {
    /// Which stage.
    pub target: TrainTarget,
    /// What a denoiser from random weights learns to paint from; `None` takes what the
    /// network sizes say, which without any are words and holes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TrainTask>,
    /// Folder of pictures, searched recursively. `None` trains on the endless
    /// in-memory source of storybook scenes.
    pub data: Option<PathBuf>,
    /// Model folder to start from. `None` starts from random weights (a
    /// diffusion run then needs `first_stage`).
    pub from: Option<PathBuf>,
    /// Model whose autoencoder encodes the pictures of a diffusion run that starts
    /// from random weights, an autoencoder alone, or `pixels`. Of a classifier it is the model
    /// that it is to lead, whose noise it learns too.
    pub first_stage: Option<PathBuf>,
    /// Whether the model refers to its first stage where that lies, and has no copy of it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub share_first_stage: bool,
    /// Folder in which latents are kept for other runs on the same first stage; `None`
    /// keeps none. It changes nothing of what a run comes to.
    #[serde(skip)]
    pub latent_cache: Option<PathBuf>,
    /// JSON file with the network sizes of a run from random weights; `None`
    /// takes sizes that suit the pictures.
    pub config: Option<PathBuf>,
    /// What such a file says, said here, so that one file describes the whole run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sizes: Option<Value>,
    /// What the model is called in lists and in the recipes of its pictures; `None` calls it
    /// as [`TrainSpec::model_name`] says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Folder that receives checkpoints, metrics, sample sheets and the model.
    pub output: PathBuf,
    /// Go on from the newest checkpoint in `output`.
    pub resume: bool,
    /// Side in pixels of the square pictures trained on.
    pub size_px: u32,
    /// How pictures of a folder that are no squares become such.
    #[serde(default = "Fit::unsaid")]
    pub fit: Fit,
    /// How the small pictures are made that a model learns to enlarge.
    pub degradation: Degradation,
    /// Optimiser steps in all, counted from the first run on.
    pub steps: u64,
    /// Pictures per forward pass.
    pub batch: u32,
    /// Forward passes per optimiser step.
    pub accumulate: u32,
    /// Peak learning rate of AdamW.
    pub learning_rate: f64,
    /// Steps over which the learning rate rises linearly from 0.
    pub warmup_steps: u64,
    /// AdamW's decoupled weight decay.
    pub weight_decay: f64,
    /// Largest norm of all gradients together.
    pub clip_norm: f64,
    /// Upper bound of the decay of the averaged weights.
    pub ema_decay: f64,
    /// Probability that a caption is replaced by the empty one, and that a model which
    /// takes a class, boxes or a label map alone is not told it.
    pub caption_dropout: f32,
    /// Seed of everything random.
    pub seed: u64,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Steps between sample sheets.
    pub sample_every: u64,
    /// First step at which the autoencoder's discriminator acts; `None` never.
    pub discriminator_start: Option<u64>,
    /// Weight of the perceptual term of the autoencoder's loss.
    pub perceptual_weight: f64,
    /// Weights of LPIPS for that term, a file or a folder; `None` takes one that needs none.
    pub perceptual_weights: Option<PathBuf>,
    /// Weight of the Kullback-Leibler term of the autoencoder's loss.
    pub kl_weight: f64,
    /// What keeps the latents of an autoencoder from random weights in bounds, where
    /// `config` says nothing.
    pub latents: LatentKind,
    /// Pixels per side of a latent's place of such an autoencoder; `None` takes what
    /// suits the pictures.
    pub latent_factor: Option<u32>,
}

impl Default for TrainSpec {
    fn default() -> Self {
        Self {
            target: TrainTarget::Diffusion,
            task: None,
            data: None,
            from: None,
            first_stage: None,
            share_first_stage: false,
            latent_cache: None,
            config: None,
            sizes: None,
            name: None,
            output: PathBuf::from(USUAL_OUTPUT),
            resume: false,
            size_px: 64,
            fit: Fit::Auto,
            degradation: Degradation::Bicubic,
            steps: 1000,
            batch: 16,
            accumulate: 1,
            learning_rate: 1e-4,
            warmup_steps: 200,
            weight_decay: 0.01,
            clip_norm: 1.0,
            ema_decay: 0.9999,
            caption_dropout: 0.1,
            seed: 0,
            checkpoint_every: 500,
            sample_every: 500,
            discriminator_start: None,
            perceptual_weight: 1.0,
            perceptual_weights: None,
            kl_weight: 1e-6,
            latents: LatentKind::Kl,
            latent_factor: None,
        }
    }
}

/// Folder of a run that names none.
const USUAL_OUTPUT: &str = "out/train";

impl TrainSpec {
    /// What the model is called: as the run says, else like the folder that was chosen for
    /// it, else like the pictures.
    pub fn model_name(&self) -> String {
        let named = self.name.as_deref().map(str::trim);
        if let Some(name) = named.filter(|name| !name.is_empty()) {
            return name.to_owned();
        }
        let of_folder = |path: &Path| {
            let path = std::path::absolute(path).ok()?;
            Some(path.file_name()?.to_string_lossy().into_owned())
        };
        let chosen = Some(&self.output).filter(|output| !output.ends_with(USUAL_OUTPUT));
        let chosen = chosen.and_then(|output| of_folder(output));
        let pictures = || self.data.as_deref().and_then(of_folder);
        let nameless = || match &self.data {
            Some(_) => "Pictures".to_owned(),
            None => "Storybook scenes".to_owned(),
        };
        let name = chosen.or_else(pictures).unwrap_or_else(nameless);
        match self.target {
            TrainTarget::Autoencoder => format!("{name} (autoencoder)"),
            TrainTarget::Diffusion | TrainTarget::Classifier => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_called_as_the_run_says_or_like_its_folders() {
        let run = |data: Option<&str>, output: &str| TrainSpec {
            data: data.map(PathBuf::from),
            output: output.into(),
            ..TrainSpec::default()
        };
        assert_eq!(run(Some("my/cats"), "models/cats 2").model_name(), "cats 2");
        assert_eq!(
            run(Some("my/cats"), "/home/me/out/train").model_name(),
            "cats"
        );
        assert_eq!(run(None, "out/train").model_name(), "Storybook scenes");
        let here = std::env::current_dir().unwrap();
        let here = here.file_name().unwrap().to_string_lossy();
        assert_eq!(run(Some("."), "out/train").model_name(), here);
        assert_eq!(run(Some(".."), "out/train").model_name(), "Pictures");
        let named = TrainSpec {
            name: Some(" Tabby ".to_owned()),
            ..run(Some("my/cats"), "models/cats")
        };
        assert_eq!(named.model_name(), "Tabby");
        let eyes = TrainSpec {
            name: Some(" ".to_owned()),
            target: TrainTarget::Autoencoder,
            ..named
        };
        assert_eq!(eyes.model_name(), "cats (autoencoder)");
    }
}
