//! CLIP's text encoder and tokenizer.

mod added_tokens;
mod bpe;
mod text;
mod tokenizer;
mod tokenizer_files;
mod tokenizer_json;

pub use text::{ClipTextConfig, ClipTextModel, HiddenAct, InnerStates, KeyValueCache, TokenTexts};
pub use tokenizer::ClipTokenizer;
