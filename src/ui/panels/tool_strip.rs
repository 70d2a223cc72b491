//! The tools, at the left edge.

use eframe::egui;
use egui::Ui;

use crate::app::{AppState, Command, CommandSink, shortcuts};
use crate::tools::ToolId;
use crate::ui::icons;
use crate::ui::theme::{space, type_size};
use crate::ui::widgets::IconButton;

const SIDE: f32 = 36.0;

/// Shows the tools and what can be done to the mask as a whole.
pub fn tool_strip_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    ui.spacing_mut().item_spacing.y = space::XS;
    for tool in ToolId::ALL {
        let (icon, name, keys) = match tool {
            ToolId::Brush => (icons::PAINT_BRUSH, "Mask brush", shortcuts::BRUSH),
            ToolId::Eraser => (icons::ERASER, "Mask eraser", shortcuts::ERASER),
            ToolId::PanZoom => (icons::HAND, "Hand", shortcuts::HAND),
        };
        let button = IconButton::new(icon, name)
            .size(SIDE, type_size::TOOL_ICON)
            .shortcut(keys)
            .selected(state.toolbox.active() == tool);
        if button.show(ui).on_hover_text(tool.hint()).clicked() {
            commands.push(Command::SelectTool(tool));
        }
    }
    ui.add_space(space::XS);
    ui.separator();
    ui.add_space(space::XS);
    let has_mask = state.document().has_mask_content();
    let invert = IconButton::new(icons::SELECTION_INVERSE, "Invert mask")
        .size(SIDE, type_size::TOOL_ICON)
        .shortcut(shortcuts::INVERT_MASK)
        .enabled(state.document().active_mask().is_some());
    if invert.show(ui).clicked() {
        commands.push(Command::InvertMask);
    }
    let clear = IconButton::new(icons::SELECTION_SLASH, "Clear mask")
        .size(SIDE, type_size::TOOL_ICON)
        .shortcut(shortcuts::CLEAR_MASK)
        .enabled(has_mask);
    if clear.show(ui).clicked() {
        commands.push(Command::ClearMask);
    }
}
