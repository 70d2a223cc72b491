//! Projects: a whole document in one file, and the copies that survive a crash.
//!
//! A `.velatura` file is a zip archive: `manifest.json` (sizes, layers, boxes,
//! palette, view, recipes) and a PNG file for what each layer shows, cut to what is
//! painted. The manifest has types of its own, so that the document can change
//! without the file; its version goes up when an older program would lose or
//! misread something, and every later program reads every earlier version.
//!
//! Other painting programs get the layers of a document as a Photoshop file, and theirs
//! open as documents.
//!
//! What a file claims is checked before memory is taken for it: anybody may have
//! made it. A file appears under its name only when it is whole.

mod error;
mod layer_png;
mod manifest;
mod psd;
mod reading;
pub mod recovery;
mod tile_rows;
mod writing;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::document::{Document, LayerId};
use crate::files::open_file;
use crate::geometry::CanvasView;
use crate::recipe::PaintedRecipe;

pub use error::{ProjectError, ProjectWarning};
pub use psd::{PSD_EXTENSION, is_psd, is_psd_name, open_psd, save_psd};
pub use reading::{OpenedProject, ReadLimits, open_project};
pub use writing::save_project;

/// The ending of a project's name.
pub const EXTENSION: &str = "velatura";

/// Everything that a project file holds. Cloning shares all pixels.
#[derive(Clone, Debug)]
pub struct Project {
    /// The layers and what belongs to them.
    pub document: Document,
    /// Where the canvas looked.
    pub view: CanvasView,
    /// How layers were painted.
    pub recipes: BTreeMap<LayerId, PaintedRecipe>,
    /// What the next picture is painted from.
    pub choices: Choices,
    /// Where the document belongs: only in a copy for recovery.
    pub home: Option<Home>,
}

/// What of a document the next picture is painted from, and how strongly it acts.
#[derive(Clone, Debug, PartialEq)]
pub struct Choices {
    /// Whether a picture that is there is painted on.
    pub starts_from_picture: bool,
    /// Whether only the inside of the mask is repainted.
    pub heeds_mask: bool,
    /// The layer that the model is shown in small.
    pub small_picture: Option<LayerId>,
    /// The layer that pulls what is painted towards itself.
    pub guide: Option<LayerId>,
    /// What is said of boxes and label maps; none in files that are older.
    pub conditions: Option<ConditionChoices>,
}

/// Which conditions are used, and how strongly they act, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConditionChoices {
    /// Whether boxes are used.
    pub uses_boxes: bool,
    /// Whether the label map is used.
    pub uses_label_map: bool,
    /// How strongly boxes act.
    pub layout_weight: f32,
    /// How strongly the label map acts.
    pub semantic_weight: f32,
}

impl Default for Choices {
    fn default() -> Self {
        Self {
            starts_from_picture: true,
            heeds_mask: true,
            small_picture: None,
            guide: None,
            conditions: None,
        }
    }
}

/// The file that a document was opened from or saved to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// The file.
    pub path: PathBuf,
    /// Whether it is a project, which saving replaces; a picture is left alone.
    pub is_project: bool,
}

/// Whether a file is a project or claims to be one: by its content, as a name may
/// lie, or by its name.
pub fn is_project(path: &Path) -> bool {
    const ZIP: [u8; 4] = *b"PK\x03\x04";
    let mut start = [0; ZIP.len()];
    let read = open_file(path).and_then(|mut file| file.read_exact(&mut start));
    is_project_name(path) || (read.is_ok() && start == ZIP)
}

/// Whether a name says that its file is a project.
pub fn is_project_name(path: &Path) -> bool {
    let extension = path.extension();
    extension.is_some_and(|extension| extension.eq_ignore_ascii_case(EXTENSION))
}
