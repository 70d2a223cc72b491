//! A model in the grid: its picture, its name, what it can do.

use egui::{
    Align2, Color32, FontId, Pos2, Rect, Response, Sense, Stroke, StrokeKind, TextWrapMode, Ui,
    Vec2, WidgetText, pos2, vec2,
};

use super::look::{abilities, kind_text, obstacle_text, placeholder};
use crate::app::AppState;
use crate::engine::library::Listed;
use crate::icons;
use crate::ui::theme::{medium, radius, space, tokens, type_size};
use crate::ui::widgets::{TextureCache, bytes_text};

/// Least width of a card.
pub(super) const LEAST_WIDTH: f32 = 160.0;
/// Height of a card.
pub(super) const HEIGHT: f32 = 196.0;
/// Height of its picture.
const PICTURE: f32 = 118.0;
/// Side of the star.
const STAR: f32 = 26.0;

/// What was done to a card.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CardEvents {
    pub is_marked: bool,
    pub is_used: bool,
    pub is_favoured: bool,
}

/// Shows a card.
pub(super) fn card_ui(
    ui: &mut Ui,
    size: Vec2,
    listed: &Listed,
    state: &AppState,
    is_marked: bool,
    thumbnails: &mut TextureCache,
) -> CardEvents {
    let tokens = tokens(ui);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    let name = listed.name();
    let card = listed.card.as_deref();
    let opens = card.is_none_or(|card| state.can_use(card));
    response
        .widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, opens, is_marked, &name));
    let (fill, stroke) = match (is_marked, response.hovered()) {
        (true, _) => (tokens.accent_soft, Stroke::new(1.5, tokens.accent)),
        (false, true) => (
            tokens.control_hovered,
            Stroke::new(1.0, tokens.border_strong),
        ),
        (false, false) => (tokens.control, Stroke::new(1.0, tokens.border)),
    };
    ui.painter()
        .rect(rect, radius::SURFACE, fill, stroke, StrokeKind::Inside);

    let inner = rect.shrink(space::XS + 2.0);
    let place = Rect::from_min_size(inner.min, vec2(inner.width(), PICTURE));
    picture_ui(ui, place, listed, state, opens, thumbnails);

    let ink = if opens {
        tokens.text
    } else {
        tokens.text_faint
    };
    let x = inner.left() + 2.0;
    let width = inner.width() - 4.0;
    let font = FontId::new(type_size::BODY, medium());
    text(ui, pos2(x, place.bottom() + 6.0), &name, font, ink, width);
    let (kind, muted) = match card {
        Some(card) => (kind_text(card, true), tokens.text_muted),
        None => ("Being read".to_owned(), tokens.text_faint),
    };
    let muted = if opens { muted } else { tokens.text_faint };
    let font = FontId::proportional(type_size::SMALL + 0.5);
    let below = pos2(x, place.bottom() + 26.0);
    text(ui, below, &kind, font.clone(), muted, width);
    // Icons at the left, the size at the right.
    let line = inner.bottom() - 9.0;
    let size = ui.painter().text(
        pos2(inner.right() - 2.0, line),
        Align2::RIGHT_CENTER,
        bytes_text(listed.found.size_bytes),
        font,
        tokens.text_faint,
    );
    let mut at = x;
    let icons_of = match card {
        Some(_) if !opens => vec![(icons::WARNING, "Does not open")],
        Some(card) => abilities(card),
        None => Vec::new(),
    };
    for (icon, name) in icons_of {
        if at + 18.0 > size.left() {
            break;
        }
        let place = Rect::from_center_size(pos2(at + 8.0, line), Vec2::splat(18.0));
        let color = if opens {
            tokens.text_muted
        } else {
            tokens.warning
        };
        let font = FontId::proportional(14.0);
        ui.painter()
            .text(place.center(), Align2::CENTER_CENTER, icon, font, color);
        ui.interact(place, response.id.with(name), Sense::hover())
            .on_hover_text(name);
        at += 20.0;
    }

    let is_favourite = state.settings.favourite_models.contains(&listed.source);
    let star = star_ui(ui, place, &response, &name, is_favourite);
    let tip = match card.and_then(|card| obstacle_text(card, state)) {
        Some(obstacle) => obstacle,
        None => listed.found.path.display().to_string(),
    };
    let response = response.on_hover_text(tip);
    CardEvents {
        is_marked: response.clicked(),
        is_used: response.double_clicked(),
        is_favoured: star,
    }
}

fn text(ui: &Ui, at: Pos2, text: &str, font: FontId, color: Color32, width: f32) {
    let text = egui::RichText::new(text).font(font);
    let galley = WidgetText::from(text).into_galley(
        ui,
        Some(TextWrapMode::Truncate),
        width,
        egui::TextStyle::Body,
    );
    ui.painter()
        .galley_with_override_text_color(at, galley, color);
}

/// The picture, cut to fill its place, or the mark of its family.
pub(super) fn picture_ui(
    ui: &Ui,
    place: Rect,
    listed: &Listed,
    state: &AppState,
    opens: bool,
    thumbnails: &mut TextureCache,
) {
    let file = listed.picture.as_ref();
    let Some(picture) = file.and_then(|file| state.library.picture(file)) else {
        placeholder(ui, place, listed.card.as_deref());
        return;
    };
    let texture = thumbnails.large(ui.ctx(), picture);
    let size = texture.size_vec2();
    // As much of the picture as has the shape of its place.
    let scale = (size.x / place.width()).min(size.y / place.height());
    let part = place.size() * scale / size;
    let uv = Rect::from_center_size(pos2(0.5, 0.5), part);
    let tint = if opens {
        Color32::WHITE
    } else {
        Color32::from_white_alpha(90)
    };
    egui::Image::from_texture(egui::load::SizedTexture::from_handle(&texture))
        .uv(uv)
        .tint(tint)
        .corner_radius(f32::from(radius::CONTROL))
        .paint_at(ui, place);
}

/// The star in the corner of the picture: always there on favourites, and where the
/// pointer is. Whether it was pressed.
fn star_ui(ui: &Ui, picture: Rect, card: &Response, name: &str, is_favourite: bool) -> bool {
    let tokens = tokens(ui);
    let place = Rect::from_min_size(
        pos2(picture.right() - STAR - 4.0, picture.top() + 4.0),
        Vec2::splat(STAR),
    );
    let response = ui.interact(place, card.id.with("star"), Sense::click());
    let word = if is_favourite {
        format!("{name} is no favourite any more")
    } else {
        format!("Make {name} a favourite")
    };
    response
        .widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, is_favourite, &word));
    if is_favourite || card.contains_pointer() || response.hovered() || response.has_focus() {
        let ground = Color32::from_black_alpha(if response.hovered() { 190 } else { 130 });
        ui.painter().rect_filled(place, radius::CONTROL, ground);
        let color = if is_favourite {
            tokens.frame
        } else {
            Color32::WHITE
        };
        ui.painter().text(
            place.center(),
            Align2::CENTER_CENTER,
            icons::STAR,
            FontId::proportional(type_size::ICON),
            color,
        );
    }
    response.on_hover_text(word).clicked()
}
