//! Does a model do what it is told? Figures for a model that was trained on
//! storybook scenes.
//!
//! Built on `diffusion` and `scenes`; called by the command line, and by the engine
//! for the judge alone ([`Judge::segment`]: label maps and boxes to draw on). The
//! scenes know what they show, so a [`Judge`], a small network trained on them
//! and on nothing else, can read pictures: time of day, place, style,
//! background, and where which objects are. [`evaluate`] asks the model for
//! pictures of unseen scenes, by their captions, boxes and label maps, and lets the
//! judge read them. Decision: no figure stands alone. Beside it are what the judge
//! makes of real scenes, the most that can be reached, how often a picture fits what
//! was asked of another one, which is chance, and what is left of it when a condition
//! is wrong.

mod around;
mod captions;
mod colours;
mod combinations;
pub mod compare;
mod cost;
mod error;
mod frechet;
mod grid;
mod judge;
mod middles;
mod missing;
mod network;
mod numbers;
mod obedience;
mod questions;
mod reading;
mod reconstruction;
mod repainting;
mod report;
mod rooms;
mod segment;
mod sides;
mod specks;
mod study;
mod super_resolution;
pub mod sweep;
mod task;
mod told;
mod training;

pub use captions::paint_captions;
pub use combinations::{CombinationRow, Combinations};
pub use cost::Cost;
pub use error::EvaluateError;
pub use frechet::FrechetDistance;
pub use judge::{Judge, JudgeTraining};
pub use missing::FilledIn;
pub use questions::{Question, Truth};
pub use reading::Reading;
pub use reconstruction::Reconstruction;
pub use report::{AskedRow, ConditionRow, EvaluationReport, Row, Share};
pub use segment::Segmentation;
pub use study::{EvaluationEvent, EvaluationPlan, Instruments, MOST_PICTURES, evaluate};
pub use super_resolution::Enlarged;
pub use task::{PictureKind, Task};
