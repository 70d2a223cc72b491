//! The box tool: draws the boxes of a layout layer, picks, moves and pulls them.

mod pick;
mod shown;

use super::event::{PointerButton, PointerEvent, PointerPhase};
use super::outline::{
    Grip, Lines, REACH_POINTS, SLOP_POINTS, Side, Snap, bounds, drawn, guides, moved_by, pulled_to,
};
use super::overlay::{Cursor, Overlay, OverlayShape};
use super::tool::{Target, Tool, ToolContext, ToolError, ToolId, ToolInfo, Wish};
use crate::document::{
    BoundingBox, Document, DocumentEditor, DocumentError, Edit, Layer, LayerContent, LayerId,
    LayerKind,
};
use crate::geometry::CanvasPoint;
use crate::icons;

static INFO: ToolInfo = ToolInfo {
    id: ToolId("boxes"),
    label: "Boxes",
    icon: icons::BOUNDING_BOX,
    key: "R",
    hint: "Drag to draw a box, click to pick one. Ctrl draws on top of another, Alt copies.",
};

/// The tool at rest.
pub fn tool() -> Box<dyn Tool> {
    Box::new(BoxTool::default())
}

/// Boxes less wide or high than this were not meant to be drawn.
const LEAST_SIDE_PX: f32 = 1.0;

/// Draws, picks, moves and pulls boxes.
#[derive(Debug, Default)]
struct BoxTool {
    gesture: Option<Box<Gesture>>,
    /// What the pointer would do where it hovers.
    hovered: Option<Cursor>,
    wish: Option<Wish>,
}

/// From the press to the release.
#[derive(Debug)]
struct Gesture {
    /// The layer; none when it is made with the first box.
    layer: Option<LayerId>,
    /// Its boxes and the chosen ones before, and the layer chosen then.
    before: Vec<BoundingBox>,
    chosen: Vec<usize>,
    selected: Option<LayerId>,
    /// Where the pointer went down.
    grabbed: CanvasPoint,
    deed: Deed,
    /// Whether the pointer moved so far that this is no click.
    is_drag: bool,
    /// Whether Ctrl was up since the press, so that it now switches snapping off.
    is_command_free: bool,
    /// What came in line with what, along each axis.
    met: [Vec<f32>; 2],
}

/// What a gesture does.
#[derive(Clone, Debug, PartialEq)]
enum Deed {
    Draw,
    Move {
        /// The boxes.
        moved: Vec<usize>,
        /// Whether copies are moved and the boxes stay.
        is_copy: bool,
        /// What is chosen if it was only a click.
        click: Vec<usize>,
    },
    Pull {
        index: usize,
        grip: Grip,
    },
}

impl Deed {
    fn label(&self) -> &'static str {
        match self {
            Self::Draw => "Draw box",
            Self::Move { is_copy: true, .. } => "Duplicate box",
            Self::Move { is_copy: false, .. } => "Move box",
            Self::Pull { .. } => "Resize box",
        }
    }

    fn cursor(&self) -> Cursor {
        match self {
            Self::Draw => Cursor::Crosshair,
            Self::Move { .. } => Cursor::Move,
            Self::Pull { grip, .. } => Cursor::Resize {
                x: grip.x.sign(),
                y: grip.y.sign(),
            },
        }
    }
}

impl BoxTool {
    fn take(
        &mut self,
        events: &[PointerEvent],
        context: &mut ToolContext<'_>,
    ) -> Result<(), ToolError> {
        for event in events.iter().filter(|event| event.position.is_finite()) {
            match event.phase {
                PointerPhase::Press if self.gesture.is_none() && !context.editor.is_busy() => {
                    self.press(event, context.editor)?;
                }
                PointerPhase::Drag => {
                    if let Some(gesture) = &mut self.gesture {
                        gesture.drag(event, context.editor)?;
                    }
                }
                PointerPhase::Release => {
                    if let Some(mut gesture) = self.gesture.take() {
                        gesture.drag(event, context.editor)?;
                        self.wish = gesture.release(event, context.editor)?;
                        self.hovered = None;
                    }
                }
                PointerPhase::Hover => {
                    let deed = deed_at(context.editor.document(), event);
                    let chosen = boxes_of(context.editor.document()).1;
                    self.hovered = Some(match deed {
                        Deed::Move { moved, .. } if moved != chosen => Cursor::Pointing,
                        deed => deed.cursor(),
                    });
                }
                PointerPhase::Press => {}
            }
        }
        Ok(())
    }

    fn press(
        &mut self,
        event: &PointerEvent,
        editor: &mut DocumentEditor,
    ) -> Result<(), ToolError> {
        self.wish = None;
        if event.button != PointerButton::Primary {
            return Ok(());
        }
        let layer = match target(editor.document())? {
            Target::Layer(id) => Some(id),
            Target::NewLayer | Target::View | Target::Frame => None,
        };
        let deed = deed_at(editor.document(), event);
        let selected = editor.document().selected_layer().map(|layer| layer.id);
        editor.begin(deed.label())?;
        let (before, chosen) = boxes_of(editor.document());
        let (before, chosen) = (before.to_vec(), chosen.to_vec());
        if let Some(layer) = layer {
            // The list of layers shows where the boxes are.
            let held: &[usize] = match &deed {
                Deed::Draw => &[],
                Deed::Move { moved, .. } => moved,
                Deed::Pull { index, .. } => std::slice::from_ref(index),
            };
            editor.select_boxes(layer, held.iter().copied())?;
        }
        self.gesture = Some(Box::new(Gesture {
            layer,
            before,
            chosen,
            selected,
            grabbed: event.position,
            deed,
            is_drag: false,
            is_command_free: !event.modifiers.command,
            met: Default::default(),
        }));
        Ok(())
    }
}

impl Gesture {
    fn drag(&mut self, event: &PointerEvent, editor: &mut DocumentEditor) -> Result<(), ToolError> {
        let moved_px = self.grabbed.distance(event.position);
        self.is_drag |= moved_px * event.points_per_pixel >= SLOP_POINTS;
        self.is_command_free |= !event.modifiers.command;
        if !self.is_drag {
            return Ok(());
        }
        let layer = match self.layer {
            Some(layer) => layer,
            None => *self.layer.insert(insert_layout(editor)?),
        };
        let (after, held) = self.outcome(event, editor.document().size_px());
        editor.apply(Edit::ReplaceBoxes {
            layer,
            before: self.before.clone(),
            after,
        })?;
        editor.select_boxes(layer, held)?;
        Ok(())
    }

    /// The boxes as the pointer has them now, and those that are in hand.
    fn outcome(
        &mut self,
        event: &PointerEvent,
        size_px: [u32; 2],
    ) -> (Vec<BoundingBox>, Vec<usize>) {
        let snaps = !(event.modifiers.command && self.is_command_free);
        let reach_px = if snaps {
            REACH_POINTS / event.points_per_pixel
        } else {
            -1.0
        };
        let held: Vec<usize> = match &self.deed {
            Deed::Draw => vec![self.before.len()],
            Deed::Move {
                is_copy: true,
                moved,
                ..
            } => (self.before.len()..self.before.len() + moved.len()).collect(),
            Deed::Move { moved, .. } => moved.clone(),
            Deed::Pull { index, .. } => vec![*index],
        };
        let is_held = |index: usize| held.binary_search(&index).is_ok();
        let others = self.before.iter().enumerate();
        let others = others.filter(|(index, _)| !is_held(*index));
        let lines = Lines::new(size_px, others.map(|(_, other)| other));
        let snap = Snap {
            lines,
            reach_px,
            grid_px: 1.0,
        };

        let mut boxes = self.before.clone();
        let sides = match &self.deed {
            Deed::Draw => {
                boxes.push(drawn(self.grabbed, event, &snap));
                [Side::EDGES; 2]
            }
            Deed::Move { moved, is_copy, .. } => {
                let by_px = moved_by(&self.before, moved, self.grabbed, event, &snap);
                for index in moved {
                    let found = self.before[*index].moved_by(by_px);
                    match is_copy {
                        true => boxes.push(found),
                        false => boxes[*index] = found,
                    }
                }
                [Side::ALL; 2]
            }
            Deed::Pull { index, grip } => {
                let start = &self.before[*index];
                let [min, max] = pulled_to(start, *grip, self.grabbed, event, &snap);
                let found = BoundingBox::from_corners(min, max, "");
                boxes[*index].min = found.min;
                boxes[*index].max = found.max;
                grip.moving_sides()
            }
        };
        self.met = snap.met(&bounds(&boxes, &held), sides);
        (boxes, held)
    }

    fn release(
        &self,
        event: &PointerEvent,
        editor: &mut DocumentEditor,
    ) -> Result<Option<Wish>, ToolError> {
        if !self.is_drag {
            return self.click(event, editor);
        }
        let document = editor.document();
        let (boxes, chosen) = boxes_of(document);
        let is_too_small = |index: &usize| {
            let side = boxes[*index].size_px();
            side.iter().any(|side| *side < LEAST_SIDE_PX)
        };
        let is_nothing = match self.deed {
            Deed::Draw | Deed::Pull { .. } => chosen.iter().any(is_too_small),
            Deed::Move { .. } => false,
        };
        if is_nothing || boxes == self.before {
            self.take_back(editor);
            return Ok(None);
        }
        editor.commit();
        Ok((self.deed == Deed::Draw).then_some(Wish::NameBoxes))
    }

    fn click(
        &self,
        event: &PointerEvent,
        editor: &mut DocumentEditor,
    ) -> Result<Option<Wish>, ToolError> {
        editor.cancel();
        let Some(layer) = self.layer else {
            return Ok(None);
        };
        match &self.deed {
            Deed::Move { click, .. } => {
                editor.select_boxes(layer, click.iter().copied())?;
                // Two clicks where boxes overlap go on to the next one.
                if event.is_double_click && *click == self.chosen {
                    return Ok(Some(Wish::NameBoxes));
                }
            }
            Deed::Draw => editor.select_boxes(layer, [])?,
            Deed::Pull { index, .. } => editor.select_boxes(layer, [*index])?,
        }
        Ok(None)
    }

    /// Leaves the boxes, and those that were chosen, as they were.
    fn take_back(&self, editor: &mut DocumentEditor) {
        editor.cancel();
        // The layer was there before the gesture, and is there again.
        if let Some(selected) = self.selected {
            editor.select_layer(selected).ok();
        }
        if let Some(layer) = self.layer.filter(|layer| self.selected == Some(*layer)) {
            editor.select_boxes(layer, self.chosen.iter().copied()).ok();
        }
    }
}

impl Tool for BoxTool {
    fn info(&self) -> &'static ToolInfo {
        &INFO
    }

    fn kind(&self) -> Option<LayerKind> {
        Some(LayerKind::Layout)
    }

    fn target(&self, document: &Document) -> Result<Target, ToolError> {
        target(document)
    }

    fn handle(
        &mut self,
        events: &[PointerEvent],
        context: &mut ToolContext<'_>,
    ) -> Result<(), ToolError> {
        if !context.editor.is_busy() {
            // Undo, or another document, ended the gesture.
            self.gesture = None;
        }
        let result = self.take(events, context);
        if result.is_err() {
            context.editor.cancel();
            self.cancel(context);
        }
        result
    }

    fn cancel(&mut self, context: &mut ToolContext<'_>) {
        if let Some(gesture) = self.gesture.take() {
            gesture.take_back(context.editor);
        }
    }

    fn is_active(&self) -> bool {
        self.gesture.is_some()
    }

    fn take_wish(&mut self) -> Option<Wish> {
        self.wish.take()
    }

    fn overlay(&self, document: &Document) -> Overlay {
        let (boxes, chosen) = boxes_of(document);
        let gesture = self.gesture.as_deref();
        let is_drawing = gesture.is_some_and(|gesture| gesture.deed == Deed::Draw);
        let handles = match chosen {
            [one] if !boxes[*one].is_locked && !is_drawing => Grip::HANDLES
                .iter()
                .map(|grip| OverlayShape::Handle(grip.place(&boxes[*one])))
                .collect(),
            _ => Vec::new(),
        };
        let mut shapes = Vec::new();
        if let Some(gesture) = gesture.filter(|gesture| gesture.is_drag) {
            let bounds = bounds(boxes, chosen);
            shapes.extend(guides(&gesture.met, &bounds, document.size_px()));
            shapes.push(shown::note(&gesture.deed, &bounds, document.size_px()));
        }
        let hovered = self.hovered.unwrap_or(Cursor::Crosshair);
        Overlay {
            cursor: gesture.map_or(hovered, |gesture| gesture.deed.cursor()),
            shapes,
            standing: handles,
        }
    }
}

/// What a press at an event's place would do.
fn deed_at(document: &Document, event: &PointerEvent) -> Deed {
    let (boxes, chosen) = boxes_of(document);
    let reach_px = REACH_POINTS / event.points_per_pixel;
    if event.modifiers.command {
        return Deed::Draw;
    }
    if let [index] = *chosen
        && !boxes[index].is_locked
        && let Some(grip) = Grip::at(&boxes[index], event.position, reach_px)
        && !grip.is_inside()
    {
        return Deed::Pull { index, grip };
    }
    let under = pick::under(boxes, event.position, reach_px);
    let Some(smallest) = under.first().copied() else {
        return Deed::Draw;
    };
    let is_chosen = |index: &usize| chosen.binary_search(index).is_ok();
    let movable = |chosen: &[usize]| -> Vec<usize> {
        let chosen = chosen.iter().copied();
        chosen.filter(|index| !boxes[*index].is_locked).collect()
    };
    let is_copy = event.modifiers.alt;
    if event.modifiers.shift {
        let mut all = chosen.to_vec();
        match all.binary_search(&smallest) {
            Ok(at) => drop(all.remove(at)),
            Err(at) => all.insert(at, smallest),
        }
        return Deed::Move {
            moved: movable(&all),
            is_copy,
            click: all,
        };
    }
    if under.iter().any(is_chosen) {
        return Deed::Move {
            moved: movable(chosen),
            is_copy,
            click: pick::next(&under, chosen).into_iter().collect(),
        };
    }
    Deed::Move {
        moved: vec![smallest],
        is_copy,
        click: vec![smallest],
    }
}

/// The layer that boxes are drawn on.
fn target(document: &Document) -> Result<Target, ToolError> {
    match document.active_layout() {
        Some(layer) if layer.visible => Ok(Target::Layer(layer.id)),
        Some(layer) => Err(ToolError::HiddenLayer(layer.name.clone())),
        None => Ok(Target::NewLayer),
    }
}

/// The boxes that can be picked, and which of them are chosen.
fn boxes_of(document: &Document) -> (&[BoundingBox], &[usize]) {
    let layer = document.active_layout().filter(|layer| layer.visible);
    let Some((layer, boxes)) = layer.and_then(|layer| Some((layer, layer.boxes()?))) else {
        return (&[], &[]);
    };
    let selected = document.selected_layer().map(|layer| layer.id);
    match selected == Some(layer.id) {
        true => (boxes, document.selected_boxes()),
        false => (boxes, &[]),
    }
}

/// Adds a layout layer on top, as a part of the transaction in progress.
fn insert_layout(editor: &mut DocumentEditor) -> Result<LayerId, DocumentError> {
    let id = editor.fresh_layer_id();
    let content = LayerContent::Layout(Vec::new());
    let index = editor.document().layers().len();
    let layer = Box::new(Layer::new(id, "Layout", content));
    editor.apply(Edit::InsertLayer { index, layer })?;
    editor.select_layer(id)?;
    Ok(id)
}

#[cfg(test)]
mod tests;
