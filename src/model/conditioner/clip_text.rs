//! Words, as the states of CLIP's text encoder.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::unread::unread;
use super::{Asked, Bench, Conditioner, Conditioning};
use crate::model::{ClipTextModel, ClipTokenizer};
use crate::nn;

/// The part of what a denoiser is told that words are.
pub const TEXT: &str = "text";

/// The states of texts, given as tokens, one text after the other.
///
/// # Shapes
/// `[texts, tokens, width]`.
pub fn states(
    network: &ClipTextModel,
    tokens: Vec<i32>,
    texts: usize,
    device: &Device,
) -> Tensor<3> {
    let shape = [texts, tokens.len() / texts.max(1)];
    network.forward(Tensor::<2, Int>::from_data(
        TensorData::new(tokens, shape),
        device,
    ))
}

/// Tells the denoiser of words.
#[derive(Debug)]
pub struct ClipText {
    tokenizer: ClipTokenizer,
    network: ClipTextModel,
}

impl ClipText {
    /// The tokenizer must know no more tokens than the network.
    pub fn new(tokenizer: ClipTokenizer, network: ClipTextModel) -> Self {
        Self { tokenizer, network }
    }

    fn states(&self, texts: &[&str], device: &Device) -> Conditioning {
        let tokens = texts.iter().flat_map(|text| self.tokenizer.encode(text));
        let tokens: Vec<i32> = tokens.map(|token| token as i32).collect();
        let states = states(&self.network, tokens, texts.len(), device);
        Conditioning {
            context: vec![(TEXT, states)],
            ..Conditioning::default()
        }
    }
}

impl Conditioner for ClipText {
    fn encode(&self, asked: &Asked<'_>, bench: &mut Bench<'_>) -> Option<Conditioning> {
        let Asked::Text { prompt, negative } = asked else {
            return None;
        };
        let texts: Vec<&str> = negative.iter().copied().chain([*prompt]).collect();
        Some(self.states(&texts, bench.device))
    }

    /// The text without words.
    fn nothing(&self, bench: &mut Bench<'_>) -> Conditioning {
        self.states(&[""], bench.device)
    }

    fn unread<'t>(&self, text: &'t str) -> &'t str {
        unread(&self.tokenizer, text)
    }

    fn parameter_count(&self) -> usize {
        nn::parameter_count(&self.network)
    }
}
