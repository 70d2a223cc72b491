//! The training dialog: the form, and the run once it is started.

mod form;
mod run;

use egui::Ui;

use crate::app::{AppState, CommandSink};
use crate::ui::UiState;

/// Shows the run if there is one that was not dismissed, else the form.
pub fn train_ui(ui: &mut Ui, state: &AppState, own: &mut UiState, commands: &mut CommandSink) {
    match state.jobs.training() {
        Some(training) => run::run_ui(ui, state, own, training, commands),
        None => form::form_ui(ui, state, own, commands),
    }
}
