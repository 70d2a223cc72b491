//! Another name for a model of the list.

use std::path::{Path, PathBuf};

use egui::{Key, RichText, TextEdit, Ui};

use crate::app::library::LibraryCommand;
use crate::app::{AppState, CommandSink};
use crate::engine::library::{Listed, RenameWish, plain_name};
use crate::ui::UiState;
use crate::ui::dialogs::{buttons, main_button};
use crate::ui::theme::tokens;
use crate::ui::widgets::{caption, row};

/// The name that is being typed.
#[derive(Debug)]
pub struct RenameForm {
    model: PathBuf,
    name: String,
    is_new: bool,
}

impl RenameForm {
    fn of(listed: &Listed) -> Self {
        Self {
            model: listed.found.path.clone(),
            name: listed.name(),
            is_new: true,
        }
    }
}

/// Shows the name and the button that gives it.
pub(in crate::ui::dialogs) fn rename_ui(
    ui: &mut Ui,
    listed: &Listed,
    folder: &Path,
    state: &AppState,
    own: &mut UiState,
    commands: &mut CommandSink,
) {
    let form = own.model_name.get_or_insert_with(|| RenameForm::of(listed));
    if form.model != listed.found.path {
        *form = RenameForm::of(listed);
    }
    let muted = tokens(ui).text_muted;
    let note = format!(
        "Renames \u{201c}{}\u{201d} on the disk, with what lies beside it.",
        listed.name()
    );
    ui.add(egui::Label::new(RichText::new(note).color(muted)).wrap());
    let mut is_entered = false;
    row(ui, "Name", |ui, label| {
        let field = TextEdit::singleline(&mut form.name)
            .desired_width(f32::INFINITY)
            .margin(egui::Margin::symmetric(8, 6));
        let field = ui.add(field).labelled_by(label).accessible_name("Name");
        if std::mem::take(&mut form.is_new) {
            field.request_focus();
        }
        is_entered = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
    });
    let name = plain_name(&form.name);
    let obstacle = state.rename_obstacle(&listed.found.path);
    caption(
        ui,
        match (name, obstacle) {
            (None, _) => "The name cannot be empty, hidden or a path.",
            (Some(_), Some(obstacle)) => obstacle,
            (Some(_), None) => "Favourites and the chosen model follow.",
        },
    );
    let is_ready = obstacle.is_none() && name.is_some_and(|name| name != listed.name());
    buttons(ui, |ui| {
        if main_button(ui, "Rename", is_ready).clicked() || (is_entered && is_ready) {
            let wish = RenameWish {
                path: listed.found.path.clone(),
                own: folder.to_path_buf(),
                name: form.name.clone(),
            };
            commands.push(LibraryCommand::Rename(wish).into());
        }
        if ui.button("Back").clicked() {
            commands.push(LibraryCommand::Open.into());
        }
    });
}
