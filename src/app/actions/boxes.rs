//! The boxes of a layout layer.

use egui::{Key, Modifiers};

use super::frame::nothing_masked;
use super::{Action, Entry, Group};
use crate::app::boxes::{BoxChange, BoxCommand, are_in_hand, chosen, vocabulary};
use crate::app::command::{Command, Dialog};
use crate::app::state::AppState;
use crate::app::tracing::Tracing;
use crate::exchange::BoxForm;
use crate::icons;

/// Adds a layout layer.
pub static ADD: Action = Action::new(Group::Edit, "Add boxes", |_| {
    Some(BoxCommand::AddLayer.into())
})
.icon(icons::BOUNDING_BOX);

/// Makes boxes of the picture.
pub static FROM_PICTURE: Action = Action::new(Group::Edit, "Boxes from this picture", |_| {
    Some(Command::Trace(Tracing::Boxes))
})
.icon(icons::SCAN)
.hint("A network that knows Storybook's scenes looks for objects in the picture")
.unless(|state| state.tracing_obstacle());

/// Places boxes for the words.
pub static FROM_WORDS: Action = Action::new(Group::Edit, "Boxes from the words", |_| {
    Some(Command::Trace(Tracing::Composition))
})
.icon(icons::SPARKLE)
.hint("The model places what the prompt names, as a start to move about")
.unless(|state| state.composing_obstacle());

/// Draws boxes around what is on the label map.
pub static FROM_MAP: Action = Action::new(Group::Edit, "Boxes from the label map", |_| {
    Some(Command::Trace(Tracing::Things))
})
.icon(icons::SPARKLE)
.hint("A box around each thing on the label map, as a start to move about or to colour")
.unless(|state| state.boxing_obstacle());

/// Draws a box around the mask.
pub static AROUND_MASK: Action = Action::new(Group::Edit, "Box around the mask", |_| {
    Some(BoxCommand::AroundMask.into())
})
.icon(icons::SELECTION)
.hint("Told as a box too, what is painted there comes out right more often")
.unless(nothing_masked);

/// Makes copies of the chosen boxes.
pub static DUPLICATE: Action = Action::new(Group::Boxes, "Duplicate boxes", |state| {
    on_chosen(state, BoxCommand::Duplicate)
})
.icon(icons::COPY_SIMPLE)
.key(Modifiers::COMMAND, Key::J)
.when(has_choice)
.unless(no_choice);

/// Deletes the chosen boxes.
pub static DELETE: Action = Action::new(Group::Boxes, "Delete boxes", |state| {
    on_chosen(state, BoxCommand::Delete)
})
.icon(icons::TRASH)
.key(Modifiers::NONE, Key::Delete)
.or_key(Modifiers::NONE, Key::Backspace)
.when(are_in_hand)
.unless(no_choice);

/// Sends the chosen boxes up.
pub static UP: Action = Action::new(Group::Boxes, "Send boxes up", |state| {
    on_chosen(state, BoxCommand::Restack { is_up: true })
})
.in_full("Send boxes up or down")
.icon(icons::ARROW_LINE_UP)
.key(Modifiers::COMMAND, Key::CloseBracket)
.when(has_choice)
.unless(no_choice);

/// Sends the chosen boxes down.
pub static DOWN: Action = Action::new(Group::Boxes, "Send boxes down", |state| {
    on_chosen(state, BoxCommand::Restack { is_up: false })
})
.in_full(UP.full_label)
.icon(icons::ARROW_LINE_DOWN)
.key(Modifiers::COMMAND, Key::OpenBracket)
.when(has_choice)
.unless(no_choice);

/// Locks the chosen boxes, or unlocks them.
pub static LOCK: Action = Action::new(Group::Boxes, "Lock boxes", |state| {
    let chosen = chosen(state);
    let is_locked = chosen.iter().all(|found| found.is_locked);
    let change = BoxChange::Locked(!is_locked);
    on_chosen(state, BoxCommand::Change { change, done: true })
})
.icon(icons::LOCK_SIMPLE)
.key(Modifiers::SHIFT, Key::L)
.when(has_choice)
.unless(no_choice)
.switch(|state| {
    let chosen = chosen(state);
    !chosen.is_empty() && chosen.iter().all(|found| found.is_locked)
});

/// Opens the list of classes for the chosen boxes.
pub static NAME: Action = Action::new(Group::Boxes, "Class of boxes…", |state| {
    on_chosen(state, BoxCommand::Name)
})
.in_full("Class of boxes")
.icon(icons::TAG)
.key(Modifiers::NONE, Key::Enter)
.when(|state| has_choice(state) && !state.live.has_draft())
.unless(no_choice);

/// Chooses every box that is not locked.
pub static SELECT_ALL: Action = Action::new(Group::Boxes, "Select all boxes", |state| {
    let layer = state.document().active_layout()?;
    let boxes = layer.boxes()?.iter().enumerate();
    let free = boxes.filter(|(_, found)| !found.is_locked);
    let command = BoxCommand::Select {
        layer: layer.id,
        boxes: free.map(|(index, _)| index).collect(),
    };
    Some(command.into())
})
.icon(icons::SELECTION_ALL)
.key(Modifiers::COMMAND, Key::A)
.when(are_in_hand)
.unless(no_boxes);

/// Takes boxes from a file.
pub static IMPORT: Action = Action::new(Group::File, "Import boxes…", |_| {
    Some(BoxCommand::Import.into())
})
.icon(icons::DOWNLOAD_SIMPLE);

/// Writes the boxes of the layer in hand as COCO does.
pub static EXPORT_COCO: Action = Action::new(Group::File, "Export boxes as COCO…", |_| {
    Some(BoxCommand::Export(BoxForm::Coco).into())
})
.icon(icons::UPLOAD_SIMPLE)
.unless(no_boxes);

/// Writes them as a scene's.
pub static EXPORT_SCENE: Action = Action::new(Group::File, "Export boxes as a scene…", |_| {
    Some(BoxCommand::Export(BoxForm::Scene).into())
})
.icon(icons::UPLOAD_SIMPLE)
.unless(no_boxes);

/// Gives classes that the model does not know others.
pub static MAP: Action = Action::new(Group::Boxes, "Map classes…", |_| {
    Some(Command::Show(Dialog::MapClasses { news: None }))
})
.icon(icons::SWAP)
.unless(|state| match vocabulary(state) {
    None => Some("The model takes no boxes"),
    Some(_) => no_boxes(state),
});

/// What arrows do: a name, a key, pixels to the right and down.
const fn nudge(
    label: &'static str,
    (modifiers, key): (Modifiers, Key),
    command: fn(&AppState) -> Option<Command>,
) -> Action {
    Action::new(Group::Boxes, label, command)
        .in_full(match modifiers.shift {
            true => "Move boxes by 10 px",
            false => "Move boxes by 1 px",
        })
        .key(modifiers, key)
        .when(has_choice)
        .unless(no_choice)
}

static LEFT: Action = nudge("Left", (Modifiers::NONE, Key::ArrowLeft), |state| {
    on_chosen(state, BoxCommand::Nudge([-1.0, 0.0]))
});
static RIGHT: Action = nudge("Right", (Modifiers::NONE, Key::ArrowRight), |state| {
    on_chosen(state, BoxCommand::Nudge([1.0, 0.0]))
});
static HIGHER: Action = nudge("Higher", (Modifiers::NONE, Key::ArrowUp), |state| {
    on_chosen(state, BoxCommand::Nudge([0.0, -1.0]))
});
static LOWER: Action = nudge("Lower", (Modifiers::NONE, Key::ArrowDown), |state| {
    on_chosen(state, BoxCommand::Nudge([0.0, 1.0]))
});
static FAR_LEFT: Action = nudge("Far left", (Modifiers::SHIFT, Key::ArrowLeft), |state| {
    on_chosen(state, BoxCommand::Nudge([-10.0, 0.0]))
});
static FAR_RIGHT: Action = nudge("Far right", (Modifiers::SHIFT, Key::ArrowRight), |state| {
    on_chosen(state, BoxCommand::Nudge([10.0, 0.0]))
});
static MUCH_HIGHER: Action = nudge("Much higher", (Modifiers::SHIFT, Key::ArrowUp), |state| {
    on_chosen(state, BoxCommand::Nudge([0.0, -10.0]))
});
static MUCH_LOWER: Action = nudge("Much lower", (Modifiers::SHIFT, Key::ArrowDown), |state| {
    on_chosen(state, BoxCommand::Nudge([0.0, 10.0]))
});

/// The group, as the menu shows it.
pub static ENTRIES: &[Entry] = &[
    Entry::Action(&ADD),
    Entry::Action(&FROM_PICTURE),
    Entry::Action(&FROM_WORDS),
    Entry::Action(&FROM_MAP),
    Entry::Action(&AROUND_MASK),
    Entry::Line,
    Entry::Action(&SELECT_ALL),
    Entry::Action(&NAME),
    Entry::Action(&MAP),
    Entry::Line,
    Entry::Action(&DUPLICATE),
    Entry::Action(&DELETE),
    Entry::Action(&LOCK),
    Entry::Action(&UP),
    Entry::Action(&DOWN),
    Entry::Line,
    Entry::Action(&IMPORT),
    Entry::Action(&EXPORT_COCO),
    Entry::Action(&EXPORT_SCENE),
];

/// What only keys do.
pub static KEYS: &[Entry] = &[
    Entry::Action(&LEFT),
    Entry::Action(&RIGHT),
    Entry::Action(&HIGHER),
    Entry::Action(&LOWER),
    Entry::Action(&FAR_LEFT),
    Entry::Action(&FAR_RIGHT),
    Entry::Action(&MUCH_HIGHER),
    Entry::Action(&MUCH_LOWER),
];

fn on_chosen(state: &AppState, command: BoxCommand) -> Option<Command> {
    (!state.document().selected_boxes().is_empty()).then(|| command.into())
}

/// Whether keys mean boxes: some are chosen and their tool is in hand.
fn has_choice(state: &AppState) -> bool {
    are_in_hand(state) && !state.document().selected_boxes().is_empty()
}

fn no_boxes(state: &AppState) -> Option<&str> {
    let layer = state.document().active_layout();
    let is_blank = layer.is_none_or(|layer| layer.content.is_blank());
    is_blank.then_some("There are no boxes")
}

fn no_choice(state: &AppState) -> Option<&str> {
    let has_choice = !state.document().selected_boxes().is_empty();
    (!has_choice).then_some("Choose a box first")
}
