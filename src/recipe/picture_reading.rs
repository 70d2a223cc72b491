//! Opening picture files that anybody may have made.
//!
//! Everything that a file claims is checked against a bound before memory is
//! taken for it: its length, the sides of its picture, the length of its texts.

use std::fs::File;
use std::io::{BufReader, Seek as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits, RgbaImage};
use moxcms::ColorProfile;

use super::colour::{bring_to_srgb, profile_of_gamma};
use super::exif::comment_in_exif;
use super::generate::MAX_SIDE_PX;
use super::infotext::{read_infotext, read_infotext_or_prompt};
use super::jpeg_end::is_cut_off;
use super::picture_files::{INFOTEXT_KEYWORD, PictureFormat, RecipeFileError};
use super::png_text::{PngHead, read_png_head};
use super::webp_chunks::lie_inside;
use super::{FoundRecipe, PRIVATE_KEYWORD};
use crate::files;

/// Bytes that a file may have: twice those of the largest picture, unpacked.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// Bytes that the decoder of a PNG file may take beside the picture.
const MAX_DECODER_BYTES: u64 = 64 << 20;

/// Characters of a recipe that are read, far more than anybody types.
pub(super) const MAX_TEXT_BYTES: usize = 2 << 20;

/// A picture read from a file, with its recipe.
#[derive(Clone, Debug)]
pub struct OpenedPicture {
    /// The picture: 8-bit sRGB with alpha, upright.
    pub image: RgbaImage,
    /// How it was painted, if the file tells.
    pub recipe: Option<FoundRecipe>,
    /// What is not as it should be, for the user.
    pub warnings: Vec<PictureWarning>,
}

/// The pixels of a picture file.
#[derive(Clone, Debug)]
pub struct DecodedPicture {
    /// The picture: sRGB, upright, with as many channels as the file has.
    pub image: DynamicImage,
    /// What is not as it should be, for the user.
    pub warnings: Vec<PictureWarning>,
}

/// Something in a picture file that was passed over, as a sentence for the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PictureWarning {
    /// The file ends before its picture does.
    #[error("\u{201c}{}\u{201d} is cut off: a part of its picture is missing", .0.display())]
    CutOff(PathBuf),
    /// The colours are meant in a way that is not understood.
    #[error(
        "\u{201c}{}\u{201d} describes its colours in a way that is not understood ({reason}); they may look different",
        path.display()
    )]
    UnknownColours {
        /// The file.
        path: PathBuf,
        /// What is wrong with the description.
        reason: String,
    },
    /// There is a recipe, of absurd length.
    #[error("\u{201c}{}\u{201d} has a recipe that is too long to be read", .0.display())]
    RecipeTooLong(PathBuf),
}

/// Opens a picture, turned upright as its EXIF orientation says, in sRGB, and
/// reads its recipe.
///
/// # Errors
/// When the file cannot be read, is no picture, is larger than the studio
/// allows, or is damaged.
pub fn open_picture(path: &Path) -> Result<OpenedPicture, RecipeFileError> {
    guarded(path, || {
        let mut file = PictureFile::open(path)?;
        let (recipe, too_long) = file.recipe();
        let mut decoded = file.decode()?;
        decoded.warnings.extend(too_long);
        Ok(OpenedPicture {
            image: decoded.image.into_rgba8(),
            recipe,
            warnings: decoded.warnings,
        })
    })
}

/// Opens a picture as [`open_picture`] does, without its recipe and without
/// making four channels of fewer.
///
/// # Errors
/// As [`open_picture`].
pub fn decode_picture(path: &Path) -> Result<DecodedPicture, RecipeFileError> {
    guarded(path, || PictureFile::open(path)?.decode())
}

/// Width and height in pixels of the picture in a file, upright. Reads its head
/// only.
///
/// # Errors
/// When the file cannot be read, is no picture, or is larger than the studio
/// allows.
pub fn picture_size(path: &Path) -> Result<(u32, u32), RecipeFileError> {
    guarded(path, || {
        let mut file = PictureFile::open(path)?;
        let (width, height) = file.decoder.dimensions();
        Ok(match file.orientation() {
            Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH => (height, width),
            _ => (width, height),
        })
    })
}

/// Reads only the recipe of a picture file; `None` when it has none.
///
/// # Errors
/// When the file cannot be read, is no picture, is larger than the studio
/// allows, or is damaged.
pub fn read_recipe(path: &Path) -> Result<Option<FoundRecipe>, RecipeFileError> {
    guarded(path, || Ok(PictureFile::open(path)?.recipe().0))
}

/// Makes an error of a decoder's panic: formats are many, and so are the ways in
/// which a file can be wrong.
fn guarded<T>(
    path: &Path,
    read: impl FnOnce() -> Result<T, RecipeFileError>,
) -> Result<T, RecipeFileError> {
    // Nothing outlives a panic: each call has its own file and decoder.
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        Err(RecipeFileError::Damaged {
            path: path.to_owned(),
            reason: "its decoder failed".to_owned(),
        })
    })
}

/// A file whose head was read and found to be within bounds.
struct PictureFile<'a> {
    path: &'a Path,
    format: PictureFormat,
    decoder: Box<dyn ImageDecoder>,
    /// What only PNG files have.
    png: PngHead,
}

impl<'a> PictureFile<'a> {
    fn open(path: &'a Path) -> Result<Self, RecipeFileError> {
        let file = open_file(path)?;
        let open_error = |source| RecipeFileError::Open {
            path: path.to_owned(),
            source,
        };
        // By content alone: a name may lie, and dropped files may have no ending.
        let mut reader = ImageReader::new(file)
            .with_guessed_format()
            .map_err(open_error)?;
        let format = match reader.format() {
            Some(image::ImageFormat::Png) => PictureFormat::Png,
            Some(image::ImageFormat::Jpeg) => PictureFormat::Jpeg,
            Some(image::ImageFormat::WebP) => PictureFormat::Webp,
            _ => {
                return Err(RecipeFileError::NotAPicture {
                    path: path.to_owned(),
                });
            }
        };
        let mut png = PngHead::default();
        if format == PictureFormat::Png {
            // The decoder makes room for a row before it can be asked for sizes.
            let mut file = open_file(path)?;
            if let Ok(info) = png::Decoder::new(&mut file).read_header_info() {
                check_size(path, info.size())?;
                file.rewind().map_err(open_error)?;
                let keywords = [PRIVATE_KEYWORD, INFOTEXT_KEYWORD];
                png = read_png_head(file, &keywords, MAX_TEXT_BYTES);
                if png.has_odd_palette {
                    return Err(RecipeFileError::Damaged {
                        path: path.to_owned(),
                        reason: "its palette is cut off".to_owned(),
                    });
                }
            }
        }
        if format == PictureFormat::Webp {
            let file = open_file(path)?;
            let bytes = file.get_ref().metadata().map_err(open_error)?.len();
            if !lie_inside(file, bytes).map_err(open_error)? {
                return Err(RecipeFileError::Damaged {
                    path: path.to_owned(),
                    reason: "a part of it is missing".to_owned(),
                });
            }
        }
        let mut limits = Limits::no_limits();
        limits.max_alloc = Some(MAX_DECODER_BYTES);
        reader.limits(limits);
        let decoder = reader
            .into_decoder()
            .map_err(|error| damaged(path, &error))?;
        check_size(path, decoder.dimensions())?;
        Ok(Self {
            path,
            format,
            decoder: Box::new(decoder),
            png,
        })
    }

    fn recipe(&mut self) -> (Option<FoundRecipe>, Option<PictureWarning>) {
        let too_long = || PictureWarning::RecipeTooLong(self.path.to_owned());
        if self.format == PictureFormat::Png {
            let [private, infotext] = [PRIVATE_KEYWORD, INFOTEXT_KEYWORD].map(|keyword| {
                let mut texts = self.png.texts.iter();
                texts
                    .find(|text| text.0 == keyword)
                    .map(|text| text.1.as_str())
            });
            let recipe = private
                .and_then(FoundRecipe::from_json)
                .or_else(|| infotext.and_then(read_infotext_or_prompt));
            let is_lost = recipe.is_none() && self.png.has_longer_text;
            return (recipe, is_lost.then(too_long));
        }
        let exif = self.decoder.exif_metadata().ok().flatten();
        if exif
            .as_ref()
            .is_some_and(|block| block.len() > MAX_TEXT_BYTES)
        {
            return (None, Some(too_long()));
        }
        let comment = exif.as_deref().and_then(comment_in_exif);
        (comment.as_deref().and_then(read_infotext), None)
    }

    fn orientation(&mut self) -> Orientation {
        // A picture is worth opening even when its EXIF block is not.
        let found = self.decoder.orientation();
        found.unwrap_or(Orientation::NoTransforms)
    }

    fn decode(mut self) -> Result<DecodedPicture, RecipeFileError> {
        let orientation = self.orientation();
        let Self {
            path,
            format,
            mut decoder,
            png,
        } = self;
        let mut warnings = Vec::new();
        let icc = decoder.icc_profile().ok().flatten();
        let mut image =
            DynamicImage::from_decoder(decoder).map_err(|error| damaged(path, &error))?;
        if format == PictureFormat::Jpeg && is_cut_off(open_file(path)?).unwrap_or(true) {
            warnings.push(PictureWarning::CutOff(path.to_owned()));
        }
        let profile = match &icc {
            Some(icc) => ColorProfile::new_from_slice(icc).map(Some),
            None => Ok(png
                .gamma
                .and_then(|gamma| profile_of_gamma(gamma, png.chromaticities.as_ref()))),
        };
        let converted = profile.and_then(|profile| match profile {
            Some(profile) => bring_to_srgb(&mut image, &profile),
            None => Ok(()),
        });
        if let Err(error) = converted {
            warnings.push(PictureWarning::UnknownColours {
                path: path.to_owned(),
                reason: error.to_string(),
            });
        }
        image.apply_orientation(orientation);
        Ok(DecodedPicture { image, warnings })
    }
}

fn open_file(path: &Path) -> Result<BufReader<File>, RecipeFileError> {
    let open_error = |source| RecipeFileError::Open {
        path: path.to_owned(),
        source,
    };
    let file = files::open_file(path).map_err(open_error)?;
    let bytes = file.metadata().map_err(open_error)?.len();
    if bytes > MAX_FILE_BYTES {
        return Err(RecipeFileError::TooManyBytes {
            path: path.to_owned(),
            megabytes: bytes >> 20,
        });
    }
    Ok(BufReader::new(file))
}

fn check_size(path: &Path, (width_px, height_px): (u32, u32)) -> Result<(), RecipeFileError> {
    if width_px.max(height_px) <= MAX_SIDE_PX {
        return Ok(());
    }
    Err(RecipeFileError::TooLarge {
        path: path.to_owned(),
        width_px,
        height_px,
    })
}

fn damaged(path: &Path, error: &image::ImageError) -> RecipeFileError {
    RecipeFileError::Damaged {
        path: path.to_owned(),
        reason: files::damage_of(error).to_owned(),
    }
}
