//! Weights that were cut into several files, and the index of these.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use burn::tensor::TensorData;

use super::super::ModelError;
use super::super::json::read_json;
use super::safetensors::damaged;
use super::{WeightDtype, WeightSource, open};

/// The files that an index names, taken as one.
#[derive(Debug)]
pub(super) struct Sharded {
    index: PathBuf,
    shards: Vec<Box<dyn WeightSource>>,
    /// In which of them each tensor lies.
    owners: BTreeMap<String, usize>,
}

#[derive(serde::Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Sharded {
    /// Opens the files beside an index that it names.
    pub fn open(index: &Path) -> Result<Self, ModelError> {
        let unclear = |message: String| ModelError::Json {
            path: index.to_path_buf(),
            message,
        };
        let read: Option<Index> = read_json(index)?;
        let read = read.ok_or_else(|| unclear("it is not there any more".into()))?;
        let names: BTreeSet<String> = read.weight_map.into_values().collect();
        let is_outside =
            |name: &str| Path::new(name).components().count() != 1 || name.starts_with('.');
        if let Some(name) = names.iter().find(|name| is_outside(name)) {
            return Err(unclear(format!(
                "it names the file {name:?} outside of its folder"
            )));
        }
        let folder = index.parent().unwrap_or(Path::new(""));
        let shards = names
            .iter()
            .map(|name| open(&folder.join(name)))
            .collect::<Result<Vec<_>, _>>()?;
        let mut owners = BTreeMap::new();
        for (number, shard) in shards.iter().enumerate() {
            owners.extend(shard.names().map(|name| (name.to_owned(), number)));
        }
        Ok(Self {
            index: index.to_path_buf(),
            shards,
            owners,
        })
    }

    fn shard(&self, name: &str) -> Option<&dyn WeightSource> {
        self.shards.get(*self.owners.get(name)?).map(Box::as_ref)
    }
}

impl WeightSource for Sharded {
    fn path(&self) -> &Path {
        &self.index
    }

    fn files(&self) -> Vec<PathBuf> {
        self.shards.iter().flat_map(|shard| shard.files()).collect()
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.owners.keys().map(String::as_str))
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.shard(name)?.shape(name)
    }

    fn dtype(&self, name: &str) -> Option<safetensors::Dtype> {
        self.shard(name)?.dtype(name)
    }

    fn read(
        &self,
        name: &str,
        shape: &[usize],
        is_transposed: bool,
        dtype: WeightDtype,
    ) -> Result<TensorData, ModelError> {
        let shard = self
            .shard(name)
            .ok_or_else(|| damaged(&self.index, format!("it has no {name}")))?;
        shard.read(name, shape, is_transposed, dtype)
    }
}
