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
            // Several may have one name: the first of them is found by it.
            let place = chosen.and_then(|it| known.iter().position(|file| file.is_same_as(it)));
            let other = chosen.filter(|_| place.is_none());
            let listed = known.iter().enumerate();
            let listed = listed.map(|(at, file)| (file, place == Some(at)));
            for (file, is_chosen) in other.map(|it| (it, true)).into_iter().chain(listed) {
                let mut entry = ui.selectable_label(is_chosen, &file.name);
                if let Some(path) = &file.path {
                    entry = entry.on_hover_text(path.display().to_string());
                }
                if entry.clicked() && !is_chosen {
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
        let list = list.response.labelled_by(label).on_hover_text(
            "Leads what is painted to a class that the model itself need not know. \
             Train one in the training dialog (Train: Classifier), or put its folder into \
             \u{201c}classifiers\u{201d} beside the model",
        );
        // Whoever opens the list may have put one there just now.
        if list.clicked() {
            commands.push(ClassifierCommand::Look.into());
        }
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
