//! Models that were taught to paint in few steps: nothing but their names, or the sampler
//! that a folder asks for, tells them from others.

use std::path::Path;

use serde_json::{Value, json};

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
}

impl FewSteps {
    /// By the name of a file or folder; the cache of Hugging Face has it further up.
    pub fn of(path: &Path) -> Option<Self> {
        let around = path.parent().filter(|around| around.ends_with("snapshots"));
        let named = around.and_then(Path::parent).unwrap_or(path);
        let name = named.file_name()?.to_string_lossy().to_lowercase();
        let mut words = name.split(|sign: char| !sign.is_alphanumeric());
        if name.contains("lightning") {
            let steps = words.find_map(|word| {
                let steps = word.strip_suffix("steps").or(word.strip_suffix("step"))?;
                steps
                    .parse::<u32>()
                    .ok()
                    .filter(|steps| (1..=50).contains(steps))
            });
            return Some(Self::Lightning(steps.unwrap_or(STEPS)));
        }
        if name.contains("turbo") {
            return Some(Self::Turbo);
        }
        words.any(|word| word == "lcm").then_some(Self::Consistency)
    }

    /// By what a folder says of its sampler, or else by its name.
    pub fn of_folder(path: &Path, scheduler: &Value) -> Option<Self> {
        match scheduler["_class_name"].as_str() {
            Some("LCMScheduler") => Some(Self::Consistency),
            _ => Self::of(path),
        }
    }

    /// What a folder's configurations imply of it, given what they imply of others.
    pub fn derived(
        path: &Path,
        scheduler: &Value,
        unet: Option<&UNet2dConfig>,
        derived: Manifest,
    ) -> Manifest {
        let embeds_guidance = unet.is_some_and(|unet| unet.guidance_width().is_some());
        if embeds_guidance {
            return Manifest {
                default_guidance_scale: TAUGHT_SCALE,
                default_steps: STEPS,
                ..derived
            };
        }
        let is_xl = unet.is_some_and(|unet| unet.added().is_some());
        let few = Self::of_folder(path, scheduler).filter(|_| is_xl);
        match few {
            Some(few) => few.manifest(derived),
            None => derived,
        }
    }

    /// Side of the latents that it was taught on.
    pub fn sample_size(self, usual: usize) -> usize {
        match self {
            Self::Turbo => TURBO_SIZE,
            Self::Lightning(_) | Self::Consistency => usual,
        }
    }

    /// The same with the steps and the guidance that suit it.
    pub fn manifest(self, manifest: Manifest) -> Manifest {
        Manifest {
            default_steps: match self {
                Self::Lightning(steps) => steps,
                Self::Turbo | Self::Consistency => STEPS,
            },
            default_guidance_scale: match self {
                Self::Turbo => 0.0,
                Self::Lightning(_) | Self::Consistency => 1.0,
            },
            ..manifest
        }
    }

    /// The sampler that suits it; its steps begin with nothing but noise.
    pub fn scheduler(self, usual: Value) -> Value {
        let mut scheduler = usual;
        scheduler["_class_name"] = json!(match self {
            Self::Turbo => "EulerAncestralDiscreteScheduler",
            Self::Lightning(_) => "EulerDiscreteScheduler",
            Self::Consistency => "LCMScheduler",
        });
        if self != Self::Consistency {
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
        }
    }
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
            (
                "/hub/models--stabilityai--sdxl-turbo/snapshots/71153311d3dbb46851df1931d3ca6e939de83304",
                Some(FewSteps::Turbo),
            ),
            ("/turbo/sd_xl_base_1.0.safetensors", None),
        ] {
            assert_eq!(of(path), wanted, "{path}");
        }
    }
}
