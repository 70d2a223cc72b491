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

mod area;
mod boxes;
mod brush;
mod bucket;
mod colour_brush;
mod colours;
mod eraser;
mod event;
mod frame;
mod hand;
mod ink;
mod lasso;
mod medium;
mod options;
mod outline;
mod overlay;
mod paint_brush;
mod picker;
mod shape;
mod tool;
mod toolbox;
mod values;

pub use bucket::Fill;
pub use colour_brush::PAINT;
pub use colours::Colours;
pub use event::{Modifiers, PointerButton, PointerEvent, PointerPhase};
pub use frame::{FRAME, handle_places};
pub use options::{Choice, ChoiceOption, ToolOptions};
pub use overlay::{Cursor, Overlay, OverlayShape};
pub use tool::{FrameGuide, Target, Tool, ToolContext, ToolError, ToolId, ToolInfo, Wish};
pub use toolbox::Toolbox;

/// One of each tool, at rest, in the order of the tool strip.
pub fn all() -> Vec<Box<dyn Tool>> {
    vec![
        paint_brush::tool(),
        eraser::tool(),
        colour_brush::tool(),
        bucket::tool(),
        shape::tool(),
        lasso::tool(),
        picker::tool(),
        boxes::tool(),
        frame::tool(),
        hand::tool(),
    ]
}
