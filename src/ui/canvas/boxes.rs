//! Draws the boxes of layout layers: lines of the screen, as sharp at every zoom.

use std::collections::HashMap;

use egui::{Color32, Painter, Pos2, Rect, Shape, Stroke, StrokeKind, Ui};

use super::tags::{Wish, placed};
use crate::document::{BoundingBox, Document};
use crate::geometry::{CanvasPoint, CanvasTransform};
use crate::icons;
use crate::ui::class_colour::{class_colour, text_on};
use crate::ui::theme::{space, type_size};

/// Most names that are shown at once; more could not be read.
const MOST_TAGS: usize = 200;

/// Of more boxes in sight only the outlines are drawn, but for the chosen ones.
const MOST_IN_FULL: usize = 500;

/// Dash and gap of the outline of a box that the model does not understand, in points.
const DASH_POINTS: [f32; 2] = [6.0, 4.0];

/// How boxes are drawn.
#[derive(Clone, Copy, Debug)]
pub struct BoxLook<'a> {
    /// The classes that the model knows; `None` when it takes no boxes, or no model
    /// is there.
    pub classes: Option<&'a [String]>,
    /// Whether boxes are worked on: the others stand back otherwise.
    pub is_in_hand: bool,
}

/// A box that is seen.
struct Seen<'a> {
    found: &'a BoundingBox,
    outline: Rect,
    is_chosen: bool,
    is_known: bool,
    color: Color32,
    /// How much of it is seen, from 0 to 1.
    strength: f32,
}

/// Draws every layout layer that is shown.
pub(super) fn boxes_ui(
    ui: &Ui,
    canvas: Rect,
    document: &Document,
    look: &BoxLook<'_>,
    transform: &CanvasTransform,
) {
    let painter = ui.painter_at(canvas);
    let line = 1.0 / ui.pixels_per_point();
    let seen = seen(document, look, transform, canvas, line);
    let is_full = seen.len() <= MOST_IN_FULL;
    for one in &seen {
        if is_full || one.is_chosen {
            box_ui(&painter, one, line);
        } else {
            let stroke = Stroke::new(line.max(0.5), one.color.gamma_multiply(one.strength));
            painter.rect_stroke(one.outline, 0.0, stroke, StrokeKind::Middle);
        }
    }
    tags_ui(ui, &painter, &seen, document.size_px());
}

/// The boxes that lie in sight, the lowest first and the chosen ones last.
fn seen<'a>(
    document: &'a Document,
    look: &BoxLook<'_>,
    transform: &CanvasTransform,
    canvas: Rect,
    line: f32,
) -> Vec<Seen<'a>> {
    let crisp = |point: CanvasPoint| {
        let point = transform.ui_from_canvas(point);
        Pos2::new(
            (point.x / line).round() * line,
            (point.y / line).round() * line,
        )
    };
    let active = document.active_layout().map(|layer| layer.id);
    let selected = document.selected_layer().map(|layer| layer.id);
    let is_known = |label: &str| {
        look.classes.is_none_or(|classes| {
            classes
                .iter()
                .any(|class| class.eq_ignore_ascii_case(label))
        })
    };
    // Many boxes are of few classes: each is looked for once.
    let mut looks: HashMap<&str, (bool, Color32)> = HashMap::new();
    let classes = look.classes.unwrap_or_default();
    let mut seen = Vec::new();
    for layer in document.layers().iter().filter(|layer| layer.visible) {
        let chosen = if selected == Some(layer.id) && look.is_in_hand {
            document.selected_boxes()
        } else {
            &[]
        };
        let stands_back = look.is_in_hand && active != Some(layer.id);
        let strength = layer.opacity * if stands_back { 0.5 } else { 1.0 };
        for (index, found) in layer.boxes().unwrap_or_default().iter().enumerate() {
            let outline = Rect::from_min_max(crisp(found.min), crisp(found.max));
            if outline.expand(2.0).intersects(canvas) {
                let label = found.label.as_str();
                let (is_known, color) = *looks.entry(label).or_insert_with(|| {
                    let is_known = !label.is_empty() && is_known(label);
                    (is_known, class_colour(label, classes))
                });
                seen.push(Seen {
                    found,
                    outline,
                    is_chosen: chosen.binary_search(&index).is_ok(),
                    is_known,
                    color,
                    strength,
                });
            }
        }
    }
    seen.sort_by_key(|one| one.is_chosen);
    seen
}

fn box_ui(painter: &Painter, one: &Seen<'_>, line: f32) {
    let color = one.color;
    let fade = |color: Color32, alpha: f32| color.gamma_multiply(alpha * one.strength);
    let ground = if one.is_chosen { 0.2 } else { 0.08 };
    painter.rect_filled(one.outline, 0.0, fade(color, ground));
    // A dark line on both sides, so that the colour can be seen on any picture.
    let width = if one.is_chosen { 2.0 } else { 1.0 } * line.max(0.5);
    let dark = Stroke::new(width + 2.0 * line, fade(Color32::BLACK, 0.55));
    painter.rect_stroke(one.outline, 0.0, dark, StrokeKind::Middle);
    let stroke = Stroke::new(width, fade(color, 1.0));
    if one.is_known {
        painter.rect_stroke(one.outline, 0.0, stroke, StrokeKind::Middle);
    } else {
        let Rect { min, max } = one.outline;
        let corners = [
            min,
            Pos2::new(max.x, min.y),
            max,
            Pos2::new(min.x, max.y),
            min,
        ];
        let [dash, gap] = DASH_POINTS;
        painter.extend(Shape::dashed_line(&corners, stroke, dash, gap));
    }
}

fn tags_ui(ui: &Ui, painter: &Painter, seen: &[Seen<'_>], size_px: [u32; 2]) {
    let font = egui::FontId::proportional(type_size::SMALL);
    // The chosen boxes and the upper ones are named first.
    let named: Vec<_> = seen
        .iter()
        .rev()
        .take(MOST_TAGS)
        .map(|one| {
            let ground = one.color;
            let text = tag_text(one, size_px);
            let galley =
                ui.fonts_mut(|fonts| fonts.layout_no_wrap(text, font.clone(), text_on(ground)));
            (one, ground, galley)
        })
        .collect();
    let wishes: Vec<Wish> = named
        .iter()
        .map(|(one, _, galley)| Wish {
            outline: one.outline,
            size: galley.size() + egui::vec2(2.0 * space::XS, 2.0),
        })
        .collect();
    for ((one, ground, galley), place) in
        named.into_iter().zip(placed(painter.clip_rect(), &wishes))
    {
        let Some(place) = place else { continue };
        let strength = one.strength.max(0.35);
        painter.rect_filled(place, 2.0, ground.gamma_multiply(0.92 * strength));
        let corner = place.center() - galley.size() * 0.5;
        painter.galley(corner, galley, text_on(ground));
    }
}

/// What the tag of a box says.
fn tag_text(one: &Seen<'_>, size_px: [u32; 2]) -> String {
    let found = one.found;
    let name = match (&found.colour, found.label.as_str()) {
        (_, "") => "no class".to_owned(),
        (Some(colour), label) => format!("{colour} {label}"),
        (None, label) => label.to_owned(),
    };
    let lock = if found.is_locked {
        format!("{} ", icons::LOCK_SIMPLE)
    } else {
        String::new()
    };
    let mark = match (found.is_outside(size_px), found.reaches_over(size_px)) {
        (true, _) => " · outside",
        (false, true) => " · over the edge",
        (false, false) => "",
    };
    format!("{lock}{name}{mark}")
}
