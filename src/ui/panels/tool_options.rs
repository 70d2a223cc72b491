//! What can be set on the tool in hand, above the canvas.

use eframe::egui;
use egui::{RichText, Ui};

use crate::app::actions::view;
use crate::app::{AppState, Command, CommandSink};
use crate::tools::{BrushSettings, MAX_BRUSH_SIZE_PX, MIN_BRUSH_SIZE_PX, ToolId};
use crate::ui::theme::{height, medium, space, tokens};
use crate::ui::widgets::{CONTROL_ICON, SliderFormat, action_button, slider};

/// Shows the settings of the tool in hand, and the zoom at the right.
pub fn tool_options_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    ui.horizontal_centered(|ui| {
        let tool = state.toolbox.active();
        ui.label(RichText::new(tool.label()).family(medium()));
        ui.add_space(space::S);

        let mut settings = state.toolbox.settings;
        match tool {
            ToolId::Brush => brush_ui(ui, &mut settings.brush),
            ToolId::Eraser => brush_ui(ui, &mut settings.eraser),
            ToolId::PanZoom => {
                ui.add(
                    egui::Label::new(RichText::new(tool.hint()).color(tokens(ui).text_muted))
                        .truncate(),
                );
            }
        }
        if settings != state.toolbox.settings {
            commands.push(Command::SetTools(settings));
        }

        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = space::XS;
            for action in [&view::FIT, &view::ZOOM_IN, &view::ZOOM_OUT] {
                action_button(ui, action, CONTROL_ICON, state, commands);
            }
        });
    });
}

fn brush_ui(ui: &mut Ui, brush: &mut BrushSettings) {
    let size = SliderFormat {
        suffix: " px",
        logarithmic: true,
        ..SliderFormat::WHOLE
    };
    setting(
        ui,
        "Size",
        &mut brush.size_px,
        MIN_BRUSH_SIZE_PX..=MAX_BRUSH_SIZE_PX,
        size,
    );
    setting(
        ui,
        "Hardness",
        &mut brush.hardness,
        0.0..=1.0,
        SliderFormat::PERCENT,
    );
    setting(
        ui,
        "Opacity",
        &mut brush.opacity,
        0.0..=1.0,
        SliderFormat::PERCENT,
    );
}

fn setting(
    ui: &mut Ui,
    label: &str,
    value: &mut f32,
    range: std::ops::RangeInclusive<f32>,
    format: SliderFormat,
) {
    let text = RichText::new(label).color(tokens(ui).text_muted);
    let id = ui.label(text).id;
    slider(ui, value, range.clone(), 72.0, format).labelled_by(id);
    let mut number = egui::DragValue::new(value).range(range).speed(0.01);
    if format.percent {
        number = number
            .custom_formatter(|value, _| format!("{} %", (value * 100.0).round()))
            .custom_parser(|text| {
                text.trim_end_matches(['%', ' '])
                    .parse::<f64>()
                    .ok()
                    .map(|value| value / 100.0)
            });
    } else {
        number = number.suffix(format.suffix).fixed_decimals(0).speed(0.3);
    }
    ui.add_sized([60.0, height::CONTROL], number)
        .labelled_by(id);
    ui.add_space(space::S);
}
