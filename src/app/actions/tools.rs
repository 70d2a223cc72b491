//! The tools, as they describe themselves.

use std::sync::LazyLock;

use eframe::egui::{Key, Modifiers};

use super::{Action, Deed, Group};
use crate::tools::ToolId;

/// Takes each of the tools in hand, in the order of the tool strip.
pub fn actions() -> &'static [Action] {
    static ACTIONS: LazyLock<Vec<Action>> = LazyLock::new(|| {
        let tools = ToolId::ALL.into_iter();
        tools.map(action).collect()
    });
    &ACTIONS
}

fn action(tool: ToolId) -> Action {
    let action = Action {
        icon: tool.icon(),
        hint: Some(tool.hint()),
        deed: Deed::Tool(tool),
        ..Action::new(Group::Tools, tool.label(), |_| None)
    };
    match Key::from_name(tool.shortcut()) {
        Some(key) => action.key(Modifiers::NONE, key),
        None => action,
    }
}
