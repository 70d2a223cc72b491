//! Planes of values, row by row, as a file has them.

use super::input::Input;
use super::packing::unpack_bits;
use super::{PACKED, PLAIN};
use crate::geometry::CanvasRect;
use crate::project::tile_rows::LayerError;

/// The values of one channel in a part of the canvas and beyond.
#[derive(Debug)]
pub(super) struct Plane<'a> {
    part: CanvasRect,
    /// The rows of the file.
    rows: Vec<&'a [u8]>,
    is_packed: bool,
}

impl<'a> Plane<'a> {
    /// So many planes of one part behind the number that says how they are packed.
    ///
    /// # Errors
    /// When they are cut off or packed in another way.
    pub fn read(
        mut input: Input<'a>,
        part: CanvasRect,
        count: usize,
    ) -> Result<Vec<Self>, LayerError> {
        let [width, height] = part.size_px().map(|side| side as usize);
        let way = input.u16()?;
        let lengths: Vec<usize> = match way {
            PLAIN => vec![width; height * count],
            PACKED => {
                let (lengths, _) = input.take(2 * height * count)?.as_chunks::<2>();
                let lengths = lengths.iter().map(|it| u16::from_be_bytes(*it));
                lengths.map(usize::from).collect()
            }
            _ => {
                return Err(LayerError::Damaged(
                    "its pixels are packed by ZIP, which is not read here; save it packed by RLE"
                        .to_owned(),
                ));
            }
        };
        let mut planes = Vec::with_capacity(count);
        for lengths in lengths.chunks(height.max(1)) {
            let rows = lengths.iter().map(|length| input.take(*length));
            planes.push(Self {
                part,
                rows: rows.collect::<Result<_, _>>()?,
                is_packed: way == PACKED,
            });
        }
        Ok(planes)
    }

    /// The values from a place on, where it has any.
    ///
    /// # Errors
    /// When it has no such row.
    pub fn row(&self, [left, y]: [i32; 2], values: &mut [u8]) -> Result<(), LayerError> {
        let whole = CanvasRect::from_min_size([left, y], [values.len() as u32, 1]);
        let inside = whole.intersect(&self.part);
        if inside.is_empty() {
            return Ok(());
        }
        let row = self.rows.get((y - self.part.min[1]) as usize).copied();
        let row = row.unwrap_or_default();
        let mut unpacked = Vec::new();
        let width = self.part.width() as usize;
        let row = if self.is_packed {
            unpacked.resize(width, 0);
            unpack_bits(row, &mut unpacked).map(|()| unpacked.as_slice())
        } else {
            (row.len() == width).then_some(row)
        };
        let row = row.ok_or_else(|| LayerError::Damaged("a row has another length".to_owned()))?;
        let count = inside.width() as usize;
        let [to, from] = [left, self.part.min[0]].map(|it| (inside.min[0] - it) as usize);
        values[to..to + count].copy_from_slice(&row[from..from + count]);
        Ok(())
    }
}
