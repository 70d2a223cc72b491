//! Draws the frame of the next job: lines of the screen, as sharp at every zoom.

use egui::{Align2, Color32, Painter, Pos2, Rect, Stroke, StrokeKind, Ui};

use super::overlay::handle;
use crate::app::frame::FrameShown;
use crate::geometry::{CanvasPoint, CanvasTransform};
use crate::tools::handle_places;
use crate::ui::theme::{radius, space, tokens, type_size};

/// How much of the light is taken from what lies outside of the frame, of 255.
const DIM: u8 = 70;

/// Draws the outline with its sizes; while its tool is in hand also the handles, and what
/// lies outside stands back.
pub(super) fn frame_ui(ui: &Ui, canvas: Rect, shown: &FrameShown, transform: &CanvasTransform) {
    let painter = ui.painter_at(canvas);
    let line = 1.0 / ui.pixels_per_point();
    let crisp = |v: f32| (v / line).round() * line;
    let at = |point: CanvasPoint| {
        let point = transform.ui_from_canvas(point);
        Pos2::new(crisp(point.x), crisp(point.y))
    };
    let corner = |[x, y]: [i32; 2]| at(CanvasPoint::new(x as f32, y as f32));
    let frame = Rect::from_min_max(corner(shown.rect.min), corner(shown.rect.max));
    if shown.is_in_hand {
        dim(&painter, frame);
    }
    // A dark line on both sides, so that the colour can be seen on any picture.
    let width = if shown.is_in_hand { 2.0 * line } else { line };
    let dark = Stroke::new(width + 2.0 * line, Color32::from_black_alpha(120));
    painter.rect_stroke(frame, 0.0, dark, StrokeKind::Outside);
    let stroke = Stroke::new(width, tokens(ui).frame);
    painter.rect_stroke(frame.expand(line), 0.0, stroke, StrokeKind::Outside);
    if shown.is_in_hand {
        for place in handle_places(shown.rect) {
            handle(&painter, at(place));
        }
    }
    label(ui, &painter, frame, &shown.label);
}

fn dim(painter: &Painter, frame: Rect) {
    let canvas = painter.clip_rect();
    let seen = frame.intersect(canvas);
    let color = Color32::from_black_alpha(DIM);
    if !seen.is_positive() {
        painter.rect_filled(canvas, 0.0, color);
        return;
    }
    let across = |top: f32, bottom: f32| {
        Rect::from_min_max(
            Pos2::new(canvas.left(), top),
            Pos2::new(canvas.right(), bottom),
        )
    };
    let beside = |left: f32, right: f32| {
        Rect::from_min_max(Pos2::new(left, seen.top()), Pos2::new(right, seen.bottom()))
    };
    for part in [
        across(canvas.top(), seen.top()),
        across(seen.bottom(), canvas.bottom()),
        beside(canvas.left(), seen.left()),
        beside(seen.right(), canvas.right()),
    ] {
        painter.rect_filled(part, 0.0, color);
    }
}

/// The sizes above the left corner, or inside of it where there is no room.
fn label(ui: &Ui, painter: &Painter, frame: Rect, text: &str) {
    let font = egui::FontId::proportional(type_size::SMALL);
    let color = tokens(ui).on_frame;
    let galley = ui.fonts_mut(|fonts| fonts.layout_no_wrap(text.to_owned(), font, color));
    let size = galley.size() + egui::vec2(2.0 * space::XS, 2.0);
    let canvas = painter.clip_rect();
    let seen = frame.intersect(canvas);
    if !seen.is_positive() {
        return;
    }
    let gap = space::XS;
    let above = frame.top() - size.y - gap;
    let top = match above >= canvas.top() {
        true => above,
        false => seen.top() + gap,
    };
    let left = frame.left().max(canvas.left() + gap);
    let left = left.min(canvas.right() - size.x - gap);
    let place = Rect::from_min_size(Pos2::new(left, top), size);
    painter.rect_filled(place, f32::from(radius::CONTROL), tokens(ui).frame);
    let corner = Align2::CENTER_CENTER.align_size_within_rect(galley.size(), place);
    painter.galley(corner.min, galley, color);
}
