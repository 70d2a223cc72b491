//! Completion by pieces of the picture itself.
//!
//! Every small patch that touches the hole looks for the known patch that is most like
//! it, and every empty place becomes the mean of what the patches over it have found
//! (Wexler et al. 2007, <https://doi.org/10.1109/TPAMI.2007.60>), from coarse to fine.
//! The search is PatchMatch (Barnes et al. 2009,
//! <https://doi.org/10.1145/1531326.1531330>): good finds spread to their neighbours.

use image::imageops::{self, FilterType};
use image::{ImageBuffer, Rgb};

use super::Canvas;
use crate::frame::distance::nearest;
use crate::frame::membrane::Colour;
use crate::random::Random;

/// Patches reach so far from their middles.
const REACH: usize = 3;
/// Up to this size pieces are looked for everywhere. In larger pictures the same ones are
/// taken, with all their detail, which bounds the time.
const MOST_PX: usize = 256;
/// The coarsest level has about so many places on its long side.
const COARSEST_PX: usize = 32;
/// So many times it is begun anew, up to this size, and gone on with the best.
const TRIALS: usize = 8;
const TRIED_PX: usize = 64;
/// How much less a find counts with every place further inside, as in the first of these.
const DOUBT: f32 = 1.3;
/// Further inside than this all finds count the same: smaller numbers would be none.
const DEEPEST_PX: f32 = 40.0;
/// How unlike, in squared levels, a patch is taken to be that lies higher or lower by the
/// whole picture: sky goes on in sky, and its colour from left to right.
const ELSEWHERE: f32 = 1000.0;
/// Rounds of searching and averaging; the finest level only adds detail.
const ROUNDS: usize = 4;
const FINEST_ROUNDS: usize = 2;
/// Passes of the search in a round.
const PASSES: usize = 2;

/// The colours with the empty places filled.
pub(super) fn completed(canvas: &Canvas, seed: u64) -> Vec<Colour> {
    let size = [canvas.width, canvas.height()];
    let smooth = canvas.smooth();
    let mut random = Random::new(seed, 0);
    let mut levels = vec![size];
    while let Some(last) = levels.last().copied()
        && last[0].max(last[1]) > COARSEST_PX
    {
        levels.push(last.map(|side| side.div_ceil(2)));
    }
    let levels: Vec<Level> = levels
        .into_iter()
        .rev()
        .map(|size| Level::of(canvas, &smooth, size))
        .collect();
    let coarse_count = levels.partition_point(|level| level.longest() <= TRIED_PX);
    let mut levels = levels.into_iter();
    let tried: Vec<Level> = levels.by_ref().take(coarse_count).collect();
    // By chance a piece may end up where nothing goes on from it.
    let trials = (0..TRIALS).filter_map(|_| {
        let steps = tried.iter().cloned();
        steps.fold(None, |coarse, level| {
            Some(level.completed(coarse.as_ref(), &mut random))
        })
    });
    let best = trials.min_by(|a, b| a.discord().total_cmp(&b.discord()));
    let found = levels.fold(best, |coarse, level| {
        Some(level.completed(coarse.as_ref(), &mut random))
    });
    found.map_or(smooth, |level| level.canvas.colours)
}

fn resized(colours: &[Colour], from: [usize; 2], to: [usize; 2]) -> Vec<Colour> {
    if from == to {
        return colours.to_vec();
    }
    let picture = ImageBuffer::from_fn(from[0] as u32, from[1] as u32, |x, y| {
        // Numbers of pictures are taken to end at 1.
        Rgb(colours[y as usize * from[0] + x as usize].map(|it| it / 255.0))
    });
    let scaled = imageops::resize(&picture, to[0] as u32, to[1] as u32, FilterType::Triangle);
    let whole = |pixel: &Rgb<f32>| pixel.0.map(|it| it * 255.0);
    scaled.pixels().map(whole).collect()
}

/// The picture at one size.
#[derive(Clone)]
struct Level {
    canvas: Canvas,
    /// Whether that is its own size.
    is_finest: bool,
    /// Middles of patches that are known as a whole.
    sources: Vec<usize>,
    is_source: Vec<bool>,
    /// Middles of patches that touch the hole.
    targets: Vec<usize>,
    /// How much what a patch finds counts, by its middle: less with every place that lies
    /// between it and what is known, so that the picture goes on from its edges.
    trust: Vec<f32>,
    /// The most similar source of each target, and how far it is from it.
    matches: Vec<(usize, f32)>,
}

impl Level {
    /// Completed, going on from how the coarser one was.
    fn completed(mut self, coarse: Option<&Self>, random: &mut Random) -> Self {
        if let Some(coarse) = coarse {
            self.take_empty_from(&coarse.canvas);
        }
        if self.sources.is_empty() {
            // Too little is known for a single patch, so the smooth passage stays.
            return self;
        }
        self.begin(coarse, random);
        let longest = self.longest();
        let (rounds, reach) = match self.is_finest {
            _ if longest > MOST_PX => (1, 1),
            true => (FINEST_ROUNDS, longest),
            false => (ROUNDS, longest),
        };
        for _ in 0..rounds {
            (0..PASSES).for_each(|pass| self.search(pass % 2 == 1, reach, random));
            self.vote();
        }
        self
    }

    fn longest(&self) -> usize {
        let [width, height] = self.size();
        width.max(height)
    }

    /// How unlike their finds the patches are.
    fn discord(&self) -> f32 {
        let finds = self
            .targets
            .iter()
            .map(|at| self.matches[*at].1 * self.trust[*at]);
        finds.sum()
    }

    /// The canvas at a size, with a smooth passage to begin with; a place is known where
    /// all that it covers is.
    fn of(canvas: &Canvas, smooth: &[Colour], size: [usize; 2]) -> Self {
        let whole = [canvas.width, canvas.height()];
        let [width, height] = size;
        let colours = resized(smooth, whole, size);
        let range =
            |at: usize, to: usize, from: usize| at * from / to..((at + 1) * from).div_ceil(to);
        let is_known = |at: usize| {
            let mut rows = range(at / width, height, whole[1]);
            rows.all(|y| {
                let mut columns = range(at % width, width, whole[0]);
                columns.all(|x| canvas.is_known[y * whole[0] + x])
            })
        };
        let is_known: Vec<bool> = (0..width * height).map(is_known).collect();
        let canvas = Canvas {
            colours,
            is_known,
            width,
        };
        let hole = (0..width * height).filter(|at| !canvas.is_known[*at]);
        let bounds = hole.fold([width, 0, height, 0], |[left, right, top, bottom], at| {
            let (x, y) = (at % width, at / width);
            [left.min(x), right.max(x), top.min(y), bottom.max(y)]
        });
        let touches_hole = |at: usize| {
            let (x, y) = (at % width, at / width);
            let [left, right, top, bottom] = bounds;
            let is_near = x + REACH >= left && x <= right + REACH;
            if !is_near || y + REACH < top || y > bottom + REACH {
                return false;
            }
            let mut around = offsets().filter_map(|offset| shifted(at, offset, size));
            around.any(|at| !canvas.is_known[at])
        };
        let is_whole = |at: usize| {
            let (x, y) = (at % width, at / width);
            let [right, bottom] = [x, y].map(|it| it + REACH);
            x >= REACH && y >= REACH && right < width && bottom < height
        };
        let targets: Vec<usize> = (0..width * height).filter(|at| touches_hole(*at)).collect();
        let mut is_source: Vec<bool> = (0..width * height).map(is_whole).collect();
        targets.iter().for_each(|at| is_source[*at] = false);
        let sources = (0..width * height).filter(|at| is_source[*at]).collect();
        let known = nearest(&canvas.is_known, width);
        let trust = |at: usize| {
            let near = known.as_ref().map_or(at, |known| known[at]);
            let x = (at % width).abs_diff(near % width) as f32;
            let y = (at / width).abs_diff(near / width) as f32;
            trust_at(x.hypot(y))
        };
        Self {
            trust: (0..width * height).map(trust).collect(),
            is_finest: size == whole,
            canvas,
            sources,
            is_source,
            targets,
            matches: vec![(0, f32::INFINITY); width * height],
        }
    }

    fn size(&self) -> [usize; 2] {
        [self.canvas.width, self.canvas.height()]
    }

    fn take_empty_from(&mut self, coarse: &Canvas) {
        let size = [coarse.width, coarse.height()];
        let scaled = resized(&coarse.colours, size, self.size());
        for (at, colour) in self.canvas.colours.iter_mut().enumerate() {
            if !self.canvas.is_known[at] {
                *colour = scaled[at];
            }
        }
    }

    /// Begins with the finds of the coarser level, or with any.
    fn begin(&mut self, coarse: Option<&Self>, random: &mut Random) {
        let width = self.canvas.width;
        for at in self.targets.clone() {
            let any = self.sources[random.below(self.sources.len() as u64) as usize];
            let start = coarse.and_then(|coarse| {
                let (x, y) = (at % width, at / width);
                let place = y / 2 * coarse.canvas.width + x / 2;
                let (find, distance) = *coarse.matches.get(place)?;
                let (find_x, find_y) = (find % coarse.canvas.width, find / coarse.canvas.width);
                let finer = (find_y * 2 + y % 2) * width + find_x * 2 + x % 2;
                let is_source = self.is_source.get(finer) == Some(&true);
                (distance.is_finite() && is_source).then_some(finer)
            });
            self.matches[at] = (start.unwrap_or(any), f32::INFINITY);
        }
    }

    /// A pass over all targets, forwards or backwards: what neighbours found, and any
    /// place so far from what was found.
    fn search(&mut self, is_backward: bool, reach: usize, random: &mut Random) {
        let [width, height] = self.size();
        let count = self.targets.len();
        for k in 0..count {
            let at = self.targets[if is_backward { count - 1 - k } else { k }];
            // The picture has changed since.
            let find = self.matches[at].0;
            self.matches[at] = (find, self.distance(at, find, f32::INFINITY));
            let step: isize = if is_backward { 1 } else { -1 };
            for offset in [[step, 0], [0, step]] {
                if let Some(near) = shifted(at, offset, [width, height])
                    && self.matches[near].1.is_finite()
                    && let Some(find) = shifted(
                        self.matches[near].0,
                        [-offset[0], -offset[1]],
                        [width, height],
                    )
                {
                    self.offer(at, find);
                }
            }
            let mut radius = reach;
            while radius >= 1 {
                let find = self.matches[at].0;
                let mut near = || random.below(2 * radius as u64 + 1) as isize - radius as isize;
                let offset = [near(), near()];
                if let Some(find) = shifted(find, offset, [width, height]) {
                    self.offer(at, find);
                }
                radius /= 2;
            }
        }
    }

    /// Takes a source that is more like the target than the one before.
    fn offer(&mut self, at: usize, find: usize) {
        if self.is_source[find] {
            let distance = self.distance(at, find, self.matches[at].1);
            if distance < self.matches[at].1 {
                self.matches[at] = (find, distance);
            }
        }
    }

    /// The mean square difference of two patches, as far as the target's lies in the
    /// picture; given up beyond `most`.
    fn distance(&self, target: usize, source: usize, most: f32) -> f32 {
        let size @ [width, _] = self.size();
        let reach = REACH as isize;
        let (mut sum, mut count) = (0.0, 0.0_f32);
        let area = ((2 * REACH + 1) * (2 * REACH + 1)) as f32;
        for dy in -reach..=reach {
            for dx in -reach..=reach {
                let Some(at) = shifted(target, [dx, dy], size) else {
                    continue;
                };
                // A source lies in the picture as a whole.
                let from = source.wrapping_add_signed(dy * width as isize + dx);
                let (a, b) = (self.canvas.colours[at], self.canvas.colours[from]);
                sum += (0..3).map(|k| (a[k] - b[k]).powi(2)).sum::<f32>();
                count += 1.0;
            }
            if sum > most * area {
                return f32::INFINITY;
            }
        }
        let [from, to] = [source, target].map(|at| (at / width) as f32 / size[1] as f32);
        sum / count.max(1.0) + ELSEWHERE * (from - to).powi(2)
    }

    /// Every empty place becomes the mean of what the patches over it have found; better
    /// finds weigh more.
    fn vote(&mut self) {
        let size @ [width, _] = self.size();
        let mut distances: Vec<f32> = self.targets.iter().map(|at| self.matches[*at].1).collect();
        let middle = distances.len() / 2;
        let usual = *distances.select_nth_unstable_by(middle, f32::total_cmp).1;
        let mut sums = vec![([0.0; 3], 0.0_f32); self.canvas.colours.len()];
        for target in &self.targets {
            let (source, distance) = self.matches[*target];
            let weight = ((-distance / (usual + 1.0)).exp() + 1e-6) * self.trust[*target];
            for [dx, dy] in offsets() {
                let Some(at) = shifted(*target, [dx, dy], size) else {
                    continue;
                };
                if self.canvas.is_known[at] {
                    continue;
                }
                let from = source.wrapping_add_signed(dy * width as isize + dx);
                let (sum, total) = &mut sums[at];
                (0..3).for_each(|k| sum[k] += self.canvas.colours[from][k] * weight);
                *total += weight;
            }
        }
        for (at, (sum, total)) in sums.into_iter().enumerate() {
            if total > 0.0 {
                self.canvas.colours[at] = sum.map(|it| it / total);
            }
        }
    }
}

/// How much a find counts so many places from what is known.
fn trust_at(depth_px: f32) -> f32 {
    DOUBT.powf(-depth_px.min(DEEPEST_PX))
}

/// From the middle of a patch to each of its places.
fn offsets() -> impl Iterator<Item = [isize; 2]> {
    let reach = REACH as isize;
    (-reach..=reach).flat_map(move |dy| (-reach..=reach).map(move |dx| [dx, dy]))
}

/// The place so far away; `None` beyond the edges.
fn shifted(at: usize, [dx, dy]: [isize; 2], [width, height]: [usize; 2]) -> Option<usize> {
    let x = (at % width).checked_add_signed(dx).filter(|x| *x < width)?;
    let y = (at / width)
        .checked_add_signed(dy)
        .filter(|y| *y < height)?;
    Some(y * width + x)
}

#[cfg(test)]
mod tests {
    use super::trust_at;

    #[test]
    fn finds_count_in_the_middle_of_the_largest_hole_too() {
        assert!(trust_at(0.0) > trust_at(1.0) && trust_at(1.0) > trust_at(9.0));
        // As much less as the worst find of a patch counts.
        assert!((trust_at(1000.0) * 1e-6).is_normal());
    }
}
