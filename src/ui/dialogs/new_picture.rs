//! The size of a new picture.

use eframe::egui;
use egui::{DragValue, Ui};

use super::{buttons, main_button};
use crate::app::form::MIN_SIDE_PX;
use crate::app::{AppState, Command, CommandSink};
use crate::document::MAX_SIDE_PX;
use crate::ui::UiState;
use crate::ui::theme::{height, tokens};
use crate::ui::widgets::row;

/// Shows the fields and the buttons.
pub fn new_picture_ui(
    ui: &mut Ui,
    state: &AppState,
    own: &mut UiState,
    commands: &mut CommandSink,
) {
    let native = state.model_summary().map(|model| model.native_size_px);
    for (index, name) in ["Width", "Height"].into_iter().enumerate() {
        row(ui, name, |ui, label| {
            let field = DragValue::new(&mut own.new_size_px[index])
                .range(MIN_SIDE_PX..=MAX_SIDE_PX)
                .suffix(" px");
            ui.add_sized([120.0, height::CONTROL], field)
                .labelled_by(label);
        });
    }
    if let Some(native) = native {
        let text = format!("The model was trained at {native} × {native} px.");
        ui.label(egui::RichText::new(text).color(tokens(ui).text_muted));
    }
    buttons(ui, |ui| {
        if main_button(ui, "Create", true).clicked() {
            commands.push(Command::CloseDialog);
            commands.push(Command::New {
                size_px: own.new_size_px,
            });
        }
        if ui.button("Cancel").clicked() {
            commands.push(Command::CloseDialog);
        }
    });
}
