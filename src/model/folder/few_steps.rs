//! Models that were taught to paint in few steps: nothing but their names, or the sampler
//! that a folder asks for, tells them from others.

use std::path::Path;

use serde_json::{Value, json};

use super::edm;
use crate::model::{Manifest, UNet2dConfig};

/// Steps that suit them.
const STEPS: u32 = 4;
/// Guidance that suits those that it was taught to.
const TAUGHT_SCALE: f32 = 8.5;
/// Side of the latents of the one that was taught on smaller pictures.
const TURBO_SIZE: usize = 64;

/// How a model was taught to paint in few steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) enum FewSteps {
    /// Adversarially (Sauer et al. 2023, <https://arxiv.org/abs/2311.17042>).
    Turbo,
    /// Adversarially, for a certain number of steps (Lin et al. 2024,
    /// <https://arxiv.org/abs/2402.13929>).
    Lightning(u32),
    /// As a latent consistency model (Luo et al. 2023, <https://arxiv.org/abs/2310.04378>).
    Consistency,
    /// By parts of the trajectory, for a certain number of steps (Hyper-SD; Ren et al. 2024,
    /// <https://arxiv.org/abs/2404.13686>).
    Hyper(u32),
    /// To have the same distribution as its teacher (DMD2; Yin et al. 2024,
    /// <https://arxiv.org/abs/2405.14867>).
    Matched,
}

impl FewSteps {
    /// By the name of a file or folder; the cache of Hugging Face has it further up.
    pub fn of(path: &Path) -> Option<Self> {
        let around = path.parent().filter(|around| around.ends_with("snapshots"));
        let named = around.and_then(Path::parent).unwrap_or(path);
        let name = named.file_name()?.to_string_lossy();
        let words = name_words(&name);
        let name = name.to_lowercase();
        let has = |known: &[&str]| words.windows(known.len()).any(|words| words == known);
        let steps = words.windows(2).find_map(|pair| {
            let steps = pair[0].parse::<u32>().ok()?;
            let is_count = ["step", "steps"].contains(&pair[1].as_str());
            (is_count && (1..=50).contains(&steps)).then_some(steps)
        });
        match steps {
            _ if name.contains("lightning") => Some(Self::Lightning(steps.unwrap_or(STEPS))),
            _ if name.contains("turbo") => Some(Self::Turbo),
            _ if has(&["lcm"]) => Some(Self::Consistency),
            _ if has(&["dmd", "2"]) => Some(Self::Matched),
            // The word alone is found in names of models that paint as others do.
            Some(steps) if has(&["hyper"]) => Some(Self::Hyper(steps)),
            _ => None,
        }
    }

    /// By what a folder says of its sampler, or else by its name.
    pub fn of_folder(path: &Path, scheduler: &Value) -> Option<Self> {
        match scheduler["_class_name"].as_str() {
            Some("LCMScheduler") => Some(Self::Consistency),
            _ => Self::of(path),
        }
    }

    /// What a folder's configurations and its name imply of it, given what the configurations
    /// imply of others, and the sampler that suits it.
    pub fn derived(
        path: &Path,
        scheduler: Value,
        unet: Option<&UNet2dConfig>,
        derived: Manifest,
    ) -> (Manifest, Value) {
        let Some(unet) = unet else {
            return (derived, scheduler);
        };
        if unet.guidance_width().is_some() {
            let derived = Manifest {
                default_guidance_scale: TAUGHT_SCALE,
                default_steps: STEPS,
                ..derived
            };
            return (derived, Self::Consistency.suited(scheduler));
        }
        // Others than those that read words were never taught so, and the steps of those that are
        // told by the noise of EDM are none of a training.
        let few = Self::of_folder(path, &scheduler);
        let is_edm = edm::is_one(&scheduler);
        match few.filter(|_| !unet.is_plain() && !is_edm) {
            Some(few) => (few.manifest(derived), few.suited(scheduler)),
            None => (derived, scheduler),
        }
    }

    /// A folder's own sampler where it can be that of such models, else the one that suits:
    /// whoever writes a folder of one file often leaves that of others in it.
    fn suited(self, own: Value) -> Value {
        let is_taught = match own["_class_name"].as_str() {
            Some("LCMScheduler" | "TCDScheduler") => true,
            _ => own["timestep_spacing"] == "trailing",
        };
        match own {
            Value::Object(_) if !is_taught => self.scheduler(own),
            own => own,
        }
    }

    /// What to tell of a folder whose name says so. Its scheduler is the one that suits by now.
    pub fn notice_of_folder(path: &Path, scheduler: &Value) -> Option<&'static str> {
        let few = Self::of(path).filter(|_| !edm::is_one(scheduler));
        few.map(Self::notice)
    }

    /// Side of the latents that it was taught on.
    pub fn sample_size(self, usual: usize) -> usize {
        match self {
            Self::Turbo => TURBO_SIZE,
            Self::Lightning(_) | Self::Consistency | Self::Hyper(_) | Self::Matched => usual,
        }
    }

    /// The same with the steps and the guidance that suit it.
    pub fn manifest(self, manifest: Manifest) -> Manifest {
        Manifest {
            default_steps: match self {
                Self::Lightning(steps) | Self::Hyper(steps) => steps,
                Self::Turbo | Self::Consistency | Self::Matched => STEPS,
            },
            default_guidance_scale: match self {
                Self::Turbo => 0.0,
                _ => 1.0,
            },
            ..manifest
        }
    }

    /// The sampler that suits it; its steps begin with nothing but noise.
    pub fn scheduler(self, usual: Value) -> Value {
        let class = match self {
            Self::Turbo => "EulerAncestralDiscreteScheduler",
            Self::Lightning(_) => "EulerDiscreteScheduler",
            Self::Hyper(_) => "DDIMScheduler",
            Self::Consistency | Self::Matched => "LCMScheduler",
        };
        let mut scheduler = usual;
        scheduler["_class_name"] = json!(class);
        if class != "LCMScheduler" {
            scheduler["timestep_spacing"] = json!("trailing");
        }
        scheduler
    }

    /// What to tell of a file whose name is all that says so.
    pub fn notice(self) -> &'static str {
        match self {
            Self::Turbo => {
                "its name says that it is a Turbo model: 4 steps from the very end (trailing) and no guidance are its defaults"
            }
            Self::Lightning(_) => {
                "its name says that it is a Lightning model: few steps from the very end (trailing) and no guidance are its defaults"
            }
            Self::Consistency => {
                "its name says that it is a latent consistency model: the sampler LCM, 4 steps and no guidance are its defaults"
            }
            Self::Hyper(_) => {
                "its name says that it is a Hyper model: few steps of DDIM from the very end (trailing) and no guidance are its defaults"
            }
            Self::Matched => {
                "its name says that it is a DMD2 model: the sampler LCM, 4 steps and no guidance are its defaults"
            }
        }
    }
}

/// The words of a name, in small letters: they end at other signs, at numbers, and where capitals
/// begin the next one.
pub(in crate::model) fn name_words(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let begins = |at: usize| {
        let (before, sign) = (letters[at - 1], letters[at]);
        let after = letters.get(at + 1);
        let is_first = sign.is_uppercase()
            && (before.is_lowercase() || after.is_some_and(|after| after.is_lowercase()));
        is_first || before.is_numeric() != sign.is_numeric()
    };
    let mut words = vec![String::new()];
    for (at, sign) in letters.iter().enumerate() {
        if !sign.is_alphanumeric() || (at > 0 && begins(at)) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| sign.is_alphanumeric()) {
            word.extend(sign.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_a_model_was_taught() {
        let of = |path: &str| FewSteps::of(Path::new(path));
        for (path, wanted) in [
            ("/m/sd_xl_turbo_1.0_fp16.safetensors", Some(FewSteps::Turbo)),
            (
                "/m/sdxl_lightning_8step.safetensors",
                Some(FewSteps::Lightning(8)),
            ),
            (
                "/m/dreamLightning.safetensors",
                Some(FewSteps::Lightning(4)),
            ),
            ("/m/lcm-sdxl", Some(FewSteps::Consistency)),
            ("/m/balcmony.safetensors", None),
            ("/m/sd_turbo.safetensors", Some(FewSteps::Turbo)),
            ("/m/Hyper-SD15-8steps.safetensors", Some(FewSteps::Hyper(8))),
            ("/m/hyper-realism_v3.safetensors", None),
            (
                "/m/dmd2_sdxl_4step_unet_fp16.safetensors",
                Some(FewSteps::Matched),
            ),
            (
                "/hub/models--stabilityai--sdxl-turbo/snapshots/71153311d3dbb46851df1931d3ca6e939de83304",
                Some(FewSteps::Turbo),
            ),
            ("/turbo/sd_xl_base_1.0.safetensors", None),
            ("/m/bigLust_v16DMD2.safetensors", Some(FewSteps::Matched)),
            ("/m/photonLCM_v10.safetensors", Some(FewSteps::Consistency)),
            ("/m/LCM_Dreamshaper_v7", Some(FewSteps::Consistency)),
            ("/m/dream_v51HyperVAE.safetensors", None),
            (
                "/m/dreamXL_Lightning4StepBakedVae.safetensors",
                Some(FewSteps::Lightning(4)),
            ),
            ("/m/dmd_v2.safetensors", None),
        ] {
            assert_eq!(of(path), wanted, "{path}");
        }
    }
}
