//! The brush for masks.

use super::brush::{BrushMode, BrushTool};
use super::tool::{Tool, ToolId, ToolInfo};
use crate::icons;

static INFO: ToolInfo = ToolInfo {
    id: ToolId("brush"),
    label: "Mask brush",
    icon: icons::PAINT_BRUSH,
    key: "B",
    hint: "Paint where the picture is to change. Shift draws a straight line, Ctrl erases.",
};

/// The tool at rest.
pub fn tool() -> Box<dyn Tool> {
    Box::new(BrushTool::new(&INFO, BrushMode::Paint))
}
