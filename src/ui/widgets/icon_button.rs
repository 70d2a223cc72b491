//! Buttons that are an icon.

use egui::{Color32, Sense, Ui};

use crate::app::actions::Action;
use crate::app::shortcuts::keys_of;
use crate::app::{AppState, CommandSink};
use crate::ui::theme::{height, tokens, type_size};

/// An icon that can be pressed. `name` is its tooltip and its accessible name.
pub struct IconButton<'a> {
    icon: &'a str,
    name: &'a str,
    keys: Option<String>,
    hint: Option<&'a str>,
    selected: bool,
    obstacle: Option<&'a str>,
    side: f32,
    icon_size: f32,
}

impl<'a> IconButton<'a> {
    /// A button as high as every other control.
    pub fn new(icon: &'a str, name: &'a str) -> Self {
        Self {
            icon,
            name,
            keys: None,
            hint: None,
            selected: false,
            obstacle: None,
            side: height::CONTROL,
            icon_size: type_size::ICON,
        }
    }

    /// A button that shows an action as it stands.
    fn of(action: &'static Action, state: &'a AppState) -> Self {
        Self {
            hint: action.hint,
            selected: action.is_on(state).unwrap_or(false),
            obstacle: action.obstacle(state),
            ..Self::new(action.icon, action.label).keys_of(action)
        }
    }

    /// Shows the keys of an action in the tooltip.
    pub fn keys_of(mut self, action: &Action) -> Self {
        self.keys = keys_of(action);
        self
    }

    /// Whether it is switched on.
    pub fn selected(mut self, selected: bool) -> Self {
        self.selected = selected;
        self
    }

    /// Why it cannot be pressed, if it cannot.
    pub fn unless(mut self, obstacle: Option<&'a str>) -> Self {
        self.obstacle = obstacle;
        self
    }

    /// Another size of the button and of its icon.
    pub fn size(mut self, side: f32, icon_size: f32) -> Self {
        (self.side, self.icon_size) = (side, icon_size);
        self
    }

    /// Shows the button.
    pub fn show(self, ui: &mut Ui) -> egui::Response {
        let tokens = tokens(ui);
        let usable = self.obstacle.is_none() && ui.is_enabled();
        let sense = if usable {
            Sense::click()
        } else {
            Sense::hover()
        };
        let (rect, response) = ui.allocate_exact_size(egui::Vec2::splat(self.side), sense);
        response.widget_info(|| {
            egui::WidgetInfo::selected(egui::Role::Button, usable, self.selected, self.name)
        });
        let visuals = *ui.style().interact(&response);
        let fill = match (self.selected, usable) {
            (true, _) => tokens.accent_soft,
            (false, true) if response.is_pointer_button_down_on() => tokens.control_pressed,
            (false, true) if response.hovered() || response.has_focus() => tokens.control_hovered,
            _ => Color32::TRANSPARENT,
        };
        ui.painter().rect_filled(rect, visuals.corner_radius, fill);
        let color = match usable {
            false => tokens.text_faint.gamma_multiply(0.6),
            true if self.selected => tokens.accent_text,
            true if response.hovered() => tokens.text,
            true => tokens.text_muted,
        };
        ui.painter().text(
            rect.center(),
            egui::Align2::CENTER_CENTER,
            self.icon,
            egui::FontId::proportional(self.icon_size),
            color,
        );
        let name = match &self.keys {
            Some(keys) => format!("{}   {keys}", self.name),
            None => self.name.to_owned(),
        };
        let more = [self.hint, self.obstacle];
        more.into_iter()
            .flatten()
            .fold(response.on_hover_text(name), |response, text| {
                response.on_hover_text(text)
            })
    }
}

/// The size of a button as high as every other control, and of its icon.
pub const CONTROL_ICON: [f32; 2] = [height::CONTROL, type_size::ICON];

/// Shows an action of the table as an icon and does it when it is pressed.
/// `size` are the sides of the button and of its icon.
pub fn action_button(
    ui: &mut Ui,
    action: &'static Action,
    size: [f32; 2],
    state: &AppState,
    commands: &mut CommandSink,
) {
    let button = IconButton::of(action, state).size(size[0], size[1]);
    if button.show(ui).clicked() {
        commands.act(action, state);
    }
}
