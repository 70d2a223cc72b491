//! Picture files on the way to training: their heads, their pixels, their size.

use std::path::Path;

use image::imageops::{self, FilterType};
use image::{DynamicImage, RgbImage};

use crate::pixels::{WHITE, flattened};
use crate::recipe::{MAX_SIDE_PX, PictureWarning, RecipeFileError, decode_picture, picture_size};

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
        RecipeFileError::Open { source, .. } => format!("it cannot be opened ({source})"),
        RecipeFileError::NotAPicture { .. } => "it is no PNG, JPEG or WebP picture".to_owned(),
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

/// Lays transparent pictures on white and brings the shorter side to the size.
pub(super) fn shrink(picture: DynamicImage, size_px: u32) -> RgbImage {
    let picture = if picture.color().has_alpha() {
        flattened(&picture.into_rgba8(), WHITE)
    } else {
        picture.into_rgb8()
    };
    let (width, height) = picture.dimensions();
    let shorter = width.min(height);
    if shorter == size_px {
        return picture;
    }
    let scaled = |side: u32| {
        let exact = u64::from(side) * u64::from(size_px);
        let rounded = (exact + u64::from(shorter) / 2) / u64::from(shorter);
        u32::try_from(rounded).unwrap_or(u32::MAX).max(size_px)
    };
    imageops::resize(
        &picture,
        scaled(width),
        scaled(height),
        FilterType::Lanczos3,
    )
}
