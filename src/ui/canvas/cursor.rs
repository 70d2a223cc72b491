//! How the pointer looks over the canvas.

use eframe::egui;
use egui::{Color32, CursorIcon, Pos2, Response, Stroke, Ui};

use super::CanvasInput;
use super::gesture::Gesture;
use crate::geometry::{CanvasView, Viewport};
use crate::tools::ToolCursor;

/// Below this diameter, in points, a circle is lost and a cross is shown.
const SMALLEST_CIRCLE_POINTS: f32 = 5.0;

/// Sets the cursor, or draws the circle of the brush.
pub(super) fn cursor_ui(
    ui: &Ui,
    response: &Response,
    input: &CanvasInput<'_>,
    viewport: &Viewport,
    view: CanvasView,
    gesture: &Gesture,
) {
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
    match input.cursor {
        ToolCursor::Grab => ui.set_cursor_icon(CursorIcon::Grab),
        ToolCursor::Grabbing => ui.set_cursor_icon(CursorIcon::Grabbing),
        ToolCursor::Circle { size_px, core_px } => {
            let Some(pos) = ui.input(|i| i.pointer.latest_pos()) else {
                return;
            };
            let scale = view.transform(viewport).points_per_pixel;
            let diameter = size_px * scale;
            if diameter < SMALLEST_CIRCLE_POINTS {
                ui.set_cursor_icon(CursorIcon::Crosshair);
                return;
            }
            ui.set_cursor_icon(CursorIcon::None);
            circles(ui, response, pos, diameter, core_px * scale);
        }
    }
}

fn circles(ui: &Ui, response: &Response, pos: Pos2, diameter: f32, core: f32) {
    let painter = ui.painter_at(response.rect);
    let line = 1.0 / ui.pixels_per_point();
    // A light line inside a dark one can be seen on any picture.
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
            painter.line_segment(
                ends,
                Stroke::new(2.0 * line, Color32::from_black_alpha(110)),
            );
            painter.line_segment(ends, Stroke::new(line, Color32::from_white_alpha(200)));
        }
    }
}
