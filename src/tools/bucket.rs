//! The bucket: fills what is the same as the pixel that is clicked.

use serde::{Deserialize, Serialize};

use super::area::{alike, flooded, same_everywhere};
use super::event::{PointerButton, PointerEvent, PointerPhase};
use super::ink::ColourInk;
use super::medium::{Gesture, MEDIUM, Medium, Paint};
use super::options::{Choice, ChoiceOption, ChoiceParam, Described, ToolOptions};
use super::overlay::{Cursor, Overlay};
use super::tool::{Target, Tool, ToolContext, ToolError, ToolId, ToolInfo, Wish};
use crate::document::{Document, Layer, LayerContent, LayerId, PixelChanges};
use crate::icons;
use crate::recipe::param::{Number, Param, Range, Shown, Value};

static INFO: ToolInfo = ToolInfo {
    id: ToolId("bucket"),
    label: "Bucket",
    icon: icons::PAINT_BUCKET,
    key: "G",
    hint: "Fill an area of one class or colour, or of a mask. Ctrl empties it, Alt picks a class or a colour.",
};

/// The tool at rest.
pub fn tool() -> Box<dyn Tool> {
    Box::new(BucketTool::default())
}

static REACH: Choice = Choice {
    id: "reach",
    label: "Fill",
    options: &[
        ChoiceOption {
            label: "What touches",
            icon: icons::PAINT_BUCKET,
        },
        ChoiceOption {
            label: "The same everywhere",
            icon: icons::CIRCLES_THREE,
        },
    ],
};

static TOLERANCE: Number = Number {
    id: "tolerance",
    label: "Tolerance",
    hint: "How far a colour may be from the one that is clicked",
    unit: None,
    allowed: Range::real(0.0, 1.0),
    offered: Range::real(0.0, 1.0),
    shown: Shown::Percent,
    infotext: None,
};

/// How the bucket fills.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct BucketSettings {
    medium: Medium,
    /// Whether only what touches the clicked pixel is filled.
    is_contiguous: bool,
    /// How far a colour may be from the clicked one, as a part of all that there is.
    tolerance: f32,
}

impl Default for BucketSettings {
    fn default() -> Self {
        Self {
            medium: Medium::default(),
            is_contiguous: true,
            tolerance: 0.12,
        }
    }
}

impl Described for BucketSettings {
    const PARAMS: &'static [Param<Self>] = &[Param {
        number: &TOLERANCE,
        get: |bucket| Value::Real(bucket.tolerance),
        set: |bucket, value| bucket.tolerance = value.as_f32(),
    }];

    const CHOICES: &'static [ChoiceParam<Self>] = &[
        ChoiceParam {
            choice: &MEDIUM,
            get: |bucket| bucket.medium as usize,
            set: |bucket, option| bucket.medium = Medium::of_option(option),
        },
        ChoiceParam {
            choice: &REACH,
            get: |bucket| usize::from(!bucket.is_contiguous),
            set: |bucket, option| bucket.is_contiguous = option == 0,
        },
    ];
}

/// Layers of more pixels are filled away from the window's thread.
const LARGE_PX: u64 = 1 << 20;

/// A fill, to be worked out when there is time. On a mask, pixels that are more covered
/// than not are the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fill {
    /// What the menu calls it.
    pub label: &'static str,
    /// The layer.
    pub layer: LayerId,
    from: Source,
    paint: Paint,
}

impl Fill {
    /// What it changes; nothing where the layer is gone. May read every pixel.
    pub fn changes(&self, document: &Document) -> PixelChanges {
        let layer = document.layer(self.layer);
        layer.map_or_else(PixelChanges::default, |layer| {
            self.from.filled(layer, self.paint)
        })
    }
}

/// What a fill begins with, and how far it reaches.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Source {
    /// The pixel that was clicked.
    at: [i32; 2],
    is_contiguous: bool,
    tolerance: f32,
}

impl Source {
    fn filled(&self, layer: &Layer, paint: Paint) -> PixelChanges {
        let reached = match self.is_contiguous {
            true => flooded,
            false => same_everywhere,
        };
        let equal = |one: u8, other: u8| one == other;
        let is_covered = |one: u8, other: u8| (one >= 128) == (other >= 128);
        match (&layer.content, paint) {
            (LayerContent::Semantic(grid), Paint::Values(ink)) => {
                PixelChanges::Value(reached(grid, self.at, equal).changes(grid, ink))
            }
            (LayerContent::Mask(grid), Paint::Values(ink)) => {
                PixelChanges::Value(reached(grid, self.at, is_covered).changes(grid, ink))
            }
            (LayerContent::Raster(grid), Paint::Colours(ink)) => {
                let [x, y] = self.at;
                let ink = match (ink, grid.pixel(x, y)[3]) {
                    (ColourInk::Over(colour), 0) => ColourInk::Behind(colour),
                    (ColourInk::Over(colour), _) => ColourInk::Tint(colour),
                    (ink, _) => ink,
                };
                let map = alike(grid, self.at, (self.tolerance * 255.0) as u8);
                PixelChanges::Color(reached(&map, self.at, equal).changes(grid, ink))
            }
            _ => PixelChanges::default(),
        }
    }
}

/// Fills at the press.
#[derive(Debug, Default)]
struct BucketTool {
    settings: BucketSettings,
    /// The layer that was filled last.
    last: Option<LayerId>,
    wish: Option<Wish>,
}

impl BucketTool {
    fn press(
        &mut self,
        event: &PointerEvent,
        context: &mut ToolContext<'_>,
    ) -> Result<(), ToolError> {
        let BucketSettings {
            medium,
            is_contiguous,
            tolerance,
        } = self.settings;
        let at = event.position;
        let source = Source {
            at: [at.x.floor() as i32, at.y.floor() as i32],
            is_contiguous,
            tolerance,
        };
        let is_erasing = event.modifiers.command || event.button == PointerButton::Secondary;
        let label = if is_erasing { "Empty area" } else { "Fill" };
        let document = context.editor.document();
        let [width, height] = document.size_px().map(u64::from);
        let target = medium.target(document, self.last, is_erasing, Some(at))?;
        // A layer that is new has nothing to look through.
        if width * height > LARGE_PX && matches!(target, Target::Layer(_)) {
            let (layer, paint) = medium.open(context, self.last, is_erasing, at)?;
            self.last = Some(layer);
            self.wish = Some(Wish::Fill(Fill {
                label,
                layer,
                from: source,
                paint,
            }));
            return Ok(());
        }
        let gesture = Gesture {
            label,
            is_erasing,
            at,
        };
        medium.change(context, &mut self.last, gesture, |layer, paint| {
            source.filled(layer, paint)
        })
    }
}

impl Tool for BucketTool {
    fn info(&self) -> &'static ToolInfo {
        &INFO
    }

    fn options(&self) -> Option<&dyn ToolOptions> {
        Some(&self.settings)
    }

    fn options_mut(&mut self) -> Option<&mut dyn ToolOptions> {
        Some(&mut self.settings)
    }

    fn is_option_idle(&self, id: &str, _document: &Document) -> bool {
        id == TOLERANCE.id && !self.paints_colours()
    }

    fn paints_colours(&self) -> bool {
        self.settings.medium == Medium::Colours
    }

    fn target(&self, document: &Document) -> Result<Target, ToolError> {
        self.settings
            .medium
            .target(document, self.last, false, None)
    }

    fn handle_one(
        &mut self,
        event: &PointerEvent,
        context: &mut ToolContext<'_>,
    ) -> Result<(), ToolError> {
        match event.phase {
            PointerPhase::Press if event.modifiers.alt => {
                self.settings.medium.pick(context, event.position);
                Ok(())
            }
            PointerPhase::Press if !context.editor.is_busy() => self.press(event, context),
            _ => Ok(()),
        }
    }

    fn cancel(&mut self, _context: &mut ToolContext<'_>) {}

    fn is_active(&self) -> bool {
        false
    }

    fn overlay(&self, _document: &Document) -> Overlay {
        Cursor::Crosshair.into()
    }

    fn take_wish(&mut self) -> Option<Wish> {
        self.wish.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{ClassChanges, DocumentEditor, stored_class};
    use crate::geometry::{CanvasPoint, CanvasView};
    use crate::tools::FrameGuide;
    use crate::tools::values::tests::{label_map, values};

    fn click(tool: &mut BucketTool, editor: &mut DocumentEditor, x: f32, is_erasing: bool) {
        let mut event = PointerEvent::new(PointerPhase::Press, CanvasPoint::new(x, 5.0));
        event.modifiers.command = is_erasing;
        let mut view = CanvasView::default();
        let mut context = ToolContext {
            editor,
            view: &mut view,
            frame: FrameGuide::default(),
            colours: &mut crate::tools::Colours::default(),
        };
        tool.handle(&[event], &mut context).unwrap();
    }

    #[test]
    fn areas_of_a_class_are_filled_with_another_and_emptied() {
        // Stripes of the classes 0 and 1, ten pixels wide.
        let mut editor = label_map([100, 20], |x, _| (x / 10 % 2) as u8);
        editor.select_class(2);
        let mut tool = BucketTool::default();
        click(&mut tool, &mut editor, 5.0, false);
        assert_eq!(values(&editor).counts()[3], 10 * 20);
        tool.options_mut().unwrap().choose("reach", 1);
        click(&mut tool, &mut editor, 25.0, false);
        assert_eq!(values(&editor).counts()[3], 50 * 20);
        click(&mut tool, &mut editor, 15.0, true);
        let counts = values(&editor).counts();
        assert_eq!((counts[0], counts[2]), (50 * 20, 0));
        assert_eq!(editor.history().undo_count(), 4);
        // What is filled already is no step.
        click(&mut tool, &mut editor, 5.0, false);
        assert_eq!(editor.history().undo_count(), 4);
    }

    #[test]
    fn a_large_map_is_filled_when_there_is_time() {
        let mut editor = label_map([1100, 1000], |x, _| u8::from(x >= 550));
        editor.select_class(2);
        let before = editor.document().clone();
        let mut tool = BucketTool::default();
        click(&mut tool, &mut editor, 5.0, false);
        assert_eq!(*editor.document(), before);
        let Some(Wish::Fill(fill)) = tool.take_wish() else {
            panic!("nothing is asked for");
        };
        assert!(tool.take_wish().is_none());
        let changes = ClassChanges::of_tiles(&editor.snapshot(), fill.layer, |document| {
            fill.changes(document)
        });
        assert!(editor.change_classes(fill.label, changes).unwrap());
        let counts = values(&editor).counts();
        assert_eq!((counts[3], counts[2], counts[1]), (550_000, 550_000, 0));
        assert!(editor.undo());
        assert_eq!(*editor.document(), before);
        // What is gone meanwhile is filled nowhere.
        editor.delete_layer(fill.layer).unwrap();
        assert!(fill.changes(editor.document()).is_empty());
    }

    #[test]
    fn alt_takes_the_class_in_hand() {
        let mut editor = label_map([100, 20], |x, _| (x / 10 % 2) as u8);
        let mut event = PointerEvent::new(PointerPhase::Press, CanvasPoint::new(12.0, 5.0));
        event.modifiers.alt = true;
        let mut view = CanvasView::default();
        let mut context = ToolContext {
            editor: &mut editor,
            view: &mut view,
            frame: FrameGuide::default(),
            colours: &mut crate::tools::Colours::default(),
        };
        BucketTool::default()
            .handle(&[event], &mut context)
            .unwrap();
        let class = editor.document().selected_class().unwrap().index;
        assert_eq!(stored_class(class), 2);
        assert_eq!(editor.history().undo_count(), 1);
    }

    #[test]
    fn a_mask_is_filled_inside_of_its_soft_line() {
        let mut editor = DocumentEditor::new(Document::blank([64, 64]).unwrap());
        let mut tool = BucketTool::default();
        click(&mut tool, &mut editor, 5.0, false);
        assert_eq!(values(&editor).counts()[255], 64 * 64);
        click(&mut tool, &mut editor, 5.0, true);
        assert!(values(&editor).is_blank());
    }
}
