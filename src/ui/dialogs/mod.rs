//! What stands in front of the window: dialogs, one per file.

mod about;
mod choose_boxes;
mod enlarge;
mod import_map;
mod map_classes;
mod models;
mod new_picture;
mod palette;
mod path;
mod place;
mod recover;
mod shortcut_list;
mod train;

use egui::{
    Align, Context, Id, Layout, Modal, PointerState, Popup, RichText, ScrollArea, Ui, vec2,
};

use super::UiState;
use super::theme::{height, semibold, space, tokens, type_size};
use crate::app::actions::file::SAVE;
use crate::app::{AppState, Command, CommandSink, Dialog, Question};
use crate::icons;
use crate::ui::widgets::IconButton;

pub(super) use enlarge::EnlargeForm;
pub(super) use map_classes::ClassMap;
pub(super) use models::{ConvertForm, ModelBrowser, RenameForm};

/// Room for what is above and below the content of a dialog, in points: its title, its
/// buttons, its margins, and some of the window.
const AROUND: f32 = 160.0;

/// Closes what hangs over the window when a dialog comes in front of it: menus, lists and
/// tooltips; keys go to no field behind it. What it gives is the pointer, to be put back
/// when the window behind is drawn: a tooltip stays while the pointer rests on what it
/// explains, whatever stands in front of that.
pub fn make_way(ctx: &Context, state: &AppState, own: &mut UiState) -> Option<PointerState> {
    let dialog = state.dialog.as_ref().map(std::mem::discriminant);
    let is_new = std::mem::replace(&mut own.dialog, dialog) != dialog;
    dialog?;
    if is_new {
        Popup::close_all(ctx);
        ctx.memory_mut(|memory| {
            if let Some(field) = memory.focused() {
                memory.surrender_focus(field);
            }
        });
    }
    // Who holds a button down is in the midst of something that sees its end.
    ctx.input_mut(|input| {
        let is_held = input.pointer.any_down() || input.pointer.any_released();
        (!is_held).then(|| std::mem::take(&mut input.pointer))
    })
}

/// Shows the open dialog, if there is one.
pub fn dialog_ui(ui: &mut Ui, state: &AppState, own: &mut UiState, commands: &mut CommandSink) {
    if !matches!(state.dialog, Some(Dialog::Path { .. })) {
        own.typed_path = None;
    }
    if !matches!(state.dialog, Some(Dialog::ChooseBoxes(_))) {
        own.image_query = None;
    }
    if !matches!(state.dialog, Some(Dialog::MapClasses { .. })) {
        own.class_map = None;
    }
    let is_of_models = matches!(
        state.dialog,
        Some(Dialog::Models | Dialog::Convert { .. } | Dialog::Rename { .. })
    );
    if !is_of_models {
        own.models = None;
    }
    if !matches!(state.dialog, Some(Dialog::Convert { .. })) {
        own.conversion = None;
    }
    if !matches!(state.dialog, Some(Dialog::Rename { .. })) {
        own.model_name = None;
    }
    if !matches!(state.dialog, Some(Dialog::Enlarge)) {
        own.enlarging = None;
    }
    match &state.dialog {
        None => {}
        Some(Dialog::Enlarge) => frame(ui, "Enlarge", 440.0, commands, |ui, commands| {
            enlarge::enlarge_ui(ui, state, own, commands);
        }),
        Some(Dialog::ChooseBoxes(file)) => {
            frame(ui, "Choose a picture", 440.0, commands, |ui, commands| {
                choose_boxes::choose_boxes_ui(ui, file, own, commands);
            });
        }
        Some(Dialog::MapClasses { news }) => {
            frame(ui, "Map classes", 440.0, commands, |ui, commands| {
                map_classes::map_classes_ui(ui, state, news.as_deref(), own, commands);
            });
        }
        Some(Dialog::New) => frame(ui, "New picture", 320.0, commands, |ui, commands| {
            new_picture::new_picture_ui(ui, state, own, commands);
        }),
        Some(Dialog::Shortcuts) => {
            let width = shortcut_list::WIDTH;
            frame(ui, "Keyboard shortcuts", width, commands, |ui, _| {
                scrolled(ui, shortcut_list::shortcut_list_ui);
            });
        }
        Some(Dialog::About) => {
            frame(ui, "About Velatura", 420.0, commands, |ui, _| {
                about::about_ui(ui)
            });
        }
        Some(Dialog::Train) => {
            let title = match state.jobs.training() {
                Some(_) => "Training",
                None => "Train on a folder",
            };
            frame(ui, title, 560.0, commands, |ui, commands| {
                train::train_ui(ui, state, own, commands);
            });
        }
        Some(Dialog::Models) => frame(ui, "Models", models::WIDTH, commands, |ui, commands| {
            models::models_ui(ui, state, own, commands);
        }),
        Some(Dialog::Convert { listed, folder }) => {
            let width = models::CONVERT_WIDTH;
            frame(ui, "Convert a model", width, commands, |ui, commands| {
                models::convert_ui(ui, listed, folder.as_deref(), state, own, commands);
            });
        }
        Some(Dialog::Rename {
            listed,
            own: folder,
        }) => {
            let width = models::CONVERT_WIDTH;
            frame(ui, "Rename a model", width, commands, |ui, commands| {
                models::rename_ui(ui, listed, folder, state, own, commands);
            });
        }
        Some(Dialog::ImportMap(import)) => {
            frame(ui, "Import label map", 440.0, commands, |ui, commands| {
                import_map::import_map_ui(ui, state, import, commands);
            });
        }
        Some(Dialog::Palette(draft)) => frame(ui, "Classes", 440.0, commands, |ui, commands| {
            palette::palette_ui(ui, draft, commands);
        }),
        Some(Dialog::Path {
            purpose,
            suggestion,
        }) => {
            let title = path::path_title(*purpose);
            frame(ui, title, 480.0, commands, |ui, commands| {
                path::path_ui(ui, *purpose, suggestion, own, commands);
            });
        }
        Some(Dialog::Recover) => {
            frame(
                ui,
                "Recover unsaved work",
                520.0,
                commands,
                |ui, commands| {
                    recover::recover_ui(ui, state, commands);
                },
            );
        }
        Some(Dialog::Discard(question)) => {
            frame(ui, question.title(), 400.0, commands, |ui, commands| {
                discard_ui(ui, state, question, commands);
            });
        }
    }
}

/// A dialog with a title and a cross.
fn frame(
    ui: &mut Ui,
    title: &str,
    width: f32,
    commands: &mut CommandSink,
    content: impl FnOnce(&mut Ui, &mut CommandSink),
) {
    let frame = egui::Frame::window(ui.style()).inner_margin(egui::Margin::same(20));
    let id = Id::unique(("dialog", title));
    let modal = Modal::new(id)
        .area(place::area(ui.ctx(), id))
        .frame(frame)
        .show(ui.ctx(), |ui| {
            ui.set_width(width.min(ui.ctx().content_rect().width() - 2.0 * space::XL));
            ui.horizontal(|ui| {
                ui.label(
                    RichText::new(title)
                        .family(semibold())
                        .size(type_size::HEADING + 1.0),
                );
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    if IconButton::new(icons::X, "Close").show(ui).clicked() {
                        commands.push(Command::CloseDialog);
                    }
                });
            });
            ui.add_space(space::XS);
            content(ui, commands);
        });
    if modal.backdrop_response.clicked() {
        commands.push(Command::CloseDialog);
    }
}

/// What may be higher than a small window: there it scrolls, and the title and the buttons
/// of the dialog stay in sight.
fn scrolled(ui: &mut Ui, content: impl FnOnce(&mut Ui)) {
    let most_height = ui.ctx().content_rect().height() - AROUND;
    ui.scope(|ui| {
        // The bar has room of its own, and lies on no field.
        ui.spacing_mut().scroll.floating = false;
        ScrollArea::vertical()
            .max_height(most_height)
            // A dialog begins with a height of its own, which is no reason to scroll.
            .min_scrolled_height(most_height)
            .auto_shrink([false, true])
            .show(ui, content);
    });
}

/// How high a list may be that has other rows around it: `most` where the window is large.
fn list_height(ui: &Ui, most: f32) -> f32 {
    most.min(ui.ctx().content_rect().height() - 2.0 * AROUND)
}

/// The buttons at the bottom of a dialog, the main one at the right.
fn buttons(ui: &mut Ui, add: impl FnOnce(&mut Ui)) {
    ui.add_space(space::S);
    // With all height that is left, the dialog would never be lower again.
    let size = vec2(ui.available_width(), height::CONTROL);
    ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
        ui.spacing_mut().button_padding.x = space::M;
        add(ui);
    });
}

/// A button in the accent colour. One that cannot be pressed looks like the others of those:
/// in light, its words could not be read on the faded accent.
fn main_button(ui: &mut Ui, text: &str, enabled: bool) -> egui::Response {
    if !enabled {
        return ui.add_enabled(false, egui::Button::new(text));
    }
    let tokens = tokens(ui);
    ui.scope(|ui| {
        let widgets = &mut ui.visuals_mut().widgets;
        for (widget, fill) in [
            (&mut widgets.inactive, tokens.accent),
            (&mut widgets.hovered, tokens.accent_hovered),
            (&mut widgets.active, tokens.accent_pressed),
        ] {
            widget.weak_bg_fill = fill;
            widget.bg_stroke = egui::Stroke::NONE;
            widget.fg_stroke.color = tokens.on_accent;
        }
        ui.button(text)
    })
    .inner
}

fn discard_ui(ui: &mut Ui, state: &AppState, question: &Question, commands: &mut CommandSink) {
    for sentence in question.sentences(&state.title()) {
        ui.label(sentence);
    }
    buttons(ui, |ui| {
        let agree = ui.button(RichText::new(question.answer()).color(tokens(ui).danger));
        if agree.clicked() {
            commands.push(Command::Agree);
        }
        if question.offers_save() && ui.button(SAVE.label).clicked() {
            commands.push(Command::SaveAndGoOn);
        }
        if ui.button("Keep working").clicked() {
            commands.push(Command::CloseDialog);
        }
    });
}
