//! Frames painted by real models through the real engine.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod frame_support;
#[path = "support/real_engine.rs"]
mod real_engine;

use std::path::Path;
use std::sync::Arc;

use frame_support::{MOST_STEP, SIDE_PX, changed_outside, masks, pictures, seam};
use image::{GrayImage, Luma, RgbaImage};
use real_engine::{end, engine};
use velatura::engine::EngineHandle;
use velatura::engine::protocol::PaintedImage;
use velatura::frame::{
    FrameModel, Repaint, around_mask, cut_mask, cut_picture, mask_bounds, painted_px,
    usual_padding_px, with_patch,
};
use velatura::geometry::CanvasRect;
use velatura::recipe::{
    FrameSpec, Framing, GenerateSpec, ImageInput, Infill, MaskInput, MaskedContent, ModelSource,
};

fn paint(engine: &mut EngineHandle, spec: GenerateSpec) -> PaintedImage {
    spec.validate().unwrap();
    let job = engine.generate(spec);
    end(engine, job).images.remove(0)
}

/// A job for a frame of a picture.
fn framed(
    picture: &RgbaImage,
    mask: Option<&GrayImage>,
    rect: CanvasRect,
    model: FrameModel,
    framing: Framing,
) -> GenerateSpec {
    let part = cut_picture(picture, rect);
    let cut = mask.map(|mask| cut_mask(mask, rect));
    let picture_px = picture.dimensions().into();
    let Repaint::Inside(mask) = Repaint::of(&part, cut.as_ref(), rect, picture_px) else {
        panic!("nothing to repaint");
    };
    let [width_px, height_px] = painted_px([rect.width(), rect.height()], model);
    GenerateSpec {
        frame: Some(FrameSpec::new(rect, framing)),
        width_px,
        height_px,
        init: Some(ImageInput(Arc::new(part))),
        mask: Some(MaskInput(Arc::new(mask))),
        ..GenerateSpec::default()
    }
}

const STORYBOOK: FrameModel = FrameModel {
    native_px: 128,
    multiple_px: 8,
    composes: true,
};

#[test]
fn storybook_leaves_no_seam_in_photographs() {
    let mut engine = engine();
    let whole = CanvasRect::from_size([SIDE_PX; 2]);
    for (name, original) in pictures() {
        for (index, mask) in masks().iter().enumerate() {
            let spec = GenerateSpec {
                prompt: "a hill".to_owned(),
                steps: 6,
                seed: 3,
                ..framed(&original, Some(mask), whole, STORYBOOK, Framing::default())
            };
            let painted = paint(&mut engine, spec).image;
            let found = seam(&original, &painted, mask, 4);
            let case = format!("{name}, mask {index}");
            println!(
                "{case}: {:.2} across, {:.2} within",
                found.across, found.within
            );
            assert!(found.across <= MOST_STEP, "{case}: {}", found.across);
            assert_eq!(changed_outside(&original, &painted, mask), 0, "{case}");
            assert!(*painted != original, "{case}");
        }
    }
}

/// A picture of 4096 × 4096 made of a photograph, and a small mask on it.
fn large() -> (RgbaImage, GrayImage) {
    let (_, tile) = pictures().swap_remove(2);
    let picture = RgbaImage::from_fn(4096, 4096, |x, y| *tile.get_pixel(x % SIDE_PX, y % SIDE_PX));
    let mask = GrayImage::from_fn(4096, 4096, |x, y| {
        let is_in = (2100..2300).contains(&x) && (1500..1660).contains(&y);
        Luma([if is_in { 255 } else { 0 }])
    });
    (picture, mask)
}

/// A model of 512 pixels: tiny and of random weights.
fn model_of_512(folder: &Path) -> ModelSource {
    let from = Path::new("tests/data/reference/joint-tiny");
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.unwrap();
        let to = folder.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(to).unwrap();
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
    let manifest = folder.join("studio.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let text = text.replace("\"resolution_px\": 64", "\"resolution_px\": 512");
    std::fs::write(&manifest, text).unwrap();
    ModelSource::Folder(folder.to_owned())
}

#[test]
fn a_mask_on_a_large_picture_is_painted_by_small_models() {
    let mut engine = engine();
    let folder = tempfile::tempdir().unwrap();
    let (picture, mask) = large();
    let bounds = mask_bounds(&mask).unwrap();
    for (source, native_px) in [
        (ModelSource::Storybook, 128),
        (model_of_512(folder.path()), 512),
    ] {
        let model = FrameModel {
            native_px,
            multiple_px: 8,
            composes: false,
        };
        let padding_px = usual_padding_px(bounds, model);
        let rect = around_mask(bounds, padding_px, [4096, 4096], model);
        assert!(rect.width() < 600, "only the mask and what is around it");
        let spec = GenerateSpec {
            model: source,
            steps: 2,
            guidance_scale: 1.0,
            ..framed(&picture, Some(&mask), rect, model, Framing::default())
        };
        let side = spec.width_px.max(spec.height_px);
        assert!(side <= native_px * 3 / 2, "{side}");
        let patch = paint(&mut engine, spec).image;
        assert_eq!(patch.dimensions(), (rect.width(), rect.height()));
        let whole = with_patch(&picture, rect, &patch);
        assert_eq!(changed_outside(&picture, &whole, &mask), 0);
        assert!(whole != picture);
    }
}

#[test]
fn what_is_beyond_the_edge_is_painted_whatever_it_begins_with() {
    let mut engine = engine();
    let (_, picture) = pictures().swap_remove(3);
    let rect = CanvasRect::from_min_size([48, 0], [128, 128]);
    for (infill, masked_content) in Infill::ALL.into_iter().zip(MaskedContent::ALL) {
        let framing = Framing {
            infill,
            masked_content,
            ..Framing::default()
        };
        let spec = GenerateSpec {
            steps: 4,
            strength: 0.75,
            ..framed(&picture, None, rect, STORYBOOK, framing)
        };
        let patch = paint(&mut engine, spec).image;
        assert!(patch.pixels().all(|pixel| pixel[3] == 255), "{infill:?}");
        let whole = with_patch(&picture, rect, &patch);
        assert_eq!(whole.dimensions(), (176, 128));
        let old = cut_picture(&whole, CanvasRect::from_size([128, 128]));
        assert!(old == picture, "{infill:?}");
    }
}

#[test]
fn places_are_repainted_as_strongly_as_their_masks_say() {
    let mut engine = engine();
    let (_, picture) = pictures().swap_remove(3);
    let rect = CanvasRect::from_size([SIDE_PX; 2]);
    let all = GrayImage::from_fn(SIDE_PX, SIDE_PX, |x, _| {
        Luma([if x >= 16 { 255 } else { 0 }])
    });
    let strengths = |of: fn(u32) -> u8| GrayImage::from_fn(SIDE_PX, SIDE_PX, |x, _| Luma([of(x)]));
    for source in [
        ModelSource::Storybook,
        ModelSource::Folder("tests/data/reference/sd1-tiny".into()),
    ] {
        let mut painted = |strengths: Option<GrayImage>| {
            let spec = GenerateSpec {
                model: source.clone(),
                steps: 6,
                strengths: strengths.map(|it| MaskInput(Arc::new(it))),
                ..framed(&picture, Some(&all), rect, STORYBOOK, Framing::default())
            };
            paint(&mut engine, spec).image
        };
        let change = |whole: &RgbaImage, columns: std::ops::Range<u32>| {
            let columns = columns.flat_map(|x| (0..SIDE_PX).map(move |y| (x, y)));
            let changes = columns.map(|(x, y)| {
                let (a, b) = (whole.get_pixel(x, y), picture.get_pixel(x, y));
                (0..3).map(|k| f64::from(a[k].abs_diff(b[k]))).sum::<f64>()
            });
            changes.sum::<f64>()
        };
        let whole = painted(None);
        // The same everywhere is no other job, bit for bit.
        assert!(painted(Some(strengths(|_| 255))) == whole, "{source:?}");
        let parts = painted(Some(strengths(|x| match x {
            ..64 => 0,
            64..96 => 80,
            _ => 255,
        })));
        assert_eq!(change(&parts, 0..64), 0.0, "strength 0 keeps every pixel");
        let [some, most] = [64..96, 96..128].map(|columns| change(&parts, columns));
        assert!(some > 0.0 && most > 0.0);
        if source == ModelSource::Storybook {
            assert!(
                some < change(&whole, 64..96),
                "a part of the strength keeps a part"
            );
        }
    }
}
