//! Sample sheets: pictures in a grid, to be looked at.

use std::io::{BufWriter, Write as _};
use std::path::Path;

use burn::tensor::Tensor;
use image::codecs::png::PngEncoder;
use image::{Rgba, RgbaImage, imageops};

use super::TrainError;
use super::tensors::host;
use crate::files::write_atomically;
use crate::pixels::{self, opaque};

/// Pixels between pictures.
const GAP: u32 = 2;
const BACKGROUND: Rgba<u8> = Rgba([24, 24, 27, 255]);

/// Pictures of one batch.
///
/// # Shapes
/// `[batch, 3, height, width]` in [-1, 1].
pub(super) fn pictures(batch: Tensor<4>) -> Result<Vec<RgbaImage>, TrainError> {
    let [count, channels, height, width] = batch.dims();
    let values = host(batch)?;
    let area = height * width;
    let picture = |index: usize| {
        let planes = &values[index * channels * area..][..channels * area];
        opaque(&pixels::picture(planes, width, height))
    };
    Ok((0..count).map(picture).collect())
}

/// Lays rows of pictures of one size side by side.
pub(super) fn grid(rows: &[Vec<RgbaImage>]) -> RgbaImage {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0) as u32;
    let (width, height) = rows
        .iter()
        .flatten()
        .next()
        .map_or((1, 1), RgbaImage::dimensions);
    let sheet_width = columns * (width + GAP) + GAP;
    let sheet_height = rows.len() as u32 * (height + GAP) + GAP;
    let mut sheet = RgbaImage::from_pixel(sheet_width, sheet_height, BACKGROUND);
    for (row, y) in rows.iter().zip((0..).map(|i| GAP + i * (height + GAP))) {
        for (picture, x) in row.iter().zip((0..).map(|i| GAP + i * (width + GAP))) {
            imageops::replace(&mut sheet, picture, i64::from(x), i64::from(y));
        }
    }
    sheet
}

/// Writes a sheet; its file appears whole or not at all.
pub(super) fn save(sheet: &RgbaImage, path: &Path) -> Result<(), TrainError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(TrainError::io("make the folder", folder))?;
    write_atomically(path, |file| {
        let mut bytes = BufWriter::new(file);
        sheet
            .write_with_encoder(PngEncoder::new(&mut bytes))
            .map_err(std::io::Error::other)?;
        bytes.flush()
    })
    .map_err(TrainError::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn a_grid_has_a_place_for_each_picture() {
        let ones = Tensor::<4>::ones([2, 3, 4, 6], &Device::flex());
        let white = pictures(ones).expect("values");
        let sheet = grid(&[white.clone(), vec![white[0].clone()]]);
        assert_eq!(sheet.dimensions(), (2 * 8 + 2, 2 * 6 + 2));
        assert_eq!(sheet.get_pixel(2, 2), &Rgba([255; 4]));
        assert_eq!(sheet.get_pixel(10, 8), &BACKGROUND);
    }
}
