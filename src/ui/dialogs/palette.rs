//! The classes of the document, to be edited: index, name and colour.

use egui::{RichText, ScrollArea, TextEdit, Ui, vec2};

use super::{buttons, list_height, main_button};
use crate::app::classes::{ClassCommand, PaletteDraft, PaletteRow};
use crate::app::{Command, CommandSink, sentence};
use crate::icons;
use crate::recipe::palette::{NOTHING, PaletteClass};
use crate::ui::theme::{height, space, tokens};
use crate::ui::widgets::{IconButton, colour_button, row};

/// Shows the table and the buttons.
pub fn palette_ui(ui: &mut Ui, draft: &PaletteDraft, commands: &mut CommandSink) {
    let mut edited = draft.clone();
    row(ui, "Name", |ui, label| {
        let field = TextEdit::singleline(&mut edited.name)
            .hint_text("Own classes")
            .desired_width(f32::INFINITY)
            .margin(egui::Margin::symmetric(8, 6));
        ui.add(field).labelled_by(label);
    });
    ui.add_space(space::XS);
    rows_ui(ui, &mut edited);
    ui.add_space(space::S);
    let free = edited.free_index();
    let add = egui::Button::new((icons::PLUS, "Add class"));
    if ui
        .add_enabled(free.is_some(), add)
        .accessible_name("Add class")
        .clicked()
        && let Some(index) = free
    {
        edited.rows.push(PaletteRow {
            class: PaletteClass {
                index,
                name: String::new(),
                color: fresh_color(edited.rows.len()),
            },
            before: None,
        });
    }
    let problem = edited.problem();
    match &problem {
        Some(problem) => {
            let text = RichText::new(sentence(&problem.to_string())).color(tokens(ui).warning);
            ui.add(egui::Label::new(text).wrap());
        }
        None => {
            let text = "A class with a new index keeps its places in the maps. A deleted one leaves nothing there.";
            ui.add(egui::Label::new(RichText::new(text).color(tokens(ui).text_muted)).wrap());
        }
    }
    if edited != *draft {
        commands.set(ClassCommand::Draft(edited));
    }
    buttons(ui, |ui| {
        if main_button(ui, "Apply", problem.is_none()).clicked() {
            commands.push(ClassCommand::ApplyDraft.into());
        }
        if ui.button("Cancel").clicked() {
            commands.push(Command::CloseDialog);
        }
    });
}

fn rows_ui(ui: &mut Ui, draft: &mut PaletteDraft) {
    if draft.rows.is_empty() {
        let text = "No classes yet. Add some, or choose a palette in the menu Label map.";
        ui.label(RichText::new(text).color(tokens(ui).text_muted));
        return;
    }
    let mut deleted = None;
    let area = ScrollArea::vertical()
        .max_height(list_height(ui, 320.0))
        .auto_shrink([false, true]);
    let row_height = height::CONTROL + space::XS;
    area.show_rows(
        ui,
        row_height - ui.spacing().item_spacing.y,
        draft.rows.len(),
        |ui, shown| {
            for place in shown {
                let class = &mut draft.rows[place].class;
                let mut is_deleted = false;
                ui.push_id(place, |ui| is_deleted = class_ui(ui, class));
                if is_deleted {
                    deleted = Some(place);
                }
            }
        },
    );
    if let Some(place) = deleted {
        draft.remove(place);
    }
}

/// A line of the table; gives whether the class is to be deleted.
fn class_ui(ui: &mut Ui, class: &mut PaletteClass) -> bool {
    ui.horizontal(|ui| {
        ui.set_min_height(height::CONTROL);
        let number = egui::DragValue::new(&mut class.index).range(0..=NOTHING - 1);
        ui.add_sized(vec2(48.0, height::CONTROL), number)
            .accessible_name(format!("Index of {}", class.name));
        let name = format!("Colour of {}", class.name);
        let size = vec2(height::CONTROL, height::CONTROL - space::S);
        colour_button(ui, &mut class.color, size, &name);
        let width = ui.available_width() - height::CONTROL - space::L;
        let field = TextEdit::singleline(&mut class.name)
            .hint_text("Name of the class")
            .desired_width(width - 2.0 * space::S)
            .margin(egui::Margin::symmetric(8, 6));
        ui.add(field)
            .accessible_name(format!("Name of class {}", class.index));
        let name = format!("Delete {}", class.name);
        IconButton::new(icons::TRASH, &name).show(ui).clicked()
    })
    .inner
}

/// A colour for a new class: steps of the golden ratio keep neighbours apart in hue.
fn fresh_color(number: usize) -> [u8; 3] {
    let hue = (number as f32 * 0.618_034).fract();
    egui::ecolor::Hsva::new(hue, 0.65, 0.85, 1.0).to_srgb()
}
