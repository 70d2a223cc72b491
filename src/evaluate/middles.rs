//! How many objects of a kind there are, by their middles: objects that touch are one
//! region, but have two middles.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::network::{CELL_FEATURES, CELLS, Layer};
use crate::nn::{Conv2d, Conv2dConfig};
use crate::scenes::label_of_class;

const WIDTH: usize = 48;
/// From this probability on the middle of an object is there.
const SURE: f32 = 0.25;
/// Cells around a middle in which there is no other one: 12 pixels of a picture of 128.
const APART: usize = 3;
/// Cells around a middle in one of which its kind must be seen, since there are holes.
const NEAR: usize = 2;
/// How likely the kind must be there.
const SEEN: f32 = 0.3;

/// Says of each cell how near it is to the middle of an object, as the heatmaps of
/// CenterNet do (Zhou et al. 2019, <https://arxiv.org/abs/1904.07850>), from what the judge
/// sees of it. `assets/recipes/joint/middles.py` trains it.
#[derive(Module, Debug)]
pub(super) struct Middles {
    first: Layer,
    second: Layer,
    said: Conv2d,
}

impl Middles {
    pub fn new(device: &Device) -> Self {
        Self {
            first: Layer::new(CELL_FEATURES, WIDTH, 3, 1, device),
            second: Layer::new(WIDTH, WIDTH, 3, 1, device),
            said: Conv2dConfig::same(WIDTH, 1, 1).init(device),
        }
    }

    /// # Shapes
    /// `[batch, CELL_FEATURES, CELLS, CELLS]` to `[batch, 1, CELLS, CELLS]`, before the
    /// sigmoid.
    pub fn forward(&self, seen: Tensor<4>) -> Tensor<4> {
        let x = self.first.forward(seen);
        self.said.forward(x.clone() + self.second.forward(x))
    }
}

/// Objects of a kind in a picture: cells that are likelier a middle than those around, and
/// near which this kind is seen. `middles` are probabilities, row by row; `shares` those of
/// labels, `[label][cell]`.
pub(super) fn count(middles: &[f32], shares: &[f32], class: usize) -> u32 {
    let around = |cell: usize, reach: usize| {
        let (x, y) = (cell % CELLS, cell / CELLS);
        let range = move |at: usize| at.saturating_sub(reach)..(at + reach + 1).min(CELLS);
        range(y).flat_map(move |y| range(x).map(move |x| y * CELLS + x))
    };
    let is_peak = |cell: &usize| {
        let own = middles[*cell];
        // Of equal neighbours the first is the peak.
        let is_less = |other: usize| match other < *cell {
            true => middles[other] < own,
            false => middles[other] <= own,
        };
        let mut others = around(*cell, APART);
        own >= SURE && others.all(|other| other == *cell || is_less(other))
    };
    let first = usize::from(label_of_class(class)) * CELLS * CELLS;
    let is_of_kind = |cell: &usize| around(*cell, NEAR).any(|at| shares[first + at] > SEEN);
    let peaks = (0..CELLS * CELLS).filter(is_peak).filter(is_of_kind);
    peaks.count() as u32
}

#[cfg(test)]
mod tests {
    use super::super::Judge;
    use super::super::questions::label_count;
    use super::*;
    use crate::scenes::SceneSource;

    #[test]
    fn peaks_of_a_kind_are_counted_once() {
        let all = CELLS * CELLS;
        let (mut middles, mut shares) = (vec![0.0; all], vec![0.0; label_count() * all]);
        let label = usize::from(label_of_class(7));
        shares[label * all..][..all].fill(0.6);
        // A plateau, a peak at an edge, and one that is not sure.
        for (cell, value) in [
            (40, 0.8),
            (41, 0.8),
            (30 * CELLS, 0.4),
            (500, 0.2),
            (3 * CELLS + 9, 0.7),
        ] {
            middles[cell] = value;
        }
        assert_eq!(count(&middles, &shares, 7), 2);
        assert_eq!(count(&middles, &shares, 8), 0);
    }

    #[test]
    fn objects_that_touch_are_counted() {
        let judge = Judge::open("assets/judge".as_ref()).expect("a judge");
        let source = SceneSource::new(128).expect("a size");
        let scenes = super::super::numbers::scenes(&source, 900_000_500, 48);
        let pictures: Vec<_> = scenes.iter().map(|scene| scene.image.clone()).collect();
        let kinds: Vec<usize> = scenes.iter().map(|scene| scene.objects[0].class).collect();
        let seen = judge
            .count(&pictures, &kinds)
            .expect("counts")
            .expect("it counts");
        let right = seen.iter().zip(&scenes);
        let right = right.filter(|(seen, scene)| **seen as usize == scene.objects.len());
        let right = right.count();
        assert!(right >= 30, "{right} of 48");
    }
}
