//! The switch that has pictures follow changes while they are painted.

use egui::{Checkbox, Ui};

use crate::app::form::FormChange;
use crate::app::{AppState, CommandSink};
use crate::ui::widgets::row;

/// Shows the switch.
pub(super) fn following_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let is_live = state.live.is_on();
    row(ui, "Changes", |ui, _| {
        let mut follows = state.form().follows_changes && !is_live;
        let tick = Checkbox::new(&mut follows, "Follow changes");
        let ticked = ui
            .add_enabled(!is_live, tick)
            .on_hover_text(
                "A picture that is being painted heeds moved boxes, a changed label map and other \
                 words from its next step on",
            )
            .on_disabled_hover_text("Live paints every change from the start");
        if ticked.changed() {
            commands.set(FormChange::Follows(follows));
        }
    });
}
