//! The pictures of a folder as they will be trained on.

use std::path::PathBuf;
use std::sync::Arc;

use image::RgbaImage;

use crate::recipe::Fit;

/// What a preview is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewOf {
    /// The folder.
    pub folder: PathBuf,
    /// Side of the squares in pixels.
    pub size_px: u32,
    /// How pictures become squares.
    pub fit: Fit,
}

/// A row of pictures, or why there are none.
#[derive(Clone, Debug)]
pub struct TrainPreview {
    /// What it is of.
    pub of: PreviewOf,
    /// The row; a sentence where there is none; nothing while it is being made.
    pub row: Option<Result<Arc<RgbaImage>, String>>,
}
