//! Picture files with their recipe inside: their formats, and saving them.
//!
//! A PNG carries A1111 infotext under `parameters` (which other studios read)
//! and our whole recipe under [`PRIVATE_KEYWORD`]. JPEG and WebP carry the
//! infotext as an EXIF comment. A file appears under its name only when it is
//! whole, so that a full disk or a crash never harms what was there before.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use image::{ImageEncoder, Rgb, RgbaImage};

use super::exif::{MAX_JPEG_EXIF_BYTES, exif_with_comment};
use super::generate::MAX_SIDE_PX;
use super::infotext::write_infotext;
use super::painted::{PRIVATE_KEYWORD, PaintedRecipe};
use super::png_text::write_png;
use crate::files::{reason_of, write_atomically};
use crate::pixels::flattened;

/// Keyword of the PNG text chunk that holds the infotext.
pub(super) const INFOTEXT_KEYWORD: &str = "parameters";

/// Longest side of a JPEG file: its header has 16 bits for it.
const MAX_JPEG_SIDE_PX: u32 = 65_500;

/// Longest side of a WebP file: its header has 14 bits for it.
const MAX_WEBP_SIDE_PX: u32 = 16_383;

/// The picture formats that can be opened and saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureFormat {
    /// Lossless, with alpha and the whole recipe.
    Png,
    /// Lossy, without alpha.
    Jpeg,
    /// Saved lossless, with alpha.
    Webp,
}

impl PictureFormat {
    /// Every format, in the order in which dialogs list them.
    pub const ALL: [Self; 3] = [Self::Png, Self::Jpeg, Self::Webp];

    /// The formats as sentences name them.
    pub const NAMES: &str = "PNG, JPEG or WebP";

    /// The name shown in dialogs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::Webp => "WebP",
        }
    }

    /// The endings of file names, the usual one first.
    pub fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Png => &["png"],
            // Browsers on Windows save "jfif".
            Self::Jpeg => &["jpg", "jpeg", "jfif"],
            Self::Webp => &["webp"],
        }
    }

    /// The endings of all formats, in lower case.
    pub fn endings() -> impl Iterator<Item = &'static str> {
        Self::ALL
            .into_iter()
            .flat_map(|format| format.extensions().iter().copied())
    }

    /// The format that a file's name asks for.
    pub fn from_path(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        Self::ALL
            .into_iter()
            .find(|format| format.extensions().contains(&extension.as_str()))
    }

    /// Whether a picture of that size can be saved.
    ///
    /// # Errors
    /// If it has a side of no pixels, or one that is too long for the format.
    pub fn check_size(self, [width_px, height_px]: [u32; 2]) -> Result<(), RecipeFileError> {
        let side_px = 1..=match self {
            Self::Png => i32::MAX.unsigned_abs(),
            Self::Jpeg => MAX_JPEG_SIDE_PX,
            Self::Webp => MAX_WEBP_SIDE_PX,
        };
        if side_px.contains(&width_px) && side_px.contains(&height_px) {
            return Ok(());
        }
        Err(RecipeFileError::BadSize {
            width_px,
            height_px,
            format: self,
        })
    }
}

/// How a picture is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaveOptions {
    /// Quality of a JPEG file, 1 to 100.
    pub jpeg_quality: u8,
    /// Colour seen through transparent pixels in a JPEG file, 8-bit sRGB.
    pub background: [u8; 3],
}

impl Default for SaveOptions {
    fn default() -> Self {
        Self {
            jpeg_quality: 92,
            background: [255; 3],
        }
    }
}

/// What went wrong with a picture file.
#[derive(Debug, thiserror::Error)]
pub enum RecipeFileError {
    /// The file could not be read.
    #[error("\u{201c}{}\u{201d} could not be opened: {}", path.display(), reason_of(source))]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is of another kind.
    #[error(
        "\u{201c}{}\u{201d} is not a {} picture; convert it to one of these",
        path.display(), PictureFormat::NAMES
    )]
    NotAPicture {
        /// The file.
        path: PathBuf,
    },
    /// The file is far longer than a picture can be.
    #[error(
        "\u{201c}{}\u{201d} has {megabytes} MB, more than any picture that can be opened",
        path.display()
    )]
    TooManyBytes {
        /// The file.
        path: PathBuf,
        /// Its length.
        megabytes: u64,
    },
    /// The picture is larger than the studio can hold.
    #[error(
        "\u{201c}{}\u{201d} is {width_px} × {height_px} pixels; a side may have at most \
         {MAX_SIDE_PX}, so make the picture smaller first",
        path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Width of its picture.
        width_px: u32,
        /// Height of its picture.
        height_px: u32,
    },
    /// The file is cut off or damaged.
    #[error("\u{201c}{}\u{201d} is damaged and cannot be read: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the decoder says.
        reason: String,
    },
    /// The name asks for no format that can be written.
    #[error(
        "\u{201c}{}\u{201d} does not say which format to save in; end the name in .png, .jpg or .webp",
        path.display()
    )]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// The picture has a side of no pixels, or one that is too long for the format.
    #[error(
        "a picture of {width_px} × {height_px} pixels cannot be saved as {}; save it as PNG, or smaller",
        format.label()
    )]
    BadSize {
        /// Width of the picture.
        width_px: u32,
        /// Height of the picture.
        height_px: u32,
        /// The format asked for.
        format: PictureFormat,
    },
    /// The file could not be written.
    #[error("\u{201c}{}\u{201d} could not be saved: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the encoder or the system says.
        reason: String,
    },
}

/// What a saved file lacks, as a sentence for the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeftOut {
    /// The recipe does not fit into the format.
    #[error(
        "\u{201c}{}\u{201d} was saved without its recipe: the prompt is too long for a {} file; \
         save as PNG to keep it",
        path.display(), format.label()
    )]
    Recipe {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: PictureFormat,
    },
    /// The format has no place for what was drawn for the picture.
    #[error(
        "\u{201c}{}\u{201d} was saved without its boxes, label map and pictures that it was told of, which \
         a {} file cannot hold; \
         save as PNG to keep them",
        path.display(), format.label()
    )]
    Inputs {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: PictureFormat,
    },
    /// What was drawn for the picture is too large for any file.
    #[error(
        "\u{201c}{}\u{201d} was saved without a label map or pictures that it was painted from, \
         which are too large for a recipe; keep those files",
        .0.display()
    )]
    LargeMap(PathBuf),
}

/// Saves a picture, with its recipe if there is one, in the format that the
/// name ends in. A file of that name is replaced once the new one is whole.
///
/// A recipe that the format cannot hold does not keep the picture from being
/// saved, but is told.
///
/// # Errors
/// When the name asks for no known format, the picture does not fit into that
/// format, or the file cannot be written.
pub fn save_picture(
    path: &Path,
    image: &RgbaImage,
    recipe: Option<&PaintedRecipe>,
    options: &SaveOptions,
) -> Result<Option<LeftOut>, RecipeFileError> {
    let format = PictureFormat::from_path(path).ok_or_else(|| RecipeFileError::UnknownFormat {
        path: path.to_owned(),
    })?;
    format.check_size(image.dimensions().into())?;
    let failed = |reason: String| RecipeFileError::Write {
        path: path.to_owned(),
        reason,
    };
    let infotext = recipe.map(write_infotext);
    let kept = recipe.map(PaintedRecipe::as_kept).transpose();
    let kept = kept.map_err(|error| failed(error.to_string()))?;
    let (json, is_cut) = kept.map_or((None, false), |(json, is_cut)| (Some(json), is_cut));
    let mut exif = infotext.as_deref().map(exif_with_comment);
    let mut left_out = None;
    if format == PictureFormat::Jpeg {
        let is_too_long = |block: &mut Vec<u8>| block.len() > MAX_JPEG_EXIF_BYTES;
        left_out = exif.take_if(is_too_long).map(|_| LeftOut::Recipe {
            path: path.to_owned(),
            format,
        });
    }
    let has_inputs = recipe.is_some_and(PaintedRecipe::has_inputs);
    let inputs_left_out = match format {
        PictureFormat::Png => is_cut.then(|| LeftOut::LargeMap(path.to_owned())),
        PictureFormat::Jpeg | PictureFormat::Webp => has_inputs.then(|| LeftOut::Inputs {
            path: path.to_owned(),
            format,
        }),
    };
    left_out = left_out.or(inputs_left_out);
    write_atomically(path, |file| {
        let mut writer = BufWriter::new(file);
        match format {
            PictureFormat::Png => {
                let texts = [
                    (INFOTEXT_KEYWORD, infotext.as_deref()),
                    (PRIVATE_KEYWORD, json.as_deref()),
                ];
                write_png(&mut writer, image, &texts, PRIVATE_KEYWORD)
                    .map_err(std::io::Error::other)?;
            }
            PictureFormat::Jpeg => {
                let flat = flattened(image, Rgb(options.background));
                let quality = options.jpeg_quality.clamp(1, 100);
                let encoder =
                    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut writer, quality);
                encode(
                    encoder,
                    exif,
                    &flat,
                    flat.dimensions(),
                    image::ExtendedColorType::Rgb8,
                )?;
            }
            PictureFormat::Webp => {
                let encoder = image::codecs::webp::WebPEncoder::new_lossless(&mut writer);
                encode(
                    encoder,
                    exif,
                    image,
                    image.dimensions(),
                    image::ExtendedColorType::Rgba8,
                )?;
            }
        }
        writer.flush()
    })
    .map_err(|error| failed(reason_of(&error)))?;
    Ok(left_out)
}

fn encode(
    mut encoder: impl ImageEncoder,
    exif: Option<Vec<u8>>,
    pixels: &[u8],
    (width_px, height_px): (u32, u32),
    color: image::ExtendedColorType,
) -> std::io::Result<()> {
    if let Some(block) = exif {
        encoder
            .set_exif_metadata(block)
            .map_err(std::io::Error::other)?;
    }
    encoder
        .write_image(pixels, width_px, height_px, color)
        .map_err(std::io::Error::other)
}
