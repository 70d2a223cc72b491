//! The chosen layer.

use egui::{Key, Modifiers};

use super::{Action, Entry, Group};
use crate::app::command::Command;
use crate::app::library::LibraryCommand;
use crate::app::state::AppState;
use crate::document::LayerKind;
use crate::icons;
use crate::recipe::{FoundRecipe, PaintedRecipe};

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

/// Has the chosen layer pull what is painted towards itself, or no longer.
pub static GUIDE: Action = Action::new(Group::Edit, "Use as a guide", |state| {
    let layer = state.document().selected_layer()?.id;
    Some(Command::GuideBy((!is_guide(state)).then_some(layer)))
})
.in_full("Use the layer as a guide")
.hint("What is painted is pulled towards the colours of this layer")
.switch(is_guide)
.unless(|state| {
    let layer = state.document().selected_layer();
    let is_picture = layer.is_some_and(|layer| layer.kind() == LayerKind::Raster);
    (!is_picture).then_some("Choose a layer with a picture first")
});

/// Takes over how the chosen layer was painted.
pub static RESTORE: Action = Action::new(Group::Edit, "Restore its settings", |state| {
    let recipe = FoundRecipe::of(painted(state)?);
    Some(Command::RestoreSettings(Box::new(recipe)))
})
.in_full("Restore the layer's settings")
.icon(icons::CLOCK_COUNTER_CLOCKWISE)
.hint("Model, words, seed and all else that this layer was painted with; boxes and label map come back as layers")
.unless(|state| painted(state).is_none().then_some(NO_RECIPE));

/// Paints pictures beside the one on the chosen layer.
pub static VARY: Action = Action::new(Group::Edit, "Paint variations", |state| {
    Some(Command::Vary(Box::new(FoundRecipe::of(painted(state)?))))
})
.in_full("Paint variations of the layer")
.icon(icons::DICE_FIVE)
.hint("Restores its settings; the next pictures have noise beside its own, so that they are like it and each is another one")
.unless(|state| match painted(state) {
    None => Some(NO_RECIPE),
    Some(recipe) if recipe.used_picture || recipe.used_latents => {
        Some("It began with another picture, which is no longer there to begin with")
    }
    Some(recipe) if recipe.spec.was_given_latents => {
        Some("It began with noise that was handed in, which is no longer there")
    }
    Some(recipe) if recipe.spec.was_retold => {
        Some("It was painted on the way otherwise than at its start: go on from a step of it instead")
    }
    Some(_) => None,
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

/// What is done with a painted layer, as the menu shows it.
pub static PAINTED: &[Entry] = &[Entry::Action(&RESTORE), Entry::Action(&VARY)];

/// What is done with a picture, as its own menu shows it.
pub static OF_PICTURE: &[Entry] = &[
    Entry::Action(&GUIDE),
    Entry::Line,
    Entry::Action(&RESTORE),
    Entry::Action(&VARY),
    Entry::Line,
    Entry::Action(&DELETE),
];

/// What is done with other layers, as their own menu shows it.
pub static OF_OTHERS: &[Entry] = &[Entry::Line, Entry::Action(&DELETE)];

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
    Entry::Action(&GUIDE),
    Entry::Action(&RESTORE),
    Entry::Action(&VARY),
    Entry::Action(&MOVE_UP),
    Entry::Action(&MOVE_DOWN),
    Entry::Action(&DELETE),
];

const NO_CHOICE: &str = "Choose a layer first";
const NO_RECIPE: &str = "Choose a layer that a model painted";

fn is_guide(state: &AppState) -> bool {
    let layer = state.document().selected_layer();
    layer.is_some_and(|layer| state.front().guide == Some(layer.id))
}

/// How the chosen layer was painted.
fn painted(state: &AppState) -> Option<PaintedRecipe> {
    let layer = state.document().selected_layer()?.id;
    state.front().source_of(layer)
}

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
