//! The row of the Generate panel in which the model is chosen.

use egui::{Rect, RichText, Ui, pos2};

use crate::app::actions::generate::MODELS;
use crate::app::library::LibraryCommand;
use crate::app::{AppState, Command, CommandSink, ModelState};
use crate::engine::library::display_name;
use crate::icons;
use crate::recipe::ModelSource;
use crate::ui::theme::{height, space, tokens};
use crate::ui::widgets::{CONTROL_ICON, IconButton, action_button, combo, row};

/// Height of the line that says how much of a model is read.
const LINE: f32 = 2.0;

/// What a model is called in a list.
fn name_of(source: &ModelSource, state: &AppState) -> String {
    if let Some(name) = state.known_name(source) {
        return name.to_owned();
    }
    match source {
        ModelSource::Storybook => "Storybook".to_owned(),
        ModelSource::Folder(path) | ModelSource::Described { file: path, .. } => display_name(path),
    }
}

/// Shows the row, and why the chosen model could not be loaded.
pub(super) fn model_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let chosen = &state.form().spec.model;
    let loading = state.jobs.loading(chosen);
    row(ui, "Model", |ui, label| {
        let share = loading.map(|job| job.reading.unwrap_or(0.0));
        let text = match (&state.model, share) {
            (ModelState::Ready(model), _) => model.name.clone(),
            (ModelState::Loading, Some(share)) if share > 0.0 => {
                format!("Loading {}… {:.0} %", name_of(chosen, state), share * 100.0)
            }
            (ModelState::Loading, _) => format!("Loading {}…", name_of(chosen, state)),
            (ModelState::Failed(_), _) => name_of(chosen, state),
        };
        let width = ui.available_width() - height::CONTROL - space::S;
        let response = combo("model", text, width).show_ui(ui, |ui| {
            choices_ui(ui, state, commands);
        });
        let response = response.response.labelled_by(label);
        if let Some(share) = share {
            line_ui(ui, response.rect, share);
        }
        ui.spacing_mut().item_spacing.x = space::XS;
        match loading.filter(|job| !job.cancelling) {
            Some(job) => {
                let cancel = IconButton::new(icons::X, "Cancel loading the model");
                if cancel.show(ui).clicked() {
                    commands.push(Command::CancelJob(job.id));
                }
            }
            None => action_button(ui, &MODELS, CONTROL_ICON, state, commands),
        }
    });
    if let ModelState::Failed(reason) = &state.model {
        let text = format!("{}  {reason}", icons::WARNING_CIRCLE);
        ui.label(RichText::new(text).color(tokens(ui).danger));
    }
}

fn choices_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let mut choose = |ui: &mut Ui, source: ModelSource| {
        let selected = state.form().spec.model == source;
        let entry = ui.selectable_label(selected, name_of(&source, state));
        let entry = match &source {
            ModelSource::Storybook => entry,
            ModelSource::Folder(path) | ModelSource::Described { file: path, .. } => {
                entry.on_hover_text(path.display().to_string())
            }
        };
        if entry.clicked() && !selected {
            commands.push(Command::ChooseModel(source));
        }
    };
    choose(ui, ModelSource::Storybook);
    for path in state.known_models() {
        choose(ui, ModelSource::Folder(path.to_path_buf()));
    }
    ui.separator();
    if ui.selectable_label(false, "All models…").clicked() {
        commands.act(&MODELS, state);
    }
    if ui.selectable_label(false, "Open model file…").clicked() {
        commands.push(LibraryCommand::PickFile.into());
    }
    if ui.selectable_label(false, "Open model folder…").clicked() {
        commands.push(Command::OpenModelFolder);
    }
}

/// How much of the model is read, along the lower edge of its field.
fn line_ui(ui: &Ui, field: Rect, share: f32) {
    let line = Rect::from_min_max(
        pos2(field.left(), field.bottom() - LINE),
        field.right_bottom(),
    );
    let done = line.with_max_x(line.left() + line.width() * share.clamp(0.0, 1.0));
    let tokens = tokens(ui);
    ui.painter().rect_filled(line, 1.0, tokens.border_strong);
    ui.painter().rect_filled(done, 1.0, tokens.accent);
}
