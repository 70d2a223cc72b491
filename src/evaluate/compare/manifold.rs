//! Precision and recall of a set of pictures (Kynkäänniemi et al. 2019,
//! <https://arxiv.org/abs/1904.06991>).

use serde::Serialize;

use super::features::Rows;
use super::matrix::Matrix;
use crate::evaluate::EvaluateError;

/// Neighbours that a ball around a picture just reaches.
const NEIGHBOURS: usize = 3;
/// Rows of distances that are held at a time.
const TOGETHER: usize = 256;

/// How much of each set lies where the other is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PrecisionRecall {
    /// Share of the first set that lies among the second: how good it is.
    pub precision: f64,
    /// Share of the second set that lies among the first: how much it covers.
    pub recall: f64,
}

/// Precision and recall of `made` beside `real`; `None` where a set has too few
/// pictures for neighbours.
///
/// # Errors
/// When the device fails.
pub fn precision_recall(
    made: &Rows,
    real: &Rows,
) -> Result<Option<PrecisionRecall>, EvaluateError> {
    if made.count().min(real.count()) <= NEIGHBOURS {
        return Ok(None);
    }
    Ok(Some(PrecisionRecall {
        precision: share_among(made, real)?,
        recall: share_among(real, made)?,
    }))
}

/// The share of `set` that lies in a ball around a picture of `others`.
fn share_among(set: &Rows, others: &Rows) -> Result<f64, EvaluateError> {
    let mut radii = Vec::with_capacity(others.count());
    each_distances(others, others, |distances| {
        // The picture itself is the nearest.
        let (_, radius, _) = distances.select_nth_unstable_by(NEIGHBOURS, f64::total_cmp);
        radii.push(*radius);
    })?;
    let mut inside = 0;
    each_distances(set, others, |distances| {
        let mut pairs = distances.iter().zip(&radii);
        inside += usize::from(pairs.any(|(distance, radius)| distance <= radius));
    })?;
    Ok(inside as f64 / set.count() as f64)
}

/// Tells of each picture of `from` how far it is, squared, from all of `to`.
fn each_distances(
    from: &Rows,
    to: &Rows,
    mut tell: impl FnMut(&mut [f64]),
) -> Result<(), EvaluateError> {
    let all: Vec<usize> = (0..from.count()).collect();
    let to = to.chosen(&(0..to.count()).collect::<Vec<_>>());
    let squares = |of: &Matrix| -> Vec<f64> {
        let rows = of.values.chunks(of.columns.max(1));
        rows.map(|row| row.iter().map(|x| x * x).sum()).collect()
    };
    let lengths = squares(&to);
    for part in all.chunks(TOGETHER) {
        let part = from.chosen(part);
        let own = squares(&part);
        let mut products = part.times_turned(&to)?;
        let rows = products.values.chunks_mut(products.columns.max(1));
        for (row, own) in rows.zip(own) {
            for (product, length) in row.iter_mut().zip(&lengths) {
                *product = own + length - 2.0 * *product;
            }
            tell(row);
        }
    }
    Ok(())
}
