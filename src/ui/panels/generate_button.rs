//! The button that paints, and what it says before and while it does.

use egui::{RichText, Ui};

use super::box_concerns::box_concerns_ui;
use super::live::{LIVE_WIDTH, live_switch_ui, live_ui};
use crate::app::actions::generate::{ESCAPE, GENERATE};
use crate::app::conditions::Condition;
use crate::app::jobs::JobRecord;
use crate::app::shortcuts::keys_of;
use crate::app::{AppState, Command, CommandSink};
use crate::icons;
use crate::ui::UiState;
use crate::ui::theme::{height, space, tokens, type_size};
use crate::ui::widgets::{IconButton, PrimaryButton, duration_text, progress_button};

/// Least width of the button for its keys to stand on it.
const KEYS_WIDTH: f32 = 260.0;

/// Least width of what a job's button becomes for the time left to stand on it.
const TIME_WIDTH: f32 = 220.0;

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
            let frame = state.job_frame();
            let size_px = frame.map_or_else(|| state.painted_size_px(), |it| it.rect.size_px());
            let intent = state.intent();
            intent.sentence(state.form(), size_px, frame.is_some(), told)
        }
    };
    let text = RichText::new(sentence)
        .color(tokens(ui).text_muted)
        .size(type_size::SMALL + 1.0);
    ui.add(egui::Label::new(text).wrap());

    if let Some(concern) = state.frame_concern() {
        let text = RichText::new(format!("{}  {concern}", icons::WARNING))
            .color(tokens(ui).warning)
            .size(type_size::SMALL + 1.0);
        ui.add(egui::Label::new(text).wrap());
    }

    // Boxes that a model takes not at all are told of where they are switched.
    if state.tells(Condition::Boxes) {
        box_concerns_ui(ui, state, report, commands);
    }

    ui.horizontal(|ui| {
        let width = ui.available_width() - LIVE_WIDTH - space::S;
        match state.jobs.generation() {
            Some(job) => job_ui(ui, width, state, job, commands),
            None => {
                let keys = keys_of(&GENERATE).unwrap_or_default();
                let has_room = width >= KEYS_WIDTH;
                let button = PrimaryButton::new(GENERATE.icon, GENERATE.label)
                    .trailing(if has_room { keys.as_str() } else { "" })
                    .enabled(GENERATE.obstacle(state).is_none());
                if button.show(ui, width).on_hover_text(keys).clicked() {
                    commands.act(&GENERATE, state);
                }
            }
        }
        live_switch_ui(ui, state, commands);
    });
    live_ui(ui, state, commands);
}

/// How far a job is, a button that ends it, and one for the next.
fn job_ui(ui: &mut Ui, width: f32, state: &AppState, job: &JobRecord, commands: &mut CommandSink) {
    let width = width - height::PRIMARY - space::S;
    let mut note = match (job.is_running(), job.total) {
        (false, _) => "waiting".to_owned(),
        (true, total) => match job.reading.filter(|share| *share < 1.0) {
            Some(share) => format!("reading the model, {:.0} %", share * 100.0),
            None if job.step == 0 => "preparing".to_owned(),
            None => format!("{} / {total}", job.step),
        },
    };
    // The status bar says it too, and has more room.
    if width >= TIME_WIDTH
        && let Some(left) = job.time_left()
    {
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
}
