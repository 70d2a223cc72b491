//! The parts of a configuration: denoiser, first stage, and what the denoiser is told.

use serde_json::Value;

use super::super::Middle;
use super::told::{Told, last, part};
use super::{
    ClipKind, OriginalAttention, OriginalConditioner, OriginalFirstStage, OriginalHeads,
    OriginalLevel, OriginalUnet, TokenTransformer, ToldConditioner,
};

/// Words of BERT's vocabulary, and classes of ImageNet: what the code takes where
/// a configuration says nothing.
const USUAL_VOCABULARY: usize = 30_522;
const USUAL_LENGTH: usize = 77;
const USUAL_CLASSES: usize = 1000;

/// Reads the sizes of a denoiser.
///
/// # Errors
/// What is wrong with them.
pub(super) fn unet(value: &Value) -> Result<OriginalUnet, String> {
    let (class, told) = part(value, "unet_config")?;
    if last(class) != "UNetModel" {
        return Err(format!(
            "unet_config with the target {class} is not supported: only UNetModel is"
        ));
    }
    let width = told.need("model_channels")?;
    let rates = told.sizes("attention_resolutions")?.unwrap_or_default();
    let multipliers = told
        .sizes("channel_mult")?
        .unwrap_or_else(|| vec![1, 2, 4, 8]);
    let is_transformer = told.flag("use_spatial_transformer")?.unwrap_or(false);
    let depths = match told.value("transformer_depth") {
        Some(Value::Array(_)) => told.sizes("transformer_depth")?.unwrap_or_default(),
        _ => vec![told.size("transformer_depth")?.unwrap_or(1); multipliers.len()],
    };
    if depths.len() != multipliers.len() {
        return Err(
            "unet_config has another number of transformer_depth than of channel_mult".into(),
        );
    }
    let layers = told.need("num_res_blocks")?;
    let level = |(index, multiplier): (usize, &usize)| {
        let depth = match rates.contains(&1_usize.checked_shl(index as u32).unwrap_or(0)) {
            true if is_transformer => depths[index],
            true => 1,
            false => 0,
        };
        OriginalLevel::even(width.saturating_mul(*multiplier), layers, depth)
    };
    let attention = if is_transformer {
        OriginalAttention::Transformer {
            context: told.need("context_dim")?,
            is_linear: told.flag("use_linear_in_transformer")?.unwrap_or(false),
        }
    } else {
        OriginalAttention::Plain
    };
    let is_given = |key| {
        // -1 stands for what is not said.
        match told.value(key).and_then(Value::as_i64) {
            Some(-1) => Ok(None),
            _ => told.size(key),
        }
    };
    let heads = match (is_given("num_head_channels")?, is_given("num_heads")?) {
        (Some(width), _) => OriginalHeads::Width(width),
        (None, Some(count)) => OriginalHeads::Count(count),
        (None, None) => {
            return Err("unet_config has neither num_heads nor num_head_channels".into());
        }
    };
    Ok(OriginalUnet {
        input_channels: told.need("in_channels")?,
        output_channels: told.need("out_channels")?,
        width,
        levels: multipliers.iter().enumerate().map(level).collect(),
        layers,
        middle: Middle::Attending(depths.last().copied().unwrap_or(1).max(1)),
        attention,
        heads: Some(heads),
        is_newly_ordered: told.flag("use_new_attention_order")?.unwrap_or(false),
        is_scale_shift: told.flag("use_scale_shift_norm")?.unwrap_or(false),
        resamples_in_blocks: told.flag("resblock_updown")?.unwrap_or(false),
        is_grounded: false,
        classes: told.size("num_classes")?,
        added_width: None,
    })
}

/// A first stage, and the side in pixels of the pictures that it was trained on.
pub(super) type SizedStage = (OriginalFirstStage, usize);

/// Reads the sizes of a first stage; `None` where pictures are their own latents.
///
/// # Errors
/// What is wrong with them.
pub(super) fn first_stage(value: &Value, whose: &str) -> Result<Option<SizedStage>, String> {
    let (class, outer) = part(value, whose)?;
    let codes = match last(class) {
        "AutoencoderKL" => None,
        "VQModel" | "VQModelInterface" => Some(outer.need("n_embed")?),
        "IdentityFirstStage" | "Identity" => return Ok(None),
        _ => {
            return Err(format!(
                "{whose} with the target {class} is not known: AutoencoderKL, VQModel, VQModelInterface \
                 and IdentityFirstStage are"
            ));
        }
    };
    let told = Told {
        params: outer.value("ddconfig").and_then(Value::as_object),
        whose: "ddconfig",
    };
    let attention = told.text("attn_type").unwrap_or("vanilla");
    if !["vanilla", "vanilla-xformers", "none"].contains(&attention) {
        return Err(format!(
            "ddconfig with attn_type = {attention} is not supported: vanilla and none are"
        ));
    }
    for (key, only) in [("tanh_out", false), ("resamp_with_conv", true)] {
        if told.flag(key)?.is_some_and(|value| value != only) {
            let only = if only { "True" } else { "False" };
            return Err(format!(
                "ddconfig with another {key} than {only} is not supported"
            ));
        }
    }
    let width = told.need("ch")?;
    let multipliers = told.sizes("ch_mult")?.ok_or("ddconfig has no ch_mult")?;
    let resolution = told.need("resolution")?;
    // It goes by the resolution that a level has in pictures of the size trained on,
    // whatever their size now.
    let attended = told.sizes("attn_resolutions")?.unwrap_or_default();
    let attends_at_all = attention != "none";
    let side = |index: usize| resolution.checked_shr(index as u32).unwrap_or(0);
    let levels = 0..multipliers.len();
    let stage = OriginalFirstStage {
        input_channels: told.need("in_channels")?,
        output_channels: told.need("out_ch")?,
        levels: multipliers
            .iter()
            .map(|m| width.saturating_mul(*m))
            .collect(),
        width,
        layers: told.need("num_res_blocks")?,
        attends: levels
            .map(|index| attends_at_all && attended.contains(&side(index)))
            .collect(),
        attends_in_middle: attends_at_all,
        inner_channels: told.need("z_channels")?,
        latent_channels: outer.need("embed_dim")?,
        is_gaussian: told.flag("double_z")?.unwrap_or(true),
        codes,
    };
    Ok(Some((stage, resolution)))
}

/// Reads what a denoiser is told.
///
/// # Errors
/// What is wrong with it.
pub(super) fn conditioner(value: &Value) -> Result<ToldConditioner, String> {
    let sized = |conditioner| Ok(ToldConditioner::Sized(conditioner));
    match value.as_str() {
        Some("__is_unconditional__") => return sized(OriginalConditioner::Nothing),
        Some("__is_first_stage__") => return sized(OriginalConditioner::FirstStage),
        _ if value.is_null() => return sized(OriginalConditioner::Nothing),
        _ => {}
    }
    let (class, told) = part(value, "cond_stage_config")?;
    match last(class) {
        "Identity" => sized(OriginalConditioner::Picture),
        "ClassEmbedder" => sized(OriginalConditioner::Class {
            classes: told.size("n_classes")?.unwrap_or(USUAL_CLASSES),
            width: told.need("embed_dim")?,
        }),
        "SpatialRescaler" => sized(rescaler(told)?),
        "BERTEmbedder" | "TransformerEmbedder" => {
            let words = told.flag("use_tokenizer")?;
            sized(OriginalConditioner::Tokens(TokenTransformer {
                width: told.need("n_embed")?,
                layers: told.need("n_layer")?,
                vocabulary: told.size("vocab_size")?.unwrap_or(USUAL_VOCABULARY),
                length: told.size("max_seq_len")?.unwrap_or(USUAL_LENGTH),
                reads_words: words.unwrap_or(last(class) == "BERTEmbedder"),
            }))
        }
        "FrozenCLIPEmbedder" => Ok(ToldConditioner::Clip(ClipKind::Clip)),
        "FrozenOpenCLIPEmbedder" => Ok(ToldConditioner::Clip(ClipKind::OpenClip)),
        _ => Err(format!(
            "cond_stage_config with the target {class} is not known"
        )),
    }
}

/// A label map, or a picture, that is made smaller.
fn rescaler(told: Told<'_>) -> Result<OriginalConditioner, String> {
    let method = told.text("method").unwrap_or("bilinear");
    let multiplier = told.number("multiplier")?.unwrap_or(0.5);
    if method != "bilinear" || multiplier != 0.5 {
        return Err(format!(
            "cond_stage_config with method = {method} and multiplier = {multiplier} is not \
             supported: bilinear and 0.5 are"
        ));
    }
    let Some(outputs) = told.size("out_channels")? else {
        return Ok(OriginalConditioner::Picture);
    };
    Ok(OriginalConditioner::Rescaler {
        inputs: told.size("in_channels")?.unwrap_or(3),
        outputs,
        has_bias: told.flag("bias")?.unwrap_or(false),
    })
}

/// Checks that a label map becomes as small as the latents.
///
/// # Errors
/// If it is halved more or less often.
pub(super) fn check_halvings(
    value: &Value,
    first_stage: Option<&OriginalFirstStage>,
) -> Result<(), String> {
    let Ok((class, told)) = part(value, "cond_stage_config") else {
        return Ok(());
    };
    let halvings = first_stage.map_or(0, |stage| stage.levels.len().saturating_sub(1));
    let stages = told.size("n_stages")?.unwrap_or(1);
    if last(class) == "SpatialRescaler" && stages != halvings {
        return Err(format!(
            "cond_stage_config with n_stages = {stages} is not supported: it must be {halvings}, \
             as the first stage halves pictures"
        ));
    }
    Ok(())
}
