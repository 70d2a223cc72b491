//! One line below everything: device, memory, job, picture, zoom.

use egui::{Align, Layout, RichText, Ui};

use super::tool_options::has_settings;
use crate::app::actions::view::ACTUAL_SIZE;
use crate::app::jobs::JobKind;
use crate::app::{AppState, CommandSink};
use crate::icons;
use crate::ui::theme::{space, tokens, type_size};
use crate::ui::widgets::{bytes_text, duration_text};

/// Shows the line.
pub fn status_bar_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    ui.horizontal_centered(|ui| {
        ui.spacing_mut().item_spacing.x = space::L;
        ui.style_mut().override_font_id = Some(egui::FontId::proportional(type_size::SMALL + 1.0));
        match &state.device {
            Some(device) => {
                let icon = if device.is_gpu {
                    icons::GRAPHICS_CARD
                } else {
                    icons::CPU
                };
                let tip = if device.is_gpu {
                    "Models compute on this graphics card"
                } else {
                    "Models compute on the processor: no graphics card was chosen"
                };
                item(ui, icon, &device.name).on_hover_text(tip);
            }
            None => {
                item(ui, icons::HOURGLASS_MEDIUM, "Starting the engine");
            }
        }
        if let Some(memory) = state.memory {
            let used = bytes_text(memory.used_bytes);
            let text = match memory.total_bytes {
                Some(total) => format!("{used} of {}", bytes_text(total)),
                None => used,
            };
            item(ui, icons::MEMORY, &text).on_hover_text("Memory that the engine uses");
        }
        job_ui(ui, state);

        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let zoom = format!("{} %", percent(state.front().view.zoom));
            let zoom = ui
                .add(egui::Button::new(zoom).frame(false))
                .on_hover_text("Show at 100 %");
            if zoom.clicked() {
                commands.act(&ACTUAL_SIZE, state);
            }
            let [width, height] = state.document().size_px();
            item(ui, icons::FRAME_CORNERS, &format!("{width} × {height} px"))
                .on_hover_text("Size of the picture");
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                hint_ui(ui, state)
            });
        });
    });
}

/// What the tool in hand does, where nothing is at work and its settings leave no room for
/// that above the canvas.
fn hint_ui(ui: &mut Ui, state: &AppState) {
    let tool = state.toolbox.active();
    if state.jobs.running().is_none() && has_settings(state) {
        let text = format!("{}  {}", tool.icon, tool.hint);
        let text = RichText::new(text).color(tokens(ui).text_faint);
        ui.add(egui::Label::new(text).truncate());
    }
}

fn job_ui(ui: &mut Ui, state: &AppState) {
    let Some(job) = state.jobs.running() else {
        return;
    };
    let what = match &job.kind {
        JobKind::LoadModel(_) => "Loading the model",
        JobKind::Generate(painting) if painting.is_live => "Live",
        JobKind::Generate(_) => "Generating",
        JobKind::Train(_) => "Training",
        JobKind::Enlarge(_) => "Enlarging",
        JobKind::Trace(traced) => traced.tracing.activity(),
    };
    let on_card = state.device.as_ref().is_some_and(|device| device.is_gpu);
    let prepares = on_card && job.step == 0 && !job.paused && job.total > 0;
    let mut text = match (job.paused, job.total) {
        (true, _) => format!("{what}, paused"),
        (false, 0) => match job.reading {
            Some(share) => format!("{what}, {:.0} %", share * 100.0),
            None => what.to_owned(),
        },
        _ if prepares => format!("{what}, preparing the graphics card"),
        (false, total) => format!("{what}, step {} of {total}", job.step),
    };
    if let Some(left) = job.time_left() {
        text.push_str(&format!(", {} left", duration_text(left)));
    }
    let waiting = state.jobs.waiting();
    if waiting > 0 {
        text.push_str(&format!(", {waiting} more waiting"));
    }
    let shown = item(ui, icons::HOURGLASS_MEDIUM, &text);
    if prepares {
        shown.on_hover_text(
            "At a new size, the first step finds out which way of computing is fastest on this card; that can take a minute",
        );
    }
}

fn item(ui: &mut Ui, icon: &str, text: &str) -> egui::Response {
    let color = tokens(ui).text_muted;
    ui.label(RichText::new(format!("{icon}  {text}")).color(color))
}

fn percent(zoom: f32) -> String {
    let percent = zoom * 100.0;
    if percent < 10.0 {
        format!("{percent:.1}")
    } else {
        format!("{percent:.0}")
    }
}
