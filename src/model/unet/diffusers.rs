//! `config.json` of a denoiser, as diffusers writes it.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::json::{config_of, read_json};
use super::super::{ModelError, limits};
use super::added::TEXT_TIME;
use super::architecture::{Architecture, Level};
use super::depths::{MIDDLE, PLAIN_MIDDLE, PerLevel};

pub(super) const CLASS: &str = "UNet2DConditionModel";
/// The denoiser without a context.
const PLAIN: &str = "UNet2DModel";
/// The attention of denoisers that look at boxes with phrases (GLIGEN).
pub(super) const GATED: &str = "gated";

/// Kinds of levels on the way down: without attention, with it, and without it where a
/// residual block halves the resolution.
const DOWN: [&str; 3] = [
    "DownBlock2D",
    "CrossAttnDownBlock2D",
    "ResnetDownsampleBlock2D",
];
const PLAIN_DOWN: [&str; 3] = ["DownBlock2D", "AttnDownBlock2D", "ResnetDownsampleBlock2D"];
/// The same on the way up.
const UP: [&str; 3] = ["UpBlock2D", "CrossAttnUpBlock2D", "ResnetUpsampleBlock2D"];
const PLAIN_UP: [&str; 3] = ["UpBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D"];

/// Keys with one number for all levels, or one for each.
const BY_LEVEL: [&str; 2] = ["layers_per_block", "attention_head_dim"];

/// diffusers' configuration of a `UNet2DConditionModel`, as far as Stable
/// Diffusion 1, 2 and their inpainting models use it, or of a `UNet2DModel`.
///
/// Keys that are not fields here are kept in `other`, checked for values that
/// would change the network, and written back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UNet2dConfig {
    /// `UNet2DConditionModel`, or `UNet2DModel` for one without a context.
    #[serde(rename = "_class_name")]
    pub class_name: String,
    /// Side of the latents the model was trained on.
    pub sample_size: Option<Value>,
    /// Channels of latents and everything concatenated to them.
    pub in_channels: usize,
    /// Channels of the prediction.
    pub out_channels: usize,
    /// Whether cosines come first in the time embedding.
    pub flip_sin_to_cos: bool,
    /// Shift of the frequencies of the time embedding.
    pub freq_shift: i64,
    /// Kinds of the levels on the way down.
    pub down_block_types: Vec<String>,
    /// Kinds of the levels on the way up.
    pub up_block_types: Vec<String>,
    /// Channels of each level.
    pub block_out_channels: Vec<usize>,
    /// Residual blocks of each level.
    pub layers_per_block: PerLevel,
    /// Groups of all group normalisations.
    pub norm_num_groups: usize,
    /// Epsilon of the group normalisations of residual blocks.
    pub norm_eps: f64,
    /// Width of the context.
    pub cross_attention_dim: usize,
    /// Number of transformer blocks at each place of attention.
    pub transformer_layers_per_block: PerLevel,
    /// The number of *heads*, despite its name (a mistake that diffusers keeps); of a
    /// `UNet2DModel` their width. That one may differ between levels is our own.
    pub attention_head_dim: PerLevel,
    /// Whether transformers are entered by a matrix instead of a 1×1 convolution.
    pub use_linear_projection: bool,
    /// Whether attention scores are computed in f32; here they always are.
    pub upcast_attention: bool,
    /// Width of the time embedding; four times the first level's channels if absent.
    pub time_embedding_dim: Option<usize>,
    /// Side of the first convolution's kernel.
    pub conv_in_kernel: usize,
    /// Side of the last convolution's kernel.
    pub conv_out_kernel: usize,
    /// Everything else that the file says.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Default for UNet2dConfig {
    fn default() -> Self {
        let cross = "CrossAttnDownBlock2D".to_owned();
        let up = "CrossAttnUpBlock2D".to_owned();
        Self {
            class_name: CLASS.into(),
            sample_size: None,
            in_channels: 4,
            out_channels: 4,
            flip_sin_to_cos: true,
            freq_shift: 0,
            down_block_types: vec![cross.clone(), cross.clone(), cross, "DownBlock2D".into()],
            up_block_types: vec!["UpBlock2D".into(), up.clone(), up.clone(), up],
            block_out_channels: vec![320, 640, 1280, 1280],
            layers_per_block: PerLevel::All(2),
            norm_num_groups: 32,
            norm_eps: 1e-5,
            cross_attention_dim: 1280,
            transformer_layers_per_block: PerLevel::All(1),
            attention_head_dim: PerLevel::All(8),
            use_linear_projection: false,
            upcast_attention: false,
            time_embedding_dim: None,
            conv_in_kernel: 3,
            conv_out_kernel: 3,
            other: Map::new(),
        }
    }
}

/// Keys whose presence with another value changes the network, and the values that do not.
fn neutral_values(is_plain: bool) -> Vec<(&'static str, Vec<Value>)> {
    use serde_json::json;
    let null = || vec![Value::Null];
    let off = || vec![json!(false), Value::Null];
    let resampled = || vec![json!("conv"), json!("resnet"), Value::Null];
    let middle = if is_plain {
        PLAIN_MIDDLE
    } else {
        "UNetMidBlock2DCrossAttn"
    };
    // Gated attention has gates between places and boxes.
    let attention = match is_plain {
        true => vec![json!("default")],
        false => vec![json!("default"), json!(GATED)],
    };
    vec![
        ("act_fn", vec![json!("silu"), json!("swish")]),
        ("add_attention", vec![json!(true), Value::Null]),
        (
            "addition_embed_type",
            match is_plain {
                true => null(),
                false => vec![Value::Null, json!(TEXT_TIME)],
            },
        ),
        ("attention_type", attention),
        ("center_input_sample", off()),
        ("class_embed_type", null()),
        ("class_embeddings_concat", off()),
        ("cross_attention_norm", null()),
        // 0 stands for one below and to the right.
        ("downsample_padding", vec![json!(1), json!(0)]),
        ("downsample_type", resampled()),
        ("upsample_type", resampled()),
        ("dual_cross_attention", off()),
        ("encoder_hid_dim", null()),
        ("encoder_hid_dim_type", null()),
        ("mid_block_scale_factor", vec![json!(1), json!(1.0)]),
        (
            MIDDLE,
            vec![json!(middle), json!(PLAIN_MIDDLE), Value::Null],
        ),
        ("num_attention_heads", null()),
        ("only_cross_attention", off()),
        ("resnet_out_scale_factor", vec![json!(1), json!(1.0)]),
        ("resnet_skip_time_act", off()),
        (
            "resnet_time_scale_shift",
            vec![json!("default"), json!("scale_shift")],
        ),
        ("time_embedding_act_fn", null()),
        ("time_embedding_type", vec![json!("positional")]),
        ("timestep_post_act", null()),
    ]
}

impl UNet2dConfig {
    /// Reads a file; `None` where there is none.
    ///
    /// # Errors
    /// If it cannot be read or understood.
    pub(in crate::model) fn read(path: &Path) -> Result<Option<Self>, ModelError> {
        let Some(mut told) = read_json::<Value>(path)? else {
            return Ok(None);
        };
        let is_nested = |key: &&str| {
            let values = told[*key].as_array();
            values.is_some_and(|values| values.iter().any(Value::is_array))
        };
        if let Some(key) = BY_LEVEL.into_iter().find(is_nested) {
            return Err(ModelError::unsupported(
                CLASS,
                key,
                &told[key],
                "one number for each level is, and not one for each block",
            ));
        }
        // Here nothing says one head, as wide as its level.
        if told["_class_name"] == PLAIN && told["attention_head_dim"].is_null() {
            told["attention_head_dim"] = told["block_out_channels"].clone();
        }
        config_of(path, told).map(Some)
    }

    /// Width of the time embedding.
    pub fn time_width(&self) -> usize {
        self.time_embedding_dim
            .unwrap_or(4 * self.block_out_channels[0])
    }

    /// Whether it attends to nothing but the places of the latents.
    pub fn is_plain(&self) -> bool {
        self.class_name == PLAIN
    }

    /// Classes whose embeddings are added to that of time, if there are any.
    pub fn classes(&self) -> Option<usize> {
        let count = self.other.get("num_class_embeds")?.as_u64()?;
        usize::try_from(count).ok()
    }

    /// Whether it looks at boxes with phrases (GLIGEN).
    pub fn is_grounded(&self) -> bool {
        self.says("attention_type", GATED)
    }

    pub(super) fn says(&self, key: &str, value: &str) -> bool {
        self.other.get(key).is_some_and(|found| found == value)
    }

    pub(super) fn down_attention(&self, level: usize) -> bool {
        self.down_block_types[level].contains("Attn")
    }

    /// Levels of the way up are listed from the lowest resolution.
    pub(super) fn up_attention(&self, level: usize) -> bool {
        self.up_type(level).contains("Attn")
    }

    fn up_type(&self, level: usize) -> &str {
        &self.up_block_types[self.up_block_types.len() - 1 - level]
    }

    /// Heads of attention on a level.
    fn heads(&self, level: usize) -> usize {
        let told = self.attention_head_dim.at(level);
        if self.is_plain() {
            self.block_out_channels[level] / told
        } else {
            told
        }
    }

    /// What the network is made of.
    ///
    /// # Errors
    /// As [`Self::validate`].
    pub fn architecture(&self) -> Result<Architecture, ModelError> {
        self.validate()?;
        let reverse = self.reverse_depths()?;
        let level = |(index, channels): (usize, &usize)| {
            let [depths_down, depths_up] = self.level_depths(index, reverse.as_ref());
            Level {
                channels: *channels,
                layers: self.layers_per_block.at(index),
                heads: self.heads(index),
                depths_down,
                depths_up,
                pads_all_sides: self.other.get("downsample_padding") != Some(&Value::from(0)),
                // Levels without attention have kinds of their own for it.
                halves_in_block: self.down_block_types[index].starts_with("Resnet")
                    || self.down_attention(index) && self.says("downsample_type", "resnet"),
                doubles_in_block: self.up_type(index).starts_with("Resnet")
                    || self.up_attention(index) && self.says("upsample_type", "resnet"),
            }
        };
        Ok(Architecture {
            input_channels: self.in_channels,
            output_channels: self.out_channels,
            levels: self
                .block_out_channels
                .iter()
                .enumerate()
                .map(level)
                .collect(),
            middle: self.middle(),
            context_width: (!self.is_plain()).then_some(self.cross_attention_dim),
            time_width: self.time_width(),
            is_cosine_first: self.flip_sin_to_cos,
            frequency_shift: self.freq_shift as f64,
            groups: self.norm_num_groups,
            eps: self.norm_eps,
            is_scale_shift: self.says("resnet_time_scale_shift", "scale_shift"),
            classes: self.classes(),
            is_grounded: self.is_grounded(),
            added_width: self.added().map(|added| added.width),
            guidance_width: self.guidance_width(),
            is_linear_projection: self.use_linear_projection,
            input_kernel: self.conv_in_kernel,
            output_kernel: self.conv_out_kernel,
        })
    }

    /// Checks that the network can be built.
    ///
    /// # Errors
    /// The first key that is not supported or contradicts another.
    pub fn validate(&self) -> Result<(), ModelError> {
        let fail = |key, value: String, supported: &str| {
            Err(ModelError::unsupported(CLASS, key, value, supported))
        };
        if self.class_name != CLASS && !self.is_plain() {
            return Err(ModelError::unsupported(
                "a denoiser",
                "_class_name",
                &self.class_name,
                format!("only {CLASS} and {PLAIN} are"),
            ));
        }
        for (key, allowed) in neutral_values(self.is_plain()) {
            if let Some(value) = self.other.get(key)
                && !allowed.contains(value)
            {
                return Err(ModelError::unsupported(
                    CLASS,
                    key,
                    value,
                    format!("only {} is", allowed[0]),
                ));
            }
        }
        let levels = self.block_out_channels.len();
        let within = |key, value, range| limits::within(CLASS, key, value, range);
        within("levels of block_out_channels", levels, &limits::LEVELS)?;
        for channels in &self.block_out_channels {
            within("block_out_channels", *channels, &limits::WIDTH)?;
        }
        for (key, value, range) in [
            ("in_channels", self.in_channels, &limits::WIDTH),
            ("out_channels", self.out_channels, &limits::WIDTH),
            (
                "cross_attention_dim",
                self.cross_attention_dim,
                &limits::WIDTH,
            ),
            (
                "time_embedding_dim",
                self.time_width(),
                &limits::INNER_WIDTH,
            ),
            ("conv_in_kernel", self.conv_in_kernel, &limits::KERNEL),
            ("conv_out_kernel", self.conv_out_kernel, &limits::KERNEL),
        ] {
            within(key, value, range)?;
        }
        if let Some(told) = self
            .other
            .get("num_class_embeds")
            .filter(|it| !it.is_null())
        {
            match self.classes() {
                Some(classes) => within("num_class_embeds", classes, &limits::TOKENS)?,
                None => return fail("num_class_embeds", told.to_string(), "it must be a number"),
            }
        }
        self.check_added()?;
        self.check_guidance()?;
        limits::epsilon(CLASS, "norm_eps", self.norm_eps)?;
        let (down, up) = match self.is_plain() {
            true => (PLAIN_DOWN, PLAIN_UP),
            false => (DOWN, UP),
        };
        for (key, types, known) in [
            ("down_block_types", &self.down_block_types, down),
            ("up_block_types", &self.up_block_types, up),
        ] {
            let is_known = |kind: &String| known.iter().any(|known| kind == known);
            if types.len() != levels || !types.iter().all(is_known) {
                let [plain, attending, _] = known;
                return fail(
                    key,
                    format!("{types:?}"),
                    &format!("each of the {levels} levels must be {plain} or {attending}"),
                );
            }
        }
        for (key, value, range) in [
            ("layers_per_block", &self.layers_per_block, &limits::LAYERS),
            (
                "attention_head_dim",
                &self.attention_head_dim,
                &limits::WIDTH,
            ),
        ] {
            if !value.fits(levels) {
                return fail(
                    key,
                    format!("{value:?}"),
                    "it must be one positive number, or one for each level",
                );
            }
            for level in 0..levels {
                within(key, value.at(level), range)?;
            }
        }
        if let PerLevel::Each(layers) = &self.layers_per_block
            && layers.iter().any(|count| *count != layers[0])
        {
            return fail(
                "layers_per_block",
                format!("{layers:?}"),
                "all levels must have the same number",
            );
        }
        self.check_depths()?;
        for (level, channels) in self.block_out_channels.iter().enumerate() {
            if self.norm_num_groups == 0 || channels % self.norm_num_groups != 0 {
                return fail(
                    "norm_num_groups",
                    self.norm_num_groups.to_string(),
                    &format!("it must divide {channels}"),
                );
            }
            let attends = self.down_attention(level)
                || self.up_attention(level)
                || level == levels - 1 && self.middle().depth() > 0;
            let told = self.attention_head_dim.at(level);
            if attends && channels % told != 0 {
                let what = match self.is_plain() {
                    true => "the width of a head",
                    false => "the number of heads",
                };
                return fail(
                    "attention_head_dim",
                    told.to_string(),
                    &format!("as {what} it must divide {channels}"),
                );
            }
        }
        // diffusers leaves the middle without a normalisation otherwise.
        let groups = self
            .other
            .get("attn_norm_num_groups")
            .unwrap_or(&Value::Null);
        let is_usual = if groups.is_null() {
            !self.says("resnet_time_scale_shift", "scale_shift")
        } else {
            *groups == self.norm_num_groups
        };
        if self.is_plain() && !is_usual {
            return fail(
                "attn_norm_num_groups",
                groups.to_string(),
                &format!("it must be norm_num_groups, {}", self.norm_num_groups),
            );
        }
        if self.conv_in_kernel.is_multiple_of(2) || self.conv_out_kernel.is_multiple_of(2) {
            return fail(
                "conv_in_kernel",
                self.conv_in_kernel.to_string(),
                "kernels must be odd",
            );
        }
        // The frequencies are divided by what the shift leaves of them.
        let frequencies = self.block_out_channels[0] / 2;
        if !usize::try_from(self.freq_shift).is_ok_and(|shift| shift < frequencies) {
            let supported = format!("it must be from 0 to {}", frequencies.saturating_sub(1));
            return fail("freq_shift", self.freq_shift.to_string(), &supported);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_features_are_named() {
        for (json, key) in [
            (r#"{"addition_embed_type": "image"}"#, "addition_embed_type"),
            (
                r#"{"addition_embed_type": "text_time"}"#,
                "projection_class_embeddings_input_dim",
            ),
            (r#"{"class_embed_type": "timestep"}"#, "class_embed_type"),
            (
                r#"{"down_block_types": ["AttnDownBlock2D"]}"#,
                "down_block_types",
            ),
            (r#"{"attention_head_dim": [1, 2]}"#, "attention_head_dim"),
            (r#"{"norm_num_groups": 7}"#, "norm_num_groups"),
            (
                r#"{"layers_per_block": 4294967295}"#,
                "layers_per_block = 4294967295",
            ),
            (
                r#"{"transformer_layers_per_block": [1, 1, 1, 18446744073709551615]}"#,
                "transformer_layers_per_block",
            ),
            (
                r#"{"block_out_channels": [320, 640, 1280, 9223372036854775808]}"#,
                "block_out_channels",
            ),
            (r#"{"cross_attention_dim": 0}"#, "cross_attention_dim"),
            (r#"{"conv_in_kernel": 4}"#, "conv_in_kernel"),
            (r#"{"freq_shift": 160}"#, "freq_shift"),
            (r#"{"norm_eps": -1.0}"#, "norm_eps"),
            (r#"{"_class_name": "UNet1DModel"}"#, "_class_name"),
            (r#"{"_class_name": "UNet2DModel"}"#, "down_block_types"),
            (r#"{"num_class_embeds": -3}"#, "num_class_embeds"),
            (r#"{"downsample_type": "fir"}"#, "downsample_type"),
            (r#"{"downsample_padding": 2}"#, "downsample_padding"),
        ] {
            let config: UNet2dConfig = serde_json::from_str(json).expect("valid JSON");
            let error = config.validate().expect_err("unsupported").to_string();
            assert!(error.contains(key), "{error}");
        }
        UNet2dConfig::default()
            .validate()
            .expect("diffusers' defaults are supported");
    }

    /// 65 levels once overflowed the size that latents are rounded up to.
    #[test]
    fn more_levels_than_a_picture_has_halves_are_refused() {
        let config = UNet2dConfig {
            down_block_types: vec!["DownBlock2D".into(); 65],
            up_block_types: vec!["UpBlock2D".into(); 65],
            block_out_channels: vec![32; 65],
            ..Default::default()
        };
        let error = config.validate().expect_err("too many").to_string();
        assert!(error.contains("65") && error.contains("to 8"), "{error}");
    }

    /// Each size is within its bounds, and all of them together would be
    /// tens of thousands of blocks.
    #[test]
    fn sizes_that_multiply_are_bounded_together() {
        let config = UNet2dConfig {
            layers_per_block: PerLevel::All(100),
            transformer_layers_per_block: PerLevel::All(100),
            ..Default::default()
        };
        let device = burn::tensor::Device::flex();
        let error = config.init(&device).expect_err("too many").to_string();
        assert!(error.contains("blocks"), "{error}");
    }
}
