//! Gives classes that the model does not know the names of those that it does.

use std::collections::BTreeMap;

use egui::{RichText, ScrollArea, Ui};

use super::{buttons, main_button};
use crate::app::boxes::{BoxCommand, vocabulary};
use crate::app::{AppState, Command, CommandSink};
use crate::ui::UiState;
use crate::ui::class_colour::class_colour;
use crate::ui::theme::{height, space, tokens};
use crate::ui::widgets::combo;

const NAME_WIDTH: f32 = 180.0;

/// What each unknown class is to become; none stays.
pub type ClassMap = BTreeMap<String, Option<String>>;

/// Shows a line for each class.
pub fn map_classes_ui(
    ui: &mut Ui,
    state: &AppState,
    news: Option<&str>,
    own: &mut UiState,
    commands: &mut CommandSink,
) {
    if let Some(news) = news {
        ui.label(format!("{news}."));
    }
    let Some(vocabulary) = vocabulary(state) else {
        let text = "The chosen model takes no boxes. Choose one that does in the Generate panel.";
        ui.label(text);
        return;
    };
    let unknown = own.box_table.report(state).unknown.clone();
    if unknown.is_empty() {
        ui.label("The model knows every class.");
        buttons(ui, |ui| {
            if main_button(ui, "Close", true).clicked() {
                commands.push(Command::CloseDialog);
            }
        });
        return;
    }
    let name = state
        .model_summary()
        .map_or("The model", |model| &model.name);
    let text = format!(
        "{name} does not know these classes. Their boxes stay, marked by dashes, and are left out of pictures unless they get another class."
    );
    ui.label(RichText::new(text).color(tokens(ui).text_muted));
    ui.add_space(space::S);
    let map = own
        .class_map
        .get_or_insert_with(|| suggested(&unknown, vocabulary.classes));
    ScrollArea::vertical()
        .max_height(280.0)
        .auto_shrink([false, true])
        .show(ui, |ui| {
            for class in &unknown {
                let to = map.entry(class.clone()).or_default();
                line_ui(ui, class, to, vocabulary.classes);
            }
        });
    let pairs: Vec<(String, String)> = unknown
        .iter()
        .filter_map(|class| Some((class.clone(), map.get(class)?.clone()?)))
        .collect();
    buttons(ui, |ui| {
        if main_button(ui, "Change classes", !pairs.is_empty()).clicked() {
            commands.push(Command::CloseDialog);
            commands.push(BoxCommand::Rename(pairs).into());
        }
        if ui.button("Leave them").clicked() {
            commands.push(Command::CloseDialog);
        }
    });
}

fn line_ui(ui: &mut Ui, class: &str, to: &mut Option<String>, classes: &[String]) {
    ui.horizontal(|ui| {
        ui.set_min_height(height::CONTROL);
        let (rect, _) = ui.allocate_exact_size(
            egui::vec2(NAME_WIDTH, height::CONTROL),
            egui::Sense::hover(),
        );
        let middle = rect.left_center();
        ui.painter().circle_filled(
            middle + egui::vec2(8.0, 0.0),
            4.5,
            class_colour(class, classes),
        );
        let galley = egui::WidgetText::from(class).into_galley(
            ui,
            Some(egui::TextWrapMode::Truncate),
            NAME_WIDTH - 24.0,
            egui::TextStyle::Body,
        );
        let corner = middle + egui::vec2(20.0, -galley.size().y * 0.5);
        ui.painter().galley(corner, galley, tokens(ui).text);
        ui.label(RichText::new("becomes").color(tokens(ui).text_faint));
        let chosen = to.clone().unwrap_or_else(|| "stays as it is".to_owned());
        let shown = ui.push_id(class, |ui| {
            combo("becomes", chosen, ui.available_width()).show_ui(ui, |ui| {
                ui.selectable_value(to, None, "stays as it is");
                for known in classes {
                    ui.selectable_value(to, Some(known.clone()), known);
                }
            })
        });
        let response = shown.inner.response;
        response.accessible_name(format!("{class} becomes"));
    });
}

/// Classes that differ from a known one only in how they are written.
fn suggested(unknown: &[String], classes: &[String]) -> ClassMap {
    let plain = |name: &str| {
        let letters = name.chars().filter(|letter| letter.is_alphanumeric());
        let letters: String = letters.flat_map(char::to_lowercase).collect();
        letters.trim_end_matches('s').to_owned()
    };
    let of = |class: &String| {
        let known = classes.iter().find(|known| plain(known) == plain(class));
        (class.clone(), known.cloned())
    };
    unknown.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_spellings_are_suggested() {
        let classes = ["hot air balloon", "bus"].map(str::to_owned);
        let unknown = ["Hot_Air_Balloons", "tram"].map(str::to_owned);
        let map = suggested(&unknown, &classes);
        assert_eq!(map["Hot_Air_Balloons"].as_deref(), Some("hot air balloon"));
        assert_eq!(map["tram"], None);
    }
}
