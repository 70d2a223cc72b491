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
        let name = named.file_name()?.to_string_lossy().to_lowercase();
        let words = || name.split(|sign: char| !sign.is_alphanumeric());
        let has = |known: &str| words().any(|word| word == known);
        let steps = words().find_map(|word| {
            let steps = word.strip_suffix("steps").or(word.strip_suffix("step"))?;
            let steps = steps.parse::<u32>().ok()?;
            (1..=50).contains(&steps).then_some(steps)
        });
        match steps {
            _ if name.contains("lightning") => Some(Self::Lightning(steps.unwrap_or(STEPS))),
            _ if name.contains("turbo") => Some(Self::Turbo),
            _ if has("lcm") => Some(Self::Consistency),
            _ if has("dmd2") => Some(Self::Matched),
            // The word alone is found in names of models that paint as others do.
            Some(steps) if has("hyper") => Some(Self::Hyper(steps)),
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
        // Others than those that read words were never taught so.
        let is_told = unet.is_some_and(|unet| !unet.is_plain());
        let few = Self::of_folder(path, scheduler).filter(|_| is_told);
        match few {
            Some(few) => few.manifest(derived),
            None => derived,
        }
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
        ] {
            assert_eq!(of(path), wanted, "{path}");
        }
    }
}
