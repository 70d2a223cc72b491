//! What the program says of itself.

use egui::{Key, Modifiers};

use super::{Action, Entry, Group};
use crate::app::command::{Command, Dialog};
use crate::icons;

static SHORTCUTS: Action = Action::new(Group::View, "Keyboard shortcuts", |_| {
    Some(Command::Show(Dialog::Shortcuts))
})
.in_full("This list")
.icon(icons::KEYBOARD)
.key(Modifiers::SHIFT, Key::Questionmark);

static ABOUT: Action = Action::new(Group::View, "About Velatura", |_| {
    Some(Command::Show(Dialog::About))
})
.icon(icons::INFO);

/// The group, as the menu shows it.
pub static ENTRIES: &[Entry] = &[Entry::Action(&SHORTCUTS), Entry::Action(&ABOUT)];
