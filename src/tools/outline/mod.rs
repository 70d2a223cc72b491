//! Rectangles that the pointer draws, moves and pulls: what boxes and the frame share.

mod grip;
mod motion;
mod snap;

pub use grip::{Grip, Side};
pub use motion::{Snap, bounds, drawn, moved_by, pulled_to};
pub use snap::{Lines, guides};

/// What a hand hits, in points of the window.
pub const REACH_POINTS: f32 = 6.0;

/// How far a hand moves that only wanted to click, in points of the window.
pub const SLOP_POINTS: f32 = 3.0;
