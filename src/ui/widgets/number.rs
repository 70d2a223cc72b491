//! Controls for numbers that are described elsewhere.

use egui::{DragValue, Id, Response, Slider, SliderClamping, Ui};

use super::row;
use crate::recipe::param::{Number, Shown, Value};
use crate::ui::theme::{height, space, tokens};

/// Width of the number at the end of a row.
const NUMBER_WIDTH: f32 = 56.0;

/// A row with a slider over what is usual and a field that takes all that is
/// allowed; its hint is the tooltip. Gives the value if it was changed.
pub fn number_row(ui: &mut Ui, number: &Number, value: Value) -> (Response, Option<Value>) {
    any_number_row(ui, number, value, |response, label| {
        response.labelled_by(label)
    })
}

/// A row like [`number_row`] whose controls have a name of their own, where there are
/// several of one label.
pub fn named_number_row(
    ui: &mut Ui,
    number: &Number,
    value: Value,
    name: &str,
) -> (Response, Option<Value>) {
    any_number_row(ui, number, value, |response, _| {
        response.accessible_name(name)
    })
}

fn any_number_row(
    ui: &mut Ui,
    number: &Number,
    value: Value,
    named: impl Fn(Response, Id) -> Response,
) -> (Response, Option<Value>) {
    let mut now = value;
    let mut response = None;
    row(ui, number.label, |ui, id| {
        let slider_width = ui.available_width() - NUMBER_WIDTH - space::S;
        let slid = named(number_slider(ui, number, &mut now, slider_width), id);
        let size = [NUMBER_WIDTH, height::CONTROL];
        let typed = named(number_field(ui, number, &mut now, size), id);
        response = Some(slid | typed);
    });
    let response = response.expect("row runs its closure once");
    let response = response.on_hover_text(number.hint);
    (response, (now != value).then_some(now))
}

/// A slider over what is usual. A value outside of that stays what it is until
/// the slider is moved.
pub fn number_slider(ui: &mut Ui, number: &Number, value: &mut Value, width: f32) -> Response {
    let tokens = tokens(ui);
    ui.scope(|ui| {
        ui.spacing_mut().slider_width = width;
        // The handle takes its size from the height of the widget.
        ui.spacing_mut().interact_size.y = 16.0;
        let visuals = ui.visuals_mut();
        visuals.selection.bg_fill = tokens.accent;
        visuals.widgets.inactive.bg_fill = tokens.control_hovered;
        visuals.widgets.hovered.bg_fill = tokens.control_hovered;
        visuals.widgets.active.bg_fill = tokens.control_hovered;
        let [least, most] = [number.offered.least, number.offered.most].map(to_f64);
        let slider = Slider::from_get_set(least..=most, |set| get_set(value, set))
            .show_value(false)
            .clamping(SliderClamping::Edits)
            .logarithmic(number.shown == Shown::WholeByMagnitude)
            .smallest_positive(1.0)
            .step_by(if is_whole(number) { 1.0 } else { 0.0 });
        ui.add(slider)
    })
    .inner
}

/// A field for all that is allowed.
pub fn number_field(
    ui: &mut Ui,
    number: &Number,
    value: &mut Value,
    size: impl Into<egui::Vec2>,
) -> Response {
    let [least, most] = [number.allowed.least, number.allowed.most].map(to_f64);
    let field = DragValue::from_get_set(|set| get_set(value, set))
        .range(least..=most)
        .clamp_existing_to_range(false);
    let field = match number.shown {
        Shown::Whole | Shown::WholeByMagnitude => field.fixed_decimals(0).speed(0.2),
        Shown::Tenths => field.fixed_decimals(1).speed(0.05),
        Shown::Hundredths => field.fixed_decimals(2).speed(0.01),
        Shown::Percent => field
            .speed(0.005)
            .custom_formatter(|value, _| format!("{} %", (value * 100.0).round()))
            .custom_parser(|text| {
                let number = text.trim_end_matches(['%', ' ']).parse::<f64>();
                number.ok().map(|value| value / 100.0)
            }),
    };
    let field = match number.unit {
        Some(unit) => field.suffix(format!(" {unit}")),
        None => field,
    };
    ui.add_sized(size, field)
}

fn is_whole(number: &Number) -> bool {
    matches!(number.shown, Shown::Whole | Shown::WholeByMagnitude)
}

fn to_f64(value: Value) -> f64 {
    match value {
        Value::Whole(number) => number as f64,
        Value::Real(number) => f64::from(number),
    }
}

/// What a control asks for: sets the value if there is one to set.
fn get_set(value: &mut Value, set: Option<f64>) -> f64 {
    if let Some(set) = set {
        *value = match value {
            // The cast saturates.
            Value::Whole(_) => Value::Whole(set.round() as u64),
            Value::Real(_) => Value::Real(set as f32),
        };
    }
    to_f64(*value)
}
