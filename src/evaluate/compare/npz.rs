//! Statistics in files, as pytorch-fid keeps them: `mu` and `sigma` in an `.npz`; ours
//! say besides which network saw them and in how many pictures, which others skip.

use std::path::Path;

use super::FeatureKind;
use super::Resize;
use super::distribution::Distribution;
use super::inception::Inception;
use super::matrix::Matrix;
use crate::evaluate::EvaluateError;
use crate::files::{Archive, ArchiveError, open_file, write_archive, write_atomically};

const MAGIC: &[u8] = b"\x93NUMPY";
/// Widest features that are read: nobody has more.
const MOST_WIDTH: usize = 4096;
/// Bytes of a header that are read.
const MOST_HEADER: usize = 1 << 16;

/// Statistics of a file, and what they are of.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// Mean and covariances.
    pub distribution: Distribution,
    /// The network.
    pub kind: FeatureKind,
}

impl Statistics {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or holds no such statistics.
    pub fn read(path: &Path) -> Result<Self, EvaluateError> {
        let damaged = |reason: String| EvaluateError::Statistics {
            path: path.to_owned(),
            reason,
        };
        let file = open_file(path).map_err(|source| EvaluateError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        let archive = Archive::open(file).map_err(|error| damaged(told("it", error)))?;
        let array = |name: &str, most: usize| {
            let most = (MOST_HEADER + most) as u64;
            match archive.read(&format!("{name}.npy"), most) {
                Ok(bytes) => Array::parse(&bytes).map(Some),
                Err(ArchiveError::Missing) => Ok(None),
                Err(error) => Err(told(name, error)),
            }
            .map_err(|reason| damaged(format!("{name}: {reason}")))
        };
        let needed = |name: &str, most: usize| {
            let found = array(name, most)?;
            found.ok_or_else(|| damaged(format!("it has no {name}")))
        };
        let mean = needed("mu", 8 * MOST_WIDTH)?;
        let covariance = needed("sigma", 8 * MOST_WIDTH * MOST_WIDTH)?;
        let width = match mean.shape[..] {
            [width] if width > 0 && covariance.shape == [width, width] => width,
            _ => {
                let (mu, sigma) = (&mean.shape, &covariance.shape);
                return Err(damaged(format!(
                    "mu is {mu:?} and sigma {sigma:?}, instead of [n] and [n, n]"
                )));
            }
        };
        let covariance = Matrix {
            rows: width,
            columns: width,
            values: covariance.numbers().map_err(damaged)?,
        };
        let mean = mean.numbers().map_err(damaged)?;
        if !mean.iter().all(|value| value.is_finite()) || !covariance.is_symmetric() {
            return Err(damaged(
                "its numbers are no mean and no covariances".to_owned(),
            ));
        }
        // Others may count in other numbers.
        let count = array("count", 8)
            .ok()
            .flatten()
            .and_then(|count| count.numbers().ok()?.first().copied());
        let tag = array("features", 256)?.map(|tag| tag.text());
        Ok(Self {
            distribution: Distribution {
                mean,
                covariance,
                count: count
                    .filter(|count| *count >= 2.0)
                    .map(|count| count as u64),
            },
            kind: FeatureKind::of_tag(&tag.unwrap_or_default()),
        })
    }

    /// These, if they can be compared with what a network sees; a file of Inception's
    /// width that says nothing is taken for one of pytorch-fid's.
    ///
    /// # Errors
    /// When they are of another network, or of pictures scaled in another way.
    pub fn as_seen_by(mut self, path: &Path, used: &FeatureKind) -> Result<Self, EvaluateError> {
        let is_wide = self.distribution.mean.len() == Inception::FEATURES;
        match (&self.kind, used) {
            (FeatureKind::Unsaid, FeatureKind::Inception { resize, .. })
                if is_wide && *resize == Resize::UNSAID =>
            {
                self.kind = used.clone();
            }
            (
                FeatureKind::Inception { resize: found, .. },
                FeatureKind::Inception { resize, .. },
            ) if found == resize => {}
            (found, used) if found == used && *found != FeatureKind::Unsaid => {}
            (found, used) => {
                return Err(EvaluateError::OtherNetwork {
                    path: path.to_owned(),
                    found: found.name(),
                    used: used.name(),
                });
            }
        }
        Ok(self)
    }

    /// Writes a file, which appears whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), EvaluateError> {
        let Distribution {
            mean,
            covariance,
            count,
        } = &self.distribution;
        let width = mean.len();
        let (tag, count) = (self.kind.tag(), count.unwrap_or_default() as f64);
        let text = format!("|S{}", tag.len().max(1));
        let arrays = [
            ("mu.npy", encoded("<f8", &[width], &bytes_of(mean))),
            (
                "sigma.npy",
                encoded("<f8", &[width, width], &bytes_of(&covariance.values)),
            ),
            ("count.npy", encoded("<f8", &[], &bytes_of(&[count]))),
            ("features.npy", encoded(&text, &[], tag.as_bytes())),
        ];
        let files: Vec<(&str, &[u8])> = arrays
            .iter()
            .map(|(name, bytes)| (*name, bytes.as_slice()))
            .collect();
        write_atomically(path, |file| write_archive(file, &files)).map_err(|source| {
            EvaluateError::Io {
                action: "write",
                path: path.to_owned(),
                source,
            }
        })
    }
}

fn told(what: &str, error: ArchiveError) -> String {
    match error {
        ArchiveError::Missing => format!("{what} is missing"),
        ArchiveError::TooLong => format!("{what} is longer than any such array"),
        ArchiveError::Damaged(reason) => reason,
    }
}

fn bytes_of(numbers: &[f64]) -> Vec<u8> {
    let bytes = numbers.iter().flat_map(|number| number.to_le_bytes());
    bytes.collect()
}

/// An array as numpy writes it, in the first version of its format.
fn encoded(kind: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let sizes = shape.iter().map(|size| format!("{size}, "));
    let sizes: String = sizes.collect();
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({sizes}), }}");
    // What follows begins at a multiple of 64 bytes.
    let start = MAGIC.len() + 4;
    while !(start + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

/// An array as it lies in a file.
struct Array {
    /// Bytes of a number, if it is one; text otherwise.
    number_bytes: Option<usize>,
    shape: Vec<usize>,
    data: Vec<u8>,
}

impl Array {
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let cut = || "it is cut off".to_owned();
        let rest = bytes.strip_prefix(MAGIC);
        let rest = rest.ok_or_else(|| "it is no array of numpy's".to_owned())?;
        let (version, rest) = rest.split_at_checked(2).ok_or_else(cut)?;
        let size = if version[0] == 1 { 2 } else { 4 };
        let (length, rest) = rest.split_at_checked(size).ok_or_else(cut)?;
        let length = length.iter().rev();
        let length = length.fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
        let (header, data) = rest.split_at_checked(length).ok_or_else(cut)?;
        let header = String::from_utf8_lossy(header);
        // The values are quoted words, True or False, and numbers in brackets.
        let after = |key: &str| {
            let (_, rest) = header.split_once(&format!("'{key}':"))?;
            Some(rest.trim_start())
        };
        let kind = after("descr").and_then(|rest| rest.strip_prefix('\'')?.split('\'').next());
        let number_bytes = match kind.unwrap_or_default() {
            "<f4" => Some(4),
            "<f8" => Some(8),
            text if text.starts_with("|S") => None,
            _ => return Err("its numbers are no <f4 or <f8".to_owned()),
        };
        let shape = after("shape").and_then(|rest| rest.strip_prefix('(')?.split(')').next());
        let shape = shape.ok_or_else(|| "it has no shape".to_owned())?;
        let sizes = shape.split(',').map(str::trim);
        let sizes = sizes.filter(|size| !size.is_empty()).map(str::parse);
        let shape: Vec<usize> = sizes
            .collect::<Result<_, _>>()
            .map_err(|_| "its shape is none".to_owned())?;
        let count = shape
            .iter()
            .try_fold(1_usize, |all, size| all.checked_mul(*size));
        let wanted = count.and_then(|count| count.checked_mul(number_bytes.unwrap_or(0)));
        if number_bytes.is_some() && wanted != Some(data.len()) {
            return Err("it is not as long as it says".to_owned());
        }
        Ok(Self {
            number_bytes,
            shape,
            data: data.to_vec(),
        })
    }

    /// All numbers, in the order of the file: a covariance is its own mirror image.
    fn numbers(&self) -> Result<Vec<f64>, String> {
        match self.number_bytes {
            Some(4) => Ok(words(&self.data, |word| f32::from_le_bytes(word).into())),
            Some(8) => Ok(words(&self.data, f64::from_le_bytes)),
            _ => Err("its arrays are text".to_owned()),
        }
    }

    fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.data);
        text.trim_end_matches('\0').to_owned()
    }
}

fn words<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    let (words, _) = bytes.as_chunks::<N>();
    words.iter().map(|word| read(*word)).collect()
}
