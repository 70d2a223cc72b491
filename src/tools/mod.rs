//! The tools of the canvas: one state machine per file.
//!
//! A tool receives our own [`PointerEvent`]s in document pixels, so it can be
//! driven by a window, a test or a recorded stroke alike. It changes the
//! document only through the transaction that it opens when the pointer goes
//! down and commits when it goes up; [`Tool::cancel`] takes everything back.
//! A tool says of itself what it is called, what can be set on it, what it acts
//! on and what is drawn over the canvas while it is in hand: nobody else knows
//! one by name. A new tool is a file and its line in [`all`].
//! [`Toolbox`] holds one of each and is what the app talks to.

mod boxes;
mod brush;
mod event;
mod hand;
mod mask_brush;
mod mask_eraser;
mod options;
mod overlay;
mod tool;
mod toolbox;

pub use event::{Modifiers, PointerButton, PointerEvent, PointerPhase};
pub use options::ToolOptions;
pub use overlay::{Cursor, Overlay, OverlayShape};
pub use tool::{Target, Tool, ToolContext, ToolError, ToolId, ToolInfo, Wish};
pub use toolbox::Toolbox;

/// One of each tool, at rest, in the order of the tool strip.
pub fn all() -> Vec<Box<dyn Tool>> {
    vec![
        mask_brush::tool(),
        mask_eraser::tool(),
        boxes::tool(),
        hand::tool(),
    ]
}
