//! Storybook scenes: an endless run of captioned, boxed and labelled pictures
//! to train small models on.
//!
//! Everybody may call this room; it uses `files`, `random`, `image` and the
//! picture libraries. Decision: a scene is a function of the run's seed and
//! its own number, and all arithmetic is plain IEEE or `libm`, so that the
//! same scenes come out on every machine and in any order.

mod caption;
mod colour;
mod dataset;
mod error;
mod held_out;
mod landscape;
mod objects;
mod painter;
mod partial_caption;
mod random;
mod scene;
mod sides;
mod sprite_files;
mod sprites;
mod tint;
mod vocabulary;

pub use caption::{SIDE_WORDS, caption_words};
pub use dataset::{DatasetSummary, write_dataset};
pub use error::SceneError;
pub use held_out::{FIRST_UNSEEN_SEED, HeldOut, Setting, held_out};
pub use objects::{MAX_OVERLAP, SceneObject};
pub use partial_caption::partial_captions;
pub use scene::{Attributes, Scene, SceneSource, is_sticker, kinds_and_numbers, sample_prompt};
pub use sides::{Sides, side_caption};
pub use tint::Tint;
pub use vocabulary::{
    GROUNDS, ObjectClass, PaletteEntry, Place, Realm, Stuff, Style, Time, classes, label_of_class,
    palette,
};
