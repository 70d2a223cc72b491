//! What is done with painted pictures before they come: they are made larger, and painted
//! over once more at that size.

use egui::Ui;

use super::generate::param_ui;
use crate::app::form::{FormChange, Intent};
use crate::app::{AppState, CommandSink};
use crate::recipe::Finish;
use crate::recipe::param::{SECOND_STEPS, SECOND_STRENGTH};
use crate::ui::widgets::{combo, row};

/// Shows how much larger pictures are made, and, where they are, how they are painted over.
pub(super) fn finish_ui(ui: &mut Ui, state: &AppState, intent: Intent, commands: &mut CommandSink) {
    let is_framed = state.job_frame().is_some();
    let form = state.form();
    let is_on = form.finishes(intent, is_framed);
    let chosen = form.spec.finish.filter(|_| is_on);
    let hint = match is_framed {
        true => "What is painted becomes so much larger before it is scaled to the frame",
        false => {
            "Pictures become crisply so much larger when they are painted, and the canvas with them"
        }
    };
    let label = |finish: Option<Finish>| match finish {
        None => "As painted".to_owned(),
        Some(finish) => format!("Made {} as large", finish.label()),
    };
    row(ui, "Finish", |ui, id| {
        ui.add_enabled_ui(is_framed || intent != Intent::Inpaint, |ui| {
            let list = combo("finish", label(chosen), ui.available_width());
            let shown = list.show_ui(ui, |ui| {
                let offered = Finish::ALL.into_iter().map(Some);
                for finish in [None].into_iter().chain(offered) {
                    let entry = ui.selectable_label(finish == chosen, label(finish));
                    if entry.clicked() {
                        commands.set(FormChange::Finish(finish));
                    }
                }
            });
            shown
                .response
                .labelled_by(id)
                .on_hover_text(hint)
                .on_disabled_hover_text(
                "What is repainted inside of a mask stays as large as it is; Edit, Enlarge ×4 enlarges everything",
            );
        });
    });
    if !is_on {
        return;
    }
    param_ui(ui, form, &SECOND_STRENGTH, commands);
    if form.spec.second_strength > 0.0 {
        param_ui(ui, form, &SECOND_STEPS, commands);
    }
}
