//! A training run: how far it is, its losses, its newest samples.

use egui::{Button, RichText, Ui, vec2};
use egui_plot::{Line, Plot, PlotPoints};

use crate::app::jobs::JobRecord;
use crate::app::training::{TrainPhase, Training};
use crate::app::{AppState, Command, CommandSink, sentence};
use crate::icons;
use crate::ui::UiState;
use crate::ui::dialogs::{buttons, main_button, scrolled};
use crate::ui::theme::{medium, radius, space, tokens, type_size};
use crate::ui::widgets::duration_text;

/// Height of the plot and of the samples.
const HEIGHT: f32 = 180.0;

/// Shows the run.
pub(super) fn run_ui(
    ui: &mut Ui,
    state: &AppState,
    own: &mut UiState,
    training: &Training,
    commands: &mut CommandSink,
) {
    let job = state.jobs.get(training.job);
    let job = job.filter(|job| !job.has_ended());
    scrolled(ui, |ui| {
        progress_ui(ui, training, job);
        ui.horizontal_top(|ui| {
            let half = (ui.available_width() - space::M) * 0.5;
            ui.vertical(|ui| {
                ui.set_width(half);
                heading(ui, "Loss");
                loss_ui(ui, training, half);
            });
            ui.add_space(space::M - space::S);
            ui.vertical(|ui| {
                ui.set_width(half);
                heading(ui, "Newest samples");
                sheet_ui(ui, own, training, half);
            });
        });
        let output = training.spec.output.display().to_string();
        let saved = match training.saved {
            Some((step, _)) => format!("Saved at step {step} in {output}"),
            None => format!("Will be saved in {output}"),
        };
        let text = RichText::new(saved)
            .size(type_size::SMALL)
            .color(tokens(ui).text_muted);
        ui.add(egui::Label::new(text).truncate())
            .on_hover_text(output);
    });
    buttons(ui, |ui| run_buttons_ui(ui, training, job, commands));
}

fn run_buttons_ui(
    ui: &mut Ui,
    training: &Training,
    job: Option<&JobRecord>,
    commands: &mut CommandSink,
) {
    match &training.phase {
        TrainPhase::Waiting | TrainPhase::Running => {
            let cancelling = job.is_some_and(|job| job.cancelling);
            let cancel = if cancelling {
                "Stopping…"
            } else {
                "Stop training"
            };
            if ui.add_enabled(!cancelling, Button::new(cancel)).clicked() {
                commands.push(Command::CancelJob(training.job));
            }
            let paused = job.is_some_and(|job| job.paused);
            let (icon, word) = if paused {
                (icons::PLAY, "Go on")
            } else {
                (icons::PAUSE, "Pause")
            };
            if ui.button((icon, word)).accessible_name(word).clicked() {
                commands.push(Command::SetPaused {
                    job: training.job,
                    paused: !paused,
                });
            }
            if ui
                .button("Keep painting")
                .on_hover_text("Training goes on in the background, and gives way to each picture")
                .clicked()
            {
                commands.push(Command::CloseDialog);
            }
        }
        TrainPhase::Done(folder) => {
            let (word, command) = training.use_of(folder);
            if main_button(ui, word, true).clicked() {
                commands.push(command);
                commands.push(Command::CloseDialog);
            }
            if ui.button("Train again…").clicked() {
                commands.push(Command::ForgetTraining);
            }
        }
        TrainPhase::Cancelled | TrainPhase::Failed(_) => {
            if training.can_go_on() {
                if main_button(ui, "Go on", true)
                    .on_hover_text("From the newest checkpoint")
                    .clicked()
                {
                    commands.push(Command::ResumeTraining);
                }
                if ui.button("Close").clicked() {
                    commands.push(Command::CloseDialog);
                }
            } else if main_button(ui, "Close", true).clicked() {
                commands.push(Command::CloseDialog);
            }
            if ui.button("Train again…").clicked() {
                commands.push(Command::ForgetTraining);
            }
        }
    }
}

fn progress_ui(ui: &mut Ui, training: &Training, job: Option<&JobRecord>) {
    let tokens = tokens(ui);
    let total = training.spec.steps.max(1);
    let steps = format!("step {} of {total}", training.step);
    let (text, color) = match &training.phase {
        TrainPhase::Waiting => (
            "Waiting for the job before it".to_owned(),
            tokens.text_muted,
        ),
        TrainPhase::Running if job.is_some_and(|job| job.paused) => {
            (format!("Paused, {steps}"), tokens.warning)
        }
        TrainPhase::Running => {
            let left = job.and_then(JobRecord::time_left);
            let left = left.map_or_else(String::new, |left| {
                format!(", {} left", duration_text(left))
            });
            let speed = speed_text(training.images_per_sec);
            (format!("Training, {steps}{speed}{left}"), tokens.text)
        }
        TrainPhase::Done(_) => (
            format!("Done in {}", duration_text(training.elapsed)),
            tokens.success,
        ),
        TrainPhase::Cancelled => (
            format!("Stopped at {steps}; the checkpoint is kept"),
            tokens.warning,
        ),
        TrainPhase::Failed(reason) => (reason.clone(), tokens.danger),
    };
    ui.label(RichText::new(text).color(color));
    let fraction = if matches!(training.phase, TrainPhase::Done(_)) {
        1.0
    } else {
        training.step as f32 / total as f32
    };
    let bar = egui::ProgressBar::new(fraction)
        .desired_height(6.0)
        .corner_radius(3.0)
        .fill(tokens.accent);
    ui.add(bar).accessible_name("Training progress");
}

/// Pictures in a second as they follow the steps; nothing before the first.
fn speed_text(images_per_sec: f32) -> String {
    match images_per_sec {
        speed if speed <= 0.0 => String::new(),
        speed if speed < 10.0 => format!(", {speed:.1} pictures a second"),
        speed => format!(", {speed:.0} pictures a second"),
    }
}

fn heading(ui: &mut Ui, text: &str) {
    ui.label(
        RichText::new(text)
            .family(medium())
            .color(tokens(ui).text_muted),
    );
}

fn loss_ui(ui: &mut Ui, training: &Training, width: f32) {
    let tokens = tokens(ui);
    let points: PlotPoints<'_> = training.losses.clone().into();
    Plot::new("loss")
        .width(width)
        .height(HEIGHT)
        .allow_drag(false)
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .show_x(false)
        .grid_color(tokens.border_strong)
        .y_axis_min_width(32.0)
        .show(ui, |plot| {
            plot.line(
                Line::new("Loss", points)
                    .color(tokens.accent_text)
                    .width(1.5),
            );
        });
    let mut note = match training.loss() {
        Some(loss) => format!(
            "Loss {loss:.4}, learning rate {:.1e}",
            training.learning_rate
        ),
        None => "Loss and learning rate come with the first step".to_owned(),
    };
    let mut parts: Vec<(&str, String)> = Vec::new();
    for (step, name, value) in training.newest_evaluations() {
        if let Some(whole) = of_part(name) {
            parts.push((whole, format!("{value:.2}")));
            continue;
        }
        let (pictures, name) = pictures_of(name);
        let name = match name.strip_suffix("_misled") {
            Some(name) => format!("{name} when told of another picture"),
            None => name.to_owned(),
        };
        let name = name.replace('_', " ");
        note.push_str(&format!(
            "\nOn pictures {pictures}, step {step}: {name} {value:.4}"
        ));
    }
    if let Some((whole, _)) = parts.first() {
        let (pictures, name) = pictures_of(whole);
        let parts: Vec<&str> = parts.iter().map(|(_, value)| value.as_str()).collect();
        note.push_str(&format!(
            "\n{} on pictures {pictures}, from the least noise to the most: {}",
            sentence(name),
            parts.join(", ")
        ));
    }
    ui.label(
        RichText::new(note)
            .size(type_size::SMALL)
            .color(tokens.text_muted),
    );
}

/// The figure of which one stands for a part of the noise: `accuracy_2_of_5` is of
/// `accuracy`.
fn of_part(name: &str) -> Option<&str> {
    let (before, count) = name.rsplit_once("_of_")?;
    let (whole, part) = before.rsplit_once('_')?;
    let is_number = |text: &str| text.parse::<u32>().is_ok();
    (is_number(part) && is_number(count)).then_some(whole)
}

/// Of which pictures a figure is, and what it is called apart from that.
fn pictures_of(name: &str) -> (&'static str, &str) {
    if let Some(name) = name.strip_prefix("train_") {
        return ("trained on", name);
    }
    ("kept apart", name.strip_prefix("held_out_").unwrap_or(name))
}

fn sheet_ui(ui: &mut Ui, own: &mut UiState, training: &Training, width: f32) {
    let tokens = tokens(ui);
    let (rect, _) = ui.allocate_exact_size(vec2(width, HEIGHT), egui::Sense::hover());
    ui.painter()
        .rect_filled(rect, radius::CONTROL, tokens.sunken);
    let note = match &training.sheet {
        Some((step, picture)) => {
            let texture = own.thumbnails.large(ui.ctx(), picture);
            let size = texture.size_vec2();
            let scale = (rect.width() / size.x).min(rect.height() / size.y);
            let place = egui::Rect::from_center_size(rect.center(), size * scale);
            egui::Image::from_texture(egui::load::SizedTexture::from_handle(&texture))
                .paint_at(ui, place);
            format!("Made at step {step}, always from the same noise")
        }
        None => {
            ui.painter().text(
                rect.center(),
                egui::Align2::CENTER_CENTER,
                "The first samples come soon",
                egui::FontId::proportional(type_size::BODY),
                tokens.text_faint,
            );
            String::new()
        }
    };
    ui.label(
        RichText::new(note)
            .size(type_size::SMALL)
            .color(tokens.text_muted),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_called_by_what_they_are_of() {
        assert_eq!(
            of_part("held_out_accuracy_2_of_5"),
            Some("held_out_accuracy")
        );
        assert_eq!(of_part("held_out_loss"), None);
        assert_eq!(pictures_of("held_out_accuracy"), ("kept apart", "accuracy"));
        assert_eq!(pictures_of("train_loss"), ("trained on", "loss"));
        assert_eq!(pictures_of("psnr"), ("kept apart", "psnr"));
    }
}
