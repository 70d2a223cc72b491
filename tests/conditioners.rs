//! What the paper's models are told against the paper's own code, on tiny random
//! networks (`tests/data/reference/make_conditioner_reference.py`).
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod reference_support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use image::GrayImage;
use reference_support::{Reference, difference, folder};
use serde::Deserialize;
use velatura::model::WordPieceTokenizer;
use velatura::model::conditioner::box_tokens::BoxGrammar;
use velatura::model::conditioner::rescaled_map::Rescaler;
use velatura::model::conditioner::semantic::class_shares;
use velatura::model::conditioner::token_transformer::TokenEncoder;
use velatura::model::paper::TokenTransformer;
use velatura::model::weights::{self, Piece, Renamed, SafetensorsFile, WeightDtype, names};

/// Largest difference allowed between the paper's code and us.
const TOLERANCE: f64 = 2e-5;
const FILE: &str = "conditioners.safetensors";

#[derive(Deserialize)]
struct Told {
    texts: Vec<Text>,
    boxes: Vec<Boxes>,
}

#[derive(Deserialize)]
struct Text {
    text: String,
    tokens: Vec<u32>,
}

#[derive(Deserialize)]
struct Boxes {
    tokens: usize,
    length: usize,
    boxes: Vec<(usize, f64, f64, f64, f64)>,
    wanted: Vec<i32>,
}

fn told() -> Told {
    let text = std::fs::read_to_string(folder().join("conditioners.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Reads a network whose weights have their original names after the name of a case.
fn loaded<M: Module>(network: M, case: &str, pieces: BTreeMap<String, Piece>) -> M {
    let file = SafetensorsFile::open(&folder().join(FILE)).unwrap();
    let pieces = pieces.into_iter().map(|(name, piece)| {
        let stored = Piece::whole(format!("{case}.{}", piece.name));
        (name, stored)
    });
    let source = Renamed::new(Arc::new(file), pieces.collect());
    let names = &names::DIFFUSERS;
    weights::load(network, &source, names, "a conditioner", WeightDtype::F32).unwrap()
}

fn check<const D: usize>(key: &str, got: Tensor<D>) {
    let got: Vec<f32> = got.into_data().try_into_vec_as().unwrap();
    let (largest, deviation) = difference(&got, &Reference::open(FILE).numbers(key));
    println!("{key}: largest difference {largest:.2e}, deviation {deviation:.2}");
    assert!(deviation > 0.05, "{key} is nearly constant");
    assert!(largest <= TOLERANCE, "{key} differs by {largest}");
}

#[test]
fn texts_are_the_tokens_that_berts_tokenizer_makes_of_them() {
    let tokenizer = WordPieceTokenizer::open(Path::new("nowhere/vocab.txt"), 77).unwrap();
    let texts = told().texts;
    assert!(texts.len() > 10);
    for Text { text, tokens } in texts {
        assert_eq!(tokenizer.encode(&text), tokens, "{text:?}");
    }
}

#[test]
fn boxes_are_the_tokens_that_the_papers_code_makes_of_them() {
    let cases = told().boxes;
    assert!(cases.len() > 10);
    for case in cases {
        let sizes = TokenTransformer {
            width: 8,
            layers: 1,
            vocabulary: case.tokens,
            length: case.length,
            reads_words: false,
        };
        let boxes = case.boxes.iter();
        let boxes = boxes.map(|(class, x, y, width, height)| (*class, [*x, *y, *width, *height]));
        let grammar = BoxGrammar::of(sizes).unwrap();
        let tokens = grammar.tokens(&boxes.collect::<Vec<_>>());
        assert_eq!(tokens, case.wanted, "{:?}", case.boxes);
    }
}

#[test]
fn transformers_over_words_and_boxes_give_what_the_papers_code_gives() {
    let device = Device::flex();
    for (case, width, layers, vocabulary, length) in
        [("words", 24, 2, 60, 12), ("boxes", 32, 1, 100, 11)]
    {
        let sizes = TokenTransformer {
            width,
            layers,
            vocabulary,
            length,
            reads_words: case == "words",
        };
        let network = TokenEncoder::init(sizes, &device).unwrap();
        let network = loaded(network, case, TokenEncoder::pieces(sizes));
        let ids = Reference::open(FILE).numbers(&format!("{case}.ids"));
        let ids = ids.into_iter().map(|id| id as i32).collect();
        check(&format!("{case}.states"), network.states(ids, &device));
    }
}

#[test]
fn label_maps_are_rescaled_as_in_the_papers_code() {
    let device = Device::flex();
    let labels = Reference::open(FILE).numbers("labels");
    let labels = labels.into_iter().map(|label| label as u8).collect();
    let map = GrayImage::from_raw(24, 16, labels).unwrap();
    // Classes beyond those of the model are nothing, as in one-hot encoding.
    let number = |value: u8| (value < 7).then_some(usize::from(value));
    for (case, has_bias) in [("map", false), ("map-bias", true)] {
        let network = Rescaler::init(7, 3, has_bias, &device);
        let network = loaded(network, case, Rescaler::pieces(has_bias));
        let shares = class_shares(&map, number, [6, 4], 4);
        let channels = network.channels(shares, [6, 4], &device);
        check(&format!("{case}.channels"), channels);
    }
}
