//! Label maps: added, their classes counted, changed and chosen.

use super::Core;
use std::path::PathBuf;

use crate::app::background::{
    ClassEvent, ClassWish, DrawingArrival, FittedDrawing, GivenAs, PickPurpose,
};
use crate::app::classes::{BuiltInPalette, ClassCommand, MapImport, PaletteDraft};
use crate::app::command::Dialog;
use crate::app::notices::{Severity, Subject};
use crate::document::{DocumentError, DocumentId, LayerKind};
use crate::tools::ToolError;

impl Core {
    pub(super) fn dispatch_classes(&mut self, command: ClassCommand) -> Result<(), ToolError> {
        let front = self.state.documents.front_mut();
        match command {
            ClassCommand::AddLayer => {
                let of_model = self.state.palette_of_model();
                let palette = of_model.unwrap_or_else(|| BuiltInPalette::Storybook.palette());
                let front = self.state.documents.front_mut();
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
            ClassCommand::OpenPalette => self.pick_beside(PickPurpose::Palette, ""),
            ClassCommand::ReadPalette(path) => self.background.read_palette(path),
            ClassCommand::SavePalette => {
                let name = format!("{}.json", self.map_name("palette"));
                self.pick_beside(PickPurpose::SavePalette, &name);
            }
            ClassCommand::WritePalette(path) => {
                let palette = front.document().palette().clone();
                self.writing += 1;
                self.background
                    .write_palette(with_ending(path, "json"), palette);
            }
            ClassCommand::OpenMap => self.pick_beside(PickPurpose::LabelMap, ""),
            ClassCommand::ReadMap(path) => self.background.read_map(path),
            ClassCommand::ImportDraft(import) => {
                if let Some(Dialog::ImportMap(shown)) = &mut self.state.dialog {
                    *shown = import;
                }
            }
            ClassCommand::ApplyImport => {
                if let Some(Dialog::ImportMap(import)) = self.state.dialog.take() {
                    let snapshot = self.state.front().editor.snapshot();
                    self.background.import_map(*import, snapshot);
                }
            }
            ClassCommand::SaveMap(coding) => {
                let name = format!("{}.png", self.map_name("label"));
                self.pick_beside(PickPurpose::SaveLabelMap(coding), &name);
            }
            ClassCommand::WriteMap(path, coding) => {
                let document = front.document();
                let layer = document.selected_layer();
                let map = layer.and_then(|layer| layer.semantic()).cloned();
                let palette = document.palette().clone();
                if let Some(map) = map {
                    self.writing += 1;
                    let path = with_ending(path, "png");
                    self.background.write_map(path, coding, map, palette);
                }
            }
        }
        Ok(())
    }

    fn pick_beside(&mut self, purpose: PickPurpose, name: &str) {
        let folder = self.state.settings.last_folder.clone();
        self.background.pick(purpose, folder.as_deref(), name);
    }

    /// A file name that goes with that of the document, without its ending.
    pub(in crate::app) fn map_name(&self, what: &str) -> String {
        let file = self.state.front().file.as_ref();
        let stem = file.and_then(|path| path.file_stem());
        match stem {
            Some(stem) => format!("{}.{what}", stem.to_string_lossy()),
            None => what.to_owned(),
        }
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

    pub(super) fn wish_classes(&mut self, label: &'static str, wish: ClassWish) {
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
            ClassEvent::MapRead(file) => {
                let import = MapImport::new(file, self.state.document());
                self.state.dialog = Some(Dialog::ImportMap(Box::new(import)));
            }
            ClassEvent::Fitted(fitted) => self.state.drawings.push_back(*fitted),
            ClassEvent::PaletteRead(palette) => {
                self.wish_classes("Change palette", ClassWish::Palette(palette));
            }
            ClassEvent::Written(path) => {
                let name = path.file_name().unwrap_or(path.as_os_str());
                let text = format!("Saved {}", name.to_string_lossy());
                self.state.notices.push(Severity::Success, text);
                self.note_written();
            }
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
                // A stroke that was begun meanwhile is not broken off for it.
                if front.editor.is_busy() || !front.editor.change_classes(label, changes)? {
                    self.wish_classes(label, wish);
                } else if let Some(note) = note {
                    self.state.notices.push(Severity::Info, note);
                }
            }
        }
        Ok(())
    }

    /// Makes boxes and a label map of any size and palette layers of a document.
    pub(in crate::app) fn add_drawing(&mut self, document: DocumentId, arrival: DrawingArrival) {
        match self.state.documents.get_mut(document) {
            Some(open) => {
                let snapshot = open.editor.snapshot();
                self.background.fit_drawing(arrival, snapshot);
            }
            None => self.tell_closed(arrival.label),
        }
    }

    fn tell_closed(&mut self, label: &str) {
        let text = format!("{label}: the document was closed before it was there");
        self.state.notices.push(Severity::Info, text);
    }

    /// Puts drawings into their documents, unless a stroke is being drawn.
    pub(in crate::app) fn place_drawings(&mut self) {
        while let Some(fitted) = self.state.drawings.pop_front() {
            let open = self.state.documents.get_mut(fitted.document.id());
            if open.is_some_and(|open| open.editor.is_busy()) {
                self.state.drawings.push_front(fitted);
                return;
            }
            if let Err(error) = self.place_drawing(fitted) {
                self.take_error(Subject::Classes, &error.to_string());
            }
        }
    }

    /// Puts a drawing into the document that it was made ready for; makes it ready
    /// anew if that has other classes or another size meanwhile.
    fn place_drawing(&mut self, fitted: FittedDrawing) -> Result<(), DocumentError> {
        let FittedDrawing {
            arrival,
            document,
            drawing,
        } = fitted;
        let Some(open) = self.state.documents.get_mut(document.id()) else {
            self.tell_closed(arrival.label);
            return Ok(());
        };
        let now = open.document();
        if (now.size_px(), now.palette()) != (document.size_px(), document.palette()) {
            self.add_drawing(document.id(), arrival);
            return Ok(());
        }
        let given = arrival.picture;
        let inserted = open.editor.insert_drawing(arrival.label, drawing)?;
        if let (Some(layer), Some((given, _))) = (inserted.picture, given) {
            match given {
                GivenAs::Small => open.small_picture = Some(layer),
                GivenAs::Guide => open.guide = Some(layer),
            }
            open.starts_from_picture = false;
        }
        Ok(())
    }
}

fn with_ending(mut path: PathBuf, ending: &str) -> PathBuf {
    if path.extension().is_none() {
        path.set_extension(ending);
    }
    path
}
