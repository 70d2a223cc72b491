//! The list of keys.

use egui::{Align, Label, Layout, RichText, Ui, vec2};

use crate::app::actions::{self, Group};
use crate::app::shortcuts::{GESTURES, keys_text};
use crate::ui::theme::{medium, space, tokens};

/// Height of a line of the list.
const LINE_HEIGHT: f32 = 20.0;
/// Width of three columns whose longest line is whole.
pub const WIDTH: f32 = 1080.0;

/// Shows the keys in three columns of groups.
pub fn shortcut_list_ui(ui: &mut Ui) {
    ui.spacing_mut().item_spacing = vec2(space::XL, 2.0);
    ui.spacing_mut().interact_size.y = LINE_HEIGHT;
    ui.columns_const(|[left, middle, right]| {
        for group in [Group::Generate, Group::File, Group::Edit] {
            group_ui(left, group);
        }
        for group in [Group::Boxes, Group::Frame] {
            group_ui(middle, group);
        }
        for group in [Group::Tools, Group::View] {
            group_ui(right, group);
        }
    });
}

fn group_ui(ui: &mut Ui, group: Group) {
    let tokens = tokens(ui);
    ui.label(
        RichText::new(group.label())
            .family(medium())
            .color(tokens.accent_text),
    );
    // Several keys for one thing share a line.
    let mut lines: Vec<(&str, Vec<String>)> = Vec::new();
    for action in actions::all().filter(|action| action.group == group) {
        let keys = action.keys().map(|keys| keys_text(&keys));
        match lines.iter_mut().find(|line| line.0 == action.full_label) {
            Some((_, known)) => known.extend(keys),
            None => lines.push((action.full_label, keys.collect())),
        }
    }
    for (label, keys) in lines.iter().filter(|(_, keys)| !keys.is_empty()) {
        line_ui(ui, label, &joined(keys));
    }
    for (_, label, keys) in GESTURES.iter().filter(|gesture| gesture.0 == group) {
        line_ui(ui, label, keys);
    }
    ui.add_space(space::S);
}

/// Several keys for one thing; the arrows by one word.
fn joined(keys: &[String]) -> String {
    const ARROWS: [&str; 4] = ["←", "→", "↑", "↓"];
    let with = keys[0].strip_suffix(ARROWS[0]);
    let are_arrows = |with: &str| {
        let all = ARROWS.iter().map(|arrow| format!("{with}{arrow}"));
        all.eq(keys.iter().cloned())
    };
    match with {
        Some("") if are_arrows("") => "Arrows".to_owned(),
        Some(with) if are_arrows(with) => format!("{with}arrows"),
        _ => keys.join(" or "),
    }
}

/// What it does at the left, the keys at the right.
fn line_ui(ui: &mut Ui, label: &str, keys: &str) {
    let color = tokens(ui).text_muted;
    ui.horizontal(|ui| {
        ui.set_min_height(LINE_HEIGHT);
        ui.spacing_mut().item_spacing.x = space::S;
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.label(RichText::new(keys).color(color));
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.add(Label::new(label).truncate());
            });
        });
    });
}
