//! Reading that is watched: how far it is, and whether it is to go on.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::TensorData;
use safetensors::Dtype;

use super::super::ModelError;
use super::{WeightDtype, WeightSource};

/// Is told of every tensor that was read, in bytes as it is held, and answers whether
/// reading goes on.
#[derive(Clone)]
pub struct ReadWatch(Arc<dyn Fn(u64) -> bool + Send + Sync>);

impl ReadWatch {
    /// Has `goes_on` told and asked.
    pub fn new(goes_on: impl Fn(u64) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(goes_on))
    }

    /// Tells of so many bytes, and asks whether reading goes on.
    pub(in crate::model) fn goes_on(&self, bytes: u64) -> bool {
        (self.0)(bytes)
    }
}

impl fmt::Debug for ReadWatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ReadWatch")
    }
}

/// A source whose reading is watched.
#[derive(Debug)]
pub(in crate::model) struct Watched {
    pub source: Box<dyn WeightSource>,
    pub watch: ReadWatch,
}

impl WeightSource for Watched {
    fn path(&self) -> &Path {
        self.source.path()
    }

    fn files(&self) -> Vec<PathBuf> {
        self.source.files()
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        self.source.names()
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.source.shape(name)
    }

    fn dtype(&self, name: &str) -> Option<Dtype> {
        self.source.dtype(name)
    }

    fn read(
        &self,
        name: &str,
        shape: &[usize],
        is_transposed: bool,
        dtype: WeightDtype,
    ) -> Result<TensorData, ModelError> {
        let data = self.source.read(name, shape, is_transposed, dtype)?;
        if self.watch.goes_on(data.bytes().len() as u64) {
            Ok(data)
        } else {
            Err(ModelError::BrokenOff(self.path().to_owned()))
        }
    }
}
