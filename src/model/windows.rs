//! Windows that overlap and together cover a picture of any size, and how what is
//! said in each becomes one whole: by smooth weights that add up to one everywhere, as
//! in MultiDiffusion (Bar-Tal et al. 2023, <https://arxiv.org/abs/2302.08113>), after
//! the windows of Rombach et al. 2022 (<https://arxiv.org/abs/2112.10752>, §4.3.2).
//!
//! A picture that goes on over its edges has windows that go over them too, so that
//! no edge is in the middle of none.

use burn::tensor::{Device, Tensor, TensorData};

/// Where a window lies along one axis, in places. It may end beyond the last place of
/// a picture that goes on over its edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first place.
    pub start: usize,
    /// Number of places.
    pub length: usize,
}

/// The windows along one axis.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Axis {
    /// Places of the whole.
    extent: usize,
    wraps: bool,
    /// In order; all of the same length.
    spans: Vec<Span>,
    /// Places over which a window gives way to the next one.
    ramp: usize,
}

impl Axis {
    /// Windows of so many places, which share at least so many with the next one.
    fn new(extent: usize, side: usize, overlap: usize, wraps: bool) -> Self {
        let side = side.max(1);
        let overlap = overlap.min(side - 1).min(extent);
        let step = side - overlap;
        if !wraps && extent <= side {
            return Self::single(extent, extent, 0, false);
        }
        if wraps && extent + overlap <= side {
            return Self::single(extent, extent + overlap, overlap, true);
        }
        let side = side.min(extent);
        let (count, last) = match wraps {
            true => (extent.div_ceil(step).max(2), extent),
            false => ((extent - overlap).div_ceil(step).max(2), extent - side),
        };
        let gaps = if wraps { count } else { count - 1 };
        let start = |index: usize| (index * last + gaps / 2) / gaps;
        let spans: Vec<Span> = (0..count)
            .map(|index| Span {
                start: start(index),
                length: side,
            })
            .collect();
        // The widest step leaves the least to share.
        let steps = (1..=gaps).map(|index| start(index) - start(index - 1));
        let ramp = side - steps.max().unwrap_or(0);
        Self {
            extent,
            wraps,
            spans,
            ramp,
        }
    }

    fn single(extent: usize, length: usize, ramp: usize, wraps: bool) -> Self {
        Self {
            extent,
            wraps,
            spans: vec![Span { start: 0, length }],
            ramp,
        }
    }

    /// Windows with their middle where these ones meet.
    fn between(&self) -> Self {
        let starts: Vec<usize> = self.spans.iter().map(|span| span.start).collect();
        let length = self.spans.first().map_or(0, |span| span.length);
        let middle = |pair: &[usize]| (pair[0] + pair[1]) / 2;
        let mut between: Vec<usize> = starts.windows(2).map(middle).collect();
        let last = starts.last().copied().unwrap_or(0);
        if self.wraps {
            between.push((last + self.extent) / 2);
        } else if !between.is_empty() {
            between.insert(0, 0);
            between.push(last);
        } else {
            between = starts;
        }
        Self {
            spans: between
                .into_iter()
                .map(|start| Span { start, length })
                .collect(),
            ..*self
        }
    }

    /// The last place of any window, from the first place of all.
    fn reach(&self) -> usize {
        let ends = self.spans.iter().map(|span| span.start + span.length);
        ends.max().unwrap_or(0).max(self.extent)
    }

    /// The weight of each window at each of its places, `scale` numbers a place: they
    /// add up to one at every place of the whole.
    fn weights(&self, scale: usize) -> Vec<Vec<f32>> {
        let raw = |span: &Span| -> Vec<f32> {
            let length = span.length * scale;
            let ramp = (self.ramp * scale) as f32;
            let is_first = !self.wraps && span.start == 0;
            let is_last = !self.wraps && span.start + span.length == self.extent;
            let weight = |at: usize| {
                let from_start = if is_first { ramp } else { at as f32 + 0.5 };
                let from_end = match is_last {
                    true => ramp,
                    false => (length - at) as f32 - 0.5,
                };
                let share = match ramp > 0.0 {
                    true => (from_start.min(from_end) / ramp).min(1.0),
                    false => 1.0,
                };
                // Smooth at both ends.
                share * share * (3.0 - 2.0 * share)
            };
            (0..length).map(weight).collect()
        };
        let mut weights: Vec<Vec<f32>> = self.spans.iter().map(raw).collect();
        let whole = self.extent * scale;
        let mut sums = vec![0.0_f32; whole];
        for (span, weights) in self.spans.iter().zip(&weights) {
            for (at, weight) in (span.start * scale..).zip(weights) {
                sums[at % whole] += weight;
            }
        }
        for (span, weights) in self.spans.iter().zip(&mut weights) {
            for (at, weight) in (span.start * scale..).zip(weights) {
                *weight /= sums[at % whole];
            }
        }
        weights
    }

    /// Brings what reaches over the end back to the beginning.
    fn folded(&self, whole: Tensor<4>, dim: usize, scale: usize) -> Tensor<4> {
        let (extent, reach) = (self.extent * scale, whole.dims()[dim]);
        if reach <= extent {
            return whole;
        }
        let mut kept = whole.clone().narrow(dim, 0, extent);
        for start in (extent..reach).step_by(extent.max(1)) {
            let length = extent.min(reach - start);
            kept = added(kept, whole.clone().narrow(dim, start, length), dim, 0);
        }
        kept
    }
}

/// A tensor with another one added from a place of one dimension on.
fn added(to: Tensor<4>, part: Tensor<4>, dim: usize, start: usize) -> Tensor<4> {
    let mut ranges = to.dims().map(|length| 0..length);
    ranges[dim] = start..start + part.dims()[dim];
    let there = to.clone().slice(ranges.clone());
    to.slice_assign(ranges, there + part)
}

/// A window: its columns and its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its columns.
    pub columns: Span,
    /// Its rows.
    pub rows: Span,
}

impl Window {
    /// What lies in the window of something that has `scale` numbers a place.
    ///
    /// # Shapes
    /// `[batch, channels, scale · rows, scale · columns]` of the whole to those of the
    /// window.
    pub fn cut(&self, whole: &Tensor<4>, scale: usize) -> Tensor<4> {
        let rows = wrapped(whole.clone(), 2, self.rows, scale);
        wrapped(rows, 3, self.columns, scale)
    }

    /// Columns and rows.
    pub fn size(&self) -> [usize; 2] {
        [self.columns.length, self.rows.length]
    }
}

/// A part of one dimension, which goes on with its beginning.
fn wrapped(whole: Tensor<4>, dim: usize, span: Span, scale: usize) -> Tensor<4> {
    let (start, length) = (span.start * scale, span.length * scale);
    let extent = whole.dims()[dim];
    if start + length <= extent {
        return whole.narrow(dim, start, length);
    }
    let (mut parts, mut at, end) = (Vec::new(), start, start + length);
    while at < end {
        let inside = at % extent;
        let taken = (extent - inside).min(end - at);
        parts.push(whole.clone().narrow(dim, inside, taken));
        at += taken;
    }
    Tensor::cat(parts, dim)
}

/// How large windows are, and how much of one the next shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSides {
    /// Columns and rows of a window.
    pub places: [usize; 2],
    /// Columns and rows that neighbours share at least.
    pub overlap: [usize; 2],
}

/// Windows that cover a plane of places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows {
    columns: Axis,
    rows: Axis,
}

impl Windows {
    /// Covers so many columns and rows. Along an axis that `wraps` the whole goes on
    /// with its beginning.
    pub fn new([columns, rows]: [usize; 2], sides: WindowSides, wraps: [bool; 2]) -> Self {
        let axis = |which: usize, extent: usize| {
            Axis::new(
                extent,
                sides.places[which],
                sides.overlap[which],
                wraps[which],
            )
        };
        Self {
            columns: axis(0, columns),
            rows: axis(1, rows),
        }
    }

    /// Other windows for the same plane, which have their middle where these ones meet:
    /// taken in turn, none has its edges always at the same places.
    #[must_use]
    pub fn between(&self) -> Self {
        Self {
            columns: self.columns.between(),
            rows: self.rows.between(),
        }
    }

    /// Whether there is but one, which is the whole.
    pub fn is_whole(&self) -> bool {
        let is_whole = |axis: &Axis| axis.spans.len() == 1 && !axis.wraps;
        is_whole(&self.columns) && is_whole(&self.rows)
    }

    /// All of them, row by row.
    pub fn all(&self) -> impl Iterator<Item = Window> {
        self.rows.spans.iter().flat_map(|rows| {
            let columns = self.columns.spans.iter();
            columns.map(|columns| Window {
                columns: *columns,
                rows: *rows,
            })
        })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.columns.spans.len() * self.rows.spans.len()
    }

    /// Columns and rows of the whole.
    pub fn extent(&self) -> [usize; 2] {
        [self.columns.extent, self.rows.extent]
    }

    /// Columns and rows of a window; all have the same.
    pub fn side(&self) -> [usize; 2] {
        let length = |axis: &Axis| axis.spans.first().map_or(0, |span| span.length);
        [length(&self.columns), length(&self.rows)]
    }

    /// Does some work in every window and blends what it leads to, which has `scale`
    /// numbers a place.
    ///
    /// # Shapes
    /// `work` answers `[batch, channels, scale · rows, scale · columns]` of its window;
    /// the result is of the whole.
    pub fn blended(
        &self,
        scale: usize,
        device: &Device,
        mut work: impl FnMut(usize, Window) -> Tensor<4>,
    ) -> Tensor<4> {
        self.put_together([scale; 2], device, |index, window, weights| {
            work(index, window) * weights
        })
    }

    /// Adds up what some work in every window leads to, one number a place. It is handed
    /// the weights with which something of `scale` numbers a place is
    /// [blended](Self::blended).
    ///
    /// # Shapes
    /// `work` is given `[1, 1, scale · rows, scale · columns]` and answers
    /// `[batch, channels, rows, columns]` of its window; the result is of the whole.
    pub fn summed(
        &self,
        scale: usize,
        device: &Device,
        mut work: impl FnMut(Window, Tensor<4>) -> Tensor<4>,
    ) -> Tensor<4> {
        self.put_together([1, scale], device, |_, window, weights| {
            work(window, weights)
        })
    }

    /// Adds up what is made in every window, given weights: each has so many numbers a
    /// place.
    fn put_together(
        &self,
        [made, weighed]: [usize; 2],
        device: &Device,
        mut work: impl FnMut(usize, Window, Tensor<4>) -> Tensor<4>,
    ) -> Tensor<4> {
        let across = self.columns.weights(weighed);
        let down = self.rows.weights(weighed);
        let (reach_x, reach_y) = (self.columns.reach() * made, self.rows.reach() * made);
        let row = |weights: &[f32]| {
            let shape = [1, 1, 1, weights.len()];
            Tensor::<4>::from_data(TensorData::new(weights.to_vec(), shape), device)
        };
        let mut windows = self.all().enumerate();
        let mut whole: Option<Tensor<4>> = None;
        for (rows, down) in self.rows.spans.iter().zip(&down) {
            let mut strip: Option<Tensor<4>> = None;
            for across in &across {
                let Some((index, window)) = windows.next() else {
                    break;
                };
                let weights = row(down).swap_dims(2, 3) * row(across);
                let part = work(index, window, weights);
                let [batch, channels, height, _] = part.dims();
                let blank = || Tensor::zeros([batch, channels, height, reach_x], device);
                let before = strip.take().unwrap_or_else(blank);
                strip = Some(added(before, part, 3, window.columns.start * made));
            }
            let Some(strip) = strip else { continue };
            let strip = self.columns.folded(strip, 3, made);
            let [batch, channels, _, width] = strip.dims();
            let blank = || Tensor::zeros([batch, channels, reach_y, width], device);
            let before = whole.take().unwrap_or_else(blank);
            whole = Some(added(before, strip, 2, rows.start * made));
        }
        let whole = whole.unwrap_or_else(|| Tensor::zeros([1, 1, 1, 1], device));
        self.rows.folded(whole, 2, made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sides(places: usize, overlap: usize) -> WindowSides {
        WindowSides {
            places: [places; 2],
            overlap: [overlap; 2],
        }
    }

    fn numbers(tensor: Tensor<4>) -> Vec<f32> {
        tensor.into_data().try_to_vec().expect("numbers")
    }

    fn plane([columns, rows]: [usize; 2]) -> Tensor<4> {
        let values = (0..columns * rows).map(|at| (at as f32 * 0.7).sin());
        let data = TensorData::new(values.collect::<Vec<f32>>(), [1, 1, rows, columns]);
        Tensor::from_data(data, &Device::flex())
    }

    /// Whatever the sizes, every place is covered, neighbours share what they should,
    /// and what all windows say the same comes out as it went in.
    #[test]
    fn windows_cover_a_plane_and_blend_to_what_they_agree_on() {
        for size in [[3, 5], [16, 16], [17, 40], [64, 9], [33, 31], [256, 16]] {
            for wraps in [[false, false], [true, false], [false, true], [true, true]] {
                let sizes = [(16, 8), (16, 4), (8, 0), (40, 8)];
                let all = sizes.into_iter().flat_map(|(side, overlap)| {
                    let windows = Windows::new(size, sides(side, overlap), wraps);
                    [(side, windows.between()), (side, windows)]
                });
                for (side, windows) in all {
                    let mut seen = vec![0; size[0] * size[1]];
                    for window in windows.all() {
                        for y in window.rows.start..window.rows.start + window.rows.length {
                            let columns = window.columns;
                            for x in columns.start..columns.start + columns.length {
                                seen[y % size[1] * size[0] + x % size[0]] += 1;
                            }
                        }
                        let [width, height] = window.size();
                        assert!(width <= side && height <= side);
                    }
                    assert!(seen.iter().all(|count| *count > 0), "{size:?} {wraps:?}");
                    let plane = plane(size);
                    let device = plane.device();
                    let back = windows.blended(1, &device, |_, window| window.cut(&plane, 1));
                    let pairs = numbers(back).into_iter().zip(numbers(plane));
                    for (found, wanted) in pairs {
                        assert!((found - wanted).abs() < 1e-5, "{size:?} {wraps:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_fits_into_a_window_is_one() {
        let windows = Windows::new([16, 12], sides(16, 8), [false; 2]);
        assert!(windows.is_whole());
        assert_eq!((windows.count(), windows.side()), (1, [16, 12]));
        let tiled = Windows::new([16, 12], sides(16, 8), [true, false]);
        assert!(!tiled.is_whole());
        let starts: Vec<Span> = tiled.all().map(|window| window.columns).collect();
        assert_eq!(starts.len(), 2);
        assert_eq!((starts[0].start, starts[1].start), (0, 8));
        // With room for more, one goes once around and over its own beginning.
        let around = Windows::new([16, 12], sides(24, 8), [true, false]);
        assert_eq!((around.count(), around.side()), (1, [24, 12]));
    }

    /// What is looked at grows as the area does: no part of it more often than the overlap asks.
    #[test]
    fn so_many_windows_as_the_area_needs() {
        for (side, overlap) in [(16, 8), (16, 4), (8, 0), (32, 8)] {
            let step = side - overlap;
            for size in [[64, 16], [64, 64], [129, 64], [256, 256], [1000, 300]] {
                let windows = Windows::new(size, sides(side, overlap), [false; 2]);
                let most: usize = size
                    .map(|places| places.saturating_sub(overlap))
                    .map(|it| it.div_ceil(step).max(1))
                    .iter()
                    .product();
                assert!(
                    windows.count() <= most,
                    "{size:?} in {side}: {}",
                    windows.count()
                );
            }
        }
    }

    #[test]
    fn neighbours_share_at_least_what_they_should() {
        let windows = Windows::new([256, 32], sides(16, 4), [false; 2]);
        let columns: Vec<Span> = windows.all().map(|window| window.columns).collect();
        let first_row = &columns[..windows.count() / 3];
        for pair in first_row.windows(2) {
            assert!(pair[0].start + 16 >= pair[1].start + 4, "{pair:?}");
        }
        assert_eq!(columns.last().map(|last| last.start), Some(240));
    }

    #[test]
    fn windows_in_turn_have_other_edges() {
        let starts = |windows: &Windows| -> Vec<usize> {
            windows.all().map(|window| window.columns.start).collect()
        };
        let windows = Windows::new([32, 8], sides(16, 8), [false; 2]);
        assert_eq!(starts(&windows), [0, 8, 16]);
        assert_eq!(starts(&windows.between()), [0, 4, 12, 16]);
        let tiled = Windows::new([32, 8], sides(16, 8), [true, false]);
        assert_eq!(starts(&tiled), [0, 8, 16, 24]);
        assert_eq!(starts(&tiled.between()), [4, 12, 20, 28]);
        let whole = Windows::new([16, 8], sides(16, 8), [false; 2]);
        assert_eq!(whole.between(), whole);
    }

    #[test]
    fn a_window_over_the_edge_sees_the_beginning() {
        let windows = Windows::new([16, 4], sides(16, 8), [true, false]);
        let second = windows.all().nth(1).expect("two");
        let plane = plane([16, 4]);
        let cut = numbers(second.cut(&plane, 1));
        let whole = numbers(plane);
        assert_eq!(cut[..8], whole[8..16]);
        assert_eq!(cut[8..16], whole[..8]);
    }
}
