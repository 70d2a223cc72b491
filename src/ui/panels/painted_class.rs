//! The class to paint, for models that paint classes or are led to them: a list that typing
//! narrows down.

use egui::{Id, Key, PopupCloseBehavior, ScrollArea, TextEdit, Ui};

use crate::app::form::FormChange;
use crate::app::{AppState, CommandSink};
use crate::ui::theme::height;
use crate::ui::widgets::{combo, row};

/// Lines of the list that are seen at once.
const MOST_LINES: f32 = 10.0;
/// What stands for none of the classes.
const ANY: &str = "Any";

/// Shows the row; nothing where neither the model nor a classifier has classes.
pub fn class_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let Some((classes, has_empty)) = state.paintable_classes() else {
        return;
    };
    let chosen = state.form().spec.class;
    row(ui, "Class", |ui, label| {
        let text = chosen.and_then(|class| line(classes, class as usize));
        let list = combo(
            "class",
            text.unwrap_or_else(|| ANY.to_owned()),
            ui.available_width(),
        )
        .close_behavior(PopupCloseBehavior::CloseOnClickOutside);
        let typed = ui.scope_id().with("typed class");
        let shown = list.show_ui(ui, |ui| {
            let picked = list_ui(ui, typed, classes, has_empty, chosen);
            if let Some(class) = picked {
                commands.set(FormChange::Class(class));
                ui.close();
            }
        });
        if shown.inner.is_none() {
            ui.data_mut(|data| data.remove::<String>(typed));
        }
        shown
            .response
            .labelled_by(label)
            .on_hover_text("What the model paints, by name or number");
    });
}

/// How a class stands in the list: those without names are numbers only.
fn line(classes: &[String], class: usize) -> Option<String> {
    let name = classes.get(class)?;
    let number = class.to_string();
    Some(match *name == number {
        true => number,
        false => format!("{number}  {name}"),
    })
}

/// The classes that what is typed fits: a part of their names, or the start of their
/// number. `None` is no class.
fn fitting(classes: &[String], has_empty: bool, typed: &str) -> Vec<Option<u32>> {
    let typed = typed.trim().to_lowercase();
    let fits = |(number, name): &(usize, &String)| {
        name.to_lowercase().contains(&typed) || number.to_string().starts_with(&typed)
    };
    let any = (has_empty && ANY.to_lowercase().contains(&typed)).then_some(None);
    let numbers = classes.iter().enumerate().filter(fits);
    let numbers = numbers.map(|(number, _)| u32::try_from(number).ok());
    any.into_iter().chain(numbers).collect()
}

/// The field and the list under it; what was picked.
fn list_ui(
    ui: &mut Ui,
    id: Id,
    classes: &[String],
    has_empty: bool,
    chosen: Option<u32>,
) -> Option<Option<u32>> {
    let before = ui.data(|data| data.get_temp::<String>(id));
    let is_fresh = before.is_none();
    let mut typed = before.unwrap_or_default();
    let field = TextEdit::singleline(&mut typed)
        .hint_text("Name or number")
        .desired_width(f32::INFINITY);
    let field = ui.add(field).accessible_name("Find a class");
    if is_fresh {
        field.request_focus();
    }
    let found = fitting(classes, has_empty, &typed);
    ui.data_mut(|data| data.insert_temp(id, typed));
    let is_entered = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
    let mut picked = found.first().copied().filter(|_| is_entered);
    if found.is_empty() {
        ui.weak("No class is called so");
        return None;
    }
    ScrollArea::vertical()
        .max_height(MOST_LINES * height::CONTROL)
        .auto_shrink([false, true])
        .show_rows(ui, height::CONTROL, found.len(), |ui, lines| {
            for class in &found[lines] {
                let text = class.and_then(|class| line(classes, class as usize));
                let text = text.unwrap_or_else(|| ANY.to_owned());
                if ui.selectable_label(*class == chosen, text).clicked() {
                    picked = Some(*class);
                }
            }
        });
    picked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_narrows_the_list_down() {
        let names = ["tench", "goldfish", "great white shark", "hen"].map(str::to_owned);
        let found = |typed| fitting(&names, true, typed);
        assert_eq!(found("").len(), 5);
        assert_eq!(found("Fish"), [Some(1)]);
        assert_eq!(found("2"), [Some(2)]);
        assert_eq!(found("any"), [None]);
        assert!(found("zebra").is_empty());
        assert_eq!(line(&names, 3).as_deref(), Some("3  hen"));
        assert_eq!(line(&["0".to_owned()], 0).as_deref(), Some("0"));
        assert_eq!(line(&names, 9), None);
    }
}
