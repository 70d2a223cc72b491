//! The look of the studio. Every colour, distance and size that a panel uses
//! comes from here, so that the two themes differ in [`Tokens`] only.

mod fonts;
mod tokens;

use egui::style::{Selection, WidgetVisuals};
use egui::{Color32, CornerRadius, FontFamily, FontId, Margin, Stroke, TextStyle, Theme, vec2};

pub use fonts::{medium, semibold};
pub use tokens::{DARK, LIGHT, Tokens, height, radius, space, type_size};

/// Installs the typefaces and both themes.
pub fn install(ctx: &egui::Context) {
    ctx.set_fonts(fonts::definitions());
    ctx.set_style_of(Theme::Dark, style(&DARK, egui::Visuals::dark()));
    ctx.set_style_of(Theme::Light, style(&LIGHT, egui::Visuals::light()));
}

/// The tokens of the theme in which `ui` is drawn.
pub fn tokens(ui: &egui::Ui) -> &'static Tokens {
    if ui.visuals().dark_mode {
        &DARK
    } else {
        &LIGHT
    }
}

/// A hairline in the border colour.
pub fn hairline(tokens: &Tokens) -> Stroke {
    Stroke::new(1.0, tokens.border)
}

/// The frame of a panel or bar with the given inner margin.
pub fn panel_frame(tokens: &Tokens, margin: Margin) -> egui::Frame {
    egui::Frame::new().fill(tokens.panel).inner_margin(margin)
}

fn style(tokens: &Tokens, base: egui::Visuals) -> egui::Style {
    let proportional = |size| FontId::new(size, FontFamily::Proportional);
    let mut style = egui::Style {
        text_styles: [
            (TextStyle::Small, proportional(type_size::SMALL)),
            (TextStyle::Body, proportional(type_size::BODY)),
            (TextStyle::Button, proportional(type_size::BODY)),
            (
                TextStyle::Heading,
                FontId::new(type_size::HEADING, semibold()),
            ),
            (
                TextStyle::Monospace,
                FontId::new(type_size::BODY - 1.0, FontFamily::Monospace),
            ),
        ]
        .into(),
        visuals: visuals(tokens, base),
        animation_time: 0.1,
        explanation_tooltips: false,
        compact_menu_style: false,
        ..egui::Style::default()
    };
    style.drag_value_text_style = TextStyle::Body;
    style.interaction.selectable_labels = false;
    style.interaction.tooltip_delay = 0.4;
    // A wheel that turns one way only reaches all of a row too.
    style.always_scroll_the_only_direction = true;

    let spacing = &mut style.spacing;
    spacing.item_spacing = vec2(space::S, space::S);
    spacing.button_padding = vec2(space::S, space::XS);
    spacing.interact_size = vec2(height::CONTROL, height::CONTROL);
    spacing.menu_margin = Margin::same(6);
    spacing.menu_width = 280.0;
    spacing.window_margin = Margin::same(16);
    spacing.slider_rail_height = 4.0;
    spacing.slider_width = 120.0;
    spacing.icon_width = 16.0;
    spacing.icon_width_inner = 10.0;
    spacing.icon_spacing = 6.0;
    spacing.combo_height = 320.0;
    spacing.tooltip_width = 320.0;
    spacing.indent = 16.0;
    spacing.scroll.bar_width = 8.0;
    spacing.scroll.floating_width = 4.0;
    style
}

fn visuals(tokens: &Tokens, base: egui::Visuals) -> egui::Visuals {
    let control = CornerRadius::same(radius::CONTROL);
    let surface = CornerRadius::same(radius::SURFACE);
    let widget = |fill: Color32, border: Color32, text: Color32| WidgetVisuals {
        bg_fill: fill,
        weak_bg_fill: fill,
        bg_stroke: Stroke::new(1.0, border),
        corner_radius: control,
        fg_stroke: Stroke::new(1.0, text),
        expansion: 0.0,
    };
    let mut visuals = base;
    visuals.widgets.noninteractive = WidgetVisuals {
        bg_stroke: Stroke::new(1.0, tokens.border),
        ..widget(tokens.panel, tokens.border, tokens.text)
    };
    visuals.widgets.inactive = widget(tokens.control, Color32::TRANSPARENT, tokens.text);
    visuals.widgets.hovered = widget(tokens.control_hovered, tokens.border_strong, tokens.text);
    visuals.widgets.active = widget(tokens.control_pressed, tokens.accent, tokens.text);
    visuals.widgets.open = widget(tokens.control_hovered, tokens.border_strong, tokens.text);
    visuals.selection = Selection {
        bg_fill: tokens.accent_soft,
        stroke: Stroke::new(1.0, tokens.accent_text),
    };
    // Text fields paint their hints in it, whatever the hint says.
    visuals.weak_text_color = Some(tokens.text_faint);
    visuals.hyperlink_color = tokens.accent_text;
    visuals.faint_bg_color = tokens.control_pressed;
    visuals.extreme_bg_color = tokens.sunken;
    visuals.text_edit_bg_color = Some(tokens.sunken);
    visuals.code_bg_color = tokens.sunken;
    visuals.warn_fg_color = tokens.warning;
    visuals.error_fg_color = tokens.danger;
    visuals.window_corner_radius = surface;
    visuals.menu_corner_radius = surface;
    visuals.window_fill = tokens.raised;
    visuals.window_stroke = Stroke::new(1.0, tokens.border_strong);
    visuals.window_shadow = egui::Shadow {
        offset: [0, 8],
        blur: 24,
        spread: 0,
        color: tokens.shadow,
    };
    visuals.popup_shadow = egui::Shadow {
        offset: [0, 4],
        blur: 12,
        spread: 0,
        color: tokens.shadow,
    };
    visuals.window_highlight_topmost = false;
    visuals.panel_fill = tokens.panel;
    visuals.text_cursor.stroke = Stroke::new(1.5, tokens.text);
    visuals.slider_trailing_fill = true;
    visuals.handle_shape = egui::style::HandleShape::Circle;
    visuals.indent_has_left_vline = false;
    visuals.disabled_alpha = 0.45;
    visuals
}
