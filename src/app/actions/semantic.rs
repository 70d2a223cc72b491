//! Label maps and their classes.

use super::{Action, Entry, Group};
use crate::app::classes::{BuiltInPalette, ClassCommand, MapCoding};
use crate::app::command::Command;
use crate::app::state::AppState;
use crate::app::tracing::Tracing;
use crate::document::LayerKind;
use crate::icons;

/// Why a palette need not be chosen.
const IN_USE: &str = "These are the classes of this document";

/// Adds an empty label map.
pub static ADD: Action = Action::new(Group::Edit, "Add label map", |_| {
    Some(Command::Classes(ClassCommand::AddLayer))
})
.icon(icons::MAP_TRIFOLD);

/// Makes a label map of the picture.
pub static FROM_PICTURE: Action = Action::new(Group::Edit, "Label map from this picture", |_| {
    Some(Command::Trace(Tracing::LabelMap))
})
.icon(icons::SCAN)
.hint("A network that knows Storybook's scenes reads the picture: a start to paint on")
.unless(|state| state.tracing_obstacle());

/// Opens the editor of classes.
pub static EDIT: Action = Action::new(Group::Edit, "Edit classes…", |_| {
    Some(Command::Classes(ClassCommand::EditPalette))
})
.icon(icons::PENCIL_SIMPLE);

/// Shows or hides the borders of regions.
pub static OUTLINES: Action = Action::new(Group::View, "Outlines of regions", |_| {
    Some(Command::Classes(ClassCommand::ToggleOutlines))
})
.icon(icons::PUZZLE_PIECE)
.switch(|state| state.settings.panels.outlines);

/// Shows all classes after one was shown apart.
pub static SHOW_ALL: Action = Action::new(Group::View, "Show all classes", |_| {
    Some(Command::Classes(ClassCommand::Isolate(None)))
})
.icon(icons::EYE)
.unless(|state| {
    let is_apart = state.isolated_class().is_some();
    (!is_apart).then_some("All classes are shown")
});

/// Asks for a file of a label map.
pub static IMPORT: Action = Action::new(Group::File, "Import label map…", |_| {
    Some(Command::Classes(ClassCommand::OpenMap))
})
.icon(icons::FILE_ARROW_DOWN);

/// Saves the label map in hand, value for value.
pub static EXPORT_INDEXED: Action = Action::new(Group::File, "Export by index…", |_| {
    Some(Command::Classes(ClassCommand::SaveMap(MapCoding::Index)))
})
.icon(icons::FILE_ARROW_UP)
.unless(without_map);

/// Saves the label map in hand in the colours of its classes.
pub static EXPORT_COLOURED: Action = Action::new(Group::File, "Export by colour…", |_| {
    Some(Command::Classes(ClassCommand::SaveMap(MapCoding::Color)))
})
.icon(icons::FILE_ARROW_UP)
.unless(without_map);

static OPEN_PALETTE: Action = Action::new(Group::File, "Open palette…", |_| {
    Some(Command::Classes(ClassCommand::OpenPalette))
})
.icon(icons::FOLDER_OPEN);

static SAVE_PALETTE: Action = Action::new(Group::File, "Save palette…", |_| {
    Some(Command::Classes(ClassCommand::SavePalette))
})
.icon(icons::FLOPPY_DISK)
.unless(|state| {
    let is_empty = state.document().palette().classes.is_empty();
    is_empty.then_some("This document has no classes yet")
});

static OF_MODEL: Action = Action::new(Group::Edit, "Classes of the model", |state| {
    let palette = state.palette_of_model()?;
    Some(Command::Classes(ClassCommand::UsePalette(palette)))
})
.unless(|state| match state.palette_of_model() {
    Some(palette) if palette == *state.document().palette() => Some(IN_USE),
    Some(_) => None,
    None => Some("The model takes no label maps"),
});

static STORYBOOK: Action = Action::new(Group::Edit, "Classes of Storybook", |_| {
    chosen(BuiltInPalette::Storybook)
})
.unless(|state| is_chosen(state, BuiltInPalette::Storybook));

static COCO_STUFF: Action = Action::new(Group::Edit, "Classes of COCO-Stuff", |_| {
    chosen(BuiltInPalette::CocoStuff)
})
.unless(|state| is_chosen(state, BuiltInPalette::CocoStuff));

static ADE20K: Action = Action::new(Group::Edit, "Classes of ADE20K", |_| {
    chosen(BuiltInPalette::Ade20k)
})
.unless(|state| is_chosen(state, BuiltInPalette::Ade20k));

/// The palettes that come with the program, and the model's.
pub static PALETTES: &[Entry] = &[
    Entry::Action(&OF_MODEL),
    Entry::Action(&STORYBOOK),
    Entry::Action(&COCO_STUFF),
    Entry::Action(&ADE20K),
    Entry::Line,
    Entry::Action(&OPEN_PALETTE),
    Entry::Action(&SAVE_PALETTE),
];

/// The group, as the menu shows it.
pub static ENTRIES: &[Entry] = &[
    Entry::Action(&ADD),
    Entry::Action(&FROM_PICTURE),
    Entry::Line,
    Entry::Action(&IMPORT),
    Entry::Action(&EXPORT_INDEXED),
    Entry::Action(&EXPORT_COLOURED),
    Entry::Line,
    Entry::Submenu {
        label: "Palette",
        icon: icons::PALETTE,
        entries: PALETTES,
    },
    Entry::Action(&EDIT),
    Entry::Line,
    Entry::Action(&OUTLINES),
    Entry::Action(&SHOW_ALL),
];

fn chosen(palette: BuiltInPalette) -> Option<Command> {
    Some(Command::Classes(ClassCommand::ChoosePalette(palette)))
}

fn is_chosen(state: &AppState, palette: BuiltInPalette) -> Option<&str> {
    let is_in_use = state.document().palette().name == palette.label();
    is_in_use.then_some(IN_USE)
}

fn without_map(state: &AppState) -> Option<&str> {
    (!is_in_hand(state)).then_some("Choose a label map in the list of layers first")
}

/// Whether a label map is in hand.
pub fn is_in_hand(state: &AppState) -> bool {
    let selected = state.document().selected_layer();
    selected.is_some_and(|layer| layer.kind() == LayerKind::Semantic)
}
