//! The history.

use egui::{Key, Modifiers};

use super::{Action, COMMAND_SHIFT, Entry, Group};
use crate::app::command::Command;
use crate::icons;

/// Takes the last change back.
pub static UNDO: Action = Action::new(Group::Edit, "Undo", |_| Some(Command::Undo))
    .icon(icons::ARROW_U_UP_LEFT)
    .key(Modifiers::COMMAND, Key::Z)
    .of(|state| state.front().editor.history().undo_label())
    .unless(|state| match state.front().editor.history().undo_label() {
        Some(_) => None,
        None => Some("Nothing was changed yet"),
    });

/// Makes the last undone change again.
pub static REDO: Action = Action::new(Group::Edit, "Redo", |_| Some(Command::Redo))
    .icon(icons::ARROW_U_UP_RIGHT)
    .key(COMMAND_SHIFT, Key::Z)
    .or_key(Modifiers::COMMAND, Key::Y)
    .of(|state| state.front().editor.history().redo_label())
    .unless(|state| match state.front().editor.history().redo_label() {
        Some(_) => None,
        None => Some("Nothing was taken back"),
    });

/// The group, as the menu shows it.
pub static ENTRIES: &[Entry] = &[Entry::Action(&UNDO), Entry::Action(&REDO)];
