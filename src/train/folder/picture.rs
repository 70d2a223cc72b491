//! Picture files on the way to training: their heads, their pixels, their size.

use std::path::Path;

use image::imageops::{self, FilterType};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader, RgbImage};

fn open(path: &Path) -> Result<(impl ImageDecoder, Orientation), String> {
    let mut decoder = ImageReader::open(path)
        .and_then(ImageReader::with_guessed_format)
        .map_err(|error| format!("it cannot be opened ({error})"))?
        .into_decoder()
        .map_err(|error| format!("it is no picture ({error})"))?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    Ok((decoder, orientation))
}

/// Width and height of a picture that stands upright, from the head of its file.
pub(super) fn size_px(path: &Path) -> Result<(u32, u32), String> {
    let (decoder, orientation) = open(path)?;
    let (width, height) = decoder.dimensions();
    let is_lying = matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    );
    Ok(if is_lying {
        (height, width)
    } else {
        (width, height)
    })
}

/// The pixels of a picture, upright.
pub(super) fn decode(path: &Path) -> Result<DynamicImage, String> {
    let (decoder, orientation) = open(path)?;
    let mut picture =
        DynamicImage::from_decoder(decoder).map_err(|error| format!("it is damaged ({error})"))?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// Lays transparent pictures on white and brings the shorter side to the size.
pub(super) fn shrink(picture: DynamicImage, size_px: u32) -> RgbImage {
    let picture = if picture.color().has_alpha() {
        let rgba = picture.into_rgba8();
        let mut flat = RgbImage::new(rgba.width(), rgba.height());
        for (to, from) in flat.pixels_mut().zip(rgba.pixels()) {
            let alpha = u32::from(from[3]);
            for channel in 0..3 {
                let blended = u32::from(from[channel]) * alpha + 255 * (255 - alpha);
                to[channel] = ((blended + 127) / 255) as u8;
            }
        }
        flat
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
