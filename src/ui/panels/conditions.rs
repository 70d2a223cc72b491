//! What the document holds for the model besides pictures: a switch and a weight for
//! each, and why the model cannot be told of it.

use egui::{Align, Layout, RichText, Ui, vec2};

use crate::app::actions::boxes::{AROUND_MASK, FROM_MAP, FROM_WORDS};
use crate::app::conditions::{Condition, Placing};
use crate::app::form::{FormChange, Intent};
use crate::app::{AppState, Command, CommandSink};
use crate::icons;
use crate::recipe::param::GUIDE_SCALE;
use crate::recipe::{GuideKind, ModelSource};
use crate::ui::theme::{height, space, tokens, type_size};
use crate::ui::widgets::{
    CONTROL_ICON, action_button, combo, number_field, number_row, number_slider, row,
};

/// Width of the weight at the end of a row.
const NUMBER_WIDTH: f32 = 56.0;

/// Shows a row for everything that is drawn.
pub(super) fn conditions_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let drawn = Condition::ALL.into_iter();
    for condition in drawn.filter(|condition| state.has_drawn(*condition)) {
        let refusal = state.refusal(condition);
        condition_ui(ui, state, condition, refusal.as_deref(), commands);
        if let Some(refusal) = refusal {
            refusal_ui(ui, &refusal, state.model_for(condition), commands);
            continue;
        }
        if let (Some(sentence), true) = (state.substitute(condition), state.tells(condition)) {
            let text = RichText::new(&sentence)
                .color(tokens(ui).text_muted)
                .size(type_size::SMALL + 1.0);
            ui.add(egui::Label::new(text).wrap());
        }
        if condition == Condition::Boxes
            && state.tells(condition)
            && let Some(number) = state.box_number()
        {
            let now = state.form().number(number);
            if let (_, Some(value)) = number_row(ui, number, now) {
                commands.set(FormChange::Number(number, value));
            }
        }
        if condition == Condition::LabelMap
            && state.tells(condition)
            && let Some(unknown) = state.unknown_classes()
        {
            let text = warning(ui, &unknown);
            ui.add(egui::Label::new(text).truncate());
        }
    }
    composing_ui(ui, state, commands);
    small_picture_ui(ui, state, commands);
    guide_ui(ui, state, commands);
}

/// Whether the model places boxes for the words or the label map, where it can.
fn composing_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let (text, hint, drawing) = match state.placing() {
        Some(Placing::Words) => (
            "Placed for the words",
            "The model first decides where everything lies that the prompt names, and \
             then paints it there: sides and numbers come out right more often",
            &FROM_WORDS,
        ),
        Some(Placing::Things) => (
            "Taken from the map",
            "Each thing on the label map is told as a box too: of a map alone the model \
             sees where something is, and often takes it for something else",
            &FROM_MAP,
        ),
        Some(Placing::Missing) => (
            "For what is missing",
            "What the prompt names and the picture outside of the mask does not show is \
             told as a box inside of it: it is painted there more often. What stands outside \
             of the frame is not painted once more",
            &AROUND_MASK,
        ),
        None => return masking_ui(ui, state, commands),
    };
    let mut is_on = state.form().places_boxes;
    row(ui, "Boxes", |ui, _| {
        if ui.checkbox(&mut is_on, text).on_hover_text(hint).changed() {
            commands.set(FormChange::PlacesBoxes(is_on));
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            action_button(ui, drawing, CONTROL_ICON, state, commands);
        });
    });
}

/// A box around the mask, where what is painted there could be told as one.
fn masking_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let model = state.model_summary();
    let knows_boxes = model.is_some_and(|model| Condition::Boxes.is_known(&model.inputs));
    let is_repainted = matches!(state.intent(), Intent::Inpaint | Intent::Outpaint);
    if knows_boxes && is_repainted && !state.has_drawn(Condition::Boxes) {
        row(ui, "Boxes", |ui, _| {
            ui.label(RichText::new("None drawn").color(tokens(ui).text_muted));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                action_button(ui, &AROUND_MASK, CONTROL_ICON, state, commands);
            });
        });
    }
}

/// The layer that the model is shown in small.
fn small_picture_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let pictures = state.small_pictures();
    if pictures.is_empty() {
        return;
    }
    let chosen = state.small_picture();
    let refusal = state.small_picture_refusal();
    row(ui, "Low-res", |ui, label| {
        let text = chosen.map_or_else(|| "No picture".to_owned(), |layer| layer.name.clone());
        let list = ui.add_enabled_ui(refusal.is_none(), |ui| {
            combo("small picture", text, ui.available_width()).show_ui(ui, |ui| {
                if ui
                    .selectable_label(chosen.is_none(), "No picture")
                    .clicked()
                {
                    commands.push(Command::ShowInSmall(None));
                }
                for layer in &pictures {
                    let is_chosen = chosen.is_some_and(|chosen| chosen.id == layer.id);
                    if ui.selectable_label(is_chosen, &layer.name).clicked() {
                        commands.push(Command::ShowInSmall(Some(layer.id)));
                    }
                }
            })
        });
        let list = list.inner.response.labelled_by(label);
        list.on_hover_text(
            "A layer that the model is shown in small: it paints it anew, with detail",
        )
        .on_disabled_hover_text(refusal.as_deref().unwrap_or_default());
    });
    if let Some(refusal) = refusal {
        refusal_ui(ui, &refusal, state.model_for_small_pictures(), commands);
    }
}

/// The layer that pulls what is painted towards itself, and how.
fn guide_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let pictures = state.guides();
    if pictures.is_empty() {
        return;
    }
    let chosen = state.guide();
    row(ui, "Guide", |ui, label| {
        let text = chosen.map_or_else(|| "No picture".to_owned(), |layer| layer.name.clone());
        let list = combo("guide", text, ui.available_width());
        let list = list.show_ui(ui, |ui| {
            let none = ui.selectable_label(chosen.is_none(), "No picture");
            if none.clicked() {
                commands.push(Command::GuideBy(None));
            }
            for layer in &pictures {
                let is_chosen = chosen.is_some_and(|chosen| chosen.id == layer.id);
                if ui.selectable_label(is_chosen, &layer.name).clicked() {
                    commands.push(Command::GuideBy(Some(layer.id)));
                }
            }
        });
        list.response.labelled_by(label).on_hover_text(
            "A layer that pulls what is painted towards itself, with any model; \
             where it is transparent everything is free",
        );
    });
    if chosen.is_none() {
        return;
    }
    let form = state.form();
    let kind = form.spec.guide_kind;
    row(ui, "Guide by", |ui, label| {
        let list = combo("guide kind", kind.label(), ui.available_width());
        let list = list.show_ui(ui, |ui| {
            for offered in GuideKind::ALL {
                let entry = ui.selectable_label(offered == kind, offered.label());
                if entry.clicked() {
                    commands.set(FormChange::GuideKind(offered));
                }
            }
        });
        list.response
            .labelled_by(label)
            .on_hover_text("What of the layer counts");
    });
    if let (_, Some(value)) = number_row(ui, &GUIDE_SCALE, form.number(&GUIDE_SCALE)) {
        commands.set(FormChange::Number(&GUIDE_SCALE, value));
    }
}

fn warning(ui: &Ui, sentence: &str) -> RichText {
    RichText::new(format!("{}  {sentence}", icons::WARNING))
        .color(tokens(ui).warning)
        .size(type_size::SMALL + 1.0)
}

fn condition_ui(
    ui: &mut Ui,
    state: &AppState,
    condition: Condition,
    refusal: Option<&str>,
    commands: &mut CommandSink,
) {
    let form = state.form();
    let number = condition.weight();
    row(ui, number.label, |ui, label| {
        let mut is_on = form.uses(condition) && refusal.is_none();
        let name = format!("Use the {}", number.label.to_lowercase());
        let tick = ui
            .add_enabled(refusal.is_none(), egui::Checkbox::without_text(&mut is_on))
            .accessible_name(&name)
            .on_hover_text(&name)
            .on_disabled_hover_text(refusal.unwrap_or_default());
        if tick.changed() {
            commands.set(FormChange::Uses(condition, is_on));
        }
        ui.add_enabled_ui(is_on, |ui| {
            let before = form.number(number);
            let mut weight = before;
            let width = ui.available_width() - NUMBER_WIDTH - space::S;
            let slid = number_slider(ui, number, &mut weight, width).labelled_by(label);
            let size = [NUMBER_WIDTH, height::CONTROL];
            let typed = number_field(ui, number, &mut weight, size).labelled_by(label);
            (slid | typed).on_hover_text(number.hint);
            if weight != before {
                commands.set(FormChange::Number(number, weight));
            }
        });
    });
}

/// Why the model cannot be told of something, and a model that can.
fn refusal_ui(
    ui: &mut Ui,
    refusal: &str,
    other: Option<(&ModelSource, &str)>,
    commands: &mut CommandSink,
) {
    let text = warning(ui, refusal);
    ui.add(egui::Label::new(text).wrap());
    let Some((source, name)) = other else { return };
    let size = vec2(ui.available_width(), height::CONTROL);
    ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
        if ui.small_button(format!("Use {name}")).clicked() {
            commands.push(Command::ChooseModel(source.clone()));
        }
    });
}
