//! The size of a new picture.

use egui::Ui;

use super::{buttons, main_button};
use crate::app::{AppState, Command, CommandSink};
use crate::recipe::param::{HEIGHT, WIDTH};
use crate::ui::UiState;
use crate::ui::theme::{height, tokens};
use crate::ui::widgets::{number_field, row};

/// Side in pixels where no model tells one.
const USUAL_SIDE_PX: u32 = 64;

/// Shows the fields and the buttons.
pub fn new_picture_ui(
    ui: &mut Ui,
    state: &AppState,
    own: &mut UiState,
    commands: &mut CommandSink,
) {
    let native = state.model_summary().map(|model| model.native_size_px);
    let usual = native.unwrap_or(USUAL_SIDE_PX);
    let mut size_px = own.new_size_px.unwrap_or([usual; 2]);
    for (index, number) in [&WIDTH, &HEIGHT].into_iter().enumerate() {
        row(ui, number.label, |ui, label| {
            let mut side = size_px[index].into();
            let size = [120.0, height::CONTROL];
            let field = number_field(ui, number, &mut side, size).labelled_by(label);
            if field.changed() {
                size_px[index] = side.as_u32();
                own.new_size_px = Some(size_px);
            }
        });
    }
    if let Some(native) = native {
        let text = format!("The model was trained at {native} × {native} px.");
        ui.label(egui::RichText::new(text).color(tokens(ui).text_muted));
    }
    buttons(ui, |ui| {
        if main_button(ui, "Create", true).clicked() {
            commands.push(Command::CloseDialog);
            commands.push(Command::New { size_px });
        }
        if ui.button("Cancel").clicked() {
            commands.push(Command::CloseDialog);
        }
    });
}
