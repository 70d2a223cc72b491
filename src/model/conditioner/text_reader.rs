//! From a prompt to the numbers that CLIP's text encoder reads, as the web UI of
//! AUTOMATIC1111 makes them: chunks of tokens, each with its weight.

use std::sync::Arc;

use super::super::ClipTokenizer;
use super::unread::unread;
use crate::recipe::prompt::{BREAK_WORD, Piece, PromptSyntax};

/// Length of the texts of CLIP. Denoisers that were trained on these stand several of
/// them, one after the other; others know one only.
const CLIP_LENGTH: usize = 77;

/// Chunks of a prompt that are read.
const MOST_CHUNKS: usize = 16;

/// Tokens that are moved into the next chunk, so that what stands between two commas
/// stays together.
const MOST_MOVED: usize = 20;

/// Turns prompts into tokens. Copies share one vocabulary.
#[derive(Clone, Debug)]
pub struct TextReader {
    tokenizer: Arc<ClipTokenizer>,
    comma: Option<u32>,
}

/// Tokens that the encoder sees at once, start and end included.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// As many as a text of the encoder has.
    pub tokens: Vec<u32>,
    /// How strongly each acts.
    pub weights: Vec<f32>,
}

/// How long a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenCount {
    /// Tokens without starts and ends, and with what fills up all chunks but the last.
    pub tokens: usize,
    /// Tokens that would go into the chunks that are read.
    pub room: usize,
    /// Chunks that are read.
    pub chunks: usize,
}

impl TextReader {
    /// A reader of the vocabulary and text length of a tokenizer.
    pub fn new(tokenizer: ClipTokenizer) -> Self {
        let comma = match tokenizer.tokens(",")[..] {
            [_, comma, _] => Some(comma),
            _ => None,
        };
        Self {
            tokenizer: Arc::new(tokenizer),
            comma,
        }
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &ClipTokenizer {
        &self.tokenizer
    }

    /// Chunks that a prompt may have.
    fn most_chunks(&self, syntax: PromptSyntax) -> usize {
        match syntax {
            PromptSyntax::Weighted if self.tokenizer.max_length() == CLIP_LENGTH => MOST_CHUNKS,
            _ => 1,
        }
    }

    /// The chunks of a text, at least one. What goes into no chunk is left out.
    pub fn chunks(&self, text: &str, syntax: PromptSyntax) -> Vec<Chunk> {
        let (mut bodies, most) = (self.bodies(text, syntax), self.most_chunks(syntax));
        bodies.truncate(most);
        bodies.into_iter().map(|body| self.closed(body)).collect()
    }

    /// A chunk without words.
    pub fn empty(&self) -> Chunk {
        self.closed(Body::default())
    }

    /// How long a text is.
    pub fn count(&self, text: &str, syntax: PromptSyntax) -> TokenCount {
        let (bodies, room) = (self.bodies(text, syntax), self.tokenizer.max_length() - 2);
        let last = bodies.last().map_or(0, |body| body.tokens.len());
        let chunks = bodies.len().min(self.most_chunks(syntax));
        TokenCount {
            tokens: (bodies.len() - 1) * room + last,
            room: chunks * room,
            chunks,
        }
    }

    /// The end of a text that is not read because it is too long; empty when all of it
    /// is read.
    pub fn unread<'t>(&self, text: &'t str, syntax: PromptSyntax) -> &'t str {
        let most = self.most_chunks(syntax);
        let fits = |text: &str| self.bodies(text, syntax).len() <= most;
        unread(&self.tokenizer, text, fits)
    }

    /// The tokens of all chunks, without starts, ends and fillers; at least one chunk.
    fn bodies(&self, text: &str, syntax: PromptSyntax) -> Vec<Body> {
        let mut bodies = Bodies {
            done: Vec::new(),
            current: Body::default(),
            room: self.tokenizer.max_length() - 2,
            last_comma: None,
        };
        let is_chunked = self.most_chunks(syntax) > 1;
        let add = |bodies: &mut Bodies, text: &str, weight: f32| {
            let tokens = self.tokenizer.tokens(text);
            // Between start and end.
            for token in &tokens[1..tokens.len() - 1] {
                let is_comma = is_chunked && Some(*token) == self.comma;
                bodies.push(*token, weight, is_comma);
            }
        };
        for piece in syntax.pieces(text) {
            match piece {
                Piece::Break if is_chunked => bodies.next(),
                Piece::BreakWord(weight) if is_chunked => add(&mut bodies, BREAK_WORD, weight),
                Piece::Break | Piece::BreakWord(_) => {}
                Piece::Text(text, weight) => add(&mut bodies, &text, weight),
            }
        }
        if bodies.done.is_empty() || !bodies.current.tokens.is_empty() {
            bodies.next();
        }
        bodies.done
    }

    fn closed(&self, body: Body) -> Chunk {
        let length = self.tokenizer.max_length();
        let mut tokens = vec![self.tokenizer.start_token()];
        tokens.extend(body.tokens);
        tokens.push(self.tokenizer.end_token());
        tokens.resize(length, self.tokenizer.pad_token());
        let mut weights = vec![1.0];
        weights.extend(body.weights);
        weights.resize(length, 1.0);
        Chunk { tokens, weights }
    }
}

/// The words of a chunk.
#[derive(Default)]
struct Body {
    tokens: Vec<u32>,
    weights: Vec<f32>,
}

struct Bodies {
    done: Vec<Body>,
    current: Body,
    room: usize,
    last_comma: Option<usize>,
}

impl Bodies {
    fn next(&mut self) {
        self.done.push(std::mem::take(&mut self.current));
        self.last_comma = None;
    }

    fn push(&mut self, token: u32, weight: f32, is_comma: bool) {
        let length = self.current.tokens.len();
        if is_comma {
            self.last_comma = Some(length);
        } else if length == self.room
            && let Some(comma) = self.last_comma
            && length - comma <= MOST_MOVED
        {
            let moved = Body {
                tokens: self.current.tokens.split_off(comma + 1),
                weights: self.current.weights.split_off(comma + 1),
            };
            self.next();
            self.current = moved;
        }
        if self.current.tokens.len() == self.room {
            self.next();
        }
        self.current.tokens.push(token);
        self.current.weights.push(weight);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYNTAX: PromptSyntax = PromptSyntax::Weighted;

    fn reader(length: usize) -> TextReader {
        let words = ["a red house, on the hill"];
        TextReader::new(ClipTokenizer::train(words, 560, length).unwrap())
    }

    #[test]
    fn a_text_without_signs_has_the_tokens_that_it_always_had() {
        for (length, text) in [
            (77, "a red house"),
            (77, ""),
            (12, "a house on the hill, red"),
        ] {
            let reader = reader(length);
            for syntax in [SYNTAX, PromptSyntax::Plain] {
                let chunks = reader.chunks(text, syntax);
                assert_eq!(chunks.len(), 1);
                assert_eq!(chunks[0].tokens, reader.tokenizer().encode(text));
                assert_eq!(chunks[0].weights, vec![1.0; length]);
            }
        }
        let reader = reader(12);
        let text = "a red house on the hill a red house on the hill";
        let cut = reader.chunks(text, SYNTAX);
        assert_eq!(cut[0].tokens, reader.tokenizer().encode(text));
        let count = reader.count(text, SYNTAX);
        assert_eq!((count.tokens > 10, count.room), (true, 10));
        assert!(text.ends_with(reader.unread(text, SYNTAX)));
        assert!(!reader.unread(text, SYNTAX).is_empty());
    }

    #[test]
    fn long_prompts_are_read_in_chunks() {
        let reader = reader(77);
        let one = |token: &str| reader.tokenizer().tokens(token)[1];
        let count = |text: &str| {
            let count = reader.count(text, SYNTAX);
            (count.tokens, count.room)
        };
        assert_eq!(count(&"red ".repeat(75)), (75, 75));
        assert_eq!(count(&"red ".repeat(76)), (76, 150));
        // What follows the last comma goes with what comes next.
        let text = format!("{}, {}", "red ".repeat(70), "hill ".repeat(10));
        let chunks = reader.chunks(&text, SYNTAX);
        assert_eq!(chunks.len(), 2);
        assert_eq!(chunks[0].tokens[71], one(","));
        assert_eq!(chunks[0].tokens[72], reader.tokenizer().end_token());
        assert_eq!(chunks[1].tokens[1..11], vec![one("hill"); 10]);
        assert_eq!(count(&text), (85, 150));
        let broken = reader.chunks("(red:1.5) BREAK (hill:1.5) house", SYNTAX);
        assert_eq!(broken[0].weights[..3], [1.0, 1.5, 1.0]);
        assert_eq!(broken[1].tokens[1..3], [one("hill"), one("house")]);
        assert_eq!(broken[1].weights[..3], [1.0, 1.5, 1.0]);
        // Brackets around a break make a word of it.
        let whole = reader.chunks("(red BREAK hill:1.5) house", SYNTAX);
        assert_eq!(whole.len(), 1);
        assert_eq!(whole[0].weights[1..3], [1.5, -1.5]);
        assert_eq!(count("red BREAK hill"), (76, 150));
        assert_eq!(reader.chunks(&text, PromptSyntax::Plain).len(), 1);
    }

    #[test]
    fn what_is_too_long_even_in_chunks_is_told() {
        let reader = reader(77);
        let text = "red ".repeat(75 * MOST_CHUNKS) + "hill";
        assert_eq!(reader.chunks(&text, SYNTAX).len(), MOST_CHUNKS);
        assert_eq!(reader.unread(&text, SYNTAX), "hill");
        let breaks = "red BREAK ".repeat(MOST_CHUNKS) + "hill";
        assert!(reader.unread(&breaks, SYNTAX).ends_with("hill"));
    }

    #[test]
    fn a_model_of_one_chunk_takes_weights_and_passes_breaks_over() {
        let reader = reader(12);
        let chunks = reader.chunks("(red:1.5) BREAK hill", SYNTAX);
        assert_eq!(chunks.len(), 1);
        assert_eq!(chunks[0].weights[..4], [1.0, 1.5, 1.0, 1.0]);
        let chunks = reader.chunks("(red BREAK hill:1.5)", SYNTAX);
        assert_eq!(chunks[0].weights[..4], [1.0, 1.5, 1.5, 1.0]);
    }
}
