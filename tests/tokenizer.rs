//! The tokenizer against transformers' `CLIPTokenizer`.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

use std::path::Path;

use serde::Deserialize;
use velatura::model::ClipTokenizer;

#[derive(Deserialize)]
struct Reference {
    strings: Vec<String>,
    tiny: Ids,
    tiny_pad: Ids,
    full: Ids,
}

#[derive(Deserialize)]
struct Ids {
    vocab_size: usize,
    ids: Vec<Vec<u32>>,
    /// Of the last strings, padded or cut.
    ids_77: Vec<Vec<u32>>,
}

fn reference() -> Reference {
    let text = std::fs::read_to_string("tests/data/reference/tokenizer_reference.json").unwrap();
    serde_json::from_str(&text).unwrap()
}

fn tiny(name: &str) -> ClipTokenizer {
    let folder = format!("tests/data/reference/{name}/tokenizer");
    ClipTokenizer::open(Path::new(&folder)).unwrap()
}

fn check(tokenizer: &ClipTokenizer, strings: &[String], wanted: &Ids) {
    assert_eq!(tokenizer.vocab_size(), wanted.vocab_size);
    for (text, ids) in strings.iter().zip(&wanted.ids) {
        assert_eq!(&tokenizer.tokens(text), ids, "{text:?}");
    }
    for (text, ids) in strings[strings.len() - wanted.ids_77.len()..]
        .iter()
        .zip(&wanted.ids_77)
    {
        assert_eq!(&tokenizer.encode(text), ids, "{text:?}");
    }
}

#[test]
fn tiny_vocabularies_equal_transformers() {
    let reference = reference();
    check(&tiny("sd1-tiny"), &reference.strings, &reference.tiny);
    check(&tiny("sd2-tiny"), &reference.strings, &reference.tiny_pad);
}

#[test]
fn clip_vocabulary_equals_transformers() {
    let reference = reference();
    let merges = std::fs::read_to_string("assets/clip/merges.txt").unwrap();
    let tokenizer = ClipTokenizer::from_merges(&merges).unwrap();
    check(&tokenizer, &reference.strings, &reference.full);
    assert_eq!(
        (
            tokenizer.start_token(),
            tokenizer.end_token(),
            tokenizer.pad_token()
        ),
        (49406, 49407, 49407)
    );
    assert_eq!(
        tokenizer.encode("a photo of a cat")[..7],
        [49406, 320, 1125, 539, 320, 2368, 49407]
    );
}

#[test]
fn saved_tokenizers_open_again() {
    let reference = reference();
    let folder = tempfile::tempdir().unwrap();
    for name in ["sd1-tiny", "sd2-tiny"] {
        let tokenizer = tiny(name);
        tokenizer.save(folder.path()).unwrap();
        let again = ClipTokenizer::open(folder.path()).unwrap();
        for text in &reference.strings {
            assert_eq!(tokenizer.encode(text), again.encode(text), "{text:?}");
        }
    }
}

#[derive(Deserialize)]
struct WholeReference {
    texts: Vec<String>,
    saved: WholeIds,
    strings: WholeIds,
    alone: WholeIds,
}

#[derive(Deserialize)]
struct WholeIds {
    /// Start, end and pad.
    special: [u32; 3],
    #[serde(flatten)]
    ids: Ids,
}

/// What transformers has written since its fifth version, and what it and other
/// programs wrote before: `tokenizer.json` without `vocab.json` and `merges.txt`.
#[test]
fn tokenizer_json_alone_equals_transformers() {
    let folder = Path::new("tests/data/tokenizer");
    let text = std::fs::read_to_string(folder.join("reference.json")).unwrap();
    let reference: WholeReference = serde_json::from_str(&text).unwrap();
    for (name, wanted) in [
        ("saved", &reference.saved),
        ("strings", &reference.strings),
        ("alone", &reference.alone),
    ] {
        let tokenizer = ClipTokenizer::open(&folder.join(name)).unwrap();
        let special = [
            tokenizer.start_token(),
            tokenizer.end_token(),
            tokenizer.pad_token(),
        ];
        assert_eq!(special, wanted.special, "{name}");
        check(&tokenizer, &reference.texts, &wanted.ids);
        // Added tokens and all are there in what we write, in either form.
        let scratch = tempfile::tempdir().unwrap();
        tokenizer.save(scratch.path()).unwrap();
        let both = ClipTokenizer::open(scratch.path()).unwrap();
        check(&both, &reference.texts, &wanted.ids);
        std::fs::remove_file(scratch.path().join("tokenizer.json")).unwrap();
        let lists = ClipTokenizer::open(scratch.path()).unwrap();
        check(&lists, &reference.texts, &wanted.ids);
    }
}

#[test]
fn foreign_kinds_of_tokenizer_json_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    let whole = std::fs::read_to_string("tests/data/tokenizer/saved/tokenizer.json").unwrap();
    let whole: serde_json::Value = serde_json::from_str(&whole).unwrap();
    for (key, value, word) in [
        ("type", serde_json::json!("WordPiece"), "WordPiece"),
        (
            "end_of_word_suffix",
            serde_json::Value::Null,
            "ends of words",
        ),
        ("continuing_subword_prefix", serde_json::json!("##"), "##"),
        ("merges", serde_json::json!(["a b c"]), "no pair"),
        ("merges", serde_json::json!([["q", "zz"]]), "qzz"),
        ("vocab", serde_json::json!({}), "lacks"),
        ("vocab", serde_json::json!({"a": -1}), "tokenizer.json"),
    ] {
        let mut changed = whole.clone();
        changed["model"][key] = value;
        std::fs::write(&path, changed.to_string()).unwrap();
        let error = ClipTokenizer::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    // Where the older files are there too, they do.
    let source = Path::new("tests/data/reference/sd1-tiny/tokenizer");
    for name in ["vocab.json", "merges.txt"] {
        std::fs::copy(source.join(name), folder.path().join(name)).unwrap();
    }
    std::fs::write(&path, r#"{"model": {"type": "WordPiece", "vocab": {}}}"#).unwrap();
    assert_eq!(
        ClipTokenizer::open(folder.path()).unwrap().vocab_size(),
        634
    );
}

#[test]
fn learned_vocabularies_shorten_texts() {
    let captions = [
        "a red house on a green hill",
        "a red balloon above the green hill",
        "the house at night",
    ];
    let tokenizer = ClipTokenizer::train(captions, 560, 16).unwrap();
    assert!(tokenizer.vocab_size() <= 560);
    assert_eq!(tokenizer.tokens("green hill").len(), 4);
    let tokens = tokenizer.encode("a green house, un château 🏰");
    assert_eq!(
        (tokens.len(), tokens[0], tokens[15]),
        (16, tokenizer.start_token(), tokenizer.end_token())
    );
    assert!(
        tokens
            .iter()
            .all(|token| (*token as usize) < tokenizer.vocab_size())
    );
    // No merges at all still makes a working vocabulary of bytes.
    assert_eq!(ClipTokenizer::train([], 0, 77).unwrap().vocab_size(), 514);
    // A long text without spaces must not take for ever.
    assert!(tokenizer.tokens(&"redhouse".repeat(20_000)).len() > 2);
}

#[test]
fn broken_tokenizers_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let error = |folder: &Path| ClipTokenizer::open(folder).unwrap_err().to_string();
    assert!(error(folder.path()).contains("vocab.json"));
    let source = Path::new("tests/data/reference/sd1-tiny/tokenizer");
    std::fs::copy(source.join("vocab.json"), folder.path().join("vocab.json")).unwrap();
    assert!(error(folder.path()).contains("merges.txt"));
    std::fs::write(folder.path().join("merges.txt"), "#version: 0.2\nq zz\n").unwrap();
    assert!(error(folder.path()).contains("qzz"));
    std::fs::write(folder.path().join("merges.txt"), "one two three\n").unwrap();
    assert!(error(folder.path()).contains("no pair"));
    assert!(ClipTokenizer::train([], 600, 2).is_err());
}
