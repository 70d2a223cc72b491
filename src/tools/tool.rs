//! What every tool is.

use serde::{Deserialize, Serialize};

use super::event::PointerEvent;
use super::settings::ToolSettings;
use crate::document::{DocumentEditor, DocumentError};
use crate::geometry::{CanvasRect, CanvasView};
use crate::icons;

/// Names a tool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolId {
    /// Paints the mask or a picture layer.
    #[default]
    Brush,
    /// Takes paint away.
    Eraser,
    /// Moves and enlarges the view.
    PanZoom,
}

impl ToolId {
    /// Every tool, in the order of the tool strip.
    pub const ALL: [Self; 3] = [Self::Brush, Self::Eraser, Self::PanZoom];

    /// The name for people, in sentence case.
    pub fn label(self) -> &'static str {
        match self {
            Self::Brush => "Mask brush",
            Self::Eraser => "Mask eraser",
            Self::PanZoom => "Hand",
        }
    }

    /// Its icon.
    pub fn icon(self) -> &'static str {
        match self {
            Self::Brush => icons::PAINT_BRUSH,
            Self::Eraser => icons::ERASER,
            Self::PanZoom => icons::HAND,
        }
    }

    /// The key that selects it, as InvokeAI and Photoshop have it.
    pub fn shortcut(self) -> &'static str {
        match self {
            Self::Brush => "B",
            Self::Eraser => "E",
            Self::PanZoom => "H",
        }
    }

    /// One sentence that says what it does.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Brush => {
                "Paint where the picture is to change. Shift draws a straight line, Ctrl erases."
            }
            Self::Eraser => "Take paint away. Shift draws a straight line, Ctrl paints.",
            Self::PanZoom => "Drag to move the picture. Click to enlarge, Alt-click to reduce.",
        }
    }
}

/// Why a tool could not do what it was asked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ToolError {
    /// The document refused the change.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The layer to be painted on is hidden.
    #[error("layer “{0}” is hidden; show it before painting on it")]
    HiddenLayer(String),
}

/// What a tool may use and change.
#[derive(Debug)]
pub struct ToolContext<'a> {
    /// The document.
    pub editor: &'a mut DocumentEditor,
    /// The view of it.
    pub view: &'a mut CanvasView,
    /// What the user has set.
    pub settings: &'a ToolSettings,
}

/// What came of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ToolResponse {
    /// The document pixels that changed.
    pub dirty: CanvasRect,
    /// Whether a step was added to the history.
    pub committed: bool,
}

/// How the pointer looks over the canvas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ToolCursor {
    /// A circle of the given diameter, and a second one where the brush is
    /// fully opaque.
    Circle {
        /// Diameter in document pixels.
        size_px: f32,
        /// Diameter of the fully covered part in document pixels.
        core_px: f32,
    },
    /// An open hand.
    Grab,
    /// A closed hand.
    Grabbing,
}

/// A tool: a state machine fed with pointer events.
pub trait Tool {
    /// Which tool it is.
    fn id(&self) -> ToolId;

    /// Takes one event.
    ///
    /// # Errors
    /// When the document refuses the change. The tool is then at rest again and
    /// the document as it was before the gesture.
    fn handle(
        &mut self,
        event: &PointerEvent,
        context: &mut ToolContext<'_>,
    ) -> Result<ToolResponse, ToolError>;

    /// Breaks the gesture off and takes its changes back.
    fn cancel(&mut self, context: &mut ToolContext<'_>) -> ToolResponse;

    /// Whether a gesture is in progress.
    fn is_active(&self) -> bool;

    /// How the pointer looks.
    fn cursor(&self, settings: &ToolSettings) -> ToolCursor;
}
