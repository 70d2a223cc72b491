//! Painting with the model.

use egui::{Key, Modifiers};

use super::{Action, Entry, Group, Listens};
use crate::app::command::Command;
use crate::app::library::LibraryCommand;
use crate::app::live::LiveCommand;
use crate::app::state::AppState;
use crate::icons;

/// Paints.
pub static GENERATE: Action = Action::new(Group::Generate, "Generate", |_| Some(Command::Generate))
    .icon(icons::SPARKLE)
    .key(Modifiers::COMMAND, Key::Enter)
    .listens(Listens::WhileTyping)
    .once()
    .unless(|state| state.obstacle());

/// Has the picture follow what is drawn and said.
pub static LIVE: Action = Action::new(Group::Generate, "Live", |_| {
    Some(LiveCommand::Switch.into())
})
.icon(icons::LIGHTNING)
.hint("Every stroke, box and word is painted at once, with the same seed")
.key(Modifiers::COMMAND, Key::L)
.listens(Listens::WhileTyping)
.once()
.switch(|state| state.live.is_on())
.unless(|state| state.obstacle());

/// Makes the live picture a layer.
pub static KEEP: Action = Action::new(Group::Generate, "Keep the live picture", |_| {
    Some(LiveCommand::Keep.into())
})
.icon(icons::CHECK)
.key(Modifiers::NONE, Key::Enter)
.once()
.when(|state| state.live.has_draft() && !state.toolbox.can_finish())
.unless(no_draft);

/// Takes the live picture away. Escape does it too.
pub static TAKE_AWAY: Action = Action::new(Group::Generate, "Take the live picture away", |_| {
    Some(LiveCommand::TakeAway.into())
})
.icon(icons::X)
.unless(no_draft);

fn no_draft(state: &AppState) -> Option<&str> {
    (!state.live.has_draft()).then_some("There is no live picture")
}

/// Leaves what is in hand: a stroke, a dialog, a chosen step, a job.
pub static ESCAPE: Action = Action::new(Group::Generate, "Cancel", |_| Some(Command::Escape))
    .in_full("Cancel the job")
    .icon(icons::STOP)
    .key(Modifiers::NONE, Key::Escape)
    .listens(Listens::Escape);

/// Has networks read when their turn comes. It stands among files.
pub static SAVE_MEMORY: Action = Action::new(Group::Generate, "Save memory", |_| {
    Some(Command::ToggleMemorySaving)
})
.hint("From the next picture on, text encoders, denoiser and autoencoder are in memory one after the other; each is read again for every picture")
.switch(|state| state.settings.saves_memory);

/// Shows the list of models. It stands among files.
pub static MODELS: Action = Action::new(Group::Generate, "Models…", |_| {
    Some(LibraryCommand::Open.into())
})
.in_full("All models")
.icon(icons::SQUARES_FOUR)
.key(Modifiers::COMMAND, Key::M)
.listens(Listens::WhileTyping);

/// The group.
pub static ENTRIES: &[Entry] = &[
    Entry::Action(&GENERATE),
    Entry::Action(&LIVE),
    Entry::Action(&KEEP),
    Entry::Action(&TAKE_AWAY),
    Entry::Action(&ESCAPE),
];
