//! The training dialog: the form, and the run once it is started.

use std::path::PathBuf;

use eframe::egui;
use egui::{Button, DragValue, RichText, TextEdit, Ui, vec2};
use egui_plot::{Line, Plot, PlotPoints};

use super::{buttons, main_button};
use crate::app::jobs::JobRecord;
use crate::app::training::{StartFrom, TrainForm, TrainPhase, Training};
use crate::app::{AppState, Command, CommandSink, ModelState};
use crate::icons;
use crate::recipe::{ModelSource, TrainTarget};
use crate::ui::UiState;
use crate::ui::theme::{hairline, height, medium, radius, space, tokens, type_size};
use crate::ui::widgets::{SliderFormat, duration_text, row, slider_row};

/// Largest number of steps that the slider reaches.
const MAX_STEPS: u64 = 200_000;
/// Picture sizes on offer.
const SIZES_PX: [u32; 4] = [64, 128, 256, 512];

/// Shows the run if there is one that was not dismissed, else the form.
pub fn train_ui(ui: &mut Ui, state: &AppState, own: &mut UiState, commands: &mut CommandSink) {
    match state.jobs.training() {
        Some(training) => run_ui(ui, state, own, training, commands),
        None => form_ui(ui, state, commands),
    }
}

fn form_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let mut form = state.train_form.clone();
    ui.label(
        RichText::new("Any folder of pictures will do. A text file of the same name beside a picture is its caption.")
            .color(tokens(ui).text_muted),
    );
    path_row(
        ui,
        "Pictures",
        &mut form.folder,
        "A folder on this computer",
        || {
            commands.push(Command::PickTrainFolder);
        },
    );
    row(ui, "Train", |ui, _| {
        ui.selectable_value(
            &mut form.target,
            TrainTarget::Diffusion,
            "Painter (diffusion)",
        )
        .on_hover_text("The network that paints; needs a finished autoencoder");
        ui.selectable_value(&mut form.target, TrainTarget::Autoencoder, "Autoencoder")
            .on_hover_text("The network that turns pictures into latents and back");
    });
    row(ui, "Start from", |ui, _| {
        let model = match &state.model {
            ModelState::Ready(model) => model.name.clone(),
            ModelState::Loading | ModelState::Failed(_) => "The chosen model".to_owned(),
        };
        ui.selectable_value(&mut form.start, StartFrom::CurrentModel, model)
            .on_hover_text("The model of the Generate panel learns the new pictures");
        ui.selectable_value(&mut form.start, StartFrom::Scratch, "Random weights")
            .on_hover_text(scratch_hint(&form));
        let found = state.train_place.as_ref();
        if let Some(run) = found.and_then(|place| place.run.as_ref()) {
            let text = format!("Go on from step {}", run.step);
            ui.selectable_value(&mut form.start, StartFrom::Run, text)
                .on_hover_text(
                    "The run in the output folder, with the settings that it was started with",
                );
        }
    });
    let steps = SliderFormat {
        logarithmic: true,
        ..SliderFormat::WHOLE
    };
    slider_row(ui, "Steps", &mut form.steps, 10..=MAX_STEPS, steps);
    row(ui, "Size", |ui, _| {
        for size in SIZES_PX {
            ui.selectable_value(&mut form.size_px, size, format!("{size} px"));
        }
    });
    row(ui, "Batch", |ui, label| {
        let field = DragValue::new(&mut form.batch)
            .range(1..=256)
            .suffix(" pictures a step");
        ui.add_sized([160.0, height::CONTROL], field)
            .labelled_by(label);
    });
    let usual_output = form.output_folder(state.train_place.as_ref());
    let usual_output = usual_output.map(|folder| folder.to_string_lossy().into_owned());
    path_row(
        ui,
        "Save in",
        &mut form.output,
        usual_output.as_deref().unwrap_or("A folder"),
        || {
            commands.push(Command::PickTrainOutput);
        },
    );

    let problem = state.train_problem();
    buttons(ui, |ui| {
        if main_button(ui, "Start training", problem.is_none()).clicked() {
            commands.push(Command::StartTraining);
        }
        if ui.button("Cancel").clicked() {
            commands.push(Command::CloseDialog);
        }
        if let Some(problem) = problem {
            let text = RichText::new(problem).color(tokens(ui).text_muted);
            ui.add(egui::Label::new(text).truncate());
        }
    });
    if form != state.train_form {
        commands.push(Command::SetTrainForm(Box::new(form)));
    }
}

fn scratch_hint(form: &TrainForm) -> &'static str {
    match form.target {
        TrainTarget::Autoencoder => "Learns everything from your pictures alone",
        TrainTarget::Diffusion => "Keeps the chosen model's autoencoder and learns to paint anew",
    }
}

/// A path that is typed, or chosen in a dialog of the system.
fn path_row(
    ui: &mut Ui,
    label: &str,
    path: &mut Option<PathBuf>,
    hint: &str,
    choose: impl FnOnce(),
) {
    row(ui, label, |ui, id| {
        let button_width = 96.0;
        let tokens = tokens(ui);
        let mut text = path
            .as_ref()
            .map_or_else(String::new, |path| path.to_string_lossy().into_owned());
        let width = ui.available_width() - button_width - space::S;
        let hint = RichText::new(hint).color(tokens.text_faint);
        let frame = egui::Frame::new()
            .fill(tokens.sunken)
            .stroke(hairline(tokens))
            .corner_radius(radius::CONTROL)
            .inner_margin(egui::Margin::symmetric(8, 5));
        let field = TextEdit::singleline(&mut text)
            .hint_text(hint)
            .desired_width(width)
            .frame(frame);
        if ui.add(field).labelled_by(id).changed() {
            *path = Some(PathBuf::from(text.trim())).filter(|_| !text.trim().is_empty());
        }
        let button = Button::new("Choose…").min_size(vec2(button_width, height::CONTROL));
        if ui
            .add(button)
            .accessible_name(format!("Choose {}", label.to_lowercase()))
            .clicked()
        {
            choose();
        }
    });
}

fn run_ui(
    ui: &mut Ui,
    state: &AppState,
    own: &mut UiState,
    training: &Training,
    commands: &mut CommandSink,
) {
    let job = state.jobs.get(training.job);
    let job = job.filter(|job| !job.has_ended());
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
                .on_hover_text("Training goes on in the background")
                .clicked()
            {
                commands.push(Command::CloseDialog);
            }
        }
        TrainPhase::Done(folder) => {
            if main_button(ui, "Use this model", true).clicked() {
                commands.push(Command::ChooseModel(ModelSource::Folder(folder.clone())));
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
            let speed = training.images_per_sec;
            (
                format!("Training, {steps}, {speed:.0} pictures a second{left}"),
                tokens.text,
            )
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
        .height(180.0)
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
    let loss = training
        .loss()
        .map_or_else(|| "–".to_owned(), |loss| format!("{loss:.4}"));
    let mut note = format!("Loss {loss}, learning rate {:.1e}", training.learning_rate);
    for (step, name, value) in training.newest_evaluations() {
        let name = name.replace('_', " ");
        note.push_str(&format!(
            "\nOn pictures kept apart, step {step}: {name} {value:.4}"
        ));
    }
    ui.label(
        RichText::new(note)
            .size(type_size::SMALL)
            .color(tokens.text_muted),
    );
}

fn sheet_ui(ui: &mut Ui, own: &mut UiState, training: &Training, width: f32) {
    let tokens = tokens(ui);
    let (rect, _) = ui.allocate_exact_size(vec2(width, 180.0), egui::Sense::hover());
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
