//! A round brush that paints masks or erases them.

mod settings;
mod stamp;
mod stroke;
mod stroke_path;

use settings::BrushSettings;

use super::event::{PointerButton, PointerEvent, PointerPhase};
use super::options::ToolOptions;
use super::overlay::{Cursor, Overlay, OverlayShape};
use super::tool::{Target, Tool, ToolContext, ToolError, ToolInfo};
use crate::document::{
    Document, DocumentEditor, DocumentError, Edit, Layer, LayerContent, LayerId, LayerKind,
    TileGrid,
};
use crate::geometry::CanvasPoint;
use stamp::StrokePoint;
use stroke::Stroke;

/// Whether a brush adds or takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BrushMode {
    /// Covers a mask.
    Paint,
    /// Uncovers a mask.
    Erase,
}

impl BrushMode {
    fn opposite(self) -> Self {
        match self {
            Self::Paint => Self::Erase,
            Self::Erase => Self::Paint,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Paint => "Brush stroke",
            Self::Erase => "Erase",
        }
    }
}

/// A round brush, or eraser, for masks.
///
/// Pressing starts a stroke, releasing commits it as one step. With Ctrl, or
/// the secondary button, it does the opposite; with Shift it draws a straight
/// line from where the last stroke ended. It acts on the selected layer if that
/// is a mask, and otherwise takes the active mask, or a new one, and selects it.
#[derive(Debug)]
pub(super) struct BrushTool {
    info: &'static ToolInfo,
    mode: BrushMode,
    settings: BrushSettings,
    /// The stroke in progress.
    stroke: Option<Box<Stroke>>,
    /// Where the last stroke ended, and on which layer.
    last_end: Option<(LayerId, CanvasPoint)>,
    /// Where a pointer hovers that would draw a straight line if it were pressed.
    line_to: Option<CanvasPoint>,
}

impl BrushTool {
    /// A brush at rest.
    pub fn new(info: &'static ToolInfo, mode: BrushMode) -> Self {
        Self {
            info,
            mode,
            settings: BrushSettings::default(),
            stroke: None,
            last_end: None,
            line_to: None,
        }
    }

    fn take(
        &mut self,
        events: &[PointerEvent],
        context: &mut ToolContext<'_>,
    ) -> Result<(), ToolError> {
        for event in events.iter().filter(|event| event.position.is_finite()) {
            let is_drawing = self.stroke.is_some();
            match event.phase {
                PointerPhase::Press if !is_drawing && !context.editor.is_busy() => {
                    self.press(event, context)?;
                }
                PointerPhase::Drag if is_drawing => self.draw(event),
                PointerPhase::Release if is_drawing => self.release(event, context)?,
                PointerPhase::Hover => {
                    self.line_to = event.modifiers.shift.then_some(event.position);
                }
                _ => {}
            }
        }
        match &mut self.stroke {
            Some(stroke) => Ok(stroke.paint(context.editor)?),
            None => Ok(()),
        }
    }

    fn press(
        &mut self,
        event: &PointerEvent,
        context: &mut ToolContext<'_>,
    ) -> Result<(), ToolError> {
        self.line_to = None;
        let flips = event.modifiers.command || event.button == PointerButton::Secondary;
        let mode = if flips {
            self.mode.opposite()
        } else {
            self.mode
        };
        context.editor.begin(mode.label())?;
        let id = match target(context.editor.document(), mode)? {
            Target::Layer(id) => id,
            Target::NewLayer | Target::View => insert_mask(context.editor)?,
        };
        // The list of layers shows where the paint goes.
        context.editor.select_layer(id)?;
        let layer = context.editor.document().layer(id);
        let mask = layer
            .and_then(Layer::mask)
            .ok_or(DocumentError::NoSuchLayer(id))?;
        let at = stroke_point(event, &self.settings);
        let line_from = self
            .last_end
            .filter(|(known, _)| event.modifiers.shift && *known == id);
        let start = line_from.map_or(at, |(_, position)| StrokePoint { position, ..at });
        let mut stroke = Stroke::start(id, mask, start, &self.settings, mode);
        if line_from.is_some() {
            stroke.straight_to(at);
        }
        self.last_end = Some((id, event.position));
        self.stroke = Some(Box::new(stroke));
        Ok(())
    }

    fn draw(&mut self, event: &PointerEvent) {
        let Some(stroke) = &mut self.stroke else {
            return;
        };
        let last = stroke.last();
        // A pen that leaves presses with nothing: the stroke keeps its width.
        let at = if event.phase == PointerPhase::Release {
            StrokePoint {
                position: event.position,
                ..last
            }
        } else {
            stroke_point(event, &self.settings)
        };
        if at != last {
            stroke.extend_to(at);
        }
        if let Some((_, position)) = &mut self.last_end {
            *position = event.position;
        }
    }

    fn release(
        &mut self,
        event: &PointerEvent,
        context: &mut ToolContext<'_>,
    ) -> Result<(), ToolError> {
        self.draw(event);
        if let Some(stroke) = &mut self.stroke {
            stroke.finish();
            stroke.paint(context.editor)?;
        }
        self.stroke = None;
        context.editor.commit();
        Ok(())
    }
}

impl Tool for BrushTool {
    fn info(&self) -> &'static ToolInfo {
        self.info
    }

    fn options(&self) -> Option<&dyn ToolOptions> {
        Some(&self.settings)
    }

    fn options_mut(&mut self) -> Option<&mut dyn ToolOptions> {
        Some(&mut self.settings)
    }

    fn target(&self, document: &Document) -> Result<Target, ToolError> {
        target(document, self.mode)
    }

    fn handle(
        &mut self,
        events: &[PointerEvent],
        context: &mut ToolContext<'_>,
    ) -> Result<(), ToolError> {
        if !context.editor.is_busy() {
            // Undo, or another document, ended the stroke.
            self.stroke = None;
        }
        let result = self.take(events, context);
        if result.is_err() {
            self.cancel(context);
        }
        result
    }

    fn cancel(&mut self, context: &mut ToolContext<'_>) {
        context.editor.cancel();
        self.stroke = None;
    }

    fn is_active(&self) -> bool {
        self.stroke.is_some()
    }

    fn overlay(&self, _document: &Document) -> Overlay {
        let cursor = Cursor::Ring {
            size_px: self.settings.size_px,
            core_px: self.settings.size_px * self.settings.hardness,
        };
        let line = self.last_end.zip(self.line_to);
        let line = line.map(|((_, from), to)| OverlayShape::Line { from, to });
        Overlay {
            cursor,
            shapes: line.into_iter().collect(),
            standing: Vec::new(),
        }
    }
}

/// The mask that a stroke goes to.
fn target(document: &Document, mode: BrushMode) -> Result<Target, ToolError> {
    let is_mask = |layer: &&Layer| layer.kind() == LayerKind::Mask;
    let layer = document
        .selected_layer()
        .filter(is_mask)
        .or_else(|| document.active_mask())
        .or_else(|| document.layers().iter().rfind(is_mask));
    match layer {
        Some(layer) if layer.visible => Ok(Target::Layer(layer.id)),
        Some(layer) => Err(ToolError::HiddenLayer(layer.name.clone())),
        None if mode == BrushMode::Erase => Err(DocumentError::NoMask.into()),
        None => Ok(Target::NewLayer),
    }
}

/// Adds a mask layer on top, as a part of the transaction in progress.
fn insert_mask(editor: &mut DocumentEditor) -> Result<LayerId, ToolError> {
    let id = editor.fresh_layer_id();
    let document = editor.document();
    let content = LayerContent::Mask(TileGrid::new(document.size_px()));
    let index = document.layers().len();
    let layer = Box::new(Layer::new(id, "Mask", content));
    editor.apply(Edit::InsertLayer { index, layer })?;
    Ok(id)
}

/// What the brush is at an event: its size and strength follow the pressure
/// where the user wants that and the device tells it.
fn stroke_point(event: &PointerEvent, settings: &BrushSettings) -> StrokePoint {
    let pressure = event
        .pressure
        .filter(|p| p.is_finite())
        .map_or(1.0, |p| p.clamp(0.0, 1.0));
    let by = |follows: bool| if follows { pressure } else { 1.0 };
    StrokePoint {
        position: event.position,
        radius_px: (settings.size_px * 0.5 * by(settings.pressure_sets_size)).max(0.5),
        flow: by(settings.pressure_sets_opacity),
    }
}

#[cfg(test)]
mod tests;
