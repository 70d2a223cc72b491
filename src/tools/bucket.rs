//! The bucket: fills what is the same as the pixel that is clicked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::area::{flooded, same_everywhere};
use super::event::{PointerButton, PointerEvent, PointerPhase};
use super::options::{Choice, ChoiceOption, ChoiceParam, Described, ToolOptions};
use super::overlay::{Cursor, Overlay};
use super::tool::{Target, Tool, ToolContext, ToolError, ToolId, ToolInfo, Wish};
use super::values::{change_values, paint_value, pick_class, target};
use crate::document::{Document, Layer, LayerId, LayerKind, TileChange, TileGrid, TileIndex};
use crate::icons;
use crate::recipe::param::Param;

static INFO: ToolInfo = ToolInfo {
    id: ToolId("bucket"),
    label: "Bucket",
    icon: icons::PAINT_BUCKET,
    key: "G",
    hint: "Fill an area of one class, or of a mask. Ctrl empties it, Alt picks a class.",
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

/// How the bucket fills.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct BucketSettings {
    /// Whether only what touches the clicked pixel is filled.
    is_contiguous: bool,
}

impl Default for BucketSettings {
    fn default() -> Self {
        Self {
            is_contiguous: true,
        }
    }
}

impl Described for BucketSettings {
    const PARAMS: &'static [Param<Self>] = &[];

    const CHOICES: &'static [ChoiceParam<Self>] = &[ChoiceParam {
        choice: &REACH,
        get: |bucket| usize::from(!bucket.is_contiguous),
        set: |bucket, option| bucket.is_contiguous = option == 0,
    }];
}

/// Layers of more pixels are filled away from the window's thread.
const LARGE_PX: u64 = 1 << 20;

/// A fill, to be worked out when there is time. On a mask, pixels that are more covered
/// than not are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// What the menu calls it.
    pub label: &'static str,
    /// The layer.
    pub layer: LayerId,
    /// The pixel that was clicked.
    pub at: [i32; 2],
    /// What is filled in.
    pub value: u8,
    /// Whether only what touches the clicked pixel is filled.
    pub is_contiguous: bool,
}

impl Fill {
    /// The tiles that it changes; none where the layer is gone. May read every pixel.
    pub fn changes(&self, document: &Document) -> BTreeMap<TileIndex, TileChange<u8>> {
        let layer = document.layer(self.layer);
        let found = layer.and_then(|layer| Some((layer.kind(), layer.values()?)));
        found.map_or_else(BTreeMap::new, |(kind, grid)| {
            changes(kind, grid, self.at, self.value, self.is_contiguous)
        })
    }
}

fn changes(
    kind: LayerKind,
    grid: &TileGrid<u8>,
    at: [i32; 2],
    value: u8,
    is_contiguous: bool,
) -> BTreeMap<TileIndex, TileChange<u8>> {
    let is_same = match kind {
        LayerKind::Semantic => |one, other| one == other,
        _ => |one: u8, other: u8| (one >= 128) == (other >= 128),
    };
    if is_contiguous {
        flooded(grid, at, value, is_same)
    } else {
        same_everywhere(grid, at, value, is_same)
    }
}

/// Fills at the press.
#[derive(Debug, Default)]
struct BucketTool {
    settings: BucketSettings,
    wish: Option<Wish>,
}

impl BucketTool {
    fn press(
        &mut self,
        event: &PointerEvent,
        context: &mut ToolContext<'_>,
    ) -> Result<(), ToolError> {
        let at = [
            event.position.x.floor() as i32,
            event.position.y.floor() as i32,
        ];
        let is_erasing = event.modifiers.command || event.button == PointerButton::Secondary;
        let is_contiguous = self.settings.is_contiguous;
        let label = if is_erasing { "Empty area" } else { "Fill" };
        let editor = &mut *context.editor;
        let [width, height] = editor.document().size_px().map(u64::from);
        if width * height > LARGE_PX
            && let Target::Layer(layer) = target(editor.document(), is_erasing)?
        {
            editor.select_layer(layer)?;
            let document = editor.document();
            let kind = document.layer(layer).map_or(LayerKind::Mask, Layer::kind);
            self.wish = Some(Wish::Fill(Fill {
                label,
                layer,
                at,
                value: paint_value(document, kind, is_erasing)?,
                is_contiguous,
            }));
            return Ok(());
        }
        change_values(editor, label, is_erasing, |kind, grid, value| {
            changes(kind, grid, at, value, is_contiguous)
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

    fn target(&self, document: &Document) -> Result<Target, ToolError> {
        target(document, false)
    }

    fn handle_one(
        &mut self,
        event: &PointerEvent,
        context: &mut ToolContext<'_>,
    ) -> Result<(), ToolError> {
        match event.phase {
            PointerPhase::Press if event.modifiers.alt => {
                pick_class(context.editor, event.position);
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
