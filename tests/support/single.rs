//! A tiny Stable Diffusion in one file that can be painted with.

use std::collections::HashMap;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

/// The one that is compared with diffusers; it knows 50 words.
const SINGLE: &str = "tests/data/reference/sd1-single/model.safetensors";
/// Where the words are.
const WORDS: &str = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight";
/// How many CLIP has.
const COUNT: usize = 49_408;

/// Writes it, with as many words as CLIP has: the same over and over.
pub fn write_single(path: &Path) {
    let bytes = std::fs::read(SINGLE).expect("a file");
    let file = SafeTensors::deserialize(&bytes).expect("tensors");
    let words = file.tensor(WORDS).expect("words");
    let length = COUNT / words.shape()[0] + 1;
    let row = words.data().len() / words.shape()[0];
    let mut many = words.data().repeat(length);
    many.truncate(COUNT * row);
    let shape = vec![COUNT, words.shape()[1]];
    let many = TensorView::new(words.dtype(), shape, &many).expect("a tensor");
    let mut tensors: HashMap<String, TensorView<'_>> = file.tensors().into_iter().collect();
    tensors.insert(WORDS.to_owned(), many);
    let written = safetensors::serialize(tensors, None).expect("tensors");
    std::fs::write(path, written).expect("a file");
}
