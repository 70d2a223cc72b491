//! Weights on disk, asked for by name.
//!
//! Whatever holds tensors under names is a [`WeightSource`]: a safetensors file, a
//! PyTorch checkpoint, or several with an index. A parameter's path in the module tree is its name
//! in a diffusers file, but for what the tables in [`names`] rename. A module is
//! compared with the source as a whole before anything is read; then tensors are
//! read one at a time and converted straight into those of the module, whose own
//! weights were never drawn, so that loading needs little more memory than the
//! weights.

mod arranged;
mod digest;
mod module;
pub mod names;
mod numbers;
mod patch;
mod places;
mod remembered;
mod renamed;
mod safetensors;
mod sharded;
mod torch;
mod torch_writing;
mod watched;
mod write;

use std::fmt::Debug;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use burn::tensor::{DType, TensorData};

pub use arranged::{Arranged, Gathered};
pub use digest::{FileStamp, WeightDigest};
pub use module::{Differences, differences, fits, layout, load, save};
pub use patch::{LowRank, patched};
pub use remembered::Fingerprint;
pub use renamed::{Part, Piece, Renamed};
pub use safetensors::SafetensorsFile;
pub use torch::TorchFile;
pub use torch_writing::{save_arranged_checkpoint, save_checkpoint};
pub use watched::ReadWatch;
pub use write::{WriteWatch, save_arranged, save_tensors};

pub(super) use digest::hexadecimal;
pub(super) use places::{LFS_POINTER, find};
pub(super) use watched::Watched;

use super::ModelError;
use crate::files::open_file;

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

impl WeightDtype {
    /// Bytes that a number takes.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// The tensor library's word for it.
    fn held(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F16 => DType::F16,
            Self::Bf16 => DType::BF16,
        }
    }
}

/// Tensors that can be asked for by name.
pub trait WeightSource: Debug + Send + Sync {
    /// The file to name to the user.
    fn path(&self) -> &Path;

    /// All files that hold the weights, in the order of their names.
    fn files(&self) -> Vec<PathBuf>;

    /// All names, sorted.
    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_>;

    /// The shape stored under a name.
    fn shape(&self, name: &str) -> Option<&[usize]>;

    /// The kind of number stored under a name.
    fn dtype(&self, name: &str) -> Option<::safetensors::Dtype>;

    /// What the file says of itself under a key, where its kind has room for that.
    fn note(&self, _key: &str) -> Option<&str> {
        None
    }

    /// The numbers stored under a name, as `dtype`; `is_transposed` swaps the
    /// first two axes, and `shape` is that of the result.
    ///
    /// # Errors
    /// If there is no such name, it holds no floating-point numbers or not as
    /// many as `shape` says, or `dtype` cannot hold one of them.
    fn read(
        &self,
        name: &str,
        shape: &[usize],
        is_transposed: bool,
        dtype: WeightDtype,
    ) -> Result<TensorData, ModelError>;
}

/// Whether two shapes differ by nothing but the axes of 1×1 convolutions.
pub fn is_alike(found: &[usize], wanted: &[usize]) -> bool {
    let core = |shape: &[usize]| {
        let ones = shape.iter().rev().take_while(|axis| **axis == 1).count();
        shape.len() - ones
    };
    found == wanted
        || (found.len() >= 2
            && wanted.len() >= 2
            && found[..core(found).max(2)] == wanted[..core(wanted).max(2)])
}

/// The half precision in which all matrices and kernels of a source are stored; `None` where
/// one is stored otherwise.
pub fn stored_halves(source: &dyn WeightSource) -> Option<WeightDtype> {
    use ::safetensors::Dtype;
    let is_matrix = |name: &&str| source.shape(name).is_some_and(|shape| shape.len() > 1);
    let stored = source.names().filter(is_matrix);
    let mut kinds = stored.filter_map(|name| match source.dtype(name)? {
        Dtype::F16 => Some(Some(WeightDtype::F16)),
        Dtype::BF16 => Some(Some(WeightDtype::Bf16)),
        Dtype::F32 | Dtype::F64 => Some(None),
        // Places of tokens and the like are no weights.
        _ => None,
    });
    let first = kinds.next()??;
    kinds.all(|kind| kind == Some(first)).then_some(first)
}

/// Opens a file of weights, whichever of the kinds that can be read it is.
///
/// # Errors
/// If it cannot be read, is of no such kind, or is damaged.
pub fn open(path: &Path) -> Result<Box<dyn WeightSource>, ModelError> {
    let mut start = Vec::new();
    open_file(path)
        .and_then(|file| file.take(16).read_to_end(&mut start))
        .map_err(ModelError::io("read", path))?;
    // The oldest pickles begin with anything at all.
    let is_named_so = path.extension().is_some_and(|extension| {
        ["bin", "ckpt", "pt", "pth"]
            .iter()
            .any(|known| extension == *known)
    });
    let is_pointer = start.len() == 16 && places::LFS_POINTER.starts_with(&start);
    let is_other = is_pointer || start.get(8) == Some(&b'{');
    Ok(
        if TorchFile::is_begun_by(&start) || (is_named_so && !is_other) {
            Box::new(TorchFile::open(path)?)
        } else {
            Box::new(SafetensorsFile::open(path)?)
        },
    )
}
