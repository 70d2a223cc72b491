//! What can be set on the tool in hand, above the canvas.

use egui::{RichText, Ui};

use super::frame_options::frame_options_ui;
use crate::app::actions::{semantic, view};
use crate::app::frame::frame_is_in_hand;
use crate::app::{AppState, Command, CommandSink, sentence};
use crate::document::LayerKind;
use crate::recipe::param::{Number, Value};
use crate::tools::{Choice, Target};
use crate::ui::theme::{height, medium, radius, space, tokens};
use crate::ui::widgets::{
    CONTROL_ICON, IconButton, action_button, colour_button, hex, number_field, number_slider,
};

const SLIDER_WIDTH: f32 = 72.0;
const NUMBER_WIDTH: f32 = 60.0;
const SWATCH_PX: f32 = 18.0;

/// Shows the settings of the tool in hand, and the zoom at the right.
pub fn tool_options_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    ui.horizontal_centered(|ui| {
        let tool = state.toolbox.active();
        ui.label(RichText::new(tool.label).family(medium()));
        ui.add_space(space::S);

        let options = state.toolbox.options();
        let (note, color) = match state.toolbox.target(state.document()) {
            // Instead of the settings, which have nothing to act on: there is
            // not room for both.
            Err(obstacle) => (sentence(&obstacle.to_string()), tokens(ui).warning),
            Ok(_) if frame_is_in_hand(state) => {
                frame_options_ui(ui, state, commands);
                Default::default()
            }
            Ok(_) if !has_settings(state) => {
                class_ui(ui, state);
                colours_ui(ui, state, commands);
                (tool.hint.to_owned(), tokens(ui).text_muted)
            }
            Ok(_) => {
                class_ui(ui, state);
                for (choice, chosen) in state.toolbox.choices() {
                    if let Some(option) = choice_ui(ui, choice, chosen) {
                        let id = choice.id;
                        commands.push(Command::SetToolChoice { id, option });
                    }
                }
                colours_ui(ui, state, commands);
                let document = state.document();
                let is_used = |number: &Number| !state.toolbox.is_option_idle(number.id, document);
                for (number, value) in options.iter().filter(|(number, _)| is_used(number)) {
                    if let Some(value) = option_ui(ui, number, *value) {
                        let id = number.id;
                        commands.push(Command::SetToolOption { id, value });
                    }
                }
                // The line at the bottom says how it is used.
                Default::default()
            }
        };

        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = space::XS;
            for action in [&view::FIT, &view::ZOOM_IN, &view::ZOOM_OUT] {
                action_button(ui, action, CONTROL_ICON, state, commands);
            }
            ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
                if !note.is_empty() {
                    let note = RichText::new(note).color(color);
                    ui.add(egui::Label::new(note).truncate());
                }
            });
        });
    });
}

/// Whether the tool in hand has settings.
pub(super) fn has_settings(state: &AppState) -> bool {
    let toolbox = &state.toolbox;
    frame_is_in_hand(state) || !toolbox.options().is_empty() || !toolbox.choices().is_empty()
}

/// The class that is painted with, where a label map is in hand, and not a tool that paints
/// colours beside it.
fn class_ui(ui: &mut Ui, state: &AppState) {
    let document = state.document();
    let goes_elsewhere = match state.toolbox.target(document) {
        Ok(Target::Layer(id)) => document
            .layer(id)
            .is_some_and(|layer| layer.kind() != LayerKind::Semantic),
        Ok(Target::NewLayer) => true,
        _ => false,
    };
    if !semantic::is_in_hand(state) || goes_elsewhere {
        return;
    }
    let Some(class) = state.document().selected_class() else {
        return;
    };
    let [r, g, b] = class.color;
    let (rect, _) = ui.allocate_exact_size(egui::vec2(16.0, 16.0), egui::Sense::hover());
    ui.painter()
        .rect_filled(rect, radius::CONTROL, egui::Color32::from_rgb(r, g, b));
    ui.add(egui::Label::new(&*class.name).truncate());
    ui.add_space(space::S);
}

/// The colour in hand, and those before it, where the tool in hand paints colours.
fn colours_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let Some(colours) = state.toolbox.colours() else {
        return;
    };
    ui.spacing_mut().item_spacing.x = space::XS;
    let mut now = colours.now;
    let size = egui::vec2(height::CONTROL, SWATCH_PX);
    let named = format!("Colour {}", hex(now));
    colour_button(ui, &mut now, size, &named)
        .on_hover_text("The colour to paint with; I and a click on the canvas picks one there");
    for colour in colours.recent() {
        let (rect, response) =
            ui.allocate_exact_size(egui::Vec2::splat(SWATCH_PX), egui::Sense::click());
        let [r, g, b] = *colour;
        let fill = egui::Color32::from_rgb(r, g, b);
        ui.painter().rect_filled(rect, radius::CONTROL, fill);
        if *colour == colours.now {
            let ring = egui::Stroke::new(2.0, tokens(ui).accent);
            let kind = egui::StrokeKind::Outside;
            ui.painter().rect_stroke(rect, radius::CONTROL, ring, kind);
        }
        let named = format!("Paint with {}", hex(*colour));
        let response = response.on_hover_text(&named);
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &named));
        if response.clicked() {
            now = *colour;
        }
    }
    if now != colours.now {
        commands.push(Command::TakeColour(now));
    }
    ui.add_space(space::S);
}

/// The options of a choice beside each other; gives the one that was chosen.
fn choice_ui(ui: &mut Ui, choice: &'static Choice, chosen: usize) -> Option<usize> {
    let mut clicked = None;
    ui.spacing_mut().item_spacing.x = space::XS;
    for (place, option) in choice.options.iter().enumerate() {
        let button = IconButton::new(option.icon, option.label).selected(place == chosen);
        if button.show(ui).clicked() {
            clicked = Some(place);
        }
    }
    ui.add_space(space::S);
    clicked
}

/// A slider and its number; gives the value that was set.
fn option_ui(ui: &mut Ui, number: &'static Number, mut value: Value) -> Option<Value> {
    let before = value;
    let text = RichText::new(number.label).color(tokens(ui).text_muted);
    let id = ui.label(text).on_hover_text(number.hint).id;
    number_slider(ui, number, &mut value, SLIDER_WIDTH).labelled_by(id);
    number_field(ui, number, &mut value, [NUMBER_WIDTH, height::CONTROL]).labelled_by(id);
    ui.add_space(space::S);
    (value != before).then_some(value)
}
