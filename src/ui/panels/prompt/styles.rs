//! The menu of styles beside the prompt.

use egui::{
    Align, Button, Key, Label, Layout, Popup, PopupCloseBehavior, RichText, ScrollArea, TextEdit,
    Ui,
};

use crate::app::prompt::StyleCommand;
use crate::app::{AppState, CommandSink};
use crate::icons;
use crate::ui::theme::{height, space, tokens};
use crate::ui::widgets::IconButton;

const WIDTH: f32 = 248.0;

/// Height of as many styles as are seen at once.
const LIST_HEIGHT: f32 = 240.0;

/// The button of the menu, and its icon.
const BUTTON: [f32; 2] = [20.0, 14.0];

/// What is typed in the menu.
#[derive(Debug, Default)]
pub struct StylesUi {
    name: String,
}

impl StylesUi {
    /// Shows the button, and the menu while it is open.
    pub fn show(&mut self, ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
        let button = IconButton::new(icons::SWATCHES, "Styles").size(BUTTON[0], BUTTON[1]);
        let button = button.show(ui);
        Popup::menu(&button)
            .close_behavior(PopupCloseBehavior::CloseOnClickOutside)
            .show(|ui| {
                ui.set_width(WIDTH);
                self.list_ui(ui, state, commands);
                ui.separator();
                self.save_ui(ui, state, commands);
            });
    }

    fn list_ui(&self, ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
        if state.styles.is_empty() {
            let text = "No styles yet. A style is a prompt that is kept under a name; \
                        {prompt} in it stands for what it is put around.";
            let text = RichText::new(text).color(tokens(ui).text_faint);
            // In a menu, text would be spread over the width of its lines.
            ui.with_layout(Layout::top_down(Align::Min), |ui| {
                ui.add(Label::new(text).wrap());
            });
            return;
        }
        ScrollArea::vertical()
            .max_height(LIST_HEIGHT)
            .show(ui, |ui| {
                for style in &state.styles {
                    ui.horizontal(|ui| {
                        ui.spacing_mut().item_spacing.x = space::XS;
                        let width = ui.available_width() - height::CONTROL - space::S;
                        let entry = Button::new(&style.name)
                            .frame_when_inactive(false)
                            .right_text("")
                            .truncate()
                            .min_size(egui::vec2(width, height::CONTROL));
                        let negative = style.negative_prompt.trim();
                        let hint = match negative {
                            "" => style.prompt.clone(),
                            negative => format!("{}\nNot: {negative}", style.prompt),
                        };
                        let entry = ui.add(entry).accessible_name(&style.name);
                        if entry.on_hover_text(hint).clicked() {
                            commands.push(StyleCommand::Apply(style.clone()).into());
                            ui.close();
                        }
                        let name = format!("Delete the style {}", style.name);
                        if IconButton::new(icons::TRASH, &name).show(ui).clicked() {
                            commands.push(StyleCommand::Delete(style.name.clone()).into());
                        }
                    });
                }
            });
    }

    fn save_ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
        let spec = &state.form().spec;
        let has_words = !spec.prompt.trim().is_empty() || !spec.negative_prompt.trim().is_empty();
        let name = self.name.trim();
        let is_known = state.styles.iter().any(|style| style.name == name);
        let is_usable = has_words && !name.is_empty();
        let label = if is_known { "Replace" } else { "Save" };
        ui.horizontal(|ui| {
            let button_width = 72.0;
            let field = TextEdit::singleline(&mut self.name)
                .hint_text("Name for this prompt")
                .desired_width(ui.available_width() - button_width - space::S - 16.0)
                .margin(egui::Margin::symmetric(8, 5));
            let field = ui.add(field).accessible_name("Name of the style");
            let entered = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
            let button = Button::new(label).min_size(egui::vec2(button_width, height::CONTROL));
            let button = ui
                .add_enabled(is_usable, button)
                .on_disabled_hover_text("Write a prompt, and a name for it");
            if is_usable && (button.clicked() || entered) {
                let name = std::mem::take(&mut self.name);
                commands.push(StyleCommand::Save(name).into());
            }
        });
    }
}
