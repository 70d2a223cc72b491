//! Words, as the states of CLIP's text encoder.

use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::words::LearnedWord;
use super::{Asked, Bench, Chunk, Conditioner, Conditioning, TextReader};
use crate::model::clip::TokenTexts;
use crate::model::{ClipTextModel, ClipTokenizer, ModelError};
use crate::nn;
use crate::recipe::prompt::TextReading;

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
    network.forward(token_rows(tokens, texts, device))
}

fn token_rows(tokens: Vec<i32>, rows: usize, device: &Device) -> Tensor<2, Int> {
    let shape = [rows, tokens.len() / rows.max(1)];
    Tensor::from_data(TensorData::new(tokens, shape), device)
}

/// Tells the denoiser of words.
#[derive(Debug)]
pub struct ClipText {
    reader: TextReader,
    network: ClipTextModel,
    /// Vectors of tokens beyond those of the network, by their order.
    learned: Vec<Vec<f32>>,
}

impl ClipText {
    /// The tokenizer must know no more tokens than the network.
    pub fn new(tokenizer: ClipTokenizer, network: ClipTextModel) -> Self {
        Self {
            reader: TextReader::new(tokenizer),
            network,
            learned: Vec::new(),
        }
    }

    /// States of texts, given as tokens, one text after the other.
    fn encoded(&self, tokens: Vec<i32>, texts: usize, layers: usize, device: &Device) -> Tensor<3> {
        if self.learned.is_empty() {
            let rows = token_rows(tokens, texts, device);
            return self.network.forward_through(rows, layers);
        }
        let texts = TokenTexts {
            tokens: &tokens,
            shape: [texts, tokens.len() / texts.max(1)],
            learned: &self.learned,
        };
        self.network.forward_with(texts, layers, device)
    }

    /// All texts get as many chunks as the longest has.
    fn states(&self, texts: &[&str], reading: TextReading, device: &Device) -> Conditioning {
        let mut read: Vec<Vec<Chunk>> = texts
            .iter()
            .map(|text| self.reader.chunks(text, reading.syntax))
            .collect();
        let most = read.iter().map(Vec::len).max().unwrap_or(1);
        for chunks in &mut read {
            chunks.resize(most, self.reader.empty());
        }
        let chunks: Vec<Chunk> = read.into_iter().flatten().collect();
        let tokens = chunks.iter().flat_map(|chunk| &chunk.tokens);
        let tokens: Vec<i32> = tokens.map(|token| *token as i32).collect();
        let skipped = reading.clip_skip.saturating_sub(1) as usize;
        let layers = self.network.layers().saturating_sub(skipped).max(1);
        let states = self.encoded(tokens, chunks.len(), layers, device);
        let states = weighted(states, &chunks);
        let [_, length, width] = states.dims();
        Conditioning {
            context: vec![(TEXT, states.reshape([texts.len(), most * length, width]))],
            ..Conditioning::default()
        }
    }
}

/// States times the weights of their tokens, brought back to the mean that all states of
/// their chunk had: the "original" emphasis of AUTOMATIC1111's web UI.
///
/// # Shapes
/// `[chunks, tokens, width]` to the same.
pub(super) fn weighted(states: Tensor<3>, chunks: &[Chunk]) -> Tensor<3> {
    let is_plain = |chunk: &Chunk| chunk.weights.iter().all(|weight| *weight == 1.0);
    if chunks.iter().all(is_plain) {
        return states;
    }
    let device = states.device();
    let rows = chunks.iter().enumerate().map(|(row, chunk)| {
        let before = states.clone().narrow(0, row, 1);
        if is_plain(chunk) {
            return before;
        }
        let shape = [1, chunk.weights.len(), 1];
        let weights = TensorData::new(chunk.weights.clone(), shape);
        let after = before.clone() * Tensor::from_data(weights, &device);
        let mean = |states: &Tensor<3>| states.clone().mean_dim(2).mean_dim(1);
        let share = mean(&before) / mean(&after);
        // States of mean 0 have none that could be restored.
        let is_number = share.clone().is_finite();
        after * share.mask_fill(is_number.bool_not(), 1.0)
    });
    Tensor::cat(rows.collect(), 0)
}

/// A reader that knows words which were taught to an encoder of `first` tokens, the first or
/// the second of its model, and the vectors that they stand for.
pub(super) fn taught(
    reader: &TextReader,
    first: usize,
    words: &[LearnedWord],
    which: usize,
) -> Result<(TextReader, Vec<Vec<f32>>), ModelError> {
    let named = words.iter().flat_map(|learned| {
        let count = learned.vectors[which].len();
        learned.words.iter().map(move |word| (word.as_str(), count))
    });
    // A word of two names stands for its vectors twice: they are few.
    let vectors = words.iter().flat_map(|learned| {
        let names = learned.words.len();
        std::iter::repeat_n(&learned.vectors[which], names)
            .flatten()
            .cloned()
    });
    let tokenizer = reader.tokenizer().clone().taught(named, first)?;
    Ok((TextReader::new(tokenizer), vectors.collect()))
}

impl Conditioner for ClipText {
    fn encode(&self, asked: &Asked<'_>, bench: &mut Bench<'_>) -> Option<Conditioning> {
        let (prompt, negative, reading) = asked.text()?;
        let texts: Vec<&str> = negative.into_iter().chain([prompt]).collect();
        Some(self.states(&texts, reading, bench.device))
    }

    /// The text without words.
    fn nothing(&self, bench: &mut Bench<'_>) -> Conditioning {
        self.states(&[""], TextReading::PLAIN, bench.device)
    }

    fn words(
        &self,
        texts: &[&str],
        reading: TextReading,
        bench: &Bench<'_>,
    ) -> Option<Conditioning> {
        Some(self.states(texts, reading, bench.device))
    }

    /// The state of the end of each, which has seen all of it.
    fn phrases(&self, phrases: &[&str], device: &Device) -> Option<Tensor<2>> {
        let tokenizer = self.reader.tokenizer();
        let read: Vec<Vec<u32>> = phrases.iter().map(|text| tokenizer.encode(text)).collect();
        let tokens = read.iter().flatten().map(|token| *token as i32).collect();
        let states = self.encoded(tokens, read.len(), self.network.layers(), device);
        let width = states.dims()[2];
        let ends = read.iter().enumerate().map(|(row, tokens)| {
            let is_end = |token: &u32| *token == tokenizer.end_token();
            let end = tokens.iter().skip(1).position(is_end);
            let end = end.map_or(tokens.len() - 1, |place| place + 1);
            let state = states.clone().narrow(0, row, 1).narrow(1, end, 1);
            state.reshape([1, width])
        });
        Some(Tensor::cat(ends.collect(), 0))
    }

    fn reader(&self) -> Option<&TextReader> {
        Some(&self.reader)
    }

    fn text_layers(&self) -> Option<usize> {
        Some(self.network.layers())
    }

    fn parameter_count(&self) -> usize {
        nn::parameter_count(&self.network)
    }

    fn text_encoders(&self) -> [Option<&ClipTextModel>; 2] {
        [Some(&self.network), None]
    }

    fn with_texts(
        &self,
        networks: [Option<ClipTextModel>; 2],
        words: &[LearnedWord],
    ) -> Option<Result<Arc<dyn Conditioner>, ModelError>> {
        let [network, _] = networks;
        let network = network?;
        let taught = taught(&self.reader, network.config().vocab_size, words, 0);
        Some(taught.map(|(reader, learned)| {
            let text = Self {
                reader,
                network,
                learned,
            };
            Arc::new(text) as Arc<dyn Conditioner>
        }))
    }
}
