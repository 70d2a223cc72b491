//! Asks for a path by hand, where the system has no file dialog.

use std::path::{Path, PathBuf};

use egui::text::{CCursor, CCursorRange};
use egui::{RichText, TextEdit, Ui};

use super::{buttons, main_button};
use crate::app::{Command, CommandSink, PickPurpose};
use crate::ui::UiState;
use crate::ui::theme::tokens;

/// The title of the dialog.
pub fn path_title(purpose: PickPurpose) -> &'static str {
    match purpose {
        PickPurpose::OpenPicture => "Open a project or a picture",
        PickPurpose::SaveProject => "Save as",
        PickPurpose::SavePicture => "Export picture",
        PickPurpose::LabelMap => "Import a label map",
        PickPurpose::SaveLabelMap(_) => "Export the label map",
        PickPurpose::Palette => "Open a palette",
        PickPurpose::SavePalette => "Save the palette",
        PickPurpose::ModelFolder => "Open a model folder",
        PickPurpose::ModelFile => "Open a model",
        PickPurpose::FirstStage => "Choose an autoencoder",
        PickPurpose::ModelPlace => "Add a folder of models",
        PickPurpose::TrainFolder => "Choose a folder of pictures",
        PickPurpose::TrainOutput => "Choose where the model is saved",
        PickPurpose::TrainSettings => "Open the settings of a training run",
        PickPurpose::SaveTrainSettings => "Save the settings of the training run",
        PickPurpose::ImportBoxes => "Import boxes",
        PickPurpose::Lora => "Add a LoRA",
        PickPurpose::ControlNet => "Add a ControlNet",
        PickPurpose::Classifier => "Choose the folder of a classifier",
        PickPurpose::ControlPicture(_) => "Choose a picture",
        PickPurpose::ExportBoxes(_) => "Export boxes",
    }
}

/// Shows the field and the buttons.
pub fn path_ui(
    ui: &mut Ui,
    purpose: PickPurpose,
    suggestion: &str,
    own: &mut UiState,
    commands: &mut CommandSink,
) {
    let is_new = own.typed_path.is_none();
    let text = own.typed_path.get_or_insert_with(|| suggestion.to_owned());
    let note = match purpose {
        PickPurpose::SavePicture => {
            "This system has no file dialog. Type the whole path; its ending, .png, .jpg, .webp or (with layers) .psd, decides the format. A file of that name is replaced."
        }
        PickPurpose::SaveProject | PickPurpose::ExportBoxes(_) | PickPurpose::SaveTrainSettings => {
            "This system has no file dialog. Type the whole path. A file of that name is replaced."
        }
        _ => "This system has no file dialog. Type the whole path.",
    };
    ui.label(RichText::new(note).color(tokens(ui).text_muted));
    let field = ui
        .add(
            TextEdit::singleline(text)
                .desired_width(f32::INFINITY)
                .margin(egui::Margin::symmetric(8, 6)),
        )
        .accessible_name("Path");
    if is_new {
        field.request_focus();
        // What is typed takes the place of the name that is suggested, in its folder.
        let ends = [folder_of(suggestion), suggestion].map(|part| part.chars().count());
        let mut state = TextEdit::load_state(ui.ctx(), field.id).unwrap_or_default();
        let name = CCursorRange::two(CCursor::new(ends[0]), CCursor::new(ends[1]));
        state.cursor.set_char_range(Some(name));
        TextEdit::store_state(ui.ctx(), field.id, state);
    }
    let entered = field.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
    let path = meant(text.trim(), suggestion);
    buttons(ui, |ui| {
        let word = match purpose {
            PickPurpose::SaveProject
            | PickPurpose::SavePicture
            | PickPurpose::SaveLabelMap(_)
            | PickPurpose::SavePalette
            | PickPurpose::SaveTrainSettings => "Save",
            PickPurpose::ExportBoxes(_) => "Export",
            PickPurpose::ImportBoxes => "Import",
            PickPurpose::Lora | PickPurpose::ControlNet => "Add",
            PickPurpose::ControlPicture(_) | PickPurpose::Classifier | PickPurpose::FirstStage => {
                "Choose"
            }
            PickPurpose::OpenPicture
            | PickPurpose::ModelFolder
            | PickPurpose::ModelFile
            | PickPurpose::LabelMap
            | PickPurpose::TrainSettings
            | PickPurpose::Palette => "Open",
            PickPurpose::ModelPlace => "Add",
            PickPurpose::TrainFolder | PickPurpose::TrainOutput => "Choose",
        };
        let agreed = main_button(ui, word, !path.is_empty()).clicked() || entered;
        if agreed && !path.is_empty() {
            commands.push(Command::CloseDialog);
            commands.push(Command::TakePath {
                purpose,
                path: PathBuf::from(path),
            });
        }
        if ui.button("Cancel").clicked() {
            commands.push(Command::CloseDialog);
        }
    });
}

/// The folder that is suggested, with the separator behind it.
fn folder_of(suggestion: &str) -> &str {
    let end = suggestion.rfind(std::path::MAIN_SEPARATOR);
    &suggestion[..end.map_or(0, |at| at + 1)]
}

/// The path that is meant: a whole one that was pasted behind the suggested folder stands
/// alone.
fn meant<'a>(typed: &'a str, suggestion: &str) -> &'a str {
    let pasted = typed.strip_prefix(folder_of(suggestion));
    let pasted = pasted.filter(|pasted| Path::new(pasted).is_absolute());
    pasted.unwrap_or(typed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pasted_behind_the_folder_stands_alone() {
        let whole = std::env::temp_dir().join("a.png");
        let whole = whole.to_str().expect("a path");
        let folder = format!("pictures{}", std::path::MAIN_SEPARATOR);
        assert_eq!(meant(whole, &folder), whole);
        let named = format!("{folder}b.png");
        for suggestion in [&folder, &format!("{folder}a.velatura")] {
            assert_eq!(meant(&named, suggestion), named);
            assert_eq!(meant(&format!("{folder}{whole}"), suggestion), whole);
        }
        assert_eq!(meant(&named, ""), named);
    }
}
