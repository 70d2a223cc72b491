//! The Generate panel: everything that decides what is painted.

use std::path::Path;

use eframe::egui;
use egui::{RichText, ScrollArea, TextEdit, Ui, vec2};

use crate::app::form::{GenerateForm, Intent, MAX_BATCH, MAX_GUIDANCE, MAX_STEPS, MIN_SIDE_PX};
use crate::app::{AppState, Command, CommandSink, ModelState};
use crate::engine::SamplerChoice;
use crate::icons;
use crate::recipe::{MAX_SIDE_PX, ModelSource, SamplerId};
use crate::ui::theme::{height, space, tokens};
use crate::ui::widgets::{IconButton, SliderFormat, caption, combo, fold, row, slider_row};

/// Sizes offered beside those of the model, as multiples of its own.
const SIZE_PRESETS: [(&str, f32, f32); 5] = [
    ("Square", 1.0, 1.0),
    ("Landscape 3:2", 1.5, 1.0),
    ("Portrait 2:3", 1.0, 1.5),
    ("Wide 2:1", 2.0, 1.0),
    ("Large square", 2.0, 2.0),
];

/// Shows the panel.
pub fn generate_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let mut form = state.form().clone();
    ScrollArea::vertical()
        .auto_shrink([false, false])
        .show(ui, |ui| {
            egui::Frame::new()
                .inner_margin(egui::Margin::symmetric(12, 8))
                .show(ui, |ui| {
                    ui.set_width(ui.available_width());
                    model_ui(ui, state, commands);
                    prompt_ui(ui, state, &mut form);
                    sampling_ui(ui, &mut form);
                    seed_ui(ui, &mut form, commands);
                    picture_ui(ui, state, &mut form);
                });
        });
    if form != *state.form() {
        commands.push(Command::SetForm(Box::new(form)));
    }
}

/// What a model folder is called in a list. A training writes its model into a
/// folder `model` beside the checkpoints; then the name of the run says more.
fn folder_name(folder: &Path) -> String {
    let name = |path: &Path| Some(path.file_name()?.to_string_lossy().into_owned());
    let parent = || folder.parent().and_then(name);
    match name(folder) {
        Some(own) if own == "model" => parent().unwrap_or(own),
        Some(own) => own,
        None => folder.display().to_string(),
    }
}

fn model_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let name = |source: &ModelSource| match source {
        ModelSource::Storybook => "Storybook".to_owned(),
        ModelSource::Folder(folder) => folder_name(folder),
    };
    row(ui, "Model", |ui, label| {
        let chosen = match &state.model {
            ModelState::Ready(model) => model.name.clone(),
            ModelState::Loading => format!("Loading {}…", name(&state.form().model)),
            ModelState::Failed(_) => name(&state.form().model),
        };
        let response = combo("model", chosen, ui.available_width()).show_ui(ui, |ui| {
            let mut choose = |ui: &mut Ui, source: ModelSource| {
                let selected = state.form().model == source;
                if ui.selectable_label(selected, name(&source)).clicked() && !selected {
                    commands.push(Command::ChooseModel(source));
                }
            };
            choose(ui, ModelSource::Storybook);
            for folder in state.known_models() {
                choose(ui, ModelSource::Folder(folder.to_path_buf()));
            }
            ui.separator();
            if ui.selectable_label(false, "Open model folder…").clicked() {
                commands.push(Command::OpenModelFolder);
            }
        });
        response.response.labelled_by(label);
    });
    if let ModelState::Failed(reason) = &state.model {
        let text = format!("{}  {reason}", icons::WARNING_CIRCLE);
        ui.label(RichText::new(text).color(tokens(ui).danger));
    }
}

fn prompt_ui(ui: &mut Ui, state: &AppState, form: &mut GenerateForm) {
    let understands = state.model_summary().is_none_or(|model| model.has_text);
    ui.add_enabled_ui(understands, |ui| {
        let label = caption(ui, "Prompt").id;
        let mut nothing = String::new();
        let (text, hint) = if understands {
            (&mut form.prompt, "Describe the picture")
        } else {
            (&mut nothing, "This model does not read text")
        };
        text_area(ui, text, hint, 3).labelled_by(label);
        if fold(ui, "Negative prompt", form.negative_prompt.trim()) {
            text_area(ui, &mut form.negative_prompt, "What to avoid", 2)
                .accessible_name("Negative prompt");
        }
    });
}

fn text_area(ui: &mut Ui, text: &mut String, hint: &str, rows: usize) -> egui::Response {
    let edit = TextEdit::multiline(text)
        .hint_text(hint)
        .desired_rows(rows)
        .desired_width(f32::INFINITY)
        .margin(egui::Margin::symmetric(8, 6));
    ui.scope(|ui| {
        // The widget paints its hint in this colour, whatever the text says.
        ui.visuals_mut().weak_text_color = Some(tokens(ui).text_faint);
        ui.add(edit)
    })
    .inner
}

fn sampling_ui(ui: &mut Ui, form: &mut GenerateForm) {
    row(ui, "Sampler", |ui, label| {
        let karras_width = 76.0;
        let width = ui.available_width() - karras_width - space::S;
        let response =
            combo("sampler", SamplerChoice::label_of(&form.sampler), width).show_ui(ui, |ui| {
                for choice in SamplerChoice::all() {
                    let is_chosen = form.sampler.as_str() == choice.id;
                    if ui.selectable_label(is_chosen, choice.label).clicked() {
                        form.sampler = SamplerId::new(choice.id);
                    }
                }
            });
        response.response.labelled_by(label);
        form.karras &= form.takes_karras();
        ui.add_enabled(
            form.takes_karras(),
            egui::Checkbox::new(&mut form.karras, "Karras"),
        )
        .on_hover_text("Noise levels of Karras et al.: more of the steps at low noise")
        .on_disabled_hover_text("This sampler has no Karras noise levels");
    });
    slider_row(
        ui,
        "Steps",
        &mut form.steps,
        1..=MAX_STEPS,
        SliderFormat {
            logarithmic: true,
            ..SliderFormat::WHOLE
        },
    );
    slider_row(
        ui,
        "Guidance",
        &mut form.guidance_scale,
        1.0..=MAX_GUIDANCE,
        SliderFormat::TENTHS,
    )
    .on_hover_text("How closely the picture follows the prompt; 1 does not insist");
}

fn seed_ui(ui: &mut Ui, form: &mut GenerateForm, commands: &mut CommandSink) {
    row(ui, "Seed", |ui, label| {
        let buttons = 2.0 * (height::CONTROL + space::XS) + space::XS;
        let seed = egui::DragValue::new(&mut form.seed)
            .range(0..=u64::from(u32::MAX))
            .speed(1.0);
        let typed = ui
            .add_sized([ui.available_width() - buttons, height::CONTROL], seed)
            .labelled_by(label);
        if typed.changed() {
            // Somebody who types a seed wants to keep it.
            form.seed_locked = true;
        }
        ui.spacing_mut().item_spacing.x = space::XS;
        let (icon, name) = if form.seed_locked {
            (icons::LOCK_SIMPLE, "Seed stays the same")
        } else {
            (icons::LOCK_SIMPLE_OPEN, "New seed for every picture")
        };
        if IconButton::new(icon, name)
            .selected(form.seed_locked)
            .show(ui)
            .clicked()
        {
            form.seed_locked = !form.seed_locked;
        }
        if IconButton::new(icons::DICE_FIVE, "Roll a new seed")
            .show(ui)
            .clicked()
        {
            commands.push(Command::RollSeed);
        }
    });
}

fn picture_ui(ui: &mut Ui, state: &AppState, form: &mut GenerateForm) {
    let intent = state.intent();
    if intent == Intent::TextToImage {
        size_ui(ui, state, form);
    }
    let strength = match intent {
        Intent::TextToImage => None,
        Intent::Inpaint => Some(&mut form.mask_strength),
        Intent::ImageToImage => Some(&mut form.strength),
    };
    if let Some(strength) = strength {
        slider_row(ui, "Strength", strength, 0.0..=1.0, SliderFormat::PERCENT).on_hover_text(
            "How much is repainted: little keeps the picture, all of it starts anew",
        );
    }
    if intent == Intent::Inpaint {
        let format = SliderFormat {
            suffix: " px",
            ..SliderFormat::WHOLE
        };
        slider_row(ui, "Feather", &mut form.feather_px, 0.0..=64.0, format)
            .on_hover_text("Width of the soft edge inside the mask");
    }
    slider_row(
        ui,
        "Pictures",
        &mut form.batch,
        1..=MAX_BATCH,
        SliderFormat::WHOLE,
    )
    .on_hover_text("How many are painted, each with the next seed");
}

fn size_ui(ui: &mut Ui, state: &AppState, form: &mut GenerateForm) {
    let multiple = state
        .model_summary()
        .map_or(8, |model| model.size_multiple_px.max(1));
    let native = state
        .model_summary()
        .map_or(64, |model| model.native_size_px);
    let snap = |side: f32| -> u32 {
        let steps = (side / multiple as f32).round().max(1.0) as u32;
        (steps * multiple).clamp(multiple, MAX_SIDE_PX / multiple * multiple)
    };
    row(ui, "Size", |ui, label| {
        let buttons = 2.0 * (height::CONTROL + space::XS) + space::XS;
        let width = (ui.available_width() - buttons - space::L) * 0.5;
        let side = |ui: &mut Ui, value: &mut u32, name: &str| {
            let field = egui::DragValue::new(value)
                .range(MIN_SIDE_PX..=MAX_SIDE_PX)
                .speed(f64::from(multiple) * 0.2)
                .update_while_editing(false);
            let response = ui
                .add_sized([width, height::CONTROL], field)
                .labelled_by(label)
                .on_hover_text(name);
            if response.changed() {
                *value = snap(*value as f32);
            }
        };
        ui.spacing_mut().item_spacing.x = space::XS;
        side(ui, &mut form.width_px, "Width in pixels");
        let (rect, _) =
            ui.allocate_exact_size(vec2(space::S, height::CONTROL), egui::Sense::hover());
        ui.painter().text(
            rect.center(),
            egui::Align2::CENTER_CENTER,
            "×",
            egui::TextStyle::Body.resolve(ui.style()),
            tokens(ui).text_muted,
        );
        side(ui, &mut form.height_px, "Height in pixels");
        if IconButton::new(icons::SWAP, "Swap width and height")
            .show(ui)
            .clicked()
        {
            std::mem::swap(&mut form.width_px, &mut form.height_px);
        }
        let presets = IconButton::new(icons::CARET_DOWN, "Usual sizes").show(ui);
        egui::Popup::menu(&presets).show(|ui| {
            ui.set_min_width(180.0);
            for (name, across, down) in SIZE_PRESETS {
                let size = [snap(native as f32 * across), snap(native as f32 * down)];
                let text = format!("{} × {}", size[0], size[1]);
                let text = RichText::new(text).color(tokens(ui).text_faint);
                if ui
                    .add(
                        egui::Button::new(name)
                            .frame_when_inactive(false)
                            .right_text(text),
                    )
                    .clicked()
                {
                    [form.width_px, form.height_px] = size;
                }
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trained_model_is_called_by_its_run() {
        assert_eq!(folder_name(Path::new("/home/a/my cats/model")), "my cats");
        assert_eq!(folder_name(Path::new("/home/a/dreams")), "dreams");
        assert_eq!(folder_name(Path::new("model")), "model");
    }
}
