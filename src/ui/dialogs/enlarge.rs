//! What makes the document larger: the network that came with the program, or a model.

use egui::{RichText, ScrollArea, Ui, vec2};

use super::{buttons, main_button};
use crate::app::library::{LargerModel, LibraryCommand};
use crate::app::{AppState, Command, CommandSink};
use crate::icons;
use crate::recipe::param::{STEPS, Value};
use crate::recipe::{Enlarger, ModelSource, SuperResolution};
use crate::ui::UiState;
use crate::ui::theme::{height, tokens};
use crate::ui::widgets::number_row;

/// Height of the list of what there is to choose from.
const LIST_HEIGHT: f32 = 200.0;

/// What is chosen while the dialog is open.
#[derive(Debug)]
pub struct EnlargeForm {
    /// The model; none for the network that came with the program.
    model: Option<ModelSource>,
    steps: u32,
}

impl Default for EnlargeForm {
    fn default() -> Self {
        Self {
            model: None,
            steps: 50,
        }
    }
}

impl EnlargeForm {
    fn how(&self, model: &LargerModel, state: &AppState) -> SuperResolution {
        SuperResolution {
            model: model.source.clone(),
            factor: model.factor,
            steps: Some(self.steps),
            seed: state.form().spec.seed,
        }
    }
}

/// Shows what there is to choose from, what comes of it, and the buttons.
pub(super) fn enlarge_ui(
    ui: &mut Ui,
    state: &AppState,
    own: &mut UiState,
    commands: &mut CommandSink,
) {
    let form = own.enlarging.get_or_insert_default();
    let models = state.library.larger_models();
    let list = ScrollArea::vertical().max_height(LIST_HEIGHT);
    list.auto_shrink([false, true]).show(ui, |ui| {
        let note = "The network that came with Velatura: crisp, quick, and true to the picture";
        if choice_ui(ui, form.model.is_none(), ("Real-ESRGAN", 4), note).clicked() {
            form.model = None;
        }
        for LargerModel {
            source,
            path,
            name,
            factor,
        } in &models
        {
            let note = format!(
                "A diffusion model: paints the picture anew, step by step, with detail of its own\n{}",
                path.display()
            );
            let is_chosen = form.model.as_ref() == Some(source);
            if choice_ui(ui, is_chosen, (name, *factor), &note).clicked() {
                form.model = Some(source.clone());
            }
        }
    });
    if models.is_empty() {
        no_models_ui(ui, state, commands);
    }
    let chosen = models
        .iter()
        .find(|model| form.model.as_ref() == Some(&model.source));
    // It stays where it is, whatever is chosen.
    ui.add_enabled_ui(chosen.is_some(), |ui| {
        if let (_, Some(steps)) = number_row(ui, &STEPS, Value::from(form.steps)) {
            form.steps = steps.as_u32();
        }
    });
    let factor = chosen.map_or(Enlarger::Network.factor(), |model| model.factor);
    let is_gone = form.model.is_some() && chosen.is_none();
    let obstacle = match is_gone {
        true => Some("The chosen model is no longer there: choose another"),
        false => state.obstacle_to(factor),
    };
    match obstacle {
        Some(obstacle) => {
            let text = format!("{}  {obstacle}", icons::WARNING);
            let text = RichText::new(text).color(tokens(ui).warning);
            ui.add(egui::Label::new(text).wrap());
        }
        None => {
            let from = state.document().size_px();
            let to = from.map(|side| side * factor);
            let text = format!(
                "{} × {} becomes {} × {} pixels; masks, boxes and label maps grow with it.",
                from[0], from[1], to[0], to[1]
            );
            note_ui(ui, text);
        }
    }
    buttons(ui, |ui| {
        if main_button(ui, "Enlarge", obstacle.is_none()).clicked() {
            let by = chosen.map_or(Enlarger::Network, |model| {
                Enlarger::Model(form.how(model, state))
            });
            commands.push(Command::EnlargeBy(by));
        }
        if ui.button("Cancel").clicked() {
            commands.push(Command::CloseDialog);
        }
    });
}

/// A line of the list.
fn choice_ui(
    ui: &mut Ui,
    is_chosen: bool,
    (name, factor): (&str, u32),
    note: &str,
) -> egui::Response {
    let times = RichText::new(format!("×{factor}")).color(tokens(ui).text_muted);
    let button = egui::Button::selectable(is_chosen, name)
        .right_text(times)
        .truncate()
        .min_size(vec2(ui.available_width(), height::CONTROL));
    ui.add(button)
        .accessible_name(format!("{name}, ×{factor}"))
        .on_hover_text(note)
}

/// Why there is nothing but the network, and what could be done.
fn no_models_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    if state.library.is_looking() {
        note_ui(ui, "Looking for models of super-resolution…");
        return;
    }
    note_ui(
        ui,
        "No model of super-resolution is installed. Train one from a folder of pictures, or open one from the list of models.",
    );
    if ui.button("Models…").clicked() {
        commands.push(LibraryCommand::Open.into());
    }
}

fn note_ui(ui: &mut Ui, text: impl Into<String>) {
    let text = RichText::new(text).color(tokens(ui).text_muted);
    ui.add(egui::Label::new(text).wrap());
}
