//! Tensors of several sources under the names of another file: the reverse of
//! [`super::Renamed`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::TensorData;
use safetensors::Dtype;

use super::super::ModelError;
use super::safetensors::damaged;
use super::write::held_dtype;
use super::{WeightDtype, WeightSource};

/// Where the rows of a tensor lie, from the first to the last.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// Its shape in the file.
    pub shape: Vec<usize>,
    /// Whose rows follow each other: which of the sources, and the name there.
    pub rows: Vec<(usize, String)>,
    /// Whether it is one matrix that lies there with its axes exchanged.
    pub is_turned: bool,
}

/// A file that is not written yet, and whose tensors lie elsewhere.
#[derive(Debug)]
pub struct Arranged {
    path: PathBuf,
    sources: Vec<Arc<dyn WeightSource>>,
    tensors: BTreeMap<String, Gathered>,
    notes: BTreeMap<String, String>,
}

impl Arranged {
    /// Tensors by the names that they will have in the file of this path.
    ///
    /// # Errors
    /// If a source lacks one, or it has another number of numbers.
    pub fn new(
        path: &Path,
        sources: Vec<Arc<dyn WeightSource>>,
        tensors: BTreeMap<String, Gathered>,
    ) -> Result<Self, ModelError> {
        let count = |shape: &[usize]| shape.iter().product::<usize>();
        for (name, tensor) in &tensors {
            let mut found = 0;
            for (source, row) in &tensor.rows {
                let source = &sources[*source];
                let shape = source.shape(row);
                let lacking = || damaged(source.path(), format!("it has no {row}"));
                found += count(shape.ok_or_else(lacking)?);
            }
            if found != count(&tensor.shape) {
                let message = format!(
                    "{name} cannot be {:?}: it has {found} numbers",
                    tensor.shape
                );
                return Err(damaged(path, message));
            }
        }
        Ok(Self {
            path: path.to_path_buf(),
            sources,
            tensors,
            notes: BTreeMap::new(),
        })
    }

    /// The same, with something that the file says of itself.
    #[must_use]
    pub fn noting(mut self, key: &str, value: impl Into<String>) -> Self {
        self.notes.insert(key.to_owned(), value.into());
        self
    }

    /// Bytes of all tensors, in `dtype` or each as it is stored.
    pub fn bytes(&self, dtype: Option<WeightDtype>) -> u64 {
        let bytes = self.tensors.iter().map(|(name, tensor)| {
            let dtype = self.written_dtype(name, dtype);
            let count = tensor.shape.iter().product::<usize>();
            count as u64 * dtype.bytes() as u64
        });
        bytes.sum()
    }

    /// How a tensor is written where weights are to be of this kind, or each as it is. Lone
    /// numbers are no weights: latents are multiplied by one.
    pub(super) fn written_dtype(&self, name: &str, dtype: Option<WeightDtype>) -> WeightDtype {
        let is_alone = self.shape(name).is_some_and(<[usize]>::is_empty);
        let dtype = dtype.filter(|_| !is_alone);
        dtype.unwrap_or_else(|| held_dtype(self.dtype(name)))
    }

    /// What the file says of itself.
    pub fn notes(&self) -> &BTreeMap<String, String> {
        &self.notes
    }
}

impl WeightSource for Arranged {
    fn path(&self) -> &Path {
        &self.path
    }

    fn files(&self) -> Vec<PathBuf> {
        self.sources
            .iter()
            .flat_map(|source| source.files())
            .collect()
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.tensors.keys().map(String::as_str))
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|tensor| tensor.shape.as_slice())
    }

    /// That of the first rows.
    fn dtype(&self, name: &str) -> Option<Dtype> {
        let (source, row) = self.tensors.get(name)?.rows.first()?;
        self.sources[*source].dtype(row)
    }

    fn note(&self, key: &str) -> Option<&str> {
        self.notes.get(key).map(String::as_str)
    }

    fn read(
        &self,
        name: &str,
        shape: &[usize],
        is_transposed: bool,
        dtype: WeightDtype,
    ) -> Result<TensorData, ModelError> {
        let unclear = |message: String| damaged(&self.path, message);
        let found = self.tensors.get(name);
        let tensor = found.ok_or_else(|| unclear(format!("it has no {name}")))?;
        if let [(source, row)] = tensor.rows.as_slice() {
            let is_transposed = is_transposed != tensor.is_turned;
            return self.sources[*source].read(row, shape, is_transposed, dtype);
        }
        if is_transposed || tensor.is_turned || tensor.shape != shape {
            let found = &tensor.shape;
            return Err(unclear(format!("{name} is {found:?} instead of {shape:?}")));
        }
        let count: usize = shape.iter().product();
        let mut bytes = Vec::with_capacity(count * dtype.bytes());
        for (source, row) in &tensor.rows {
            let source = &self.sources[*source];
            let rows = source.shape(row).unwrap_or_default();
            bytes.extend_from_slice(source.read(row, rows, false, dtype)?.bytes());
        }
        Ok(TensorData::from_bytes_vec(
            bytes,
            shape.to_vec(),
            dtype.held(),
        ))
    }
}
