//! The text encoder, transformers' `CLIPTextModel`.

use burn::module::Module;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::{ModelError, limits};
use crate::nn::{
    self, Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig, ops,
};

const CLASS: &str = "CLIPTextModel";
/// Standard deviation of what tokens are at first. OpenAI's 0.02 is far below what the first
/// layer adds to it, so that it takes very many steps until one word is told from another.
const TOKEN_SPREAD: f64 = 1.0;
/// The same of their places, which matter less than what they are.
const POSITION_SPREAD: f64 = 0.1;
/// The same with a projection of whole texts, as Stable Diffusion XL has it.
const WITH_PROJECTION: &str = "CLIPTextModelWithProjection";
/// Width of that where a configuration says nothing.
const USUAL_PROJECTION: u64 = 512;

/// The activation between the two matrices of a feed-forward network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HiddenAct {
    /// x · σ(1.702 x), as in OpenAI's CLIP.
    #[default]
    QuickGelu,
    /// The exact GELU, as in OpenCLIP.
    Gelu,
}

/// transformers' configuration of a `CLIPTextModel`.
///
/// Keys that are not fields here are kept in `other` and written back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClipTextConfig {
    /// The class: `CLIPTextModel`, or `CLIPTextModelWithProjection`.
    pub architectures: Vec<String>,
    /// Always `clip_text_model`.
    pub model_type: String,
    /// Number of tokens.
    pub vocab_size: usize,
    /// Width of a token's state.
    pub hidden_size: usize,
    /// Width between the two matrices of a feed-forward network.
    pub intermediate_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Number of heads.
    pub num_attention_heads: usize,
    /// Longest text.
    pub max_position_embeddings: usize,
    /// Activation of the feed-forward networks.
    pub hidden_act: HiddenAct,
    /// Epsilon of the layer normalisations.
    pub layer_norm_eps: f64,
    /// Everything else that the file says.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Default for ClipTextConfig {
    fn default() -> Self {
        Self {
            architectures: vec![CLASS.into()],
            model_type: "clip_text_model".into(),
            vocab_size: 49_408,
            hidden_size: 512,
            intermediate_size: 2048,
            num_hidden_layers: 12,
            num_attention_heads: 8,
            max_position_embeddings: 77,
            hidden_act: HiddenAct::QuickGelu,
            layer_norm_eps: 1e-5,
            other: Map::new(),
        }
    }
}

impl ClipTextConfig {
    /// Width of the projection of whole texts, if there is one.
    pub fn projection_width(&self) -> Option<usize> {
        if !self
            .architectures
            .iter()
            .any(|name| name == WITH_PROJECTION)
        {
            return None;
        }
        let told = self.other.get("projection_dim").and_then(Value::as_u64);
        let width = usize::try_from(told.unwrap_or(USUAL_PROJECTION));
        Some(width.unwrap_or(usize::MAX))
    }

    /// The same with a projection of whole texts.
    #[must_use]
    pub fn with_projection(mut self, width: usize) -> Self {
        self.architectures = vec![WITH_PROJECTION.into()];
        self.other.insert("projection_dim".into(), width.into());
        self
    }

    /// Checks that the network can be built.
    ///
    /// # Errors
    /// The first key that is not supported or contradicts another.
    pub fn validate(&self) -> Result<(), ModelError> {
        let fail = |key, value: String, supported: &str| {
            Err(ModelError::unsupported(CLASS, key, value, supported))
        };
        let is_known = |name: &str| [CLASS, WITH_PROJECTION].contains(&name);
        if let Some(other) = self.architectures.iter().find(|name| !is_known(name)) {
            let supported = format!("only {CLASS} and {WITH_PROJECTION} are");
            return fail("architectures", other.clone(), &supported);
        }
        if let Some(width) = self.projection_width() {
            limits::within(CLASS, "projection_dim", width, &limits::WIDTH)?;
        }
        for (key, value, range) in [
            ("vocab_size", self.vocab_size, &limits::TOKENS),
            ("hidden_size", self.hidden_size, &limits::WIDTH),
            (
                "intermediate_size",
                self.intermediate_size,
                &limits::INNER_WIDTH,
            ),
            ("num_hidden_layers", self.num_hidden_layers, &limits::LAYERS),
            (
                "num_attention_heads",
                self.num_attention_heads,
                &limits::WIDTH,
            ),
            (
                "max_position_embeddings",
                self.max_position_embeddings,
                &limits::LENGTH,
            ),
        ] {
            limits::within(CLASS, key, value, range)?;
        }
        limits::epsilon(CLASS, "layer_norm_eps", self.layer_norm_eps)?;
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            let supported = format!("it must divide {}", self.hidden_size);
            return fail(
                "num_attention_heads",
                self.num_attention_heads.to_string(),
                &supported,
            );
        }
        Ok(())
    }

    /// Makes the network; weights are drawn when first used.
    ///
    /// # Errors
    /// Where the configuration asks for something that is not supported, or
    /// its sizes contradict each other.
    pub fn init(&self, device: &Device) -> Result<ClipTextModel, ModelError> {
        self.validate()?;
        let table = |count, std| {
            EmbeddingConfig {
                count,
                width: self.hidden_size,
                std,
            }
            .init(device)
        };
        let norm = || {
            LayerNormConfig {
                width: self.hidden_size,
                eps: self.layer_norm_eps,
            }
            .init(device)
        };
        let square = || LinearConfig::new(self.hidden_size, self.hidden_size).init(device);
        let layer = |_| Layer {
            self_attn: SelfAttention {
                q_proj: square(),
                k_proj: square(),
                v_proj: square(),
                out_proj: square(),
                heads: self.num_attention_heads,
            },
            layer_norm1: norm(),
            mlp: Mlp {
                fc1: LinearConfig::new(self.hidden_size, self.intermediate_size).init(device),
                fc2: LinearConfig::new(self.intermediate_size, self.hidden_size).init(device),
                exact: self.hidden_act == HiddenAct::Gelu,
            },
            layer_norm2: norm(),
        };
        Ok(ClipTextModel {
            embeddings: Embeddings {
                token_embedding: table(self.vocab_size, TOKEN_SPREAD),
                position_embedding: table(self.max_position_embeddings, POSITION_SPREAD),
            },
            encoder: Encoder {
                layers: (0..self.num_hidden_layers).map(layer).collect(),
            },
            final_layer_norm: norm(),
            text_projection: self.projection_width().map(|width| {
                LinearConfig::new(self.hidden_size, width)
                    .with_bias(false)
                    .init(device)
            }),
            config: self.clone(),
        })
    }

    /// Number of weights of the network, without making any.
    ///
    /// # Errors
    /// As [`Self::init`].
    pub fn parameter_count(&self) -> Result<usize, ModelError> {
        Ok(nn::parameter_count(&self.init(&Device::flex())?))
    }
}

#[derive(Module, Debug)]
struct Embeddings {
    token_embedding: Embedding,
    position_embedding: Embedding,
}

#[derive(Module, Debug)]
struct SelfAttention {
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
    #[module(skip)]
    heads: usize,
}

#[derive(Module, Debug)]
struct Mlp {
    fc1: Linear,
    fc2: Linear,
    #[module(skip)]
    exact: bool,
}

#[derive(Module, Debug)]
struct Layer {
    self_attn: SelfAttention,
    layer_norm1: LayerNorm,
    mlp: Mlp,
    layer_norm2: LayerNorm,
}

impl Layer {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.forward_after(x, None)
    }

    /// The same for tokens behind others, of which a layer keeps its keys and values; behind
    /// some there can be one at a time.
    fn forward_after(&self, x: Tensor<3>, others: Option<&mut LayerCache>) -> Tensor<3> {
        let attention = &self.self_attn;
        let normal = self.layer_norm1.forward(x.clone());
        let query = attention.q_proj.forward(normal.clone());
        let mut key = attention.k_proj.forward(normal.clone());
        let mut value = attention.v_proj.forward(normal);
        let mut is_causal = true;
        if let Some(others) = others {
            if let Some([keys, values]) = others.take() {
                // The last token hears all before it.
                is_causal = false;
                key = Tensor::cat(vec![keys, key], 1);
                value = Tensor::cat(vec![values, value], 1);
            }
            *others = Some([key.clone(), value.clone()]);
        }
        let x = x + attention.out_proj.forward(ops::attention(
            query,
            key,
            value,
            attention.heads,
            is_causal,
        ));
        let hidden = self.mlp.fc1.forward(self.layer_norm2.forward(x.clone()));
        let hidden = if self.mlp.exact {
            ops::gelu(hidden)
        } else {
            ops::quick_gelu(hidden)
        };
        x + self.mlp.fc2.forward(hidden)
    }
}

#[derive(Module, Debug)]
struct Encoder {
    layers: Vec<Layer>,
}

/// Keys and values of a layer.
///
/// # Shapes
/// `[1, tokens, hidden_size]` each.
type LayerCache = Option<[Tensor<3>; 2]>;

/// What a text model has read of a text, so that each further token is read alone: the keys
/// and values of every layer, as `past_key_values` of transformers.
#[derive(Clone, Debug)]
pub struct KeyValueCache {
    layers: Vec<LayerCache>,
    length: usize,
}

/// The text encoder of CLIP (Radford et al. 2021, <https://arxiv.org/abs/2103.00020>).
#[derive(Module, Debug)]
pub struct ClipTextModel {
    embeddings: Embeddings,
    encoder: Encoder,
    final_layer_norm: LayerNorm,
    text_projection: Option<Linear>,
    #[module(skip)]
    config: ClipTextConfig,
}

/// Texts as token numbers, of which those beyond the vocabulary stand for vectors that were
/// learned afterwards: the first behind it for the first of them.
#[derive(Clone, Copy, Debug)]
pub struct TokenTexts<'a> {
    /// All texts, one after the other.
    pub tokens: &'a [i32],
    /// How many there are and how long each is.
    pub shape: [usize; 2],
    /// The vectors that were learned.
    pub learned: &'a [Vec<f32>],
}

/// What a text encoder says before its end.
#[derive(Clone, Debug)]
pub struct InnerStates {
    /// States of all tokens, without the last normalisation.
    ///
    /// # Shapes
    /// `[batch, tokens, hidden_size]`.
    pub states: Tensor<3>,
    /// The whole texts: the last states of their ends, normalised and projected; `None`
    /// for an encoder without a projection.
    ///
    /// # Shapes
    /// `[batch, projection_dim]`.
    pub pooled: Option<Tensor<2>>,
}

impl ClipTextModel {
    /// The configuration the network was made from.
    pub fn config(&self) -> &ClipTextConfig {
        &self.config
    }

    /// States of all tokens after the last layer and its normalisation.
    ///
    /// # Shapes
    /// `[batch, tokens]`, with at most `max_position_embeddings` tokens, to
    /// `[batch, tokens, hidden_size]`.
    pub fn forward(&self, tokens: Tensor<2, Int>) -> Tensor<3> {
        self.forward_through(tokens, self.layers())
    }

    /// What was read of a text before its first token.
    pub fn nothing_read(&self) -> KeyValueCache {
        KeyValueCache {
            layers: vec![None; self.layers()],
            length: 0,
        }
    }

    /// Reads on: all tokens of a text at once, or one behind those that were read. Says how
    /// much each token is expected after the last, where the table of tokens is the last
    /// layer too.
    ///
    /// # Shapes
    /// `[1, tokens]` to `[1, vocab_size]`.
    pub fn next_token(&self, read: &mut KeyValueCache, tokens: Tensor<2, Int>) -> Tensor<2> {
        let [_, length] = tokens.dims();
        let table = self.embeddings.token_embedding.weight.val();
        nn::ops::on_workers(&table.clone(), || {
            let words = self.embeddings.token_embedding.forward(tokens);
            let mut x = self.placed_from(read.length, words);
            for (layer, cache) in self.encoder.layers.iter().zip(&mut read.layers) {
                x = layer.forward_after(x, Some(cache));
            }
            read.length += length;
            let last = self.final_layer_norm.forward(x.narrow(1, length - 1, 1));
            last.squeeze_dim::<2>(1).matmul(table.transpose())
        })
    }

    /// Number of layers.
    pub fn layers(&self) -> usize {
        self.encoder.layers.len()
    }

    /// The same after so many of the layers.
    ///
    /// # Shapes
    /// As [`Self::forward`].
    pub fn forward_through(&self, tokens: Tensor<2, Int>, layers: usize) -> Tensor<3> {
        let like = self.embeddings.token_embedding.weight.val();
        nn::ops::on_workers(&like, || self.run(tokens, layers))
    }

    /// As [`Self::forward_through`], for texts with learned words.
    ///
    /// # Shapes
    /// Result: `[batch, tokens, hidden_size]`.
    pub fn forward_with(&self, texts: TokenTexts<'_>, layers: usize, device: &Device) -> Tensor<3> {
        let words = self.embedded(texts, device);
        let like = words.clone();
        nn::ops::on_workers(&like, || self.run_embedded(words, layers))
    }

    /// What is said after so many layers, without the last normalisation, and of whole
    /// texts, given the places of their ends.
    pub fn forward_inner(
        &self,
        texts: TokenTexts<'_>,
        ends: &[usize],
        layers: usize,
        device: &Device,
    ) -> InnerStates {
        let words = self.embedded(texts, device);
        let like = words.clone();
        nn::ops::on_workers(&like, || self.run_inner(words, ends, layers))
    }

    fn run_inner(&self, words: Tensor<3>, ends: &[usize], layers: usize) -> InnerStates {
        let (below, above) = self.encoder.layers.split_at(layers.min(self.layers()));
        let through =
            |x: Tensor<3>, layers: &[Layer]| layers.iter().fold(x, |x, layer| layer.forward(x));
        let states = through(self.placed(words), below);
        let pooled = self.text_projection.as_ref().map(|projection| {
            let last = through(states.clone(), above);
            let end =
                |(text, at): (usize, &usize)| last.clone().narrow(0, text, 1).narrow(1, *at, 1);
            let ends = Tensor::cat(ends.iter().enumerate().map(end).collect(), 0);
            let projected = projection.forward(self.final_layer_norm.forward(ends));
            projected.squeeze_dim(1)
        });
        InnerStates { states, pooled }
    }

    /// The vectors of tokens.
    fn embedded(&self, texts: TokenTexts<'_>, device: &Device) -> Tensor<3> {
        let TokenTexts {
            tokens,
            shape,
            learned,
        } = texts;
        // The place among the learned ones, for a token that is one of them.
        let number = |token: i32| {
            let token = usize::try_from(token).ok()?;
            token.checked_sub(self.config.vocab_size)
        };
        let usual = tokens.iter().map(|token| match number(*token) {
            Some(_) => 0,
            None => *token,
        });
        let usual = TensorData::new(usual.collect::<Vec<i32>>(), shape);
        let usual = Tensor::<2, Int>::from_data(usual, device);
        let mut words = self.embeddings.token_embedding.forward(usual);
        let (width, length) = (self.config.hidden_size, shape[1].max(1));
        for (place, token) in tokens.iter().enumerate() {
            let Some(vector) = number(*token).and_then(|number| learned.get(number)) else {
                continue;
            };
            let vector = TensorData::new(vector.clone(), [1, 1, width]);
            let vector = Tensor::<3>::from_data(vector, (device, DType::F32));
            let (text, at) = (place / length, place % length);
            words = words.slice_assign([text..text + 1, at..at + 1, 0..width], vector);
        }
        words
    }

    fn run(&self, tokens: Tensor<2, Int>, layers: usize) -> Tensor<3> {
        self.run_embedded(self.embeddings.token_embedding.forward(tokens), layers)
    }

    /// Vectors of tokens with those of their places.
    fn placed(&self, words: Tensor<3>) -> Tensor<3> {
        self.placed_from(0, words)
    }

    /// The same behind so many others.
    fn placed_from(&self, start: usize, words: Tensor<3>) -> Tensor<3> {
        let [_, length, _] = words.dims();
        let places = start as i64..(start + length) as i64;
        let positions = Tensor::<1, Int>::arange(places, &words.device()).reshape([1, length]);
        words + self.embeddings.position_embedding.forward(positions)
    }

    fn run_embedded(&self, words: Tensor<3>, layers: usize) -> Tensor<3> {
        let mut x = self.placed(words);
        for layer in self.encoder.layers.iter().take(layers) {
            x = layer.forward(x);
        }
        self.final_layer_norm.forward(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clip_l_has_the_published_number_of_weights() {
        let config = ClipTextConfig {
            hidden_size: 768,
            intermediate_size: 3072,
            num_attention_heads: 12,
            ..Default::default()
        };
        assert_eq!(config.parameter_count().expect("supported"), 123_060_480);
    }

    #[test]
    fn absurd_sizes_are_refused_by_name() {
        for key in [
            "vocab_size",
            "hidden_size",
            "intermediate_size",
            "num_hidden_layers",
            "max_position_embeddings",
        ] {
            for value in [0_u64, 4_294_967_295, u64::MAX] {
                let json = serde_json::json!({ key: value });
                let config: ClipTextConfig = serde_json::from_value(json).expect("a number");
                let error = config.validate().expect_err("absurd").to_string();
                assert!(error.contains(key), "{error}");
            }
        }
    }
}
