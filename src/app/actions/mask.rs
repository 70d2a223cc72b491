//! The mask as a whole.

use egui::{Key, Modifiers};

use super::{Action, Entry, Group};
use crate::app::command::Command;
use crate::icons;

/// Empties the mask.
pub static CLEAR: Action = Action::new(Group::Edit, "Clear mask", |_| Some(Command::ClearMask))
    .in_full("Clear the mask")
    .icon(icons::SELECTION_SLASH)
    .key(Modifiers::NONE, Key::Delete)
    .unless(|state| {
        let mask = state.document().active_mask();
        let is_blank = mask.is_none_or(|mask| mask.content.is_blank());
        is_blank.then_some("Nothing is painted on the mask")
    });

/// Turns the mask inside out.
pub static INVERT: Action = Action::new(Group::Edit, "Invert mask", |_| Some(Command::InvertMask))
    .in_full("Invert the mask")
    .icon(icons::SELECTION_INVERSE)
    .key(Modifiers::SHIFT, Key::V)
    .unless(|state| {
        let has_mask = state.document().active_mask().is_some();
        (!has_mask).then_some("There is no mask that can be seen")
    });

/// Fills what the mask covers.
pub static REMOVE: Action = Action::new(Group::Edit, "Remove what is masked", |_| {
    Some(Command::RemoveMasked)
})
.icon(icons::ERASER)
.hint("Fills it with what lies around it, on a layer of its own; no model is needed")
.key(Modifiers::SHIFT, Key::Delete)
.unless(|state| state.removing_obstacle());

/// Adds a mask layer.
pub static ADD: Action =
    Action::new(Group::Edit, "Add mask", |_| Some(Command::AddMask)).icon(icons::SELECTION_PLUS);

/// The group, as the menu shows it.
pub static ENTRIES: &[Entry] = &[
    Entry::Action(&CLEAR),
    Entry::Action(&INVERT),
    Entry::Action(&REMOVE),
    Entry::Action(&ADD),
];
