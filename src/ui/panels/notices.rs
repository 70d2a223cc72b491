//! Messages that float over the canvas.

use egui::{Align, Align2, Area, Frame, Id, Layout, Margin, RichText, Ui};

use crate::app::{AppState, Command, CommandSink, Notice, Severity};
use crate::icons;
use crate::ui::theme::{space, tokens};
use crate::ui::widgets::IconButton;

const WIDTH: f32 = 380.0;

/// Shows the messages in a corner of the canvas, newest at the bottom; above a dialog in that
/// of the window where nothing of it is pressed.
pub fn notices_ui(ui: &mut Ui, canvas: egui::Rect, state: &AppState, commands: &mut CommandSink) {
    if state.notices.iter().next().is_none() {
        return;
    }
    // The buttons of a dialog are below and its cross is at the right: they stay free.
    let (pivot, place) = match state.dialog {
        Some(_) => (Align2::LEFT_TOP, ui.ctx().content_rect().shrink(space::L)),
        None => (Align2::RIGHT_BOTTOM, canvas.shrink(space::L)),
    };
    Area::new(Id::unique("notices"))
        .pivot(pivot)
        .fixed_pos(pivot.pos_in_rect(&place))
        .order(egui::Order::Foreground)
        .show(ui.ctx(), |ui| {
            ui.set_width(WIDTH);
            for notice in state.notices.iter() {
                notice_ui(ui, notice, commands);
            }
        });
}

fn notice_ui(ui: &mut Ui, notice: &Notice, commands: &mut CommandSink) {
    let tokens = tokens(ui);
    let (icon, color) = match notice.severity {
        Severity::Success => (icons::CHECK_CIRCLE, tokens.success),
        Severity::Info => (icons::INFO, tokens.accent_text),
        Severity::Warning => (icons::WARNING, tokens.warning),
        Severity::Error => (icons::X_CIRCLE, tokens.danger),
    };
    Frame::window(ui.style())
        .inner_margin(Margin::symmetric(12, 8))
        .show(ui, |ui| {
            ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
                if IconButton::new(icons::X, "Dismiss")
                    .size(24.0, 14.0)
                    .show(ui)
                    .clicked()
                {
                    commands.push(Command::DismissNotice(notice.id));
                }
                ui.with_layout(Layout::left_to_right(Align::Min), |ui| {
                    ui.add_space(2.0);
                    ui.vertical(|ui| {
                        ui.add_space(2.0);
                        ui.label(RichText::new(icon).size(18.0).color(color));
                    });
                    ui.vertical(|ui| {
                        ui.add_space(3.0);
                        ui.add(egui::Label::new(&notice.text).wrap());
                        if let Some(action) = &notice.action
                            && ui.button(&action.label).clicked()
                        {
                            commands.push(action.command.clone());
                            commands.push(Command::DismissNotice(notice.id));
                        }
                    });
                });
            });
        });
}
