//! Label maps: added, their classes counted, changed and chosen.

use super::Core;
use crate::app::background::{ClassEvent, ClassWish};
use crate::app::classes::{BuiltInPalette, ClassCommand, PaletteDraft};
use crate::app::command::Dialog;
use crate::app::notices::Severity;
use crate::document::{DocumentError, LayerKind};
use crate::tools::ToolError;

impl Core {
    pub(super) fn dispatch_classes(&mut self, command: ClassCommand) -> Result<(), ToolError> {
        let front = self.state.documents.front_mut();
        match command {
            ClassCommand::AddLayer => {
                let palette = BuiltInPalette::Storybook.palette();
                front.editor.add_semantic_layer(&palette)?;
            }
            ClassCommand::Select(index) => front.editor.select_class(index),
            ClassCommand::Isolate(stored) => {
                let layer = front.document().selected_layer().map(|layer| layer.id);
                front.isolated = layer.zip(stored);
            }
            ClassCommand::ToggleOutlines => self.state.settings.panels.outlines ^= true,
            ClassCommand::Recode { label, recoding } => {
                let layer = front.document().selected_layer();
                let layer = layer.filter(|layer| layer.kind() == LayerKind::Semantic);
                if let Some(layer) = layer {
                    let wish = ClassWish::Recode {
                        only: Some(layer.id),
                        recoding,
                        palette: None,
                    };
                    self.wish_classes(label, wish);
                }
            }
            ClassCommand::ChoosePalette(palette) => {
                self.wish_classes("Change palette", ClassWish::Palette(palette.palette()));
            }
            ClassCommand::UsePalette(palette) => {
                self.wish_classes("Change palette", ClassWish::Palette(palette));
            }
            ClassCommand::EditPalette => {
                let draft = PaletteDraft::of(front.document().palette());
                self.state.dialog = Some(Dialog::Palette(Box::new(draft)));
            }
            ClassCommand::Draft(draft) => {
                if let Some(Dialog::Palette(shown)) = &mut self.state.dialog {
                    **shown = draft;
                }
            }
            ClassCommand::ApplyDraft => self.apply_draft(),
        }
        Ok(())
    }

    fn apply_draft(&mut self) {
        let draft = match &self.state.dialog {
            Some(Dialog::Palette(draft)) if draft.problem().is_none() => (**draft).clone(),
            _ => return,
        };
        self.state.dialog = None;
        let wish = ClassWish::Recode {
            only: None,
            recoding: draft.recoding(),
            palette: Some(draft.palette()),
        };
        self.wish_classes("Edit classes", wish);
    }

    fn wish_classes(&mut self, label: &'static str, wish: ClassWish) {
        let snapshot = self.state.front().editor.snapshot();
        self.background.change_classes(label, wish, snapshot);
    }

    /// Has the classes counted when the document changed.
    pub(in crate::app) fn count_classes(&mut self) {
        let state = &mut self.state;
        let front = state.documents.front();
        if state.shares.begin(front.document()) {
            let snapshot = front.editor.snapshot();
            self.background.count_classes(snapshot);
        }
    }

    pub(in crate::app) fn take_class_event(
        &mut self,
        event: ClassEvent,
    ) -> Result<(), DocumentError> {
        match event {
            ClassEvent::Counted(counted) => self.state.shares.end(counted),
            ClassEvent::Restored(restored) => self.take_restored_map(restored)?,
            ClassEvent::Changed {
                label,
                wish,
                changes,
                note,
            } => {
                let front = self.state.documents.front_mut();
                if !changes.is_of(front.document()) {
                    // Another document is in front: nobody waits for it any more.
                    return Ok(());
                }
                if !front.editor.change_classes(label, changes)? {
                    self.wish_classes(label, wish);
                } else if let Some(note) = note {
                    self.state.notices.push(Severity::Info, note);
                }
            }
        }
        Ok(())
    }
}
