//! Small pictures on the graphics card, for lists and strips.

use std::collections::HashMap;
use std::sync::Arc;

use egui::{ColorImage, TextureHandle, TextureOptions};
use image::RgbaImage;

/// Longest side of a thumbnail in pixels: more than twice the usual place, for
/// dense screens.
const THUMBNAIL_PX: u32 = 160;
/// Longest side of a picture that is looked at.
const LARGE_PX: u32 = 1024;

/// Textures of pictures, made when first asked for and dropped when a frame
/// passes without anybody asking.
#[derive(Default)]
pub struct TextureCache {
    entries: HashMap<usize, Entry>,
}

struct Entry {
    /// Keeps the address, which is the key, from being given to another picture.
    _picture: Arc<RgbaImage>,
    texture: TextureHandle,
    used: bool,
}

impl TextureCache {
    /// The texture of a picture, at most [`THUMBNAIL_PX`] large.
    pub fn thumbnail(&mut self, ctx: &egui::Context, picture: &Arc<RgbaImage>) -> TextureHandle {
        self.texture(ctx, picture, THUMBNAIL_PX)
    }

    /// The texture of a picture at its own size, up to [`LARGE_PX`].
    pub fn large(&mut self, ctx: &egui::Context, picture: &Arc<RgbaImage>) -> TextureHandle {
        self.texture(ctx, picture, LARGE_PX)
    }

    fn texture(
        &mut self,
        ctx: &egui::Context,
        picture: &Arc<RgbaImage>,
        longest_px: u32,
    ) -> TextureHandle {
        let key = Arc::as_ptr(picture) as usize;
        let entry = self.entries.entry(key).or_insert_with(|| {
            let options = if picture.width().max(picture.height()) <= 96 {
                // A picture of few pixels is shown as it is, not smeared.
                TextureOptions {
                    magnification: egui::TextureFilter::Nearest,
                    ..TextureOptions::LINEAR
                }
            } else {
                TextureOptions::LINEAR
            };
            let texture = ctx.load_texture("thumbnail", color_image(picture, longest_px), options);
            Entry {
                _picture: Arc::clone(picture),
                texture,
                used: true,
            }
        });
        entry.used = true;
        entry.texture.clone()
    }

    /// Drops what was not asked for since the last call.
    pub fn end_frame(&mut self) {
        self.entries
            .retain(|_, entry| std::mem::take(&mut entry.used));
    }
}

/// A smaller picture, each pixel the mean of a few of those it stands for: a
/// frame of the window has no time for them all.
fn sampled(picture: &RgbaImage, [width, height]: [u32; 2]) -> RgbaImage {
    const SAMPLES: u32 = 2;
    let at = |index: u32, small: u32, large: u32| {
        let place = u64::from(index * 2 + 1) * u64::from(large) / u64::from(small * SAMPLES * 2);
        (place as u32).min(large - 1)
    };
    let (across, down) = picture.dimensions();
    RgbaImage::from_fn(width, height, |x, y| {
        let mut sum = [0_u32; 4];
        for sample in 0..SAMPLES * SAMPLES {
            let column = at(x * SAMPLES + sample % SAMPLES, width, across);
            let line = at(y * SAMPLES + sample / SAMPLES, height, down);
            let pixel = picture.get_pixel(column, line).0;
            for (sum, value) in sum.iter_mut().zip(pixel) {
                *sum += u32::from(value);
            }
        }
        image::Rgba(sum.map(|sum| (sum / (SAMPLES * SAMPLES)) as u8))
    })
}

fn color_image(picture: &RgbaImage, most_px: u32) -> ColorImage {
    let (width, height) = picture.dimensions();
    let longest = width.max(height).max(1);
    let shrunk = (longest > most_px).then(|| {
        let side = |px: u32| (px * most_px / longest).max(1);
        sampled(picture, [side(width), side(height)])
    });
    let picture = shrunk.as_ref().unwrap_or(picture);
    let size = [picture.width() as usize, picture.height() as usize];
    ColorImage::from_rgba_unmultiplied(size, picture.as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_picture_shrinks_to_the_means_of_its_parts() {
        let picture = RgbaImage::from_fn(1200, 600, |x, _| {
            image::Rgba(if x < 600 {
                [10, 20, 30, 255]
            } else {
                [250, 0, 0, 255]
            })
        });
        let small = sampled(&picture, [4, 2]);
        assert_eq!(small.get_pixel(1, 1).0, [10, 20, 30, 255]);
        assert_eq!(small.get_pixel(2, 0).0, [250, 0, 0, 255]);
        let stripes = RgbaImage::from_fn(600, 600, |x, _| image::Rgba([(x % 2 * 255) as u8; 4]));
        let grey = sampled(&stripes, [7, 7]);
        assert_eq!(grey.dimensions(), (7, 7));
    }
}
