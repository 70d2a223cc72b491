//! What is done to boxes.

use super::Core;
use crate::app::boxes::BoxCommand;
use crate::document::{DocumentError, LayerKind};

impl Core {
    pub(super) fn change_boxes(&mut self, command: BoxCommand) -> Result<(), DocumentError> {
        let editor = &mut self.state.documents.front_mut().editor;
        match command {
            BoxCommand::AddLayer => editor.add_layer(LayerKind::Layout).map(drop),
            BoxCommand::Select { layer, boxes } => editor.select_boxes(layer, boxes),
            BoxCommand::Duplicate => editor.duplicate_boxes(),
            BoxCommand::Delete => editor.delete_boxes(),
            BoxCommand::Restack { is_up } => editor.restack_boxes(is_up),
            BoxCommand::Nudge(by_px) => editor.nudge_boxes(by_px),
            BoxCommand::Change { change, done } => {
                editor.adjust_boxes(change.label(), |found| change.apply(found))?;
                if done {
                    editor.end_slider_drag();
                }
                Ok(())
            }
        }
    }
}
