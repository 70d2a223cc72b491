//! How the pictures of a folder will be seen, before anything is trained.

use std::path::Path;

use image::{RgbaImage, imageops};

use super::{picture, scan};
use crate::pixels::opaque;
use crate::recipe::Fit;
use crate::train::sheet;

/// Longest list of files that is looked through.
const MOST_FILES: usize = 20_000;

/// A row of pictures of a folder as squares of a size, evenly spread; of those that
/// are cut, the middle is shown.
///
/// # Errors
/// Why there is nothing to be seen, as a sentence.
pub fn preview_of_folder(
    folder: &Path,
    size_px: u32,
    fit: Fit,
    count: usize,
) -> Result<RgbaImage, String> {
    let paths = scan::some_pictures(folder, MOST_FILES);
    let shown = count.min(paths.len());
    let chosen = (0..shown).map(|i| &paths[i * paths.len() / shown]);
    let mut first_problem = None;
    let squares = chosen.filter_map(|path| {
        let fitted = picture::decode(path).and_then(|it| picture::fitted(it, size_px, fit));
        match fitted {
            Ok(fitted) => {
                let (width, height) = fitted.rgb.dimensions();
                let [left, top] = [width, height].map(|side| (side - size_px) / 2);
                let square = imageops::crop_imm(&fitted.rgb, left, top, size_px, size_px);
                Some(opaque(&square.to_image()))
            }
            Err(reason) => {
                first_problem.get_or_insert(format!("{}: {reason}", path.display()));
                None
            }
        }
    });
    let squares: Vec<RgbaImage> = squares.collect();
    if squares.is_empty() {
        let reason = first_problem
            .unwrap_or_else(|| format!("There are no pictures in {}", folder.display()));
        return Err(reason);
    }
    Ok(sheet::grid(&[squares]))
}
