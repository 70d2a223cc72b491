//! The switch of live painting, and what is said and offered while it is on.

use egui::{Align, Layout, RichText, Ui, vec2};

use crate::app::actions::generate::{ESCAPE, KEEP, LIVE, TAKE_AWAY};
use crate::app::shortcuts::keys_of;
use crate::app::{AppState, CommandSink};
use crate::ui::theme::{height, space, tokens, type_size};
use crate::ui::widgets::{CONTROL_ICON, IconButton, action_button};

/// Width of the switch.
pub(super) const LIVE_WIDTH: f32 = 76.0;

/// Shows the switch, as high as the button beside it.
pub(super) fn live_switch_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let is_on = state.live.is_on();
    let button = egui::Button::new((LIVE.icon, LIVE.label))
        .selected(is_on)
        .min_size(vec2(LIVE_WIDTH, height::PRIMARY));
    let obstacle = LIVE.obstacle(state);
    let keys = keys_of(&LIVE).unwrap_or_default();
    let shown = ui
        .add_enabled(obstacle.is_none(), button)
        .on_hover_text(format!("{}   {keys}", LIVE.hint.unwrap_or_default()))
        .on_disabled_hover_text(obstacle.unwrap_or_default());
    shown.widget_info(|| {
        let is_usable = obstacle.is_none();
        egui::WidgetInfo::selected(egui::Role::Button, is_usable, is_on, LIVE.label)
    });
    if shown.clicked() {
        commands.act(&LIVE, state);
    }
}

/// Says how live painting stands, with buttons for the picture that came.
pub(super) fn live_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let live = &state.live;
    if !live.is_on() && !live.has_draft() {
        return;
    }
    ui.horizontal(|ui| {
        ui.set_min_height(height::CONTROL);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = space::XS;
            if live.has_draft() {
                let away = IconButton::new(TAKE_AWAY.icon, TAKE_AWAY.label).keys_of(&ESCAPE);
                if away.show(ui).clicked() {
                    commands.act(&TAKE_AWAY, state);
                }
                action_button(ui, &KEEP, CONTROL_ICON, state, commands);
            }
            let text = match (live.has_draft(), live.keeps_next()) {
                (_, true) => "Kept as soon as it is painted",
                (true, false) => "Enter keeps it, Esc takes it away",
                (false, false) if live.is_busy() => "Painting",
                (false, false) => "Draw, or change a word",
            };
            let text = RichText::new(text)
                .color(tokens(ui).text_muted)
                .size(type_size::SMALL + 1.0);
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.add(egui::Label::new(text).truncate());
            });
        });
    });
}
