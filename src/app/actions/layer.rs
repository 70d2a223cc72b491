//! The chosen layer.

use egui::{Key, Modifiers};

use super::{Action, Entry, Group};
use crate::app::command::Command;
use crate::app::library::LibraryCommand;
use crate::app::state::AppState;
use crate::icons;

/// Adds a layer to paint colours on.
pub static ADD_PAINT: Action =
    Action::new(Group::Edit, "Add paint layer", |_| Some(Command::AddPaint))
        .icon(icons::DROP)
        .hint("Colours that the model begins with, or that guide it (right-click the layer)");

/// Deletes the chosen layer.
pub static DELETE: Action = Action::new(Group::Edit, "Delete layer", |state| {
    let layer = state.document().selected_layer()?;
    Some(Command::DeleteLayer(layer.id))
})
.icon(icons::TRASH)
.unless(|state| {
    let has_choice = state.document().selected_layer().is_some();
    (!has_choice).then_some(NO_CHOICE)
});

/// Moves the chosen layer towards the bottom.
pub static MOVE_DOWN: Action =
    Action::new(Group::Edit, "Move layer down", |state| moved(state, -1))
        .icon(icons::ARROW_DOWN)
        .unless(|state| cannot_move(state, -1, "This is the lowest layer"));

/// Moves the chosen layer towards the top.
pub static MOVE_UP: Action = Action::new(Group::Edit, "Move layer up", |state| moved(state, 1))
    .icon(icons::ARROW_UP)
    .unless(|state| cannot_move(state, 1, "This is the topmost layer"));

/// Makes the document four times as large.
pub static ENLARGE: Action = Action::new(Group::Edit, "Enlarge ×4", |_| Some(Command::Enlarge))
    .in_full("Enlarge everything ×4")
    .icon(icons::ARROWS_OUT)
    .key(COMMAND_ALT, Key::I)
    .hint("The pictures that can be seen become crisply four times as wide and high; masks, boxes and label maps grow with them")
    .unless(|state| state.enlarge_obstacle());

/// Chooses what makes the document larger.
pub static ENLARGE_BY: Action =
    Action::new(Group::Edit, "Enlarge with a model…", |_| {
        Some(LibraryCommand::Enlarge.into())
    })
    .icon(icons::ARROWS_OUT)
    .hint("A diffusion model of super-resolution paints the pictures that can be seen anew, larger, with detail of its own")
    .unless(|state| {
        let has_picture = state.document().has_picture();
        (!has_picture).then_some("There is no picture that can be seen")
    });

/// What is done with everything, as the menu shows it.
pub static WHOLE: &[Entry] = &[Entry::Action(&ENLARGE), Entry::Action(&ENLARGE_BY)];

/// What colours are painted on, as the menu shows it.
pub static PAINT: &[Entry] = &[Entry::Action(&ADD_PAINT)];

/// Ctrl, or Cmd on a Mac, and Alt.
const COMMAND_ALT: Modifiers = Modifiers {
    alt: true,
    ..Modifiers::COMMAND
};

/// The group.
pub static ENTRIES: &[Entry] = &[
    Entry::Action(&ENLARGE),
    Entry::Action(&ENLARGE_BY),
    Entry::Action(&ADD_PAINT),
    Entry::Action(&MOVE_UP),
    Entry::Action(&MOVE_DOWN),
    Entry::Action(&DELETE),
];

const NO_CHOICE: &str = "Choose a layer first";

/// The chosen layer, so many places higher.
fn moved(state: &AppState, by: isize) -> Option<Command> {
    let document = state.document();
    let layer = document.selected_layer()?.id;
    let index = document.layer_index(layer).ok()?.checked_add_signed(by)?;
    (index < document.layers().len()).then_some(Command::MoveLayer { layer, index })
}

fn cannot_move<'a>(state: &'a AppState, by: isize, at_end: &'a str) -> Option<&'a str> {
    if state.document().selected_layer().is_none() {
        return Some(NO_CHOICE);
    }
    moved(state, by).is_none().then_some(at_end)
}
