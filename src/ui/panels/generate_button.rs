//! The button that paints, and what it says before and while it does.

use egui::{RichText, Ui};

use super::box_concerns::box_concerns_ui;
use crate::app::actions::generate::{ESCAPE, GENERATE};
use crate::app::conditions::Condition;
use crate::app::shortcuts::keys_of;
use crate::app::{AppState, Command, CommandSink};
use crate::icons;
use crate::ui::UiState;
use crate::ui::theme::{height, space, tokens, type_size};
use crate::ui::widgets::{IconButton, PrimaryButton, duration_text, progress_button};

/// Shows the sentence and the button.
pub fn generate_button_ui(
    ui: &mut Ui,
    state: &AppState,
    own: &mut UiState,
    commands: &mut CommandSink,
) {
    ui.spacing_mut().item_spacing.y = space::XS + 2.0;
    let report = own.box_table.report(state);
    let sentence = match state.obstacle() {
        Some(obstacle) => obstacle.to_owned(),
        None => {
            let told = state.told(report.given.len());
            let intent = state.intent();
            intent.sentence(state.form(), state.job_size_px(), told)
        }
    };
    ui.horizontal(|ui| {
        let text = RichText::new(sentence)
            .color(tokens(ui).text_muted)
            .size(type_size::SMALL + 1.0);
        ui.add(egui::Label::new(text).truncate());
    });

    // Boxes that a model takes not at all are told of where they are switched.
    if state.tells(Condition::Boxes) {
        box_concerns_ui(ui, state, report, commands);
    }

    let Some(job) = state.jobs.generation() else {
        let button = PrimaryButton::new(GENERATE.icon, GENERATE.label)
            .trailing(keys_of(&GENERATE).unwrap_or_default())
            .enabled(GENERATE.obstacle(state).is_none());
        let width = ui.available_width();
        if button.show(ui, width).clicked() {
            commands.act(&GENERATE, state);
        }
        return;
    };

    ui.horizontal(|ui| {
        let width = ui.available_width() - height::PRIMARY - space::S;
        let mut note = match (job.is_running(), job.total) {
            (false, _) => "waiting".to_owned(),
            (true, _) if job.step == 0 => "preparing".to_owned(),
            (true, total) => format!("{} / {total}", job.step),
        };
        if let Some(left) = job.time_left() {
            note = format!("{note}, {} left", duration_text(left));
        }
        let text = if job.cancelling {
            "Cancelling…"
        } else {
            ESCAPE.label
        };
        let keys = keys_of(&ESCAPE).unwrap_or_default();
        let cancel = progress_button(ui, width, job.fraction(), ESCAPE.icon, text, &note)
            .on_hover_text(format!("End the job   {keys}"));
        if cancel.clicked() {
            commands.push(Command::CancelJob(job.id));
        }
        let more = IconButton::new(icons::PLUS, "Queue another")
            .size(height::PRIMARY, type_size::TOOL_ICON)
            .keys_of(&GENERATE);
        if more.show(ui).clicked() {
            commands.act(&GENERATE, state);
        }
    });
}
