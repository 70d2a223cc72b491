//! Small files that change a model: low-rank changes of its weights (LoRA, Hu et al. 2021,
//! <https://arxiv.org/abs/2106.09685>), of matrices and of convolutions (LoCon), for the
//! denoiser and the text encoder.
//!
//! Every trainer names the same weights otherwise; [`keys`] reads the names, [`Targets`]
//! knows what they may mean in a model, by the model's own list of weights, and
//! [`scale`] finds the factor of each change. A file fits a model in full or not at all.

mod fit;
mod keys;
mod relatives;
mod scale;
mod targets;
mod words;

use std::path::{Path, PathBuf};

pub use fit::Changes;
pub(in crate::model) use relatives::relative;
pub use targets::Targets;
pub use words::{TriggerWords, trigger_words};

use super::ModelError;
use super::inspect::check_bytes;
use super::weights::{self, WeightSource};
use scale::Scales;

/// A file of low-rank changes, opened but not read.
#[derive(Debug)]
pub struct LoraFile {
    source: Box<dyn WeightSource>,
    scales: Scales,
}

impl LoraFile {
    /// Opens a file.
    ///
    /// # Errors
    /// If it cannot be read, is damaged, is no LoRA, or is of a kind that is not known here.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        check_bytes(path)?;
        let source = weights::open(path)?;
        let scales = Scales::of(source.as_ref())?;
        let file = Self { source, scales };
        file.check_kind()?;
        Ok(file)
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        self.source.path()
    }

    /// All its files.
    pub fn files(&self) -> Vec<PathBuf> {
        self.source.files()
    }

    /// Refuses relatives by their names, and files that hold nothing of the kind.
    fn check_kind(&self) -> Result<(), ModelError> {
        let path = || self.path().to_path_buf();
        for key in self.source.names() {
            if let Some(relative) = relative(key) {
                return Err(relative.refusal(self.path(), key));
            }
        }
        if self.source.names().any(|key| keys::read(key).is_some()) {
            return Ok(());
        }
        Err(ModelError::NotALora {
            path: path(),
            first: self.source.names().next().unwrap_or("nothing").to_owned(),
        })
    }
}
