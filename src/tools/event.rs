//! What a pointing device says, in our own words.

use crate::geometry::CanvasPoint;

/// Where in a gesture an event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointerPhase {
    /// The pointer moves with no button down.
    Hover,
    /// The button goes down.
    Press,
    /// The pointer moves with the button down.
    Drag,
    /// The button goes up.
    Release,
}

/// The button, finger or pen end that acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PointerButton {
    /// The left button, a finger, the tip of a pen.
    #[default]
    Primary,
    /// The right button, the lower button of a pen.
    Secondary,
}

/// The modifier keys that are held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modifiers {
    /// Shift: straight lines.
    pub shift: bool,
    /// Ctrl, or Cmd on a Mac: the opposite of what the tool does.
    pub command: bool,
    /// Alt.
    pub alt: bool,
}

/// One event of a pointing device over the canvas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PointerEvent {
    /// Where in a gesture it stands.
    pub phase: PointerPhase,
    /// Where the pointer is, in document pixels; may be outside of the picture.
    pub position: CanvasPoint,
    /// How hard a pen presses, from 0 to 1, where the device tells.
    pub pressure: Option<f32>,
    /// Which button acts.
    pub button: PointerButton,
    /// The modifier keys that are held.
    pub modifiers: Modifiers,
    /// Window points in one document pixel: what a hand can hit.
    pub points_per_pixel: f32,
    /// Whether this release ends a double click.
    pub is_double_click: bool,
}

impl PointerEvent {
    /// An event of the primary button without pressure and modifiers.
    pub fn new(phase: PointerPhase, position: CanvasPoint) -> Self {
        Self {
            phase,
            position,
            pressure: None,
            button: PointerButton::Primary,
            modifiers: Modifiers::default(),
            points_per_pixel: 1.0,
            is_double_click: false,
        }
    }
}
