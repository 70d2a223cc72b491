//! What is done to boxes.

use std::path::{Path, PathBuf};

use super::Core;
use crate::app::background::{ClassWish, PickPurpose};
use crate::app::boxes::{
    BoxChange, BoxCommand, ImportedBoxes, Naming, Report, around_mask, layout_box,
};
use crate::app::command::Dialog;
use crate::app::notices::Severity;
use crate::document::{DocumentError, Layer, LayerKind};
use crate::exchange::BoxForm;
use crate::tools::{PointerEvent, PointerPhase, ToolError, Wish};

impl Core {
    /// Gives events to the tool in hand, and then does what it asks for.
    pub(super) fn point(&mut self, events: &[PointerEvent]) -> Result<(), ToolError> {
        let frame = self.state.frame_guide();
        let state = &mut self.state;
        state.toolbox.guide(frame);
        let front = state.documents.front_mut();
        if events
            .iter()
            .any(|event| event.phase == PointerPhase::Press)
        {
            state.naming = None;
        }
        let before = state.toolbox.colours().cloned();
        state
            .toolbox
            .handle(events, &mut front.editor, &mut front.view)?;
        if before.as_ref() != state.toolbox.colours() {
            state.settings.tools = state.toolbox.settings();
        }
        match state.toolbox.take_wish() {
            Some(Wish::NameBoxes) => state.naming = Naming::of_chosen(state),
            Some(Wish::Fill(fill)) => self.wish_classes(fill.label, ClassWish::Fill(fill)),
            None => {}
        }
        Ok(())
    }

    pub(super) fn change_boxes(&mut self, command: BoxCommand) -> Result<(), DocumentError> {
        let editor = &mut self.state.documents.front_mut().editor;
        match command {
            BoxCommand::AddLayer => editor.add_layer(LayerKind::Layout).map(drop),
            BoxCommand::AroundMask => self.box_mask(),
            BoxCommand::Select { layer, boxes } => editor.select_boxes(layer, boxes),
            BoxCommand::Duplicate => editor.duplicate_boxes(),
            BoxCommand::Delete => editor.delete_boxes(),
            BoxCommand::Restack { is_up } => editor.restack_boxes(is_up),
            BoxCommand::Import => {
                let folder = self.state.settings.last_folder.clone();
                let purpose = PickPurpose::ImportBoxes;
                self.background.pick(purpose, folder.as_deref(), "");
                Ok(())
            }
            BoxCommand::Read(path) => {
                let document = self.state.front().id();
                self.background.read_boxes(document, path);
                Ok(())
            }
            BoxCommand::Insert { file, index } => self.insert_boxes(&file, index),
            BoxCommand::Export(form) => {
                let folder = self.state.settings.last_folder.clone();
                let name = self.boxes_name();
                let purpose = PickPurpose::ExportBoxes(form);
                self.background.pick(purpose, folder.as_deref(), &name);
                Ok(())
            }
            BoxCommand::Write { path, form } => {
                self.write_boxes(path, form);
                Ok(())
            }
            BoxCommand::Rename(pairs) => editor.rename_classes(&pairs),
            BoxCommand::Name => {
                self.state.naming = Naming::of_chosen(&self.state);
                Ok(())
            }
            BoxCommand::EndNaming => {
                self.state.naming = None;
                Ok(())
            }
            BoxCommand::Nudge(by_px) => editor.nudge_boxes(by_px),
            BoxCommand::Change { change, done } => {
                editor.adjust_boxes(change.label(), |found| change.apply(found))?;
                if done {
                    editor.end_slider_drag();
                }
                if let BoxChange::Class { name, .. } = change {
                    self.state.last_class = Some(name);
                    self.state.naming = None;
                }
                Ok(())
            }
        }
    }

    /// Adds a box around the mask, and asks what it holds where the words do not say it.
    fn box_mask(&mut self) -> Result<(), DocumentError> {
        let Some(around) = around_mask(&self.state) else {
            return Ok(());
        };
        let editor = &mut self.state.documents.front_mut().editor;
        let is_named = !around.label.is_empty();
        let layer = editor.insert_layout("Box around mask", "Boxes", vec![around])?;
        editor.select_boxes(layer, [0])?;
        if !is_named {
            self.state.naming = Naming::of_chosen(&self.state);
        }
        Ok(())
    }

    /// Takes in a file of boxes that was read, or asks which of its pictures is meant.
    pub(in crate::app) fn take_boxes(&mut self, file: ImportedBoxes) -> Result<(), DocumentError> {
        if file.images.len() > 1 {
            self.state.dialog = Some(Dialog::ChooseBoxes(Box::new(file)));
            return Ok(());
        }
        self.insert_boxes(&file, 0)
    }

    fn insert_boxes(&mut self, file: &ImportedBoxes, index: usize) -> Result<(), DocumentError> {
        let state = &mut self.state;
        let Some(image) = file.images.get(index) else {
            return Ok(());
        };
        let Some(open) = state.documents.get_mut(file.document) else {
            let text = "No boxes were imported: the document was closed before they came";
            state.notices.push(Severity::Info, text);
            return Ok(());
        };
        let canvas_px = open.document().size_px();
        let boxes = ImportedBoxes::on_canvas(image, canvas_px);
        let name = file.layer_name(image);
        open.editor.insert_layout("Import boxes", &name, boxes)?;
        state.settings.last_folder = file.path.parent().map(Path::to_path_buf);
        let mut text = match image.boxes.len() {
            1 => "1 box was imported".to_owned(),
            count => format!("{count} boxes were imported"),
        };
        let [across, down] = canvas_px;
        if let Some([width, height]) = image.size_px
            && [width, height] != canvas_px.map(|side| side as f32)
        {
            let scaled = format!(", scaled from {width} × {height} to {across} × {down}");
            text.push_str(&scaled);
        }
        let report = Report::new(state.document(), state.model_summary());
        if report.unknown.is_empty() {
            state.notices.push(Severity::Success, text);
        } else {
            state.dialog = Some(Dialog::MapClasses { news: Some(text) });
        }
        Ok(())
    }

    /// The file name that the dialog for exporting boxes offers.
    pub(in crate::app) fn boxes_name(&self) -> String {
        let file = self.state.front().file.as_ref();
        let stem = file.and_then(|path| path.file_stem());
        stem.map_or_else(
            || "boxes.json".to_owned(),
            |stem| format!("{}.json", stem.to_string_lossy()),
        )
    }

    fn write_boxes(&mut self, mut path: PathBuf, form: BoxForm) {
        if path.extension().is_none() {
            path.set_extension("json");
        }
        let document = self.state.document();
        let boxes = document.active_layout().and_then(Layer::boxes);
        let (named, nameless): (Vec<_>, Vec<_>) = boxes
            .unwrap_or_default()
            .iter()
            .partition(|found| !found.label.is_empty());
        let boxes = named.into_iter().map(layout_box).collect();
        let size_px = document.size_px();
        if !nameless.is_empty() {
            let text = match nameless.len() {
                1 => "1 box has no class and is not in the file".to_owned(),
                count => format!("{count} boxes have no class and are not in the file"),
            };
            self.state.notices.push(Severity::Warning, text);
        }
        self.state.settings.last_folder = path.parent().map(Path::to_path_buf);
        self.writing += 1;
        self.background.write_boxes(path, form, boxes, size_px);
    }
}
