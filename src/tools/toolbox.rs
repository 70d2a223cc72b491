//! All tools and which of them is in hand.

use super::brush::{BrushMode, BrushTool};
use super::event::PointerEvent;
use super::pan_zoom::PanZoomTool;
use super::settings::{BrushSettings, ToolSettings};
use super::tool::{Tool, ToolContext, ToolCursor, ToolError, ToolId, ToolResponse};
use crate::document::DocumentEditor;
use crate::geometry::CanvasView;

/// One of each tool, the tool in hand, and their settings.
#[derive(Debug)]
pub struct Toolbox {
    /// What the user has set.
    pub settings: ToolSettings,
    active: ToolId,
    brush: BrushTool,
    eraser: BrushTool,
    pan_zoom: PanZoomTool,
}

impl Default for Toolbox {
    fn default() -> Self {
        Self::new(ToolSettings::default())
    }
}

impl Toolbox {
    /// The tools at rest, with the brush in hand.
    pub fn new(settings: ToolSettings) -> Self {
        Self {
            settings,
            active: ToolId::Brush,
            brush: BrushTool::new(BrushMode::Paint),
            eraser: BrushTool::new(BrushMode::Erase),
            pan_zoom: PanZoomTool::default(),
        }
    }

    /// The tool in hand.
    pub fn active(&self) -> ToolId {
        self.active
    }

    /// Takes another tool in hand. A gesture in progress goes on with the old
    /// one, so this is ignored then.
    pub fn select(&mut self, id: ToolId) {
        if !self.is_active() {
            self.active = id;
        }
    }

    /// Whether a gesture is in progress.
    pub fn is_active(&self) -> bool {
        self.tool().is_active()
    }

    /// How the pointer looks over the canvas.
    pub fn cursor(&self) -> ToolCursor {
        self.tool().cursor(&self.settings)
    }

    /// Gives an event to the tool in hand.
    ///
    /// # Errors
    /// When the document refuses the change; it is then as before the gesture.
    pub fn handle(
        &mut self,
        event: &PointerEvent,
        editor: &mut DocumentEditor,
        view: &mut CanvasView,
    ) -> Result<ToolResponse, ToolError> {
        let settings = self.settings;
        self.tool_mut().handle(
            event,
            &mut ToolContext {
                editor,
                view,
                settings: &settings,
            },
        )
    }

    /// Breaks a gesture off and takes its changes back. `false` when there was none.
    pub fn cancel(&mut self, editor: &mut DocumentEditor, view: &mut CanvasView) -> bool {
        let was_active = self.is_active();
        if was_active {
            let settings = self.settings;
            self.tool_mut().cancel(&mut ToolContext {
                editor,
                view,
                settings: &settings,
            });
        }
        was_active
    }

    /// The brush settings of the tool in hand, if it has any.
    pub fn brush_settings(&self) -> Option<&BrushSettings> {
        match self.active {
            ToolId::Brush => Some(&self.settings.brush),
            ToolId::Eraser => Some(&self.settings.eraser),
            ToolId::PanZoom => None,
        }
    }

    /// The brush settings of the tool in hand for writing, if it has any.
    pub fn brush_settings_mut(&mut self) -> Option<&mut BrushSettings> {
        match self.active {
            ToolId::Brush => Some(&mut self.settings.brush),
            ToolId::Eraser => Some(&mut self.settings.eraser),
            ToolId::PanZoom => None,
        }
    }

    fn tool(&self) -> &dyn Tool {
        match self.active {
            ToolId::Brush => &self.brush,
            ToolId::Eraser => &self.eraser,
            ToolId::PanZoom => &self.pan_zoom,
        }
    }

    fn tool_mut(&mut self) -> &mut dyn Tool {
        match self.active {
            ToolId::Brush => &mut self.brush,
            ToolId::Eraser => &mut self.eraser,
            ToolId::PanZoom => &mut self.pan_zoom,
        }
    }
}
