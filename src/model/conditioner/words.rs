//! Words that were taught to a text encoder afterwards: textual inversion (Gal et al. 2022,
//! <https://arxiv.org/abs/2208.01618>). A word stands for one or more vectors, which take the
//! place of those of the encoder's own table.

use std::path::Path;

use crate::model::ModelError;
use crate::model::inspect::check_bytes;
use crate::model::weights::{self, WeightDtype, WeightSource};

/// Vectors that a word may stand for; a text of CLIP has room for no more.
const MOST_VECTORS: usize = 75;

/// What the tables of a file for two encoders are called.
const PAIR: [&str; 2] = ["clip_l", "clip_g"];

/// A word and its vectors.
#[derive(Clone, Debug, PartialEq)]
pub struct LearnedWord {
    /// How prompts call it.
    pub words: Vec<String>,
    /// For the first text encoder and for the second: one after the other, each as wide as
    /// the encoder's states.
    pub vectors: [Vec<Vec<f32>>; 2],
}

impl LearnedWord {
    /// Reads a file for text encoders whose states are so wide, the first and the second; its
    /// name without ending is the word; what it calls itself in pointed brackets is one too.
    ///
    /// # Errors
    /// If it cannot be read, holds no vectors, or is for other encoders.
    pub fn open(path: &Path, widths: [Option<usize>; 2]) -> Result<Self, ModelError> {
        check_bytes(path)?;
        let source = weights::open(path)?;
        if source.names().next().is_none() {
            return Err(ModelError::NoTensors(path.to_path_buf()));
        }
        let fail = |message: String| ModelError::Words {
            path: path.to_path_buf(),
            message,
        };
        let stem = path.file_stem().unwrap_or_default();
        let mut words = vec![stem.to_string_lossy().into_owned()];
        let mut vectors = [Vec::new(), Vec::new()];
        if widths[1].is_some() {
            for ((name, width), vectors) in PAIR.into_iter().zip(widths).zip(&mut vectors) {
                let Some(width) = width else { continue };
                if source.shape(name).is_none() {
                    let message = format!(
                        "it has no {name}, and the model takes {} and {}",
                        PAIR[0], PAIR[1]
                    );
                    return Err(fail(message));
                }
                *vectors = table(source.as_ref(), name, width).map_err(fail)?;
            }
            // Both encoders read the same texts.
            let [first, second] = &vectors;
            if widths[0].is_some() && first.len() != second.len() {
                let message = format!(
                    "{} has {} vectors and {} has {}",
                    PAIR[0],
                    first.len(),
                    PAIR[1],
                    second.len()
                );
                return Err(fail(message));
            }
            return Ok(Self { words, vectors });
        }
        let mut names = source.names();
        let (Some(name), None) = (names.next(), names.next()) else {
            let few: Vec<&str> = source.names().take(2).collect();
            let message = format!(
                "it holds {} and not one table of vectors",
                few.join(" and ")
            );
            return Err(fail(message));
        };
        vectors[0] = table(source.as_ref(), name, widths[0].unwrap_or(0)).map_err(fail)?;
        if name.starts_with('<') && name.ends_with('>') {
            words.push(name.to_owned());
        }
        Ok(Self { words, vectors })
    }
}

/// The vectors of a table, so many numbers wide; the error says what is wrong with it.
fn table(source: &dyn WeightSource, name: &str, width: usize) -> Result<Vec<Vec<f32>>, String> {
    let shape = source.shape(name).unwrap_or_default();
    let (count, found) = match shape {
        [found] => (1, *found),
        [count, found] => (*count, *found),
        _ => return Err(format!("{name} is {shape:?}, which is no table of vectors")),
    };
    if found != width || count == 0 || count > MOST_VECTORS {
        return Err(format!(
            "{name} is {shape:?}, and the model takes 1 to {MOST_VECTORS} vectors of {width} numbers"
        ));
    }
    let unread = |error: &dyn std::fmt::Display| format!("{name} cannot be read: {error}");
    let data = source
        .read(name, shape, false, WeightDtype::F32)
        .map_err(|error| unread(&error))?;
    let values: Vec<f32> = data
        .try_into_vec()
        .map_err(|error| unread(&format!("{error:?}")))?;
    if !values.iter().all(|value| value.is_finite()) {
        return Err(format!("{name} holds numbers that are infinite or none"));
    }
    Ok(values.chunks_exact(width).map(<[f32]>::to_vec).collect())
}
