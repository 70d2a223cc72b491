//! The ControlNets that control the next pictures.

use egui::{Align, Layout, RichText, Ui, vec2};

use super::loras::{listed_head, listed_title, warning_ui};
use crate::app::conditions::Condition;
use crate::app::controls::{ControlChange, ControlCommand, ControlSource, ListedControl};
use crate::app::form::FormChange;
use crate::app::{AppState, CommandSink};
use crate::icons;
use crate::recipe::{CONTROL_END, CONTROL_START, CONTROL_WEIGHT, ControlKind};
use crate::ui::theme::{height, radius, space, tokens};
use crate::ui::widgets::{IconButton, TextureCache, combo, named_number_row, row};

/// Highest that a picture of what a network sees is shown, in points.
const PREVIEW_HEIGHT: f32 = 180.0;

/// Shows the list where the model can be controlled.
pub(super) fn controls_ui(
    ui: &mut Ui,
    state: &AppState,
    thumbnails: &mut TextureCache,
    commands: &mut CommandSink,
) {
    let listed = &state.form().listed_controls;
    let takes = state
        .model_summary()
        .is_some_and(|model| model.takes_text());
    if !takes && listed.is_empty() {
        return;
    }
    let used = state.used_controls().count();
    let text = match (listed.len(), used) {
        (0, _) => "Add a file, or drop one".to_owned(),
        (all, used) => format!("{used} of {all} in use"),
    };
    let hint = "A ControlNet makes what is painted follow a picture: its edges, strokes, classes, \
                depth or pose. Add one, drop it on the window, or choose it in the list of models; \
                those in a folder \u{201c}controlnet\u{201d} beside the model are found by name";
    let adds = listed_title(ui, "Control", "Add a ControlNet", &text, hint);
    if adds {
        commands.push(ControlCommand::Pick.into());
    }
    for (place, listed) in listed.iter().enumerate() {
        ui.push_id(("control", place), |ui| {
            control_ui(ui, state, (place, listed), thumbnails, commands);
        });
    }
}

fn control_ui(
    ui: &mut Ui,
    state: &AppState,
    (place, listed): (usize, &ListedControl),
    thumbnails: &mut TextureCache,
    commands: &mut CommandSink,
) {
    let name = &listed.control.file.name;
    let mut changes = Vec::new();
    let head = listed_head(ui, &listed.control.file, !listed.rests);
    if let Some(is_on) = head.switched {
        changes.push(ControlChange::Rests(!is_on));
    }
    if head.is_removed {
        changes.push(ControlChange::Remove);
    }
    let refusal = state.control_refusal(listed);
    if let Some(refusal) = refusal {
        warning_ui(ui, refusal);
    }
    ui.add_enabled_ui(!listed.rests && refusal.is_none(), |ui| {
        source_ui(ui, state, (place, listed), &mut changes, commands);
        if refusal.is_none()
            && let Some(blank) = state.control_blank(listed)
        {
            warning_ui(ui, blank);
        }
        kind_ui(ui, state, (place, listed), &mut changes, commands);
        for number in [&CONTROL_WEIGHT, &CONTROL_START, &CONTROL_END] {
            let label = format!("{} of {name}", number.label);
            let value = listed.number(number);
            if let (_, Some(value)) = named_number_row(ui, number, value, &label) {
                changes.push(ControlChange::Number(number, value));
            }
        }
    });
    preview_ui(ui, state, place, thumbnails);
    for change in changes {
        commands.set(FormChange::Control(place, change));
    }
}

/// The picture that the network is shown.
fn source_ui(
    ui: &mut Ui,
    state: &AppState,
    (place, listed): (usize, &ListedControl),
    changes: &mut Vec<ControlChange>,
    commands: &mut CommandSink,
) {
    let text = match &listed.source {
        ControlSource::Canvas => "Canvas".to_owned(),
        ControlSource::Layer(..) => match state.control_layer(&listed.source) {
            Some(layer) => layer.name.clone(),
            None => "No layer".to_owned(),
        },
        ControlSource::LabelMap => "Label map".to_owned(),
        ControlSource::File(path) => {
            let name = path.file_name().unwrap_or(path.as_os_str());
            name.to_string_lossy().into_owned()
        }
        ControlSource::Recipe => "Of the settings".to_owned(),
    };
    row(ui, "Picture", |ui, label| {
        let list = combo("control source", text, ui.available_width());
        let list = list.show_ui(ui, |ui| {
            let mut offer = |ui: &mut Ui, source: ControlSource, text: &str| {
                if ui.selectable_label(listed.source == source, text).clicked() {
                    changes.push(ControlChange::Source(source));
                }
            };
            offer(ui, ControlSource::Canvas, "Canvas");
            let document = state.document().id();
            for layer in state.control_layers() {
                offer(ui, ControlSource::Layer(document, layer.id), &layer.name);
            }
            if state.has_drawn(Condition::LabelMap) {
                offer(ui, ControlSource::LabelMap, "Label map");
            }
            if listed.control.picture.is_some() {
                offer(ui, ControlSource::Recipe, "Of the settings");
            }
            if let ControlSource::File(path) = &listed.source {
                let name = path.file_name().unwrap_or(path.as_os_str());
                offer(ui, listed.source.clone(), &name.to_string_lossy());
            }
            ui.separator();
            if ui.selectable_label(false, "A file\u{2026}").clicked() {
                commands.push(ControlCommand::PickPicture(place).into());
            }
        });
        list.response
            .labelled_by(label)
            .on_hover_text("The picture that what is painted follows");
    });
}

/// What the network is made to see of it.
fn kind_ui(
    ui: &mut Ui,
    state: &AppState,
    (place, listed): (usize, &ListedControl),
    changes: &mut Vec<ControlChange>,
    commands: &mut CommandSink,
) {
    let kind = listed.control.kind;
    row(ui, "Seen as", |ui, label| {
        ui.spacing_mut().item_spacing.x = space::XS;
        let width = ui.available_width() - height::CONTROL - space::XS;
        let list = combo("control kind", kind.label(), width).height(320.0);
        let list = list.show_ui(ui, |ui| {
            for offered in ControlKind::ALL {
                let entry = ui.selectable_label(offered == kind, offered.label());
                if entry.on_hover_text(offered.hint()).clicked() {
                    changes.push(ControlChange::Kind(offered));
                }
            }
        });
        list.response.labelled_by(label).on_hover_text(kind.hint());
        let preview = &state.known_controls.preview;
        let is_shown = preview.as_ref().is_some_and(|it| it.place == place);
        let text = if is_shown {
            "Hide what the network sees"
        } else {
            "Show what the network sees"
        };
        let button = IconButton::new(icons::MAGNIFYING_GLASS, text).selected(is_shown);
        if button.show(ui).clicked() {
            commands.push(ControlCommand::Preview((!is_shown).then_some(place)).into());
        }
    });
}

fn preview_ui(ui: &mut Ui, state: &AppState, place: usize, thumbnails: &mut TextureCache) {
    let preview = state.known_controls.preview.as_ref();
    let Some(preview) = preview.filter(|preview| preview.place == place) else {
        return;
    };
    let Some(picture) = &preview.picture else {
        ui.label(RichText::new("Being made\u{2026}").color(tokens(ui).text_faint));
        return;
    };
    let texture = thumbnails.large(ui.ctx(), picture);
    let size = texture.size_vec2();
    let room = vec2(ui.available_width(), PREVIEW_HEIGHT);
    let scale = (room.x / size.x).min(room.y / size.y);
    ui.with_layout(Layout::top_down(Align::Center), |ui| {
        let image = egui::Image::new((texture.id(), size * scale)).corner_radius(radius::CONTROL);
        ui.add(image.alt_text("What the network sees"));
    });
}
