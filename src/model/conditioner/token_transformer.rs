//! The transformer of the paper's code over tokens, of words or of boxes
//! (`ldm/modules/x_transformer.py`; Rombach et al. 2022, appendix E.2.1). It looks at
//! all tokens, also at those that only fill up.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::model::ModelError;
use crate::model::paper::{OriginalConditioner, TokenTransformer};
use crate::model::weights::Piece;
use crate::nn::{
    Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig, ops,
};

/// Heads of attention, whatever the width.
pub const HEADS: usize = 8;
/// Channels of a head.
pub const HEAD_WIDTH: usize = 64;
/// The folder of the network in a checkpoint.
const PLACE: &str = "cond_stage_model.transformer";

/// States of tokens.
#[derive(Module, Debug)]
pub struct TokenEncoder {
    token_embedding: Embedding,
    position_embedding: Embedding,
    layers: Vec<TokenLayer>,
    norm: LayerNorm,
    #[module(skip)]
    sizes: TokenTransformer,
}

/// Attention among all tokens, then a feed-forward network: each normalised before
/// and added after.
#[derive(Module, Debug)]
struct TokenLayer {
    norm_1: LayerNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    joined: Linear,
    norm_2: LayerNorm,
    inner: Linear,
    outer: Linear,
}

impl TokenEncoder {
    /// Makes the network; weights are drawn when first used.
    ///
    /// # Errors
    /// If no network has such sizes.
    pub fn init(sizes: TokenTransformer, device: &Device) -> Result<Self, ModelError> {
        OriginalConditioner::Tokens(sizes).validate()?;
        let TokenTransformer {
            width,
            layers,
            vocabulary,
            length,
            ..
        } = sizes;
        let table = |count| {
            EmbeddingConfig {
                count,
                width,
                std: 0.02,
            }
            .init(device)
        };
        let norm = || LayerNormConfig { width, eps: 1e-5 }.init(device);
        let heads = HEADS * HEAD_WIDTH;
        let into_heads = || {
            LinearConfig::new(width, heads)
                .with_bias(false)
                .init(device)
        };
        let layer = |_| TokenLayer {
            norm_1: norm(),
            query: into_heads(),
            key: into_heads(),
            value: into_heads(),
            joined: LinearConfig::new(heads, width).init(device),
            norm_2: norm(),
            inner: LinearConfig::new(width, 4 * width).init(device),
            outer: LinearConfig::new(4 * width, width).init(device),
        };
        Ok(Self {
            token_embedding: table(vocabulary),
            position_embedding: table(length),
            layers: (0..layers).map(layer).collect(),
            norm: norm(),
            sizes,
        })
    }

    /// The sizes the network was made from.
    pub fn sizes(&self) -> TokenTransformer {
        self.sizes
    }

    /// The states of texts of so many tokens as the network reads, one after the other.
    ///
    /// # Shapes
    /// `[texts, length, width]`.
    pub fn states(&self, tokens: Vec<i32>, device: &Device) -> Tensor<3> {
        let length = self.sizes.length;
        let shape = [tokens.len() / length.max(1), length];
        self.forward(Tensor::from_data(TensorData::new(tokens, shape), device))
    }

    /// # Shapes
    /// `[texts, tokens]` to `[texts, tokens, width]`.
    pub fn forward(&self, tokens: Tensor<2, Int>) -> Tensor<3> {
        let [_, length] = tokens.dims();
        let positions = Tensor::arange(0..length as i64, &tokens.device()).unsqueeze::<2>();
        let states =
            self.token_embedding.forward(tokens) + self.position_embedding.forward(positions);
        let states = self
            .layers
            .iter()
            .fold(states, |states, it| it.forward(states));
        self.norm.forward(states)
    }

    /// Where the weights lie in a checkpoint of the paper's code, by our names.
    pub fn pieces(sizes: TokenTransformer) -> BTreeMap<String, Piece> {
        let mut pieces = BTreeMap::new();
        let mut put = |name: String, stored: String| {
            pieces.insert(name, Piece::whole(format!("{PLACE}.{stored}")));
        };
        for (name, stored) in [
            ("token_embedding.weight", "token_emb.weight"),
            ("position_embedding.weight", "pos_emb.emb.weight"),
            ("norm.weight", "norm.weight"),
            ("norm.bias", "norm.bias"),
        ] {
            put(name.into(), stored.into());
        }
        for layer in 0..sizes.layers {
            let (attention, forward) = (2 * layer, 2 * layer + 1);
            let mut put = |name: &str, place: usize, stored: &str, ends: &[&str]| {
                for end in ends {
                    put(
                        format!("layers.{layer}.{name}.{end}"),
                        format!("attn_layers.layers.{place}.{stored}.{end}"),
                    );
                }
            };
            let both = &["weight", "bias"];
            put("norm_1", attention, "0", both);
            put("query", attention, "1.to_q", &["weight"]);
            put("key", attention, "1.to_k", &["weight"]);
            put("value", attention, "1.to_v", &["weight"]);
            put("joined", attention, "1.to_out", both);
            put("norm_2", forward, "0", both);
            put("inner", forward, "1.net.0.0", both);
            put("outer", forward, "1.net.2", both);
        }
        pieces
    }
}

impl TokenLayer {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let seen = self.norm_1.forward(x.clone());
        let (query, key) = (
            self.query.forward(seen.clone()),
            self.key.forward(seen.clone()),
        );
        let found = ops::attention(query, key, self.value.forward(seen), HEADS, false);
        let x = self.joined.forward(found) + x;
        let inner = ops::gelu(self.inner.forward(self.norm_2.forward(x.clone())));
        self.outer.forward(inner) + x
    }
}
