//! The eraser for masks and classes.

use super::brush::{BrushMode, BrushTool};
use super::tool::{Tool, ToolId, ToolInfo};
use crate::icons;

static INFO: ToolInfo = ToolInfo {
    id: ToolId("eraser"),
    label: "Eraser",
    icon: icons::ERASER,
    key: "E",
    hint: "Take paint away. Shift draws a straight line, Ctrl paints.",
};

/// The tool at rest.
pub fn tool() -> Box<dyn Tool> {
    Box::new(BrushTool::new(&INFO, BrushMode::Erase))
}
