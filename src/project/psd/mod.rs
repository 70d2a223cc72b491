//! Documents for other painting programs and from them: layers as a Photoshop file, which
//! nearly all of them read and write.
//!
//! The form of the file is that of Adobe's *Photoshop File Formats Specification*
//! (November 2019), version 1: a header, the layers from bottom to top (first what each of
//! them is, then their pixels), and the picture as it looks. All numbers are big-endian,
//! pixels lie in planes, and every row of a plane is packed by itself (PackBits).

mod input;
mod packing;
mod planes;
mod reading;
mod record;
mod writing;

use std::io::Read as _;
use std::path::Path;

use crate::files::open_file;

pub use reading::open_psd;
pub use writing::save_psd;

/// The ending of a Photoshop file's name.
pub const PSD_EXTENSION: &str = "psd";

/// The first bytes of every such file.
const SIGNATURE: [u8; 4] = *b"8BPS";

/// Before what else belongs to a layer.
const BLOCK: &[u8; 4] = b"8BIM";

/// Before a layer's name in full.
const FULL_NAME: &[u8; 4] = b"luni";

/// A layer that lies over others and no more.
const NORMAL: &[u8; 4] = b"norm";

/// The flag of a layer that is not shown.
const IS_HIDDEN: u8 = 1 << 1;

/// The channel of transparency, beside 0, 1 and 2 for red, green and blue.
const ALPHA: i16 = -1;

/// Rows of a plane as they are, and packed by PackBits.
const PLAIN: u16 = 0;
const PACKED: u16 = 1;

/// Bits of a value.
const DEPTH: u16 = 8;

/// Red, green and blue, as the header calls them.
const RGB: u16 = 3;

/// Whether a name says that its file is one of Photoshop.
pub fn is_psd_name(path: &Path) -> bool {
    let extension = path.extension();
    extension.is_some_and(|extension| extension.eq_ignore_ascii_case(PSD_EXTENSION))
}

/// Whether a file is one of Photoshop, by its content.
pub fn is_psd(path: &Path) -> bool {
    let mut start = [0; SIGNATURE.len()];
    let read = open_file(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start == SIGNATURE
}
