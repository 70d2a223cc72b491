//! A part of a file, by other names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::{Element, TensorData};
use half::{bf16, f16};
use safetensors::Dtype;

use super::super::ModelError;
use super::safetensors::damaged;
use super::{WeightDtype, WeightSource};

/// Where a tensor of another name lies.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The name in the source.
    pub name: String,
    /// Which part of the first axis it is; `None` for all of it.
    pub part: Option<Part>,
    /// Whether it is a matrix that lies with its axes exchanged.
    pub is_turned: bool,
}

/// A part of the rows of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which of the equal parts.
    pub which: usize,
    /// How many there are.
    pub parts: usize,
    /// Equal groups of rows, of which each is divided so.
    pub groups: usize,
}

impl Piece {
    /// All of a tensor.
    pub fn whole(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            part: None,
            is_turned: false,
        }
    }

    /// A part of a tensor.
    pub fn part(name: impl Into<String>, part: Part) -> Self {
        Self {
            part: Some(part),
            ..Self::whole(name)
        }
    }

    /// A matrix that lies with its axes exchanged.
    pub fn turned(name: impl Into<String>) -> Self {
        Self {
            is_turned: true,
            ..Self::whole(name)
        }
    }
}

/// Some tensors of a source under other names; the rest is not seen.
#[derive(Debug)]
pub struct Renamed {
    source: Arc<dyn WeightSource>,
    /// Where each lies, and its shape.
    pieces: BTreeMap<String, (Piece, Vec<usize>)>,
}

impl Renamed {
    /// Gives tensors of a source other names. Of those that the source does not have,
    /// or that cannot be divided so, nothing is seen.
    pub fn new(source: Arc<dyn WeightSource>, pieces: BTreeMap<String, Piece>) -> Self {
        let shaped = pieces.into_iter().filter_map(|(name, piece)| {
            let mut shape = source.shape(&piece.name)?.to_vec();
            if let Some(Part { parts, groups, .. }) = piece.part {
                let first = shape
                    .first_mut()
                    .filter(|rows| rows.is_multiple_of(parts * groups))?;
                *first /= parts;
            }
            // A convolution along one axis that looks at one place is a matrix.
            if let [_, _, 1] = *shape {
                shape.truncate(2);
            }
            if piece.is_turned {
                shape.reverse();
            }
            Some((name, (piece, shape)))
        });
        Self {
            pieces: shaped.collect(),
            source,
        }
    }
}

impl WeightSource for Renamed {
    fn path(&self) -> &Path {
        self.source.path()
    }

    fn files(&self) -> Vec<PathBuf> {
        self.source.files()
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.pieces.keys().map(String::as_str))
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.pieces.get(name).map(|(_, shape)| shape.as_slice())
    }

    fn note(&self, key: &str) -> Option<&str> {
        self.source.note(key)
    }

    fn dtype(&self, name: &str) -> Option<Dtype> {
        self.source.dtype(&self.pieces.get(name)?.0.name)
    }

    fn read(
        &self,
        name: &str,
        shape: &[usize],
        is_transposed: bool,
        dtype: WeightDtype,
    ) -> Result<TensorData, ModelError> {
        let unclear = |message: String| damaged(self.path(), message);
        let found = self.pieces.get(name);
        let (piece, own) = found.ok_or_else(|| unclear(format!("it has no {name}")))?;
        let Some(part) = piece.part else {
            let is_transposed = is_transposed != piece.is_turned;
            return self.source.read(&piece.name, shape, is_transposed, dtype);
        };
        let turned: Vec<usize> = match own.as_slice() {
            [rows, columns] if is_transposed => vec![*columns, *rows],
            _ => own.clone(),
        };
        if turned != shape {
            return Err(unclear(format!(
                "{name} is {turned:?} instead of {shape:?}"
            )));
        }
        let stored = self.source.shape(&piece.name).unwrap_or_default();
        let whole = self.source.read(&piece.name, stored, false, dtype)?;
        let rows = if is_transposed {
            own.first().copied()
        } else {
            None
        };
        let cut = match dtype {
            WeightDtype::F32 => cut::<f32>(whole, part, rows, shape),
            WeightDtype::F16 => cut::<f16>(whole, part, rows, shape),
            WeightDtype::Bf16 => cut::<bf16>(whole, part, rows, shape),
        };
        cut.ok_or_else(|| unclear(format!("{name} cannot be cut out of {}", piece.name)))
    }
}

/// A part of a tensor; with `rows` it is a matrix of so many that is turned.
fn cut<E: Element>(
    whole: TensorData,
    Part {
        which,
        parts,
        groups,
    }: Part,
    rows: Option<usize>,
    shape: &[usize],
) -> Option<TensorData> {
    let values: Vec<E> = whole.try_into_vec().ok()?;
    let count = values.len() / parts;
    let block = count / groups;
    let cuts = values.chunks_exact((block * parts).max(1));
    let part: Vec<E> = cuts
        .flat_map(|group| &group[which * block..(which + 1) * block])
        .copied()
        .collect();
    if part.len() != count {
        return None;
    }
    let values = match rows {
        Some(rows) if rows > 0 => {
            let columns = count / rows;
            let places =
                (0..columns).flat_map(|column| (0..rows).map(move |row| row * columns + column));
            places.map(|place| part[place]).collect()
        }
        _ => part,
    };
    Some(TensorData::new(values, shape.to_vec()))
}
