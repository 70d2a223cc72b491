//! Training, as the window sees it: what the dialog edits, and what a run reports.

mod form;
mod place;
mod preview;
mod run;
mod survey;

pub use form::{BATCH, OpenedSettings, STEPS, StartFrom, TrainChange, TrainForm};
pub use place::OutputPlace;
pub use preview::{PreviewOf, TrainPreview};
pub use run::{TrainPhase, Training};
pub use survey::TrainSurvey;
