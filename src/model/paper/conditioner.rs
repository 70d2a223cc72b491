//! What the paper's code and those after it tell a denoiser, and the names of the
//! weights for it (`ldm/modules/encoders/modules.py`, `ldm/modules/x_transformer.py`).

use super::super::{ModelError, limits};
use super::keys::{Keys, Layout};

/// Width of all heads of attention in the transformer of words and boxes, whatever
/// its own width.
const TOKEN_HEADS_WIDTH: usize = 8 * 64;

/// A conditioner by its sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginalConditioner {
    /// There is none.
    Nothing,
    /// The picture in small, as it is.
    Picture,
    /// The first stage, on a picture with a hole.
    FirstStage,
    /// A class by its number.
    Class {
        /// How many there are.
        classes: usize,
        /// Width of the embeddings.
        width: usize,
    },
    /// A label map, made smaller and mapped to fewer channels.
    Rescaler {
        /// Classes.
        inputs: usize,
        /// Channels for the denoiser.
        outputs: usize,
        /// Whether the mapping adds something.
        has_bias: bool,
    },
    /// A transformer over words of BERT's vocabulary, or over boxes.
    Tokens(TokenTransformer),
    /// CLIP's text encoder with the names of transformers.
    Clip(ClipSizes),
    /// OpenCLIP's text encoder.
    OpenClip(ClipSizes),
    /// Both, as Stable Diffusion XL has them; without the first in its refiner.
    Both {
        /// The smaller one.
        clip: Option<ClipSizes>,
        /// The larger one.
        open_clip: ClipSizes,
    },
}

/// The sizes of the transformer over tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenTransformer {
    /// Width of the states.
    pub width: usize,
    /// Attention layers, each followed by a feed-forward network.
    pub layers: usize,
    /// Tokens that are known.
    pub vocabulary: usize,
    /// Tokens that are read.
    pub length: usize,
    /// Whether the tokens are words, and not boxes.
    pub reads_words: bool,
}

/// The sizes of a text encoder of the CLIP family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClipSizes {
    /// Width of the states.
    pub width: usize,
    /// Width inside of feed-forward networks.
    pub inner_width: usize,
    /// Layers.
    pub layers: usize,
    /// Tokens that are known.
    pub vocabulary: usize,
    /// Tokens that are read.
    pub length: usize,
}

impl OriginalConditioner {
    /// Checks the sizes.
    ///
    /// # Errors
    /// The first that no conditioner has.
    pub fn validate(&self) -> Result<(), ModelError> {
        let within = |key, value, range| limits::within("a conditioner", key, value, range);
        match self {
            Self::Nothing | Self::Picture | Self::FirstStage => Ok(()),
            Self::Class { classes, width } => {
                within("n_classes", *classes, &limits::CLASSES)?;
                within("embed_dim", *width, &limits::WIDTH)
            }
            Self::Rescaler {
                inputs, outputs, ..
            } => {
                within("in_channels", *inputs, &limits::WIDTH)?;
                within("out_channels", *outputs, &limits::WIDTH)
            }
            Self::Tokens(tokens) => {
                within("n_embed", tokens.width, &limits::WIDTH)?;
                within("n_layer", tokens.layers, &limits::LAYERS)?;
                within("vocab_size", tokens.vocabulary, &limits::TOKENS)?;
                within("max_seq_len", tokens.length, &limits::LENGTH)
            }
            Self::Clip(sizes) | Self::OpenClip(sizes) => sizes.validate(),
            Self::Both { clip, open_clip } => {
                clip.map_or(Ok(()), |sizes| sizes.validate())?;
                open_clip.validate()
            }
        }
    }

    /// Names and shapes of the weights, as they lie in a whole checkpoint.
    pub(in crate::model) fn layout(&self) -> Layout {
        let mut layout = Layout::new();
        let mut keys = Keys::new(&mut layout, "");
        match self {
            Self::Nothing | Self::Picture | Self::FirstStage => {}
            Self::Class { classes, width } => {
                keys.matrix("cond_stage_model.embedding", *classes, *width);
            }
            Self::Rescaler {
                inputs,
                outputs,
                has_bias,
            } => {
                let mut keys = keys.at("cond_stage_model");
                keys.tensor("channel_mapper.weight", [*outputs, *inputs, 1, 1]);
                if *has_bias {
                    keys.tensor("channel_mapper.bias", [*outputs]);
                }
            }
            Self::Tokens(tokens) => tokens.put(&mut keys.at("cond_stage_model.transformer")),
            Self::Clip(sizes) => sizes.put(&mut keys.at("cond_stage_model.transformer.text_model")),
            Self::OpenClip(sizes) => sizes.put_open(&mut keys.at("cond_stage_model.model")),
            Self::Both { clip, open_clip } => {
                let second = usize::from(clip.is_some());
                if let Some(clip) = clip {
                    clip.put(&mut keys.at("conditioner.embedders.0.transformer.text_model"));
                }
                let place = format!("conditioner.embedders.{second}.model");
                open_clip.put_open(&mut keys.at(&place));
                keys.tensor(&format!("{place}.text_projection"), [open_clip.width; 2]);
            }
        }
        layout
    }
}

impl TokenTransformer {
    fn put(&self, keys: &mut Keys<'_>) {
        let width = self.width;
        keys.matrix("token_emb", self.vocabulary, width);
        keys.matrix("pos_emb.emb", self.length, width);
        for layer in 0..self.layers {
            let mut layers = keys.at("attn_layers.layers");
            let mut attention = layers.at(2 * layer);
            attention.norm(0, width);
            for name in ["1.to_q", "1.to_k", "1.to_v"] {
                attention.matrix(name, TOKEN_HEADS_WIDTH, width);
            }
            attention.linear("1.to_out", width, TOKEN_HEADS_WIDTH);
            let mut forward = layers.at(2 * layer + 1);
            forward.norm(0, width);
            forward.linear("1.net.0.0", 4 * width, width);
            forward.linear("1.net.2", width, 4 * width);
        }
        keys.norm("norm", width);
    }
}

impl ClipSizes {
    fn validate(self) -> Result<(), ModelError> {
        let within = |key, value, range| limits::within("a text encoder", key, value, range);
        within("width", self.width, &limits::WIDTH)?;
        within("feed-forward width", self.inner_width, &limits::INNER_WIDTH)?;
        within("layers", self.layers, &limits::LAYERS)?;
        within("vocabulary", self.vocabulary, &limits::TOKENS)?;
        within("positions", self.length, &limits::LENGTH)
    }

    fn put(self, keys: &mut Keys<'_>) {
        keys.matrix("embeddings.token_embedding", self.vocabulary, self.width);
        keys.matrix("embeddings.position_embedding", self.length, self.width);
        for layer in 0..self.layers {
            let mut keys = keys.at(format_args!("encoder.layers.{layer}"));
            for name in ["q_proj", "k_proj", "v_proj", "out_proj"] {
                keys.linear(format_args!("self_attn.{name}"), self.width, self.width);
            }
            keys.norm("layer_norm1", self.width);
            keys.norm("layer_norm2", self.width);
            keys.linear("mlp.fc1", self.inner_width, self.width);
            keys.linear("mlp.fc2", self.width, self.inner_width);
        }
        keys.norm("final_layer_norm", self.width);
    }

    fn put_open(self, keys: &mut Keys<'_>) {
        keys.tensor("positional_embedding", [self.length, self.width]);
        keys.matrix("token_embedding", self.vocabulary, self.width);
        for layer in 0..self.layers {
            let mut keys = keys.at(format_args!("transformer.resblocks.{layer}"));
            keys.norm("ln_1", self.width);
            keys.norm("ln_2", self.width);
            keys.tensor("attn.in_proj_weight", [3 * self.width, self.width]);
            keys.tensor("attn.in_proj_bias", [3 * self.width]);
            keys.linear("attn.out_proj", self.width, self.width);
            keys.linear("mlp.c_fc", self.inner_width, self.width);
            keys.linear("mlp.c_proj", self.width, self.inner_width);
        }
        keys.norm("ln_final", self.width);
    }
}
