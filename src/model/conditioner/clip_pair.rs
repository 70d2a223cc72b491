//! Words, as the states of CLIP's and OpenCLIP's text encoders side by side, and what a
//! denoiser is told beside them of the whole text and of sizes: Stable Diffusion XL (Podell
//! et al. 2023, <https://arxiv.org/abs/2307.01952>).

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};

use super::clip_text::{TEXT, taught, weighted};
use super::words::LearnedWord;
use super::{Asked, Bench, Chunk, Conditioner, Conditioning, TextReader};
use crate::model::clip::{InnerStates, TokenTexts};
use crate::model::{ClipTextModel, ClipTokenizer, ModelError, UNet2dConfig};
use crate::nn::{self, sinusoidal_embedding};
use crate::recipe::prompt::TextReading;

/// Layers at the end whose states the denoiser never sees.
const UNSEEN_LAYERS: u32 = 1;
/// Numbers that tell of sizes: of the picture trained on, of the corner cut out of it, and of
/// the picture that is wanted; each height first.
const SIZES: usize = 6;
/// The same of a refiner, which is told a score instead of the last two.
const REFINER_SIZES: usize = 5;
/// How beautiful a picture is to be, and one to steer away from.
const SCORES: [f32; 2] = [6.0, 2.5];

/// A text encoder with the words that it reads.
#[derive(Debug)]
pub struct TextEncoder {
    /// Makes tokens of texts.
    pub tokenizer: ClipTokenizer,
    /// Makes states of tokens.
    pub network: ClipTextModel,
}

/// How a denoiser is told of sizes, and of nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SizeWaves {
    /// Numbers that tell of sizes.
    count: usize,
    /// Width of the waves of each.
    width: usize,
    is_cosine_first: bool,
    shift: f64,
    /// Whether a text to steer away from that has no words is told as zeros.
    is_nothing_zero: bool,
}

impl SizeWaves {
    /// As a denoiser takes them beside a vector of a whole text that is `pooled` wide.
    ///
    /// # Errors
    /// If it is told of no sizes, or of others than those known.
    pub fn of(
        unet: &UNet2dConfig,
        pooled: usize,
        is_nothing_zero: bool,
    ) -> Result<Self, ModelError> {
        let fail = |key, value: String, supported: String| {
            Err(ModelError::unsupported(
                "UNet2DConditionModel",
                key,
                value,
                supported,
            ))
        };
        let Some(added) = unet.added() else {
            let supported = "beside a second text encoder it must be text_time";
            return fail("addition_embed_type", "null".into(), supported.into());
        };
        let count = added.width.saturating_sub(pooled) / added.waves.max(1);
        if ![SIZES, REFINER_SIZES].contains(&count) || pooled + count * added.waves != added.width {
            let supported = format!(
                "it must be {pooled}, the width of whole texts, and {SIZES} or {REFINER_SIZES} times {}",
                added.waves
            );
            let key = "projection_class_embeddings_input_dim";
            return fail(key, added.width.to_string(), supported);
        }
        Ok(Self {
            count,
            width: added.waves,
            is_cosine_first: unet.flip_sin_to_cos,
            shift: unet.freq_shift as f64,
            is_nothing_zero,
        })
    }

    /// What is told of a picture that is whole and as large as is wanted.
    ///
    /// # Shapes
    /// `[1, count * width]`.
    fn waves(&self, [width_px, height_px]: [usize; 2], score: f32, device: &Device) -> Tensor<2> {
        let (width, height) = (width_px as f32, height_px as f32);
        let mut numbers = vec![height, width, 0.0, 0.0];
        match self.count {
            REFINER_SIZES => numbers.push(score),
            _ => numbers.extend([height, width]),
        }
        let count = numbers.len();
        let numbers = Tensor::<1>::from_data(TensorData::new(numbers, [count]), device);
        let waves = sinusoidal_embedding(numbers, self.width, self.is_cosine_first, self.shift);
        waves.reshape([1, count * self.width])
    }
}

/// Tells the denoiser of words by two text encoders, or by the second alone.
#[derive(Debug)]
pub struct ClipPair {
    first: Option<Half>,
    second: Half,
    sizes: SizeWaves,
}

/// One of the text encoders.
#[derive(Debug)]
struct Half {
    reader: TextReader,
    network: ClipTextModel,
    /// Vectors of tokens beyond those of the network, by their order.
    learned: Vec<Vec<f32>>,
}

impl Half {
    fn new(TextEncoder { tokenizer, network }: TextEncoder) -> Self {
        Self {
            reader: TextReader::new(tokenizer),
            network,
            learned: Vec::new(),
        }
    }

    /// The same of another network, with words that were taught to it.
    fn taught(
        &self,
        network: ClipTextModel,
        words: &[LearnedWord],
        which: usize,
    ) -> Result<Self, ModelError> {
        let first = network.config().vocab_size;
        let (reader, learned) = taught(&self.reader, first, words, which)?;
        Ok(Self {
            reader,
            network,
            learned,
        })
    }

    fn chunks(&self, texts: &[&str], reading: TextReading) -> Vec<Vec<Chunk>> {
        let chunks = |text: &&str| self.reader.chunks(text, reading.syntax);
        texts.iter().map(chunks).collect()
    }

    /// States of chunks of so many texts, each filled up to as many; and of the whole of the
    /// first of each.
    fn states(
        &self,
        mut texts: Vec<Vec<Chunk>>,
        most: usize,
        clip_skip: u32,
        device: &Device,
    ) -> InnerStates {
        let count = texts.len();
        for chunks in &mut texts {
            chunks.resize(most, self.reader.empty());
        }
        let chunks: Vec<Chunk> = texts.into_iter().flatten().collect();
        let tokens = chunks.iter().flat_map(|chunk| &chunk.tokens);
        let tokens: Vec<i32> = tokens.map(|token| *token as i32).collect();
        let end = self.reader.tokenizer().end_token();
        let ends = chunks.iter().map(|chunk| {
            let mut tokens = chunk.tokens.iter();
            // The last place, should a text have no end.
            let place = tokens.position(|token| *token == end);
            place.unwrap_or(chunk.tokens.len() - 1)
        });
        let texts = TokenTexts {
            tokens: &tokens,
            shape: [chunks.len(), tokens.len() / chunks.len().max(1)],
            learned: &self.learned,
        };
        // 1 and 2 are the same: others count from the last layer, whose states are not seen.
        let skipped = clip_skip.saturating_sub(1).max(UNSEEN_LAYERS) as usize;
        let layers = self.network.layers().saturating_sub(skipped).max(1);
        let ends: Vec<usize> = ends.collect();
        let inner = self.network.forward_inner(texts, &ends, layers, device);
        let states = weighted(inner.states, &chunks);
        let [_, length, width] = states.dims();
        let first = |pooled: Tensor<2>| {
            let [_, width] = pooled.dims();
            let all: Tensor<3> = pooled.reshape([count, most, width]);
            all.narrow(1, 0, 1).squeeze_dim(1)
        };
        InnerStates {
            states: states.reshape([count, most * length, width]),
            pooled: inner.pooled.map(first),
        }
    }
}

impl ClipPair {
    /// The tokenizers must know no more tokens than their networks, and the second network
    /// have a projection.
    pub fn new(first: Option<TextEncoder>, second: TextEncoder, sizes: SizeWaves) -> Self {
        Self {
            first: first.map(Half::new),
            second: Half::new(second),
            sizes,
        }
    }

    /// In the order of their states.
    fn halves(&self) -> impl Iterator<Item = &Half> {
        self.first.iter().chain([&self.second])
    }

    /// What is told of a text: its states side by side, and what is added.
    fn told(
        &self,
        texts: &[&str],
        scores: &[f32],
        reading: TextReading,
        bench: &Bench<'_>,
    ) -> Conditioning {
        let device = bench.device;
        let read: Vec<_> = self
            .halves()
            .map(|half| half.chunks(texts, reading))
            .collect();
        let counts = read.iter().flatten().map(Vec::len);
        let most = counts.max().unwrap_or(1);
        let halves = self.halves().zip(read);
        let states: Vec<InnerStates> = halves
            .map(|(half, chunks)| half.states(chunks, most, reading.clip_skip, device))
            .collect();
        // The first one's is not asked for.
        let pooled = states.last().and_then(|last| last.pooled.clone());
        let states = states.into_iter().map(|inner| inner.states).collect();
        let waves = scores
            .iter()
            .map(|score| self.sizes.waves(bench.size_px, *score, device));
        let waves = Tensor::cat(waves.collect(), 0);
        Conditioning {
            context: vec![(TEXT, Tensor::cat(states, 2))],
            added: pooled.map(|pooled| Tensor::cat(vec![pooled, waves], 1)),
            ..Conditioning::default()
        }
    }

    /// What is told of no text, as long as what is told of another one.
    fn zeros(&self, like: &Conditioning, score: f32, bench: &Bench<'_>) -> Conditioning {
        let waves = self.sizes.waves(bench.size_px, score, bench.device);
        let context = like.context.iter();
        let context = context.map(|(name, states)| (*name, states.zeros_like()));
        let added = like.added.as_ref().map(|added| {
            let pooled = added.dims()[1] - waves.dims()[1];
            let zeros = Tensor::zeros([1, pooled], bench.device);
            Tensor::cat(vec![zeros, waves], 1)
        });
        Conditioning {
            context: context.collect(),
            added,
            ..Conditioning::default()
        }
    }
}

impl Conditioner for ClipPair {
    fn encode(&self, asked: &Asked<'_>, bench: &mut Bench<'_>) -> Option<Conditioning> {
        let (prompt, negative, reading) = asked.text()?;
        let [score, away] = SCORES;
        let is_zero = |text: &str| self.sizes.is_nothing_zero && text.trim().is_empty();
        Some(match negative {
            None => self.told(&[prompt], &[score], reading, bench),
            Some(negative) if is_zero(negative) => {
                let told = self.told(&[prompt], &[score], reading, bench);
                Conditioning::branches(self.zeros(&told, away, bench), told)
            }
            Some(negative) => self.told(&[negative, prompt], &[away, score], reading, bench),
        })
    }

    /// The text without words.
    fn nothing(&self, bench: &mut Bench<'_>) -> Conditioning {
        self.told(&[""], &[SCORES[0]], TextReading::PLAIN, bench)
    }

    fn words(
        &self,
        texts: &[&str],
        reading: TextReading,
        bench: &Bench<'_>,
    ) -> Option<Conditioning> {
        let scores = vec![SCORES[0]; texts.len()];
        Some(self.told(texts, &scores, reading, bench))
    }

    fn reader(&self) -> Option<&TextReader> {
        self.halves().next().map(|half| &half.reader)
    }

    fn text_layers(&self) -> Option<usize> {
        self.halves().map(|half| half.network.layers()).min()
    }

    fn parameter_count(&self) -> usize {
        let networks = self.halves().map(|half| &half.network);
        networks.map(nn::parameter_count).sum()
    }

    fn text_encoders(&self) -> [Option<&ClipTextModel>; 2] {
        let first = self.first.as_ref().map(|half| &half.network);
        [first, Some(&self.second.network)]
    }

    fn with_texts(
        &self,
        networks: [Option<ClipTextModel>; 2],
        words: &[LearnedWord],
    ) -> Option<Result<Arc<dyn Conditioner>, ModelError>> {
        let [first, second] = networks;
        let anew = || {
            let first = self.first.as_ref().zip(first);
            let first = first.map(|(half, network)| half.taught(network, words, 0));
            let second = self.second.taught(second?, words, 1);
            Some(first.transpose().and_then(|first| {
                Ok(Self {
                    first,
                    second: second?,
                    sizes: self.sizes,
                })
            }))
        };
        anew().map(|anew| anew.map(|it| Arc::new(it) as Arc<dyn Conditioner>))
    }
}
