//! What the window shows: panels, dialogs, the canvas.
//!
//! Functions here read [`AppState`] and push [`Command`](crate::app::Command)s;
//! they change nothing themselves but what only the screen knows
//! ([`UiState`]: textures, a name being typed). A panel that edits a form says
//! which field is to change, and names an action of
//! [`actions`](crate::app::actions) where it shows one.

pub mod canvas;
mod class_colour;
mod dialogs;
mod panels;
pub mod theme;
mod widgets;

use egui::{CentralPanel, Margin, Panel, Ui};

use crate::app::{AppState, CommandSink, Dialog};
use crate::document::LayerId;
use crate::engine::protocol::StepId;
use crate::gpu::{CanvasLimits, PlanePainter};
use theme::{height, panel_frame, tokens};
use widgets::TextureCache;

/// What only the screen knows.
pub struct UiState {
    /// Thumbnails on the graphics card.
    thumbnails: TextureCache,
    /// Thumbnails of layers, made anew when the document changes.
    layers: panels::LayerThumbnails,
    /// The layer whose name is being typed, and the name so far.
    renaming: Option<(LayerId, String)>,
    /// What is typed in the list of classes, while it is open.
    class_query: Option<panels::ClassQuery>,
    /// What is typed to find a picture in a file of boxes.
    image_query: Option<String>,
    /// What classes become, while their dialog is open.
    class_map: Option<dialogs::ClassMap>,
    /// The kind of dialog that was shown last, while it is open.
    dialog: Option<std::mem::Discriminant<Dialog>>,
    /// What is searched in the list of models, while it is open.
    models: Option<dialogs::ModelBrowser>,
    /// What is chosen of a model's other form, while its dialog is open.
    conversion: Option<dialogs::ConvertForm>,
    model_name: Option<dialogs::RenameForm>,
    /// What makes the document larger, while that is asked.
    enlarging: Option<dialogs::EnlargeForm>,
    /// The table of boxes.
    box_table: panels::BoxTable,
    /// The fields of the prompt.
    prompt: panels::PromptUi,
    /// The path in the dialog for paths, while it is open.
    typed_path: Option<String>,
    /// The size that was chosen for a new picture; `None` stands for that of the model.
    new_size_px: Option<[u32; 2]>,
    /// Steps that lie on the graphics card.
    planes: PlanePainter,
    /// The step of the trajectory that was in view last.
    step: Option<StepId>,
    /// The list of classes.
    classes: panels::ClassListUi,
    /// The canvas.
    canvas: canvas::CanvasUi,
}

impl UiState {
    /// The state of a fresh window that draws with the given device.
    pub fn new(render_state: Option<&egui_wgpu::RenderState>) -> Self {
        Self {
            thumbnails: TextureCache::default(),
            layers: panels::LayerThumbnails::default(),
            renaming: None,
            class_query: None,
            image_query: None,
            class_map: None,
            dialog: None,
            models: None,
            conversion: None,
            model_name: None,
            enlarging: None,
            box_table: panels::BoxTable::default(),
            prompt: panels::PromptUi::default(),
            typed_path: None,
            new_size_px: None,
            planes: PlanePainter::new(render_state),
            step: None,
            classes: panels::ClassListUi::default(),
            canvas: canvas::CanvasUi::new(render_state, CanvasLimits::default()),
        }
    }
}

/// Draws the whole window.
pub fn studio_ui(ui: &mut Ui, state: &AppState, own: &mut UiState, commands: &mut CommandSink) {
    let tokens = tokens(ui);
    let line = |panel: Panel| panel.show_separator_line(true).resizable(false);
    let bar = panel_frame(tokens, Margin::symmetric(8, 0));
    let pointer = dialogs::make_way(ui.ctx(), state, own);

    line(Panel::top("menu_bar"))
        .exact_size(height::BAR + 4.0)
        .frame(bar)
        .show(ui, |ui| panels::menu_bar_ui(ui, state, commands));
    line(Panel::bottom("status_bar"))
        .exact_size(height::BAR)
        .frame(panel_frame(tokens, Margin::symmetric(12, 0)))
        .show(ui, |ui| panels::status_bar_ui(ui, state, commands));
    if state.settings.panels.side {
        Panel::right("side_panel")
            .default_size(312.0)
            .size_range(280.0..=480.0)
            .frame(panel_frame(tokens, Margin::ZERO))
            .show(ui, |ui| side_panel_ui(ui, state, own, commands));
    }
    line(Panel::left("tool_strip"))
        .exact_size(48.0)
        .frame(panel_frame(tokens, Margin::symmetric(6, 8)))
        .show(ui, |ui| panels::tool_strip_ui(ui, state, commands));
    if state.settings.panels.strip {
        line(Panel::bottom("trajectory"))
            .exact_size(height::STRIP)
            .frame(panel_frame(tokens, Margin::symmetric(12, 8)))
            .show(ui, |ui| panels::trajectory_ui(ui, state, own, commands));
    }
    if panels::shows_box_table(state, own) {
        Panel::bottom("boxes")
            .resizable(true)
            .default_size(152.0)
            .size_range(96.0..=320.0)
            .frame(panel_frame(tokens, Margin::ZERO))
            .show(ui, |ui| panels::box_table_ui(ui, state, own, commands));
    }
    line(Panel::top("tool_options"))
        .exact_size(40.0)
        .frame(panel_frame(tokens, Margin::symmetric(12, 6)))
        .show(ui, |ui| panels::tool_options_ui(ui, state, commands));
    if panels::shows_classes(state, own) {
        line(Panel::left("classes"))
            .exact_size(panels::CLASSES_WIDTH)
            .frame(panel_frame(tokens, Margin::ZERO))
            .show(ui, |ui| panels::classes_ui(ui, state, own, commands));
    }
    let canvas = CentralPanel::default()
        .frame(egui::Frame::new().fill(tokens.canvas))
        .show(ui, |ui| panels::canvas_panel_ui(ui, state, own, commands))
        .response
        .rect;

    if let Some(pointer) = pointer {
        ui.input_mut(|input| input.pointer = pointer);
    }
    dialogs::dialog_ui(ui, state, own, commands);
    panels::notices_ui(ui, canvas, state, commands);
    own.thumbnails.end_frame();
}

fn side_panel_ui(ui: &mut Ui, state: &AppState, own: &mut UiState, commands: &mut CommandSink) {
    let tokens = tokens(ui);
    Panel::bottom("layers")
        .resizable(true)
        .default_size(208.0)
        .size_range(120.0..=400.0)
        .frame(panel_frame(tokens, Margin::ZERO))
        .show(ui, |ui| panels::layers_ui(ui, state, own, commands));
    Panel::bottom("generate_button")
        .resizable(false)
        .show_separator_line(false)
        .frame(panel_frame(
            tokens,
            Margin {
                left: 12,
                right: 12,
                top: 8,
                bottom: 12,
            },
        ))
        .show(ui, |ui| {
            panels::generate_button_ui(ui, state, own, commands)
        });
    CentralPanel::default()
        .frame(panel_frame(tokens, Margin::ZERO))
        .show(ui, |ui| {
            panels::generate_ui(ui, state, &mut own.prompt, &mut own.thumbnails, commands)
        });
}
