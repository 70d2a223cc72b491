//! The frame of the next job.

use egui::{Key, Modifiers};

use super::{Action, Entry, Group};
use crate::app::command::Command;
use crate::app::frame::{FrameCommand, frame_is_in_hand};
use crate::app::state::AppState;
use crate::document::FrameChoice;
use crate::icons;

/// Puts the frame where it suits the mask, each time anew.
pub static AUTOMATIC: Action = Action::new(Group::Frame, "Automatic frame", |_| {
    Some(FrameCommand::Choose(FrameChoice::Automatic).into())
})
.icon(icons::SPARKLE)
.hint("Around the mask, where the picture is larger than the model's")
.switch(|state| state.document().frame() == FrameChoice::Automatic);

/// Paints the whole canvas, pixel for pixel.
pub static WITHOUT: Action = Action::new(Group::Frame, "No frame", |_| {
    Some(FrameCommand::Choose(FrameChoice::Canvas).into())
})
.icon(icons::FRAME_CORNERS)
.hint("The whole canvas, pixel for pixel")
.switch(|state| state.document().frame() == FrameChoice::Canvas);

/// Puts the frame around the mask, where it stays.
pub static FIT_MASK: Action = Action::new(Group::Frame, "Fit frame to mask", |_| {
    Some(FrameCommand::FitMask.into())
})
.icon(icons::SELECTION)
.hint("A frame around the mask, which stays where it is")
.unless(nothing_masked);

/// Puts the frame around the canvas.
pub static FIT_CANVAS: Action = Action::new(Group::Frame, "Fit frame to canvas", |_| {
    Some(FrameCommand::FitCanvas.into())
})
.icon(icons::CORNERS_OUT)
.hint("The whole canvas, painted at the size that suits the model");

/// Shows the frame with every tool.
pub static ON_CANVAS: Action = Action::new(Group::View, "Frame with every tool", |_| {
    Some(FrameCommand::ToggleOnCanvas.into())
})
.switch(|state| state.settings.panels.frame_on_canvas);

/// Why nothing can be put around the mask, as a sentence.
pub(super) fn nothing_masked(state: &AppState) -> Option<&str> {
    let is_blank = state.document().mask_bounds().is_empty();
    is_blank.then_some("Nothing is painted on a mask")
}

/// How much farther Shift goes.
const FAR: i32 = 8;

/// What arrows do: a name, a key, and steps to the right and down.
const fn nudge(
    label: &'static str,
    (modifiers, key): (Modifiers, Key),
    command: fn(&AppState) -> Option<Command>,
) -> Action {
    Action::new(Group::Frame, label, command)
        .in_full(match modifiers.shift {
            true => "Move the frame farther",
            false => "Move the frame",
        })
        .key(modifiers, key)
        .when(frame_is_in_hand)
}

fn by(steps: [i32; 2]) -> Option<Command> {
    Some(FrameCommand::Nudge(steps).into())
}

const NEAR: Modifiers = Modifiers::NONE;

static LEFT: Action = nudge("Frame left", (NEAR, Key::ArrowLeft), |_| by([-1, 0]));
static RIGHT: Action = nudge("Frame right", (NEAR, Key::ArrowRight), |_| by([1, 0]));
static HIGHER: Action = nudge("Frame higher", (NEAR, Key::ArrowUp), |_| by([0, -1]));
static LOWER: Action = nudge("Frame lower", (NEAR, Key::ArrowDown), |_| by([0, 1]));
static FAR_LEFT: Action = nudge("Frame far left", (Modifiers::SHIFT, Key::ArrowLeft), |_| {
    by([-FAR, 0])
});
static FAR_RIGHT: Action = nudge(
    "Frame far right",
    (Modifiers::SHIFT, Key::ArrowRight),
    |_| by([FAR, 0]),
);
static MUCH_HIGHER: Action = nudge(
    "Frame much higher",
    (Modifiers::SHIFT, Key::ArrowUp),
    |_| by([0, -FAR]),
);
static MUCH_LOWER: Action = nudge(
    "Frame much lower",
    (Modifiers::SHIFT, Key::ArrowDown),
    |_| by([0, FAR]),
);

/// The group, as the menus show it.
pub static ENTRIES: &[Entry] = &[
    Entry::Action(&AUTOMATIC),
    Entry::Action(&WITHOUT),
    Entry::Line,
    Entry::Action(&FIT_MASK),
    Entry::Action(&FIT_CANVAS),
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
