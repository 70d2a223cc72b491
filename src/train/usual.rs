//! Networks for those who name none: sizes that suit a side of pictures.
//!
//! The small ones are those of the first Storybook, of 64 pixels. Larger pictures get more channels and
//! levels, in the proportions of Rombach et al. 2022
//! (<https://arxiv.org/abs/2112.10752>); heads have 32 channels everywhere.

use serde_json::{Value, json};

use super::TrainError;

use crate::model::{
    AutoencoderKlConfig, ClassifierConfig, ClipTextConfig, FirstStageConfig, Manifest, PerLevel,
    UNet2dConfig, VqModelConfig,
};
use crate::recipe::{LatentKind, TrainSpec};

/// Channels of a head of attention.
const HEAD: usize = 32;
/// Longest text in tokens, as in CLIP.
const TEXT_LENGTH: usize = 77;
/// Latents this small a side are not halved again.
const LEAST_LATENT_SIDE: usize = 4;
/// Latents up to this side are attended to at their finest level too.
const ATTENDED_SIDE: usize = 8;
/// Guidance that suits small networks trained from nothing.
const GUIDANCE: f32 = 4.0;

/// The first stage that a run from random weights trains if it says nothing else.
///
/// # Errors
/// If no network makes a latent of so many pixels.
pub(super) fn first_stage(spec: &TrainSpec) -> Result<FirstStageConfig, TrainError> {
    let levels = match spec.latent_factor {
        None => None,
        Some(factor @ (2 | 4 | 8 | 16 | 32)) => Some(factor.ilog2() as usize + 1),
        Some(factor) => {
            return Err(TrainError::setting(format!(
                "an autoencoder makes 1 latent of 2, 4, 8, 16 or 32 pixels a side, not of {factor}"
            )));
        }
    };
    Ok(match spec.latents {
        LatentKind::Kl => FirstStageConfig::Kl(autoencoder(spec.size_px, levels)),
        LatentKind::Vq => FirstStageConfig::Vq(vq_model(spec.size_px, levels)),
    })
}

/// An autoencoder for pictures of this side: a quarter of it for small pictures,
/// an eighth for large ones, unless told the number of levels, in 8 channels.
pub(super) fn autoencoder(size_px: u32, levels: Option<usize>) -> AutoencoderKlConfig {
    let (channels, layers) = channels(size_px, levels);
    let levels = channels.len();
    AutoencoderKlConfig {
        down_block_types: vec!["DownEncoderBlock2D".into(); levels],
        up_block_types: vec!["UpDecoderBlock2D".into(); levels],
        mid_block_add_attention: has_attention(size_px, levels),
        block_out_channels: channels,
        layers_per_block: layers,
        latent_channels: 8,
        norm_num_groups: 8,
        sample_size: Some(json!(size_px)),
        // Measured when it is written.
        scaling_factor: 1.0,
        ..AutoencoderKlConfig::default()
    }
}

/// The same with a codebook: few channels, so that its vectors are near to any latent
/// (Yu et al. 2021, <https://arxiv.org/abs/2110.04627>, §3.2).
fn vq_model(size_px: u32, levels: Option<usize>) -> VqModelConfig {
    let sizes = autoencoder(size_px, levels);
    VqModelConfig {
        down_block_types: sizes.down_block_types,
        up_block_types: sizes.up_block_types,
        mid_block_add_attention: sizes.mid_block_add_attention,
        block_out_channels: sizes.block_out_channels,
        layers_per_block: sizes.layers_per_block,
        latent_channels: 4,
        num_vq_embeddings: 1024,
        norm_num_groups: sizes.norm_num_groups,
        sample_size: sizes.sample_size,
        scaling_factor: 1.0,
        ..VqModelConfig::default()
    }
}

/// Channels of each level, and blocks of each.
fn channels(size_px: u32, levels: Option<usize>) -> (Vec<usize>, usize) {
    let (base, usual, layers) = match size_px {
        ..=96 => (24, 3, 1),
        97..=191 => (32, 3, 1),
        _ => (48, 4, 2),
    };
    let levels = levels.unwrap_or(usual);
    let channels = (0..levels).map(|level| base << level.min(2)).collect();
    (channels, layers)
}

/// Attention in the middle costs the square of its places.
fn has_attention(size_px: u32, levels: usize) -> bool {
    const MOST_SIDE: u32 = 128;
    size_px >> (levels - 1) <= MOST_SIDE
}

/// A denoiser that inpaints, for latents of this side and number of channels.
pub(super) fn unet(latent_side: usize, latent_channels: usize, text: usize) -> UNet2dConfig {
    let (base, layers) = match latent_side {
        ..=16 => (64, 1),
        17..=32 => (96, 2),
        _ => (128, 2),
    };
    let halvings = (latent_side / LEAST_LATENT_SIDE).max(1).ilog2() as usize;
    let channels: Vec<usize> = match halvings {
        0..=2 => [1, 2, 2][..=halvings].to_vec(),
        _ => vec![1, 2, 3, 3],
    }
    .into_iter()
    .map(|part| part * base)
    .collect();
    // The finest level would spend most on attention and gain least from it, unless it is
    // so small that what is left below it hears hardly a word (docs/training.md).
    let is_deaf = |level: usize| level == 0 && latent_side > ATTENDED_SIDE;
    let kinds = |with: &str, without: &str| -> Vec<String> {
        let kind = |level| if is_deaf(level) { without } else { with }.to_owned();
        (0..channels.len()).map(kind).collect()
    };
    let mut up = kinds("CrossAttnUpBlock2D", "UpBlock2D");
    up.reverse();
    UNet2dConfig {
        in_channels: 2 * latent_channels + 1,
        out_channels: latent_channels,
        down_block_types: kinds("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types: up,
        layers_per_block: PerLevel::All(layers),
        norm_num_groups: 16,
        cross_attention_dim: text,
        attention_head_dim: PerLevel::Each(channels.iter().map(|width| width / HEAD).collect()),
        block_out_channels: channels,
        use_linear_projection: true,
        ..UNet2dConfig::default()
    }
}

/// Width of the texts that a denoiser for latents of this side listens to.
pub(super) fn text_width(latent_side: usize) -> usize {
    match latent_side {
        ..=16 => 128,
        17..=32 => 256,
        _ => 384,
    }
}

/// A text encoder of this width.
pub(super) fn text_encoder(width: usize) -> ClipTextConfig {
    ClipTextConfig {
        hidden_size: width,
        intermediate_size: 4 * width,
        num_hidden_layers: if width <= 128 { 3 } else { 6 },
        num_attention_heads: if width.is_multiple_of(HEAD) {
            width / HEAD
        } else {
            1
        },
        max_position_embeddings: TEXT_LENGTH,
        ..ClipTextConfig::default()
    }
}

/// A classifier of latents of this side and number of channels, about as large as the way
/// down of [`unet`].
pub(super) fn classifier(latent_side: usize, latent_channels: usize) -> ClassifierConfig {
    let (base, layers) = match latent_side {
        ..=16 => (64, 1),
        17..=32 => (96, 2),
        _ => (128, 2),
    };
    let halvings = (latent_side / LEAST_LATENT_SIDE).max(1).ilog2() as usize;
    // What comes at the end sees all places of the last level.
    let halvings = halvings.min(latent_side.trailing_zeros() as usize);
    let multipliers = match halvings {
        0..=2 => [1, 2, 2][..=halvings].to_vec(),
        _ => vec![1, 2, 3, 3],
    };
    ClassifierConfig {
        image_size: latent_side,
        in_channels: latent_channels,
        model_channels: base,
        num_res_blocks: layers,
        attention_resolutions: (1..multipliers.len()).map(|level| 1 << level).collect(),
        channel_mult: multipliers,
        num_head_channels: Some(HEAD),
        use_scale_shift_norm: true,
        resblock_updown: true,
        ..ClassifierConfig::default()
    }
}

/// `scheduler_config.json`: velocity, and a last step that is nearly all noise.
pub(super) fn scheduler() -> Value {
    json!({
        "_class_name": "EulerDiscreteScheduler",
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.02,
        "beta_schedule": "scaled_linear",
        "prediction_type": "v_prediction",
        "timestep_spacing": "trailing",
        "steps_offset": 1,
        "use_karras_sigmas": false,
        "clip_sample": false,
        "set_alpha_to_one": false,
        "skip_prk_steps": true,
    })
}

/// `studio.json` of a new model, which may be `given` but for its size of pictures.
pub(super) fn studio(
    spec: &TrainSpec,
    given: Option<&Manifest>,
    unet: Option<&UNet2dConfig>,
    first_stage: &FirstStageConfig,
) -> Manifest {
    let mut studio = match given {
        Some(given) => given.clone(),
        None => Manifest::derive(String::new(), unet, Some(first_stage)),
    };
    if given.is_none() && unet.is_some() {
        studio.default_guidance_scale = GUIDANCE;
    }
    if spec.name.is_some() || studio.name.is_empty() {
        studio.name = spec.model_name();
    }
    studio.resolution_px = spec.size_px;
    studio
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::conditioner::inpaint;
    use crate::model::{LatentInfo, groups_of};
    use crate::recipe::InputSpec;
    use crate::scenes::{classes, palette};

    #[test]
    fn networks_for_every_size_can_be_built() {
        for size_px in [16, 64, 96, 128, 192, 256, 512, 1024] {
            let autoencoder = autoencoder(size_px, None);
            autoencoder.validate().expect("an autoencoder");
            let side = size_px as usize / autoencoder.downsampling();
            let text = text_encoder(text_width(side));
            text.validate().expect("a text encoder");
            let unet = unet(side, autoencoder.latent_channels, text.hidden_size);
            unet.validate().expect("a denoiser");
            let spec = TrainSpec {
                size_px,
                ..TrainSpec::default()
            };
            let stage = FirstStageConfig::Kl(autoencoder.clone());
            let studio = studio(&spec, None, Some(&unet), &stage);
            studio.validate().expect("numbers that can be");
            let latents = LatentInfo {
                channels: 8,
                factor: autoencoder.downsampling(),
            };
            let groups = inpaint::groups(latents);
            studio
                .fits(&unet, 8, &groups)
                .expect("channels that add up");
            assert!(studio.takes_mask());
            for side in [side, side - side % 4 + 3] {
                classifier(side, 8).validate().expect("a classifier");
            }
        }
    }

    #[test]
    fn first_stages_of_every_factor_and_kind_can_be_built() {
        for latents in [LatentKind::Kl, LatentKind::Vq] {
            for factor in [2, 4, 8, 16, 32] {
                for size_px in [32, 64, 128, 512] {
                    let spec = TrainSpec {
                        latents,
                        size_px,
                        latent_factor: Some(factor),
                        ..TrainSpec::default()
                    };
                    let stage = first_stage(&spec).expect("a first stage");
                    stage.validate().expect("sizes that can be");
                    assert_eq!(stage.info().factor, factor as usize);
                }
            }
        }
        let odd = TrainSpec {
            latent_factor: Some(6),
            ..TrainSpec::default()
        };
        assert!(first_stage(&odd).is_err());
    }

    #[test]
    fn the_recipe_of_storybook_fits_together_and_to_the_scenes() {
        let file = include_str!("../../assets/recipes/storybook.json");
        let recipe: super::super::TrainConfig = serde_json::from_str(file).expect("a recipe");
        let (unet, studio) = (recipe.unet.expect("sizes"), recipe.studio.expect("inputs"));
        studio.validate().expect("a manifest");
        let latents = recipe.autoencoder.expect("an autoencoder");
        let latents = latents.info();
        let layout = recipe.layout_encoder.expect("an encoder of boxes");
        let semantic = recipe.semantic_encoder.expect("an encoder of label maps");
        let groups = studio.inputs.iter().flat_map(|input| {
            groups_of(input, latents, Some(&layout), Some(&semantic)).expect("an encoder that fits")
        });
        let groups: Vec<_> = groups.collect();
        studio
            .fits(&unet, latents.channels, &groups)
            .expect("channels that add up");
        let text = recipe.text_encoder.expect("a text encoder").hidden_size;
        let width = unet.cross_attention_dim;
        assert_eq!((text, layout.hidden_size), (width, width));
        for input in &studio.inputs {
            match input {
                InputSpec::Layout { classes: known, .. } => {
                    let nouns = classes().iter().map(|class| &class.noun);
                    assert!(nouns.eq(known));
                }
                InputSpec::Semantic { classes: known } => {
                    let names = palette().into_iter().map(|entry| (entry.id, entry.name));
                    assert!(names.eq(known.iter().map(|it| (it.index, it.name.clone()))));
                }
                _ => {}
            }
        }
    }
}
