//! What the model cannot do with the boxes, and what will happen.

use egui::{Align, Layout, RichText, Ui};

use crate::app::actions::boxes::MAP;
use crate::app::boxes::Report;
use crate::app::{AppState, CommandSink};
use crate::icons;
use crate::ui::theme::{tokens, type_size};

const LINE_HEIGHT: f32 = 20.0;

/// Shows the first `most_lines` sentences, and all of them in a tooltip.
pub fn box_concerns_ui(
    ui: &mut Ui,
    state: &AppState,
    report: &Report,
    most_lines: usize,
    commands: &mut CommandSink,
) {
    let hidden = report.sentences.len().saturating_sub(most_lines);
    for (line, sentence) in report.sentences.iter().take(most_lines).enumerate() {
        let more = match hidden {
            1.. if line + 1 == most_lines => format!(" (+{hidden})"),
            _ => String::new(),
        };
        let text = format!("{}  {sentence}{more}", icons::WARNING);
        let text = RichText::new(text)
            .color(tokens(ui).warning)
            .size(type_size::SMALL + 1.0);
        let label = egui::Label::new(text)
            .truncate()
            .show_tooltip_when_elided(false)
            .sense(egui::Sense::hover());
        let size = egui::vec2(ui.available_width(), LINE_HEIGHT);
        ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
            if line == 0 && !report.unknown.is_empty() {
                let map = ui.small_button("Map…").on_hover_text(MAP.label);
                if map.clicked() {
                    commands.act(&MAP, state);
                }
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.add(label).on_hover_text(report.sentences.join("\n"));
            });
        });
    }
}
