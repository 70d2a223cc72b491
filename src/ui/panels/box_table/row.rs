//! A line of the table: one box.

use egui::{Color32, DragValue, Label, Layout, Rect, RichText, Sense, Ui, UiBuilder, vec2};

use super::{ROW_HEIGHT, cell};
use crate::app::boxes::{BoxChange, BoxCommand, Concern, Vocabulary};
use crate::app::{Command, CommandSink};
use crate::document::{BoundingBox, Layer};
use crate::icons;
use crate::ui::class_colour::class_colour;
use crate::ui::theme::{space, tokens, type_size};
use crate::ui::widgets::{IconButton, combo};

const NUMBER_WIDTH: f32 = 28.0;
const LOCK_WIDTH: f32 = 24.0;

/// Widths of the columns that give way in a narrow window.
#[derive(Clone, Copy)]
pub(super) struct Widths {
    class: f32,
    colour: f32,
    length: f32,
}

impl Widths {
    /// Those for a table of the given width.
    pub fn within(width: f32) -> Self {
        if width < 680.0 {
            Self {
                class: 96.0,
                colour: 76.0,
                length: 54.0,
            }
        } else {
            Self {
                class: 156.0,
                colour: 92.0,
                length: 66.0,
            }
        }
    }
}

/// What the lines have in common.
pub(super) struct View<'a> {
    pub layer: &'a Layer,
    pub size_px: [u32; 2],
    pub chosen: &'a [usize],
    pub vocabulary: Option<Vocabulary<'a>>,
    pub is_in_percent: bool,
    pub widths: Widths,
}

impl View<'_> {
    fn is_chosen(&self, index: usize) -> bool {
        self.chosen.binary_search(&index).is_ok()
    }

    fn has_colours(&self) -> bool {
        let has_own = |found: &BoundingBox| found.colour.is_some();
        let known = self.vocabulary.is_some_and(|it| !it.colours.is_empty());
        known || self.layer.boxes().unwrap_or_default().iter().any(has_own)
    }
}

/// A length of a box: its name, what it is and what changes it.
struct Length {
    name: &'static str,
    axis: usize,
    get: fn(&BoundingBox) -> f32,
    change: fn(f32) -> BoxChange,
}

static LENGTHS: [Length; 4] = [
    Length {
        name: "Left",
        axis: 0,
        get: |found| found.min.x,
        change: BoxChange::Left,
    },
    Length {
        name: "Top",
        axis: 1,
        get: |found| found.min.y,
        change: BoxChange::Top,
    },
    Length {
        name: "Width",
        axis: 0,
        get: |found| found.size_px()[0],
        change: BoxChange::Width,
    },
    Length {
        name: "Height",
        axis: 1,
        get: |found| found.size_px()[1],
        change: BoxChange::Height,
    },
];

/// The command that chooses boxes.
pub(super) fn select(layer: &Layer, boxes: Vec<usize>) -> Command {
    let layer = layer.id;
    BoxCommand::Select { layer, boxes }.into()
}

/// The names of the columns.
pub(super) fn captions_ui(ui: &mut Ui, view: &View<'_>) {
    let unit = if view.is_in_percent { "%" } else { "px" };
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::XS;
        let color = tokens(ui).text_faint;
        let mut caption = |text: String, width: f32| {
            let (rect, _) = ui.allocate_exact_size(vec2(width, 16.0), Sense::hover());
            let font = egui::FontId::proportional(type_size::SMALL);
            let middle = rect.left_center();
            ui.painter()
                .text(middle, egui::Align2::LEFT_CENTER, text, font, color);
        };
        caption("No.".into(), NUMBER_WIDTH);
        caption(String::new(), LOCK_WIDTH);
        caption("Class".into(), view.widths.class);
        if view.has_colours() {
            caption("Colour".into(), view.widths.colour);
        }
        for length in &LENGTHS {
            caption(format!("{}, {unit}", length.name), view.widths.length);
        }
    });
}

/// Shows a line; whether it was clicked beside its fields.
pub(super) fn row_ui(
    ui: &mut Ui,
    view: &View<'_>,
    index: usize,
    concern: Option<Concern>,
    commands: &mut CommandSink,
) -> bool {
    let Some(found) = view.layer.boxes().and_then(|boxes| boxes.get(index)) else {
        return false;
    };
    let tokens = tokens(ui);
    let size = vec2(ui.available_width(), ROW_HEIGHT);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    let is_chosen = view.is_chosen(index);
    let name = format!("Box {}", index + 1);
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, is_chosen, &name));
    let fill = match (is_chosen, response.hovered()) {
        (true, _) => tokens.accent_soft,
        (false, true) => tokens.control_pressed,
        (false, false) => Color32::TRANSPARENT,
    };
    ui.painter().rect_filled(rect, 0.0, fill);
    let inside = Rect::from_min_max(
        rect.min + vec2(space::M, 2.0),
        rect.max - vec2(space::M, 2.0),
    );
    let builder = UiBuilder::new()
        .max_rect(inside)
        .id_salt(index)
        .layout(Layout::left_to_right(egui::Align::Center));
    ui.scope_builder(builder, |ui| {
        ui.spacing_mut().item_spacing.x = space::XS;
        ui.spacing_mut().interact_size.y = cell(0.0).y;
        number_ui(ui, index);
        lock_ui(ui, view, index, found, commands);
        class_ui(ui, view, index, found, commands);
        ui.add_enabled_ui(!found.is_locked, |ui| {
            if view.has_colours() {
                colour_ui(ui, view, index, found, commands);
            }
            for length in &LENGTHS {
                length_ui(ui, view, index, found, length, commands);
            }
        });
        if let Some(concern) = concern {
            let color = if concern.is_left_out() {
                tokens.warning
            } else {
                tokens.text_muted
            };
            ui.add_space(space::S);
            let note = RichText::new(concern.note())
                .size(type_size::SMALL + 1.0)
                .color(color);
            ui.add(Label::new(note).truncate().selectable(false));
        }
    });
    response.clicked()
}

/// Changes the chosen boxes, if this is one of them, and otherwise this one.
fn change(
    view: &View<'_>,
    index: usize,
    change: BoxChange,
    done: bool,
    commands: &mut CommandSink,
) {
    if !view.is_chosen(index) {
        commands.set(select(view.layer, vec![index]));
    }
    commands.set(BoxCommand::Change { change, done });
}

fn number_ui(ui: &mut Ui, index: usize) {
    let (rect, _) = ui.allocate_exact_size(cell(NUMBER_WIDTH), Sense::hover());
    let font = egui::FontId::proportional(type_size::SMALL);
    let color = tokens(ui).text_faint;
    let text = (index + 1).to_string();
    let middle = rect.left_center();
    ui.painter()
        .text(middle, egui::Align2::LEFT_CENTER, text, font, color);
}

fn lock_ui(
    ui: &mut Ui,
    view: &View<'_>,
    index: usize,
    found: &BoundingBox,
    commands: &mut CommandSink,
) {
    let (icon, name) = if found.is_locked {
        (icons::LOCK_SIMPLE, format!("Unlock box {}", index + 1))
    } else {
        (icons::LOCK_SIMPLE_OPEN, format!("Lock box {}", index + 1))
    };
    let lock = IconButton::new(icon, &name).size(LOCK_WIDTH, type_size::ICON - 2.0);
    if lock.show(ui).clicked() {
        let to = BoxChange::Locked(!found.is_locked);
        change(view, index, to, true, commands);
    }
}

fn class_ui(
    ui: &mut Ui,
    view: &View<'_>,
    index: usize,
    found: &BoundingBox,
    commands: &mut CommandSink,
) {
    let tokens = tokens(ui);
    let (rect, response) = ui.allocate_exact_size(cell(view.widths.class), Sense::click());
    let name = format!("Class of box {}", index + 1);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, ui.is_enabled(), &name));
    if response.hovered() {
        ui.painter().rect_filled(
            rect,
            crate::ui::theme::radius::CONTROL,
            tokens.control_hovered,
        );
    }
    let classes = view.vocabulary.map_or(&[][..], |it| it.classes);
    let dot = rect.left_center() + vec2(10.0, 0.0);
    ui.painter()
        .circle_filled(dot, 4.5, class_colour(&found.label, classes));
    let (text, color) = match found.label.as_str() {
        "" => ("Choose a class", tokens.text_faint),
        label => (label, tokens.text),
    };
    let galley = egui::WidgetText::from(text).into_galley(
        ui,
        Some(egui::TextWrapMode::Truncate),
        rect.width() - 24.0,
        egui::TextStyle::Body,
    );
    let corner = dot + vec2(10.0, -galley.size().y * 0.5);
    ui.painter()
        .galley_with_override_text_color(corner, galley, color);
    if response.clicked() {
        if !view.is_chosen(index) {
            commands.push(select(view.layer, vec![index]));
        }
        commands.push(BoxCommand::Name.into());
    }
    response.on_hover_text("Choose the class");
}

fn colour_ui(
    ui: &mut Ui,
    view: &View<'_>,
    index: usize,
    found: &BoundingBox,
    commands: &mut CommandSink,
) {
    let now = found.colour.as_deref();
    let list = combo("colour", now.unwrap_or("any"), view.widths.colour);
    let shown = list.show_ui(ui, |ui| {
        let words = view.vocabulary.map_or(&[][..], |it| it.colours);
        for word in std::iter::once(None).chain(words.iter().map(|word| Some(word.as_str()))) {
            let label = word.unwrap_or("any");
            if ui.selectable_label(word == now, label).clicked() {
                let to = BoxChange::Colour(word.map(str::to_owned));
                change(view, index, to, true, commands);
            }
        }
    });
    shown
        .response
        .accessible_name(format!("Colour of box {}", index + 1));
}

fn length_ui(
    ui: &mut Ui,
    view: &View<'_>,
    index: usize,
    found: &BoundingBox,
    length: &Length,
    commands: &mut CommandSink,
) {
    let side = view.size_px[length.axis] as f32;
    let unit = if view.is_in_percent {
        side / 100.0
    } else {
        1.0
    };
    let mut now = (length.get)(found) / unit;
    let field = DragValue::new(&mut now)
        .speed(if view.is_in_percent { 0.1 } else { 0.25 })
        .max_decimals(1)
        .custom_formatter(|value, _| ((value * 10.0).round() / 10.0).to_string())
        .update_while_editing(false);
    let response = ui
        .add_sized(cell(view.widths.length), field)
        .accessible_name(format!("{} of box {}", length.name, index + 1));
    let ends = response.drag_stopped();
    if response.changed() {
        let to = (length.change)(now * unit);
        change(view, index, to, !response.dragged() || ends, commands);
    } else if ends {
        let to = (length.change)((length.get)(found));
        change(view, index, to, true, commands);
    }
}
