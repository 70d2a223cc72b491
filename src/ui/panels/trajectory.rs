//! The strip of trajectory frames: every step of the current or last job.

use egui::{Align2, CornerRadius, FontId, Rect, ScrollArea, Sense, Stroke, StrokeKind, Ui, vec2};

use super::menu_bar::{entries_ui, menu_style};
use crate::app::actions::actions_of;
use crate::app::actions::generate::ESCAPE;
use crate::app::actions::steps::{ENDINGS, NEXT_STEP, PREVIOUS_STEP};
use crate::app::jobs::{JobRecord, Painting};
use crate::app::shortcuts::keys_of;
use crate::app::{AppState, Command, CommandSink};
use crate::engine::protocol::{StepId, TrajectoryFrame};
use crate::icons;
use crate::ui::UiState;
use crate::ui::theme::{radius, space, tokens, type_size};
use crate::ui::widgets::{action_button, caption, title};

/// Side of a thumbnail.
const THUMBNAIL: f32 = 64.0;
/// Sides of a button in the head of the strip, and of its icon.
const HEAD_ICON: [f32; 2] = [20.0, 14.0];
/// Width from which what can be done with a step is written out.
const WORDS_WIDTH: f32 = 420.0;

/// Shows the strip.
pub fn trajectory_ui(ui: &mut Ui, state: &AppState, own: &mut UiState, commands: &mut CommandSink) {
    ui.spacing_mut().item_spacing.y = space::XS;
    let strip = state.strip();
    let shown = state.jobs.shown();
    ui.horizontal(|ui| {
        ui.spacing_mut().interact_size.y = 20.0;
        title(ui, "Trajectory");
        let Some(record) = strip else { return };
        caption(ui, summary(record, shown));
        if shown.is_some() {
            for action in [&PREVIOUS_STEP, &NEXT_STEP] {
                action_button(ui, action, HEAD_ICON, state, commands);
            }
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                shown_ui(ui, state, commands);
            });
        }
    });
    let Some(painting) = strip.and_then(JobRecord::painting) else {
        empty_ui(ui);
        return;
    };
    let area = ScrollArea::horizontal()
        .auto_shrink([false, false])
        .stick_to_right(true);
    area.show(ui, |ui| {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = space::XS;
            for frame in painting.run.frames() {
                let step = StepId::of(frame);
                let chosen = shown == Some(step);
                let response = frame_ui(ui, own, painting, frame, chosen);
                if chosen && own.step != shown {
                    // Keys may lead beyond what is seen of the strip.
                    response.scroll_to_me(None);
                }
                if response.clicked() {
                    commands.push(Command::ShowFrame((!chosen).then_some(step)));
                }
                if response.secondary_clicked() {
                    commands.push(Command::ShowFrame(Some(step)));
                }
                response.context_menu(|ui| {
                    menu_style(ui.style_mut());
                    entries_ui(ui, ENDINGS, state, commands);
                });
            }
        });
    });
    own.step = shown;
}

/// What can be done with the step in view, from the right.
fn shown_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let back = ui.small_button(format!("{}  Back to the picture", icons::X));
    let keys = keys_of(&ESCAPE).unwrap_or_default();
    if back.on_hover_text(keys).clicked() {
        commands.push(Command::ShowFrame(None));
    }
    let has_room = ui.available_width() > WORDS_WIDTH;
    for action in actions_of(ENDINGS).into_iter().rev() {
        if !has_room {
            action_button(ui, action, HEAD_ICON, state, commands);
            continue;
        }
        let obstacle = action.obstacle(state);
        let text = format!("{}  {}", action.icon, action.label);
        let button = egui::Button::new(text).small();
        let button = ui
            .add_enabled(obstacle.is_none(), button)
            .accessible_name(action.label);
        let told = obstacle.or(action.hint).unwrap_or_default();
        if button
            .on_hover_text(told)
            .on_disabled_hover_text(told)
            .clicked()
        {
            commands.act(action, state);
        }
    }
}

fn summary(record: &JobRecord, shown: Option<StepId>) -> String {
    let Some(painting) = record.painting() else {
        return String::new();
    };
    let frames = painting.run.frames();
    let shown = shown.and_then(|step| painting.run.frame(step));
    match (shown, frames.last()) {
        (Some(frame), _) => format!("Showing step {} of {}", frame.step, frame.total),
        (None, Some(last)) if !record.has_ended() => {
            format!("Step {} of {}", last.step, last.total)
        }
        (None, _) => match frames.len() {
            1 => "1 step; click it to see it on the canvas".to_owned(),
            count => format!("{count} steps; click one to see it on the canvas"),
        },
    }
}

fn empty_ui(ui: &mut Ui) {
    let rect = ui.available_rect_before_wrap();
    let color = tokens(ui).text_faint;
    let text = "Every step of a generation appears here as it happens";
    ui.painter().text(
        rect.center() - vec2(0.0, space::XS),
        Align2::CENTER_CENTER,
        text,
        FontId::proportional(type_size::BODY),
        color,
    );
}

fn frame_ui(
    ui: &mut Ui,
    own: &mut UiState,
    painting: &Painting,
    frame: &TrajectoryFrame,
    chosen: bool,
) -> egui::Response {
    let tokens = tokens(ui);
    let [width, height] = painting.place.area.size_px();
    let aspect = width as f32 / height.max(1) as f32;
    let size = vec2(
        (THUMBNAIL * aspect).clamp(THUMBNAIL * 0.5, THUMBNAIL * 2.0),
        THUMBNAIL,
    );
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    let name = format!("Step {}", frame.step);
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, chosen, &name));
    if ui.is_rect_visible(rect) {
        let texture = own.thumbnails.thumbnail(ui.ctx(), &frame.image);
        let corner = CornerRadius::same(radius::CONTROL);
        let whole = Rect::from_min_max(egui::pos2(0.0, 0.0), egui::pos2(1.0, 1.0));
        egui::Image::from_texture(egui::load::SizedTexture::from_handle(&texture))
            .corner_radius(corner)
            .uv(whole)
            .paint_at(ui, rect);
        badge(ui, rect, frame.step);
        let stroke = match (chosen, response.hovered()) {
            (true, _) => Stroke::new(2.0, tokens.accent_text),
            (false, true) => Stroke::new(1.0, tokens.text),
            (false, false) => Stroke::new(1.0, tokens.border),
        };
        ui.painter()
            .rect_stroke(rect, corner, stroke, StrokeKind::Inside);
    }
    let picture = if painting
        .run
        .frames()
        .iter()
        .any(|other| other.index != frame.index)
    {
        format!(" of picture {}", frame.index + 1)
    } else {
        String::new()
    };
    response.on_hover_text(format!("Step {} of {}{picture}", frame.step, frame.total))
}

/// The step's number on a dark patch, readable over any picture.
fn badge(ui: &Ui, rect: Rect, step: u32) {
    let galley = ui.painter().layout_no_wrap(
        step.to_string(),
        FontId::proportional(type_size::SMALL),
        egui::Color32::WHITE,
    );
    let size = galley.size() + vec2(8.0, 2.0);
    let patch = Rect::from_min_size(rect.left_bottom() + vec2(4.0, -4.0 - size.y), size);
    let ground = egui::Color32::from_black_alpha(160);
    ui.painter()
        .rect_filled(patch, CornerRadius::same(radius::CONTROL), ground);
    ui.painter()
        .galley(patch.min + vec2(4.0, 1.0), galley, egui::Color32::WHITE);
}
