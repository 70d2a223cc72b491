//! The brush for colours.

use super::brush::{BrushMode, BrushTool};
use super::tool::{Tool, ToolId, ToolInfo};
use crate::icons;

/// Names the brush for colours.
pub const PAINT: ToolId = ToolId("paint");

static INFO: ToolInfo = ToolInfo {
    id: PAINT,
    label: "Paint",
    icon: icons::DROP,
    key: "P",
    hint: "Paint colours for the model to begin with, or to be guided by. Shift draws a straight line, Ctrl erases, Alt picks a colour.",
};

/// The tool at rest.
pub fn tool() -> Box<dyn Tool> {
    Box::new(BrushTool::of_colours(&INFO, BrushMode::Paint))
}
