//! The classifier that leads what is painted to a class, with any model.

use egui::Ui;

use super::loras::warning_ui;
use crate::app::classifier::{ClassifierCommand, ClassifierKnown};
use crate::app::form::FormChange;
use crate::app::{AppState, CommandSink};
use crate::recipe::param::CLASSIFIER_SCALE;
use crate::ui::widgets::{combo, number_row, row};

/// What stands for no classifier.
const NONE: &str = "None";

/// Shows the row, and how strongly it leads once there is one.
pub(super) fn classifier_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    if !state.offers_classifiers() {
        return;
    }
    let form = state.form();
    let chosen = form.spec.classifier.as_ref();
    row(ui, "Classifier", |ui, label| {
        let text = chosen.map_or_else(|| NONE.to_owned(), |file| file.name.clone());
        let list = combo("classifier", text, ui.available_width());
        let list = list.show_ui(ui, |ui| {
            if ui.selectable_label(chosen.is_none(), NONE).clicked() {
                commands.push(ClassifierCommand::Choose(None).into());
            }
            let known = &state.known_classifiers.listed;
            let other = chosen.filter(|chosen| !known.iter().any(|it| it.name == chosen.name));
            for file in other.into_iter().chain(known) {
                let is_chosen = chosen.is_some_and(|chosen| chosen.name == file.name);
                if ui.selectable_label(is_chosen, &file.name).clicked() && !is_chosen {
                    commands.push(ClassifierCommand::Choose(Some(file.clone())).into());
                }
            }
            ui.separator();
            if known.is_empty() {
                ui.weak("There is none beside the model: train one");
            }
            if ui.selectable_label(false, "A folder\u{2026}").clicked() {
                commands.push(ClassifierCommand::Pick.into());
            }
        });
        list.response.labelled_by(label).on_hover_text(
            "Leads what is painted to a class that the model itself need not know. \
             Train one in the training dialog (Train: Classifier), or put its folder into \
             \u{201c}classifiers\u{201d} beside the model",
        );
    });
    if chosen.is_none() {
        return;
    }
    if let Some(refusal) = state.classifier_refusal() {
        warning_ui(ui, refusal);
        return;
    }
    if state.known_classifiers.chosen == ClassifierKnown::Asked {
        return;
    }
    if form.spec.class.is_none() {
        warning_ui(ui, "Choose a class for it to lead to");
    }
    let scale = form.number(&CLASSIFIER_SCALE);
    if let (_, Some(value)) = number_row(ui, &CLASSIFIER_SCALE, scale) {
        commands.set(FormChange::Number(&CLASSIFIER_SCALE, value));
    }
}
