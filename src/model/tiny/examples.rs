//! What kinds of models are asked for beside words, to try them with.

use std::io::Cursor;

use image::{GrayImage, ImageFormat, Luma};

/// Side of the pictures in pixels, that of Storybook's.
const SIDE_PX: u32 = 128;

/// Two things with a place, of the classes of tiny models.
const BOXES: &str = r#"{
  "images": [{ "id": 1, "file_name": "example.png", "width": 64, "height": 64 }],
  "categories": [{ "id": 3, "name": "house" }, { "id": 5, "name": "car" }],
  "annotations": [
    { "id": 1, "image_id": 1, "category_id": 3, "bbox": [4, 20, 24, 30] },
    { "id": 2, "image_id": 1, "category_id": 5, "bbox": [36, 40, 20, 14] }
  ]
}
"#;

/// The name of a file and its bytes, for a kind that is asked for one.
pub(super) fn of(kind: &str) -> Option<(&'static str, Vec<u8>)> {
    if kind.ends_with("inpainting") || kind.ends_with("hybrid") {
        // The upper half.
        let mask = picture(|_, y| if y < SIDE_PX / 2 { 255 } else { 0 })?;
        return Some(("example.mask.png", mask));
    }
    match kind {
        "latent-diffusion-layout-to-image" => Some(("example.json", BOXES.into())),
        "latent-diffusion-semantic-to-image" => {
            // Sky above hills above water, by their numbers.
            let map = picture(|x, y| match y {
                _ if y < SIDE_PX / 2 => 0,
                _ if y < SIDE_PX / 2 + x / 4 => 1,
                _ => 2,
            })?;
            Some(("example.png", map))
        }
        _ => None,
    }
}

fn picture(value: impl Fn(u32, u32) -> u8) -> Option<Vec<u8>> {
    let picture = GrayImage::from_fn(SIDE_PX, SIDE_PX, |x, y| Luma([value(x, y)]));
    let mut bytes = Cursor::new(Vec::new());
    // Writing to memory does not fail.
    picture.write_to(&mut bytes, ImageFormat::Png).ok()?;
    Some(bytes.into_inner())
}
