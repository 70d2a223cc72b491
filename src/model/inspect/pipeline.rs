//! diffusers folders of networks that do not open yet, told from their configurations.

use std::path::Path;

use serde_json::Value;

use super::super::json::read_json;
use super::super::paper::{
    Layout, OriginalAttention, OriginalFirstStage, OriginalLevel, OriginalUnet,
};
use super::super::weights::{self, WeightSource};
use super::super::{Middle, ModelError, limits};

/// A network of a folder, by its sizes.
pub(super) struct Network {
    /// What it is made of.
    pub sizes: Sizes,
    /// Its weights; `None` where there is no file.
    pub source: Option<Box<dyn WeightSource>>,
    /// Their names and shapes.
    pub layout: Layout,
}

/// The sizes of a network.
pub(super) enum Sizes {
    /// A denoiser.
    Unet(OriginalUnet),
    /// A first stage.
    FirstStage(OriginalFirstStage),
    /// A text encoder: whether it is BERT's kind, and how wide it is.
    Text {
        /// Whether its words are BERT's.
        is_bert: bool,
    },
}

/// The class of what takes pictures as they are.
const PIXELS: &str = "IdentityFirstStage";

/// The folders in which networks lie.
const FOLDERS: [&str; 6] = [
    "unet",
    "vae",
    "vqvae",
    "text_encoder",
    "text_encoder_2",
    "bert",
];

/// The networks of a folder, or the one whose folder it is.
///
/// # Errors
/// If a configuration cannot be understood, or a file is damaged.
pub(super) fn networks(path: &Path) -> Result<Vec<Network>, ModelError> {
    let mut networks = Vec::new();
    for folder in FOLDERS.into_iter().chain([""]) {
        let place = path.join(folder);
        let file = place.join("config.json");
        let Some(config) = read_json::<Value>(&file)? else {
            continue;
        };
        // It is no network.
        if config["_class_name"] == PIXELS {
            continue;
        }
        let told = sizes(folder, &config).ok_or_else(|| ModelError::Json {
            path: file.clone(),
            message: "it does not say all sizes of the network".into(),
        })?;
        let stem = if matches!(told, Sizes::Text { .. }) {
            "model"
        } else {
            "diffusion_pytorch_model"
        };
        let source = match weights::find(&place, stem) {
            Ok(source) => Some(source),
            Err(ModelError::MissingWeights { .. }) => None,
            Err(error) => return Err(error),
        };
        let layout = match &told {
            Sizes::Unet(unet) => {
                unet.validate()?;
                unet.diffusers_layout()
            }
            Sizes::FirstStage(stage) => {
                stage.validate()?;
                stage.diffusers_layout()
            }
            Sizes::Text { is_bert } => text_layout(&config, *is_bert, source.as_deref())
                .ok_or_else(|| ModelError::Json {
                    path: file.clone(),
                    message: "it does not say all sizes of the text encoder".into(),
                })?,
        };
        networks.push(Network {
            sizes: told,
            source,
            layout,
        });
    }
    Ok(networks)
}

fn size(config: &Value, key: &str) -> Option<usize> {
    usize::try_from(config.get(key)?.as_u64()?)
        .ok()
        .filter(|size| *size < 1 << 32)
}

fn list(config: &Value, key: &str, count: usize) -> Option<Vec<usize>> {
    let number = |value: &Value| {
        usize::try_from(value.as_u64()?)
            .ok()
            .filter(|size| *size < 1 << 32)
    };
    match config.get(key)? {
        Value::Array(items) => {
            let items: Option<Vec<usize>> = items.iter().map(number).collect();
            items.filter(|items| count == 0 || items.len() == count)
        }
        value => Some(vec![number(value)?; count]),
    }
}

fn sizes(folder: &str, config: &Value) -> Option<Sizes> {
    let class = config
        .get("_class_name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    match class {
        "UNet2DModel" | "UNet2DConditionModel" => unet(config, class).map(Sizes::Unet),
        "AutoencoderKL" | "VQModel" => first_stage(config, class).map(Sizes::FirstStage),
        _ if folder.starts_with("text_encoder") || folder == "bert" => {
            let kind = config.get("model_type").and_then(Value::as_str);
            Some(Sizes::Text {
                is_bert: kind == Some("ldmbert"),
            })
        }
        _ => None,
    }
}

fn unet(config: &Value, class: &str) -> Option<OriginalUnet> {
    let channels = list(config, "block_out_channels", 0)?;
    let kinds = config.get("down_block_types")?.as_array()?;
    let is_plain = class == "UNet2DModel";
    let layers = list(config, "layers_per_block", channels.len());
    let layers = layers
        .and_then(|layers| layers.first().copied())
        .unwrap_or(2);
    let depths = config.get("transformer_layers_per_block");
    let reverse = config.get("reverse_transformer_layers_per_block");
    let reverse = reverse.filter(|told| !told.is_null());
    let level = |(index, channels): (usize, &usize)| {
        let attends = kinds
            .get(index)
            .and_then(Value::as_str)
            .is_some_and(|kind| kind.contains("Attn"));
        if is_plain || !attends {
            return OriginalLevel::even(*channels, layers, usize::from(attends));
        }
        let from_below = kinds.len().saturating_sub(1 + index);
        let up = |block| match reverse {
            Some(_) => depth(reverse, from_below, block),
            None => depth(depths, index, block),
        };
        let blocks = 0..layers.min(*limits::LAYERS.end());
        OriginalLevel {
            channels: *channels,
            depths_down: blocks
                .clone()
                .map(|block| depth(depths, index, block))
                .collect(),
            depths_up: (0..=blocks.end).map(up).collect(),
        }
    };
    let last = channels.len().saturating_sub(1);
    let middle = match config.get("mid_block_type") {
        Some(Value::Null) => Middle::Nothing,
        Some(kind) if kind == "UNetMidBlock2D" && !is_plain => Middle::Residual,
        _ => Middle::Attending(depth(depths, last, 0).max(1)),
    };
    let is_added = config.get("addition_embed_type").and_then(Value::as_str) == Some("text_time");
    Some(OriginalUnet {
        input_channels: size(config, "in_channels").unwrap_or(if is_plain { 3 } else { 4 }),
        output_channels: size(config, "out_channels").unwrap_or(if is_plain { 3 } else { 4 }),
        width: *channels.first()?,
        levels: channels.iter().enumerate().map(level).collect(),
        layers,
        middle,
        attention: if is_plain {
            OriginalAttention::Plain
        } else {
            OriginalAttention::Transformer {
                context: size(config, "cross_attention_dim").unwrap_or(1280),
                is_linear: config.get("use_linear_projection").and_then(Value::as_bool)
                    == Some(true),
            }
        },
        heads: None,
        is_newly_ordered: false,
        is_scale_shift: config
            .get("resnet_time_scale_shift")
            .and_then(Value::as_str)
            == Some("scale_shift"),
        resamples_in_blocks: false,
        is_grounded: config.get("attention_type").and_then(Value::as_str) == Some("gated"),
        classes: size(config, "num_class_embeds"),
        added_width: match is_added {
            true => Some(size(config, "projection_class_embeddings_input_dim")?),
            false => None,
        },
    })
}

/// Transformer blocks behind a residual block: told for all levels, for each, or for each
/// block of a level.
fn depth(told: Option<&Value>, level: usize, block: usize) -> usize {
    let of_level = |value: &Value, at: usize| match value {
        Value::Array(values) => values.get(at).cloned(),
        value => Some(value.clone()),
    };
    let number = told.and_then(|told| of_level(&of_level(told, level)?, block)?.as_u64());
    let number = number.and_then(|number| usize::try_from(number).ok());
    number.filter(|number| *number < 1 << 32).unwrap_or(1)
}

fn first_stage(config: &Value, class: &str) -> Option<OriginalFirstStage> {
    let levels = list(config, "block_out_channels", 0)?;
    let kinds = config.get("down_block_types")?.as_array()?;
    let attends = |index: usize| {
        kinds
            .get(index)
            .and_then(Value::as_str)
            .is_some_and(|kind| kind.contains("Attn"))
    };
    let latent = size(config, "latent_channels")?;
    let is_quantised = class == "VQModel";
    Some(OriginalFirstStage {
        input_channels: size(config, "in_channels").unwrap_or(3),
        output_channels: size(config, "out_channels").unwrap_or(3),
        width: *levels.first()?,
        layers: size(config, "layers_per_block").unwrap_or(1),
        attends: (0..levels.len()).map(attends).collect(),
        attends_in_middle: config
            .get("mid_block_add_attention")
            .and_then(Value::as_bool)
            != Some(false),
        inner_channels: latent,
        latent_channels: if is_quantised {
            size(config, "vq_embed_dim").unwrap_or(latent)
        } else {
            latent
        },
        is_gaussian: !is_quantised,
        codes: is_quantised.then(|| size(config, "num_vq_embeddings").unwrap_or(256)),
        levels,
    })
}

/// Names and shapes of a text encoder.
fn text_layout(config: &Value, is_bert: bool, source: Option<&dyn WeightSource>) -> Option<Layout> {
    const MOST_LAYERS: usize = 128;
    let mut layout = Layout::new();
    let mut put = |name: String, shape: &[usize]| drop(layout.insert(name, shape.to_vec()));
    if is_bert {
        let (width, inner) = (size(config, "d_model")?, size(config, "encoder_ffn_dim")?);
        let heads =
            size(config, "encoder_attention_heads")? * size(config, "head_dim").unwrap_or(64);
        let words = size(config, "vocab_size")?;
        put("model.embed_tokens.weight".into(), &[words, width]);
        put(
            "model.embed_positions.weight".into(),
            &[size(config, "max_position_embeddings")?, width],
        );
        for layer in 0..size(config, "encoder_layers")?.min(MOST_LAYERS) {
            let at = format!("model.layers.{layer}");
            for name in ["q_proj", "k_proj", "v_proj"] {
                put(format!("{at}.self_attn.{name}.weight"), &[heads, width]);
            }
            for (name, outputs, inputs) in [
                ("self_attn.out_proj", width, heads),
                ("fc1", inner, width),
                ("fc2", width, inner),
            ] {
                put(format!("{at}.{name}.weight"), &[outputs, inputs]);
                put(format!("{at}.{name}.bias"), &[outputs]);
            }
            for name in ["self_attn_layer_norm", "final_layer_norm"] {
                put(format!("{at}.{name}.weight"), &[width]);
                put(format!("{at}.{name}.bias"), &[width]);
            }
        }
        put("model.layer_norm.weight".into(), &[width]);
        put("model.layer_norm.bias".into(), &[width]);
        return Some(layout);
    }
    let (width, inner) = (
        size(config, "hidden_size")?,
        size(config, "intermediate_size")?,
    );
    // Newer versions of transformers leave the first word out.
    let is_short =
        source.is_some_and(|source| source.names().any(|name| name.starts_with("encoder.")));
    let prefix = if is_short { "" } else { "text_model." };
    put(
        format!("{prefix}embeddings.token_embedding.weight"),
        &[size(config, "vocab_size")?, width],
    );
    let positions = size(config, "max_position_embeddings").unwrap_or(77);
    put(
        format!("{prefix}embeddings.position_embedding.weight"),
        &[positions, width],
    );
    for layer in 0..size(config, "num_hidden_layers")?.min(MOST_LAYERS) {
        let at = format!("{prefix}encoder.layers.{layer}");
        for name in ["q_proj", "k_proj", "v_proj", "out_proj"] {
            put(format!("{at}.self_attn.{name}.weight"), &[width, width]);
            put(format!("{at}.self_attn.{name}.bias"), &[width]);
        }
        for (name, outputs, inputs) in [("fc1", inner, width), ("fc2", width, inner)] {
            put(format!("{at}.mlp.{name}.weight"), &[outputs, inputs]);
            put(format!("{at}.mlp.{name}.bias"), &[outputs]);
        }
        for name in ["layer_norm1", "layer_norm2"] {
            put(format!("{at}.{name}.weight"), &[width]);
            put(format!("{at}.{name}.bias"), &[width]);
        }
    }
    put(format!("{prefix}final_layer_norm.weight"), &[width]);
    put(format!("{prefix}final_layer_norm.bias"), &[width]);
    let class = config
        .get("architectures")
        .and_then(|classes| classes.get(0)?.as_str());
    if class == Some("CLIPTextModelWithProjection") {
        put(
            "text_projection.weight".into(),
            &[size(config, "projection_dim")?, width],
        );
    }
    Some(layout)
}
