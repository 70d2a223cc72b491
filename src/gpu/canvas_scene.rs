//! What the canvas is to show in one frame.

use std::sync::Arc;

use image::{GrayImage, RgbaImage};

use super::preview::PreviewTexture;
use crate::document::DocumentSnapshot;
use crate::geometry::{CanvasRect, CanvasTransform, Viewport};

/// The pixels of a step of a running job.
#[derive(Clone, Debug)]
pub enum LivePicture {
    /// In main memory; uploaded when another `Arc` is given.
    Image(Arc<RgbaImage>),
    /// On the graphics card already.
    Texture(PreviewTexture),
}

impl LivePicture {
    /// Width and height in pixels of its own.
    pub fn size_px(&self) -> [u32; 2] {
        match self {
            Self::Image(image) => image.dimensions().into(),
            Self::Texture(texture) => texture.size_px(),
        }
    }
}

/// A step of a running job, drawn in its place above the pictures.
#[derive(Clone, Debug)]
pub struct LiveFrame {
    /// The pixels; smaller than the target they are scaled up smoothly.
    pub picture: LivePicture,
    /// The part of the document that it stands for.
    pub target: CanvasRect,
    /// Where in the target it is shown: the mask of the job. `None` is everywhere.
    pub mask: Option<Arc<GrayImage>>,
}

/// How label maps are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassesShown {
    /// Whether the borders of regions are drawn.
    pub is_outlined: bool,
    /// The one class of the selected layer that stands out, as it is stored; 0 is
    /// what has no class.
    pub isolated: Option<u8>,
}

/// Everything that the canvas shows in one frame.
#[derive(Clone, Debug)]
pub struct CanvasScene {
    /// The document.
    pub document: DocumentSnapshot,
    /// A step of a running job.
    pub live: Option<LiveFrame>,
    /// Whether the mask is only outlined, so that what was just painted inside of
    /// it can be seen.
    pub is_mask_outlined: bool,
    /// How label maps are shown.
    pub classes: ClassesShown,
    /// Where the document lies in the window.
    pub transform: CanvasTransform,
    /// The part of the window that shows it.
    pub viewport: Viewport,
}
