//! Whether a picture goes on over its edges, and how one is painted that is larger than
//! those of the model's training: rows of the Generate panel.

use egui::Ui;

use crate::app::form::FormChange;
use crate::app::{AppState, CommandSink};
use crate::recipe::param::{HEIGHT, WIDTH};
use crate::recipe::{Tile, WindowChoice};
use crate::ui::widgets::{combo, row};

/// Sides of windows offered, as multiples of those of the model's training.
const SIDES: [u32; 3] = [1, 2, 4];

/// Shows the rows; not for frames, which are parts of a picture.
pub(super) fn large_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    if state.job_frame().is_some() {
        return;
    }
    windows_ui(ui, state, commands);
    better_ui(ui, state, commands);
    let tile = state.form().spec.tile;
    let hint = "The picture goes on over its edges, so that copies of it \
                side by side show no seam";
    row(ui, "Tiling", |ui, id| {
        let list = combo("tiling", tile.label(), ui.available_width());
        let shown = list.show_ui(ui, |ui| {
            for offered in Tile::ALL {
                let entry = ui.selectable_label(offered == tile, offered.label());
                if entry.clicked() {
                    commands.set(FormChange::Tile(offered));
                }
            }
        });
        shown.response.labelled_by(id).on_hover_text(hint);
    });
}

/// The windows, where the picture is so large that it may have some.
/// Offers to paint a large picture at a size that the model knows, and to make it larger.
fn better_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let Some((finish, painted_px)) = state.better_painted() else {
        return;
    };
    let [across, down] = painted_px;
    row(ui, "", |ui, _| {
        let text = format!("Paint {across} × {down}, then {}", finish.label());
        let offer = ui.button(text).on_hover_text(
            "At a size that the model was trained for a picture has one composition; \
             it is made larger then, crisply, and painted over if you like (Finish)",
        );
        if offer.clicked() {
            if state.is_size_free() {
                for (number, side) in [&WIDTH, &HEIGHT].into_iter().zip(painted_px) {
                    commands.set(FormChange::Number(number, side.into()));
                }
            }
            commands.set(FormChange::Finish(Some(finish)));
        }
    });
}

fn windows_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let Some(model) = state.model_summary() else {
        return;
    };
    let native_px = model.native_size_px;
    let size_px = state.largest_painted_px();
    if size_px.iter().all(|side| *side <= native_px) {
        return;
    }
    let chosen = state.form().spec.windows;
    let automatic = state.windows(WindowChoice::Auto);
    let automatic = match automatic.side_px(size_px, native_px) {
        Some(side_px) => format!("Automatic: {side_px} px"),
        None => "Automatic: none".to_owned(),
    };
    let label = |choice: WindowChoice| match choice {
        WindowChoice::Auto => automatic.clone(),
        WindowChoice::Off => "None: the picture whole".to_owned(),
        WindowChoice::Side(side_px) => format!("{side_px} px"),
    };
    let sides = SIDES.map(|times| WindowChoice::Side(native_px.saturating_mul(times)));
    let offered = [WindowChoice::Auto, WindowChoice::Off];
    let hint = "A picture larger than those that the model knows is painted in overlapping \
                windows: time and memory grow with its area only";
    row(ui, "Windows", |ui, id| {
        let list = combo("windows", label(chosen), ui.available_width());
        let shown = list.show_ui(ui, |ui| {
            for choice in offered.into_iter().chain(sides) {
                let entry = ui.selectable_label(choice == chosen, label(choice));
                if entry.clicked() {
                    commands.set(FormChange::Windows(choice));
                }
            }
        });
        shown.response.labelled_by(id).on_hover_text(hint);
    });
}
