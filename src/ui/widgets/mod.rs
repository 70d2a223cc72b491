//! Controls that several panels share.

mod colour_button;
mod icon_button;
mod number;
mod primary_button;
mod texture_cache;

use egui::{AtomExt as _, RichText, Ui, WidgetText, vec2};

use super::theme::{height, medium, space, tokens, type_size};
use crate::icons;

pub use colour_button::{colour_button, hex};
pub use icon_button::{CONTROL_ICON, IconButton, action_button};
pub use number::{named_number_row, number_field, number_row, number_slider};
pub use primary_button::{PrimaryButton, progress_button};
pub use texture_cache::TextureCache;

/// Width of the label in a row of the panels.
const LABEL_WIDTH: f32 = 80.0;

/// A row: a muted label, then controls in what is left of the width.
pub fn row(ui: &mut Ui, label: &str, add: impl FnOnce(&mut Ui, egui::Id)) {
    ui.horizontal(|ui| {
        ui.set_min_height(height::CONTROL);
        let id = row_label(ui, label);
        add(ui, id);
    });
}

fn row_label(ui: &mut Ui, label: &str) -> egui::Id {
    let color = tokens(ui).text_muted;
    let (rect, _) = ui.allocate_exact_size(
        vec2(LABEL_WIDTH - space::S, height::CONTROL),
        egui::Sense::hover(),
    );
    let text = egui::Label::new(RichText::new(label).color(color))
        .truncate()
        .halign(egui::Align::LEFT);
    ui.put_left(rect, text).id
}

/// Puts a widget at the left of a rectangle, centred vertically.
trait PutLeft {
    fn put_left(&mut self, rect: egui::Rect, widget: impl egui::Widget) -> egui::Response;
}

impl PutLeft for Ui {
    fn put_left(&mut self, rect: egui::Rect, widget: impl egui::Widget) -> egui::Response {
        let layout = egui::Layout::left_to_right(egui::Align::Center);
        // A child that takes no room: the caller has allocated it already.
        let builder = egui::UiBuilder::new().max_rect(rect).layout(layout);
        self.new_child(builder).add(widget)
    }
}

/// Width of what is beside the text in a field that opens a list.
const CARET_ROOM: f32 = 40.0;

/// The title of a panel or section.
pub fn title(ui: &mut Ui, text: &str) -> egui::Response {
    ui.label(RichText::new(text).family(medium()).color(tokens(ui).text))
}

/// A label in the colour of captions.
pub fn caption(ui: &mut Ui, text: impl Into<String>) -> egui::Response {
    let text = RichText::new(text)
        .size(type_size::SMALL)
        .color(tokens(ui).text_muted);
    ui.add(egui::Label::new(text).truncate())
}

/// A field that opens a list, as wide as is said whatever is chosen. The caret is ours,
/// since egui's triangle is heavier than the other icons.
pub fn combo(id_salt: &str, chosen: impl Into<WidgetText>, width: f32) -> egui::ComboBox<'static> {
    // egui would take all room that is left before it shortens a text.
    let chosen = egui::Atom::from(chosen.into()).atom_max_width((width - CARET_ROOM).max(0.0));
    egui::ComboBox::from_id_salt(id_salt)
        .selected_text(chosen)
        .width(width)
        .truncate()
        .icon(|ui, rect, visuals, _| {
            ui.painter().text(
                rect.center(),
                egui::Align2::CENTER_CENTER,
                icons::CARET_DOWN,
                egui::FontId::proportional(12.0),
                visuals.fg_stroke.color,
            );
        })
}

/// A header that folds what follows it; returns whether it is open.
pub fn fold(ui: &mut Ui, label: &str, hint: &str) -> bool {
    let id = ui.scope_id().with(("fold", label));
    let mut open = ui.data_mut(|data| *data.get_persisted_mut_or(id, false));
    let tokens = tokens(ui);
    let (rect, response) =
        ui.allocate_exact_size(vec2(ui.available_width(), 20.0), egui::Sense::click());
    if response.clicked() {
        open = !open;
        ui.data_mut(|data| data.insert_persisted(id, open));
    }
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, open, label));
    let color = if response.hovered() {
        tokens.text
    } else {
        tokens.text_muted
    };
    let caret = if open {
        icons::CARET_DOWN
    } else {
        icons::CARET_RIGHT
    };
    let painter = ui.painter();
    let middle = rect.left_center();
    let font = egui::FontId::proportional(type_size::BODY);
    let center = egui::Align2::LEFT_CENTER;
    painter.text(
        middle,
        center,
        caret,
        egui::FontId::proportional(12.0),
        color,
    );
    let end = painter.text(
        middle + vec2(space::L, 0.0),
        center,
        label,
        font.clone(),
        color,
    );
    if !open && !hint.is_empty() {
        let room = rect.right() - end.right() - space::S;
        let galley = ui
            .painter()
            .layout(hint.to_owned(), font, tokens.text_faint, f32::INFINITY);
        let clip = egui::Rect::from_min_size(
            egui::pos2(end.right() + space::S, rect.top()),
            vec2(room.max(0.0), rect.height()),
        );
        let position = egui::pos2(clip.left(), rect.center().y - galley.size().y * 0.5);
        ui.painter()
            .with_clip_rect(clip.intersect(ui.clip_rect()))
            .galley(position, galley, tokens.text_faint);
    }
    open
}

/// Bytes in the unit that people read.
pub fn bytes_text(size_bytes: u64) -> String {
    const KIB: f64 = 1024.0;
    const MIB: f64 = (1 << 20) as f64;
    const GIB: f64 = (1 << 30) as f64;
    let size = size_bytes as f64;
    if size >= GIB {
        format!("{:.1} GiB", size / GIB)
    } else if size < MIB / 2.0 {
        format!("{:.0} KiB", (size / KIB).ceil())
    } else {
        format!("{:.0} MiB", size / MIB)
    }
}

/// A duration in the unit that people read.
pub fn duration_text(duration: std::time::Duration) -> String {
    let secs = duration.as_secs_f64().round() as u64;
    match secs {
        0..60 => format!("{secs} s"),
        60..3600 => format!("{} min {} s", secs / 60, secs % 60),
        _ => format!("{} h {} min", secs / 3600, secs % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn amounts_are_written_as_people_read_them() {
        assert_eq!(bytes_text(312 << 20), "312 MiB");
        assert_eq!(bytes_text(3 << 29), "1.5 GiB");
        assert_eq!(
            (bytes_text(21), bytes_text(200 << 10)),
            ("1 KiB".into(), "200 KiB".into())
        );
        assert_eq!(duration_text(Duration::from_millis(3400)), "3 s");
        assert_eq!(duration_text(Duration::from_secs(75)), "1 min 15 s");
        assert_eq!(duration_text(Duration::from_secs(7500)), "2 h 5 min");
    }
}
