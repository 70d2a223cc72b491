//! Files and the clipboard.

use egui::{Key, Modifiers};

use super::generate::{MODELS, SAVE_MEMORY};
use super::{Action, COMMAND_SHIFT, Entry, Group, Listens};
use crate::app::command::{Command, Dialog};
use crate::app::state::AppState;
use crate::icons;

/// Asks for the size of a new picture.
pub static NEW: Action = Action::new(Group::File, "New…", |_| Some(Command::Show(Dialog::New)))
    .in_full("New picture")
    .icon(icons::FILE_PLUS)
    .key(Modifiers::COMMAND, Key::N)
    .listens(Listens::WhileTyping);

/// Asks for a picture or a project to open.
pub static OPEN: Action = Action::new(Group::File, "Open…", |_| Some(Command::OpenPicture))
    .in_full("Open a project or a picture")
    .icon(icons::FOLDER_OPEN)
    .key(Modifiers::COMMAND, Key::O)
    .listens(Listens::WhileTyping);

/// Saves the project to where it came from.
pub static SAVE: Action = Action::new(Group::File, "Save", |_| Some(Command::Save))
    .in_full("Save the project")
    .icon(icons::FLOPPY_DISK)
    .key(Modifiers::COMMAND, Key::S)
    .listens(Listens::WhileTyping)
    .once()
    .unless(without_content);

/// Asks where the project is saved.
pub static SAVE_AS: Action = Action::new(Group::File, "Save as…", |_| Some(Command::SaveAs))
    .in_full("Save as another project")
    .icon(icons::FLOPPY_DISK)
    .key(COMMAND_SHIFT, Key::S)
    .listens(Listens::WhileTyping)
    .unless(without_content);

/// Asks where the picture is saved.
pub static EXPORT: Action =
    Action::new(Group::File, "Export picture…", |_| Some(Command::Export))
        .in_full("Export a picture, or its layers as PSD")
        .icon(icons::EXPORT)
        .key(COMMAND_SHIFT, Key::E)
        .listens(Listens::WhileTyping)
        .unless(|state| without_picture(state, "There is no picture to export yet"));

/// Offers what a crash left behind.
pub static RECOVER: Action = Action::new(Group::File, "Recover unsaved work…", |_| {
    Some(Command::Show(Dialog::Recover))
})
.in_full("Recover unsaved work")
.icon(icons::CLOCK_COUNTER_CLOCKWISE)
.unless(|state| {
    let is_empty = state.left_behind.is_empty();
    is_empty.then_some("No crash left unsaved work behind")
});

/// Copies the picture.
pub static COPY: Action = Action::new(Group::File, "Copy picture", |_| Some(Command::Copy))
    .in_full("Copy the picture")
    .icon(icons::COPY)
    .key(Modifiers::COMMAND, Key::C)
    .listens(Listens::Clipboard)
    .unless(|state| without_picture(state, "There is nothing to copy yet"));

/// Pastes a picture.
pub static PASTE: Action = Action::new(Group::File, "Paste picture", |_| Some(Command::Paste))
    .in_full("Paste a picture")
    .icon(icons::CLIPBOARD)
    .key(Modifiers::COMMAND, Key::V)
    .listens(Listens::Clipboard);

/// Closes the window.
pub static QUIT: Action = Action::new(Group::File, "Quit", |_| Some(Command::Quit))
    .icon(icons::SIGN_OUT)
    .key(Modifiers::COMMAND, Key::Q)
    .listens(Listens::Always);

/// The group, as the menu shows it.
pub static ENTRIES: &[Entry] = &[
    Entry::Action(&NEW),
    Entry::Action(&OPEN),
    Entry::Files {
        label: "Open recent",
        icon: icons::CLOCK,
        files: |state| &state.settings.recent_files,
        when_empty: "Nothing was opened or saved yet",
        command: Command::OpenFile,
    },
    Entry::Action(&MODELS),
    Entry::Action(&SAVE_MEMORY),
    Entry::Line,
    Entry::Action(&SAVE),
    Entry::Action(&SAVE_AS),
    Entry::Action(&EXPORT),
    Entry::Line,
    Entry::Action(&RECOVER),
    Entry::Line,
    Entry::Action(&COPY),
    Entry::Action(&PASTE),
    Entry::Line,
    Entry::Action(&QUIT),
];

fn without_picture<'a>(state: &'a AppState, reason: &'a str) -> Option<&'a str> {
    (!state.document().has_picture()).then_some(reason)
}

fn without_content(state: &AppState) -> Option<&str> {
    let is_empty = !state.document().has_content() && !state.front().is_project;
    is_empty.then_some("There is nothing to save yet")
}
