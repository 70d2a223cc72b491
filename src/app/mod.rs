//! The studio as a program: its state, and the commands that change it.
//!
//! [`AppState`] is plain data and [`Command`] the one way to change it, so that
//! menus, shortcuts, drops and tests all take the same road. Nothing here waits:
//! the engine, files, dialogs and the clipboard work on threads of their own
//! and report by events, which [`Core::take_reports`] takes in. The
//! [`window`](crate::window) calls both, frame by frame.

pub mod actions;
mod arrivals;
mod background;
pub mod boxes;
pub mod classes;
pub mod classifier;
mod command;
pub mod conditions;
pub mod controls;
mod dispatch;
pub mod documents;
mod events;
pub mod following;
pub mod form;
pub mod frame;
pub mod jobs;
mod layers;
pub mod library;
pub mod live;
pub mod loras;
mod losses;
mod notices;
pub mod prompt;
mod recovery;
pub mod settings;
pub mod shortcuts;
mod small_picture;
mod state;
pub mod tracing;
pub mod training;
pub mod trajectory;

pub use background::{Background, OpenedFile, OpenedProjectFile, PickPurpose};
pub use command::{Command, CommandSink, Dialog};
pub use dispatch::{Core, sentence};
pub use losses::{Loss, Question};
pub use notices::{Notice, NoticeAction, Notices, Severity, Subject, Topic};
pub use state::{AppState, ModelState};
