//! The one button that matters most, and what it becomes while a job runs.

use egui::{Align2, Color32, CornerRadius, FontId, Rect, Sense, Ui, vec2};

use crate::ui::theme::{height, radius, semibold, space, tokens, type_size};

/// A wide button in the accent colour.
pub struct PrimaryButton<'a> {
    icon: &'a str,
    text: &'a str,
    trailing: String,
    enabled: bool,
}

impl<'a> PrimaryButton<'a> {
    /// A button with an icon and its text.
    pub fn new(icon: &'a str, text: &'a str) -> Self {
        Self {
            icon,
            text,
            trailing: String::new(),
            enabled: true,
        }
    }

    /// Small text at the right end, such as the keys.
    pub fn trailing(mut self, trailing: impl Into<String>) -> Self {
        self.trailing = trailing.into();
        self
    }

    /// Whether it can be pressed.
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// Shows the button over the given width.
    pub fn show(self, ui: &mut Ui, width: f32) -> egui::Response {
        let tokens = tokens(ui);
        let sense = if self.enabled {
            Sense::click()
        } else {
            Sense::hover()
        };
        let (rect, response) = ui.allocate_exact_size(vec2(width, height::PRIMARY), sense);
        response
            .widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, self.enabled, self.text));
        let (fill, color) = match self.enabled {
            false => (tokens.control, tokens.text_faint),
            true if response.is_pointer_button_down_on() => {
                (tokens.accent_pressed, tokens.on_accent)
            }
            true if response.hovered() => (tokens.accent_hovered, tokens.on_accent),
            true => (tokens.accent, tokens.on_accent),
        };
        let corner = CornerRadius::same(radius::CONTROL);
        ui.painter().rect_filled(rect, corner, fill);
        focus_ring(ui, rect, response.has_focus());
        centered(ui, rect, self.icon, self.text, color);
        ui.painter().text(
            rect.right_center() - vec2(space::M, 0.0),
            Align2::RIGHT_CENTER,
            &self.trailing,
            FontId::proportional(type_size::SMALL),
            color.gamma_multiply(0.8),
        );
        response
    }
}

/// The same place while a job runs: shows how far it is and ends it when pressed.
pub fn progress_button(
    ui: &mut Ui,
    width: f32,
    fraction: f32,
    icon: &str,
    text: &str,
    note: &str,
) -> egui::Response {
    let tokens = tokens(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(width, height::PRIMARY), Sense::click());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, text));
    let corner = CornerRadius::same(radius::CONTROL);
    let ground = if response.hovered() {
        tokens.control_hovered
    } else {
        tokens.control
    };
    ui.painter().rect_filled(rect, corner, ground);
    let mut done = rect;
    done.set_width(rect.width() * fraction.clamp(0.0, 1.0));
    ui.painter()
        .with_clip_rect(done.intersect(ui.clip_rect()))
        .rect_filled(rect, corner, tokens.accent_soft);
    focus_ring(ui, rect, response.has_focus());
    let middle = rect.left_center() + vec2(space::M, 0.0);
    let left = Align2::LEFT_CENTER;
    let icon = ui.painter().text(
        middle,
        left,
        icon,
        FontId::proportional(type_size::ICON),
        tokens.text,
    );
    let start = egui::pos2(icon.right() + space::S, middle.y);
    ui.painter().text(
        start,
        left,
        text,
        FontId::new(type_size::BODY, semibold()),
        tokens.text,
    );
    ui.painter().text(
        rect.right_center() - vec2(space::M, 0.0),
        Align2::RIGHT_CENTER,
        note,
        FontId::proportional(type_size::SMALL),
        tokens.text_muted,
    );
    response
}

fn focus_ring(ui: &Ui, rect: Rect, focused: bool) {
    if focused {
        let stroke = egui::Stroke::new(2.0, tokens(ui).accent_text);
        let corner = CornerRadius::same(radius::CONTROL);
        ui.painter()
            .rect_stroke(rect, corner, stroke, egui::StrokeKind::Outside);
    }
}

fn centered(ui: &Ui, rect: Rect, icon: &str, text: &str, color: Color32) {
    let text = ui.painter().layout_no_wrap(
        text.to_owned(),
        FontId::new(type_size::BODY + 1.0, semibold()),
        color,
    );
    let icon = ui.painter().layout_no_wrap(
        icon.to_owned(),
        FontId::proportional(type_size::TOOL_ICON),
        color,
    );
    let width = icon.size().x + space::S + text.size().x;
    let mut x = rect.center().x - width * 0.5;
    for galley in [icon, text] {
        let size = galley.size();
        ui.painter()
            .galley(egui::pos2(x, rect.center().y - size.y * 0.5), galley, color);
        x += size.x + space::S;
    }
}
