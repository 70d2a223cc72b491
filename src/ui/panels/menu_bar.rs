//! The menus, as the table of actions has them.

use std::path::PathBuf;

use egui::containers::menu::{MenuBar, MenuConfig};
use egui::{Button, Response, RichText, Ui, vec2};

use crate::app::actions::{Action, Entry, MENUS, Menu};
use crate::app::shortcuts::keys_of;
use crate::app::{AppState, Command, CommandSink};
use crate::icons;
use crate::ui::theme::{radius, semibold, space, tokens};

/// Narrowest that entries are.
const ENTRY_WIDTH: f32 = 236.0;

/// Shows the menu bar.
pub fn menu_bar_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let config = MenuConfig::new().style(menu_style as fn(&mut egui::Style));
    MenuBar::new()
        .config(config)
        .style(bar_style as fn(&mut egui::Style))
        .ui(ui, |ui| {
            ui.set_min_height(ui.available_height());
            ui.label(
                RichText::new(icons::APERTURE)
                    .size(18.0)
                    .color(tokens(ui).accent_text),
            );
            ui.label(RichText::new("Velatura").family(semibold()));
            ui.add_space(space::S);
            for menu in MENUS {
                ui.menu_button(menu.label, |ui| groups_ui(ui, menu, state, commands));
            }
        });
}

fn bar_style(style: &mut egui::Style) {
    style.spacing.button_padding = vec2(space::S, 3.0);
    style.spacing.item_spacing.x = 2.0;
    style.spacing.interact_size.y = 24.0;
    flat(style);
}

/// How entries of a menu look.
pub(super) fn menu_style(style: &mut egui::Style) {
    style.spacing.button_padding = vec2(space::S, 2.0);
    style.spacing.interact_size.y = 26.0;
    style.spacing.item_spacing.y = 0.0;
    flat(style);
}

/// Menu entries have no box until the pointer is over them.
fn flat(style: &mut egui::Style) {
    let widgets = &mut style.visuals.widgets;
    widgets.inactive.weak_bg_fill = egui::Color32::TRANSPARENT;
    for widget in [
        &mut widgets.inactive,
        &mut widgets.hovered,
        &mut widgets.active,
        &mut widgets.open,
    ] {
        widget.bg_stroke = egui::Stroke::NONE;
        widget.corner_radius = egui::CornerRadius::same(radius::CONTROL);
    }
}

/// The groups of a menu, with a line between two of them.
fn groups_ui(ui: &mut Ui, menu: &Menu, state: &AppState, commands: &mut CommandSink) {
    for (index, entries) in menu.groups.iter().enumerate() {
        if index > 0 {
            ui.separator();
        }
        entries_ui(ui, entries, state, commands);
    }
}

/// The entries of a menu.
pub(super) fn entries_ui(
    ui: &mut Ui,
    entries: &[Entry],
    state: &AppState,
    commands: &mut CommandSink,
) {
    for entry in entries {
        match entry {
            Entry::Action(action) => action_ui(ui, action, state, commands),
            Entry::Submenu {
                label,
                icon: glyph,
                entries,
            } => {
                let menu = ui.menu_button((icon(ui, glyph), *label), |ui| {
                    entries_ui(ui, entries, state, commands);
                });
                menu.response.accessible_name(*label);
            }
            Entry::Files {
                label,
                icon: glyph,
                files,
                when_empty,
                command,
            } => {
                let files = files(state);
                ui.add_enabled_ui(!files.is_empty(), |ui| {
                    let menu = ui.menu_button((icon(ui, glyph), *label), |ui| {
                        files_ui(ui, files, *command, commands);
                    });
                    menu.response
                        .accessible_name(*label)
                        .on_disabled_hover_text(*when_empty);
                });
            }
            Entry::Line => {
                ui.separator();
            }
        }
    }
}

/// An entry that is no action of the table.
pub(super) fn entry_ui(ui: &mut Ui, glyph: &str, label: &str) -> Response {
    ui.set_min_width(ENTRY_WIDTH);
    let entry = Button::new((icon(ui, glyph), label)).right_text("");
    ui.add(entry).accessible_name(label)
}

fn files_ui(
    ui: &mut Ui,
    files: &[PathBuf],
    command: fn(PathBuf) -> Command,
    commands: &mut CommandSink,
) {
    for path in files {
        let name = path.file_name().unwrap_or(path.as_os_str());
        let entry = ui.button(name.to_string_lossy());
        if entry.on_hover_text(path.display().to_string()).clicked() {
            commands.push(command(path.clone()));
            ui.close();
        }
    }
}

fn action_ui(ui: &mut Ui, action: &Action, state: &AppState, commands: &mut CommandSink) {
    ui.set_min_width(ENTRY_WIDTH);
    let glyph = match action.is_on(state) {
        Some(true) => icons::CHECK,
        Some(false) | None => action.icon,
    };
    let label = action.label_now(state);
    let mut button = Button::new((icon(ui, glyph), label.as_str()));
    if let Some(keys) = keys_of(action) {
        button = button.shortcut_text(RichText::new(keys).color(tokens(ui).text_faint));
    } else {
        // Lets the entry fill the width of the menu, as those with keys do.
        button = button.right_text("");
    }
    let obstacle = action.obstacle(state);
    let mut response = ui
        .add_enabled(obstacle.is_none(), button)
        .accessible_name(&label);
    if let Some(is_on) = action.is_on(state) {
        let is_usable = obstacle.is_none();
        response.widget_info(|| {
            egui::WidgetInfo::selected(egui::Role::Button, is_usable, is_on, &label)
        });
    }
    if let Some(obstacle) = obstacle {
        response = response.on_disabled_hover_text(obstacle);
    }
    if response.clicked() {
        commands.act(action, state);
        ui.close();
    }
}

/// An icon in a column of its own, so that labels stand below each other.
fn icon(ui: &Ui, glyph: &str) -> egui::Atom<'static> {
    use egui::AtomExt as _;
    let color = tokens(ui).text_muted;
    egui::Atom::from(RichText::new(glyph).size(16.0).color(color)).atom_size(vec2(20.0, 18.0))
}
