//! The studio as a program: its state, the commands that change it, and the
//! window that eframe runs.
//!
//! [`AppState`] is plain data and [`Command`] the one way to change it, so that
//! menus, shortcuts, drops and tests all take the same road. Nothing here waits:
//! the engine, files, dialogs and the clipboard work on threads of their own
//! and report by events, which [`StudioApp`] takes in before it draws.

pub mod actions;
mod background;
mod command;
mod dispatch;
mod events;
pub mod form;
pub mod jobs;
mod notices;
mod options;
pub mod settings;
pub mod shortcuts;
mod state;
mod studio;
pub mod training;

pub use background::PickPurpose;
pub use command::{Command, CommandSink, Dialog};
pub use notices::{Notice, NoticeAction, Notices, Severity};
pub use options::{EngineBuilder, StudioOptions, run_studio};
pub use state::{AppState, ModelState};
pub use studio::StudioApp;
