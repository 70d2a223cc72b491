//! CLIP's text encoder and tokenizer.

mod bpe;
mod nfc;
mod text;
mod tokenizer;

pub use text::{ClipTextConfig, ClipTextModel, HiddenAct};
pub use tokenizer::ClipTokenizer;
