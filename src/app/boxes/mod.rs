//! Boxes of layout layers: what can be done to them, and what the chosen model
//! makes of them.

mod around_mask;
mod choices;
mod import;
mod report;

use std::path::PathBuf;

use super::command::Command;
use super::state::AppState;
use crate::document::{BoundingBox, LayerId, LayerKind};
use crate::exchange::BoxForm;

pub(super) use around_mask::around_mask;
pub use choices::{ClassChoice, Typed, choices};
pub use import::ImportedBoxes;
pub use report::{Concern, PaintedAs, Report, layout_box};

/// Something that is done to boxes. Those that name none act on the chosen ones.
#[derive(Clone, Debug)]
pub enum BoxCommand {
    /// Adds an empty layout layer.
    AddLayer,
    /// Adds a layer with a box around the mask.
    AroundMask,
    /// Chooses boxes.
    Select {
        /// Their layer.
        layer: LayerId,
        /// Their positions in it.
        boxes: Vec<usize>,
    },
    /// Makes copies.
    Duplicate,
    /// Deletes those that are not locked.
    Delete,
    /// Sends them one place up or down.
    Restack {
        /// Towards the top.
        is_up: bool,
    },
    /// Moves those that are not locked, so many pixels to the right and down.
    Nudge([f32; 2]),
    /// Asks for a file of boxes.
    Import,
    /// Reads a file of boxes.
    Read(PathBuf),
    /// Adds the boxes of one picture of a file as a layer.
    Insert {
        /// The file.
        file: Box<ImportedBoxes>,
        /// Which of its pictures.
        index: usize,
    },
    /// Asks where to write the boxes of the layer in hand.
    Export(BoxForm),
    /// Writes them.
    Write {
        /// The file.
        path: PathBuf,
        /// Its form.
        form: BoxForm,
    },
    /// Gives all boxes of some classes others.
    Rename(Vec<(String, String)>),
    /// Opens the list of classes for them.
    Name,
    /// Closes the list of classes.
    EndNaming,
    /// Changes them.
    Change {
        /// What is changed.
        change: BoxChange,
        /// Whether this is the end of the change: one undo step per drag.
        done: bool,
    },
}

/// A change of boxes. Lengths are document pixels.
#[derive(Clone, Debug, PartialEq)]
pub enum BoxChange {
    /// Where the left edge is; the width stays.
    Left(f32),
    /// Where the upper edge is; the height stays.
    Top(f32),
    /// From the left edge to the right one.
    Width(f32),
    /// From the upper edge to the lower one.
    Height(f32),
    /// What it holds.
    Class {
        /// The class.
        name: String,
        /// A word for its colour; none leaves the colour as it is.
        colour: Option<String>,
    },
    /// A word for its colour.
    Colour(Option<String>),
    /// Whether the pointer passes over it.
    Locked(bool),
}

impl BoxChange {
    /// What the menu calls it.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Left(_) | Self::Top(_) => "Move box",
            Self::Width(_) | Self::Height(_) => "Resize box",
            Self::Class { .. } => "Class of box",
            Self::Colour(_) => "Colour of box",
            Self::Locked(true) => "Lock box",
            Self::Locked(false) => "Unlock box",
        }
    }

    /// Carries it out. Numbers that are none leave the box as it is.
    pub(super) fn apply(&self, found: &mut BoundingBox) {
        let by = |to: f32, from: f32| if to.is_finite() { to - from } else { 0.0 };
        match self {
            Self::Left(to) => *found = found.moved_by([by(*to, found.min.x), 0.0]),
            Self::Top(to) => *found = found.moved_by([0.0, by(*to, found.min.y)]),
            Self::Width(to) if to.is_finite() => found.max.x = found.min.x + to.max(0.0),
            Self::Height(to) if to.is_finite() => found.max.y = found.min.y + to.max(0.0),
            Self::Width(_) | Self::Height(_) => {}
            Self::Class { name, colour } => {
                found.label.clone_from(name);
                if colour.is_some() {
                    found.colour.clone_from(colour);
                }
            }
            Self::Colour(word) => found.colour.clone_from(word),
            Self::Locked(is_locked) => found.is_locked = *is_locked,
        }
    }
}

impl From<BoxCommand> for Command {
    fn from(command: BoxCommand) -> Self {
        Self::Boxes(command)
    }
}

/// What the chosen model knows of boxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vocabulary<'a> {
    /// Whether it takes any words besides.
    pub takes_any: bool,
    /// Whether each window of a large picture sees boxes of its own.
    pub sees_windows: bool,
    /// The classes.
    pub classes: &'a [String],
    /// The words for colours; none when it takes no colour.
    pub colours: &'a [String],
    /// Most boxes that it takes.
    pub max_boxes: usize,
}

impl Vocabulary<'_> {
    /// Whether it knows a class.
    pub fn knows(&self, class: &str) -> bool {
        let mut known = self.classes.iter();
        self.takes_any || known.any(|known| known.eq_ignore_ascii_case(class))
    }

    /// Whether it knows a colour.
    pub fn knows_colour(&self, word: &str) -> bool {
        let mut known = self.colours.iter();
        self.takes_any || known.any(|known| known.eq_ignore_ascii_case(word))
    }
}

/// What the chosen model knows of boxes; `None` when it takes none or is not there.
pub fn vocabulary(state: &AppState) -> Option<Vocabulary<'_>> {
    state.model_summary().and_then(report::vocabulary_of)
}

/// The classes that the chosen model knows.
pub fn classes(state: &AppState) -> &[String] {
    vocabulary(state).map_or(&[], |vocabulary| vocabulary.classes)
}

/// Whether the tool in hand is for boxes.
pub fn are_in_hand(state: &AppState) -> bool {
    state.toolbox.kind() == Some(LayerKind::Layout)
}

/// Boxes that are being given a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    layer: LayerId,
    boxes: Vec<usize>,
}

impl Naming {
    /// For the boxes that are chosen; `None` when there are none.
    pub(super) fn of_chosen(state: &AppState) -> Option<Self> {
        let document = state.document();
        let boxes = document.selected_boxes().to_vec();
        let layer = document.selected_layer()?.id;
        (!boxes.is_empty()).then_some(Self { layer, boxes })
    }
}

/// Whether the chosen boxes are being given a class: the list of classes is open.
pub fn are_named(state: &AppState) -> bool {
    state.naming.is_some() && state.naming == Naming::of_chosen(state)
}

/// The chosen boxes, the lowest first.
pub fn chosen(state: &AppState) -> Vec<&BoundingBox> {
    let document = state.document();
    let boxes = document.selected_layer().and_then(|layer| layer.boxes());
    let indices = document.selected_boxes().iter();
    boxes.map_or_else(Vec::new, |boxes| {
        indices.filter_map(|index| boxes.get(*index)).collect()
    })
}
