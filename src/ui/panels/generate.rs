//! The Generate panel: everything that decides what is painted.

use egui::{RichText, ScrollArea, Ui, vec2};

use super::classifier::classifier_ui;
use super::conditions::conditions_ui;
use super::controls::controls_ui;
use super::finish::finish_ui;
use super::following::following_ui;
use super::framing::framing_ui;
use super::large::large_ui;
use super::loras::loras_ui;
use super::model::model_ui;
use super::painted_class::class_ui;
use super::prompt::{PromptUi, prompt_ui};
use crate::app::form::{FormChange, GenerateForm};
use crate::app::live::LIVE_STEPS;
use crate::app::{AppState, Command, CommandSink};
use crate::engine::SamplerChoice;
use crate::icons;
use crate::recipe::param::{
    BATCH, CLIP_SKIP, ETA, FEATHER, GUIDANCE, GUIDANCE_END, GUIDANCE_RESCALE, GUIDANCE_START,
    HEIGHT, Number, SEED, STEPS, VARIATION, VARIATION_SEED, WIDTH,
};
use crate::recipe::{SamplerId, Schedule};
use crate::ui::theme::{height, space, tokens};
use crate::ui::widgets::{IconButton, TextureCache, combo, number_field, number_row, row};

/// Sizes offered beside those of the model, as multiples of its own.
const SIZE_PRESETS: [(&str, f32, f32); 7] = [
    ("Square", 1.0, 1.0),
    ("Landscape 3:2", 1.5, 1.0),
    ("Portrait 2:3", 1.0, 1.5),
    ("Wide 2:1", 2.0, 1.0),
    ("Large square", 2.0, 2.0),
    ("Panorama 4:1", 4.0, 1.0),
    ("Long panorama 8:1", 16.0, 2.0),
];

/// Shows the panel.
pub fn generate_ui(
    ui: &mut Ui,
    state: &AppState,
    prompt: &mut PromptUi,
    thumbnails: &mut TextureCache,
    commands: &mut CommandSink,
) {
    ScrollArea::vertical()
        .auto_shrink([false, false])
        .show(ui, |ui| {
            egui::Frame::new()
                .inner_margin(egui::Margin::symmetric(12, 8))
                .show(ui, |ui| {
                    ui.set_width(ui.available_width());
                    model_ui(ui, state, commands);
                    class_ui(ui, state, commands);
                    classifier_ui(ui, state, commands);
                    prompt_ui(ui, state, prompt, commands);
                    loras_ui(ui, state, commands);
                    beginning_ui(ui, state, commands);
                    conditions_ui(ui, state, commands);
                    controls_ui(ui, state, thumbnails, commands);
                    following_ui(ui, state, commands);
                    sampling_ui(ui, state, commands);
                    noise_ui(ui, state.form(), commands);
                    picture_ui(ui, state, commands);
                });
        });
}

/// The row of a number.
pub(super) fn param_ui(
    ui: &mut Ui,
    form: &GenerateForm,
    number: &'static Number,
    commands: &mut CommandSink,
) {
    if let (_, Some(value)) = number_row(ui, number, form.number(number)) {
        commands.set(FormChange::Number(number, value));
    }
}

fn sampling_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let (form, is_live) = (state.form(), state.live.is_on());
    let sampler = form.sampler();
    row(ui, "Sampler", |ui, label| {
        let width = ui.available_width();
        // All of them at once.
        let list = combo("sampler", SamplerChoice::label_of(&sampler), width).height(480.0);
        let response = list.show_ui(ui, |ui| {
            for choice in SamplerChoice::all() {
                let is_chosen = sampler.as_str() == choice.id;
                if ui.selectable_label(is_chosen, choice.label).clicked() {
                    commands.set(FormChange::Sampler(SamplerId::new(choice.id)));
                }
            }
        });
        response.response.labelled_by(label);
    });
    schedule_ui(ui, form, commands);
    let live = is_live.then_some(&LIVE_STEPS);
    for number in [&STEPS].into_iter().chain(live).chain([&GUIDANCE]) {
        param_ui(ui, form, number, commands);
    }
    if form.takes_eta() {
        param_ui(ui, form, &ETA, commands);
    }
    // Without guidance there is nothing to rescale, and nothing that begins or ends.
    if form.number(&GUIDANCE).as_f32() > 1.0 {
        for number in [&GUIDANCE_START, &GUIDANCE_END, &GUIDANCE_RESCALE] {
            param_ui(ui, form, number, commands);
        }
    }
    // Layers of an encoder that learned a language say something on their own.
    let reader = state.model_summary();
    let reader = reader.and_then(|model| model.prompts.as_ref());
    if reader.is_some_and(|reader| reader.layers() > 1 && !reader.marks_words()) {
        param_ui(ui, form, &CLIP_SKIP, commands);
    }
}

/// How noise levels are spread: the same list for every sampler that can be asked.
fn schedule_ui(ui: &mut Ui, form: &GenerateForm, commands: &mut CommandSink) {
    let schedule = form.schedule();
    row(ui, "Schedule", |ui, label| {
        ui.add_enabled_ui(form.takes_schedules(), |ui| {
            let list = combo("schedule", schedule.label(), ui.available_width());
            let response = list.show_ui(ui, |ui| {
                for choice in Schedule::ALL {
                    let row = ui.selectable_label(choice == schedule, choice.label());
                    if row.on_hover_text(choice.hint()).clicked() {
                        commands.set(FormChange::Schedule(choice));
                    }
                }
            });
            response
                .response
                .labelled_by(label)
                .on_hover_text(schedule.hint())
                .on_disabled_hover_text("This sampler has its own noise levels");
        });
    });
}

/// The seed; how far pictures go from that of the seed, and where to.
fn noise_ui(ui: &mut Ui, form: &GenerateForm, commands: &mut CommandSink) {
    let is_varied = form.is_varied();
    let base = SeedRow {
        number: &SEED,
        lock: ["New seed for every picture", "Seed stays the same"],
        obstacle: is_varied.then_some("Variations are of the picture of this seed, so it stays"),
        is_locked: form.seed_locked || is_varied,
        locked: FormChange::SeedLocked,
    };
    base.show(ui, form, commands);
    param_ui(ui, form, &VARIATION, commands);
    if is_varied {
        let other = SeedRow {
            number: &VARIATION_SEED,
            lock: ["Another variation every time", "Variation stays the same"],
            obstacle: None,
            is_locked: form.variation_locked,
            locked: FormChange::VariationLocked,
        };
        other.show(ui, form, commands);
    }
}

/// A seed, whether it stays, and a die to roll another one.
struct SeedRow {
    number: &'static Number,
    /// What it means that it is not locked, and that it is.
    lock: [&'static str; 2],
    /// Why the lock cannot be opened.
    obstacle: Option<&'static str>,
    is_locked: bool,
    locked: fn(bool) -> FormChange,
}

impl SeedRow {
    fn show(self, ui: &mut Ui, form: &GenerateForm, commands: &mut CommandSink) {
        let Self {
            number, is_locked, ..
        } = self;
        row(ui, number.label, |ui, label| {
            let buttons = 2.0 * (height::CONTROL + space::XS) + space::XS;
            let before = form.number(number);
            let mut seed = before;
            let size = [ui.available_width() - buttons, height::CONTROL];
            number_field(ui, number, &mut seed, size)
                .labelled_by(label)
                .on_hover_text(number.hint);
            if seed != before {
                commands.set(FormChange::Number(number, seed));
                // Somebody who types a seed wants to keep it.
                commands.set((self.locked)(true));
            }
            ui.spacing_mut().item_spacing.x = space::XS;
            let icon = match is_locked {
                true => icons::LOCK_SIMPLE,
                false => icons::LOCK_SIMPLE_OPEN,
            };
            let lock = IconButton::new(icon, self.lock[usize::from(is_locked)]);
            let lock = lock.selected(is_locked).unless(self.obstacle);
            if lock.show(ui).clicked() {
                commands.set((self.locked)(!is_locked));
            }
            let roll = IconButton::new(icons::DICE_FIVE, "Roll a new seed");
            if roll.show(ui).clicked() {
                commands.set(FormChange::Roll(number));
            }
        });
    }
}

fn picture_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let intent = state.intent();
    if state.is_size_free() {
        size_ui(ui, state, commands);
    }
    large_ui(ui, state, commands);
    let strength = intent.strength();
    let feather = intent.is_inside_mask().then_some(&FEATHER);
    for number in strength.into_iter().chain(feather) {
        param_ui(ui, state.form(), number, commands);
    }
    gradual_ui(ui, state, commands);
    param_ui(ui, state.form(), &BATCH, commands);
    framing_ui(ui, state, commands);
    finish_ui(ui, state, intent, commands);
}

/// Whether a mask acts by its greys, where there is one.
fn gradual_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    if !(state.intent().is_inside_mask() && state.heeds_mask()) {
        return;
    }
    let mut is_on = state.form().spec.gradual_mask;
    row(ui, "Gradual", |ui, _| {
        let tick = ui.checkbox(&mut is_on, "Soft mask repaints less");
        let hint = "What the mask covers in part is repainted as much less; \
                    off, the mask acts fully from half coverage on";
        if tick.on_hover_text(hint).changed() {
            commands.set(FormChange::GradualMask(is_on));
        }
    });
}

/// Switches for the picture and the mask that are there.
fn beginning_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let document = state.document();
    if !document.has_picture() {
        return;
    }
    if document.has_mask_content() {
        let mut heeds = state.front().heeds_mask;
        let hint = "Off: the mask is left alone, and the picture is repainted everywhere";
        row(ui, "Mask", |ui, _| {
            let tick = ui.checkbox(&mut heeds, "Repaint inside only");
            if tick.on_hover_text(hint).changed() {
                commands.push(Command::HeedMask(heeds));
            }
        });
    }
    if !state.heeds_mask() {
        let mut starts = state.front().starts_from_picture;
        let hint = "Off: a new picture is painted, on a layer of its own";
        row(ui, "Picture", |ui, _| {
            let tick = ui.checkbox(&mut starts, "Start from it");
            if tick.on_hover_text(hint).changed() {
                commands.push(Command::StartFromPicture(starts));
            }
        });
    }
}

/// The sides of a usual size for a model, in pixels: in its proportions where one would
/// be larger than is offered.
fn preset_size(native_px: u32, sides: [f32; 2]) -> [f32; 2] {
    let sides_px = sides.map(|side| native_px as f32 * side);
    let largest_px = WIDTH.offered.most.as_u32() as f32;
    let scale = (largest_px / sides_px[0].max(sides_px[1])).min(1.0);
    sides_px.map(|side| side * scale)
}

fn size_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let spec = &state.form().spec;
    let model = state.model_summary();
    let multiple = model.map_or(8, |model| model.size_multiple_px.max(1));
    let native = model.map_or(64, |model| model.native_size_px);
    let largest = WIDTH.offered.most.as_u32();
    let snap = |side: f32| -> u32 {
        let steps = (side / multiple as f32).round().max(1.0) as u32;
        let most = (largest / multiple).max(1);
        steps.min(most).saturating_mul(multiple)
    };
    let sides = [(&WIDTH, spec.width_px), (&HEIGHT, spec.height_px)];
    let mut set = |sides: [u32; 2]| {
        for (number, side) in [&WIDTH, &HEIGHT].into_iter().zip(sides) {
            commands.set(FormChange::Number(number, side.into()));
        }
    };
    row(ui, "Size", |ui, label| {
        let buttons = 2.0 * (height::CONTROL + space::XS) + space::XS;
        let width = (ui.available_width() - buttons - space::L) * 0.5;
        let side_ui = |ui: &mut Ui, (number, side): (&'static Number, u32)| {
            let mut now = side;
            let offered = number.offered;
            let field = egui::DragValue::new(&mut now)
                .range(offered.least.as_u32()..=offered.most.as_u32())
                .clamp_existing_to_range(false)
                .speed(f64::from(multiple) * 0.2)
                .update_while_editing(false);
            let response = ui
                .add_sized([width, height::CONTROL], field)
                .labelled_by(label)
                .on_hover_text(number.hint);
            if response.changed() {
                snap(now as f32)
            } else {
                side
            }
        };
        ui.spacing_mut().item_spacing.x = space::XS;
        let across = side_ui(ui, sides[0]);
        let (rect, _) =
            ui.allocate_exact_size(vec2(space::S, height::CONTROL), egui::Sense::hover());
        ui.painter().text(
            rect.center(),
            egui::Align2::CENTER_CENTER,
            "×",
            egui::TextStyle::Body.resolve(ui.style()),
            tokens(ui).text_muted,
        );
        let down = side_ui(ui, sides[1]);
        if [across, down] != sides.map(|(_, side)| side) {
            set([across, down]);
        }
        let swap = IconButton::new(icons::SWAP, "Swap width and height");
        if swap.show(ui).clicked() {
            set([down, across]);
        }
        let presets = IconButton::new(icons::CARET_DOWN, "Usual sizes").show(ui);
        egui::Popup::menu(&presets).show(|ui| {
            ui.set_min_width(220.0);
            for (name, across, down) in SIZE_PRESETS {
                let size = preset_size(native, [across, down]).map(snap);
                let text = format!("{} × {}", size[0], size[1]);
                let text = RichText::new(text).color(tokens(ui).text_faint);
                let entry = egui::Button::new(name)
                    .frame_when_inactive(false)
                    .right_text(text);
                if ui.add(entry).clicked() {
                    set(size);
                }
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_sizes_keep_their_proportions_up_to_the_largest_side() {
        for (name, across, down) in SIZE_PRESETS {
            for native_px in [32, 64, 512, 768, 1024, 2048] {
                let [width, height] = preset_size(native_px, [across, down]);
                assert!(width <= WIDTH.offered.most.as_u32() as f32);
                let (found, wanted) = (width / height, across / down);
                assert!((found - wanted).abs() < 1e-4, "{name} of {native_px} px");
            }
        }
        assert_eq!(preset_size(768, [16.0, 2.0]), [8192.0, 1024.0]);
        assert_eq!(preset_size(64, [16.0, 2.0]), [1024.0, 128.0]);
    }
}
