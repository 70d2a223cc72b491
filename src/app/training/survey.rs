//! What the folder of a training run holds.

use std::path::PathBuf;

use crate::engine::protocol::Holdings;

/// What a folder holds, or why that cannot be told.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainSurvey {
    /// The folder.
    pub folder: PathBuf,
    /// What is in it; a sentence where nothing is; nothing while it is being counted.
    pub found: Option<Result<Box<Holdings>, String>>,
}
