//! Draws what the tool in hand has over the canvas, and the pointer.

use egui::{Color32, CursorIcon, Painter, Pos2, Response, Stroke, Ui};

use super::CanvasInput;
use super::gesture::Gesture;
use crate::geometry::{CanvasPoint, CanvasTransform, CanvasView, Viewport};
use crate::tools::{Cursor, OverlayShape};
use crate::ui::theme::{radius, space, tokens, type_size};

/// Below this diameter, in points, a circle is lost and a cross is shown.
const SMALLEST_CIRCLE_POINTS: f32 = 5.0;

/// Side of a handle, in points.
const HANDLE_POINTS: f32 = 8.0;

/// Draws the shapes of the tool, and sets the cursor or draws it.
pub(super) fn overlay_ui(
    ui: &Ui,
    response: &Response,
    input: &CanvasInput<'_>,
    viewport: &Viewport,
    view: CanvasView,
    gesture: &Gesture,
) {
    let transform = view.transform(viewport);
    let painter = ui.painter_at(response.rect);
    if !input.is_tool_blocked {
        for shape in &input.overlay.standing {
            shape_ui(ui, &painter, shape, &transform);
        }
    }
    if gesture.is_panning() {
        ui.set_cursor_icon(CursorIcon::Grabbing);
        return;
    }
    if !(response.hovered() || input.is_gesture_active) {
        return;
    }
    if gesture.would_pan() {
        ui.set_cursor_icon(CursorIcon::Grab);
        return;
    }
    if input.is_tool_blocked {
        ui.set_cursor_icon(CursorIcon::NotAllowed);
        return;
    }
    for shape in &input.overlay.shapes {
        shape_ui(ui, &painter, shape, &transform);
    }
    let line = 1.0 / ui.pixels_per_point();
    match input.overlay.cursor {
        Cursor::Grab => ui.set_cursor_icon(CursorIcon::Grab),
        Cursor::Grabbing => ui.set_cursor_icon(CursorIcon::Grabbing),
        Cursor::Crosshair => ui.set_cursor_icon(CursorIcon::Crosshair),
        Cursor::Pointing => ui.set_cursor_icon(CursorIcon::PointingHand),
        Cursor::Move => ui.set_cursor_icon(CursorIcon::Move),
        Cursor::Resize { x, y } => ui.set_cursor_icon(match (x, y) {
            (_, 0) => CursorIcon::ResizeHorizontal,
            (0, _) => CursorIcon::ResizeVertical,
            (x, y) if x == y => CursorIcon::ResizeNwSe,
            _ => CursorIcon::ResizeNeSw,
        }),
        Cursor::Ring { size_px, core_px } => {
            let Some(pos) = ui.input(|i| i.pointer.latest_pos()) else {
                return;
            };
            let scale = transform.points_per_pixel;
            let diameter = size_px * scale;
            if diameter < SMALLEST_CIRCLE_POINTS {
                ui.set_cursor_icon(CursorIcon::Crosshair);
                return;
            }
            ui.set_cursor_icon(CursorIcon::None);
            ring(&painter, line, pos, diameter, core_px * scale);
        }
    }
}

fn shape_ui(ui: &Ui, painter: &Painter, shape: &OverlayShape, transform: &CanvasTransform) {
    let line = 1.0 / ui.pixels_per_point();
    let at = |point: CanvasPoint| {
        let point = transform.ui_from_canvas(point);
        egui::pos2(point.x, point.y)
    };
    match shape {
        OverlayShape::Line { from, to } => two_tone(painter, line, [at(*from), at(*to)]),
        OverlayShape::Guide { from, to } => {
            // In the middle of a row of screen pixels, so that it is one pixel wide.
            let crisp = |v: f32| ((v / line).floor() + 0.5) * line;
            let ends = [at(*from), at(*to)].map(|end| egui::pos2(crisp(end.x), crisp(end.y)));
            painter.line_segment(ends, Stroke::new(line, tokens(ui).guide));
        }
        OverlayShape::Handle(point) => handle(painter, at(*point)),
        OverlayShape::Note { at: point, text } => note_ui(ui, painter, at(*point), text),
    }
}

/// A knob to pull at.
pub(super) fn handle(painter: &Painter, at: Pos2) {
    let side = egui::Vec2::splat(HANDLE_POINTS);
    let knob = egui::Rect::from_center_size(at, side);
    let stroke = Stroke::new(1.0, Color32::from_black_alpha(200));
    painter.rect(knob, 1.0, Color32::WHITE, stroke, egui::StrokeKind::Inside);
}

/// Words on a dark ground, which can be read on any picture.
fn note_ui(ui: &Ui, painter: &Painter, at: Pos2, text: &str) {
    let font = egui::FontId::proportional(type_size::SMALL);
    let galley = ui.fonts_mut(|fonts| fonts.layout_no_wrap(text.to_owned(), font, Color32::WHITE));
    let size = galley.size() + egui::vec2(2.0 * space::XS, 2.0);
    let clip = painter.clip_rect();
    let center = at + egui::vec2(0.0, space::S + size.y * 0.5);
    let inside = clip.shrink2(size * 0.5);
    let place = egui::Rect::from_center_size(center.clamp(inside.min, inside.max), size);
    painter.rect_filled(place, radius::CONTROL, Color32::from_black_alpha(190));
    let corner = place.center() - galley.size() * 0.5;
    painter.galley(corner, galley, Color32::WHITE);
}

/// A light line inside a dark one can be seen on any picture.
fn two_tone(painter: &Painter, line: f32, ends: [Pos2; 2]) {
    let stroke = |width: f32, color: Color32| Stroke::new(width * line, color);
    painter.line_segment(ends, stroke(2.0, Color32::from_black_alpha(110)));
    painter.line_segment(ends, stroke(1.0, Color32::from_white_alpha(200)));
}

fn ring(painter: &Painter, line: f32, pos: Pos2, diameter: f32, core: f32) {
    // As with lines, so that it can be seen on any picture.
    let radius = diameter * 0.5;
    painter.circle_stroke(
        pos,
        radius + line,
        Stroke::new(line, Color32::from_black_alpha(180)),
    );
    painter.circle_stroke(
        pos,
        radius,
        Stroke::new(line, Color32::from_white_alpha(230)),
    );
    if core < diameter * 0.95 && core > SMALLEST_CIRCLE_POINTS {
        painter.circle_stroke(
            pos,
            core * 0.5,
            Stroke::new(line, Color32::from_white_alpha(90)),
        );
    }
    let arm = 3.0;
    if diameter > 6.0 * arm {
        for (dx, dy) in [(arm, 0.0), (0.0, arm)] {
            let ends = [pos - egui::vec2(dx, dy), pos + egui::vec2(dx, dy)];
            two_tone(painter, line, ends);
        }
    }
}
