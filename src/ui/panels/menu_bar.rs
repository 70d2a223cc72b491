//! The menus.

use eframe::egui;
use egui::containers::menu::{MenuBar, MenuConfig};
use egui::{Button, KeyboardShortcut, RichText, Ui, vec2};

use crate::app::settings::{Panels, ThemeChoice};
use crate::app::{AppState, Command, CommandSink, Dialog, shortcuts};
use crate::ui::icons;
use crate::ui::theme::{radius, semibold, space, tokens};

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
            let mut menu = Menu { state, commands };
            ui.menu_button("File", |ui| menu.file(ui));
            ui.menu_button("Edit", |ui| menu.edit(ui));
            ui.menu_button("View", |ui| menu.view(ui));
            ui.menu_button("Train", |ui| menu.train(ui));
            ui.menu_button("Help", |ui| menu.help(ui));
        });
}

fn bar_style(style: &mut egui::Style) {
    style.spacing.button_padding = vec2(space::S, 3.0);
    style.spacing.item_spacing.x = 2.0;
    style.spacing.interact_size.y = 24.0;
    flat(style);
}

fn menu_style(style: &mut egui::Style) {
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

struct Menu<'a> {
    state: &'a AppState,
    commands: &'a mut CommandSink,
}

impl Menu<'_> {
    fn file(&mut self, ui: &mut Ui) {
        let has_picture = self.state.document().has_picture();
        self.entry(
            ui,
            icons::FILE_PLUS,
            "New…",
            Some(shortcuts::NEW),
            true,
            || Command::Show(Dialog::New),
        );
        self.entry(
            ui,
            icons::FOLDER_OPEN,
            "Open…",
            Some(shortcuts::OPEN),
            true,
            || Command::OpenPicture,
        );
        let recent = &self.state.settings.recent_files;
        ui.add_enabled_ui(!recent.is_empty(), |ui| {
            ui.menu_button((icon(ui, icons::CLOCK), "Open recent"), |ui| {
                for path in recent {
                    let name = path
                        .file_name()
                        .unwrap_or(path.as_os_str())
                        .to_string_lossy();
                    let response = ui.button(name).on_hover_text(path.display().to_string());
                    if response.clicked() {
                        self.commands.push(Command::OpenFile(path.clone()));
                        ui.close();
                    }
                }
            });
        });
        ui.separator();
        self.entry(
            ui,
            icons::FLOPPY_DISK,
            "Save as…",
            Some(shortcuts::SAVE),
            has_picture,
            || Command::SaveAs,
        );
        ui.separator();
        self.entry(
            ui,
            icons::COPY,
            "Copy picture",
            Some(shortcuts::COPY),
            has_picture,
            || Command::Copy,
        );
        self.entry(
            ui,
            icons::CLIPBOARD,
            "Paste picture",
            Some(shortcuts::PASTE),
            true,
            || Command::Paste,
        );
        ui.separator();
        self.entry(
            ui,
            icons::SIGN_OUT,
            "Quit",
            Some(shortcuts::QUIT),
            true,
            || Command::Quit,
        );
    }

    fn edit(&mut self, ui: &mut Ui) {
        let history = self.state.editor.history();
        let label = |verb: &str, what: Option<&str>| match what {
            Some(what) => format!("{verb} “{what}”"),
            None => verb.to_owned(),
        };
        let undo = label("Undo", history.undo_label());
        let redo = label("Redo", history.redo_label());
        let (can_undo, can_redo) = (
            history.undo_label().is_some(),
            history.redo_label().is_some(),
        );
        self.entry(
            ui,
            icons::ARROW_U_UP_LEFT,
            &undo,
            Some(shortcuts::UNDO),
            can_undo,
            || Command::Undo,
        );
        self.entry(
            ui,
            icons::ARROW_U_UP_RIGHT,
            &redo,
            Some(shortcuts::REDO),
            can_redo,
            || Command::Redo,
        );
        ui.separator();
        let document = self.state.document();
        let (has_mask, is_masked) = (
            document.active_mask().is_some(),
            document.has_mask_content(),
        );
        self.entry(
            ui,
            icons::SELECTION_SLASH,
            "Clear mask",
            Some(shortcuts::CLEAR_MASK),
            is_masked,
            || Command::ClearMask,
        );
        self.entry(
            ui,
            icons::SELECTION_INVERSE,
            "Invert mask",
            Some(shortcuts::INVERT_MASK),
            has_mask,
            || Command::InvertMask,
        );
        self.entry(ui, icons::SELECTION_PLUS, "Add mask", None, true, || {
            Command::AddMask
        });
    }

    fn view(&mut self, ui: &mut Ui) {
        let fit = icons::CORNERS_OUT;
        self.entry(
            ui,
            fit,
            "Fit in the window",
            Some(shortcuts::ZOOM_FIT),
            true,
            || Command::ZoomFit,
        );
        self.entry(
            ui,
            "",
            "Actual size",
            Some(shortcuts::ZOOM_ACTUAL),
            true,
            || Command::ZoomActual,
        );
        self.entry(
            ui,
            icons::MAGNIFYING_GLASS_PLUS,
            "Zoom in",
            Some(shortcuts::ZOOM_IN),
            true,
            || Command::ZoomIn,
        );
        self.entry(
            ui,
            icons::MAGNIFYING_GLASS_MINUS,
            "Zoom out",
            Some(shortcuts::ZOOM_OUT),
            true,
            || Command::ZoomOut,
        );
        ui.separator();
        let panels = self.state.settings.panels;
        self.tick(ui, "Generate and layers", panels.side, || {
            Command::SetPanels(Panels {
                side: !panels.side,
                ..panels
            })
        });
        self.tick(ui, "Trajectory", panels.strip, || {
            Command::SetPanels(Panels {
                strip: !panels.strip,
                ..panels
            })
        });
        ui.separator();
        ui.menu_button((icon(ui, icons::CIRCLE_HALF), "Theme"), |ui| {
            for theme in ThemeChoice::ALL {
                let chosen = self.state.settings.theme == theme;
                self.tick(ui, theme.label(), chosen, || Command::SetTheme(theme));
            }
        });
    }

    fn train(&mut self, ui: &mut Ui) {
        self.entry(
            ui,
            icons::GRADUATION_CAP,
            "Train on a folder…",
            None,
            true,
            || Command::Show(Dialog::Train),
        );
    }

    fn help(&mut self, ui: &mut Ui) {
        self.entry(
            ui,
            icons::KEYBOARD,
            "Keyboard shortcuts",
            Some(shortcuts::LIST),
            true,
            || Command::Show(Dialog::Shortcuts),
        );
        self.entry(ui, icons::INFO, "About Velatura", None, true, || {
            Command::Show(Dialog::About)
        });
    }

    fn entry(
        &mut self,
        ui: &mut Ui,
        glyph: &str,
        label: &str,
        keys: Option<KeyboardShortcut>,
        enabled: bool,
        command: impl FnOnce() -> Command,
    ) {
        ui.set_min_width(236.0);
        let mut button = Button::new((icon(ui, glyph), label));
        if let Some(keys) = keys {
            let text = shortcuts::keys_text(&keys);
            button = button.shortcut_text(RichText::new(text).color(tokens(ui).text_faint));
        } else {
            // Lets the entry fill the width of the menu, as those with keys do.
            button = button.right_text("");
        }
        let response = ui.add_enabled(enabled, button).accessible_name(label);
        if response.clicked() {
            self.commands.push(command());
            ui.close();
        }
    }

    fn tick(&mut self, ui: &mut Ui, label: &str, on: bool, command: impl FnOnce() -> Command) {
        self.entry(
            ui,
            if on { icons::CHECK } else { "" },
            label,
            None,
            true,
            command,
        );
    }
}

/// An icon in a column of its own, so that labels stand below each other.
fn icon(ui: &Ui, glyph: &str) -> egui::Atom<'static> {
    use egui::AtomExt as _;
    let color = tokens(ui).text_muted;
    egui::Atom::from(RichText::new(glyph).size(16.0).color(color)).atom_size(vec2(20.0, 18.0))
}
