//! The kinds of jobs that the studio's engine does, one file each.

mod compose;
mod load_model;
mod onward;
mod paint;
mod painted;
mod repaint;
mod second_pass;
mod segment;
mod train;
mod upscale;

pub(super) use compose::Compose;
pub(super) use load_model::LoadModel;
pub(super) use paint::Paint;
pub(super) use repaint::Repaint;
pub(super) use segment::Segment;
pub(super) use train::Train;
pub(super) use upscale::Upscale;
