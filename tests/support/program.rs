//! The program as a user or a script runs it, without a window.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output};

/// Runs it in a folder in which those of the user are, which are empty at first, without a
/// display.
pub fn velatura(home: &Path, options: &[impl AsRef<OsStr>]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_velatura"))
        .args(options)
        .current_dir(home)
        .env("VELATURA_MODELS", home.join("models"))
        .env("VELATURA_PICTURES", home.join("pictures"))
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("RUST_LOG")
        .output()
        .expect("the program starts")
}
