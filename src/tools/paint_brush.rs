//! The brush for masks and classes.

use super::brush::{BrushMode, BrushTool};
use super::tool::{Tool, ToolId, ToolInfo};
use crate::icons;

static INFO: ToolInfo = ToolInfo {
    id: ToolId("brush"),
    label: "Brush",
    icon: icons::PAINT_BRUSH,
    key: "B",
    hint: "Paint where the picture is to change, or a class on a label map. Shift draws a straight line, Ctrl erases, Alt picks a class.",
};

/// The tool at rest.
pub fn tool() -> Box<dyn Tool> {
    Box::new(BrushTool::new(&INFO, BrushMode::Paint))
}
