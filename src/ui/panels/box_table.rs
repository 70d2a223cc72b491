//! The boxes of the chosen layer as numbers.

mod row;

use egui::{Align, Layout, RichText, ScrollArea, Ui, vec2};

use super::box_concerns::box_concerns_line_ui;
use crate::app::actions::boxes as actions;
use crate::app::boxes::{PaintedAs, Report, are_in_hand, vocabulary};
use crate::app::{AppState, Command, CommandSink};
use crate::document::{DocumentRevision, Layer, LayerId, LayerKind};
use crate::icons;
use crate::recipe::ModelSource;
use crate::ui::UiState;
use crate::ui::theme::{height, space, tokens};
use crate::ui::widgets::{CONTROL_ICON, IconButton, action_button, title};

/// Height of a line.
const ROW_HEIGHT: f32 = 28.0;

/// The document, the model, what is painted of the document, and whether in windows.
type MadeOf = (DocumentRevision, Option<ModelSource>, PaintedAs);

/// What the table remembers from frame to frame.
#[derive(Default)]
pub struct BoxTable {
    /// What the model makes of the boxes, for the state of the document and the
    /// model that it was made of.
    report: Report,
    made_of: Option<MadeOf>,
    is_shown: bool,
    /// The line from which Shift chooses.
    last: Option<(LayerId, usize)>,
}

impl BoxTable {
    /// What the chosen model makes of the boxes.
    pub fn report(&mut self, state: &AppState) -> &Report {
        let model = state.model_summary();
        let revision = state.document().revision();
        let painted_as = state.painted_as();
        let source = model.map(|model| model.source.clone());
        let made_of = Some((revision, source, painted_as));
        // While boxes follow the pointer the sentences may lag.
        let may_lag = state.front().editor.is_busy() && self.made_of.is_some();
        if self.made_of != made_of && !may_lag {
            self.report = Report::painted_as(state.document(), painted_as, model);
            self.made_of = made_of;
        }
        &self.report
    }
}

/// Whether the table is shown: with the tool for boxes, or while a layer of them is
/// chosen. It stays or is away as long as a gesture goes on, under which the canvas
/// must not move.
pub fn shows_box_table(state: &AppState, own: &mut UiState) -> bool {
    if !state.toolbox.is_active() {
        let layer = state.document().selected_layer();
        let is_chosen = layer.is_some_and(|layer| layer.kind() == LayerKind::Layout);
        let has_use = is_chosen || are_in_hand(state);
        own.box_table.is_shown = state.settings.panels.boxes && has_use;
    }
    own.box_table.is_shown
}

/// Shows the table.
pub fn box_table_ui(ui: &mut Ui, state: &AppState, own: &mut UiState, commands: &mut CommandSink) {
    own.box_table.report(state);
    // As high with boxes as without: the canvas must not move when the first is drawn.
    ui.set_min_height(ui.available_height());
    let margin = |top, bottom| egui::Margin {
        left: 12,
        right: 12,
        top,
        bottom,
    };
    let layer = state.document().active_layout();
    let boxes = layer.and_then(Layer::boxes).unwrap_or_default();
    egui::Frame::new()
        .inner_margin(margin(6, 0))
        .show(ui, |ui| header_ui(ui, boxes.len(), state, own, commands));
    let Some(layer) = layer.filter(|_| !boxes.is_empty()) else {
        let text = "No boxes yet. Drag with the box tool (R) where something is to appear, or import a file.";
        egui::Frame::new()
            .inner_margin(margin(8, 8))
            .show(ui, |ui| {
                ui.label(RichText::new(text).color(tokens(ui).text_muted));
            });
        return;
    };
    let selected = state.document().selected_layer();
    let is_selected = selected.is_some_and(|selected| selected.id == layer.id);
    let view = row::View {
        layer,
        size_px: state.document().size_px(),
        chosen: if is_selected {
            state.document().selected_boxes()
        } else {
            &[]
        },
        vocabulary: vocabulary(state),
        is_in_percent: state.settings.panels.boxes_in_percent,
        widths: row::Widths::within(ui.available_width()),
    };
    ui.spacing_mut().item_spacing.y = 0.0;
    egui::Frame::new()
        .inner_margin(margin(4, 2))
        .show(ui, |ui| row::captions_ui(ui, &view));
    let area = ScrollArea::vertical().auto_shrink([false, false]);
    area.show_rows(ui, ROW_HEIGHT, boxes.len(), |ui, lines| {
        // The uppermost box stands first, as the uppermost layer does.
        for line in lines {
            let index = boxes.len() - 1 - line;
            let concern = own.box_table.report.of_box(layer.id, index);
            let clicked = row::row_ui(ui, &view, index, concern, commands);
            if clicked {
                choose(ui, layer, index, &mut own.box_table.last, state, commands);
            }
        }
    });
}

fn header_ui(
    ui: &mut Ui,
    count: usize,
    state: &AppState,
    own: &UiState,
    commands: &mut CommandSink,
) {
    ui.horizontal(|ui| {
        ui.set_min_height(height::CONTROL);
        title(ui, "Boxes");
        let chosen = state.document().selected_boxes().len();
        let text = match chosen {
            0 | 1 => count.to_string(),
            _ => format!("{chosen} of {count}"),
        };
        ui.label(RichText::new(text).color(tokens(ui).text_faint));
        ui.spacing_mut().item_spacing.x = 2.0;
        ui.add_space(space::S);
        for action in [
            &actions::NAME,
            &actions::DUPLICATE,
            &actions::LOCK,
            &actions::UP,
            &actions::DOWN,
            &actions::DELETE,
        ] {
            action_button(ui, action, CONTROL_ICON, state, commands);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let is_on = state.settings.panels.boxes_in_percent;
            let unit = IconButton::new(icons::PERCENT, "Per cent of the picture").selected(is_on);
            if unit.show(ui).clicked() {
                commands.push(Command::ToggleBoxUnit);
            }
            files_ui(ui, state, commands);
            ui.add_space(space::S);
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.add_space(space::S);
                box_concerns_line_ui(ui, state, &own.box_table.report, commands);
            });
        });
    });
}

/// The button for files, with its menu.
fn files_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let button = IconButton::new(icons::FILES, "Import and export").show(ui);
    egui::Popup::menu(&button).show(|ui| {
        for action in [
            &actions::IMPORT,
            &actions::EXPORT_COCO,
            &actions::EXPORT_SCENE,
        ] {
            let entry = egui::Button::new(action.label).frame_when_inactive(false);
            let obstacle = action.obstacle(state);
            let entry = ui.add_enabled(obstacle.is_none(), entry);
            if entry.clicked() {
                commands.act(action, state);
            }
            if let Some(obstacle) = obstacle {
                entry.on_disabled_hover_text(obstacle);
            }
        }
    });
}

/// Chooses a line: with Ctrl beside the others, with Shift up to it.
fn choose(
    ui: &Ui,
    layer: &Layer,
    index: usize,
    last: &mut Option<(LayerId, usize)>,
    state: &AppState,
    commands: &mut CommandSink,
) {
    let modifiers = ui.input(|input| input.modifiers);
    let chosen = state.document().selected_boxes();
    let from = last.filter(|(id, _)| *id == layer.id && modifiers.shift);
    let boxes = match from {
        Some((_, from)) => (from.min(index)..=from.max(index)).collect(),
        None if modifiers.command && chosen.contains(&index) => {
            let others = chosen.iter().copied();
            others.filter(|other| *other != index).collect()
        }
        None if modifiers.command => chosen.iter().copied().chain([index]).collect(),
        None => vec![index],
    };
    if from.is_none() {
        *last = Some((layer.id, index));
    }
    commands.push(row::select(layer, boxes));
}

/// The room of a cell, with the usual distance to the next one.
fn cell(width: f32) -> egui::Vec2 {
    vec2(width, ROW_HEIGHT - 4.0)
}
