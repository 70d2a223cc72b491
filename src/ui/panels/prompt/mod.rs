//! The words of the next job: two fields, how long they are, and styles for them.

mod field;
mod history;
mod styles;

use egui::{Align, Layout, RichText, Ui};

use field::{Field, FieldUi};
use styles::StylesUi;

use crate::app::form::FormChange;
use crate::app::{AppState, CommandSink};
use crate::engine::TokenCount;
use crate::ui::theme::{space, tokens, type_size};
use crate::ui::widgets::{caption, fold};

/// Height of the line above the prompt.
const HEADER_HEIGHT: f32 = 20.0;

/// What the fields know beside the form.
#[derive(Default)]
pub struct PromptUi {
    prompt: FieldUi,
    negative: FieldUi,
    styles: StylesUi,
}

/// Shows the fields.
pub fn prompt_ui(ui: &mut Ui, state: &AppState, own: &mut PromptUi, commands: &mut CommandSink) {
    let spec = &state.form().spec;
    let model = state.model_summary();
    let understands = model.is_none_or(|model| model.takes_text());
    let reader = model.and_then(|model| model.prompts.as_ref());
    ui.add_enabled_ui(understands, |ui| {
        let label = header_ui(ui, state, own, commands);
        let (mut text, hint) = if understands {
            (spec.prompt.clone(), "Describe the picture")
        } else {
            (String::new(), "This model does not read text")
        };
        let field = Field {
            name: "prompt",
            hint,
            rows: 3,
            reader,
            history: &state.settings.prompt_history,
        };
        let (response, is_changed) = own.prompt.show(ui, &field, &mut text);
        response.labelled_by(label);
        if is_changed {
            commands.set(FormChange::Prompt(text));
        }
        if fold(ui, "Negative prompt", spec.negative_prompt.trim()) {
            let mut text = spec.negative_prompt.clone();
            let field = Field {
                name: "negative prompt",
                hint: "What to avoid",
                rows: 2,
                reader,
                history: &[],
            };
            let (response, is_changed) = own.negative.show(ui, &field, &mut text);
            response.accessible_name("Negative prompt");
            if is_changed {
                commands.set(FormChange::NegativePrompt(text));
            }
        }
    });
}

/// The line above the prompt; returns its label.
fn header_ui(
    ui: &mut Ui,
    state: &AppState,
    own: &mut PromptUi,
    commands: &mut CommandSink,
) -> egui::Id {
    let model = state.model_summary();
    let reads_words = model.is_some_and(|model| model.prompts.is_some());
    let line = ui.horizontal(|ui| {
        ui.set_min_height(HEADER_HEIGHT);
        let label = caption(ui, "Prompt").id;
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = space::S;
            own.styles.show(ui, state, commands);
            if let Some(count) = state.prompt_length.known().filter(|_| reads_words) {
                count_ui(ui, count);
            }
        });
        label
    });
    line.inner
}

fn count_ui(ui: &mut Ui, count: TokenCount) {
    let tokens = tokens(ui);
    let is_cut = count.tokens > count.room;
    let color = if is_cut {
        tokens.warning
    } else {
        tokens.text_faint
    };
    let text = format!("{}/{}", count.tokens, count.room);
    let hint = match (is_cut, count.chunks) {
        (true, _) => "Longer than the model reads: the end is left out".to_owned(),
        (false, 1) => "Tokens of the prompt, and how many the model reads".to_owned(),
        (false, chunks) => {
            format!("Tokens of the prompt: it is read in {chunks} parts, one after the other")
        }
    };
    let text = RichText::new(text).size(type_size::SMALL).color(color);
    ui.label(text).on_hover_text(hint);
}
