//! The picker: takes the class or the colour under the pointer in hand.

use super::event::{PointerEvent, PointerPhase};
use super::medium::Medium;
use super::overlay::{Cursor, Overlay};
use super::tool::{Target, Tool, ToolContext, ToolError, ToolId, ToolInfo};
use crate::document::Document;
use crate::icons;

static INFO: ToolInfo = ToolInfo {
    id: ToolId("picker"),
    label: "Picker",
    icon: icons::EYEDROPPER,
    key: "I",
    hint: "Click a place to paint with its class, or where no label map has one, with its colour.",
};

/// The tool at rest.
pub fn tool() -> Box<dyn Tool> {
    Box::new(PickerTool)
}

/// Picks at the press and while it is dragged.
#[derive(Debug)]
struct PickerTool;

impl Tool for PickerTool {
    fn info(&self) -> &'static ToolInfo {
        &INFO
    }

    fn target(&self, _document: &Document) -> Result<Target, ToolError> {
        Ok(Target::View)
    }

    fn paints_colours(&self) -> bool {
        // What it picked is seen beside it.
        true
    }

    fn handle_one(
        &mut self,
        event: &PointerEvent,
        context: &mut ToolContext<'_>,
    ) -> Result<(), ToolError> {
        if matches!(event.phase, PointerPhase::Press | PointerPhase::Drag) {
            let at = event.position;
            let is_class = Medium::Values.pick(context, at);
            if !is_class {
                Medium::Colours.pick(context, at);
            }
        }
        Ok(())
    }

    fn cancel(&mut self, _context: &mut ToolContext<'_>) {}

    fn is_active(&self) -> bool {
        false
    }

    fn overlay(&self, _document: &Document) -> Overlay {
        Cursor::Crosshair.into()
    }
}
