//! The tools, as they describe themselves, and what keys set on them.

use std::sync::LazyLock;

use egui::{Key, Modifiers};

use super::{Action, Deed, Entry, Group};
use crate::app::command::Command;
use crate::tools::{self, ToolInfo};

static SMALLER: Action = Action::new(Group::Tools, "Smaller", |_| step("size", -1))
    .in_full("Smaller or larger")
    .key(Modifiers::NONE, Key::OpenBracket);

static LARGER: Action = Action::new(Group::Tools, "Larger", |_| step("size", 1))
    .in_full(SMALLER.full_label)
    .key(Modifiers::NONE, Key::CloseBracket);

static SOFTER: Action = Action::new(Group::Tools, "Softer", |_| step("hardness", -1))
    .in_full("Softer or harder")
    .key(Modifiers::SHIFT, Key::OpenBracket);

static HARDER: Action = Action::new(Group::Tools, "Harder", |_| step("hardness", 1))
    .in_full(SOFTER.full_label)
    .key(Modifiers::SHIFT, Key::CloseBracket);

/// Ends an outline that is being drawn.
static FINISH: Action = Action::new(Group::Tools, "Close the outline", |_| {
    Some(Command::FinishGesture)
})
.key(Modifiers::NONE, Key::Enter)
.unless(|state| (!state.toolbox.can_finish()).then_some("No outline is being drawn"));

/// What keys set on the tool in hand.
pub static ENTRIES: &[Entry] = &[
    Entry::Action(&SMALLER),
    Entry::Action(&LARGER),
    Entry::Action(&SOFTER),
    Entry::Action(&HARDER),
    Entry::Action(&FINISH),
];

fn step(id: &'static str, steps: i32) -> Option<Command> {
    Some(Command::StepToolOption { id, steps })
}

/// Takes each of the tools in hand, in the order of the tool strip.
pub fn actions() -> &'static [Action] {
    static ACTIONS: LazyLock<Vec<Action>> = LazyLock::new(|| {
        let tools = tools::all();
        tools.iter().map(|tool| action(tool.info())).collect()
    });
    &ACTIONS
}

fn action(tool: &ToolInfo) -> Action {
    let action = Action {
        icon: tool.icon,
        hint: Some(tool.hint),
        deed: Deed::Tool(tool.id),
        ..Action::new(Group::Tools, tool.label, |_| None)
    };
    match Key::from_name(tool.key) {
        Some(key) => action.key(Modifiers::NONE, key),
        None => action,
    }
}
