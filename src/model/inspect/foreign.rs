//! Kinds of files that are no models here, known by how they begin or by the names in
//! them, each with what to do instead.

use std::io::Read as _;
use std::path::Path;

use safetensors::Dtype;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::ModelError;
use super::super::json::read_json;
use super::super::lora::relative;
use super::super::paper::{Seen, UNET};
use super::super::weights::{LFS_POINTER, WeightSource};
use crate::files::open_file;

/// A kind and what to do.
type Kind = (&'static str, &'static str);

const PAGE: Kind = (
    "a web page",
    "download the file itself; the page may ask to log in or to accept a licence first",
);
const TEXT: Kind = (
    "a short text, such as a server answers",
    "download the file itself; the page may ask to log in or to accept a licence first",
);
/// Bytes that such an answer has less than.
const LONGEST_ANSWER: usize = 512;
const GGUF: Kind = (
    "a GGUF file of quantised weights",
    "take the .safetensors file of that model",
);
const PACKED: Kind = (
    "a packed archive",
    "unpack it and take the .safetensors or .ckpt file in it",
);
const QUANTISED: Kind = (
    "a model with quantised weights",
    "take its version in f16, bf16 or f32",
);
const PICTURE: Kind = ("a picture", "choose a file of weights");

/// How files begin.
const BEGINNINGS: [(&[u8], Kind); 14] = [
    (b"GGUF", GGUF),
    (b"ggml", GGUF),
    (b"ggjt", GGUF),
    (b"lmgg", GGUF),
    (b"tjgg", GGUF),
    (
        b"\x89HDF",
        ("a Keras file", "take the .safetensors file of that model"),
    ),
    (b"\x1f\x8b", PACKED),
    (b"7z\xbc\xaf", PACKED),
    (b"Rar!", PACKED),
    (b"\x28\xb5\x2f\xfd", PACKED),
    (b"\x89PNG", PICTURE),
    (b"\xff\xd8\xff", PICTURE),
    (
        b"{",
        (
            "a JSON file",
            "choose the folder in which it lies, or the file of weights beside it",
        ),
    ),
    (b"%PDF", ("a PDF document", "choose a file of weights")),
];

const LORA: Kind = (
    "a LoRA, which changes a model and is none",
    "choose the model that it was made for, and give it --lora",
);
const CONTROLNET: Kind = (
    "a ControlNet, which steers a model and is none",
    "choose the model that it was made for, and give it --control",
);
const CONTROL_LORA: Kind = ("a Control-LoRA", "take a whole ControlNet of that kind");
const UNION: Kind = (
    "a union of ControlNets",
    "take a ControlNet for one kind of picture",
);
const T2I_ADAPTER: Kind = ("a T2I-Adapter", "take a ControlNet of that kind");
const IP_ADAPTER: Kind = (
    "an IP-Adapter",
    "choose the model that it was made for, and give it a picture to start from or as a guide",
);
const DIFFERENCES: Kind = (
    "what a ControlNet differs by from the model that it was made of",
    "take the whole ControlNet",
);
const TRANSFORMER_CONTROLNET: Kind = (
    "a ControlNet of a diffusion transformer",
    "take a ControlNet of Stable Diffusion 1, 2 or XL",
);

const CONTROLNET_LLLITE: Kind = (
    "a ControlNet-LLLite",
    "take a whole ControlNet of that kind",
);
const CONTROLNET_XS: Kind = ("a ControlNet-XS", "take a whole ControlNet of that kind");
const SPARSE_CONTROLNET: Kind = (
    "a SparseCtrl, which controls moving pictures",
    "take a ControlNet for one picture",
);

/// Relatives of ControlNets by parts of their names, the more telling first.
pub(in crate::model) const CONTROLNET_RELATIVES: [(&str, Kind); 12] = [
    ("lllite_", CONTROLNET_LLLITE),
    ("base_to_ctrl", CONTROLNET_XS),
    // The picture goes to latents in one convolution.
    ("controlnet_cond_embedding.weight", SPARSE_CONTROLNET),
    ("lora_controlnet", CONTROL_LORA),
    ("difference", DIFFERENCES),
    ("task_embedding", UNION),
    ("control_add_embedding", UNION),
    ("adapter.body.", T2I_ADAPTER),
    ("body.0.block1.", T2I_ADAPTER),
    ("body.0.resnets.", T2I_ADAPTER),
    ("ip_adapter.", IP_ADAPTER),
    ("controlnet_blocks.", TRANSFORMER_CONTROLNET),
];

/// Classes of diffusers whose folders go with a model.
const CLASSES: [(&str, Kind); 7] = [
    ("ControlNetXSAdapter", CONTROLNET_XS),
    ("SparseControlNetModel", SPARSE_CONTROLNET),
    ("EncoderUNetModel", CLASSIFIER),
    ("ControlNetModel", CONTROLNET),
    ("ControlNetUnionModel", UNION),
    ("T2IAdapter", T2I_ADAPTER),
    ("MultiAdapter", T2I_ADAPTER),
];
const CLASSIFIER: Kind = (
    "a classifier, which leads a model to classes and is none",
    "choose the model that it was trained for, and give it --classifier",
);
/// What opens instead of other families.
const KNOWN: &str = "Stable Diffusion 1, 2 and XL and latent diffusion models are known";
const SD3: Kind = (
    "Stable Diffusion 3",
    "Stable Diffusion 1, 2 and XL and latent diffusion models are known",
);
const FLUX: Kind = (
    "Flux",
    "Stable Diffusion 1, 2 and XL and latent diffusion models are known",
);
const EDM: Kind = (
    "a model that was trained with the noise of EDM, and none of Stable Diffusion XL",
    "of such models those of Stable Diffusion XL are known (Playground 2.5, CosXL)",
);
/// What tells of that noise: of Playground 2.5, of CosXL.
pub(super) const EDM_NAMES: [&str; 2] = ["edm_mean", "edm_vpred."];
/// The place of a text encoder of Stable Diffusion XL.
const XL_TEXT: &str = "conditioner.embedders.";
const EMBEDDING: Kind = (
    "a textual inversion, which is a word for a model and none itself",
    "choose the model that it was made for, and give it --embedding",
);
const UPSCALER: Kind = (
    "a network that enlarges pictures",
    "velatura upscale brings its own",
);
const TEXT_ENCODER: Kind = (
    "a text encoder, which reads words for a model and is none",
    "choose the model that it belongs to",
);
/// How names begin in a text encoder of the CLIP family that lies alone: transformers'
/// of two versions, and OpenCLIP's.
const TEXTS: [&str; 3] = [
    "text_model.",
    "embeddings.token_embedding.",
    "token_embedding.",
];
const GLIGEN_ALONE: Kind = (
    "what GLIGEN adds to a model, and no model",
    "choose its whole model: its folder, or its file diffusion_pytorch_model.bin",
);
const OTHER_GLIGEN: Kind = (
    "a model of GLIGEN that is told something else than boxes and words",
    "choose its model of boxes with text, or the one for inpainting with text",
);

/// What goes with a model and is none itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Addition {
    /// Changes weights of a model: LoRA and its kin.
    Lora,
    /// A word for a model.
    Embedding,
    /// Steers a model.
    ControlNet,
}

/// What goes with a model, where it was refused as a model for being that.
pub fn addition(error: &ModelError) -> Option<Addition> {
    let kind = match error {
        ModelError::LoraKind { .. } => return Some(Addition::Lora),
        ModelError::OtherKind { kind, .. } => kind,
        _ => return None,
    };
    if *kind == LORA.0 {
        Some(Addition::Lora)
    } else if *kind == EMBEDDING.0 {
        Some(Addition::Embedding)
    } else if *kind == CONTROLNET.0 {
        Some(Addition::ControlNet)
    } else {
        None
    }
}

/// Parts of names of what else there is, the more telling first.
const PARTS: [(&str, Kind); 56] = [
    (
        "id_encoder.",
        ("a PhotoMaker, which puts faces into a model", KNOWN),
    ),
    (
        "motion_modules.",
        (
            "a part of AnimateDiff, for moving pictures",
            "choose a model of still pictures",
        ),
    ),
    (
        "image_encoder.neck.",
        (
            "a model that finds outlines (SAM)",
            "choose a model of pictures",
        ),
    ),
    ("individual_token_refiner.", ("HunyuanVideo", KNOWN)),
    ("distilled_guidance_layer.", ("Chroma", KNOWN)),
    ("time_projection.1.", ("Wan", KNOWN)),
    ("txt_norm.", ("Qwen-Image", KNOWN)),
    ("double_layers.0.", ("AuraFlow", KNOWN)),
    ("t_block.1.", ("PixArt", KNOWN)),
    ("add_embedding.image_norm.", ("Kandinsky", KNOWN)),
    ("lora_", LORA),
    ("_lora.", LORA),
    (".lora.", LORA),
    ("string_to_param", EMBEDDING),
    ("emb_params", EMBEDDING),
    ("linears_image.", OTHER_GLIGEN),
    ("null_person_feature", OTHER_GLIGEN),
    ("person_embeddings", OTHER_GLIGEN),
    ("keypoint_embeddings", OTHER_GLIGEN),
    ("convnext_tiny_backbone", OTHER_GLIGEN),
    ("downsample_net.", OTHER_GLIGEN),
    ("control_model.", CONTROLNET),
    ("input_hint_block.", CONTROLNET),
    ("controlnet_", CONTROLNET),
    (
        ".time_stack.",
        (
            "a model of moving pictures",
            "choose a model of still pictures",
        ),
    ),
    (".absmax", QUANTISED),
    (".quant_map", QUANTISED),
    (".quant_state", QUANTISED),
    (".qweight", QUANTISED),
    (".qzeros", QUANTISED),
    ("scaled_fp8", QUANTISED),
    (".scale_weight", QUANTISED),
    (".weight_scale", QUANTISED),
    (".comfy_quant", QUANTISED),
    ("_packed_params", QUANTISED),
    (EDM_NAMES[0], EDM),
    (EDM_NAMES[1], EDM),
    ("double_blocks.", FLUX),
    ("single_transformer_blocks.", FLUX),
    ("joint_blocks.", SD3),
    (".add_q_proj.", SD3),
    (
        "clip_txt_mapper",
        (
            "Stable Cascade",
            "Stable Diffusion 1, 2 and XL and latent diffusion models are known",
        ),
    ),
    (
        "effnet_mapper",
        (
            "Stable Cascade",
            "Stable Diffusion 1, 2 and XL and latent diffusion models are known",
        ),
    ),
    (
        "caption_projection.",
        (
            "a diffusion transformer",
            "Stable Diffusion 1, 2 and XL and latent diffusion models are known",
        ),
    ),
    (
        "cap_embedder.",
        (
            "a diffusion transformer",
            "Stable Diffusion 1, 2 and XL and latent diffusion models are known",
        ),
    ),
    (
        "adaln_single.",
        (
            "a diffusion transformer",
            "Stable Diffusion 1, 2 and XL and latent diffusion models are known",
        ),
    ),
    (
        "adaLN_modulation.",
        (
            "a diffusion transformer",
            "Stable Diffusion 1, 2 and XL and latent diffusion models are known",
        ),
    ),
    (
        ".SelfAttention.",
        ("a T5 text encoder", "choose the model that it belongs to"),
    ),
    ("RRDB_trunk", UPSCALER),
    (".rdb1.", UPSCALER),
    (".RDB1.", UPSCALER),
    ("conv_first.", UPSCALER),
    ("upsampler.blocks", UPSCALER),
    (
        "vision_model.",
        (
            "a CLIP model, which compares pictures and words",
            "choose the model that it belongs to",
        ),
    ),
    (
        "visual.transformer",
        (
            "a CLIP model, which compares pictures and words",
            "choose the model that it belongs to",
        ),
    ),
    (
        "model.layers.",
        ("a language model", "choose a model of pictures"),
    ),
];

/// Those that a whole model may have too: its encoders, and what merges leave in it.
const WITHIN_MODELS: [&str; 9] = [
    "lora_",
    "_lora.",
    ".lora.",
    "string_to_param",
    "emb_params",
    "vision_model.",
    "visual.transformer",
    "model.layers.",
    ".SelfAttention.",
];

fn refusal(path: &Path, (kind, remedy): Kind) -> ModelError {
    ModelError::OtherKind {
        path: path.to_path_buf(),
        kind,
        remedy,
    }
}

/// Refuses files that begin as something else does.
///
/// # Errors
/// If the file cannot be read, or is of another kind: its name.
pub(in crate::model) fn check_bytes(path: &Path) -> Result<(), ModelError> {
    const TAR: usize = 257;
    let mut start = Vec::new();
    open_file(path)
        .and_then(|file| file.take(512).read_to_end(&mut start))
        .map_err(ModelError::io("read", path))?;
    if start.starts_with(LFS_POINTER) {
        return Err(ModelError::LfsPointer(path.to_path_buf()));
    }
    // The first number of a safetensors file may look like anything.
    if matches!(start.as_slice(), [_, _, _, _, 0, 0, 0, 0, b'{', ..]) {
        return Ok(());
    }
    let text = start.trim_ascii_start();
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    if text.starts_with(b"<") {
        return Err(refusal(path, PAGE));
    }
    if let Some((_, kind)) = BEGINNINGS
        .iter()
        .find(|(begin, _)| start.starts_with(begin))
    {
        return Err(refusal(path, *kind));
    }
    if start
        .get(TAR..)
        .is_some_and(|rest| rest.starts_with(b"ustar"))
    {
        return Err(refusal(path, PACKED));
    }
    // One line of words; what else is short and text may be a pickle.
    let is_letter = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    let line = start.trim_ascii();
    let is_words = line.contains(&b' ') && line.iter().all(is_letter);
    if start.len() < LONGEST_ANSWER && is_words && line[0].is_ascii_alphabetic() {
        return Err(refusal(path, TEXT));
    }
    Ok(())
}

/// Refuses folders of diffusers of networks that go with a model, by their class.
///
/// # Errors
/// If it is one: its name.
pub(in crate::model) fn check_class(folder: &Path) -> Result<(), ModelError> {
    let config: Option<Value> = read_json(&folder.join("config.json"))?;
    let class = config
        .as_ref()
        .and_then(|config| config["_class_name"].as_str());
    let known = class.and_then(|class| CLASSES.iter().find(|(name, _)| class == *name));
    known.map_or(Ok(()), |(_, kind)| Err(refusal(folder, *kind)))
}

/// What is said of a model that opens and was trained with that noise.
pub(super) fn edm_notice(seen: &Seen<'_>) -> Option<&'static str> {
    let is_edm = EDM_NAMES.iter().any(|name| seen.has(name));
    is_edm.then_some(
        "it was trained with the noise of EDM: samplers that go by steps of a training cannot paint with it",
    )
}

/// Refuses files in which names are those of something else.
///
/// # Errors
/// If it is of another kind: its name.
pub(super) fn check_names(source: &dyn WeightSource, seen: &Seen<'_>) -> Result<(), ModelError> {
    // A whole model has its encoders with it.
    let is_whole = seen.has(UNET);
    let is_xl = is_whole && seen.has(XL_TEXT);
    let belongs = |part: &str| {
        is_whole && (WITHIN_MODELS.contains(&part) || (is_xl && EDM_NAMES.contains(&part)))
    };
    let relatives = || source.names().find_map(|key| Some((relative(key)?, key)));
    if !is_whole && let Some((relative, key)) = relatives() {
        return Err(relative.refusal(source.path(), key));
    }
    let found = CONTROLNET_RELATIVES
        .iter()
        .chain(&PARTS)
        .find(|(part, _)| seen.mentions(part) && !belongs(part));
    if let Some((_, kind)) = found {
        return Err(refusal(source.path(), *kind));
    }
    if seen.has("position_net.") && !seen.mentions("time_embed") {
        return Err(refusal(source.path(), GLIGEN_ALONE));
    }
    if !is_whole && TEXTS.iter().any(|start| seen.has(start)) {
        return Err(refusal(source.path(), TEXT_ENCODER));
    }
    let is_quantised = |name: &str| {
        let is_matrix = source.shape(name).is_some_and(|shape| shape.len() > 1);
        let narrow = [
            Dtype::U8,
            Dtype::I8,
            Dtype::F8_E4M3,
            Dtype::F8_E5M2,
            Dtype::F4,
        ];
        is_matrix
            && source
                .dtype(name)
                .is_some_and(|dtype| narrow.contains(&dtype))
    };
    if source.names().any(is_quantised) {
        return Err(refusal(source.path(), QUANTISED));
    }
    let is_embedding = |name: &str| ["clip_l", "clip_g", "*"].contains(&name);
    if source.names().all(is_embedding) && source.names().next().is_some() {
        return Err(refusal(source.path(), EMBEDDING));
    }
    Ok(())
}
