//! Vectors of a checkpoint, as safetensors.

use std::borrow::Cow;
use std::fs::File;
use std::path::Path;

use burn::tensor::{Device, Tensor};
use safetensors::{Dtype, View};

use super::TrainError;
use super::tensors::host;
use crate::model::weights::{SafetensorsFile, WeightDtype, WeightSource as _};

/// A vector to write and the shape that it stands for.
pub(super) struct Stored {
    pub name: String,
    pub shape: Vec<usize>,
    pub tensor: Tensor<1>,
}

impl View for Stored {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        // Fetched one at a time, so that a checkpoint needs no second copy of all.
        let values = host(self.tensor.clone()).unwrap_or_default();
        Cow::Owned(
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        )
    }

    fn data_len(&self) -> usize {
        4 * self.shape.iter().product::<usize>()
    }
}

/// Writes vectors to a file and waits until they are on the disk.
pub(super) fn write(path: &Path, tensors: Vec<Stored>) -> Result<(), TrainError> {
    let failed = |source| TrainError::Io {
        action: "write",
        path: path.to_path_buf(),
        source,
    };
    let entries = tensors.into_iter().map(|entry| (entry.name.clone(), entry));
    safetensors::serialize_to_file(entries, None, path)
        .map_err(std::io::Error::other)
        .map_err(failed)?;
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(failed)
}

/// Reads the vectors of these names and shapes.
pub(super) fn read<'a>(
    path: &Path,
    wanted: impl Iterator<Item = (&'a str, &'a [usize])>,
    device: &Device,
) -> Result<Vec<Tensor<1>>, TrainError> {
    let foreign = |message: String| TrainError::ForeignCheckpoint {
        path: path.to_path_buf(),
        message,
    };
    let source = SafetensorsFile::open(path).map_err(|error| foreign(error.to_string()))?;
    let mut tensors = Vec::new();
    for (name, shape) in wanted {
        match source.shape(name) {
            Some(found) if found == shape => {}
            Some(found) => {
                return Err(foreign(format!(
                    "{name} has the shape {found:?} instead of {shape:?}: it is of another network"
                )));
            }
            None => {
                return Err(foreign(format!(
                    "{name} is missing: it is of another network"
                )));
            }
        }
        let count = shape.iter().product();
        let data = source
            .read(name, &[count], false, WeightDtype::F32)
            .map_err(|error| foreign(error.to_string()))?;
        tensors.push(Tensor::from_data(data, device));
    }
    if source.names().count() != tensors.len() {
        return Err(foreign("it has more weights than the network".into()));
    }
    Ok(tensors)
}
