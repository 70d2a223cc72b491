//! How the pictures of a folder will be seen, before anything is trained.

use std::path::{Path, PathBuf};

use image::{RgbaImage, imageops};

use super::{picture, scan};
use crate::pixels::opaque;
use crate::recipe::Fit;
use crate::train::sheet;

/// Longest list of files that is looked through.
const MOST_FILES: usize = 20_000;

/// A row of pictures of a folder as squares of a size, evenly spread; of those that
/// are cut, the middle is shown. Where none of them can be trained on, the first that can
/// be is looked for among the others.
///
/// # Errors
/// Why none can be trained on, as a sentence.
pub fn preview_of_folder(
    folder: &Path,
    size_px: u32,
    fit: Fit,
    count: usize,
) -> Result<RgbaImage, String> {
    let paths = scan::some_pictures(folder, MOST_FILES);
    let shown = count.min(paths.len());
    let mut first_problem = None;
    let mut square_of = |path: &PathBuf| {
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
    };
    let chosen = (0..shown).map(|i| &paths[i * paths.len() / shown]);
    let mut squares: Vec<RgbaImage> = chosen.filter_map(&mut square_of).collect();
    if squares.is_empty() {
        squares.extend(paths.iter().find_map(&mut square_of));
    }
    if squares.is_empty() {
        let reason = first_problem
            .unwrap_or_else(|| format!("There are no pictures in {}", folder.display()));
        return Err(reason);
    }
    Ok(sheet::grid(&[squares]))
}
