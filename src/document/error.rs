//! What can go wrong with a document.

use super::layer::{LayerId, LayerKind};

/// Why a document could not be made or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// The size cannot be painted on.
    #[error(
        "a picture of {width_px} × {height_px} pixels cannot be opened; each side must be between 1 and {max_px}"
    )]
    Size {
        /// Width asked for.
        width_px: u32,
        /// Height asked for.
        height_px: u32,
        /// The largest side.
        max_px: u32,
    },
    /// The layer is gone.
    #[error("layer {0} is not in the document any more; choose another layer")]
    NoSuchLayer(LayerId),
    /// The layer holds something else.
    #[error("layer “{name}” is a {found} layer; choose a {wanted} layer")]
    WrongKind {
        /// The layer's name.
        name: String,
        /// What it holds.
        found: LayerKind,
        /// What is needed.
        wanted: LayerKind,
    },
    /// There is nothing to erase, clear or invert.
    #[error("there is no mask to change; paint one with the brush first")]
    NoMask,
    /// There is no layer of boxes.
    #[error("there are no boxes to change; draw one with the box tool first")]
    NoBoxes,
    /// An edit does not fit the document it is applied to.
    #[error("the change “{0}” does not fit the document; undo it or reopen the document")]
    Stale(&'static str),
    /// A second transaction was begun inside another.
    #[error("“{0}” is still in progress; finish it or press Escape first")]
    Busy(String),
}
