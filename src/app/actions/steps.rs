//! What can be done with a step of a trajectory.

use egui::{Key, Modifiers};

use super::{Action, Entry, Group};
use crate::app::command::Command;
use crate::app::state::AppState;
use crate::engine::protocol::Ending;
use crate::icons;
use crate::random;

/// Paints the picture once more from the step in view.
pub static GO_ON: Action = Action::new(Group::Generate, "Go on from here", |state| {
    go_on(state, Ending::Same)
})
.in_full("Go on from the step in view")
.icon(icons::PLAY)
.hint("The rest is painted once more from this step, told what words, boxes and label map say now")
.unless(no_way_on);

/// Paints the rest with other noise.
pub static OTHER_ENDING: Action = Action::new(Group::Generate, "Another ending", |state| {
    let seed = random::fresh_seed();
    go_on(state, Ending::Other { seed })
})
.in_full("Another ending from the step in view")
.icon(icons::DICE_FIVE)
.hint("The rest is painted with other noise: what is settled by this step stays, the rest becomes new")
.unless(no_way_on);

/// Makes the step in view a layer.
pub static KEEP_STEP: Action = Action::new(Group::Generate, "Keep this step", |state| {
    go_on(state, Ending::Here)
})
.in_full("Keep the step in view")
.icon(icons::CHECK)
.hint("The picture as it looks at this step becomes a layer")
.unless(|state| no_step(state).or_else(|| is_live(state)));

/// The step before the one in view.
pub static PREVIOUS_STEP: Action =
    Action::new(Group::Generate, "Previous step", |state| beside(state, -1))
        .icon(icons::CARET_LEFT)
        .key(Modifiers::NONE, Key::Comma)
        .when(|state| state.jobs.shown().is_some())
        .unless(no_step);

/// The step after the one in view.
pub static NEXT_STEP: Action = Action::new(Group::Generate, "Next step", |state| beside(state, 1))
    .icon(icons::CARET_RIGHT)
    .key(Modifiers::NONE, Key::Period)
    .when(|state| state.jobs.shown().is_some())
    .unless(no_step);

/// How a picture goes on from a step.
pub static ENDINGS: &[Entry] = &[
    Entry::Action(&GO_ON),
    Entry::Action(&OTHER_ENDING),
    Entry::Action(&KEEP_STEP),
];

/// From step to step.
pub static KEYS: &[Entry] = &[Entry::Action(&PREVIOUS_STEP), Entry::Action(&NEXT_STEP)];

fn go_on(state: &AppState, ending: Ending) -> Option<Command> {
    let step = state.jobs.shown()?;
    Some(Command::GoOn { step, ending })
}

fn beside(state: &AppState, steps: i32) -> Option<Command> {
    Some(Command::ShowFrame(Some(state.jobs.beside_shown(steps)?)))
}

fn no_step(state: &AppState) -> Option<&str> {
    let is_shown = state.jobs.shown().is_some();
    (!is_shown).then_some("Choose a step of the trajectory first")
}

fn is_live(state: &AppState) -> Option<&str> {
    let is_on = state.live.is_on();
    is_on.then_some("Live paints; switch it off first")
}

fn no_way_on(state: &AppState) -> Option<&str> {
    let is_last = state.jobs.is_last_shown();
    let last = || is_last.then_some("This is the last step; choose an earlier one");
    no_step(state).or_else(|| is_live(state)).or_else(last)
}
