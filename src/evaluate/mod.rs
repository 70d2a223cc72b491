//! Does a model do what it is told? Figures for a model that was trained on
//! storybook scenes.
//!
//! Built on `diffusion` and `scenes`; called by the command line only. The
//! scenes know what they show, so a [`Judge`], a small network trained on them
//! and on nothing else, can read pictures: time of day, place, style,
//! background, and where which objects are. [`evaluate`] asks the model for
//! the pictures of unseen captions and lets the judge read them. Decision: no
//! figure stands alone. Beside it are what the judge makes of real scenes, the
//! most that can be reached, and how often a picture fits the caption of
//! another one, which is chance.

mod error;
mod judge;
mod network;
mod questions;
mod report;
mod study;
mod training;

pub use error::EvaluateError;
pub use judge::{Judge, JudgeTraining, Reading};
pub use questions::{Question, Truth};
pub use report::{EvaluationReport, Reconstruction, Row, Share};
pub use study::{EvaluationEvent, EvaluationPlan, PictureKind, evaluate};
