//! The LoRAs that the next pictures are painted with.

use egui::{Align, Layout, RichText, Ui, vec2};

use crate::app::form::FormChange;
use crate::app::loras::{LORA_WEIGHT, ListedLora, LoraChange, LoraCommand, LoraKnown, with_word};
use crate::app::{AppState, CommandSink};
use crate::icons;
use crate::recipe::NamedFile;
use crate::recipe::param::Value;
use crate::ui::theme::{height, space, tokens, type_size};
use crate::ui::widgets::{IconButton, named_number_row, row};

/// Words of a LoRA that are offered.
const MOST_WORDS: usize = 8;
/// Letters of a word on its button.
const MOST_LETTERS: usize = 28;

/// Shows the list where the model takes LoRAs.
pub(super) fn loras_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    vae_ui(ui, state, commands);
    let listed = &state.form().listed_loras;
    let takes = state
        .model_summary()
        .is_some_and(|model| model.takes_text());
    if !takes && listed.is_empty() {
        return;
    }
    let used = listed.iter().filter(|it| !it.rests).count();
    let text = match (listed.len(), used) {
        (0, _) => "Add a file, or drop one".to_owned(),
        (all, used) => format!("{used} of {all} in use"),
    };
    let hint = "A LoRA is a small file that teaches a model a style or a thing. Add one, drop it on \
                the window, or name it in the prompt: <lora:name:0.8> takes the file of that name \
                from a folder \u{201c}loras\u{201d} beside the model";
    if listed_title(ui, "LoRA", "Add a LoRA", &text, hint) {
        commands.push(LoraCommand::Pick.into());
    }
    for (place, listed) in listed.iter().enumerate() {
        ui.push_id(("lora", place), |ui| {
            lora_ui(ui, state, place, listed, commands);
        });
    }
}

fn lora_ui(
    ui: &mut Ui,
    state: &AppState,
    place: usize,
    listed: &ListedLora,
    commands: &mut CommandSink,
) {
    let ListedLora { lora, rests } = listed;
    let name = &lora.file.name;
    let mut set = |change: LoraChange| commands.set(FormChange::Lora(place, change));
    let head = listed_head(ui, &lora.file, !rests);
    if let Some(is_on) = head.switched {
        set(LoraChange::Rests(!is_on));
    }
    if head.is_removed {
        set(LoraChange::Remove);
    }
    ui.add_enabled_ui(!rests, |ui| {
        let label = format!("Weight of {name}");
        let weight = Value::Real(lora.weight);
        if let (_, Some(value)) = named_number_row(ui, &LORA_WEIGHT, weight, &label) {
            set(LoraChange::Weight(value));
        }
    });
    match state.known_loras.get(&lora.file) {
        Some(LoraKnown::Told(told)) => words_ui(ui, state, &told.words, commands),
        Some(LoraKnown::Lost(text)) => warning_ui(ui, text),
        Some(LoraKnown::Asked) | None => {}
    }
}

/// The first row of a list of files, with a button that adds one; whether it was pressed.
pub(super) fn listed_title(ui: &mut Ui, label: &str, add: &str, text: &str, hint: &str) -> bool {
    let mut is_pressed = false;
    row(ui, label, |ui, _| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            is_pressed = IconButton::new(icons::PLUS, add).show(ui).clicked();
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                let text = RichText::new(text).color(tokens(ui).text_faint);
                let label = ui.add(egui::Label::new(text).truncate());
                label.on_hover_text(hint);
            });
        });
    });
    is_pressed
}

/// What was done at the head of a file in a list.
pub(super) struct ListedHead {
    /// Whether it was switched on or off.
    pub switched: Option<bool>,
    /// Whether it was taken out.
    pub is_removed: bool,
}

/// The head of a file in a list: a switch, its name, and a button that takes it out.
pub(super) fn listed_head(ui: &mut Ui, file: &NamedFile, mut is_on: bool) -> ListedHead {
    let mut head = ListedHead {
        switched: None,
        is_removed: false,
    };
    let name = &file.name;
    ui.horizontal(|ui| {
        ui.set_min_height(height::CONTROL);
        let label = format!("Use {name}");
        let tick = ui
            .add(egui::Checkbox::without_text(&mut is_on))
            .accessible_name(&label)
            .on_hover_text(&label);
        head.switched = tick.changed().then_some(is_on);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let label = format!("Remove {name}");
            head.is_removed = IconButton::new(icons::X, &label).show(ui).clicked();
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                let color = match is_on {
                    true => tokens(ui).text,
                    false => tokens(ui).text_faint,
                };
                let shown = ui.add(egui::Label::new(RichText::new(name).color(color)).truncate());
                if let Some(path) = &file.path {
                    shown.on_hover_text(path.display().to_string());
                }
            });
        });
    });
    head
}

/// Why something of a list is of no use.
pub(super) fn warning_ui(ui: &mut Ui, text: &str) {
    let text = RichText::new(format!("{}  {text}", icons::WARNING))
        .color(tokens(ui).warning)
        .size(type_size::SMALL + 1.0);
    ui.add(egui::Label::new(text).wrap());
}

/// Words that call what a LoRA knows; a press puts one into the prompt.
fn words_ui(ui: &mut Ui, state: &AppState, words: &[String], commands: &mut CommandSink) {
    if words.is_empty() {
        return;
    }
    let prompt = &state.form().spec.prompt;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(space::XS, space::XS);
        for word in words.iter().take(MOST_WORDS) {
            let with = with_word(prompt, word);
            let is_in = with.trim_end() == prompt.trim_end();
            let mut letters = word.chars();
            let mut short: String = letters.by_ref().take(MOST_LETTERS).collect();
            if letters.next().is_some() {
                short.push('\u{2026}');
            }
            let button = egui::Button::new(RichText::new(short).size(type_size::SMALL));
            let pressed = ui
                .add_enabled(!is_in, button)
                .on_hover_text(format!("Put \u{201c}{word}\u{201d} into the prompt"))
                .on_disabled_hover_text("The prompt has it");
            if pressed.clicked() {
                commands.set(FormChange::Prompt(with));
            }
        }
    });
}

/// Another first stage, which restored settings may bring.
fn vae_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let Some(vae) = &state.form().spec.vae else {
        return;
    };
    row(ui, "VAE", |ui, _| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let own = IconButton::new(icons::X, "Take the model's own first stage");
            if own.show(ui).clicked() {
                commands.set(FormChange::OwnVae);
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                let shown = ui.add(egui::Label::new(&vae.name).truncate());
                if let Some(path) = &vae.path {
                    shown.on_hover_text(path.display().to_string());
                }
            });
        });
    });
}
