//! The picker: takes the class under the pointer in hand.

use super::event::{PointerEvent, PointerPhase};
use super::overlay::{Cursor, Overlay};
use super::tool::{Target, Tool, ToolContext, ToolError, ToolId, ToolInfo};
use super::values::pick_class;
use crate::document::{Document, LayerKind};
use crate::icons;

static INFO: ToolInfo = ToolInfo {
    id: ToolId("picker"),
    label: "Class picker",
    icon: icons::EYEDROPPER,
    key: "I",
    hint: "Click a place on a label map to paint with its class.",
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

    fn target(&self, document: &Document) -> Result<Target, ToolError> {
        let mut layers = document.layers().iter().rev();
        let map = layers.find(|layer| layer.visible && layer.kind() == LayerKind::Semantic);
        map.map(|map| Target::Layer(map.id)).ok_or(ToolError::NoMap)
    }

    fn handle_one(
        &mut self,
        event: &PointerEvent,
        context: &mut ToolContext<'_>,
    ) -> Result<(), ToolError> {
        if matches!(event.phase, PointerPhase::Press | PointerPhase::Drag) {
            pick_class(context.editor, event.position);
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
