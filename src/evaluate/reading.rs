//! What the judge reads in a picture, and what there is to be read in a label map.

use burn::tensor::activation;
use image::{GrayImage, Luma};

use super::EvaluateError;
use super::judge::host;
use super::network::{Answers, CELL_PX, CELLS, SIZE_PX};
use super::questions::{Question, STYLES, label_count};
use crate::pixels::regions::regions;
use crate::scenes::{Stuff, classes, label_of_class};

/// From this probability on an object is there: the judge thinks it likelier
/// than everything else together.
pub(super) const SURE: f32 = 0.5;

/// What the judge reads in a picture.
#[derive(Clone, Debug)]
pub struct Reading {
    time: usize,
    place: usize,
    background: usize,
    style: usize,
    /// Probability of each kind of object in each cell: `[class][cell]`.
    pub(super) objects: Vec<Vec<f32>>,
    /// The likeliest label of each cell, row by row.
    pub(super) cells: Vec<usize>,
}

impl Reading {
    /// Of a picture of which only the cells matter.
    #[cfg(test)]
    pub(super) fn of_cells(cells: Vec<usize>) -> Self {
        Self {
            time: 0,
            place: 0,
            background: 0,
            style: 0,
            objects: Vec::new(),
            cells,
        }
    }

    /// The answer to a question with one answer; numbers as in
    /// [`Truth`](super::Truth), and one more where there is no such thing.
    pub(super) fn answer(&self, question: Question) -> Option<usize> {
        match question {
            Question::Time => Some(self.time),
            Question::Place => Some(self.place),
            Question::Background => Some(self.background),
            Question::Style => Some(self.style),
            Question::Object => None,
        }
    }

    /// Whether an object of a class is there; with a mask of the picture, in it.
    pub fn shows(&self, class: usize, mask: Option<&GrayImage>) -> bool {
        let Some(cells) = self.objects.get(class) else {
            return false;
        };
        let counts = |cell: usize| mask.is_none_or(|mask| is_masked(mask, cell));
        cells
            .iter()
            .enumerate()
            .any(|(cell, probability)| *probability >= SURE && counts(cell))
    }

    /// In how many places an object of a class may be, with so much probability; in a mask.
    pub(super) fn traces(&self, class: usize, mask: &GrayImage, least: f32) -> usize {
        let Some(shares) = self.objects.get(class) else {
            return 0;
        };
        let side = CELLS as u32;
        let seen = GrayImage::from_fn(side, side, |x, y| {
            let cell = y as usize * CELLS + x as usize;
            let is_seen = shares[cell] >= least && is_masked(mask, cell);
            Luma([u8::from(is_seen)])
        });
        let places = regions(&seen).into_iter();
        places.filter(|region| region.label > 0).count()
    }

    /// The middle of a kind of object from left to right, as a share of the width; `None`
    /// where it is not there.
    pub(super) fn middle(&self, class: usize) -> Option<f32> {
        let cells = self.objects.get(class)?.iter().enumerate();
        let sure = cells.filter(|(_, probability)| **probability >= SURE);
        let (sum, count) = sure.fold((0.0, 0.0), |(sum, count), (cell, _)| {
            (sum + (cell % CELLS) as f32 + 0.5, count + 1.0)
        });
        (count > 0.0).then(|| sum / count / CELLS as f32)
    }

    /// Names of all objects that are there.
    pub fn objects(&self) -> Vec<&'static str> {
        let there = (0..classes().len()).filter(|class| self.shows(*class, None));
        there.map(|class| classes()[class].noun.as_str()).collect()
    }
}

/// The index of the largest value.
pub(super) fn largest(values: &[f32]) -> usize {
    let best = values.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    best.map_or(0, |(index, _)| index)
}

/// What the network says of so many pictures.
///
/// # Errors
/// If the device fails.
pub(super) fn read_answers(answers: Answers, count: usize) -> Result<Vec<Reading>, EvaluateError> {
    let cells = CELLS * CELLS;
    let labels = host(activation::softmax(answers.labels, 1))?;
    let styles = host(activation::softmax(answers.styles, 1))?;
    let rows = |values: Vec<f32>| -> Vec<usize> {
        let width = values.len() / count;
        values.chunks(width).map(largest).collect()
    };
    let time = rows(host(answers.time)?);
    let place = rows(host(answers.place)?);
    let background = rows(host(answers.background)?);
    let readings = labels
        .chunks(label_count() * cells)
        .zip(styles.chunks(STYLES * cells))
        .enumerate()
        .map(|(i, (labels, styles))| {
            let things = &labels[Stuff::ALL.len() * cells..];
            let objects: Vec<Vec<f32>> = things.chunks(cells).map(<[f32]>::to_vec).collect();
            let likeliest = |cell: usize| {
                let of = |label: &usize| labels[label * cells + cell];
                let best = (0..label_count()).max_by(|a, b| of(a).total_cmp(&of(b)));
                best.unwrap_or(0)
            };
            // Only objects have a style, so each cell counts as far as it is one.
            let weight = |cell: usize| objects.iter().map(|class| class[cell]).sum::<f32>();
            let styles: Vec<f32> = styles
                .chunks(cells)
                .map(|style| style.iter().enumerate().map(|(c, p)| p * weight(c)).sum())
                .collect();
            Reading {
                time: time[i],
                place: place[i],
                background: background[i],
                style: largest(&styles),
                cells: (0..cells).map(likeliest).collect(),
                objects,
            }
        });
    Ok(readings.collect())
}

/// Whether the middle of a cell is in a mask.
fn is_masked(mask: &GrayImage, cell: usize) -> bool {
    let middle = |index: usize, side: u32| {
        let part = (index * CELL_PX + CELL_PX / 2) as f32 / SIZE_PX as f32;
        ((part * side as f32) as u32).min(side.saturating_sub(1))
    };
    let (x, y) = (
        middle(cell % CELLS, mask.width()),
        middle(cell / CELLS, mask.height()),
    );
    mask.get_pixel_checked(x, y).is_some_and(|p| p.0[0] >= 128)
}

/// What each cell of a label map shows: an object that fills a part of it
/// before the surface behind, else what fills most of it.
pub(super) fn cell_labels(labels: &GrayImage) -> Vec<usize> {
    const ENOUGH: usize = CELL_PX * CELL_PX / 4;
    let first_thing = usize::from(label_of_class(0));
    let mut counts = vec![0; label_count()];
    (0..CELLS * CELLS)
        .map(|cell| {
            counts.fill(0);
            for i in 0..CELL_PX * CELL_PX {
                let x = cell % CELLS * CELL_PX + i % CELL_PX;
                let y = cell / CELLS * CELL_PX + i / CELL_PX;
                let label = usize::from(labels.get_pixel(x as u32, y as u32).0[0]);
                if let Some(count) = counts.get_mut(label) {
                    *count += 1;
                }
            }
            let most = |range: std::ops::Range<usize>| {
                let best = range.max_by_key(|label| counts[*label]);
                best.map_or((0, 0), |label| (label, counts[label]))
            };
            let (thing, part) = most(first_thing..counts.len());
            if part >= ENOUGH {
                thing
            } else {
                most(0..first_thing).0
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_show_objects_first() {
        let mut labels =
            GrayImage::from_pixel(SIZE_PX as u32, SIZE_PX as u32, Luma([Stuff::Grass as u8]));
        for (x, y) in [(0, 0), (1, 0), (0, 1), (1, 1), (9, 9)] {
            labels.put_pixel(x, y, Luma([label_of_class(3)]));
        }
        let cells = cell_labels(&labels);
        assert_eq!(cells[0], usize::from(label_of_class(3)));
        let grass = cells.iter().filter(|l| **l == Stuff::Grass as usize);
        assert_eq!(grass.count(), CELLS * CELLS - 1);
    }

    #[test]
    fn masks_choose_cells_at_any_size() {
        let mask = GrayImage::from_fn(128, 128, |x, _| Luma([if x < 64 { 255 } else { 0 }]));
        assert!(is_masked(&mask, 0) && is_masked(&mask, CELLS / 2 - 1));
        assert!(!is_masked(&mask, CELLS / 2) && !is_masked(&mask, CELLS - 1));
    }
}
