//! Everything that can be asked of label maps and their classes.

use std::path::PathBuf;

use super::import::MapImport;
use super::palettes::{BuiltInPalette, PaletteDraft};
use crate::document::Recoding;
use crate::recipe::palette::Palette;

/// How a file tells classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapCoding {
    /// By their indices.
    Index,
    /// By their colours.
    Color,
}

/// One thing the user wants of a label map or its classes.
#[derive(Clone, Debug)]
pub enum ClassCommand {
    /// Adds an empty label map.
    AddLayer,
    /// Paints with a class, by its index.
    Select(u8),
    /// Shows one class of the chosen layer apart from the others, as it is stored, or
    /// all as they are.
    Isolate(Option<u8>),
    /// Shows or hides the borders of regions.
    ToggleOutlines,
    /// Changes which class stands for which in the chosen layer.
    Recode {
        /// What the menu calls the step.
        label: &'static str,
        /// What becomes of which.
        recoding: Recoding,
    },
    /// Chooses a palette that comes with the program.
    ChoosePalette(BuiltInPalette),
    /// Takes up the classes of a palette. Those in use that it lacks stay.
    UsePalette(Palette),
    /// Opens the editor of classes.
    EditPalette,
    /// What is written in the editor of classes.
    Draft(PaletteDraft),
    /// Carries out what is written in the editor of classes.
    ApplyDraft,
    /// Asks for a file of a palette.
    OpenPalette,
    /// Reads a palette and takes up its classes.
    ReadPalette(PathBuf),
    /// Asks where the classes are saved.
    SavePalette,
    /// Saves the classes.
    WritePalette(PathBuf),
    /// Asks for a file of a label map.
    OpenMap,
    /// Reads a label map and shows what is in it.
    ReadMap(PathBuf),
    /// What is chosen in the dialog for a label map.
    ImportDraft(Box<MapImport>),
    /// Takes the label map of the dialog in.
    ApplyImport,
    /// Asks where the chosen label map is saved.
    SaveMap(MapCoding),
    /// Saves the chosen label map.
    WriteMap(PathBuf, MapCoding),
}
