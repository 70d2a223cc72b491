//! The frame in numbers, and the menu of what suits the model, above the canvas.

use egui::{DragValue, RichText, Ui};

use super::menu_bar::{entries_ui, menu_style};
use crate::app::actions::frame;
use crate::app::form::FormChange;
use crate::app::frame::{FrameCommand, PADDING};
use crate::app::{AppState, CommandSink};
use crate::document::{FrameChoice, MAX_SIDE_PX};
use crate::frame::RATIOS;
use crate::geometry::CanvasRect;
use crate::icons;
use crate::recipe::param::Value;
use crate::ui::theme::{height, space, tokens};
use crate::ui::widgets::number_field;

/// Width of a field.
const FIELD_WIDTH: f32 = 64.0;

/// Width of the menu.
const MENU_WIDTH: f32 = 236.0;

/// Shows the menu, and the frame of the next job in numbers.
pub(super) fn frame_options_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    ui.spacing_mut().item_spacing.x = space::XS;
    let document = state.document();
    let chosen = match document.frame() {
        FrameChoice::Automatic => "Automatic",
        FrameChoice::Canvas => "No frame",
        FrameChoice::Fixed(_) => "Own frame",
    };
    let frame = state.job_frame();
    let rect = frame.map_or_else(|| document.rect(), |frame| frame.rect);
    let menu = ui.menu_button(format!("{chosen}  {}", icons::CARET_DOWN), |ui| {
        menu_style(ui.style_mut());
        ui.set_min_width(MENU_WIDTH);
        entries_ui(ui, frame::ENTRIES, state, commands);
        ui.separator();
        sizes_ui(ui, state, rect, commands);
    });
    menu.response
        .on_hover_text("What the next job paints, and sizes that suit the model")
        .accessible_name("Kind and size of the frame");
    ui.add_space(space::S);

    let [mut x, mut y] = rect.min;
    let [mut width, mut height] = rect.size_px().map(|side| side as i32);
    let far = MAX_SIDE_PX as i32;
    let mut has_ended = false;
    let mut is_changed = false;
    for (label, name, value, least) in [
        ("X", "Left of the frame", &mut x, -far),
        ("Y", "Top of the frame", &mut y, -far),
        ("W", "Width of the frame", &mut width, 1),
        ("H", "Height of the frame", &mut height, 1),
    ] {
        let text = RichText::new(label).color(tokens(ui).text_muted);
        ui.label(text);
        let field = DragValue::new(value)
            .range(least..=far)
            .clamp_existing_to_range(false)
            .speed(1.0)
            .update_while_editing(false);
        let size = [FIELD_WIDTH, height::CONTROL];
        let response = ui
            .add_sized(size, field)
            .on_hover_text(format!("{name}, in pixels of the picture"))
            .accessible_name(name);
        is_changed |= response.changed();
        has_ended |= response.drag_stopped() || (response.changed() && !response.dragged());
        ui.add_space(space::XS);
    }
    if is_changed || has_ended {
        let side = |side: i32| side.max(1).unsigned_abs();
        let placed = CanvasRect::from_min_size([x, y], [side(width), side(height)]);
        if placed != rect {
            let done = has_ended;
            commands.push(FrameCommand::Place { rect: placed, done }.into());
        }
    }
    if state.uses_padding() {
        padding_ui(ui, state, commands);
    }
}

/// How much of the picture around the mask is seen, where that decides where the frame is.
fn padding_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let before = Value::Whole(state.padding_px().into());
    let mut now = before;
    ui.add_space(space::XS);
    let text = RichText::new(PADDING.label).color(tokens(ui).text_muted);
    let id = ui.label(text).id;
    number_field(ui, &PADDING, &mut now, [FIELD_WIDTH, height::CONTROL])
        .labelled_by(id)
        .on_hover_text(PADDING.hint);
    if now != before {
        commands.set(FormChange::Padding(Some(now.as_u32())));
    }
}

/// Sizes of each ratio that the model paints as they are, and the frame made larger and
/// smaller.
fn sizes_ui(ui: &mut Ui, state: &AppState, rect: CanvasRect, commands: &mut CommandSink) {
    let faint = tokens(ui).text_faint;
    let mut entry = |ui: &mut Ui, label: String, size_px: [u32; 2]| {
        let [width, height] = size_px;
        let text = RichText::new(format!("{width} × {height}")).color(faint);
        let button = egui::Button::new(&*label)
            .frame_when_inactive(false)
            .right_text(text);
        if ui.add(button).accessible_name(&label).clicked() {
            commands.push(FrameCommand::Resize(size_px).into());
            ui.close();
        }
    };
    for ([across, down], size_px) in RATIOS.into_iter().zip(state.frame_model().sizes_px()) {
        let label = match across == down {
            true => "Square".to_owned(),
            false => format!("{across}:{down}"),
        };
        entry(ui, label, size_px);
    }
    ui.separator();
    let size_px = rect.size_px();
    let larger = size_px.map(|side| side.saturating_mul(2).min(MAX_SIDE_PX));
    entry(ui, "Twice as large".to_owned(), larger);
    let smaller = size_px.map(|side| (side / 2).max(1));
    entry(ui, "Half as large".to_owned(), smaller);
}
