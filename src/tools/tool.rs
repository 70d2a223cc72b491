//! What every tool is.

use super::bucket::Fill;
use super::colours::Colours;
use super::event::PointerEvent;
use super::options::ToolOptions;
use super::overlay::Overlay;
use crate::document::{Document, DocumentEditor, DocumentError, LayerId, LayerKind};
use crate::geometry::{CanvasRect, CanvasView};

/// Names a tool, also in the settings file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ToolId(pub &'static str);

/// What a tool says of itself.
#[derive(Debug)]
pub struct ToolInfo {
    /// Names it.
    pub id: ToolId,
    /// Its name for people, in sentence case.
    pub label: &'static str,
    /// Its icon.
    pub icon: &'static str,
    /// The key that takes it in hand, as InvokeAI and Photoshop have it.
    pub key: &'static str,
    /// One or two sentences that say what it does.
    pub hint: &'static str,
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
    /// There is no picture in hand to erase.
    #[error("there is no picture to erase in hand; choose its layer first")]
    NoPaint,
    /// A semantic layer is in hand, but nothing to paint on it.
    #[error("there are no classes to paint with; choose a palette in the list of classes first")]
    NoClass,
}

/// What a tool may use and change.
#[derive(Debug)]
pub struct ToolContext<'a> {
    /// The document.
    pub editor: &'a mut DocumentEditor,
    /// The view of it.
    pub view: &'a mut CanvasView,
    /// What the next job would paint.
    pub frame: FrameGuide,
    /// The colour in hand.
    pub colours: &'a mut Colours,
}

/// What the next job would paint, and what suits the model that paints it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameGuide {
    /// The part of the canvas: the whole of it where there is no frame.
    pub rect: CanvasRect,
    /// Places and sides of frames lie on multiples of this.
    pub multiple_px: u32,
}

/// What a tool acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A layer.
    Layer(LayerId),
    /// A layer that it will make.
    NewLayer,
    /// What is seen of the picture, and not the picture.
    View,
    /// What the next job paints.
    Frame,
}

/// What a tool cannot do itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wish {
    /// The chosen boxes are to be given a class.
    NameBoxes,
    /// An area is to be filled that takes long to be found.
    Fill(Fill),
}

/// A tool: a state machine fed with pointer events.
pub trait Tool: std::fmt::Debug {
    /// What it says of itself.
    fn info(&self) -> &'static ToolInfo;

    /// What can be set on it, if anything can.
    fn options(&self) -> Option<&dyn ToolOptions> {
        None
    }

    /// What can be set on it, for writing.
    fn options_mut(&mut self) -> Option<&mut dyn ToolOptions> {
        None
    }

    /// Whether a setting has no effect on the layer that it would act on.
    fn is_option_idle(&self, _id: &str, _document: &Document) -> bool {
        false
    }

    /// Whether it paints with the colour in hand.
    fn paints_colours(&self) -> bool {
        false
    }

    /// The kind of layer that it is for, if it is for one only.
    fn kind(&self) -> Option<LayerKind> {
        None
    }

    /// What it would act on now.
    ///
    /// # Errors
    /// When there is nothing that it can act on: why, and what helps.
    fn target(&self, document: &Document) -> Result<Target, ToolError>;

    /// Takes the events of one frame, all of them told in the view that was at
    /// its start. Hovering is told too.
    ///
    /// # Errors
    /// When the document refuses the change. The tool is then at rest again and
    /// the document as it was before the gesture.
    fn handle(
        &mut self,
        events: &[PointerEvent],
        context: &mut ToolContext<'_>,
    ) -> Result<(), ToolError> {
        for event in events.iter().filter(|event| event.position.is_finite()) {
            self.handle_one(event, context)?;
        }
        Ok(())
    }

    /// Takes one event that lies somewhere, where a tool needs to know of one at a
    /// time only.
    ///
    /// # Errors
    /// As [`Self::handle`].
    fn handle_one(
        &mut self,
        _event: &PointerEvent,
        _context: &mut ToolContext<'_>,
    ) -> Result<(), ToolError> {
        Ok(())
    }

    /// Breaks the gesture off and takes its changes back.
    fn cancel(&mut self, context: &mut ToolContext<'_>);

    /// Ends a gesture that goes on over several presses, as it stands. `false` when
    /// there is none.
    ///
    /// # Errors
    /// When the document refuses the change; it is then as before the gesture.
    fn finish(&mut self, _context: &mut ToolContext<'_>) -> Result<bool, ToolError> {
        Ok(false)
    }

    /// Whether there is a gesture that [`Self::finish`] would end.
    fn can_finish(&self) -> bool {
        false
    }

    /// Whether a gesture is in progress.
    fn is_active(&self) -> bool;

    /// What is drawn over the canvas.
    fn overlay(&self, document: &Document) -> Overlay;

    /// What the gesture that just ended asks for, once.
    fn take_wish(&mut self) -> Option<Wish> {
        None
    }
}
