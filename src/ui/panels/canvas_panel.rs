//! The middle of the window: the canvas, and what stands there before there is
//! a picture.

use egui::{Align, Layout, RichText, Ui, vec2};

use crate::app::actions::{Action, file::OPEN, generate::GENERATE};
use crate::app::shortcuts::keys_of;
use crate::app::{AppState, CommandSink, boxes};
use crate::document::LayerKind;
use crate::geometry::UiPoint;
use crate::gpu::{ClassesShown, LiveFrame, LivePicture};
use crate::recipe::InputSpec;
use crate::tools::Target;
use crate::ui::UiState;
use crate::ui::canvas::{BoxLook, CanvasInput, viewport_of};
use crate::ui::theme::{radius, semibold, space, tokens, type_size};

use super::class_list::class_list_ui;

/// Shows the canvas.
pub fn canvas_panel_ui(
    ui: &mut Ui,
    state: &AppState,
    own: &mut UiState,
    commands: &mut CommandSink,
) {
    let rect = ui.max_rect();
    show_canvas(ui, state, own, commands);
    let at = chosen_on_screen(ui, rect, state);
    class_list_ui(ui, rect, at, state, &mut own.class_query, commands);
    if ui.ctx().input(|input| !input.raw.hovered_files.is_empty()) {
        drop_hint_ui(ui, rect);
    } else if is_empty(state) {
        empty_ui(ui, rect, state, commands);
    }
}

fn show_canvas(ui: &mut Ui, state: &AppState, own: &mut UiState, commands: &mut CommandSink) {
    let live = state.preview().map(|preview| LiveFrame {
        picture: preview
            .planes
            .and_then(|planes| own.planes.picture(&planes))
            .unwrap_or(LivePicture::Image(preview.image)),
        target: state.document().on_canvas(preview.place.area),
        mask: preview.place.mask,
    });
    if live.is_none() {
        own.planes.forget();
    }
    let input = CanvasInput {
        document: state.document(),
        view: state.front().view,
        overlay: state.toolbox.overlay(state.document()),
        is_tool_blocked: state.toolbox.target(state.document()).is_err(),
        is_gesture_active: state.toolbox.is_active(),
        live,
        is_mask_outlined: state.is_result_new(),
        boxes: box_look(state),
        classes: classes_shown(state),
        frame: state.frame_shown(),
    };
    own.canvas.show(ui, &input, commands);
}

fn classes_shown(state: &AppState) -> ClassesShown {
    ClassesShown {
        is_outlined: state.settings.panels.outlines,
        isolated: state.isolated_class(),
    }
}

/// Where the chosen boxes are in the window.
fn chosen_on_screen(ui: &Ui, canvas: egui::Rect, state: &AppState) -> egui::Rect {
    let viewport = viewport_of(canvas, ui.pixels_per_point());
    let transform = state.front().view.transform(&viewport);
    let at = |point| {
        let UiPoint { x, y } = transform.ui_from_canvas(point);
        egui::pos2(x, y)
    };
    let chosen = boxes::chosen(state);
    let places = chosen
        .iter()
        .map(|found| egui::Rect::from_min_max(at(found.min), at(found.max)));
    places.reduce(|a, b| a.union(b)).unwrap_or(canvas)
}

/// How boxes are drawn now, if they are.
fn box_look(state: &AppState) -> Option<BoxLook<'_>> {
    let is_in_hand = boxes::are_in_hand(state);
    (is_in_hand || state.settings.panels.boxes_on_canvas).then(|| BoxLook {
        classes: boxes::vocabulary(state).map(|vocabulary| vocabulary.classes),
        is_in_hand,
    })
}

/// Whether there is nothing to see or to wait for, and nothing about to be drawn.
fn is_empty(state: &AppState) -> bool {
    let document = state.document();
    let is_about_to_draw = match state.toolbox.target(document) {
        Ok(Target::Layer(id)) => document
            .layer(id)
            .is_some_and(|layer| layer.kind() != LayerKind::Mask),
        Ok(Target::NewLayer | Target::Frame) => true,
        Ok(Target::View) | Err(_) => false,
    };
    !is_about_to_draw
        && !document.has_picture()
        && !document.has_visible_conditions()
        && state.jobs.generation().is_none()
        && !state.live.is_on()
        && state.preview().is_none()
}

fn empty_ui(ui: &mut Ui, canvas: egui::Rect, state: &AppState, commands: &mut CommandSink) {
    let tokens = tokens(ui);
    let size = vec2(500.0, 180.0);
    let place = egui::Rect::from_center_size(canvas.center(), size);
    let builder = egui::UiBuilder::new()
        .max_rect(place)
        .layout(Layout::top_down(Align::Center));
    ui.scope_builder(builder, |ui| {
        let frame = egui::Frame::new()
            .fill(tokens.panel)
            .corner_radius(radius::SURFACE)
            .stroke(egui::Stroke::new(1.0, tokens.border_strong))
            .inner_margin(egui::Margin::same(24));
        frame.show(ui, |ui| {
            ui.set_width(size.x - 2.0 * space::XL);
            let title = RichText::new("An empty canvas");
            ui.label(title.family(semibold()).size(type_size::DISPLAY));
            ui.label(RichText::new(beginning(state)).color(tokens.text_muted));
            ui.add_space(space::S);
            let [wide, gap] = [148.0, space::S];
            let row = vec2(2.0 * wide + gap, 32.0);
            ui.allocate_ui_with_layout(row, Layout::left_to_right(Align::Center), |ui| {
                let mut button = |action: &Action, text: &str| {
                    let button = egui::Button::new((action.icon, text)).min_size(vec2(wide, row.y));
                    let keys = keys_of(action).unwrap_or_default();
                    let shown = ui.add(button).accessible_name(text).on_hover_text(keys);
                    if shown.clicked() {
                        commands.act(action, state);
                    }
                };
                button(&GENERATE, "Paint something");
                button(&OPEN, OPEN.label);
            });
        });
    });
}

/// What brings a picture onto the canvas with the chosen model, as a sentence.
fn beginning(state: &AppState) -> &'static str {
    let Some(model) = state.model_summary().filter(|model| !model.takes_text()) else {
        return "Describe a picture and press Generate, or open one to repaint.";
    };
    let takes = |is_so: fn(&InputSpec) -> bool| model.inputs.iter().any(is_so);
    if model.classes().is_some() {
        "Choose a class and press Generate, or open a picture to repaint."
    } else if model.map_classes().is_some() {
        "Draw a label map and press Generate, or open a picture to repaint."
    } else if takes(|input| matches!(input, InputSpec::Layout { .. })) {
        "Draw boxes and press Generate, or open a picture to repaint."
    } else if takes(|input| matches!(input, InputSpec::LowResolution { .. })) {
        "Open a small picture, and choose it at Low-res to paint it larger."
    } else if model.takes_mask() {
        "Open a picture, and paint a mask where it is to change."
    } else {
        "Press Generate, or open a picture to repaint."
    }
}

fn drop_hint_ui(ui: &Ui, canvas: egui::Rect) {
    let tokens = tokens(ui);
    let frame = canvas.shrink(space::S);
    // Above dialogs too: what is dropped is taken whatever is open.
    let layer = egui::LayerId::new(egui::Order::Tooltip, egui::Id::unique("drop hint"));
    let painter = ui.ctx().layer_painter(layer);
    painter.rect_filled(frame, radius::SURFACE, tokens.panel.gamma_multiply(0.85));
    painter.rect_filled(frame, radius::SURFACE, tokens.accent.gamma_multiply(0.25));
    let stroke = egui::Stroke::new(2.0, tokens.accent_text);
    painter.rect_stroke(frame, radius::SURFACE, stroke, egui::StrokeKind::Inside);
    painter.text(
        canvas.center(),
        egui::Align2::CENTER_CENTER,
        "Drop to open",
        egui::FontId::new(type_size::DISPLAY, semibold()),
        tokens.text,
    );
    painter.text(
        canvas.center() + egui::vec2(0.0, space::XL + space::XS),
        egui::Align2::CENTER_CENTER,
        "A picture, a project, layers (PSD), boxes, a LoRA, a model, or a folder of pictures to train on",
        egui::FontId::proportional(type_size::BODY),
        tokens.text,
    );
}
