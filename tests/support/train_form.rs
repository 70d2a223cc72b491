//! Fills the form of the training dialog in.

use velatura::app::training::{TrainChange, TrainForm};

/// The changes that make any form the given one.
pub fn changes_to(form: &TrainForm) -> [TrainChange; 11] {
    [
        TrainChange::Folder(form.folder.clone()),
        TrainChange::Target(form.target),
        TrainChange::Task(form.task),
        TrainChange::Latents(form.latents),
        TrainChange::Start(form.start),
        TrainChange::Steps(form.steps),
        TrainChange::SizePx(form.size_px),
        TrainChange::Batch(form.batch),
        TrainChange::Degradation(form.degradation),
        TrainChange::Output(form.output.clone()),
        TrainChange::Name(form.name.clone()),
    ]
}
