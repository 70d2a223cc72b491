//! What of a picture, its masks, boxes and label map lies in a frame.

use std::sync::Arc;

use image::{GrayImage, ImageBuffer, Luma, Pixel, Rgba, RgbaImage};

use crate::geometry::CanvasRect;
use crate::recipe::{LayoutBox, LayoutInput, SemanticInput, palette};

/// The part of a picture in the frame; nothing beyond the picture's edges.
pub fn cut_picture(picture: &RgbaImage, frame: CanvasRect) -> RgbaImage {
    cut(picture, frame, Rgba([0; 4]))
}

/// The part of a mask in the frame; nothing is covered beyond the picture's edges.
pub fn cut_mask(mask: &GrayImage, frame: CanvasRect) -> GrayImage {
    cut(mask, frame, Luma([0]))
}

/// What is empty in a part of a picture joins its mask, or is repainted as strongly as
/// anything.
pub fn join_empty(mask: &mut GrayImage, part: &RgbaImage) {
    for (covered, pixel) in mask.pixels_mut().zip(part.pixels()) {
        covered.0[0] = covered.0[0].max(255 - pixel[3]);
    }
}

/// Only the pixels in the frame are looked at.
fn cut<P>(
    picture: &ImageBuffer<P, Vec<u8>>,
    frame: CanvasRect,
    beyond: P,
) -> ImageBuffer<P, Vec<u8>>
where
    P: Pixel<Subpixel = u8>,
{
    let mut part = ImageBuffer::from_pixel(frame.width(), frame.height(), beyond);
    let whole = CanvasRect::from_size(picture.dimensions().into());
    let shared = frame.intersect(&whole);
    if shared.is_empty() {
        return part;
    }
    let channels = usize::from(P::CHANNEL_COUNT);
    // Every pixel that both have lies in both.
    let index = |width: u32, corner: [i32; 2], row: i32| {
        let x = (shared.min[0] - corner[0]) as usize;
        let y = (row - corner[1]) as usize;
        (y * width as usize + x) * channels
    };
    let length = shared.width() as usize * channels;
    let (to_width, from_width) = (part.width(), picture.width());
    for row in shared.min[1]..shared.max[1] {
        let to = index(to_width, frame.min, row);
        let from = index(from_width, whole.min, row);
        part.as_mut()[to..to + length].copy_from_slice(&picture.as_raw()[from..from + length]);
    }
    part
}

/// What a job does to a frame.
#[derive(Clone, Debug, PartialEq)]
pub enum Repaint {
    /// Nothing is there: it is painted from nothing.
    New,
    /// All that is there is painted anew, keeping some of it.
    Whole,
    /// Only the covered part is.
    Inside(GrayImage),
    /// There is a mask, but none of it lies in the frame.
    Nowhere,
}

impl Repaint {
    /// The rule, given what was cut of a picture and of its mask: what is empty joins
    /// the mask, and the rim is kept.
    pub fn of(
        part: &RgbaImage,
        mask: Option<&GrayImage>,
        frame: CanvasRect,
        picture_px: [u32; 2],
    ) -> Self {
        if part.pixels().all(|pixel| pixel[3] == 0) {
            return Self::New;
        }
        let mut coverage = match mask {
            Some(mask) => mask.clone(),
            None => GrayImage::new(part.width(), part.height()),
        };
        join_empty(&mut coverage, part);
        let is_covered = |coverage: &GrayImage| coverage.as_raw().iter().any(|it| *it > 0);
        if !is_covered(&coverage) {
            return if mask.is_some() {
                Self::Nowhere
            } else {
                Self::Whole
            };
        }
        keep_rim(&mut coverage, part, frame, picture_px);
        if is_covered(&coverage) {
            Self::Inside(coverage)
        } else {
            Self::Nowhere
        }
    }
}

/// Where the picture goes on beyond the frame, takes the outermost pixels out of the
/// mask: they are the rim that the painted colours are matched to.
pub fn keep_rim(
    coverage: &mut GrayImage,
    part: &RgbaImage,
    frame: CanvasRect,
    picture_px: [u32; 2],
) {
    let goes_on = |axis: usize| {
        let end = i64::from(picture_px[axis]);
        [frame.min[axis] > 0, i64::from(frame.max[axis]) < end]
    };
    let [[left, right], [top, bottom]] = [goes_on(0), goes_on(1)];
    let (width, height) = coverage.dimensions();
    let columns = [(left, 0), (right, width - 1)];
    let rows = [(top, 0), (bottom, height - 1)];
    let columns = columns.into_iter().filter(|(is_rim, _)| *is_rim);
    let rows = rows.into_iter().filter(|(is_rim, _)| *is_rim);
    let rim = columns
        .flat_map(|(_, x)| (0..height).map(move |y| (x, y)))
        .chain(rows.flat_map(|(_, y)| (0..width).map(move |x| (x, y))));
    for (x, y) in rim {
        // What is empty is painted all the same.
        if part.get_pixel(x, y)[3] == 255 {
            coverage.put_pixel(x, y, Luma([0]));
        }
    }
}

/// The boxes of a picture as those of what is painted of a frame: cut to it, and without
/// those of which less than a pixel is left.
#[must_use]
pub fn cut_layout(layout: &LayoutInput, frame: CanvasRect, painted_px: [u32; 2]) -> LayoutInput {
    let frame_px = [frame.width(), frame.height()];
    let cut = |it: &LayoutBox| {
        let side = |axis: usize| {
            let scale = painted_px[axis] as f32 / frame_px[axis].max(1) as f32;
            let place = |at: f32| {
                let inside = (at - frame.min[axis] as f32) * scale;
                inside.clamp(0.0, painted_px[axis] as f32)
            };
            let start = place(it.rect[axis]);
            (start, place(it.rect[axis] + it.rect[axis + 2]) - start)
        };
        let ((x, width), (y, height)) = (side(0), side(1));
        (width >= 1.0 && height >= 1.0).then(|| LayoutBox {
            rect: [x, y, width, height],
            ..it.clone()
        })
    };
    LayoutInput(layout.0.iter().filter_map(cut).collect())
}

/// The label map of a picture as that of what is painted of a frame; there is no class
/// beyond the picture's edges. `None` if there is none in the frame at all.
#[must_use]
pub fn cut_semantic(
    semantic: &SemanticInput,
    frame: CanvasRect,
    painted_px: [u32; 2],
) -> Option<SemanticInput> {
    let map = cut(&semantic.map, frame, Luma([palette::NOTHING]));
    if map.as_raw().iter().all(|it| *it == palette::NOTHING) {
        return None;
    }
    let part = SemanticInput {
        map: Arc::new(map),
        palette: semantic.palette.clone(),
    };
    Some(part.resized(painted_px))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{Palette, PaletteClass};

    fn picture() -> RgbaImage {
        RgbaImage::from_fn(40, 30, |x, y| Rgba([x as u8, y as u8, 7, 255]))
    }

    fn rect(min: [i32; 2], size: [u32; 2]) -> CanvasRect {
        CanvasRect::from_min_size(min, size)
    }

    #[test]
    fn parts_have_their_pixels_and_nothing_beyond_the_edge() {
        for frame in [
            rect([3, 4], [10, 10]),
            rect([-5, 20], [16, 16]),
            rect([30, -9], [20, 60]),
            rect([100, 0], [4, 4]),
        ] {
            let part = cut_picture(&picture(), frame);
            assert_eq!(part.dimensions(), (frame.width(), frame.height()));
            for (x, y, pixel) in part.enumerate_pixels() {
                let from = (x as i32 + frame.min[0], y as i32 + frame.min[1]);
                let is_in = (0..40).contains(&from.0) && (0..30).contains(&from.1);
                let wanted = match is_in {
                    true => Rgba([from.0 as u8, from.1 as u8, 7, 255]),
                    false => Rgba([0; 4]),
                };
                assert_eq!(*pixel, wanted, "{x}, {y} of {frame:?}");
            }
        }
    }

    #[test]
    fn what_is_empty_joins_the_mask() {
        let of = |frame: CanvasRect, mask: Option<&GrayImage>| {
            let mask = mask.map(|mask| cut_mask(mask, frame));
            let part = cut_picture(&picture(), frame);
            Repaint::of(&part, mask.as_ref(), frame, [40, 30])
        };
        let mask = GrayImage::from_fn(40, 30, |x, _| Luma([if x < 4 { 255 } else { 0 }]));
        assert_eq!(of(rect([50, 0], [8, 8]), Some(&mask)), Repaint::New);
        assert_eq!(of(rect([0, 0], [8, 8]), None), Repaint::Whole);
        assert_eq!(of(rect([20, 0], [8, 8]), Some(&mask)), Repaint::Nowhere);
        let Repaint::Inside(over) = of(rect([36, 4], [8, 8]), Some(&mask)) else {
            panic!("it is half empty");
        };
        for (x, _, covered) in over.enumerate_pixels() {
            assert_eq!(covered.0[0] > 0, x >= 4);
        }
    }

    #[test]
    fn the_rim_is_kept_where_the_picture_goes_on() {
        let all = GrayImage::from_pixel(40, 30, Luma([255]));
        let frame = rect([0, 4], [40, 26]);
        let part = cut_picture(&picture(), frame);
        let mask = cut_mask(&all, frame);
        let Repaint::Inside(mask) = Repaint::of(&part, Some(&mask), frame, [40, 30]) else {
            panic!("it is covered");
        };
        for (x, y, covered) in mask.enumerate_pixels() {
            assert_eq!(covered.0[0], if y == 0 { 0 } else { 255 }, "{x}, {y}");
        }
    }

    #[test]
    fn boxes_and_maps_are_cut_and_scaled_with_the_frame() {
        let boxes = [
            [10.0, 10.0, 20.0, 10.0],
            [0.0, 0.0, 10.5, 10.5],
            [90.0, 90.0, 50.0, 50.0],
        ]
        .map(|rect| LayoutBox {
            class: "bus".to_owned(),
            rect,
            colour: None,
        });
        let frame = rect([10, 5], [20, 20]);
        let cut = cut_layout(&LayoutInput(boxes.into()), frame, [40, 40]);
        let rects: Vec<_> = cut.0.iter().map(|it| it.rect).collect();
        assert_eq!(rects, [[0.0, 10.0, 40.0, 20.0], [0.0, 0.0, 1.0, 11.0]]);

        let class = |index: u8| PaletteClass {
            index,
            name: format!("class {index}"),
            color: [index; 3],
        };
        let map = |frame| {
            let semantic = SemanticInput {
                map: Arc::new(GrayImage::from_fn(40, 30, |x, _| {
                    Luma([if x < 20 { 3 } else { 255 }])
                })),
                palette: Palette {
                    name: "One".to_owned(),
                    classes: vec![class(3)],
                },
            };
            cut_semantic(&semantic, frame, [8, 8])
        };
        let cut = map(rect([18, 28], [4, 4])).expect("a part of it");
        assert_eq!(cut.map.dimensions(), (8, 8));
        for (x, y, value) in cut.map.enumerate_pixels() {
            assert_eq!(value.0[0] == 3, x < 4 && y < 4, "{x}, {y}");
        }
        assert_eq!(map(rect([20, 0], [8, 8])), None);
    }
}
