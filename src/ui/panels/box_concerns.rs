//! What the model cannot do with the boxes, and what will happen.

use egui::{Align, Layout, RichText, Ui};

use crate::app::actions::boxes::MAP;
use crate::app::boxes::Report;
use crate::app::{AppState, CommandSink};
use crate::icons;
use crate::ui::theme::{tokens, type_size};

/// Sentences that there is room for.
const MOST_SENTENCES: usize = 2;

/// Height of a single line.
const LINE_HEIGHT: f32 = 20.0;

/// Shows the first sentence in one line, and all of them in a tooltip.
pub fn box_concerns_line_ui(
    ui: &mut Ui,
    state: &AppState,
    report: &Report,
    commands: &mut CommandSink,
) {
    let [first, others @ ..] = &report.sentences[..] else {
        return;
    };
    let more = match others.len() {
        0 => String::new(),
        count => format!(" (+{count})"),
    };
    let label = egui::Label::new(text(ui, &format!("{first}{more}")))
        .truncate()
        .show_tooltip_when_elided(false)
        .sense(egui::Sense::hover());
    let size = egui::vec2(ui.available_width(), LINE_HEIGHT);
    ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
        map_button_ui(ui, state, report, commands);
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            ui.add(label).on_hover_text(report.sentences.join("\n"));
        });
    });
}

/// Shows the first sentences in full, and says how many more there are.
pub fn box_concerns_ui(ui: &mut Ui, state: &AppState, report: &Report, commands: &mut CommandSink) {
    let sentences = &report.sentences;
    for sentence in sentences.iter().take(MOST_SENTENCES) {
        let label = egui::Label::new(text(ui, sentence)).wrap();
        ui.add(label);
    }
    let hidden = sentences.len().saturating_sub(MOST_SENTENCES);
    if hidden > 0 {
        let more = egui::Label::new(text(ui, &format!("{hidden} more of the boxes")));
        let more = more.sense(egui::Sense::hover());
        ui.add(more)
            .on_hover_text(sentences[MOST_SENTENCES..].join("\n"));
    }
    map_button_ui(ui, state, report, commands);
}

fn text(ui: &Ui, sentence: &str) -> RichText {
    RichText::new(format!("{}  {sentence}", icons::WARNING))
        .color(tokens(ui).warning)
        .size(type_size::SMALL + 1.0)
}

/// Where there are classes that could be mapped, the way to do it.
fn map_button_ui(ui: &mut Ui, state: &AppState, report: &Report, commands: &mut CommandSink) {
    if !report.unknown.is_empty() && ui.small_button(MAP.label).clicked() {
        commands.act(&MAP, state);
    }
}
