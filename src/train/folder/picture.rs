//! Picture files on the way to training: their heads, their pixels, their size.

use std::io::BufReader;
use std::path::Path;

use image::imageops::{self, FilterType};
use image::{DynamicImage, GrayImage, ImageDecoder as _, ImageReader, Luma, RgbImage};

use crate::files::{open_file, reason_of};
use crate::pixels::{WHITE, flattened};
use crate::recipe::palette::NOTHING;
use crate::recipe::{
    Fit, MAX_SIDE_PX, PictureFormat, PictureWarning, RecipeFileError, decode_picture, picture_size,
};

/// Width and height of a picture as it lies in its file, from the head of it.
pub(super) fn size_px(path: &Path) -> Result<(u32, u32), String> {
    picture_size(path).map_err(reason)
}

/// The pixels of a picture, upright, in sRGB.
pub(super) fn decode(path: &Path) -> Result<DynamicImage, String> {
    let decoded = decode_picture(path).map_err(reason)?;
    let is_cut_off = |warning: &PictureWarning| matches!(warning, PictureWarning::CutOff(_));
    if decoded.warnings.iter().any(is_cut_off) {
        return Err("it is cut off: a part of the picture is missing".to_owned());
    }
    Ok(decoded.image)
}

/// What is wrong with a picture, without its name.
fn reason(error: RecipeFileError) -> String {
    match error {
        RecipeFileError::Open { source, .. } => {
            format!("it cannot be opened ({})", reason_of(&source))
        }
        RecipeFileError::NotAPicture { .. } => format!("it is no {} picture", PictureFormat::NAMES),
        RecipeFileError::Damaged { reason, .. } => format!("it is damaged ({reason})"),
        RecipeFileError::TooLarge {
            width_px,
            height_px,
            ..
        } => format!(
            "its {width_px} × {height_px} pixels are too many; a side may have {MAX_SIDE_PX}"
        ),
        other => other.to_string(),
    }
}

/// A picture as it is trained on: a square of the size, or longer than that.
#[derive(Clone, Debug)]
pub(super) struct Fitted {
    pub rgb: RgbImage,
    /// Left, top, width and height of the picture in it; around it is what was added.
    pub place: [u32; 4],
    /// Whether what was added continues the picture, and is not white.
    pub is_drawn_out: bool,
}

/// Opacity below which a pixel of a cut-out is clear.
const CLEAR: u8 = 128;

/// Brings a picture to the size: as a whole, or its shorter side.
///
/// # Errors
/// If it has too few pixels, in half a sentence.
pub(super) fn fitted(picture: DynamicImage, size_px: u32, fit: Fit) -> Result<Fitted, String> {
    let (width, height) = (picture.width(), picture.height());
    let (picture, is_cut_out) = if picture.color().has_alpha() {
        let rgba = picture.into_rgba8();
        let is_cut_out = rgba.pixels().any(|pixel| pixel[3] < CLEAR);
        (flattened(&rgba, WHITE), is_cut_out)
    } else {
        (picture.into_rgb8(), false)
    };
    let is_whole = fit == Fit::Pad || (fit == Fit::Auto && is_cut_out);
    let side = if is_whole {
        width.max(height)
    } else {
        width.min(height)
    };
    if side < size_px {
        return Err(too_small([width, height], size_px));
    }
    let scaled = scaled(picture, side, size_px);
    let (width, height) = scaled.dimensions();
    if !is_whole {
        return Ok(Fitted {
            rgb: scaled,
            place: [0, 0, width, height],
            is_drawn_out: false,
        });
    }
    let [left, top] = [width, height].map(|side| (size_px - side.min(size_px)) / 2);
    let rgb = RgbImage::from_fn(size_px, size_px, |x, y| {
        let inside = [(x, left, width), (y, top, height)]
            .map(|(at, start, side)| at.saturating_sub(start).min(side - 1));
        let is_inside = (left..left + width).contains(&x) && (top..top + height).contains(&y);
        if is_inside || !is_cut_out {
            *scaled.get_pixel(inside[0], inside[1])
        } else {
            WHITE
        }
    });
    Ok(Fitted {
        rgb,
        place: [left, top, width, height],
        is_drawn_out: !is_cut_out,
    })
}

/// Why a picture is not trained on.
pub(super) fn too_small([width, height]: [u32; 2], size_px: u32) -> String {
    format!("its {width} × {height} pixels are fewer than the {size_px} × {size_px} trained on")
}

/// Whether a picture may be clear in parts, from its head.
pub(super) fn may_be_clear(path: &Path) -> bool {
    let reader = open_file(path)
        .and_then(|file| ImageReader::new(BufReader::new(file)).with_guessed_format());
    let decoder = reader.ok().and_then(|reader| reader.into_decoder().ok());
    decoder.is_some_and(|decoder| decoder.color_type().has_alpha())
}

/// The picture with one of its sides at the size.
fn scaled(picture: RgbImage, side: u32, size_px: u32) -> RgbImage {
    if side == size_px {
        return picture;
    }
    let scaled = |length: u32| {
        let exact = u64::from(length) * u64::from(size_px);
        let rounded = (exact + u64::from(side) / 2) / u64::from(side);
        let rounded = u32::try_from(rounded).unwrap_or(u32::MAX).max(1);
        // What is as long as that side or longer stays so.
        if length >= side {
            rounded.max(size_px)
        } else {
            rounded
        }
    };
    let (width, height) = picture.dimensions();
    imageops::resize(
        &picture,
        scaled(width),
        scaled(height),
        FilterType::Lanczos3,
    )
}

/// The label map of a fitted picture, by the nearest pixel; nothing where it is white.
pub(super) fn fitted_labels(labels: &GrayImage, fitted: &Fitted) -> GrayImage {
    let [left, top, width, height] = fitted.place;
    let (across, down) = fitted.rgb.dimensions();
    let nearest = |at: u32, start: u32, side: u32, length: u32| {
        let at = at.saturating_sub(start).min(side - 1);
        let place = (2 * u64::from(at) + 1) * u64::from(length) / (2 * u64::from(side));
        (place as u32).min(length.saturating_sub(1))
    };
    GrayImage::from_fn(across, down, |x, y| {
        let is_inside = (left..left + width).contains(&x) && (top..top + height).contains(&y);
        if !is_inside && !fitted.is_drawn_out {
            return Luma([NOTHING]);
        }
        let x = nearest(x, left, width, labels.width());
        let y = nearest(y, top, height, labels.height());
        *labels.get_pixel(x, y)
    })
}
