//! Words that were taught to a text encoder afterwards: textual inversion (Gal et al. 2022,
//! <https://arxiv.org/abs/2208.01618>). A word stands for one or more vectors, which take the
//! place of those of the encoder's own table.

use std::path::Path;

use crate::model::ModelError;
use crate::model::inspect::check_bytes;
use crate::model::weights::{self, WeightDtype};

/// Vectors that a word may stand for; a text of CLIP has room for no more.
const MOST_VECTORS: usize = 75;

/// A word and its vectors.
#[derive(Clone, Debug, PartialEq)]
pub struct LearnedWord {
    /// How prompts call it.
    pub words: Vec<String>,
    /// One after the other, each as wide as the encoder's states.
    pub vectors: Vec<Vec<f32>>,
}

impl LearnedWord {
    /// Reads a file, whose name without ending is the word; what it calls itself in
    /// pointed brackets is one too.
    ///
    /// # Errors
    /// If it cannot be read, holds no vectors, or is for an encoder that is not `width` wide.
    pub fn open(path: &Path, width: usize) -> Result<Self, ModelError> {
        check_bytes(path)?;
        let source = weights::open(path)?;
        if source.names().next().is_none() {
            return Err(ModelError::NoTensors(path.to_path_buf()));
        }
        let fail = |message: String| ModelError::Words {
            path: path.to_path_buf(),
            message,
        };
        let mut names = source.names();
        let (Some(name), None) = (names.next(), names.next()) else {
            let few: Vec<&str> = source.names().take(2).collect();
            let message = format!(
                "it holds {} and not one table of vectors",
                few.join(" and ")
            );
            return Err(fail(message));
        };
        let shape = source.shape(name).unwrap_or_default();
        let (count, found) = match shape {
            [found] => (1, *found),
            [count, found] => (*count, *found),
            _ => {
                return Err(fail(format!(
                    "{name} is {shape:?}, which is no table of vectors"
                )));
            }
        };
        if found != width || count == 0 || count > MOST_VECTORS {
            let message = format!(
                "{name} is {shape:?}, and the model takes 1 to {MOST_VECTORS} vectors of {width} numbers"
            );
            return Err(fail(message));
        }
        let data = source.read(name, shape, false, WeightDtype::F32)?;
        let values: Vec<f32> = data
            .try_into_vec()
            .map_err(|error| fail(format!("{name} cannot be read: {error:?}")))?;
        if !values.iter().all(|value| value.is_finite()) {
            return Err(fail(format!(
                "{name} holds numbers that are infinite or none"
            )));
        }
        let stem = path.file_stem().unwrap_or_default();
        let mut words = vec![stem.to_string_lossy().into_owned()];
        if name.starts_with('<') && name.ends_with('>') {
            words.push(name.to_owned());
        }
        Ok(Self {
            words,
            vectors: values.chunks_exact(width).map(<[f32]>::to_vec).collect(),
        })
    }
}
