//! The list of keys.

use eframe::egui;
use egui::{Grid, RichText, Ui};

use crate::app::shortcuts::{ALL, GESTURES, Group, keys_text};
use crate::ui::theme::{medium, space, tokens};

/// Shows the keys in two columns of groups.
pub fn shortcut_list_ui(ui: &mut Ui) {
    ui.columns_const(|[left, right]| {
        for group in [Group::Generate, Group::File, Group::Edit] {
            group_ui(left, group);
        }
        for group in [Group::Tools, Group::View] {
            group_ui(right, group);
        }
    });
}

fn group_ui(ui: &mut Ui, group: Group) {
    let tokens = tokens(ui);
    ui.add_space(space::XS);
    ui.label(
        RichText::new(group.label())
            .family(medium())
            .color(tokens.accent_text),
    );
    let width = ui.available_width();
    Grid::new(group.label())
        .num_columns(2)
        .spacing([space::M, 6.0])
        .show(ui, |ui| {
            ui.spacing_mut().interact_size.y = 16.0;
            let mut line = |label: &str, keys: &str| {
                ui.scope(|ui| {
                    ui.set_width(width * 0.5);
                    ui.label(label);
                });
                ui.add(egui::Label::new(RichText::new(keys).color(tokens.text_muted)).wrap());
                ui.end_row();
            };
            // Two keys for one thing share a line.
            let mut told: Vec<&str> = Vec::new();
            for shortcut in ALL.iter().filter(|shortcut| shortcut.group == group) {
                if told.contains(&shortcut.label) {
                    continue;
                }
                told.push(shortcut.label);
                let keys: Vec<String> = ALL
                    .iter()
                    .filter(|other| other.label == shortcut.label)
                    .map(|other| keys_text(&other.keys))
                    .collect();
                line(shortcut.label, &keys.join(" or "));
            }
            for (_, label, keys) in GESTURES.iter().filter(|gesture| gesture.0 == group) {
                line(label, keys);
            }
        });
}
