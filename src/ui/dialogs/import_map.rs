//! A label map from a file: what its values or colours mean, told before it is taken.

use egui::{Color32, CornerRadius, RichText, ScrollArea, Sense, Stroke, Ui, vec2};

use super::{buttons, list_height, main_button};
use crate::app::classes::{ClassCommand, ImportPalette, LabelCode, MapImport};
use crate::app::{AppState, Command, CommandSink};
use crate::recipe::palette::{NOTHING, Palette};
use crate::ui::theme::{height, radius, space, tokens};
use crate::ui::widgets::{combo, row};

/// Shows what is in the file, the classes and the buttons.
pub fn import_map_ui(
    ui: &mut Ui,
    state: &AppState,
    import: &MapImport,
    commands: &mut CommandSink,
) {
    let document = state.document();
    let mut edited = import.clone();
    let name = import.file.path().file_name().unwrap_or_default();
    let [width, height_px] = import.file.size_px();
    let kind = if import.file.is_coloured() {
        "by colours"
    } else {
        "by index"
    };
    let size = document.size_px();
    let scaled = if [width, height_px] == size {
        String::new()
    } else {
        format!(", scaled to {} × {} by the nearest pixel", size[0], size[1])
    };
    let text = format!(
        "{}: {width} × {height_px} pixels, {kind}{scaled}.",
        name.to_string_lossy()
    );
    ui.add(egui::Label::new(RichText::new(text).color(tokens(ui).text_muted)).wrap());
    row(ui, "Classes", |ui, label| {
        let own = &*document.palette().name;
        let chosen = edited.palette.label(own);
        let list = combo("import_palette", chosen, ui.available_width() - space::S);
        let shown = list.show_ui(ui, |ui| {
            let has_own = !document.palette().classes.is_empty();
            let first = has_own.then_some(ImportPalette::Document);
            for palette in first.into_iter().chain(ImportPalette::OTHERS) {
                ui.selectable_value(&mut edited.palette, palette, palette.label(own));
            }
        });
        shown.response.labelled_by(label);
    });
    let palette = edited.palette_of(document);
    codes_ui(ui, &mut edited, &palette);
    let unknown = edited.unknown_count(&palette);
    ui.add_space(space::XS);
    if unknown > 0 {
        let what = if import.file.is_coloured() {
            "colours"
        } else {
            "values"
        };
        let text = match unknown {
            1 => format!("One of the {what} has no class here. Choose one, or leave it empty."),
            _ => format!(
                "{unknown} {what} have no class here. Choose one for each, or leave them empty."
            ),
        };
        ui.add(egui::Label::new(RichText::new(text).color(tokens(ui).warning)).wrap());
        if ui.button("Leave them empty").clicked() {
            for (code, _) in import.file.codes() {
                if edited.meaning(*code, &palette).is_none() {
                    edited.by_hand.insert(*code, NOTHING);
                }
            }
        }
    }
    if (edited.palette, &edited.by_hand) != (import.palette, &import.by_hand) {
        commands.set(ClassCommand::ImportDraft(Box::new(edited)));
    }
    buttons(ui, |ui| {
        if main_button(ui, "Import", unknown == 0).clicked() {
            commands.push(ClassCommand::ApplyImport.into());
        }
        if ui.button("Cancel").clicked() {
            commands.push(Command::CloseDialog);
        }
    });
}

/// The codes of the file, those without a class first.
fn codes_ui(ui: &mut Ui, import: &mut MapImport, palette: &Palette) {
    let [width, height_px] = import.file.size_px().map(|side| side as f64);
    let mut codes: Vec<(LabelCode, f64)> = import
        .file
        .codes()
        .iter()
        .map(|(code, count)| (*code, *count as f64 / (width * height_px)))
        .collect();
    codes.sort_by(|a, b| {
        let is_known = |code: LabelCode| code.meaning(palette).is_some();
        is_known(a.0).cmp(&is_known(b.0)).then(b.1.total_cmp(&a.1))
    });
    let area = ScrollArea::vertical()
        .max_height(list_height(ui, 280.0))
        .auto_shrink([false, true]);
    area.show_rows(ui, height::CONTROL, codes.len(), |ui, shown| {
        for (code, share) in &codes[shown] {
            ui.push_id(code.to_string(), |ui| {
                code_ui(ui, import, *code, *share, palette)
            });
        }
    });
}

fn code_ui(ui: &mut Ui, import: &mut MapImport, code: LabelCode, share: f64, palette: &Palette) {
    let meaning = import.meaning(code, palette);
    ui.horizontal(|ui| {
        ui.set_min_height(height::CONTROL);
        let color = match code {
            LabelCode::Color(color) => Some(color),
            LabelCode::Index(_) | LabelCode::Clear => meaning
                .and_then(|index| palette.class(index))
                .map(|class| class.color),
        };
        swatch_ui(ui, color);
        let left = egui::Layout::left_to_right(egui::Align::Center);
        ui.allocate_ui_with_layout(vec2(84.0, height::CONTROL), left, |ui| {
            ui.set_min_width(84.0);
            ui.label(code.to_string());
        });
        let share = RichText::new(format!("{:.1} %", share * 100.0)).color(tokens(ui).text_muted);
        ui.add_sized(vec2(56.0, height::CONTROL), egui::Label::new(share));
        let name = |index: u8| match palette.class(index) {
            Some(class) => class.name.clone(),
            None => "Nothing".to_owned(),
        };
        if code.meaning(palette).is_some() {
            ui.label(meaning.map(name).unwrap_or_default());
            return;
        }
        let chosen = meaning.map_or_else(|| "Choose a class".to_owned(), name);
        let list = combo("class", chosen, ui.available_width() - space::S);
        let shown = list.show_ui(ui, |ui| {
            let mut entry = |index: u8, name: &str| {
                if ui.selectable_label(meaning == Some(index), name).clicked() {
                    import.by_hand.insert(code, index);
                }
            };
            entry(NOTHING, "Nothing");
            for class in &palette.classes {
                entry(class.index, &class.name);
            }
        });
        shown.response.accessible_name(format!("Class of {code}"));
    });
}

fn swatch_ui(ui: &mut Ui, color: Option<[u8; 3]>) {
    let tokens = tokens(ui);
    let (rect, _) = ui.allocate_exact_size(vec2(16.0, 16.0), Sense::hover());
    let fill = match color {
        Some([r, g, b]) => Color32::from_rgb(r, g, b),
        None => tokens.sunken,
    };
    let corner = CornerRadius::same(radius::CONTROL);
    ui.painter().rect_filled(rect, corner, fill);
    let stroke = Stroke::new(1.0, tokens.border_strong);
    ui.painter()
        .rect_stroke(rect, corner, stroke, egui::StrokeKind::Inside);
}
