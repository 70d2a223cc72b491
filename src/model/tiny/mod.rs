//! Tiny models with random weights, one of each kind, and what goes with them: to try what
//! a kind is asked for, and for tests. What they paint is noise.
//!
//! A kind is a line of [`KINDS`]; those of the paper's code are told by the YAML file
//! beside this one, which is written along with the weights. Their weights lie in a `.ckpt`
//! as those of the released models, the others' in safetensors.

mod additions;
mod examples;
mod stable_diffusion;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::ModelError;
use super::folder::CLASS_NAMES;
use super::paper::{self, Layout, OriginalConditioner, OriginalConfig, ToldConditioner};
use super::weights::{self, WeightDtype};
use crate::files::write_atomically;
use crate::random::Random;

/// Decides on the weights: every copy of a kind is the same.
const SEED: u64 = 20_221_211;
/// How far vectors that scale and shift are from doing nothing.
const UNEVENNESS: f32 = 0.1;
/// Eight classes of Storybook's scenes, so that its boxes and label maps can be asked for.
const CLASSES: &str = "sky\nhill\nwater\nhouse\ntree\ncar\nboat\nballoon\n";

/// A kind of model that can be made tiny.
#[derive(Debug)]
pub struct TinyKind {
    /// What it is called.
    pub id: &'static str,
    /// The name of the files without their ending.
    stem: &'static str,
    told: Told,
    has_classes: bool,
}

/// What tells the names and shapes of the weights.
#[derive(Debug)]
enum Told {
    /// A YAML file of the paper's code.
    Yaml(&'static str),
    /// The conventions of Stable Diffusion.
    StableDiffusion { is_second: bool, inpaints: bool },
    /// Those of Stable Diffusion XL.
    StableDiffusionXl { is_refiner: bool, inpaints: bool },
    /// What changes or controls the first of these.
    Addition(fn() -> Layout),
}

const fn papers(id: &'static str, yaml: &'static str, has_classes: bool) -> TinyKind {
    TinyKind {
        id,
        stem: id,
        told: Told::Yaml(yaml),
        has_classes,
    }
}

const fn stable_diffusion(
    id: &'static str,
    stem: &'static str,
    is_second: bool,
    inpaints: bool,
) -> TinyKind {
    TinyKind {
        id,
        stem,
        told: Told::StableDiffusion {
            is_second,
            inpaints,
        },
        has_classes: false,
    }
}

const fn stable_diffusion_xl(id: &'static str, is_refiner: bool, inpaints: bool) -> TinyKind {
    TinyKind {
        id,
        stem: id,
        told: Told::StableDiffusionXl {
            is_refiner,
            inpaints,
        },
        has_classes: false,
    }
}

const fn addition(id: &'static str, layout: fn() -> Layout) -> TinyKind {
    TinyKind {
        id,
        stem: id,
        told: Told::Addition(layout),
        has_classes: false,
    }
}

/// All kinds.
pub static KINDS: [TinyKind; 19] = [
    stable_diffusion("stable-diffusion-1", "stable-diffusion-1", false, false),
    stable_diffusion(
        "stable-diffusion-1-inpainting",
        "stable-diffusion-1-inpainting",
        false,
        true,
    ),
    // The name of such a file says that it predicts velocity.
    stable_diffusion(
        "stable-diffusion-2",
        "stable-diffusion-2-768-v",
        true,
        false,
    ),
    stable_diffusion(
        "stable-diffusion-2-inpainting",
        "stable-diffusion-2-inpainting",
        true,
        true,
    ),
    stable_diffusion_xl("stable-diffusion-xl", false, false),
    stable_diffusion_xl("stable-diffusion-xl-inpainting", false, true),
    stable_diffusion_xl("stable-diffusion-xl-refiner", true, false),
    papers(
        "latent-diffusion-unconditional",
        include_str!("unconditional.yaml"),
        false,
    ),
    papers(
        "latent-diffusion-class-to-image",
        include_str!("class-to-image.yaml"),
        true,
    ),
    papers(
        "latent-diffusion-text-to-image",
        include_str!("text-to-image.yaml"),
        false,
    ),
    papers(
        "latent-diffusion-layout-to-image",
        include_str!("layout-to-image.yaml"),
        true,
    ),
    papers(
        "latent-diffusion-semantic-to-image",
        include_str!("semantic-to-image.yaml"),
        true,
    ),
    papers(
        "latent-diffusion-super-resolution",
        include_str!("super-resolution.yaml"),
        false,
    ),
    papers(
        "latent-diffusion-inpainting",
        include_str!("inpainting.yaml"),
        false,
    ),
    papers(
        "latent-diffusion-hybrid",
        include_str!("hybrid.yaml"),
        false,
    ),
    papers("autoencoder-kl", include_str!("autoencoder-kl.yaml"), false),
    papers("autoencoder-vq", include_str!("autoencoder-vq.yaml"), false),
    // Both go with stable-diffusion-1.
    addition("lora", additions::lora),
    addition("controlnet", additions::controlnet),
];

impl TinyKind {
    /// Writes such a model into a folder: its weights, whose file is the answer, and what
    /// belongs beside them.
    ///
    /// # Errors
    /// If the folder holds anything but an older model of that kind, or a file cannot be
    /// written.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, ModelError> {
        let endings = match self.told {
            Told::Yaml(_) => ["ckpt", "safetensors"],
            _ => ["safetensors", "ckpt"],
        };
        // The other one lies there if an older edition wrote the model.
        let [weights_path, older] =
            endings.map(|ending| folder.join(format!("{}.{ending}", self.stem)));
        let mut beside = Vec::new();
        if let Told::Yaml(text) = self.told {
            let path = folder.join(format!("{}.yaml", self.stem));
            beside.push((path, text.as_bytes().to_vec()));
        }
        if self.has_classes {
            beside.push((folder.join(CLASS_NAMES), CLASSES.as_bytes().to_vec()));
        }
        let example = examples::of(self.id);
        beside.extend(example.map(|(name, bytes)| (folder.join(name), bytes)));
        let ours = beside
            .iter()
            .map(|(path, _)| path)
            .chain([&weights_path, &older]);
        check_place(folder, &ours.collect::<Vec<_>>())?;
        let layout = self.layout()?;
        fs::create_dir_all(folder).map_err(ModelError::io("make the folder", folder))?;
        for (path, bytes) in &beside {
            write_atomically(path, |file| file.write_all(bytes))
                .map_err(ModelError::io("write", path))?;
        }
        let tensors = layout.into_iter().zip(0..).map(|((name, shape), stream)| {
            let values = drawn(&name, &shape, stream);
            (name, shape, values)
        });
        let save = match self.told {
            Told::Yaml(_) => weights::save_checkpoint,
            _ => weights::save_tensors,
        };
        save(&weights_path, tensors.collect(), WeightDtype::F16)?;
        match fs::remove_file(&older) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(ModelError::io("replace", &older)(error))
            }
            _ => Ok(weights_path),
        }
    }

    /// Names and shapes of the weights.
    fn layout(&self) -> Result<Layout, ModelError> {
        let text = match self.told {
            Told::StableDiffusion {
                is_second,
                inpaints,
            } => return Ok(stable_diffusion::layout(is_second, inpaints)),
            Told::StableDiffusionXl {
                is_refiner,
                inpaints,
            } => return Ok(stable_diffusion::layout_xl(is_refiner, inpaints)),
            Told::Addition(layout) => return Ok(layout()),
            Told::Yaml(text) => text,
        };
        let unclear = |message: String| ModelError::Json {
            path: format!("{}.yaml", self.stem).into(),
            message,
        };
        let told = OriginalConfig::parse(text).map_err(unclear)?;
        let told = told.ok_or_else(|| unclear("it has no model with a target".into()))?;
        let mut layout = Layout::new();
        let stage_place = match &told.unet {
            Some(unet) => {
                layout.extend(unet.layout(paper::UNET));
                paper::FIRST_STAGE
            }
            None => "",
        };
        if let Some(stage) = &told.first_stage {
            layout.extend(stage.layout(stage_place));
        }
        let conditioner = match &told.conditioner {
            ToldConditioner::Sized(conditioner) => conditioner,
            ToldConditioner::Clip(_) => &OriginalConditioner::Nothing,
        };
        layout.extend(conditioner.layout());
        Ok(layout)
    }
}

/// Refuses a folder that holds anything but some files.
fn check_place(folder: &Path, ours: &[&PathBuf]) -> Result<(), ModelError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(ModelError::io("look into", folder)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(ModelError::io("look into", folder))?;
        if !ours.contains(&&entry.path()) {
            return Err(ModelError::Occupied(folder.to_path_buf()));
        }
    }
    Ok(())
}

/// Random numbers with which a network keeps what it is given at about its size.
fn drawn(name: &str, shape: &[usize], stream: u64) -> Vec<f32> {
    let mut values = Random::new(SEED, stream).normals(shape.iter().product());
    let (mean, deviation) = match shape {
        [_] if name.ends_with("weight") => (1.0, UNEVENNESS),
        [_] => (0.0, UNEVENNESS),
        [_, inputs @ ..] => {
            let inputs: usize = inputs.iter().product();
            (0.0, (inputs.max(1) as f32).sqrt().recip())
        }
        [] => (1.0, 0.0),
    };
    for value in &mut values {
        *value = mean + deviation * *value;
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_called_differently_and_are_small() {
        let mut ids: Vec<&str> = KINDS.iter().map(|kind| kind.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), KINDS.len());
        for kind in &KINDS {
            let layout = kind
                .layout()
                .expect("its configuration is part of the program");
            let count: usize = layout
                .values()
                .map(|shape| shape.iter().product::<usize>())
                .sum();
            assert!((10_000..2_900_000).contains(&count), "{}: {count}", kind.id);
        }
    }
}
