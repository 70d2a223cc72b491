//! Small pictures on the graphics card, for lists and strips.

use std::collections::HashMap;
use std::sync::Arc;

use eframe::egui;
use egui::{ColorImage, TextureHandle, TextureOptions};
use image::RgbaImage;

/// Longest side of a thumbnail in pixels: twice the largest place, for dense screens.
const THUMBNAIL_PX: u32 = 192;
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

fn color_image(picture: &RgbaImage, most_px: u32) -> ColorImage {
    let (width, height) = picture.dimensions();
    let longest = width.max(height).max(1);
    let shrunk = (longest > most_px).then(|| {
        let side = |px: u32| (px * most_px / longest).max(1);
        image::imageops::thumbnail(picture, side(width), side(height))
    });
    let picture = shrunk.as_ref().unwrap_or(picture);
    let size = [picture.width() as usize, picture.height() as usize];
    ColorImage::from_rgba_unmultiplied(size, picture.as_raw())
}
