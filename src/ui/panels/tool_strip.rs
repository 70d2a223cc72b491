//! The tools, at the left edge.

use egui::Ui;

use crate::app::actions::{mask, tools};
use crate::app::{AppState, CommandSink};
use crate::ui::theme::{space, type_size};
use crate::ui::widgets::action_button;

const SIZE: [f32; 2] = [36.0, type_size::TOOL_ICON];

/// Shows the tools and what can be done to the mask as a whole.
pub fn tool_strip_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    ui.spacing_mut().item_spacing.y = space::XS;
    for tool in tools::actions() {
        action_button(ui, tool, SIZE, state, commands);
    }
    ui.add_space(space::XS);
    ui.separator();
    ui.add_space(space::XS);
    for action in [&mask::INVERT, &mask::CLEAR] {
        action_button(ui, action, SIZE, state, commands);
    }
}
