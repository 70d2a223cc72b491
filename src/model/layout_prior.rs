//! Where the things of a caption lie: boxes made of words, so that words alone can be
//! told as boxes.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::clip::{ClipTextConfig, ClipTextModel, ClipTokenizer, KeyValueCache};
use super::{ModelError, limits};
use crate::random::Random;

const CLASS: &str = "LayoutPrior";
/// Tokens of a box: class, colour, middle across and down, width and height.
const BOX_TOKENS: usize = 6;
/// Numbers of a place.
const PLACES: usize = 4;
/// How evenly is chosen what a box holds (words say that), and where it lies.
const KIND_TEMPERATURE: f32 = 0.4;
const PLACE_TEMPERATURE: f32 = 0.8;
/// Of the likeliest choices so much is kept (nucleus sampling, Holtzman et al. 2019,
/// <https://arxiv.org/abs/1904.09751>): an unlikely number is a box of no use.
const NUCLEUS: f32 = 0.9;
/// Arrangements that are tried at most until one is found in which things stand apart, and
/// how much of a box another one may cover there: what overlaps is painted badly.
const TRIES: u64 = 4;
const MOST_OVERLAP: f32 = 0.1;
/// The stream of random numbers that places are drawn from, another than that of noise.
const STREAM: u64 = 0x6c61_796f_7574;

/// `config.json` of a [`LayoutPrior`]: the sizes of a transformer of CLIP's form, and what
/// its tokens stand for. After the tokens of words come those of classes, of no colour and
/// the colours, and four times as many as `bins`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LayoutPriorConfig {
    /// Always `LayoutPrior`.
    #[serde(rename = "_class_name")]
    pub class_name: String,
    /// What a box may hold.
    pub classes: usize,
    /// Colour words that a box may have.
    pub colours: usize,
    /// Steps of a place along the side of the picture.
    pub bins: usize,
    /// Boxes that it places at most.
    pub max_boxes: usize,
    /// Tokens of words that it reads at most, with their start and end.
    pub max_tokens: usize,
    /// Words that say where things lie or how large they are, which a tokenizer that never met
    /// them has in pieces.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<String>,
    /// What several things of each class are called; of what one is called the model itself
    /// knows. None where that is not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plurals: Vec<String>,
    /// The network.
    #[serde(flatten)]
    pub transformer: ClipTextConfig,
}

impl Default for LayoutPriorConfig {
    fn default() -> Self {
        Self {
            class_name: CLASS.into(),
            classes: 1,
            colours: 0,
            bins: 64,
            max_boxes: 12,
            max_tokens: 40,
            words: Vec::new(),
            plurals: Vec::new(),
            transformer: ClipTextConfig {
                max_position_embeddings: 113,
                ..ClipTextConfig::default()
            },
        }
    }
}

impl LayoutPriorConfig {
    /// Checks that the network can be built.
    ///
    /// # Errors
    /// The first key that is not supported or contradicts another.
    pub fn validate(&self) -> Result<(), ModelError> {
        let fail = |key, value: String, supported: String| {
            Err(ModelError::unsupported(CLASS, key, value, supported))
        };
        if self.class_name != CLASS {
            return fail(
                "_class_name",
                self.class_name.clone(),
                "only LayoutPrior is".to_owned(),
            );
        }
        for (key, value, range) in [
            ("classes", self.classes, &(1..=65_536)),
            ("colours", self.colours, &(0..=65_536)),
            ("bins", self.bins, &(1..=4096)),
            ("max_boxes", self.max_boxes, &(1..=1000)),
            ("max_tokens", self.max_tokens, &(2..=10_000)),
        ] {
            limits::within(CLASS, key, value, range)?;
        }
        if !self.plurals.is_empty() && self.plurals.len() != self.classes {
            let supported = format!("there must be one for each of the {} classes", self.classes);
            return fail("plurals", self.plurals.len().to_string(), supported);
        }
        self.transformer.validate()?;
        let own = self.own_tokens();
        if self.transformer.vocab_size <= own {
            let supported = format!("it must be more than the {own} tokens of boxes");
            return fail(
                "vocab_size",
                self.transformer.vocab_size.to_string(),
                supported,
            );
        }
        let longest = self.max_tokens + BOX_TOKENS * self.max_boxes + 1;
        let length = self.transformer.max_position_embeddings;
        if length < longest {
            let supported = format!("words and boxes have up to {longest} tokens");
            return fail("max_position_embeddings", length.to_string(), supported);
        }
        Ok(())
    }

    /// Tokens that are none of words.
    fn own_tokens(&self) -> usize {
        self.classes + self.colours + 1 + PLACES * self.bins
    }

    /// Tokens of words.
    pub fn word_tokens(&self) -> usize {
        self.transformer.vocab_size - self.own_tokens()
    }

    /// Makes the network; weights are drawn when first used.
    ///
    /// # Errors
    /// Where the configuration asks for something that is not supported.
    pub fn init(&self, device: &Device) -> Result<ClipTextModel, ModelError> {
        self.validate()?;
        self.transformer.init(device)
    }
}

/// A box that was placed for words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlacedBox {
    /// Which class.
    pub class: usize,
    /// Which colour word, counted from 1; 0 for none.
    pub colour: usize,
    /// Its middle across and down, its width and its height, as shares of the picture.
    pub place: [f32; PLACES],
}

/// Tokens of which the last one is not read yet.
#[derive(Clone, Debug)]
struct Line {
    read: KeyValueCache,
    last: usize,
}

/// Goes on from the words of a caption with the boxes of what they name, one token after
/// the other, as LayoutTransformer does (Gupta et al. 2021,
/// <https://arxiv.org/abs/2006.14615>). The table of tokens is the last layer too.
/// `assets/recipes/joint/layout_prior.py` trains one.
#[derive(Debug)]
pub struct LayoutPrior {
    config: LayoutPriorConfig,
    tokenizer: ClipTokenizer,
    network: ClipTextModel,
    device: Device,
}

impl LayoutPrior {
    /// Of a network whose first tokens are those of a tokenizer.
    ///
    /// # Errors
    /// If the tokenizer has another number of tokens.
    pub fn new(
        config: LayoutPriorConfig,
        tokenizer: ClipTokenizer,
        network: ClipTextModel,
        device: &Device,
    ) -> Result<Self, ModelError> {
        if tokenizer.vocab_size() != config.word_tokens() {
            return Err(ModelError::unsupported(
                CLASS,
                "vocab_size",
                config.transformer.vocab_size,
                format!(
                    "with the {} tokens of the tokenizer it must be {}",
                    tokenizer.vocab_size(),
                    tokenizer.vocab_size() + config.own_tokens()
                ),
            ));
        }
        Ok(Self {
            config,
            tokenizer,
            network,
            device: device.clone(),
        })
    }

    /// The configuration the network was made from.
    pub fn config(&self) -> &LayoutPriorConfig {
        &self.config
    }

    /// Number of weights.
    pub fn parameter_count(&self) -> usize {
        self.network.num_params()
    }

    /// Boxes for what a text names, the farthest first; a seed places them always in the
    /// same way. None where the text names nothing that it knows.
    pub fn placed(&self, text: &str, seed: u64) -> Vec<PlacedBox> {
        let mut best = (f32::INFINITY, Vec::new());
        let begun = self.begun(&self.words(text));
        for number in 0..TRIES {
            let boxes = self.drawn(begun.clone(), Random::new(seed, STREAM + number));
            let overlap = most_overlap(&boxes);
            if overlap < best.0 {
                best = (overlap, boxes);
            }
            if overlap <= MOST_OVERLAP {
                break;
            }
        }
        best.1
    }

    /// A text as tokens, cut to the most that it reads.
    fn words(&self, text: &str) -> Vec<usize> {
        let mut tokens = self.tokenizer.tokens(text);
        let most = self.config.max_tokens;
        if tokens.len() > most {
            tokens.truncate(most - 1);
            tokens.push(self.tokenizer.end_token());
        }
        tokens.into_iter().map(|token| token as usize).collect()
    }

    /// Some tokens, of which all but the last are read.
    fn begun(&self, tokens: &[usize]) -> Line {
        let mut line = Line {
            read: self.network.nothing_read(),
            last: 0,
        };
        if let Some((last, others)) = tokens.split_last() {
            line.last = *last;
            if !others.is_empty() {
                self.network.next_token(&mut line.read, self.given(others));
            }
        }
        line
    }

    /// One arrangement for a text.
    fn drawn(&self, mut line: Line, mut random: Random) -> Vec<PlacedBox> {
        let LayoutPriorConfig {
            classes,
            colours,
            bins,
            max_boxes,
            ..
        } = self.config;
        let end = self.tokenizer.end_token() as usize;
        let mut boxes = Vec::new();
        let first_class = self.config.word_tokens();
        let first_colour = first_class + classes;
        let first_place = first_colour + colours + 1;
        while boxes.len() < max_boxes {
            let kinds = (first_class..first_colour).chain([end]);
            let class = self.next(&mut line, kinds, KIND_TEMPERATURE, &mut random);
            if class == end {
                break;
            }
            let tints = first_colour..first_place;
            let colour = self.next(&mut line, tints, KIND_TEMPERATURE, &mut random);
            let mut place = [0.0; PLACES];
            for (number, value) in place.iter_mut().enumerate() {
                let from = first_place + number * bins;
                let steps = from..from + bins;
                let step = self.next(&mut line, steps, PLACE_TEMPERATURE, &mut random);
                *value = ((step - from) as f32 + 0.5) / bins as f32;
            }
            boxes.push(PlacedBox {
                class: class - first_class,
                colour: colour - first_colour,
                place,
            });
        }
        // Learnt in the order of the words; what stands nearer covers what is behind it.
        let foot = |it: &PlacedBox| it.place[1] + it.place[3] / 2.0;
        boxes.sort_by(|one, other| foot(one).total_cmp(&foot(other)));
        boxes
    }

    /// How much each token is expected after some: logits.
    pub fn expected(&self, tokens: &[usize]) -> Vec<f32> {
        self.expected_after(&mut self.begun(tokens))
    }

    fn expected_after(&self, line: &mut Line) -> Vec<f32> {
        let last = self.given(&[line.last]);
        let expected = self.network.next_token(&mut line.read, last);
        expected.into_data().iter().collect()
    }

    fn given(&self, tokens: &[usize]) -> Tensor<2, Int> {
        let given: Vec<i32> = tokens.iter().map(|token| *token as i32).collect();
        Tensor::from_data(TensorData::new(given, [1, tokens.len()]), &self.device)
    }

    /// Draws the next token of some, and writes it down.
    fn next(
        &self,
        line: &mut Line,
        choices: impl Iterator<Item = usize>,
        temperature: f32,
        random: &mut Random,
    ) -> usize {
        let expected = self.expected_after(line);
        let offered: Vec<(usize, f32)> = choices
            .map(|token| (token, expected[token] / temperature))
            .collect();
        line.last = chosen(&offered, random.unit());
        line.last
    }
}

/// The most that a box shares with another one, as a part of the smaller of both.
fn most_overlap(boxes: &[PlacedBox]) -> f32 {
    let pairs = boxes.iter().enumerate();
    let pairs = pairs.flat_map(|(at, one)| boxes[..at].iter().map(move |other| (one, other)));
    let overlap = |(one, other): (&PlacedBox, &PlacedBox)| {
        let [a, b] = [one.place, other.place];
        let shared = |axis: usize| {
            let ends =
                |it: [f32; PLACES]| (it[axis] - it[axis + 2] / 2.0, it[axis] + it[axis + 2] / 2.0);
            let ((from_a, to_a), (from_b, to_b)) = (ends(a), ends(b));
            (to_a.min(to_b) - from_a.max(from_b)).max(0.0)
        };
        shared(0) * shared(1) / (a[2] * a[3]).min(b[2] * b[3])
    };
    pairs.map(overlap).fold(0.0, f32::max)
}

/// One of some tokens by their logits: of the likeliest that have [`NUCLEUS`] together the
/// one at a place from 0 to 1.
fn chosen(offered: &[(usize, f32)], at: f32) -> usize {
    let largest = offered.iter().map(|it| it.1).fold(f32::MIN, f32::max);
    let mut shares: Vec<(usize, f32)> = offered
        .iter()
        .map(|(token, logit)| (*token, (logit - largest).exp()))
        .collect();
    shares.sort_by(|one, other| other.1.total_cmp(&one.1));
    let all: f32 = shares.iter().map(|it| it.1).sum();
    let mut sum = 0.0;
    let kept = shares.iter().position(|it| {
        sum += it.1;
        sum >= NUCLEUS * all
    });
    shares.truncate(kept.map_or(shares.len(), |last| last + 1));
    let mut left = at * shares.iter().map(|it| it.1).sum::<f32>();
    let found = shares.iter().find(|it| {
        left -= it.1;
        left < 0.0
    });
    found.or(shares.last()).map_or(0, |it| it.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_overlap_by_a_part_of_the_smaller_one() {
        let one = |place: [f32; PLACES]| PlacedBox {
            class: 0,
            colour: 0,
            place,
        };
        let large = one([0.5, 0.5, 0.4, 0.4]);
        assert_eq!(most_overlap(&[large]), 0.0);
        let inside = one([0.5, 0.5, 0.1, 0.1]);
        assert!((most_overlap(&[large, inside]) - 1.0).abs() < 1e-5);
        let half = one([0.7, 0.5, 0.2, 0.2]);
        assert!((most_overlap(&[half, large]) - 0.5).abs() < 1e-5);
        assert_eq!(most_overlap(&[one([0.1, 0.5, 0.1, 0.1]), large]), 0.0);
    }

    #[test]
    fn unlikely_choices_are_never_drawn() {
        let offered = [(5, 0.0), (6, 3.0), (7, 2.0), (8, -9.0)];
        assert_eq!(chosen(&offered, 0.0), 6);
        assert_eq!(chosen(&offered, 0.999), 7);
        assert_eq!(chosen(&[(3, f32::NAN)], 0.5), 3);
        let even: Vec<(usize, f32)> = (0..10).map(|token| (token, 1.0)).collect();
        let all: std::collections::BTreeSet<usize> = (0..100)
            .map(|at| chosen(&even, at as f32 / 100.0))
            .collect();
        assert_eq!(all.len(), 9);
    }

    #[test]
    fn sizes_that_contradict_each_other_are_refused_by_name() {
        let config = |change: &dyn Fn(&mut serde_json::Value)| {
            let mut json = serde_json::json!({
                "_class_name": "LayoutPrior", "classes": 3, "colours": 2, "bins": 8, "max_boxes": 2,
                "max_tokens": 10, "vocab_size": 60, "hidden_size": 16, "intermediate_size": 32,
                "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 23,
            });
            change(&mut json);
            let config: LayoutPriorConfig = serde_json::from_value(json).expect("a configuration");
            config.validate().map_err(|error| error.to_string())
        };
        assert_eq!(config(&|_| {}), Ok(()));
        for (key, value) in [
            ("_class_name", serde_json::json!("Other")),
            ("classes", 0.into()),
            ("bins", 4_294_967_295_u64.into()),
            ("vocab_size", 38.into()),
            ("max_position_embeddings", 22.into()),
            ("hidden_size", 0.into()),
        ] {
            let error = config(&|json| json[key] = value.clone()).expect_err(key);
            assert!(error.contains(key), "{error}");
        }
    }
}
