//! Boxes as the paper's models are told them: for each its class and two corners, as
//! tokens of one vocabulary (`taming/data/conditional_builder`; Rombach et al. 2022,
//! §4.3.2 and appendix E.2.1). Positions of tokens are learned, so the order of boxes
//! matters: it is kept.

use super::layout::{BOXES, BoxNames};
use super::token_transformer::TokenEncoder;
use super::{Asked, Bench, Conditioner, Conditioning};
use crate::model::ModelError;
use crate::model::paper::TokenTransformer;
use crate::nn::parameter_count;
use crate::recipe::LayoutBox;

/// Tokens of a box.
const PER_BOX: usize = 3;

/// How boxes are written as tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoxGrammar {
    /// Tokens that there are; the last stands for nothing.
    vocabulary: usize,
    /// Places of corners along each side of the picture.
    sections: usize,
    /// Boxes that there is room for.
    boxes: usize,
    /// Whether two more tokens tell which part of the picture is shown.
    tells_crop: bool,
}

impl BoxGrammar {
    /// The grammar of a network that reads so many tokens of such a vocabulary.
    ///
    /// # Errors
    /// If its tokens are no boxes, nor boxes and a part of the picture.
    pub fn of(sizes: TokenTransformer) -> Result<Self, ModelError> {
        let TokenTransformer {
            vocabulary, length, ..
        } = sizes;
        let (boxes, rest) = (length / PER_BOX, length % PER_BOX);
        if boxes == 0 || rest == 1 {
            return Err(ModelError::unsupported(
                "BERTEmbedder",
                "max_seq_len",
                length,
                "boxes have three tokens each, and a part of the picture two",
            ));
        }
        if vocabulary < 4 {
            return Err(ModelError::unsupported(
                "BERTEmbedder",
                "vocab_size",
                vocabulary,
                "it must be at least 4 for boxes",
            ));
        }
        Ok(Self {
            vocabulary,
            sections: vocabulary.isqrt(),
            boxes,
            tells_crop: rest > 0,
        })
    }

    /// Boxes that are seen at most.
    pub fn max_boxes(self) -> usize {
        self.boxes
    }

    /// Classes that there may be: the last token stands for nothing.
    pub fn max_classes(self) -> usize {
        self.vocabulary - 1
    }

    /// Whether the last tokens tell which part of the picture is shown.
    pub fn tells_crop(self) -> bool {
        self.tells_crop
    }

    /// The token of a place, in shares of the picture.
    fn place(self, x: f64, y: f64) -> i32 {
        let last = (self.sections - 1) as f64;
        // As in Python, halves go to the even number.
        let section = |share: f64| (share.clamp(0.0, 1.0) * last).round_ties_even() as usize;
        (section(y) * self.sections + section(x)) as i32
    }

    /// The tokens of boxes, each of a class and its x0, y0, width and height in shares of
    /// the picture. Boxes that lie outside of it are passed over, and those for which there
    /// is no room.
    pub fn tokens(self, boxes: &[(usize, [f64; 4])]) -> Vec<i32> {
        self.tokens_in(boxes, [0.0, 0.0, 1.0, 1.0])
    }

    /// The same where no more than a part of that picture is shown: its x0, y0, width and
    /// height in shares of the whole.
    pub fn tokens_in(
        self,
        boxes: &[(usize, [f64; 4])],
        [left, top, across, down]: [f64; 4],
    ) -> Vec<i32> {
        let none = (self.vocabulary - 1) as i32;
        let is_seen = |it: &&(usize, [f64; 4])| {
            let [x, y, width, height] = it.1;
            let along = |from: f64, length: f64| (from + length).min(1.0) - from.max(0.0);
            along(x, width) > 0.0 && along(y, height) > 0.0
        };
        let mut tokens = Vec::with_capacity(PER_BOX * self.boxes + 2);
        // Only so many are looked at, also where some of them are not seen.
        for (class, [x, y, width, height]) in boxes.iter().take(self.boxes).filter(is_seen) {
            let (x, y) = (x.clamp(0.0, 1.0), y.clamp(0.0, 1.0));
            let (width, height) = (width.min(1.0 - x), height.min(1.0 - y));
            let class = (*class).min(self.max_classes() - 1) as i32;
            tokens.extend([class, self.place(x, y), self.place(x + width, y + height)]);
        }
        tokens.resize(PER_BOX * self.boxes, none);
        if self.tells_crop {
            let end = self.place(left + across, top + down);
            tokens.extend([self.place(left, top), end]);
        }
        tokens
    }
}

/// Tells the denoiser of boxes.
#[derive(Debug)]
pub struct BoxTokens {
    names: BoxNames,
    grammar: BoxGrammar,
    network: TokenEncoder,
}

impl BoxTokens {
    /// For a denoiser that knows these names.
    pub fn new(names: BoxNames, grammar: BoxGrammar, network: TokenEncoder) -> Self {
        Self {
            names,
            grammar,
            network,
        }
    }

    fn told(&self, boxes: &[LayoutBox], bench: &Bench<'_>) -> Conditioning {
        let size_px = bench.size_px.map(|side| side as f64);
        let known = boxes
            .iter()
            .filter_map(|it| self.names.class(it).map(|class| (class, it.rect)));
        let known = known.map(|(class, [x, y, width, height])| {
            let [across, down] = size_px;
            let share = |length: f32, side: f64| f64::from(length) / side;
            let rect = [
                share(x, across),
                share(y, down),
                share(width, across),
                share(height, down),
            ];
            (class, rect)
        });
        let tokens = self.grammar.tokens(&known.collect::<Vec<_>>());
        Conditioning {
            context: vec![(BOXES, self.network.states(tokens, bench.device))],
            ..Conditioning::default()
        }
    }
}

impl Conditioner for BoxTokens {
    fn encode(&self, asked: &Asked<'_>, bench: &mut Bench<'_>) -> Option<Conditioning> {
        let Asked::Layout {
            boxes,
            weight,
            is_guided,
            ..
        } = *asked
        else {
            return None;
        };
        let mut told = self.told(boxes, bench);
        if weight < 1.0 {
            let free = self.told(&[], bench).context.into_iter();
            let parts = told.context.into_iter().zip(free);
            let parts = parts
                .map(|((name, told), (_, free))| (name, free.clone() + (told - free) * weight));
            told.context = parts.collect();
        }
        Some(told.beside(is_guided, || self.told(&[], bench)))
    }

    fn nothing(&self, bench: &mut Bench<'_>) -> Conditioning {
        self.told(&[], bench)
    }

    fn parameter_count(&self) -> usize {
        parameter_count(&self.network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grammar(vocabulary: usize, length: usize) -> Result<BoxGrammar, ModelError> {
        BoxGrammar::of(TokenTransformer {
            width: 8,
            layers: 1,
            vocabulary,
            length,
            reads_words: false,
        })
    }

    #[test]
    fn boxes_are_a_class_and_two_corners() {
        let grammar = grammar(8192, 92).unwrap();
        assert_eq!((grammar.max_boxes(), grammar.max_classes()), (30, 8191));
        let tokens = grammar.tokens(&[(7, [0.0, 0.5, 0.25, 0.5]), (9, [1.5, 0.0, 1.0, 1.0])]);
        assert_eq!(tokens.len(), 92);
        // 0.5 · 89 is 44.5, whose even neighbour is 44.
        assert_eq!(tokens[..4], [7, 44 * 90, 89 * 90 + 22, 8191]);
        assert_eq!(tokens[90..], [0, 90 * 90 - 1]);
        let part = grammar.tokens_in(&[], [0.5, 0.0, 0.25, 1.0]);
        assert_eq!(part[90..], [44, 89 * 90 + 67]);
    }

    #[test]
    fn other_lengths_have_no_room_for_boxes() {
        for (vocabulary, length) in [(8192, 91), (8192, 2), (3, 92), (8192, 0)] {
            assert!(grammar(vocabulary, length).is_err(), "{length}");
        }
        assert_eq!(grammar(16, 6).unwrap().tokens(&[]), [15; 6]);
    }
}
