//! Folders of diffusers' `LDMTextToImagePipeline`: the text model of the paper, whose text
//! encoder is the same network as in a checkpoint, by other names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::latent_diffusion::TEXT_GUIDANCE;
use super::original::VOCABULARY;
use super::{ModelFolder, TEXT};
use crate::model::conditioner::token_transformer::{HEAD_WIDTH, HEADS};
use crate::model::json::read_json;
use crate::model::paper::{OriginalConditioner, TokenTransformer};
use crate::model::weights::{self, Piece, Renamed, WeightSource};
use crate::model::{Manifest, ModelError, WordPieceTokenizer};
use crate::recipe::InputSpec;

/// The folder of the text encoder.
pub(super) const BERT: &str = "bert";
/// The class of the text encoder.
const CLASS: &str = "LDMBertModel";
/// How wide its feed-forward networks are, in widths of its states.
const INNER: usize = 4;

/// `config.json` of the text encoder; what is not there is as in the released model.
#[derive(Deserialize)]
#[serde(default)]
struct Config {
    model_type: String,
    vocab_size: usize,
    max_position_embeddings: usize,
    encoder_layers: usize,
    encoder_ffn_dim: usize,
    encoder_attention_heads: usize,
    head_dim: usize,
    activation_function: String,
    d_model: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            model_type: "ldmbert".into(),
            vocab_size: 30_522,
            max_position_embeddings: 77,
            encoder_layers: 32,
            encoder_ffn_dim: 5120,
            encoder_attention_heads: HEADS,
            head_dim: HEAD_WIDTH,
            activation_function: "gelu".into(),
            d_model: 1280,
        }
    }
}

/// The sizes of the text encoder of a folder; `None` where there is none of the kind.
///
/// # Errors
/// If its configuration cannot be read or is not supported.
pub(super) fn read(model: &Path) -> Result<Option<TokenTransformer>, ModelError> {
    let path = model.join(BERT).join("config.json");
    let Some(config) = read_json::<Config>(&path)? else {
        return Ok(None);
    };
    for (key, value, wanted) in [
        ("model_type", config.model_type.as_str(), "ldmbert"),
        (
            "activation_function",
            config.activation_function.as_str(),
            "gelu",
        ),
    ] {
        if value != wanted {
            let supported = format!("only {wanted} is");
            return Err(ModelError::unsupported(CLASS, key, value, supported));
        }
    }
    for (key, value, wanted) in [
        (
            "encoder_attention_heads",
            config.encoder_attention_heads,
            HEADS,
        ),
        ("head_dim", config.head_dim, HEAD_WIDTH),
        (
            "encoder_ffn_dim",
            config.encoder_ffn_dim,
            config.d_model.saturating_mul(INNER),
        ),
    ] {
        if value != wanted {
            let supported = format!("it must be {wanted}, as in the paper's code");
            return Err(ModelError::unsupported(CLASS, key, value, supported));
        }
    }
    let tokens = TokenTransformer {
        width: config.d_model,
        layers: config.encoder_layers,
        vocabulary: config.vocab_size,
        length: config.max_position_embeddings,
        reads_words: true,
    };
    OriginalConditioner::Tokens(tokens).validate()?;
    Ok(Some(tokens))
}

/// The same manifest with the text that can be asked for.
pub(super) fn manifest(manifest: Manifest, words: &TokenTransformer) -> Manifest {
    let mut manifest = manifest;
    if !manifest.takes_text() {
        let max_tokens = u32::try_from(words.length).unwrap_or(u32::MAX);
        manifest.inputs.insert(0, InputSpec::Text { max_tokens });
        manifest.default_guidance_scale = TEXT_GUIDANCE;
    }
    manifest
}

/// The weights of the text encoder in a folder, by our names.
///
/// # Errors
/// If there are none, or a file is damaged.
pub(super) fn weights(
    model: &Path,
    tokens: TokenTransformer,
) -> Result<Box<dyn WeightSource>, ModelError> {
    let source = weights::find(&model.join(BERT), TEXT)?;
    Ok(Box::new(Renamed::new(Arc::from(source), pieces(tokens))))
}

/// Where the weights lie, by our names.
fn pieces(tokens: TokenTransformer) -> BTreeMap<String, Piece> {
    const PARTS: &[(&str, &str, &[&str])] = &[
        ("norm_1", "self_attn_layer_norm", &["weight", "bias"]),
        ("query", "self_attn.q_proj", &["weight"]),
        ("key", "self_attn.k_proj", &["weight"]),
        ("value", "self_attn.v_proj", &["weight"]),
        ("joined", "self_attn.out_proj", &["weight", "bias"]),
        ("norm_2", "final_layer_norm", &["weight", "bias"]),
        ("inner", "fc1", &["weight", "bias"]),
        ("outer", "fc2", &["weight", "bias"]),
    ];
    let outside = [
        ("token_embedding.weight", "embed_tokens.weight"),
        ("position_embedding.weight", "embed_positions.weight"),
        ("norm.weight", "layer_norm.weight"),
        ("norm.bias", "layer_norm.bias"),
    ];
    let outside = outside.map(|(ours, theirs)| (ours.to_owned(), theirs.to_owned()));
    let inside = (0..tokens.layers).flat_map(|layer| {
        PARTS.iter().flat_map(move |(ours, theirs, ends)| {
            ends.iter().map(move |end| {
                let at = format!("layers.{layer}");
                (format!("{at}.{ours}.{end}"), format!("{at}.{theirs}.{end}"))
            })
        })
    });
    let named = outside.into_iter().chain(inside);
    named
        .map(|(ours, theirs)| (ours, Piece::whole(format!("model.{theirs}"))))
        .collect()
}

impl ModelFolder {
    /// The tokenizer of the vocabulary that comes with the paper's text encoder: beside a
    /// checkpoint or in the folder's `tokenizer`; else BERT's own.
    ///
    /// # Errors
    /// If its file cannot be read, or is no vocabulary of the text encoder's.
    pub(super) fn word_pieces(
        &self,
        tokens: TokenTransformer,
    ) -> Result<WordPieceTokenizer, ModelError> {
        let (path, tokenizer) = if self.one_file.is_some() {
            let path = self.path().with_file_name(VOCABULARY);
            let tokenizer = WordPieceTokenizer::open(&path, tokens.length)?;
            (path, tokenizer)
        } else {
            self.folder_word_pieces(tokens.length)?
        };
        let (has, knows) = (tokenizer.vocab_size(), tokens.vocabulary);
        if has > knows {
            let message = format!("it has {has} tokens and the text encoder only {knows}");
            return Err(ModelError::Tokenizer { path, message });
        }
        Ok(tokenizer)
    }

    /// New versions of transformers write nothing but `tokenizer.json`.
    fn folder_word_pieces(
        &self,
        length: usize,
    ) -> Result<(PathBuf, WordPieceTokenizer), ModelError> {
        let folder = self.path().join("tokenizer");
        let (list, whole) = (folder.join(VOCABULARY), folder.join("tokenizer.json"));
        let told = match list.is_file() {
            true => None,
            false => read_json::<Value>(&whole)?,
        };
        let Some(told) = told else {
            let tokenizer = WordPieceTokenizer::open(&list, length)?;
            return Ok((list, tokenizer));
        };
        let unclear = |message: &str| ModelError::Tokenizer {
            path: whole.clone(),
            message: message.to_owned(),
        };
        let vocabulary = told["model"]["vocab"]
            .as_object()
            .filter(|_| told["model"]["type"] == "WordPiece")
            .ok_or_else(|| unclear("it holds no vocabulary of word pieces"))?;
        let numbered = vocabulary.iter().map(|(token, number)| {
            let number = number
                .as_u64()
                .and_then(|number| u32::try_from(number).ok());
            Some((token.clone(), number?))
        });
        let numbered: Option<Vec<(String, u32)>> = numbered.collect();
        let numbered =
            numbered.ok_or_else(|| unclear("its vocabulary has tokens without a number"))?;
        let tokenizer = WordPieceTokenizer::of(numbered, length);
        let tokenizer = tokenizer.map_err(|message| unclear(&message))?;
        Ok((whole, tokenizer))
    }
}
