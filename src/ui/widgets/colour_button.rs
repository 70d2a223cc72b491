//! A colour that opens a picker when it is pressed: hue, saturation and brightness as in
//! painting programs, and the number that others are told.

use egui::ecolor::{hsv_from_rgb, rgb_from_hsv};
use egui::{Color32, Id, Mesh, PopupCloseBehavior, Pos2, Rect, Response, Sense, Ui, Vec2, vec2};

use crate::ui::theme::{height, radius, space, tokens};

/// Side of the square of saturation and brightness.
const SQUARE_PX: f32 = 180.0;
/// Height of the bar of hues.
const BAR_PX: f32 = 16.0;
/// Parts of a side that are coloured straight from corner to corner.
const PARTS: u32 = 12;
/// What the arrow keys move by.
const STEP: f32 = 0.01;

/// Hue, saturation and value of a colour, each from 0 to 1. Grey has no hue and black no
/// saturation: the picker remembers those that it was led to.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Chosen {
    hsv: [f32; 3],
    rgb: [u8; 3],
}

impl Chosen {
    fn of(rgb: [u8; 3]) -> Self {
        let (h, s, v) = hsv_from_rgb(rgb.map(|it| f32::from(it) / 255.0));
        let hsv = [h, s, v];
        Self { hsv, rgb }
    }

    fn led_to(hsv: [f32; 3]) -> Self {
        let hsv = hsv.map(|it| it.clamp(0.0, 1.0));
        Self {
            hsv,
            rgb: bytes(hsv),
        }
    }
}

fn bytes([h, s, v]: [f32; 3]) -> [u8; 3] {
    rgb_from_hsv((h, s, v)).map(|it| (it * 255.0).round() as u8)
}

fn shown(hsv: [f32; 3]) -> Color32 {
    let [r, g, b] = bytes(hsv);
    Color32::from_rgb(r, g, b)
}

/// How a colour is written: `#1e5ac8`.
pub fn hex([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// A colour of its hexadecimal digits, six or three, with or without a `#`.
fn of_hex(text: &str) -> Option<[u8; 3]> {
    let digits = text.trim().trim_start_matches('#');
    let values: Option<Vec<u8>> = digits
        .chars()
        .map(|digit| digit.to_digit(16).map(|value| value as u8))
        .collect();
    match values?[..] {
        [r, g, b] => Some([r, g, b].map(|value| value * 17)),
        [a, b, c, d, e, f] => Some([a * 16 + b, c * 16 + d, e * 16 + f]),
        _ => None,
    }
}

/// A button in a colour, which opens the picker. `name` is what it is called where it cannot
/// be seen.
pub fn colour_button(ui: &mut Ui, colour: &mut [u8; 3], size: Vec2, name: &str) -> Response {
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    let [r, g, b] = *colour;
    let fill = Color32::from_rgb(r, g, b);
    ui.painter().rect_filled(rect, radius::CONTROL, fill);
    if response.hovered() || response.has_focus() {
        let ring = egui::Stroke::new(2.0, tokens(ui).accent);
        let kind = egui::StrokeKind::Outside;
        ui.painter().rect_stroke(rect, radius::CONTROL, ring, kind);
    }
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, name));
    egui::Popup::menu(&response)
        .close_behavior(PopupCloseBehavior::CloseOnClickOutside)
        .show(|ui| picker_ui(ui, colour));
    response
}

fn picker_ui(ui: &mut Ui, colour: &mut [u8; 3]) {
    let id = ui.scope_id().with("chosen");
    let before: Option<Chosen> = ui.data(|data| data.get_temp(id));
    let before = before.filter(|chosen| chosen.rgb == *colour);
    let mut chosen = before.unwrap_or_else(|| Chosen::of(*colour));
    ui.spacing_mut().item_spacing.y = space::S;

    let [h, s, v] = chosen.hsv;
    let square = |x: f32, y: f32| [h, x, 1.0 - y];
    let size = Vec2::splat(SQUARE_PX);
    let at = [s, 1.0 - v];
    if let Some([x, y]) = plane_ui(ui, size, at, "Saturation and brightness", square) {
        chosen = Chosen::led_to(square(x, y));
    }
    let bar = |x: f32, _: f32| [x, 1.0, 1.0];
    let size = vec2(SQUARE_PX, BAR_PX);
    if let Some([hue, _]) = plane_ui(ui, size, [h, 0.5], "Hue", bar) {
        chosen = Chosen::led_to([hue, chosen.hsv[1], chosen.hsv[2]]);
    }
    if let Some(rgb) = hex_ui(ui, id, chosen.rgb) {
        chosen = Chosen::of(rgb);
    }
    *colour = chosen.rgb;
    ui.data_mut(|data| data.insert_temp(id, chosen));
}

/// A field of colours by place, each from 0 to 1, with a mark at one of them; gives where it
/// was led to.
fn plane_ui(
    ui: &mut Ui,
    size: Vec2,
    [x, y]: [f32; 2],
    name: &str,
    colour: impl Fn(f32, f32) -> [f32; 3],
) -> Option<[f32; 2]> {
    let (rect, response) = ui.allocate_exact_size(size, Sense::click_and_drag());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Slider, true, name));
    let point = |x: f32, y: f32| rect.lerp_inside(vec2(x, y));
    paint_colours(ui, point, &colour);
    let mark = point(x, y);
    let fill = shown(colour(x, y));
    ui.painter().circle(mark, 6.0, fill, (2.0, Color32::WHITE));
    ui.painter()
        .circle_stroke(mark, 7.0, (1.0, Color32::from_black_alpha(160)));
    if let Some(at) = response.interact_pointer_pos() {
        return Some(place_in(rect, at));
    }
    if !response.has_focus() {
        return None;
    }
    ui.memory_mut(|memory| {
        let arrows = egui::EventFilter {
            horizontal_arrows: true,
            vertical_arrows: true,
            ..Default::default()
        };
        memory.set_focus_lock_filter(response.id, arrows);
    });
    let pressed = |key| ui.input(|input| input.num_presses(key) as f32);
    let across = pressed(egui::Key::ArrowRight) - pressed(egui::Key::ArrowLeft);
    let down = pressed(egui::Key::ArrowDown) - pressed(egui::Key::ArrowUp);
    (across != 0.0 || down != 0.0).then_some([x + across * STEP, y + down * STEP])
}

fn place_in(rect: Rect, at: Pos2) -> [f32; 2] {
    let inside = (at - rect.min) / rect.size();
    [inside.x.clamp(0.0, 1.0), inside.y.clamp(0.0, 1.0)]
}

fn paint_colours(
    ui: &Ui,
    point: impl Fn(f32, f32) -> Pos2,
    colour: &impl Fn(f32, f32) -> [f32; 3],
) {
    let mut mesh = Mesh::default();
    for row in 0..=PARTS {
        for column in 0..=PARTS {
            let [x, y] = [column, row].map(|it| it as f32 / PARTS as f32);
            mesh.colored_vertex(point(x, y), shown(colour(x, y)));
            if row > 0 && column > 0 {
                let here = row * (PARTS + 1) + column;
                let above = here - PARTS - 1;
                mesh.add_triangle(above - 1, above, here - 1);
                mesh.add_triangle(above, here - 1, here);
            }
        }
    }
    ui.painter().add(mesh);
}

/// The colour as a number; gives the one that was typed.
fn hex_ui(ui: &mut Ui, id: Id, rgb: [u8; 3]) -> Option<[u8; 3]> {
    let id = id.with("hex");
    let typed: Option<String> = ui.data(|data| data.get_temp(id));
    let mut text = typed.unwrap_or_else(|| hex(rgb));
    let field = egui::TextEdit::singleline(&mut text)
        .desired_width(SQUARE_PX - 2.0 * space::S)
        .margin(egui::Margin::symmetric(8, 6));
    let response = ui
        .add_sized(vec2(SQUARE_PX, height::CONTROL), field)
        .on_hover_text("The colour as a number, such as #1e5ac8");
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Hex"));
    // What is half typed stays as it is.
    let is_typing = response.has_focus();
    ui.data_mut(|data| {
        if is_typing {
            data.insert_temp(id, text.clone());
        } else {
            data.remove::<String>(id);
        }
    });
    of_hex(&text).filter(|_| response.changed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_colours_are_read_and_written() {
        assert_eq!(hex([30, 90, 200]), "#1e5ac8");
        for text in ["#1e5ac8", "1E5AC8", "  #1e5ac8 "] {
            assert_eq!(of_hex(text), Some([30, 90, 200]), "{text}");
        }
        assert_eq!(of_hex("#f08"), Some([255, 0, 136]));
        for text in ["", "#1e5ac", "#1e5ac80", "#gg0000", "blue"] {
            assert_eq!(of_hex(text), None, "{text}");
        }
    }

    #[test]
    fn colours_come_back_from_hue_saturation_and_value() {
        for rgb in [
            [0, 0, 0],
            [255, 255, 255],
            [1, 2, 3],
            [200, 30, 20],
            [9, 250, 128],
        ] {
            assert_eq!(Chosen::led_to(Chosen::of(rgb).hsv).rgb, rgb);
        }
        // Led to black, it has the hue that it had.
        let black = Chosen::led_to([0.6, 0.5, -1.0]);
        assert_eq!((black.hsv, black.rgb), ([0.6, 0.5, 0.0], [0, 0, 0]));
    }
}
