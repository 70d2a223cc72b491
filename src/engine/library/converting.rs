//! Writing a model of the list anew.

use std::path::PathBuf;

use crate::model::{Conversion, ModelError, WeightDtype};

/// A model that is to be written anew.
#[derive(Clone, Debug)]
pub struct ConversionWish {
    /// The file or folder.
    pub source: PathBuf,
    /// One file where it ends in `.safetensors`, else a folder.
    pub target: PathBuf,
    /// How weights are stored; `None` as each of them is.
    pub dtype: Option<WeightDtype>,
}

impl ConversionWish {
    /// Writes it. `goes_on` is told how many bytes of how many are written, and answers
    /// whether to go on. Whether it was written to the end.
    ///
    /// # Errors
    /// Why it cannot be done, as a sentence.
    pub fn fulfil(&self, goes_on: &mut dyn FnMut(u64, u64) -> bool) -> Result<bool, String> {
        let conversion = Conversion {
            dtype: self.dtype,
            ..Conversion::default()
        };
        match conversion.run(&self.source, &self.target, goes_on) {
            Ok(()) => Ok(true),
            Err(ModelError::WritingEnded(_)) => Ok(false),
            Err(ModelError::Exists(path)) => Err(format!(
                "{} is there already; choose another name",
                path.display()
            )),
            Err(error) => Err(error.to_string()),
        }
    }
}
