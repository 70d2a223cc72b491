//! The switch that has pictures finished.

use egui::{Checkbox, Ui};

use crate::app::form::{FormChange, Intent};
use crate::app::{AppState, CommandSink};
use crate::ui::widgets::row;

/// Shows the switch.
pub(super) fn finish_ui(ui: &mut Ui, state: &AppState, intent: Intent, commands: &mut CommandSink) {
    row(ui, "Finish", |ui, _| {
        let is_framed = state.job_frame().is_some();
        let hint = match is_framed {
            true => {
                "What is painted becomes four times as wide and high before it is scaled to the frame"
            }
            false => "Pictures become crisply four times as wide and high when they are painted",
        };
        let mut is_on = state.form().finishes(intent, is_framed);
        let tick = Checkbox::new(&mut is_on, "Finish ×4");
        let ticked = ui
            .add_enabled(is_framed || intent != Intent::Inpaint, tick)
            .on_hover_text(hint)
            .on_disabled_hover_text(
                "What is repainted inside of a mask stays as large as it is; Edit, Enlarge ×4 enlarges everything",
            );
        if ticked.changed() {
            commands.set(FormChange::Finish(is_on));
        }
    });
}
