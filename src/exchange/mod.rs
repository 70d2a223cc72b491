//! Boxes, label maps and palettes in the files of others: COCO JSON, the JSON of storybook
//! scenes, PNG, and JSON.
//!
//! Uses `files` and `recipe`; the command line and the window read and write by it.
//! Nothing is guessed in silence: what a file says and a palette or a model does not
//! know comes back by name or by colour, for somebody to decide. Every size that a
//! file claims is checked against a bound before memory is taken for it.

mod boxes;
mod boxes_writing;
mod error;
mod label_map;
mod palette;

pub use boxes::{BoxFile, BoxImage, FoundBox, read_boxes};
pub use boxes_writing::{BoxForm, write_boxes};
pub use error::ExchangeError;
pub use label_map::{
    LabelMapFile, UnknownColour, read_label_map, write_coloured_label_map, write_label_map,
};
pub use palette::{read_palette, write_palette};
