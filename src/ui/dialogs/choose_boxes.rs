//! Which picture's boxes are taken from a file that has those of several.

use egui::{Color32, RichText, ScrollArea, Sense, TextEdit, Ui, vec2};

use super::buttons;
use crate::app::boxes::{BoxCommand, ImportedBoxes};
use crate::app::{Command, CommandSink};
use crate::ui::UiState;
use crate::ui::theme::{radius, space, tokens, type_size};

const ROW_HEIGHT: f32 = 28.0;
const LIST_HEIGHT: f32 = 280.0;

/// Shows the pictures, narrowed down by what is typed.
pub fn choose_boxes_ui(
    ui: &mut Ui,
    file: &ImportedBoxes,
    own: &mut UiState,
    commands: &mut CommandSink,
) {
    let text = format!(
        "{} pictures have boxes in this file. Choose one.",
        file.images.len()
    );
    ui.label(RichText::new(text).color(tokens(ui).text_muted));
    let is_new = own.image_query.is_none();
    let query = own.image_query.get_or_insert_default();
    let field = TextEdit::singleline(query)
        .hint_text("Search by name")
        .desired_width(f32::INFINITY)
        .margin(egui::Margin::symmetric(8, 6));
    let field = ui.add(field).accessible_name("Search");
    if is_new {
        field.request_focus();
    }
    let wanted = query.trim().to_lowercase();
    let images = file.images.iter().enumerate();
    let found: Vec<usize> = images
        .filter(|(_, image)| {
            ImportedBoxes::image_name(image)
                .to_lowercase()
                .contains(&wanted)
        })
        .map(|(index, _)| index)
        .collect();
    let mut chosen = None;
    let entered = field.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
    if entered && let [only] = found[..] {
        chosen = Some(only);
    }
    if found.is_empty() {
        ui.label(RichText::new("No picture has that in its name.").color(tokens(ui).text_muted));
    }
    ui.spacing_mut().item_spacing.y = 0.0;
    ScrollArea::vertical()
        .max_height(LIST_HEIGHT)
        .auto_shrink([false, true])
        .show_rows(ui, ROW_HEIGHT, found.len(), |ui, lines| {
            for index in &found[lines] {
                if image_ui(ui, file, *index) {
                    chosen = Some(*index);
                }
            }
        });
    if let Some(index) = chosen {
        commands.push(Command::CloseDialog);
        commands.push(
            BoxCommand::Insert {
                file: Box::new(file.clone()),
                index,
            }
            .into(),
        );
    }
    buttons(ui, |ui| {
        if ui.button("Cancel").clicked() {
            commands.push(Command::CloseDialog);
        }
    });
}

/// A line; whether it was clicked.
fn image_ui(ui: &mut Ui, file: &ImportedBoxes, index: usize) -> bool {
    let image = &file.images[index];
    let name = ImportedBoxes::image_name(image);
    let tokens = tokens(ui);
    let size = vec2(ui.available_width(), ROW_HEIGHT);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, name));
    let fill = if response.hovered() {
        tokens.control_hovered
    } else {
        Color32::TRANSPARENT
    };
    ui.painter().rect_filled(rect, radius::CONTROL, fill);
    let boxes = match image.boxes.len() {
        1 => "1 box".to_owned(),
        count => format!("{count} boxes"),
    };
    let note = match image.size_px {
        Some([width, height]) => format!("{width} × {height}, {boxes}"),
        None => boxes,
    };
    let note = ui.painter().text(
        rect.right_center() - vec2(space::S, 0.0),
        egui::Align2::RIGHT_CENTER,
        note,
        egui::FontId::proportional(type_size::SMALL + 1.0),
        tokens.text_faint,
    );
    let galley = egui::WidgetText::from(name).into_galley(
        ui,
        Some(egui::TextWrapMode::Truncate),
        note.left() - rect.left() - 2.0 * space::S,
        egui::TextStyle::Body,
    );
    let corner = rect.left_center() + vec2(space::S, -galley.size().y * 0.5);
    ui.painter().galley(corner, galley, tokens.text);
    response.clicked()
}
