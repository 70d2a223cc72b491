//! Painting with the model.

use egui::{Key, Modifiers};

use super::{Action, Entry, Group, Listens};
use crate::app::command::Command;
use crate::icons;

/// Paints.
pub static GENERATE: Action = Action::new(Group::Generate, "Generate", |_| Some(Command::Generate))
    .icon(icons::SPARKLE)
    .key(Modifiers::COMMAND, Key::Enter)
    .listens(Listens::WhileTyping)
    .once()
    .unless(|state| state.obstacle());

/// Leaves what is in hand: a stroke, a dialog, a chosen step, a job.
pub static ESCAPE: Action = Action::new(Group::Generate, "Cancel", |_| Some(Command::Escape))
    .in_full("Cancel the job")
    .icon(icons::STOP)
    .key(Modifiers::NONE, Key::Escape)
    .listens(Listens::Escape);

/// The group.
pub static ENTRIES: &[Entry] = &[Entry::Action(&GENERATE), Entry::Action(&ESCAPE)];
