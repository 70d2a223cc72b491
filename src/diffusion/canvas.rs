//! How a picture is seen by the networks: whole, in windows, or as one that goes on
//! over its edges.

use burn::tensor::Tensor;

use super::guidance::Guidance;
use super::session::Told;
use super::{Conditions, DiffusionError, LatentDiffusion};
use crate::model::conditioner::{Conditioning, Regional};
use crate::model::windows::{Span, Window, WindowSides, Windows};
use crate::model::{FirstStage, TiledStage};
use crate::recipe::LayoutBox;

/// How a picture is seen by the networks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Canvas {
    /// Sides of the windows in which the denoiser sees it, in pixels; `None` for whole.
    pub window_px: Option<u32>,
    /// Whether it goes on over its edges, along columns and rows.
    pub wraps: [bool; 2],
    /// Whether the first stage sees it part by part, because memory is short. Where there
    /// are windows it always does.
    pub in_parts: bool,
}

/// Latents that neighbouring windows share at least: as many as a window has at most.
const LEAST_OVERLAP: usize = 8;
/// The same as a part of the side of a window.
const OVERLAP_PART: usize = 4;
/// Of a box that reaches out of a window, the part that must lie in it for the window
/// to have a token of it; its planes show every part.
const LEAST_SEEN: f32 = 0.4;

impl Canvas {
    /// Whether the networks see all of the picture at once, and edges around it.
    pub(super) fn is_plain(self) -> bool {
        self == Self::default()
    }

    /// The windows of the denoiser for so many columns and rows of latents, which are
    /// taken in turn; none where it sees all of them and they end at their edges.
    pub(super) fn windows(self, size: [usize; 2], factor: usize) -> Vec<Windows> {
        let overlap = |side: usize| (side / OVERLAP_PART).max(LEAST_OVERLAP).min(side / 2);
        let sides = match self.window_px {
            Some(side_px) => {
                let side = (side_px as usize).div_ceil(factor);
                WindowSides {
                    places: [side; 2],
                    overlap: [overlap(side); 2],
                }
            }
            // Once around, and on over the beginning.
            None => WindowSides {
                places: size.map(|side| side + overlap(side)),
                overlap: size.map(overlap),
            },
        };
        let windows = Windows::new(size, sides, self.wraps);
        match windows.is_whole() {
            true => Vec::new(),
            false => vec![windows.between(), windows],
        }
    }

    /// Whether a picture of a size is painted in several windows, each of which has boxes
    /// of its own.
    pub(super) fn divides(self, size_px: [u32; 2]) -> bool {
        let is_larger = |side_px| size_px.iter().any(|side| *side > side_px);
        self.window_px.is_some_and(is_larger)
    }

    /// Checks that a picture of a size can go on over its edges.
    ///
    /// # Errors
    /// If an axis that does so ends inside of a latent.
    pub(super) fn check(self, size_px: [u32; 2], factor: u32) -> Result<(), DiffusionError> {
        let ends_inside =
            (0..2).any(|axis| self.wraps[axis] && !size_px[axis].is_multiple_of(factor));
        if ends_inside {
            return Err(DiffusionError::TileSides { factor, size_px });
        }
        Ok(())
    }
}

impl LatentDiffusion {
    /// The first stage as it sees a picture; a plain one is seen at once.
    pub(super) fn stage(&self, canvas: Canvas) -> Box<dyn FirstStage> {
        let stage = self.model().first_stage();
        if canvas.is_plain() {
            return stage.boxed();
        }
        Box::new(TiledStage::new(stage, canvas.wraps))
    }

    /// What the denoiser says, with guidance, in every window of a picture; `turn`
    /// counts the evaluations.
    ///
    /// # Shapes
    /// `[1, latent_channels, h, w]` to the same.
    pub(super) fn said_in(
        &self,
        (windows, turn): (&[Windows], usize),
        latents: &Tensor<4>,
        timestep: f64,
        (conditioning, told): (&Conditioning, &Told),
        guidance: &Guidance,
    ) -> Tensor<4> {
        let turn = turn % windows.len().max(1);
        let Some(windows) = windows.get(turn) else {
            return self.said(latents, timestep, conditioning, guidance);
        };
        windows.blended(1, self.device(), |index, window| {
            let part = window.cut(latents, 1);
            let told_here = told.in_window(conditioning, [turn, index], window);
            self.said(&part, timestep, &told_here, guidance)
        })
    }

    /// What is told of boxes in the windows of every turn.
    pub(super) fn boxes_in_turn(
        &self,
        windows: &[Windows],
        conditions: &Conditions,
        is_guided: bool,
    ) -> Vec<Vec<Conditioning>> {
        let turns = windows.iter();
        turns
            .map(|windows| self.boxes_in(windows, conditions, is_guided))
            .collect()
    }

    /// What every window is told of boxes: those that lie in it, where they lie in it, and
    /// the largest of them where there are more than the model sees. Nothing where there are
    /// none.
    fn boxes_in(
        &self,
        windows: &Windows,
        conditions: &Conditions,
        is_guided: bool,
    ) -> Vec<Conditioning> {
        let Some(layout) = &conditions.layout else {
            return Vec::new();
        };
        let factor = self.model().latents().factor;
        let size_px = windows.side().map(|side| side * factor);
        if conditions
            .asked_of(self.manifest(), &[], is_guided)
            .is_none()
        {
            // Regional prompts are cut with the picture.
            return Vec::new();
        }
        let told = |boxes: &[LayoutBox]| {
            let Some(asked) = conditions.asked_of(self.manifest(), boxes, is_guided) else {
                return Conditioning::default();
            };
            // Boxes need no noise.
            let noise = &mut |shape: [usize; 4]| self.blank(shape);
            let stage = self.model().first_stage();
            self.model()
                .told_of(&asked, &mut self.bench(stage, size_px, noise))
        };
        let nothing = told(&[]);
        let used = conditions.box_use(self.manifest());
        let most = used.map_or(usize::MAX, |used| used.max_boxes() as usize);
        let whole_px = windows.extent().map(|side| (side * factor) as f32);
        let in_window = |window: Window| {
            let parts = box_parts(&layout.0, window, factor, whole_px);
            if parts.is_empty() {
                return nothing.clone();
            }
            let boxes = |least: f32| -> Vec<LayoutBox> {
                let seen = parts.iter().filter(|(_, seen)| *seen >= least);
                largest(seen.map(|(part, _)| part.clone()).collect(), most)
            };
            Conditioning {
                concat: told(&boxes(0.0)).concat,
                ..told(&boxes(LEAST_SEEN))
            }
        };
        windows.all().map(in_window).collect()
    }
}

impl Told {
    /// What the denoiser is told in a window, of what it is told of the whole.
    fn in_window(
        &self,
        conditioning: &Conditioning,
        [turn, index]: [usize; 2],
        window: Window,
    ) -> Conditioning {
        let own = self.boxes.as_ref().and_then(|boxes| boxes.get(turn));
        let own = own.and_then(|boxes| boxes.get(index));
        let cut = |parts: &[(&'static str, Tensor<4>)]| {
            let parts = parts.iter();
            parts
                .map(|(name, part)| (*name, window.cut(part, 1)))
                .collect()
        };
        let controls = conditioning.controls.iter();
        let all = Conditioning {
            concat: cut(&conditioning.concat),
            bias: cut(&conditioning.bias),
            controls: controls
                .map(|control| control.seeing(|hint| window.cut(hint, 1)))
                .collect(),
            regions: conditioning.regions.as_ref().map(|regions| Regional {
                shares: window.cut(&regions.shares, 1),
                ..regions.clone()
            }),
            ..conditioning.clone()
        };
        match own {
            Some(own) => Conditioning {
                // None lies in it, or boxes act no more.
                grounding: conditioning.grounding.as_ref().and(own.grounding.clone()),
                ..all.but(own.clone())
            },
            None => all,
        }
    }
}

/// The parts of boxes in a window, from its corner, each with the share of the box that
/// it is. A picture that goes on over its edges has its boxes again beyond them.
fn box_parts(
    boxes: &[LayoutBox],
    window: Window,
    factor: usize,
    whole_px: [f32; 2],
) -> Vec<(LayoutBox, f32)> {
    let part = |it: &LayoutBox, axis: usize, span: Span| -> Option<(f32, f32, f32)> {
        let (start, length) = ((span.start * factor) as f32, (span.length * factor) as f32);
        let turns = [0.0, whole_px[axis]];
        let parts = turns.map(|turn| {
            let from = it.rect[axis] + turn - start;
            let to = (from + it.rect[axis + 2]).min(length);
            let from = from.max(0.0);
            (from, to - from, (to - from) / it.rect[axis + 2])
        });
        let largest = parts.into_iter().max_by(|a, b| a.1.total_cmp(&b.1));
        largest.filter(|(_, length, _)| *length >= 1.0)
    };
    let cut = |it: &LayoutBox| {
        let (x, width, seen_across) = part(it, 0, window.columns)?;
        let (y, height, seen_down) = part(it, 1, window.rows)?;
        let inside = LayoutBox {
            rect: [x, y, width, height],
            ..it.clone()
        };
        Some((inside, seen_across * seen_down))
    };
    boxes.iter().filter_map(cut).collect()
}

/// The largest of some boxes, so many at most, in their order.
fn largest(boxes: Vec<LayoutBox>, most: usize) -> Vec<LayoutBox> {
    if boxes.len() <= most {
        return boxes;
    }
    let area = |at: &usize| boxes[*at].rect[2] * boxes[*at].rect[3];
    let mut order: Vec<usize> = (0..boxes.len()).collect();
    order.sort_by(|a, b| area(b).total_cmp(&area(a)));
    let mut kept = order[..most].to_vec();
    kept.sort_unstable();
    kept.into_iter().map(|at| boxes[at].clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_whole_unless_something_is_asked() {
        let plain = Canvas::default();
        assert!(plain.windows([64, 64], 8).is_empty());
        let in_parts = Canvas {
            in_parts: true,
            ..plain
        };
        assert!(in_parts.windows([64, 64], 8).is_empty());
        let windows = |window_px, wraps| {
            let canvas = Canvas {
                window_px,
                wraps,
                in_parts: false,
            };
            canvas.windows([32, 16], 8)
        };
        assert!(windows(Some(512), [false; 2]).is_empty());
        let cut = windows(Some(128), [false; 2]);
        assert_eq!((cut[0].side(), cut[0].count()), ([16, 16], 4));
        assert_eq!((cut[1].side(), cut[1].count()), ([16, 16], 3));
        let around = windows(None, [true, false]);
        assert_eq!((around[1].side(), around[1].count()), ([40, 16], 1));
        assert!(plain.check([65, 63], 8).is_ok());
        let tiled = Canvas {
            wraps: [true, false],
            ..plain
        };
        assert!(tiled.check([64, 63], 8).is_ok());
        let error = tiled
            .check([65, 64], 8)
            .expect_err("it ends within a latent");
        assert!(error.to_string().contains("64 × 64"), "{error}");
    }

    #[test]
    fn boxes_are_cut_to_their_windows() {
        let it = |rect| LayoutBox {
            class: "tree".to_owned(),
            rect,
            colour: None,
        };
        let span = |start, length| Span { start, length };
        let window = Window {
            columns: span(14, 4),
            rows: span(0, 4),
        };
        let boxes = [
            it([100.0, 8.0, 24.0, 8.0]),
            it([0.0, 0.0, 8.0, 64.0]),
            it([40.0, 0.0, 8.0, 8.0]),
        ];
        let parts = box_parts(&boxes, window, 8, [128.0, 32.0]);
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0].0.rect, [0.0, 8.0, 12.0, 8.0]);
        assert!((parts[0].1 - 0.5).abs() < 1e-6);
        // It lies at the other edge, which the window goes over.
        assert_eq!(parts[1].0.rect, [16.0, 0.0, 8.0, 32.0]);

        // A model that sees fewer is told of the largest, in their order.
        let kept = largest(boxes.to_vec(), 2);
        assert_eq!(kept, [boxes[0].clone(), boxes[1].clone()]);
        assert_eq!(largest(boxes.to_vec(), 3), boxes);
    }
}
