//! Where a dialog stands.

use egui::{Align2, Area, Context, Id, Modal, vec2};

use crate::ui::theme::space;

/// Passes in which a dialog that opens finds its height.
const SETTLING_PASSES: u64 = 1;

/// The place that a dialog was given.
#[derive(Clone, Copy)]
struct Place {
    dialog: Id,
    window_height: f32,
    top: f32,
    opened_pass: u64,
    newest_pass: u64,
}

/// The area of a dialog: it opens in the middle of the window, and its top stays there while
/// rows come and go, so that what was under the pointer is there still.
pub(super) fn area(ctx: &Context, dialog: Id) -> Area {
    let area = Modal::default_area(dialog);
    let Some(height) = ctx.memory(|memory| memory.area_rect(dialog).map(|it| it.height())) else {
        return area;
    };
    let window_height = ctx.content_rect().height();
    let middle = ((window_height - height) / 2.0).max(0.0);
    let pass = ctx.cumulative_pass_nr();
    let key = Id::unique("place of the dialog");
    let stood = ctx.data(|data| data.get_temp::<Place>(key));
    let stood = stood.filter(|it| {
        it.dialog == dialog && it.window_height == window_height && it.newest_pass + 1 >= pass
    });
    let opened_pass = stood.map_or(pass, |it| it.opened_pass);
    let settled = stood.filter(|_| pass - opened_pass > SETTLING_PASSES);
    let top = settled.map_or(middle, |it| it.top);
    let place = Place {
        dialog,
        window_height,
        top,
        opened_pass,
        newest_pass: pass,
    };
    ctx.data_mut(|data| data.insert_temp(key, place));
    // One that has grown goes up as far as it must.
    let lowest_top = (window_height - height - space::XL).max(middle);
    area.anchor(Align2::CENTER_TOP, vec2(0.0, top.min(lowest_top)))
}
