//! The tools of the canvas: one state machine per file.
//!
//! A tool receives our own [`PointerEvent`]s in document pixels, so it can be
//! driven by a window, a test or a recorded stroke alike. It changes the
//! document only through the transaction that it opens when the pointer goes
//! down and commits when it goes up; [`Tool::cancel`] takes everything back.
//! [`Toolbox`] holds one of each with the settings and is what the app talks to.

mod brush;
mod event;
mod pan_zoom;
mod settings;
mod stamp;
mod stroke;
mod stroke_path;
mod tool;
mod toolbox;

pub use brush::{BrushMode, BrushTool};
pub use event::{Modifiers, PointerButton, PointerEvent, PointerPhase};
pub use pan_zoom::PanZoomTool;
pub use settings::{BrushSettings, MAX_BRUSH_SIZE_PX, MIN_BRUSH_SIZE_PX, ToolSettings};
pub use tool::{Tool, ToolContext, ToolCursor, ToolError, ToolId, ToolResponse};
pub use toolbox::Toolbox;
