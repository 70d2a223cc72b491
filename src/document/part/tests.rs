#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

use image::{GrayImage, Luma, Rgba, RgbaImage};
use proptest::prelude::{Strategy, proptest};

use super::*;
use crate::document::{DocumentEditor, LayerContent, LayerId};

fn rect(x: i32, y: i32, width: u32, height: u32) -> CanvasRect {
    CanvasRect::from_min_size([x, y], [width, height])
}

/// A half-clear picture of 600 × 500 under a patch, with two masks and a label map.
fn editor() -> DocumentEditor {
    let below = RgbaImage::from_fn(600, 500, |x, y| {
        let alpha = if x < 300 { 255 } else { 0 };
        Rgba([x as u8, y as u8, 7, alpha])
    });
    let document = Document::from_image("Picture", &below).unwrap();
    let mut editor = DocumentEditor::new(document);
    let patch = TileGrid::from_fn([600, 500], |x, y| match (x, y) {
        (250..350, 250..350) => [200, 9, (x ^ y) as u8, 130],
        _ => [0; 4],
    });
    editor.insert_picture("Patch", "Patch", patch).unwrap();
    editor
}

fn with_masks() -> Document {
    let mut contents = editor().document().contents.clone();
    let mask = |id: u64, strength: f32, area: CanvasRect, value: u8| {
        let grid = TileGrid::from_fn([600, 500], |x, y| {
            let at = crate::geometry::CanvasPoint::new(x as f32, y as f32);
            if area.contains(at) { value } else { 0 }
        });
        Layer {
            strength,
            ..Layer::new(LayerId(id), "Mask", LayerContent::Mask(grid))
        }
    };
    contents
        .layers
        .push(mask(20, 0.5, rect(10, 10, 100, 100), 255));
    contents
        .layers
        .push(mask(21, 1.0, rect(60, 60, 100, 300), 90));
    let mut hidden = mask(22, 0.1, rect(0, 0, 600, 500), 255);
    hidden.visible = false;
    contents.layers.push(hidden);
    Document::from_contents(contents, None).unwrap()
}

/// Places of parts that lie anywhere about the canvas.
fn parts() -> impl Strategy<Value = CanvasRect> {
    let at = || -300..800i32;
    let side = || 1..400u32;
    (at(), at(), side(), side()).prop_map(|(x, y, width, height)| rect(x, y, width, height))
}

fn cut<P: Copy>(
    part: CanvasRect,
    size_px: [u32; 2],
    nothing: P,
    pixel: impl Fn(u32, u32) -> P,
) -> Vec<P> {
    let at = |x: i32, y: i32| {
        let inside = x >= 0 && y >= 0 && x < size_px[0] as i32 && y < size_px[1] as i32;
        if inside {
            pixel(x as u32, y as u32)
        } else {
            nothing
        }
    };
    let rows = part.min[1]..part.max[1];
    rows.flat_map(|y| (part.min[0]..part.max[0]).map(move |x| (x, y)))
        .map(|(x, y)| at(x, y))
        .collect()
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(48))]

    #[test]
    fn a_part_is_cut_from_the_whole(part in parts()) {
        let document = with_masks();
        let size_px = document.size_px();
        let whole = document.composite();
        let expected = cut(part, size_px, [0; 4], |x, y| whole.get_pixel(x, y).0);
        assert_eq!(document.composite_in(part).into_raw(), expected.as_flattened());
        let has = |wanted: bool| expected.iter().any(|pixel| (pixel[3] > 0) == wanted);
        let filling = match (has(true), has(false)) {
            (true, true) => Filling::Partly,
            (true, false) => Filling::Whole,
            (false, _) => Filling::Nothing,
        };
        assert_eq!(document.filling(part), filling);

        let mask = document.mask_coverage().unwrap();
        let expected = cut(part, size_px, 0, |x, y| mask.get_pixel(x, y).0[0]);
        let is_covered = expected.iter().any(|value| *value > 0);
        assert_eq!(document.has_mask_in(part), is_covered);
        assert_eq!(document.mask_in(part).map(GrayImage::into_raw), is_covered.then_some(expected));
        let strengths = document.strengths_in(document.rect()).unwrap();
        let expected = cut(part, size_px, 255, |x, y| strengths.get_pixel(x, y).0[0]);
        assert_eq!(document.strengths_in(part).unwrap().into_raw(), expected);
    }

    #[test]
    fn a_canvas_that_reaches_farther_has_everything_where_it_was(part in parts()) {
        let document = with_masks();
        let contents = document.reaching(part).unwrap();
        let origin = contents.origin_px;
        let reaching = Document::from_contents(contents, None).unwrap();
        reaching.validate_invariants().unwrap();
        let old = document.rect();
        let there = reaching.on_canvas(document.on_plane(old));
        assert_eq!(there.min, origin.map(|at| -at));
        assert_eq!(reaching.composite_in(there), document.composite());
        assert_eq!(reaching.mask_in(there), document.mask_coverage());
        assert!(reaching.rect().holds(&reaching.on_canvas(part)));
    }
}

#[test]
fn masks_act_together_each_with_its_strength() {
    let document = with_masks();
    assert_eq!(document.mask_bounds(), rect(10, 10, 150, 350));
    let mask = document.mask_coverage().unwrap();
    let strengths = document.strengths_in(document.rect()).unwrap();
    let at = |image: &GrayImage, x, y| image.get_pixel(x, y).0[0];
    // The first, both, the second, none.
    let seen = [(20, 20), (80, 80), (150, 300), (500, 20)];
    assert_eq!(seen.map(|(x, y)| at(&mask, x, y)), [255, 255, 90, 0]);
    assert_eq!(
        seen.map(|(x, y)| at(&strengths, x, y)),
        [128, 255, 255, 255]
    );
    // Taken gradually, what is covered in part acts as much less.
    let mut mask = mask;
    let gradual = document.gradual_strengths_in(document.rect(), &mut mask);
    assert_eq!(seen.map(|(x, y)| at(&gradual, x, y)), [128, 128, 90, 0]);
    assert_eq!(seen.map(|(x, y)| at(&mask, x, y)), [255, 255, 255, 0]);
    let plain = editor();
    assert_eq!(plain.document().strengths_in(document.rect()), None);
}

#[test]
fn a_label_map_is_cut_too() {
    let mut contents = editor().document().contents.clone();
    let map = GrayImage::from_fn(600, 500, |x, _| Luma([if x < 100 { 4 } else { 255 }]));
    let content = LayerContent::Semantic(TileGrid::from_class_map(&map));
    contents
        .layers
        .push(Layer::new(LayerId(30), "Map", content));
    let document = Document::from_contents(contents, None).unwrap();
    let part = document.label_map_in(rect(90, -10, 20, 20)).unwrap();
    assert_eq!(part.get_pixel(9, 10).0, [4]);
    assert_eq!(
        [part.get_pixel(10, 10).0, part.get_pixel(9, 9).0],
        [[255]; 2]
    );
    assert_eq!(document.label_map_in(rect(100, 0, 50, 50)), None);
    assert_eq!(document.label_map(), Some(map));
}
