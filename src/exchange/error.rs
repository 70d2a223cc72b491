//! Why a file of boxes or a label map cannot be used.

use crate::files::reason_of;
use std::path::PathBuf;

/// What is wrong with a file, in one sentence for the user.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// It could not be read.
    #[error("\u{201c}{}\u{201d} could not be read: {}", path.display(), reason_of(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It could not be written.
    #[error("\u{201c}{}\u{201d} could not be written: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system or the encoder says.
        reason: String,
    },
    /// It is far longer than such a file can be.
    #[error(
        "\u{201c}{}\u{201d} has {megabytes} MB; boxes are read from files of at most {most} MB, \
         so cut it down to the images that you need",
        path.display()
    )]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its length.
        megabytes: u64,
        /// What is read at most.
        most: u64,
    },
    /// It is no file of boxes.
    #[error(
        "\u{201c}{}\u{201d} is neither COCO JSON nor the JSON of a scene: {reason}",
        path.display()
    )]
    NoBoxes {
        /// The file.
        path: PathBuf,
        /// What is missing or wrong.
        reason: String,
    },
    /// A box has no place.
    #[error(
        "box {number} of \u{201c}{}\u{201d} has the bbox {bbox}, where four finite numbers are needed: \
         left, top, width and height",
        path.display()
    )]
    Place {
        /// The file.
        path: PathBuf,
        /// Which box, from 1.
        number: usize,
        /// What stands there.
        bbox: String,
    },
    /// A box has neither a category nor the number of one.
    #[error(
        "box {number} of \u{201c}{}\u{201d} has no class: it needs a category or a category_id",
        path.display()
    )]
    NoClass {
        /// The file.
        path: PathBuf,
        /// Which box, from 1.
        number: usize,
    },
    /// There are absurdly many boxes.
    #[error("\u{201c}{}\u{201d} has {count} boxes for one image; at most {most} can be given", path.display())]
    TooManyBoxes {
        /// The file.
        path: PathBuf,
        /// Their number.
        count: usize,
        /// What can be given.
        most: usize,
    },
    /// It has several images, and none was chosen.
    #[error(
        "\u{201c}{}\u{201d} has boxes of {count} images; choose one by its id: {}",
        path.display(), listed(images, *count)
    )]
    SeveralImages {
        /// The file.
        path: PathBuf,
        /// Their number.
        count: usize,
        /// The first of them: id and file name.
        images: Vec<(String, Option<String>)>,
    },
    /// It has no image of that id.
    #[error(
        "\u{201c}{}\u{201d} has no image with the id {id}; it has {}",
        path.display(), listed(images, *count)
    )]
    NoSuchImage {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        id: String,
        /// Number of images.
        count: usize,
        /// The first of them: id and file name.
        images: Vec<(String, Option<String>)>,
    },
    /// It is no PNG file.
    #[error(
        "\u{201c}{}\u{201d} is no PNG file; label maps are read from PNG only, which keeps every value",
        .0.display()
    )]
    NotPng(PathBuf),
    /// It has more than a byte for each value.
    #[error(
        "\u{201c}{}\u{201d} has 16 bits per value; save the label map with 8",
        .0.display()
    )]
    SixteenBits(PathBuf),
    /// It is damaged or cut off.
    #[error("\u{201c}{}\u{201d} is damaged or cut off: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It is larger than any job.
    #[error(
        "\u{201c}{}\u{201d} is {width_px} × {height_px} pixels; a side may have at most {most_px}",
        path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its width.
        width_px: u32,
        /// Its height.
        height_px: u32,
        /// The longest side.
        most_px: u32,
    },
    /// It has colours that are not in the palette.
    #[error(
        "\u{201c}{}\u{201d} has colours that are those of no class, or of several: {}; \
         give these pixels the colours of classes",
        path.display(), named(colours)
    )]
    UnknownColours {
        /// The file.
        path: PathBuf,
        /// The colours and their numbers of pixels.
        colours: Vec<super::UnknownColour>,
    },
    /// Colours cannot tell two classes apart.
    #[error(
        "the classes \u{201c}{0}\u{201d} and \u{201c}{1}\u{201d} have the same colour, so colours cannot tell \
         them apart; give one another colour, or export by index"
    )]
    SameColour(String, String),
    /// A class has no colour.
    #[error(
        "the map has the class {0}, which is not in the palette and has no colour; give these \
         pixels another class, or export by index"
    )]
    NoColour(u8),
    /// It is far longer than a palette can be.
    #[error("\u{201c}{}\u{201d} is too long for a palette; choose the JSON file of one", .0.display())]
    LongPalette(PathBuf),
    /// It is no palette.
    #[error(
        "\u{201c}{}\u{201d} is no palette ({reason}); it needs a list \u{201c}classes\u{201d} of index, name and color",
        path.display()
    )]
    NoPalette {
        /// The file.
        path: PathBuf,
        /// What is missing or wrong.
        reason: String,
    },
    /// Its classes make no palette.
    #[error("\u{201c}{}\u{201d} cannot be used: {source}", path.display())]
    Palette {
        /// The file.
        path: PathBuf,
        /// What is wrong with them.
        source: crate::recipe::PaletteError,
    },
}

/// Things that one sentence names.
const MOST_NAMED: usize = 12;

fn listed(images: &[(String, Option<String>)], count: usize) -> String {
    let name = |(id, file): &(String, Option<String>)| match file {
        Some(file) => format!("{id} ({file})"),
        None => id.clone(),
    };
    joined(images.iter().map(name), count)
}

fn named(colours: &[super::UnknownColour]) -> String {
    let name = |it: &super::UnknownColour| {
        let [r, g, b] = it.color;
        format!("#{r:02x}{g:02x}{b:02x} ({} pixels)", it.pixels)
    };
    joined(colours.iter().map(name), colours.len())
}

fn joined(names: impl Iterator<Item = String>, count: usize) -> String {
    let mut shown: Vec<String> = names.take(MOST_NAMED).collect();
    if let Some(more @ 1..) = count.checked_sub(shown.len()) {
        shown.push(format!("{more} more"));
    }
    shown.join(", ")
}
