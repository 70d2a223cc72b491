//! What is known of the model that is marked, and what can be done with it.

use egui::{Label, RichText, ScrollArea, Sense, Ui, vec2};

use super::card::picture_ui;
use super::look::{abilities, kind_text, obstacle_text};
use crate::app::library::LibraryCommand;
use crate::app::{AppState, CommandSink};
use crate::engine::library::{CardKind, Listed, ModelCard};
use crate::icons;
use crate::ui::dialogs::main_button;
use crate::ui::theme::{height, semibold, space, tokens, type_size};
use crate::ui::widgets::{IconButton, TextureCache, bytes_text};

use std::sync::Arc;

/// Height of its picture.
const PICTURE: f32 = 150.0;

/// Shows it over the given height, with the button that loads it below.
pub(super) fn details_ui(
    ui: &mut Ui,
    listed: &Arc<Listed>,
    state: &AppState,
    thumbnails: &mut TextureCache,
    commands: &mut CommandSink,
) {
    let tokens = tokens(ui);
    let card = listed.card.as_deref();
    let opens = card.is_none_or(|card| state.can_use(card));
    let room = ui.available_height() - height::CONTROL - space::M;
    ScrollArea::vertical()
        .id_salt("details")
        .max_height(room)
        .min_scrolled_height(room)
        .auto_shrink([false, false])
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = space::XS + 2.0;
            let size = vec2(ui.available_width(), PICTURE);
            let (place, _) = ui.allocate_exact_size(size, Sense::hover());
            picture_ui(ui, place, listed, state, opens, thumbnails);
            let name = RichText::new(listed.name())
                .family(semibold())
                .size(type_size::HEADING);
            ui.add(Label::new(name).wrap());
            let Some(card) = card else {
                ui.label(RichText::new("Its headers are being read.").color(tokens.text_muted));
                return;
            };
            ui.label(RichText::new(kind_text(card, false)).color(tokens.text_muted));
            if let Some(obstacle) = obstacle_text(card, state) {
                let text = RichText::new(format!("{}  {obstacle}", icons::WARNING));
                ui.add(Label::new(text.color(tokens.warning)).wrap());
            }
            if let Some(note) = note(card, opens) {
                small(ui, note);
            }
            for (icon, name) in abilities(card) {
                let text = format!("{icon}  {name}");
                ui.label(RichText::new(text).color(tokens.text_muted));
            }
            ui.add_space(space::XS);
            fact(ui, "On disk", &bytes_text(listed.found.size_bytes));
            if let Some(memory_bytes) = card.memory_bytes {
                fact(
                    ui,
                    "In memory",
                    &format!("about {} on the processor", bytes_text(memory_bytes)),
                );
            }
            if let Some(side) = card.native_size_px {
                fact(ui, "Pictures", &format!("{side} × {side} px"));
            }
            ui.add_space(space::XS);
            // Where it does not open, its sentence stands above already.
            if card.obstacle.as_ref() != Some(&card.sentence) {
                small(ui, &card.sentence);
            } else {
                small(ui, &listed.found.path.display().to_string());
            }
        });
    ui.with_layout(egui::Layout::right_to_left(egui::Align::Max), |ui| {
        ui.spacing_mut().button_padding.x = space::M;
        let is_chosen = state.form().spec.model == listed.source;
        let is_ready = is_chosen && state.model_summary().is_some();
        let can_be_used = match card {
            Some(_) => opens && !is_ready,
            None => false,
        };
        let word = match card.map(|card| card.kind) {
            Some(
                CardKind::Lora | CardKind::ControlNet | CardKind::FirstStage | CardKind::Classifier,
            ) => "Use",
            Some(CardKind::Embedding) => "Put into the prompt",
            _ if is_ready => "Loaded",
            _ => "Load",
        };
        let load = main_button(ui, word, can_be_used);
        let load = load.on_hover_text("Enter, or double click");
        if load.clicked() {
            commands.push(LibraryCommand::Use(Arc::clone(listed)).into());
        }
        // What opens can be written in another form.
        if card.is_some_and(ModelCard::opens) {
            let convert = IconButton::new(icons::SWAP, "Convert…").show(ui);
            if convert.clicked() {
                commands.push(LibraryCommand::ShowForms(Arc::clone(listed)).into());
            }
        }
        if state.own_folder_of(&listed.found.path).is_some() && card.is_some_and(ModelCard::opens) {
            let rename = IconButton::new(icons::PENCIL_SIMPLE, "Rename…").show(ui);
            if rename.clicked() {
                commands.push(LibraryCommand::AskForName(Arc::clone(listed)).into());
            }
        }
        let is_favourite = state.settings.favourite_models.contains(&listed.source);
        let word = if is_favourite {
            "No favourite any more"
        } else {
            "Favourite"
        };
        let star = IconButton::new(icons::STAR, word).selected(is_favourite);
        if star.show(ui).clicked() {
            let command = LibraryCommand::Favour {
                model: listed.source.clone(),
                is_favourite: !is_favourite,
            };
            commands.push(command.into());
        }
    });
}

/// What is to be known of what goes with a model.
fn note(card: &ModelCard, can_be_used: bool) -> Option<&'static str> {
    match (card.kind, can_be_used) {
        (CardKind::Lora, true) => {
            Some("Changes the model that paints; it must be of the same family.")
        }
        (CardKind::ControlNet, true) => Some(
            "Makes what is painted follow a picture; it must be of the same family as the model.",
        ),
        (CardKind::FirstStage, true) => Some(
            "Makes pictures of latents in place of the model's own first stage; it must be of \
             the same family.",
        ),
        (CardKind::Classifier, true) => Some(
            "Leads what is painted to a class; it must have been trained on latents of the model.",
        ),
        (CardKind::Embedding, true) => Some("Its name in the prompt says what it was made for."),
        (CardKind::Embedding, false) => Some(
            "To use it, put it into a folder \u{201c}embeddings\u{201d} beside the model, and \
             write its name into the prompt.",
        ),
        _ => None,
    }
}

fn fact(ui: &mut Ui, what: &str, text: &str) {
    const WHAT: f32 = 76.0;
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        let (place, _) = ui.allocate_exact_size(vec2(WHAT, 18.0), Sense::hover());
        let muted = tokens(ui).text_muted;
        let font = egui::FontId::proportional(type_size::BODY);
        ui.painter().text(
            place.left_center(),
            egui::Align2::LEFT_CENTER,
            what,
            font,
            muted,
        );
        // What is too long for the line goes on below it: it would make the dialog wider.
        ui.add(Label::new(text).wrap());
    });
}

fn small(ui: &mut Ui, text: &str) {
    let text = RichText::new(text)
        .size(type_size::SMALL)
        .color(tokens(ui).text_faint);
    ui.add(Label::new(text).wrap().selectable(true));
}
