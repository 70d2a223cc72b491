//! The brush and the eraser.

use super::event::{PointerButton, PointerEvent, PointerPhase};
use super::settings::{BrushSettings, ToolSettings};
use super::stamp::StrokePoint;
use super::stroke::Stroke;
use super::stroke_path::Stretch;
use super::tool::{Tool, ToolContext, ToolCursor, ToolError, ToolId, ToolResponse};
use crate::document::{
    DocumentEditor, DocumentError, Edit, Layer, LayerContent, LayerId, LayerKind, TileGrid,
};
use crate::geometry::{CanvasPoint, CanvasRect};

/// Whether a brush adds or takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrushMode {
    /// Covers a mask, or puts colour on a picture layer.
    Paint,
    /// Uncovers a mask, or makes a picture layer transparent.
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

#[derive(Debug)]
enum State {
    Ready,
    Drawing {
        stroke: Box<Stroke>,
        dirty: CanvasRect,
    },
}

/// A round brush, or eraser, on the selected mask or picture layer.
///
/// Pressing starts a stroke, releasing commits it as one step. With Ctrl, or
/// the secondary button, it does the opposite; with Shift it draws a straight line from where the last
/// stroke ended. When the selected layer cannot be painted on, the active mask
/// is painted, and when there is none, a new one.
#[derive(Debug)]
pub struct BrushTool {
    mode: BrushMode,
    state: State,
    /// Where the last stroke ended, and on which layer.
    last_end: Option<(LayerId, CanvasPoint)>,
}

impl BrushTool {
    /// A brush at rest.
    pub fn new(mode: BrushMode) -> Self {
        Self {
            mode,
            state: State::Ready,
            last_end: None,
        }
    }

    fn settings(&self, settings: &ToolSettings) -> BrushSettings {
        match self.mode {
            BrushMode::Paint => settings.brush,
            BrushMode::Erase => settings.eraser,
        }
        .clamped()
    }

    fn press(
        &mut self,
        event: &PointerEvent,
        context: &mut ToolContext<'_>,
    ) -> Result<ToolResponse, ToolError> {
        let settings = self.settings(context.settings);
        let flips = event.modifiers.command || event.button == PointerButton::Secondary;
        let mode = if flips {
            self.mode.opposite()
        } else {
            self.mode
        };
        context.editor.begin(mode.label())?;
        let layer = target_layer(context.editor, mode)?;
        let at = stroke_point(event, &settings);
        let line_from = self
            .last_end
            .filter(|(id, _)| event.modifiers.shift && *id == layer);
        let start = line_from.map_or(at, |(_, position)| StrokePoint { position, ..at });
        let color = context.settings.foreground;
        let found = context.editor.document().layer(layer);
        let started = found.and_then(|layer| Stroke::start(layer, start, &settings, color, mode));
        let Some((mut stroke, first)) = started else {
            // Nothing was begun that a release could end.
            context.editor.cancel();
            return Ok(ToolResponse::default());
        };
        let mut stretches = vec![first];
        if line_from.is_some() {
            stretches.extend(stroke.path_mut().straight_to(at));
        }
        let dirty = stroke.paint(&stretches, context.editor)?;
        self.last_end = Some((layer, event.position));
        self.state = State::Drawing {
            stroke: Box::new(stroke),
            dirty,
        };
        Ok(ToolResponse {
            dirty,
            committed: false,
        })
    }

    fn draw(
        &mut self,
        event: &PointerEvent,
        context: &mut ToolContext<'_>,
    ) -> Result<ToolResponse, ToolError> {
        let settings = self.settings(context.settings);
        let State::Drawing {
            stroke,
            dirty: all_dirty,
        } = &mut self.state
        else {
            return Ok(ToolResponse::default());
        };
        let is_last = event.phase == PointerPhase::Release;
        let last = stroke.path_mut().last();
        // A pen that leaves presses with nothing: the stroke keeps its width.
        let at = if is_last {
            StrokePoint {
                position: event.position,
                ..last
            }
        } else {
            stroke_point(event, &settings)
        };
        let mut stretches: Vec<Stretch> = Vec::new();
        if at != last {
            stretches.extend(stroke.path_mut().extend_to(at));
        }
        if is_last {
            stretches.extend(stroke.path_mut().finish());
        }
        let dirty = stroke.paint(&stretches, context.editor)?;
        *all_dirty = all_dirty.union(&dirty);
        if let Some((_, position)) = &mut self.last_end {
            *position = event.position;
        }
        if !is_last {
            return Ok(ToolResponse {
                dirty,
                committed: false,
            });
        }
        self.state = State::Ready;
        Ok(ToolResponse {
            dirty,
            committed: context.editor.commit(),
        })
    }
}

impl Tool for BrushTool {
    fn id(&self) -> ToolId {
        match self.mode {
            BrushMode::Paint => ToolId::Brush,
            BrushMode::Erase => ToolId::Eraser,
        }
    }

    fn handle(
        &mut self,
        event: &PointerEvent,
        context: &mut ToolContext<'_>,
    ) -> Result<ToolResponse, ToolError> {
        if !event.position.is_finite() {
            return Ok(ToolResponse::default());
        }
        if self.is_active() && !context.editor.is_busy() {
            // Undo, or another document, ended the stroke.
            self.state = State::Ready;
        }
        let result = match (&self.state, event.phase) {
            (State::Ready, PointerPhase::Press) if !context.editor.is_busy() => {
                self.press(event, context)
            }
            (State::Drawing { .. }, PointerPhase::Drag | PointerPhase::Release) => {
                self.draw(event, context)
            }
            _ => return Ok(ToolResponse::default()),
        };
        if result.is_err() {
            self.cancel(context);
        }
        result
    }

    fn cancel(&mut self, context: &mut ToolContext<'_>) -> ToolResponse {
        context.editor.cancel();
        match std::mem::replace(&mut self.state, State::Ready) {
            State::Drawing { dirty, .. } => ToolResponse {
                dirty,
                committed: false,
            },
            State::Ready => ToolResponse::default(),
        }
    }

    fn is_active(&self) -> bool {
        matches!(self.state, State::Drawing { .. })
    }

    fn cursor(&self, settings: &ToolSettings) -> ToolCursor {
        let settings = self.settings(settings);
        ToolCursor::Circle {
            size_px: settings.size_px,
            core_px: settings.size_px * settings.hardness,
        }
    }
}

/// The layer that a stroke goes to.
fn target_layer(editor: &mut DocumentEditor, mode: BrushMode) -> Result<LayerId, ToolError> {
    let document = editor.document();
    let paintable = |kind| matches!(kind, LayerKind::Raster | LayerKind::Mask);
    if let Some(layer) = document
        .selected_layer()
        .filter(|layer| paintable(layer.kind()))
    {
        return if layer.visible {
            Ok(layer.id)
        } else {
            Err(ToolError::HiddenLayer(layer.name.clone()))
        };
    }
    if let Some(mask) = document.active_mask() {
        return Ok(mask.id);
    }
    if mode == BrushMode::Erase {
        return Err(DocumentError::NoMask.into());
    }
    insert_mask(editor)
}

/// Adds a mask layer on top, as a part of the transaction in progress.
fn insert_mask(editor: &mut DocumentEditor) -> Result<LayerId, ToolError> {
    let id = editor.fresh_layer_id();
    let document = editor.document();
    let content = LayerContent::Mask(TileGrid::new(document.size_px()));
    let index = document.layers().len();
    let layer = Box::new(Layer::new(id, "Mask", content));
    editor.apply(Edit::InsertLayer { index, layer })?;
    editor.select_layer(id)?;
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
