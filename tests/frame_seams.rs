//! Whatever a model does to the colours, no seam is seen: with a painter that paints the
//! same picture in other colours, which is the worst there is for seams.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod frame_support;

use frame_support::{MOST_STEP, SIDE_PX, changed_outside, masks, pictures, seam};
use image::imageops::{self, FilterType};
use image::{GrayImage, Luma, Rgba, RgbaImage};
use velatura::frame::{paste_back, stitched};

const FEATHER_PX: f32 = 4.0;

type Painter = fn(u32, u32, [u8; 3]) -> [f32; 3];

/// The same picture in other colours.
const PAINTERS: [(&str, Painter); 4] = [
    ("shift", |_, _, [r, g, b]| {
        [
            f32::from(r) + 25.0,
            f32::from(g) - 18.0,
            f32::from(b) + 12.0,
        ]
    }),
    ("brighter", |_, _, colour| {
        colour.map(|it| f32::from(it) * 1.15)
    }),
    ("flatter", |_, _, colour| {
        colour.map(|it| 128.0 + (f32::from(it) - 128.0) * 0.8)
    }),
    ("sloping", |x, y, colour| {
        let slope = (x as f32 - y as f32) / SIDE_PX as f32 * 50.0;
        colour.map(|it| f32::from(it) + slope)
    }),
];

fn painted(picture: &RgbaImage, painter: Painter) -> RgbaImage {
    RgbaImage::from_fn(picture.width(), picture.height(), |x, y| {
        let Rgba([r, g, b, _]) = *picture.get_pixel(x, y);
        let [r, g, b] = painter(x, y, [r, g, b]).map(|it| it.round() as u8);
        Rgba([r, g, b, 255])
    })
}

#[test]
fn no_seam_is_seen_whatever_is_done_to_the_colours() {
    for (name, original) in pictures() {
        for (way, painter) in PAINTERS {
            for (index, mask) in masks().iter().enumerate() {
                let painted = painted(&original, painter);
                let half =
                    imageops::resize(&painted, SIDE_PX / 2, SIDE_PX / 2, FilterType::Triangle);
                // As large as the frame, and half as large.
                for painted in [&painted, &half] {
                    let whole = stitched(&original, painted, mask, FEATHER_PX);
                    let found = seam(&original, &whole, mask, FEATHER_PX as u32);
                    let case = format!("{name}, {way}, mask {index}, {} px", painted.width());
                    assert!(found.across <= MOST_STEP, "{case}: {}", found.across);
                    assert!(found.within <= MOST_STEP, "{case}: {}", found.within);
                    assert_eq!(changed_outside(&original, &whole, mask), 0, "{case}");
                }
            }
        }
    }
}

#[test]
fn matching_the_rim_is_what_makes_it_so() {
    let (_, original) = pictures().swap_remove(0);
    let painted = painted(&original, |_, _, colour| {
        colour.map(|it| f32::from(it) + 60.0)
    });
    let [mask, _] = masks();
    let pasted = paste_back(&original, &painted, &mask, FEATHER_PX);
    assert!(seam(&original, &pasted, &mask, FEATHER_PX as u32).within > 2.0 * MOST_STEP);
    let whole = stitched(&original, &painted, &mask, FEATHER_PX);
    assert!(seam(&original, &whole, &mask, FEATHER_PX as u32).within < 1.0);
}

#[test]
fn soft_masks_and_hairs_leave_the_rest_alone() {
    let (_, original) = pictures().swap_remove(2);
    let painted = RgbaImage::from_pixel(32, 32, Rgba([200, 40, 90, 255]));
    let soft = GrayImage::from_fn(SIDE_PX, SIDE_PX, |x, y| {
        let away = (x as f32 - 64.0).hypot(y as f32 - 64.0);
        Luma([((50.0 - away) * 8.0).clamp(0.0, 255.0) as u8])
    });
    let hair = GrayImage::from_fn(SIDE_PX, SIDE_PX, |x, y| {
        Luma([if x == y || x == 40 { 255 } else { 0 }])
    });
    let empty = GrayImage::new(SIDE_PX, SIDE_PX);
    for mask in [&soft, &hair, &empty] {
        let whole = stitched(&original, &painted, mask, FEATHER_PX);
        assert_eq!(changed_outside(&original, &whole, mask), 0);
        assert!(whole.pixels().all(|pixel| pixel[3] == 255));
    }
}
