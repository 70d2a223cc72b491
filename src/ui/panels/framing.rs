//! How a frame is put around a mask, and what stands in it at first: rows of the Generate
//! panel that are shown where they act.

use egui::Ui;

use crate::app::form::{FormChange, Intent};
use crate::app::frame::PADDING;
use crate::app::{AppState, CommandSink};
use crate::icons;
use crate::recipe::param::Value;
use crate::recipe::{Infill, MaskedContent};
use crate::ui::theme::{height, space};
use crate::ui::widgets::{IconButton, combo, number_field, number_slider, row};

/// Width of the number at the end of a row.
const NUMBER_WIDTH: f32 = 64.0;

/// Shows the rows.
pub(super) fn framing_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    if state.job_frame().is_none() {
        return;
    }
    if state.uses_padding() {
        padding_ui(ui, state, commands);
    }
    let intent = state.intent();
    let framing = state.form().framing;
    if intent.is_inside_mask() && state.heeds_mask() {
        let label = framing.masked_content.label();
        let mut chosen = None;
        row(ui, "Masked", |ui, id| {
            let list = combo("masked_content", label, ui.available_width());
            let shown = list.show_ui(ui, |ui| {
                for content in MaskedContent::ALL {
                    let is_chosen = content == framing.masked_content;
                    if ui.selectable_label(is_chosen, content.label()).clicked() {
                        chosen = Some(content);
                    }
                }
            });
            let hint =
                "What stands inside of the mask when painting begins; seen below 100 % strength";
            shown.response.labelled_by(id).on_hover_text(hint);
        });
        if let Some(content) = chosen {
            commands.set(FormChange::MaskedContent(content));
        }
    }
    let is_filled = framing.masked_content == MaskedContent::Fill && state.heeds_mask();
    if intent == Intent::Outpaint || (intent == Intent::Inpaint && is_filled) {
        let mut chosen = None;
        row(ui, "Infill", |ui, id| {
            let list = combo("infill", framing.infill.label(), ui.available_width());
            let shown = list.show_ui(ui, |ui| {
                for infill in Infill::ALL {
                    let is_chosen = infill == framing.infill;
                    if ui.selectable_label(is_chosen, infill.label()).clicked() {
                        chosen = Some(infill);
                    }
                }
            });
            let hint = "What stands at first where the picture has nothing";
            shown.response.labelled_by(id).on_hover_text(hint);
        });
        if let Some(infill) = chosen {
            commands.set(FormChange::Infill(infill));
        }
    }
}

fn padding_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let before = Value::Whole(state.padding_px().into());
    let mut now = before;
    let is_chosen = state.form().framing.padding_px.is_some();
    row(ui, PADDING.label, |ui, id| {
        let button = if is_chosen {
            height::CONTROL + space::S
        } else {
            0.0
        };
        let width = ui.available_width() - NUMBER_WIDTH - space::S - button;
        let slid = number_slider(ui, &PADDING, &mut now, width).labelled_by(id);
        slid.on_hover_text(PADDING.hint);
        let size = [NUMBER_WIDTH, height::CONTROL];
        number_field(ui, &PADDING, &mut now, size)
            .labelled_by(id)
            .on_hover_text(PADDING.hint);
        if is_chosen {
            let reset = IconButton::new(icons::ARROW_COUNTER_CLOCKWISE, "As suits the mask");
            if reset.show(ui).clicked() {
                commands.set(FormChange::Padding(None));
            }
        }
    });
    if now != before {
        commands.set(FormChange::Padding(Some(now.as_u32())));
    }
}
