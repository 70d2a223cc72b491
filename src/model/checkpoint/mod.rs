//! Weights on disk: safetensors with the key names of diffusers.
//!
//! A parameter's path in the module tree is its key, but for the few renames
//! in `keys`. Files are memory-mapped one tensor at a time and converted
//! straight into the tensors of the module, whose own weights were never
//! drawn, so that loading needs little more memory than the weights.

mod keys;
mod read;
mod write;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

pub use keys::Naming;
pub use read::WeightFiles;

use self::keys::Path as KeyPath;
use super::ModelError;

/// How weights are stored on disk or held in memory; everything is computed in f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeightDtype {
    /// 32 bits.
    #[default]
    F32,
    /// 16 bits: 11 of precision, up to 65,504.
    F16,
    /// 16 bits: 8 of precision, the range of f32.
    Bf16,
}

/// Fills a module with the weights of files, held as `dtype` where that matters:
/// vectors (biases, normalisations) stay f32.
///
/// `network` names the module in errors.
///
/// # Errors
/// One error that names the file, the keys and the shapes, if any key is
/// missing, has another shape, or belongs to no parameter; or if a file is
/// damaged; or if `dtype` cannot hold a weight.
pub fn load<M: Module>(
    module: M,
    files: &WeightFiles,
    naming: Naming,
    network: &'static str,
    dtype: WeightDtype,
) -> Result<M, ModelError> {
    let mut loader = Loader {
        files,
        dtype,
        naming,
        path: KeyPath::default(),
        used: BTreeSet::new(),
        report: Report::default(),
        failure: None,
    };
    let module = module.map(&mut loader);
    let Loader {
        used,
        mut report,
        failure,
        ..
    } = loader;
    if let Some(error) = failure {
        return Err(error);
    }
    report.unexpected = files
        .keys()
        .filter(|key| !used.contains(*key) && !keys::is_buffer(key))
        .map(str::to_owned)
        .collect();
    match report.message() {
        Some(message) => Err(ModelError::Mismatch {
            path: files.path(),
            config: network,
            message,
        }),
        None => Ok(module),
    }
}

/// Writes the weights of a module to one file, which appears whole or not at all.
///
/// # Errors
/// If the file cannot be written, or a weight does not fit `dtype`.
pub fn save<M: Module>(
    module: &M,
    path: &Path,
    naming: Naming,
    dtype: WeightDtype,
) -> Result<(), ModelError> {
    let mut collector = Collector {
        naming,
        path: KeyPath::default(),
        entries: Vec::new(),
    };
    module.visit(&mut collector);
    write::write(path, collector.entries, dtype)
}

/// Keys and shapes of a module's weights as they lie in a file; nothing is allocated.
pub fn layout<M: Module>(module: &M, naming: Naming) -> Vec<(String, Vec<usize>)> {
    let mut collector = Collector {
        naming,
        path: KeyPath::default(),
        entries: Vec::new(),
    };
    module.visit(&mut collector);
    collector
        .entries
        .into_iter()
        .map(|entry| (entry.key.clone(), entry.stored_shape()))
        .collect()
}

/// What does not fit.
#[derive(Default)]
struct Report {
    missing: Vec<String>,
    shapes: Vec<String>,
    unexpected: Vec<String>,
}

impl Report {
    fn message(&self) -> Option<String> {
        let list = |what: &str, items: &[String]| {
            (!items.is_empty()).then(|| {
                let shown = items
                    .iter()
                    .take(3)
                    .map(String::as_str)
                    .collect::<Vec<_>>()
                    .join(", ");
                let more = if items.len() > 3 {
                    format!(" and {} more", items.len() - 3)
                } else {
                    String::new()
                };
                format!("{what} {shown}{more}")
            })
        };
        let parts: Vec<String> = [
            list("missing are", &self.missing),
            list("of another shape are", &self.shapes),
            list("not expected are", &self.unexpected),
        ]
        .into_iter()
        .flatten()
        .collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

struct Loader<'a> {
    files: &'a WeightFiles,
    dtype: WeightDtype,
    naming: Naming,
    path: KeyPath,
    used: BTreeSet<String>,
    report: Report,
    failure: Option<ModelError>,
}

impl Loader<'_> {
    /// The numbers of the parameter at hand, in the order of the module.
    fn fetch(&mut self, shape: &[usize]) -> Option<TensorData> {
        let dtype = if shape.len() > 1 {
            self.dtype
        } else {
            WeightDtype::F32
        };
        let transposed = self.path.is_linear_weight(shape.len());
        let candidates = self.path.keys(self.naming);
        let Some(key) = candidates
            .iter()
            .find(|key| self.files.shape(key).is_some())
        else {
            self.report.missing.extend(candidates.into_iter().next());
            return None;
        };
        self.used.insert(key.clone());
        let stored = self.files.shape(key).unwrap_or_default();
        let wanted: Vec<usize> = if transposed {
            shape.iter().rev().copied().collect()
        } else {
            shape.to_vec()
        };
        // Old autoencoders hold the matrices of attention as 1×1 convolutions.
        let squeezed = transposed && stored.len() == 4 && stored[2..] == [1, 1];
        let stored_matrix = if squeezed { &stored[..2] } else { stored };
        if stored_matrix != wanted {
            self.report
                .shapes
                .push(format!("{key} ({stored:?} instead of {wanted:?})"));
            return None;
        }
        match self.files.read(key, shape, transposed, dtype) {
            Ok(data) => Some(data),
            Err(error) => {
                self.failure = Some(error);
                None
            }
        }
    }
}

impl ModuleMapper for Loader<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.failure.is_some() {
            return param;
        }
        let shape = param.lazy_shape();
        let Some(data) = self.fetch(shape.as_slice()) else {
            return param;
        };
        let device = param.lazy_device();
        let dtype = data.dtype();
        let tensor = device.memory_persistent_allocations(data, |data| {
            Tensor::<D>::from_data(data, (&device, dtype))
        });
        let id = param.id;
        param.transform_for_load(tensor, id)
    }
}

struct Collector {
    naming: Naming,
    path: KeyPath,
    entries: Vec<write::Entry>,
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let shape = param.lazy_shape().as_slice().to_vec();
        let transposed = self.path.is_linear_weight(D);
        let key = self.path.keys(self.naming).swap_remove(0);
        let param = param.clone();
        self.entries.push(write::Entry {
            key,
            shape,
            transposed,
            read: Box::new(move || {
                param
                    .val()
                    .try_into_data()
                    .map_err(|error| error.to_string())
            }),
        });
    }
}

/// The names under which weights may lie in a component's folder, best first.
pub(super) fn file_names(stem: &str) -> [String; 4] {
    [
        format!("{stem}.safetensors"),
        format!("{stem}.safetensors.index.json"),
        format!("{stem}.fp16.safetensors"),
        format!("{stem}.safetensors.index.fp16.json"),
    ]
}

/// Python pickles that may lie there instead.
pub(super) fn pickles(folder: &Path, stem: &str) -> Option<PathBuf> {
    let names = [
        format!("{stem}.bin"),
        format!("pytorch_{stem}.bin"),
        format!("{stem}.fp16.bin"),
        format!("{stem}.bin.index.json"),
    ];
    names
        .into_iter()
        .map(|name| folder.join(name))
        .find(|path| path.is_file())
}
