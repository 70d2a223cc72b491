//! What a training run is to be.

use std::path::{Path, PathBuf};

use egui::{Button, RichText, TextEdit, Ui, vec2};

use crate::app::training::{BATCH, STEPS, StartFrom, TrainChange, TrainForm};
use crate::app::{AppState, Command, CommandSink, ModelState, sentence};
use crate::engine::protocol::Holdings;
use crate::recipe::param::Value;
use crate::recipe::{Degradation, Fit, InputSpec, LatentKind, TrainTarget, TrainTask};
use crate::ui::UiState;
use crate::ui::dialogs::{buttons, main_button, scrolled};
use crate::ui::theme::{hairline, height, radius, space, tokens};
use crate::ui::widgets::{number_field, number_row, row};

/// What a painter of words and holes is learnt of.
const WORDS_AND_HOLES: &str =
    "For words it needs captions, barn.txt beside barn.png; holes come at random";
/// Picture sizes on offer.
const SIZES_PX: [u32; 4] = [64, 128, 256, 512];

/// Height of the row of pictures.
const PREVIEW_HEIGHT: f32 = 72.0;

/// Shows the form and the buttons.
pub(super) fn form_ui(
    ui: &mut Ui,
    state: &AppState,
    own: &mut UiState,
    commands: &mut CommandSink,
) {
    scrolled(ui, |ui| rows_ui(ui, state, own, commands));
    form_buttons_ui(ui, state, commands);
}

fn rows_ui(ui: &mut Ui, state: &AppState, own: &mut UiState, commands: &mut CommandSink) {
    let form = &state.train_form;
    ui.label(
        RichText::new("Any folder of pictures will do. A text file of the same name beside a picture is its caption.")
            .color(tokens(ui).text_muted),
    );
    let folder = PathField {
        label: "Pictures",
        path: form.folder.as_deref(),
        hint: match form.is_on_scenes() {
            true => "Storybook scenes, drawn while it trains",
            false => "A folder on this computer",
        },
        change: TrainChange::Folder,
        choose: Command::PickTrainFolder,
    };
    folder.show(ui, commands);
    target_ui(ui, form, commands);
    start_ui(ui, state, commands);
    if form.chooses_task() {
        task_ui(ui, state, commands);
    }
    let inputs = state.model_summary().map(|model| &model.inputs[..]);
    let is_enlarger = |input: &InputSpec| matches!(input, InputSpec::LowResolution { .. });
    if form.chooses_degradation(inputs.unwrap_or_default().iter().any(is_enlarger)) {
        degradation_ui(ui, form, commands);
    }
    if form.chooses_latents() {
        latents_ui(ui, form, commands);
    }
    if form.target == TrainTarget::Classifier {
        classes_ui(ui, state);
    }
    if let (_, Some(steps)) = number_row(ui, &STEPS, Value::Whole(form.steps)) {
        commands.set(TrainChange::Steps(steps.as_u64()));
    }
    row(ui, "Size", |ui, _| {
        // Opened settings may say another one.
        let other = (!SIZES_PX.contains(&form.size_px)).then_some(form.size_px);
        for size in other.into_iter().chain(SIZES_PX) {
            let is_chosen = form.size_px == size;
            if choice(ui, is_chosen, format!("{size} px")).clicked() {
                commands.set(TrainChange::SizePx(size));
            }
        }
    });
    fit_ui(ui, state, own, commands);
    row(ui, BATCH.label, |ui, label| {
        let mut batch = form.batch.into();
        let field = number_field(ui, &BATCH, &mut batch, [160.0, height::CONTROL]);
        field.labelled_by(label).on_hover_text(BATCH.hint);
        if batch.as_u32() != form.batch {
            commands.set(TrainChange::Batch(batch.as_u32()));
        }
    });
    let usual_output = form.output_folder(state.train_place.as_ref());
    let usual_output = usual_output.map(|folder| folder.to_string_lossy().into_owned());
    let output = PathField {
        label: "Save in",
        path: form.output.as_deref(),
        hint: usual_output.as_deref().unwrap_or("A folder"),
        change: TrainChange::Output,
        choose: Command::PickTrainOutput,
    };
    output.show(ui, commands);
    if form.chooses_name() {
        name_ui(ui, state, commands);
    }
    settings_ui(ui, state, commands);
}

fn choice(ui: &mut Ui, is_chosen: bool, text: impl Into<String>) -> egui::Response {
    ui.selectable_label(is_chosen, text.into())
}

/// How pictures become squares, and what some look like then.
fn fit_ui(ui: &mut Ui, state: &AppState, own: &mut UiState, commands: &mut CommandSink) {
    let form = &state.train_form;
    row(ui, "Not square", |ui, _| {
        for fit in Fit::ALL {
            let shown = choice(ui, form.fit == fit, fit.label());
            if shown.on_hover_text(fit.hint()).clicked() {
                commands.set(TrainChange::Fit(fit));
            }
        }
    });
    if form.is_on_scenes() {
        return;
    }
    row(ui, "", |ui, _| {
        // Their place is there before they are: what is below must not move.
        let place = vec2(ui.available_width(), PREVIEW_HEIGHT);
        let layout = egui::Layout::left_to_right(egui::Align::Center);
        ui.allocate_ui_with_layout(place, layout, |ui| {
            ui.set_min_size(place);
            preview_ui(ui, state, own);
        });
    });
}

/// Some of the pictures, or why there are none.
fn preview_ui(ui: &mut Ui, state: &AppState, own: &mut UiState) {
    let preview = state.train_preview.as_ref();
    let wanted = state.train_form.wanted_preview();
    let is_current = preview.map(|preview| &preview.of) == wanted.as_ref();
    let text = match preview.map(|preview| &preview.row) {
        None => "Some of the pictures appear here, as they will be trained on",
        Some(Some(Ok(pictures))) => {
            let texture = own.thumbnails.large(ui.ctx(), pictures);
            let [width, height] = [pictures.width(), pictures.height()].map(|side| side as f32);
            let scale = (ui.available_width() / width).min(PREVIEW_HEIGHT / height);
            let tint = if is_current { 255 } else { 120 };
            let image = egui::Image::new((texture.id(), vec2(width, height) * scale))
                .tint(egui::Color32::from_white_alpha(tint));
            ui.add(image)
                .on_hover_text("Some of the pictures, as they will be trained on");
            return;
        }
        Some(Some(Err(reason))) if is_current => reason.as_str(),
        Some(_) => "Looking at the pictures",
    };
    let text = RichText::new(text).color(tokens(ui).text_muted);
    ui.add(egui::Label::new(text).wrap());
}

fn target_ui(ui: &mut Ui, form: &TrainForm, commands: &mut CommandSink) {
    row(ui, "Train", |ui, _| {
        let targets = [
            (
                TrainTarget::Diffusion,
                "Painter (diffusion)",
                "The network that paints; needs a finished autoencoder",
            ),
            (
                TrainTarget::Autoencoder,
                "Autoencoder",
                "The network that turns pictures into latents and back",
            ),
            (
                TrainTarget::Classifier,
                "Classifier",
                "A network that leads a model to classes which the model itself need not know; each class is a folder of its own",
            ),
        ];
        for (target, name, hint) in targets {
            let shown = choice(ui, form.target == target, name);
            if shown.on_hover_text(hint).clicked() {
                commands.set(TrainChange::Target(target));
            }
        }
    });
}

/// What the model paints from, and what of it the folder holds. What is missing cannot be
/// chosen.
fn task_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let form = &state.train_form;
    let holdings = found_in_folder(state).and_then(|found| found.as_ref().ok());
    row(ui, "Paints from", |ui, _| {
        ui.horizontal_wrapped(|ui| {
            let shown = choice(ui, form.task.is_none(), "Words and holes");
            let hint =
                "Paints what words say, and fills holes; as Storybook without its boxes and maps";
            if shown.on_hover_text(hint).clicked() {
                commands.set(TrainChange::Task(None));
            }
            for task in TrainTask::ALL {
                let missing = holdings.and_then(|it| it.found_for(task).err());
                let is_chosen = form.task == Some(task);
                let label = egui::Button::selectable(is_chosen, task.label());
                let shown = ui.add_enabled(missing.is_none() || is_chosen, label);
                // Other lists have such words too.
                let shown = shown.accessible_name(format!("Paints from: {}", task.label()));
                let shown = shown.on_hover_text(task.hint());
                let shown = shown.on_disabled_hover_text(missing.unwrap_or_default());
                if shown.clicked() {
                    commands.set(TrainChange::Task(Some(task)));
                }
            }
        });
    });
    let needs = form.task.map_or(WORDS_AND_HOLES, TrainTask::needs);
    note_ui(ui, state, needs, form.task.unwrap_or(TrainTask::Text));
}

/// The classes that lie in the folder.
fn classes_ui(ui: &mut Ui, state: &AppState) {
    note_ui(ui, state, TrainTask::Class.needs(), TrainTask::Class);
}

/// What was counted in the folder of the form.
fn found_in_folder(state: &AppState) -> Option<&Result<Box<Holdings>, String>> {
    let folder = state.train_form.folder.as_ref();
    let survey = state.train_survey.as_ref();
    let survey = survey.filter(|survey| Some(&survey.folder) == folder)?;
    survey.found.as_ref()
}

/// What there is for a task, as a sentence.
fn found_note(state: &AppState, task: TrainTask) -> String {
    let form = &state.train_form;
    match found_in_folder(state) {
        _ if form.is_on_scenes() => "Scenes have captions, boxes, label maps and places".to_owned(),
        None if form.folder.is_none() => "What can be learnt depends on the folder".to_owned(),
        None => "Counting what lies in the folder".to_owned(),
        Some(Err(reason)) => reason.clone(),
        Some(Ok(holdings)) => {
            let found = holdings.found_for(task);
            sentence(&found.unwrap_or_else(|missing| missing))
        }
    }
}

/// What the pictures must say, and what they say.
fn note_ui(ui: &mut Ui, state: &AppState, needs: &str, task: TrainTask) {
    let note = found_note(state, task);
    let holdings = found_in_folder(state).and_then(|found| found.as_ref().ok());
    row(ui, "", |ui, _| {
        ui.vertical(|ui| {
            let muted = tokens(ui).text_muted;
            for text in [needs, &note] {
                ui.add(egui::Label::new(RichText::new(text).color(muted)).truncate());
            }
            let notes = holdings.map_or(&[][..], |holdings| &holdings.notes);
            if let [first, more @ ..] = notes {
                let more = match more.len() {
                    0 => String::new(),
                    count => format!(" (+{count})"),
                };
                let text = RichText::new(format!("{}{more}", sentence(first)));
                let text = text.color(tokens(ui).warning);
                let label = egui::Label::new(text).truncate();
                let label = label.show_tooltip_when_elided(false);
                ui.add(label).on_hover_text(notes.join("\n"));
            }
        });
    });
}

/// The settings as a file, the same as those of the command line.
fn settings_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    row(ui, "Settings", |ui, _| {
        let open = ui.button("Open\u{2026}").accessible_name("Open settings");
        let hint = "Settings of a run as a JSON file: the run.json in the folder of any run, or one that you saved";
        if open.on_hover_text(hint).clicked() {
            commands.push(Command::OpenTrainSettings);
        }
        let is_whole = state.train_problem().is_none();
        let save = ui.add_enabled(is_whole, Button::new("Save as\u{2026}"));
        let save = save.accessible_name("Save settings");
        let hint =
            "Keeps these settings in a file; `velatura train --config FILE` does the same run";
        let save = save.on_hover_text(hint);
        let missing = "The settings are not complete yet";
        if save.on_disabled_hover_text(missing).clicked() {
            commands.push(Command::SaveTrainSettings);
        }
        if let Some(opened) = &state.train_form.opened {
            let text = RichText::new(opened.path.display().to_string());
            let text = text.color(tokens(ui).text_muted);
            ui.add(egui::Label::new(text).truncate()).on_hover_text(
                "What is not shown here, such as the learning rate, is as in this file",
            );
        }
    });
}

/// What the small pictures are like that it learns to enlarge.
fn degradation_ui(ui: &mut Ui, form: &TrainForm, commands: &mut CommandSink) {
    row(ui, "Low-res", |ui, _| {
        for degradation in Degradation::ALL {
            let shown = choice(ui, form.degradation == degradation, degradation.label());
            if shown.on_hover_text(degradation.hint()).clicked() {
                commands.set(TrainChange::Degradation(degradation));
            }
        }
    });
}

fn latents_ui(ui: &mut Ui, form: &TrainForm, commands: &mut CommandSink) {
    row(ui, "Latents", |ui, _| {
        let kinds = [
            (
                LatentKind::Kl,
                "Continuous (KL)",
                "Any numbers, kept near a normal distribution",
            ),
            (
                LatentKind::Vq,
                "Codebook (VQ)",
                "Each place is the nearest of 1024 learned vectors",
            ),
        ];
        for (kind, name, hint) in kinds {
            let shown = choice(ui, form.latents == kind, name);
            if shown.on_hover_text(hint).clicked() {
                commands.set(TrainChange::Latents(kind));
            }
        }
    });
}

fn start_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let form = &state.train_form;
    let chosen = match (form.target, form.start) {
        // Its weights are random either way.
        (TrainTarget::Classifier, StartFrom::Scratch) => StartFrom::CurrentModel,
        (_, start) => start,
    };
    let model = match &state.model {
        ModelState::Ready(model) => model.name.clone(),
        ModelState::Loading | ModelState::Failed(_) => "The chosen model".to_owned(),
    };
    let scratch_hint = match form.target {
        TrainTarget::Autoencoder => "Learns everything from your pictures alone",
        TrainTarget::Diffusion => "Keeps the chosen model's autoencoder and learns to paint anew",
        TrainTarget::Classifier => "Learns to tell classes apart in latents of the chosen model",
    };
    row(ui, "Start from", |ui, _| {
        let found = state.train_place.as_ref();
        let run = found.and_then(|place| place.run.as_ref()).map(|run| {
            (
                StartFrom::Run,
                format!("Go on from step {}", run.step),
                "The run in the output folder, with the settings that it was started with",
            )
        });
        let current = (
            StartFrom::CurrentModel,
            model,
            "The model of the Generate panel learns the new pictures",
        );
        let scratch = (
            StartFrom::Scratch,
            "Random weights".to_owned(),
            scratch_hint,
        );
        let starts = match form.target {
            // A model is what it leads, and nothing to start from.
            TrainTarget::Classifier => vec![(
                StartFrom::CurrentModel,
                format!("Random weights, for {}", current.1),
                scratch_hint,
            )],
            TrainTarget::Diffusion | TrainTarget::Autoencoder => vec![current, scratch],
        };
        let settings = form.opened.as_ref().map(|_| {
            (
                StartFrom::Settings,
                "As in the settings".to_owned(),
                "The model or the autoencoder that the opened settings name",
            )
        });
        for (start, name, hint) in starts.into_iter().chain(settings).chain(run) {
            let shown = choice(ui, chosen == start, name);
            if shown.on_hover_text(hint).clicked() {
                commands.set(TrainChange::Start(start));
            }
        }
    });
}

fn form_buttons_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
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
}

/// What the model is called in lists and in the recipes of its pictures.
fn name_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let form = &state.train_form;
    row(ui, "Name", |ui, id| {
        let is_open = form.folder.is_none() && form.output.is_none() && !form.is_on_scenes();
        let usual = match is_open {
            true => "Like its folder".to_owned(),
            false => form.usual_name(state.train_place.as_ref()),
        };
        let mut text = form.name.clone().unwrap_or_default();
        let width = ui.available_width();
        let field = text_field(ui, &mut text, &usual, width).labelled_by(id);
        let hint = "What the model is called in lists and in the recipes of its pictures";
        if field.on_hover_text(hint).changed() {
            let name = Some(text).filter(|text| !text.trim().is_empty());
            commands.set(TrainChange::Name(name));
        }
    });
}

/// A field of one line, with what holds while it is empty.
fn text_field(ui: &mut Ui, text: &mut String, hint: &str, width: f32) -> egui::Response {
    let tokens = tokens(ui);
    let hint = RichText::new(hint).color(tokens.text_faint);
    let frame = egui::Frame::new()
        .fill(tokens.sunken)
        .stroke(hairline(tokens))
        .corner_radius(radius::CONTROL)
        .inner_margin(egui::Margin::symmetric(8, 5));
    let field = TextEdit::singleline(text)
        .hint_text(hint)
        .desired_width(width)
        .frame(frame);
    ui.add(field)
}

/// A path that is typed, or chosen in a dialog of the system.
struct PathField<'a> {
    label: &'static str,
    path: Option<&'a Path>,
    hint: &'a str,
    change: fn(Option<PathBuf>) -> TrainChange,
    choose: Command,
}

impl PathField<'_> {
    fn show(self, ui: &mut Ui, commands: &mut CommandSink) {
        row(ui, self.label, |ui, id| {
            let button_width = 96.0;
            let text = self.path.map(|path| path.to_string_lossy().into_owned());
            let mut text = text.unwrap_or_default();
            let width = ui.available_width() - button_width - space::S;
            let field = text_field(ui, &mut text, self.hint, width);
            if field.labelled_by(id).changed() {
                let path = Some(text.trim()).filter(|text| !text.is_empty());
                commands.set((self.change)(path.map(PathBuf::from)));
            }
            let name = format!("Choose {}", self.label.to_lowercase());
            let button = Button::new("Choose…").min_size(vec2(button_width, height::CONTROL));
            if ui.add(button).accessible_name(name).clicked() {
                commands.push(self.choose);
            }
        });
    }
}
