//! The window as a program: eframe gives it frames, in which commands are carried
//! out, reports are taken in and everything is drawn.
//!
//! Where [`app`](crate::app), which knows no panel, and [`ui`](crate::ui), which
//! changes nothing, come together.

mod options;
mod studio;

pub use options::{EngineBuilder, StudioOptions, run_studio};
pub use studio::StudioApp;
