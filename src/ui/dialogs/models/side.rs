//! Beside the grid: families to choose from, and the folders that are looked into.

use egui::{Align, Layout, RichText, ScrollArea, Ui};

use super::browser::{Families, ModelBrowser};
use crate::app::library::LibraryCommand;
use crate::app::{AppState, CommandSink};
use crate::engine::library::PlaceSeen;
use crate::icons;
use crate::ui::theme::{height, space, tokens, type_size};
use crate::ui::widgets::{IconButton, title};

/// Shows families and folders.
pub(super) fn side_ui(
    ui: &mut Ui,
    browser: &mut ModelBrowser,
    state: &AppState,
    commands: &mut CommandSink,
) {
    ScrollArea::vertical()
        .id_salt("families and folders")
        .auto_shrink([false, false])
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 2.0;
            let all = browser.kinds[browser.query.shown as usize];
            let chosen = &mut browser.query.families;
            family_ui(ui, "All", all, Families::All, chosen);
            let favourites = browser.favourites;
            let icon = format!("{}  Favourites", icons::STAR);
            family_ui(ui, &icon, favourites, Families::Favourites, chosen);
            for (family, count) in &browser.families {
                family_ui(ui, family.label(), *count, Families::Only(*family), chosen);
            }
            ui.add_space(space::M);
            title(ui, "Folders");
            ui.add_space(2.0);
            for place in &state.settings.model_places {
                let seen = state.library.listing().places.iter();
                let seen = seen.clone().find(|seen| seen.path == *place);
                place_ui(ui, place, seen, commands);
            }
            if state.settings.model_places.is_empty() {
                let note =
                    "Models of A1111, Forge, ComfyUI or InvokeAI can be used where they lie.";
                ui.label(faint(ui, note));
            }
            ui.add_space(space::XS);
            let add = ui.button(format!("{}  Add folder…", icons::FOLDER_PLUS));
            let add = add.accessible_name("Add folder…");
            let tip = "A folder of models, or that of another program. It is watched and never \
                       written to.";
            if add.on_hover_text(tip).clicked() {
                commands.push(LibraryCommand::PickPlace.into());
            }
            let open = ui.button(format!("{}  Open file…", icons::FOLDER_OPEN));
            let open = open.accessible_name("Open file…");
            if open
                .on_hover_text("A model in one file, wherever it lies")
                .clicked()
            {
                commands.push(LibraryCommand::PickFile.into());
            }
        });
}

fn faint(ui: &Ui, text: &str) -> RichText {
    RichText::new(text)
        .size(type_size::SMALL)
        .color(tokens(ui).text_faint)
}

/// A line with a number at its end.
fn family_ui(ui: &mut Ui, name: &str, count: usize, family: Families, chosen: &mut Families) {
    let is_chosen = *chosen == family;
    let number = RichText::new(count.to_string()).color(tokens(ui).text_faint);
    let line = egui::Button::selectable(is_chosen, name)
        .right_text(number)
        .truncate()
        .min_size(egui::vec2(ui.available_width(), height::CONTROL - 2.0));
    if ui.add(line).accessible_name(name).clicked() {
        *chosen = family;
    }
}

/// A folder that was added, and a cross that takes it off the list.
fn place_ui(
    ui: &mut Ui,
    path: &std::path::Path,
    seen: Option<&PlaceSeen>,
    commands: &mut CommandSink,
) {
    let name = path.file_name().unwrap_or(path.as_os_str());
    let name = name.to_string_lossy();
    let (note, is_there) = match seen {
        None => ("being looked at".to_owned(), true),
        Some(seen) if !seen.is_there => ("not there any more".to_owned(), false),
        Some(seen) => {
            let program = seen.program.map(|program| format!("{}, ", program.label()));
            let files = match seen.count {
                1 => "1 file".to_owned(),
                count => format!("{count} files"),
            };
            (format!("{}{files}", program.unwrap_or_default()), true)
        }
    };
    ui.horizontal(|ui| {
        let room = ui.available_width() - height::CONTROL - space::XS;
        ui.vertical(|ui| {
            ui.set_width(room);
            ui.spacing_mut().item_spacing.y = 0.0;
            let label = egui::Label::new(name.as_ref()).truncate();
            ui.add(label).on_hover_text(path.display().to_string());
            let color = if is_there {
                tokens(ui).text_faint
            } else {
                tokens(ui).warning
            };
            let note = RichText::new(note).size(type_size::SMALL).color(color);
            ui.add(egui::Label::new(note).truncate());
        });
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let word = format!("Take {name} off the list");
            if IconButton::new(icons::X, &word).show(ui).clicked() {
                commands.push(LibraryCommand::RemovePlace(path.to_path_buf()).into());
            }
        });
    });
}
