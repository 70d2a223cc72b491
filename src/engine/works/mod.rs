//! The kinds of jobs that the studio's engine does, one file each.

mod load_model;
mod paint;
mod train;

pub(super) use load_model::LoadModel;
pub(super) use paint::Paint;
pub(super) use train::Train;
