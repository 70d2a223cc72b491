//! The list of models: those of the user's folder, those used of late, and those in
//! folders of other programs, with pictures, searched, filtered and sorted.

mod browser;
mod card;
mod convert;
mod details;
mod look;
mod rename;
mod side;

use egui::{Key, Modifiers, RichText, ScrollArea, TextEdit, Ui, vec2};

pub use browser::ModelBrowser;
use browser::{Families, Shown, Sort};
use card::card_ui;
pub use convert::ConvertForm;
pub(super) use convert::{WIDTH as CONVERT_WIDTH, convert_ui};
use details::details_ui;
pub use rename::RenameForm;
pub(super) use rename::rename_ui;
use side::side_ui;

use std::sync::Arc;

use crate::app::library::LibraryCommand;
use crate::app::{AppState, CommandSink};
use crate::engine::library::{Listed, PictureFile};
use crate::icons;
use crate::ui::UiState;
use crate::ui::theme::{height, semibold, space, tokens, type_size};
use crate::ui::widgets::{TextureCache, combo};

/// Width of the dialog, where the window has it.
pub(super) const WIDTH: f32 = 1080.0;
/// Height of what is below the line for searching.
const HEIGHT: f32 = 560.0;
/// Least of it.
const LEAST_HEIGHT: f32 = 280.0;
/// Room of the window that the rest of the dialog takes.
const AROUND: f32 = 190.0;
/// Room for the bar that scrolls the grid.
const SCROLL_BAR: f32 = 12.0;
/// Width of families and folders.
const SIDE: f32 = 184.0;
/// Width of what is told of the marked model.
const DETAILS: f32 = 248.0;

/// What keys ask of the grid.
#[derive(Clone, Copy, Debug, Default)]
struct Keys {
    rows: isize,
    columns: isize,
    is_used: bool,
}

/// Shows the list.
pub(super) fn models_ui(
    ui: &mut Ui,
    state: &AppState,
    own: &mut UiState,
    commands: &mut CommandSink,
) {
    let UiState {
        models, thumbnails, ..
    } = own;
    let browser = models.get_or_insert_with(ModelBrowser::fresh);
    let keys = keys(ui, browser);
    search_ui(ui, browser);
    browser.follow(state);
    browser.update(state);
    let window = ui.ctx().content_rect().height();
    let height = HEIGHT.min(window - AROUND).max(LEAST_HEIGHT);
    ui.separator();
    ui.horizontal_top(|ui| {
        ui.set_height(height);
        ui.spacing_mut().item_spacing.x = space::M;
        column(ui, SIDE, height, |ui| side_ui(ui, browser, state, commands));
        let width = ui.available_width() - DETAILS - space::M;
        column(ui, width, height, |ui| {
            grid_ui(ui, browser, keys, state, thumbnails, commands);
        });
        column(ui, DETAILS, height, |ui| match browser.marked_model() {
            Some(listed) => {
                let listed = Arc::clone(listed);
                read_pictures(&[&listed], state, commands);
                details_ui(ui, &listed, state, thumbnails, commands);
            }
            None => {
                let note = "What is marked in the list is told of here.";
                ui.label(RichText::new(note).color(tokens(ui).text_faint));
            }
        });
    });
    if let Some(listed) = browser.marked_model().filter(|_| keys.is_used) {
        commands.push(LibraryCommand::Use(Arc::clone(listed)).into());
    }
}

fn column(ui: &mut Ui, width: f32, height: f32, content: impl FnOnce(&mut Ui)) {
    let layout = egui::Layout::top_down(egui::Align::Min);
    ui.allocate_ui_with_layout(vec2(width, height), layout, |ui| {
        ui.set_width(width);
        ui.set_height(height);
        content(ui);
    });
}

/// Takes the keys that mean the grid, unless a button or a list has the focus.
fn keys(ui: &mut Ui, browser: &ModelBrowser) -> Keys {
    let is_popup_open = egui::Popup::is_any_open(ui.ctx());
    let focused = ui.memory(|memory| memory.focused());
    if is_popup_open || focused.is_some_and(|id| Some(id) != browser.search) {
        return Keys::default();
    }
    // With words to walk through, the keys along a line are the field's.
    let is_empty = browser.query.text.is_empty();
    ui.input_mut(|input| {
        let mut count = |key| input.count_and_consume_key(Modifiers::NONE, key) as isize;
        let rows = count(Key::ArrowDown) - count(Key::ArrowUp);
        let pages = count(Key::PageDown) - count(Key::PageUp);
        let columns = if is_empty {
            count(Key::ArrowRight) - count(Key::ArrowLeft)
        } else {
            0
        };
        Keys {
            rows: rows + 3 * pages,
            columns,
            is_used: count(Key::Enter) > 0,
        }
    })
}

fn search_ui(ui: &mut Ui, browser: &mut ModelBrowser) {
    const SORT: f32 = 132.0;
    const KIND: f32 = 84.0;
    let kinds = KIND * Shown::ALL.len() as f32;
    ui.horizontal(|ui| {
        let query = &mut browser.query;
        let width = ui.available_width() - kinds - SORT - 2.0 * space::M;
        let margin = egui::Margin {
            left: 28,
            ..egui::Margin::symmetric(8, 6)
        };
        let field = TextEdit::singleline(&mut query.text)
            .hint_text("Search by name, family or folder")
            .desired_width(width - margin.sum().x)
            .margin(margin);
        let field = ui.add(field).accessible_name("Search models");
        // Beside the words, so that the caret is theirs.
        ui.painter().text(
            field.rect.left_center() + vec2(8.0, 0.0),
            egui::Align2::LEFT_CENTER,
            icons::MAGNIFYING_GLASS,
            egui::TextStyle::Body.resolve(ui.style()),
            ui.visuals().weak_text_color(),
        );
        browser.search = Some(field.id);
        // Whoever types searches, whatever was clicked before.
        let focused = ui.memory(|memory| memory.focused());
        if browser.is_new || (focused.is_none() && !egui::Popup::is_any_open(ui.ctx())) {
            field.request_focus();
            browser.is_new = false;
        }
        ui.add_space(space::M - space::S);
        ui.spacing_mut().item_spacing.x = 2.0;
        for kind in Shown::ALL {
            let count = browser.kinds[kind as usize];
            let is_shown = query.shown == kind;
            let text = match count {
                0 => kind.label().to_owned(),
                count => format!("{} {count}", kind.label()),
            };
            let button = egui::Button::selectable(is_shown, text)
                .min_size(vec2(KIND - 2.0, height::CONTROL));
            if ui.add(button).accessible_name(kind.label()).clicked() && !is_shown {
                query.shown = kind;
                query.families = Families::All;
            }
        }
        ui.add_space(space::M - 2.0);
        let list = combo("sort models", query.sort.label(), ui.available_width());
        let list = list.show_ui(ui, |ui| {
            for sort in Sort::ALL {
                if ui
                    .selectable_label(query.sort == sort, sort.label())
                    .clicked()
                {
                    query.sort = sort;
                }
            }
        });
        list.response.accessible_name("Order of models");
    });
}

fn grid_ui(
    ui: &mut Ui,
    browser: &mut ModelBrowser,
    keys: Keys,
    state: &AppState,
    thumbnails: &mut TextureCache,
    commands: &mut CommandSink,
) {
    if browser.models.is_empty() {
        nothing_ui(ui, browser, state, commands);
        return;
    }
    let row = card::HEIGHT + space::S;
    let width = ui.available_width() - SCROLL_BAR;
    let columns = ((width + space::S) / (card::LEAST_WIDTH + space::S)).floor();
    let columns = (columns as usize).max(1);
    let size = vec2((width + space::S) / columns as f32 - space::S, card::HEIGHT);
    let step = keys.rows * columns as isize + keys.columns;
    if step != 0 {
        browser.go(step);
    }
    let rows = browser.models.len().div_ceil(columns);
    let room = ui.available_height() - 20.0;
    let mut area = ScrollArea::vertical()
        .id_salt("models")
        .max_height(room)
        .auto_shrink([false, false]);
    if std::mem::take(&mut browser.is_to_be_seen) {
        let top = (browser.marked_place().unwrap_or(0) / columns) as f32 * row;
        let lowest = (top + row - room).max(0.0);
        area = area.vertical_scroll_offset(browser.offset.max(lowest).min(top));
    } else {
        // The list gets shorter while headers are read: its end stays in sight.
        let last = (rows as f32 * row - space::S - room).max(0.0);
        if browser.offset > last {
            area = area.vertical_scroll_offset(last);
        }
    }
    ui.spacing_mut().item_spacing = egui::Vec2::splat(space::S);
    let marked = browser.marked_place();
    let shown = area.show_rows(ui, card::HEIGHT, rows, |ui, seen| {
        let places = seen.start * columns..(seen.end * columns).min(browser.models.len());
        let models: Vec<Arc<Listed>> = browser.models[places.clone()].to_vec();
        read_pictures(&models.iter().collect::<Vec<_>>(), state, commands);
        for (line, listed) in models.chunks(columns).enumerate() {
            ui.horizontal(|ui| {
                for (column, listed) in listed.iter().enumerate() {
                    let place = places.start + line * columns + column;
                    let is_marked = marked == Some(place);
                    let events = card_ui(ui, size, listed, state, is_marked, thumbnails);
                    if events.is_marked {
                        browser.marked = Some(listed.found.path.clone());
                    }
                    if events.is_used {
                        commands.push(LibraryCommand::Use(Arc::clone(listed)).into());
                    }
                    if events.is_favoured {
                        let favourites = &state.settings.favourite_models;
                        let command = LibraryCommand::Favour {
                            model: listed.source.clone(),
                            is_favourite: !favourites.contains(&listed.source),
                        };
                        commands.push(command.into());
                    }
                }
            });
        }
    });
    browser.offset = shown.state.clamped_offset().y;
    let unread = state.library.listing().unread;
    let count = match browser.models.len() {
        1 => "1 shown".to_owned(),
        count => format!("{count} shown"),
    };
    let note = match unread {
        0 => count,
        1 => format!("{count}; the headers of 1 file are being read"),
        unread => format!("{count}; the headers of {unread} files are being read"),
    };
    let note = RichText::new(note)
        .size(type_size::SMALL)
        .color(tokens(ui).text_faint);
    ui.label(note);
}

/// Asks for the pictures of models that are seen.
fn read_pictures(models: &[&Arc<Listed>], state: &AppState, commands: &mut CommandSink) {
    let files = models.iter().filter_map(|listed| listed.picture.as_ref());
    let unasked: Vec<PictureFile> = files
        .filter(|file| !state.library.is_asked_for(file))
        .cloned()
        .collect();
    if !unasked.is_empty() {
        commands.push(LibraryCommand::ReadPictures(unasked).into());
    }
}

/// Why nothing is shown, and what to do.
fn nothing_ui(
    ui: &mut Ui,
    browser: &mut ModelBrowser,
    state: &AppState,
    commands: &mut CommandSink,
) {
    let query = &mut browser.query;
    let is_narrowed = !query.text.trim().is_empty() || query.families != Families::All;
    let what = match query.shown {
        Shown::Models => "models",
        Shown::Loras => "LoRA files",
        Shown::Controls => "ControlNets",
        Shown::FirstStages => "autoencoders",
        Shown::Embeddings => "textual inversions",
        Shown::Others => "other files",
    };
    let (heading, text) = if state.library.is_unknown() {
        (
            "Looking into your folders…".to_owned(),
            "Headers only are read, so this takes a moment the first time.".to_owned(),
        )
    } else if is_narrowed {
        (
            format!("No {what} like that"),
            "Nothing that is listed has these words or is of this family.".to_owned(),
        )
    } else {
        (
            format!("No {what} yet"),
            "Drop a file on the window, open one, or add the folder of A1111, Forge, ComfyUI or \
             InvokeAI: it is used where it lies, and nothing is ever written to it."
                .to_owned(),
        )
    };
    ui.add_space((ui.available_height() * 0.3).max(0.0));
    ui.vertical_centered(|ui| {
        ui.set_max_width(360.0);
        ui.label(
            RichText::new(icons::CUBE)
                .size(40.0)
                .color(tokens(ui).text_faint),
        );
        let heading = RichText::new(heading)
            .family(semibold())
            .size(type_size::HEADING);
        ui.label(heading);
        ui.label(RichText::new(text).color(tokens(ui).text_muted));
        ui.add_space(space::S);
        if is_narrowed {
            if ui.button("Show all").clicked() {
                query.text.clear();
                query.families = Families::All;
            }
        } else if !state.library.is_unknown() && ui.button("Add a folder of models…").clicked() {
            commands.push(LibraryCommand::PickPlace.into());
        }
    });
}
