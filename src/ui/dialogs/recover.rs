//! Offers the copies of unsaved work that a crash left behind.

use std::time::SystemTime;

use egui::{Align, Layout, RichText, ScrollArea, Ui};

use super::buttons;
use crate::app::{AppState, Command, CommandSink};
use crate::project::recovery::LeftBehind;
use crate::ui::theme::{semibold, space, tokens};

/// Most of the list that is seen without scrolling, in points.
const MOST_HEIGHT: f32 = 320.0;

/// Room for the buttons beside each, in points.
const BUTTONS_WIDTH: f32 = 170.0;

/// Shows the list, with what can be done about each.
pub fn recover_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let muted = tokens(ui).text_muted;
    let text = if state.left_behind.is_empty() {
        "There is nothing left to recover."
    } else {
        "Velatura ended before this work was saved. What you do not open or delete now is offered \
         again, here and at the next start."
    };
    ui.label(RichText::new(text).color(muted));
    ui.add_space(space::S);
    ScrollArea::vertical()
        .max_height(MOST_HEIGHT)
        .auto_shrink([false, true])
        .show(ui, |ui| {
            for copy in &state.left_behind {
                ui.push_id(&copy.copy, |ui| copy_ui(ui, copy, commands));
            }
        });
    buttons(ui, |ui| {
        if ui.button("Not now").clicked() {
            commands.push(Command::CloseDialog);
        }
    });
}

fn copy_ui(ui: &mut Ui, copy: &LeftBehind, commands: &mut CommandSink) {
    let tokens = tokens(ui);
    let name = copy.home.as_ref().and_then(|home| home.path.file_name());
    let name = name.map_or_else(
        || "Untitled".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    );
    let [width_px, height_px] = copy.size_px;
    let size = match copy.size_px {
        [0, _] => "it cannot be read".to_owned(),
        _ => format!("{width_px} × {height_px} px"),
    };
    let mut about = format!("{size}, {}", time_text(copy.time));
    if copy.is_older_than_file {
        about.push_str(", older than what is saved");
    }
    let home = copy
        .home
        .as_ref()
        .map(|home| home.path.display().to_string());
    ui.add_space(space::XS);
    ui.horizontal(|ui| {
        let room = (ui.available_width() - BUTTONS_WIDTH).max(0.0);
        let size = egui::vec2(room, 0.0);
        ui.allocate_ui_with_layout(size, Layout::top_down(Align::Min), |ui| {
            ui.set_width(room);
            let title = RichText::new(&name).family(semibold());
            let title = ui.add(egui::Label::new(title).truncate());
            if let Some(home) = home {
                title.on_hover_text(home);
            }
            ui.label(RichText::new(about).color(tokens.text_muted));
        });
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().button_padding.x = space::M;
            let open = ui.button("Open").accessible_name(format!("Open {name}"));
            if open.clicked() {
                commands.push(Command::Recover(copy.copy.clone()));
            }
            let delete = ui
                .button(RichText::new("Delete").color(tokens.danger))
                .accessible_name(format!("Delete {name}"));
            if delete.clicked() {
                commands.push(Command::GiveUp(copy.copy.clone()));
            }
        });
    });
    ui.add_space(space::XS);
}

/// When a copy was made, where the user lives: `14:03` of today, else with the day.
fn time_text(time: SystemTime) -> String {
    let Ok(made) = jiff::Timestamp::try_from(time) else {
        return "made at an unknown time".to_owned();
    };
    let now = jiff::Zoned::now();
    let made = made.to_zoned(now.time_zone().clone());
    let form = match made.date() == now.date() {
        true => "today at %H:%M",
        false => "%-d %B %Y at %H:%M",
    };
    made.strftime(form).to_string()
}
