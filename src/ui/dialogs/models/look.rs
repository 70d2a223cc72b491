//! How kinds and families of models are shown: words, icons and colours.

use egui::ecolor::HsvaGamma;
use egui::{Align2, Color32, FontId, Rect, Ui, vec2};

use crate::app::AppState;
use crate::engine::library::{CardKind, Family, ModelCard, Task};
use crate::icons;
use crate::recipe::InputSpec;
use crate::ui::theme::{medium, radius, tokens, type_size};

/// What a model can be asked for, as an icon with its name.
pub(super) fn abilities(card: &ModelCard) -> Vec<(&'static str, &'static str)> {
    let of = |input: &InputSpec| {
        let icon = match input.label() {
            "words" => icons::TEXT_T,
            "mask" => icons::SELECTION,
            "boxes" | "boxes with phrases" => icons::BOUNDING_BOX,
            "label map" => icons::MAP_TRIFOLD,
            "low resolution" => icons::IMAGE_SQUARE,
            "class" => icons::TAG,
            _ => icons::PUZZLE_PIECE,
        };
        let name = match input.label() {
            "words" => "Takes words",
            "mask" => "Was trained to fill masks",
            "boxes" => "Takes boxes",
            "boxes with phrases" => "Takes boxes of any words",
            "label map" => "Takes a label map",
            "low resolution" => "Takes a low-resolution picture",
            "class" => "Takes a class",
            other => other,
        };
        (icon, name)
    };
    let told = card.inputs.iter().map(of);
    // Every model that paints can go on from a picture.
    let picture = card
        .opens()
        .then_some((icons::IMAGE, "Starts from a picture"));
    told.chain(picture).collect()
}

/// What it is in a few words; that it paints from words is not said where there is little
/// room.
pub(super) fn kind_text(card: &ModelCard, is_short: bool) -> String {
    let is_told = |task: &Task| !is_short || *task != Task::TextToImage;
    let task = card.task.filter(is_told);
    let task = task.map(|task| task.id().replace('-', " "));
    match (card.family, task) {
        (Some(family), Some(task)) => format!("{}, {task}", family.label()),
        (Some(family), None) => family.label().to_owned(),
        (None, _) => kind_label(card).to_owned(),
    }
}

fn kind_label(card: &ModelCard) -> &str {
    match card.kind {
        CardKind::Model => "Model",
        CardKind::FirstStage => "Autoencoder",
        CardKind::Lora => "LoRA",
        CardKind::ControlNet => "ControlNet",
        CardKind::Embedding => "Embedding",
        CardKind::Classifier => "Classifier",
        CardKind::Other => card.other.as_deref().unwrap_or("Of another kind"),
    }
}

/// Why nothing can be done with it, without the path, which stands beside it.
pub(super) fn obstacle_text(card: &ModelCard, state: &AppState) -> Option<String> {
    if state.can_use(card) {
        return None;
    }
    let name = card.path.file_name()?.to_string_lossy();
    let path = card.path.display().to_string();
    Some(card.obstacle.as_ref()?.replace(&path, &name))
}

/// Stands in place of a picture: the mark of the family on its colour.
pub(super) fn placeholder(ui: &Ui, rect: Rect, card: Option<&ModelCard>) {
    let tokens = tokens(ui);
    let family = card.and_then(|card| card.family);
    let kind = card.map(|card| card.kind);
    let (ground, ink) = match family {
        Some(family) if card.is_none_or(ModelCard::opens) => {
            colours(family, ui.visuals().dark_mode)
        }
        _ => (tokens.sunken, tokens.text_faint),
    };
    let painter = ui.painter();
    painter.rect_filled(rect, radius::CONTROL, ground);
    let icon = match kind {
        None => icons::HOURGLASS_MEDIUM,
        Some(CardKind::Model) => icons::CUBE,
        Some(CardKind::FirstStage) => icons::SWAP,
        Some(CardKind::Lora) => icons::SLIDERS_HORIZONTAL,
        Some(CardKind::ControlNet) => icons::IMAGE_SQUARE,
        Some(CardKind::Embedding) => icons::TEXT_T,
        Some(CardKind::Classifier) => icons::TAG,
        Some(CardKind::Other) => icons::QUESTION,
    };
    let size = (rect.height() * 0.3).min(40.0);
    let middle = rect.center() - vec2(0.0, size * 0.3);
    painter.text(
        middle,
        Align2::CENTER_CENTER,
        icon,
        FontId::proportional(size),
        ink,
    );
    let mark = match (family, card) {
        (Some(family), _) => family.label(),
        (None, Some(card)) => kind_label(card),
        (None, None) => "Being read",
    };
    painter.text(
        rect.center() + vec2(0.0, size * 0.7),
        Align2::CENTER_CENTER,
        mark,
        FontId::new(type_size::SMALL + 1.0, medium()),
        ink,
    );
}

/// Ground and ink of a family, muted: a list of pictures is no fair.
fn colours(family: Family, is_dark: bool) -> (Color32, Color32) {
    let hue = match family.id() {
        "stable-diffusion-1" => 0.56,
        "stable-diffusion-2" => 0.68,
        "stable-diffusion-xl" => 0.78,
        "latent-diffusion" => 0.09,
        _ => 0.47,
    };
    let [ground, ink] = if is_dark {
        [[0.42, 0.25], [0.4, 0.78]]
    } else {
        [[0.16, 0.9], [0.65, 0.42]]
    };
    let colour = |[saturation, value]: [f32; 2]| {
        let gamma = HsvaGamma {
            h: hue,
            s: saturation,
            v: value,
            a: 1.0,
        };
        gamma.into()
    };
    (colour(ground), colour(ink))
}
