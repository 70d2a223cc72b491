//! The document: its layers and pixels, how they change and how changes are undone.
//!
//! Everybody who shows or stores a picture may read a [`Document`]; only a
//! [`DocumentEditor`] changes one, and only inside a [`Transaction`] of
//! invertible [`Edit`]s. Pixels live in copy-on-write tiles ([`TileGrid`]), so
//! that a [`DocumentSnapshot`] for a job, an undo step and an upload to the
//! graphics card all share the pixels that did not change. That is why the
//! history can be bounded in bytes instead of in steps.
//!
//! The room knows nothing of windows, graphics cards or models; of jobs it knows
//! what their inputs mean ([`Palette`]).

mod bounding_box;
mod class_map;
mod composite;
mod edit;
mod editor;
mod error;
mod frame_choice;
mod history;
mod identity;
mod layer;
mod part;
mod picture;
mod recoding;
mod tile_changes;
mod tile_grid;
mod transaction;

pub use bounding_box::BoundingBox;
pub use class_map::{class_index, stored_class};
pub use composite::blend_over;
pub(crate) use composite::mul_255;
pub use edit::{CanvasContents, Edit};
pub use editor::{DocumentEditor, Drawing, DrawnMap, InsertedDrawing, index_above_pictures};
pub use error::DocumentError;
pub use frame_choice::FrameChoice;
pub use history::{DEFAULT_HISTORY_BUDGET_BYTES, History};
pub use identity::{DocumentId, DocumentRevision, SavePoint};
pub use layer::{Layer, LayerContent, LayerId, LayerKind};
pub use part::Filling;
pub use picture::{Document, DocumentSnapshot, MAX_SIDE_PX, check_size};
pub use recoding::{ClassChanges, Recoding, joined};
pub use tile_changes::{PixelChanges, TileChange};
pub use tile_grid::{Pixel, TILE_SIDE_PX, Tile, TileGrid, TileIndex};
pub use transaction::Transaction;

pub use crate::recipe::{Palette, PaletteClass};
