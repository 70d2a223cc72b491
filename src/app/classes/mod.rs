//! Label maps in the window: which classes there are, how much of a map each of them
//! covers, and what can be done with them.

mod command;
mod import;
mod palettes;
mod shares;

pub use command::{ClassCommand, MapCoding};
pub use import::{ImportPalette, LabelCode, MapImport, ReadMap};
pub use palettes::{BuiltInPalette, PaletteDraft, PaletteRow};
pub use shares::{ClassShares, Counted};
