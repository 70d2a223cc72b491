//! Writing Photoshop files: the layers that have pixels, and the picture as it looks.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use super::packing::pack_bits;
use super::{ALPHA, BLOCK, DEPTH, FULL_NAME, IS_HIDDEN, NORMAL, PACKED, RGB, SIGNATURE};
use crate::document::{Document, Layer, LayerContent};
use crate::files::{reason_of, write_atomically};
use crate::geometry::CanvasRect;
use crate::project::ProjectError;

/// The channels of a layer in the order in which they are written: how the file calls
/// them, and where a pixel has them.
const CHANNELS: [(i16, usize); 4] = [(ALPHA, 3), (0, 0), (1, 1), (2, 2)];

/// No program reads a file with more bytes.
const MOST_BYTES: u64 = i32::MAX as u64;

/// Saves the layers of a document as a Photoshop file: picture layers as they are, masks in
/// white and label maps in the colours of their classes as hidden layers. Boxes are left
/// out, they have no pixels. A file of that name is replaced once the new one is whole.
///
/// # Errors
/// When the file cannot be written or would be larger than 2 GB; an older one is then
/// untouched.
pub fn save_psd(path: &Path, document: &Document) -> Result<(), ProjectError> {
    let written = write_atomically(path, |file| write(file, document));
    written.map_err(|error| ProjectError::Write {
        path: path.to_owned(),
        reason: reason_of(&error),
    })
}

fn write(file: &mut File, document: &Document) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    let [width, height] = document.size_px();
    let whole = document.composite_in(document.rect());
    let (whole, _) = whole.as_chunks::<4>();
    let is_opaque = whole.iter().all(|pixel| pixel[3] == 255);
    let planes: &[usize] = if is_opaque { &[0, 1, 2] } else { &[0, 1, 2, 3] };
    out.write_all(&SIGNATURE)?;
    // The version, and six bytes that say nothing.
    out.write_all(&[0, 1, 0, 0, 0, 0, 0, 0])?;
    out.write_all(&(planes.len() as u16).to_be_bytes())?;
    out.write_all(&height.to_be_bytes())?;
    out.write_all(&width.to_be_bytes())?;
    out.write_all(&DEPTH.to_be_bytes())?;
    out.write_all(&RGB.to_be_bytes())?;
    // No colour table and no resources.
    out.write_all(&[0; 8])?;
    write_layers(&mut out, document, is_opaque)?;
    out.write_all(&PACKED.to_be_bytes())?;
    let planes = planes.into_par_iter();
    let planes: Vec<_> = planes
        .map(|channel| Packed::new(whole, width, *channel))
        .collect();
    for plane in &planes {
        out.write_all(&plane.row_lengths)?;
    }
    for plane in &planes {
        out.write_all(&plane.rows)?;
    }
    check_size(out.stream_position()?)?;
    out.flush()
}

/// The section of the layers. Their records stand before their pixels, and are written once
/// more when it is known how many bytes those take.
fn write_layers(
    out: &mut BufWriter<&mut File>,
    document: &Document,
    is_opaque: bool,
) -> io::Result<()> {
    // A mask on which nothing is, which every document has, would be nothing but a name.
    let is_written = |layer: &&Layer| match layer.content {
        LayerContent::Raster(_) => true,
        LayerContent::Mask(_) | LayerContent::Semantic(_) => !layer.content.is_blank(),
        LayerContent::Layout(_) => false,
    };
    let layers = document.layers().iter().filter(is_written);
    let mut records: Vec<Record> = layers.map(Record::new).collect();
    let start = out.stream_position()?;
    out.write_all(&section(&records, is_opaque, 0))?;
    let pixels_start = out.stream_position()?;
    for record in &mut records {
        let pixels = pixels_of(record.layer, document, record.part);
        let width = record.part.width();
        let planes = CHANNELS.into_par_iter();
        let planes: Vec<_> = planes
            .map(|(_, channel)| Packed::new(&pixels, width, channel))
            .collect();
        for (plane, length) in planes.iter().zip(&mut record.lengths) {
            out.write_all(&PACKED.to_be_bytes())?;
            out.write_all(&plane.row_lengths)?;
            out.write_all(&plane.rows)?;
            *length = (2 + plane.row_lengths.len() + plane.rows.len()) as u32;
        }
        check_size(out.stream_position()?)?;
    }
    let mut pixel_bytes = out.stream_position()? - pixels_start;
    if pixel_bytes % 2 == 1 {
        out.write_all(&[0])?;
        pixel_bytes += 1;
    }
    // No mask for all layers.
    out.write_all(&[0; 4])?;
    let end = out.stream_position()?;
    out.seek(SeekFrom::Start(start))?;
    out.write_all(&section(&records, is_opaque, pixel_bytes))?;
    out.seek(SeekFrom::Start(end))?;
    Ok(())
}

fn check_size(bytes: u64) -> io::Result<()> {
    match bytes <= MOST_BYTES {
        true => Ok(()),
        false => Err(io::Error::other(
            "its layers take more than the 2 GB that such a file may have; delete some, or save \
             a project",
        )),
    }
}

/// What the file says of a layer before its pixels.
struct Record<'a> {
    layer: &'a Layer,
    /// What of the canvas it has pixels for.
    part: CanvasRect,
    /// Bytes of each channel.
    lengths: [u32; 4],
}

impl<'a> Record<'a> {
    fn new(layer: &'a Layer) -> Self {
        let part = match &layer.content {
            LayerContent::Raster(grid) => grid.content_bounds(),
            LayerContent::Mask(grid) | LayerContent::Semantic(grid) => grid.content_bounds(),
            LayerContent::Layout(_) => CanvasRect::EMPTY,
        };
        Self {
            layer,
            part,
            lengths: [0; 4],
        }
    }

    fn push(&self, bytes: &mut Vec<u8>) {
        /// Says only that the bit after it means something, as all programs do.
        const FLAGS: u8 = 1 << 3;
        let CanvasRect { min, max } = self.part;
        for side in [min[1], min[0], max[1], max[0]] {
            bytes.extend(side.to_be_bytes());
        }
        bytes.extend((CHANNELS.len() as u16).to_be_bytes());
        for ((name, _), length) in CHANNELS.into_iter().zip(self.lengths) {
            bytes.extend(name.to_be_bytes());
            bytes.extend(length.to_be_bytes());
        }
        bytes.extend(BLOCK);
        bytes.extend(NORMAL);
        let is_picture = self.layer.raster().is_some();
        let opacity = if is_picture { self.layer.opacity } else { 1.0 };
        bytes.push((opacity.clamp(0.0, 1.0) * 255.0).round() as u8);
        let is_seen = is_picture && self.layer.visible;
        bytes.extend([0, if is_seen { FLAGS } else { FLAGS | IS_HIDDEN }, 0]);
        let further = further(&self.layer.name);
        bytes.extend((further.len() as u32).to_be_bytes());
        bytes.extend(further);
    }
}

/// What follows in a record: no mask, no ranges, and the name, once in ASCII and once in
/// full.
fn further(name: &str) -> Vec<u8> {
    /// Most that old programs show.
    const MOST_ASCII: usize = 31;
    let mut bytes = vec![0; 8];
    let ascii = name.chars().take(MOST_ASCII);
    let ascii: Vec<u8> = ascii
        .map(|letter| match letter {
            ' '..='~' => letter as u8,
            _ => b'?',
        })
        .collect();
    bytes.push(ascii.len() as u8);
    bytes.extend(ascii);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    let units: Vec<u16> = name.encode_utf16().collect();
    let mut full = (units.len() as u32).to_be_bytes().to_vec();
    full.extend(units.iter().flat_map(|unit| unit.to_be_bytes()));
    full.resize(full.len().next_multiple_of(4), 0);
    bytes.extend(BLOCK);
    bytes.extend(FULL_NAME);
    bytes.extend((full.len() as u32).to_be_bytes());
    bytes.extend(full);
    bytes
}

/// The section of the layers up to their pixels.
fn section(records: &[Record], is_opaque: bool, pixel_bytes: u64) -> Vec<u8> {
    let count = records.len() as i16;
    // Below 0 where the picture as a whole has transparency.
    let count = if is_opaque { count } else { -count };
    let mut layers = count.to_be_bytes().to_vec();
    records.iter().for_each(|record| record.push(&mut layers));
    let length = (layers.len() as u64 + pixel_bytes) as u32;
    let mut bytes = (4 + length + 4).to_be_bytes().to_vec();
    bytes.extend(length.to_be_bytes());
    bytes.extend(layers);
    bytes
}

/// The pixels of a part of a layer, row by row, in straight alpha.
fn pixels_of(layer: &Layer, document: &Document, part: CanvasRect) -> Vec<[u8; 4]> {
    match &layer.content {
        LayerContent::Raster(grid) => grid.pixels_in(part, |pixel| pixel),
        LayerContent::Mask(grid) => grid.pixels_in(part, |value| [255, 255, 255, value]),
        LayerContent::Semantic(grid) => {
            let colours = document.class_colors();
            grid.pixels_in(part, |stored| colours[usize::from(stored)])
        }
        LayerContent::Layout(_) => Vec::new(),
    }
}

/// A plane of pixels as the file has it.
struct Packed {
    /// Bytes of each row, as numbers of the file.
    row_lengths: Vec<u8>,
    rows: Vec<u8>,
}

impl Packed {
    fn new(pixels: &[[u8; 4]], width: u32, channel: usize) -> Self {
        let (mut row_lengths, mut rows) = (Vec::new(), Vec::new());
        let mut line = Vec::with_capacity(width as usize);
        for row in pixels.chunks(width.max(1) as usize) {
            line.clear();
            line.extend(row.iter().map(|pixel| pixel[channel]));
            let before = rows.len();
            pack_bits(&line, &mut rows);
            // At most 8192 + 64 bytes: a canvas has no longer sides.
            row_lengths.extend(((rows.len() - before) as u16).to_be_bytes());
        }
        Self { row_lengths, rows }
    }
}
