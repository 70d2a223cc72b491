//! What is seen.

use egui::{Key, Modifiers};

use super::{Action, Entry, Group, Listens, frame};
use crate::app::command::Command;
use crate::app::settings::ThemeChoice;
use crate::icons;

/// Shows the whole picture.
pub static FIT: Action = Action::new(Group::View, "Fit in the window", |_| Some(Command::ZoomFit))
    .icon(icons::CORNERS_OUT)
    .key(Modifiers::COMMAND, Key::Num0)
    .listens(Listens::WhileTyping)
    .switch(|state| state.front().view.is_fitted);

/// One picture pixel on one screen pixel.
pub static ACTUAL_SIZE: Action =
    Action::new(Group::View, "Actual size", |_| Some(Command::ZoomActual))
        .key(Modifiers::COMMAND, Key::Num1)
        .listens(Listens::WhileTyping);

/// The next larger zoom.
pub static ZOOM_IN: Action = Action::new(Group::View, "Zoom in", |_| Some(Command::ZoomIn))
    .icon(icons::MAGNIFYING_GLASS_PLUS)
    .key(Modifiers::COMMAND, Key::Plus)
    .listens(Listens::WhileTyping);

/// The next smaller zoom.
pub static ZOOM_OUT: Action = Action::new(Group::View, "Zoom out", |_| Some(Command::ZoomOut))
    .icon(icons::MAGNIFYING_GLASS_MINUS)
    .key(Modifiers::COMMAND, Key::Minus)
    .listens(Listens::WhileTyping);

static SIDE_PANEL: Action = Action::new(Group::View, "Generate and layers", |_| {
    Some(Command::ToggleSidePanel)
})
.switch(|state| state.settings.panels.side);

static STRIP: Action = Action::new(Group::View, "Trajectory", |_| Some(Command::ToggleStrip))
    .switch(|state| state.settings.panels.strip);

static BOXES: Action = Action::new(Group::View, "Table of boxes", |_| {
    Some(Command::ToggleBoxes)
})
.switch(|state| state.settings.panels.boxes);

static BOXES_ON_CANVAS: Action = Action::new(Group::View, "Boxes with every tool", |_| {
    Some(Command::ToggleBoxesOnCanvas)
})
.switch(|state| state.settings.panels.boxes_on_canvas);

static TINY_PREVIEWS: Action = Action::new(Group::View, "Steps by TAESD where it is there", |_| {
    Some(Command::ToggleTinyPreviews)
})
.switch(|state| state.settings.panels.tiny_previews);

static DARK: Action = Action::new(Group::View, ThemeChoice::Dark.label(), |_| {
    Some(Command::SetTheme(ThemeChoice::Dark))
})
.switch(|state| state.settings.theme == ThemeChoice::Dark);

static LIGHT: Action = Action::new(Group::View, ThemeChoice::Light.label(), |_| {
    Some(Command::SetTheme(ThemeChoice::Light))
})
.switch(|state| state.settings.theme == ThemeChoice::Light);

static AS_SYSTEM: Action = Action::new(Group::View, ThemeChoice::System.label(), |_| {
    Some(Command::SetTheme(ThemeChoice::System))
})
.switch(|state| state.settings.theme == ThemeChoice::System);

/// The group, as the menu shows it.
pub static ENTRIES: &[Entry] = &[
    Entry::Action(&FIT),
    Entry::Action(&ACTUAL_SIZE),
    Entry::Action(&ZOOM_IN),
    Entry::Action(&ZOOM_OUT),
    Entry::Line,
    Entry::Action(&SIDE_PANEL),
    Entry::Action(&STRIP),
    Entry::Action(&BOXES),
    Entry::Action(&BOXES_ON_CANVAS),
    Entry::Action(&frame::ON_CANVAS),
    Entry::Action(&TINY_PREVIEWS),
    Entry::Line,
    Entry::Submenu {
        label: "Theme",
        icon: icons::CIRCLE_HALF,
        entries: &[
            Entry::Action(&DARK),
            Entry::Action(&LIGHT),
            Entry::Action(&AS_SYSTEM),
        ],
    },
];
