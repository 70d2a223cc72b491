//! Training.

use super::{Action, Entry, Group};
use crate::app::command::{Command, Dialog};
use crate::icons;

static TRAIN: Action = Action::new(Group::Generate, "Train on a folder…", |_| {
    Some(Command::Show(Dialog::Train))
})
.icon(icons::GRADUATION_CAP);

/// The group, as the menu shows it.
pub static ENTRIES: &[Entry] = &[Entry::Action(&TRAIN)];
