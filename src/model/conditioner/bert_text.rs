//! Words, as the states of the paper's own text encoder: a transformer over the tokens
//! of BERT (Rombach et al. 2022, §4.3.1). Signs of emphasis are words to it, as they are
//! to the paper's code.

use burn::tensor::Device;

use super::clip_text::TEXT;
use super::token_transformer::TokenEncoder;
use super::{Asked, Bench, Conditioner, Conditioning};
use crate::model::WordPieceTokenizer;
use crate::nn;
use crate::recipe::prompt::TextReading;

/// Tells the denoiser of words.
#[derive(Debug)]
pub struct BertText {
    tokenizer: WordPieceTokenizer,
    network: TokenEncoder,
}

impl BertText {
    /// The tokenizer must know no more tokens than the network, and cut texts to what
    /// it reads.
    pub fn new(tokenizer: WordPieceTokenizer, network: TokenEncoder) -> Self {
        Self { tokenizer, network }
    }

    fn states(&self, texts: &[&str], device: &Device) -> Conditioning {
        let tokens = texts.iter().flat_map(|text| self.tokenizer.encode(text));
        let tokens: Vec<i32> = tokens.map(|token| token as i32).collect();
        Conditioning {
            context: vec![(TEXT, self.network.states(tokens, device))],
            ..Conditioning::default()
        }
    }
}

impl Conditioner for BertText {
    fn encode(&self, asked: &Asked<'_>, bench: &mut Bench<'_>) -> Option<Conditioning> {
        let (prompt, negative, _) = asked.text()?;
        let texts: Vec<&str> = negative.into_iter().chain([prompt]).collect();
        Some(self.states(&texts, bench.device))
    }

    /// The text without words.
    fn nothing(&self, bench: &mut Bench<'_>) -> Conditioning {
        self.states(&[""], bench.device)
    }

    fn words(
        &self,
        texts: &[&str],
        _reading: TextReading,
        bench: &Bench<'_>,
    ) -> Option<Conditioning> {
        Some(self.states(texts, bench.device))
    }

    fn parameter_count(&self) -> usize {
        nn::parameter_count(&self.network)
    }
}
