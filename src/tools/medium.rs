//! What a tool paints with: values of masks and semantic layers, or colours of pictures.

use serde::{Deserialize, Serialize};

use super::area::{Area, Coverage, Edges};
use super::ink::{ColourInk, ValueInk};
use super::options::{Choice, ChoiceOption};
use super::tool::{Target, ToolContext, ToolError};
use super::{colours, values};
use crate::document::{
    Document, DocumentError, Edit, Layer, LayerContent, LayerId, LayerKind, PixelChanges,
};
use crate::geometry::CanvasPoint;
use crate::icons;

/// What a tool paints with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Medium {
    /// What masks and semantic layers have a value for.
    #[default]
    Values,
    /// The colour in hand, on pictures.
    Colours,
}

/// Offers both, for tools that can do either.
pub(super) static MEDIUM: Choice = Choice {
    id: "medium",
    label: "Paints",
    options: &[
        ChoiceOption {
            label: "Masks and classes",
            icon: icons::PAINT_BRUSH,
        },
        ChoiceOption {
            label: "Colours",
            icon: icons::DROP,
        },
    ],
};

/// What paint does to the layer that it goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    /// To a mask or semantic layer.
    Values(ValueInk),
    /// To a picture.
    Colours(ColourInk),
}

/// A gesture that changes a layer at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gesture {
    /// What the menu calls it.
    pub label: &'static str,
    /// Whether it takes away.
    pub is_erasing: bool,
    /// Where it began.
    pub at: CanvasPoint,
}

impl Medium {
    /// The option of [`MEDIUM`] that a place stands for.
    pub fn of_option(option: usize) -> Self {
        match option {
            0 => Self::Values,
            _ => Self::Colours,
        }
    }

    /// The layer that paint goes to that begins at a point, if it does: `last` is the one
    /// that the tool painted on last.
    ///
    /// # Errors
    /// When there is nothing that it can act on.
    pub fn target(
        self,
        document: &Document,
        last: Option<LayerId>,
        is_erasing: bool,
        at: Option<CanvasPoint>,
    ) -> Result<Target, ToolError> {
        match self {
            Self::Values => values::target(document, is_erasing),
            Self::Colours => colours::target(document, last, is_erasing, at),
        }
    }

    /// Whether it would paint classes, which have no soft edges.
    pub fn paints_classes(self, document: &Document) -> bool {
        self == Self::Values && values::target_kind(document) == LayerKind::Semantic
    }

    /// Takes in hand what is seen at a point: a class or a colour.
    pub fn pick(self, context: &mut ToolContext<'_>, at: CanvasPoint) -> bool {
        match self {
            Self::Values => values::pick_class(context.editor, at),
            Self::Colours => context.colours.pick(context.editor.document(), at),
        }
    }

    /// The layer that paint goes to, made if need be as a part of the transaction in progress,
    /// and selected; and what it does there.
    ///
    /// # Errors
    /// As [`Self::target`].
    pub fn open(
        self,
        context: &mut ToolContext<'_>,
        last: Option<LayerId>,
        is_erasing: bool,
        at: CanvasPoint,
    ) -> Result<(LayerId, Paint), ToolError> {
        if self == Self::Values {
            let id = values::open_target(context.editor, is_erasing)?;
            let document = context.editor.document();
            let layer = document.layer(id).ok_or(DocumentError::NoSuchLayer(id))?;
            let ink = values::ink(document, layer.kind(), is_erasing)?;
            return Ok((id, Paint::Values(ink)));
        }
        let id = colours::open_target(context.editor, last, is_erasing, at)?;
        Ok((id, Paint::Colours(context.colours.ink(is_erasing))))
    }

    /// Changes the layer that a gesture goes to in one step; nothing to change is no step.
    ///
    /// # Errors
    /// As [`Self::target`], and when the document refuses the change; it is then as before.
    pub fn change(
        self,
        context: &mut ToolContext<'_>,
        last: &mut Option<LayerId>,
        gesture: Gesture,
        changed: impl FnOnce(&Layer, Paint) -> PixelChanges,
    ) -> Result<(), ToolError> {
        let Gesture {
            label,
            is_erasing,
            at,
        } = gesture;
        context.editor.begin(label)?;
        let done = self
            .open(context, *last, is_erasing, at)
            .and_then(|(id, paint)| {
                let document = context.editor.document();
                let layer = document.layer(id).ok_or(DocumentError::NoSuchLayer(id))?;
                let changes = changed(layer, paint);
                if !changes.is_empty() {
                    context
                        .editor
                        .apply(Edit::ReplaceTiles { layer: id, changes })?;
                }
                Ok(id)
            });
        match done {
            Ok(id) => {
                *last = Some(id);
                context.editor.commit();
                Ok(())
            }
            Err(error) => {
                context.editor.cancel();
                Err(error)
            }
        }
    }
}

impl Paint {
    /// The changes where paint fills an area of a layer: with soft edges in a picture.
    pub fn filling(self, layer: &Layer, area: &impl Area) -> PixelChanges {
        match (&layer.content, self) {
            (LayerContent::Raster(grid), Self::Colours(ink)) => {
                let covered = Coverage::of(area, grid.size_px(), Edges::Soft);
                PixelChanges::Color(covered.changes(grid, ink))
            }
            (LayerContent::Mask(grid) | LayerContent::Semantic(grid), Self::Values(ink)) => {
                let covered = Coverage::of(area, grid.size_px(), Edges::Hard);
                PixelChanges::Value(covered.changes(grid, ink))
            }
            _ => PixelChanges::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::document::{Document, DocumentEditor, TileGrid};
    use crate::geometry::{CanvasPoint, CanvasView};
    use crate::tools::{
        Colours, FrameGuide, Modifiers, PointerEvent, PointerPhase, Target, ToolId, Toolbox,
    };

    const RED: [u8; 3] = [200, 30, 20];
    const BLUE: [u8; 3] = [20, 40, 210];

    /// A photo, a tool that paints colours, and how both come together.
    struct Bench {
        editor: DocumentEditor,
        toolbox: Toolbox,
        view: CanvasView,
    }

    impl Bench {
        fn with(tool: &'static str) -> Self {
            let picture = TileGrid::from_fn([300, 280], |_, _| [10, 20, 30, 255]);
            let document = Document::from_picture("photo", picture).unwrap();
            let mut toolbox = Toolbox::default();
            toolbox.select(ToolId(tool));
            toolbox.choose("medium", 1);
            toolbox.take_colour(RED);
            let mut editor = DocumentEditor::new(document);
            let mask = editor.document().active_mask().unwrap().id;
            editor.select_layer(mask).unwrap();
            Self {
                editor,
                toolbox,
                view: CanvasView::default(),
            }
        }

        fn press(&mut self, points: &[(f32, f32)], command: bool) {
            let last = points.len() - 1;
            for (number, (x, y)) in points.iter().enumerate() {
                let at = CanvasPoint::new(*x, *y);
                let phase = match number {
                    0 => PointerPhase::Press,
                    _ => PointerPhase::Drag,
                };
                let end = (number == last).then_some(PointerPhase::Release);
                for phase in [phase].into_iter().chain(end) {
                    let modifiers = Modifiers {
                        command,
                        ..Modifiers::default()
                    };
                    let event = PointerEvent {
                        modifiers,
                        ..PointerEvent::new(phase, at)
                    };
                    let toolbox = &mut self.toolbox;
                    toolbox.guide(FrameGuide::default());
                    let told = toolbox.handle(&[event], &mut self.editor, &mut self.view);
                    told.unwrap();
                }
            }
        }

        /// A pixel of the layer in hand.
        fn pixel(&self, x: i32, y: i32) -> [u8; 4] {
            let layer = self.editor.document().selected_layer().unwrap();
            layer.raster().unwrap().pixel(x, y)
        }

        fn names(&self) -> Vec<&str> {
            let layers = self.editor.document().layers().iter();
            layers.map(|layer| &*layer.name).collect()
        }
    }

    #[test]
    fn shapes_and_outlines_lay_colours_on_one_layer_of_their_own() {
        let mut bench = Bench::with("shape");
        assert_eq!(
            bench.toolbox.target(bench.editor.document()),
            Ok(Target::NewLayer)
        );
        bench.toolbox.choose("form", 1);
        bench.press(&[(20.0, 20.0), (80.0, 60.0)], false);
        assert_eq!(bench.names(), ["photo", "Paint", "Mask"]);
        assert_eq!(bench.pixel(50, 40), [200, 30, 20, 255]);
        assert_eq!(bench.pixel(21, 21), [0; 4]);
        let edge: Vec<u8> = (20..50).map(|x| bench.pixel(x, 25)[3]).collect();
        assert!(edge.iter().any(|alpha| (1..255).contains(alpha)));
        assert_eq!(bench.toolbox.colours().unwrap().recent()[0], RED);
        // What is drawn in it with Ctrl is a hole.
        bench.press(&[(45.0, 35.0), (55.0, 45.0)], true);
        assert_eq!(bench.pixel(50, 40), [0; 4]);

        bench.toolbox.select(ToolId("lasso"));
        bench.toolbox.choose("medium", 1);
        bench.toolbox.take_colour(BLUE);
        bench.press(&[(100.0, 100.0), (160.0, 100.0), (130.0, 160.0)], false);
        assert!(
            bench
                .toolbox
                .finish(&mut bench.editor, &mut bench.view)
                .unwrap()
        );
        assert_eq!(bench.pixel(130, 120), [20, 40, 210, 255]);
        assert_eq!(bench.names(), ["photo", "Paint", "Mask"]);
        assert_eq!(bench.editor.history().undo_count(), 3);
        assert_eq!(bench.editor.history().undo_label(), Some("Lasso"));
    }

    #[test]
    fn a_bucket_fills_behind_soft_lines_and_gives_colours_to_what_is_there() {
        let mut bench = Bench::with("paint");
        bench
            .toolbox
            .set_option("size", crate::recipe::param::Value::Real(12.0));
        let corners = [
            (40.0, 40.0),
            (120.0, 40.0),
            (120.0, 120.0),
            (40.0, 120.0),
            (40.0, 40.0),
        ];
        bench.press(&corners, false);
        bench.toolbox.select(ToolId("bucket"));
        bench.toolbox.choose("medium", 1);
        bench.toolbox.take_colour(BLUE);
        bench.press(&[(80.0, 80.0)], false);
        assert_eq!(bench.pixel(80, 80), [20, 40, 210, 255]);
        assert_eq!(bench.pixel(40, 80), [200, 30, 20, 255]);
        assert_eq!(bench.pixel(20, 80), [0; 4]);
        // No gap between the line and what is in it.
        let across = (41..80).map(|x| bench.pixel(x, 80)[3]);
        assert!(across.min() >= Some(250));
        // What is there keeps its soft edge, outside.
        let soft = (30..40).find(|x| (1..250).contains(&bench.pixel(*x, 80)[3]));
        let soft = soft.expect("a soft edge");
        let alpha = bench.pixel(soft, 80)[3];
        bench.toolbox.take_colour([9, 200, 9]);
        bench.press(&[(40.0, 80.0)], false);
        assert_eq!(bench.pixel(40, 80), [9, 200, 9, 255]);
        assert_eq!(bench.pixel(soft, 80), [9, 200, 9, alpha]);
        assert_eq!(bench.pixel(80, 80), [20, 40, 210, 255]);
        bench.press(&[(80.0, 80.0)], true);
        assert_eq!(bench.pixel(80, 80), [0; 4]);
        assert_eq!(bench.editor.history().undo_count(), 4);
    }

    #[test]
    fn a_bucket_tells_colours_of_a_picture_by_its_tolerance() {
        let filled = |tolerance: f32| {
            let mut bench = Bench::with("bucket");
            let stripes = TileGrid::from_fn([300, 280], |x, _| [(x / 100 * 20) as u8, 0, 0, 255]);
            let document = Document::from_picture("stripes", stripes).unwrap();
            bench.editor = DocumentEditor::new(document);
            let picture = bench.editor.document().layers()[0].id;
            bench.editor.select_layer(picture).unwrap();
            let value = crate::recipe::param::Value::Real(tolerance);
            bench.toolbox.set_option("tolerance", value);
            bench.press(&[(50.0, 5.0)], false);
            [50, 150, 250].map(|x| bench.pixel(x, 200) == [200, 30, 20, 255])
        };
        assert_eq!(filled(0.0), [true, false, false]);
        assert_eq!(filled(0.1), [true, true, false]);
        assert_eq!(filled(0.2), [true; 3]);
    }

    #[test]
    fn a_large_picture_is_filled_when_there_is_time() {
        let mut bench = Bench::with("bucket");
        bench.editor = DocumentEditor::new(Document::blank([1100, 1000]).unwrap());
        // A new layer has nothing to look through.
        bench.press(&[(5.0, 5.0)], false);
        assert!(bench.toolbox.take_wish().is_none());
        assert_eq!(bench.pixel(900, 900), [200, 30, 20, 255]);
        bench.toolbox.take_colour(BLUE);
        bench.press(&[(5.0, 5.0)], false);
        assert_eq!(bench.pixel(900, 900), [200, 30, 20, 255]);
        let Some(super::super::Wish::Fill(fill)) = bench.toolbox.take_wish() else {
            panic!("nothing is asked for");
        };
        let changes = crate::document::ClassChanges::of_tiles(
            &bench.editor.snapshot(),
            fill.layer,
            |document| fill.changes(document),
        );
        assert!(bench.editor.change_classes(fill.label, changes).unwrap());
        assert_eq!(bench.pixel(900, 900), [20, 40, 210, 255]);
    }

    #[test]
    fn the_picker_takes_a_class_or_else_a_colour() {
        let mut bench = Bench::with("picker");
        assert_ne!(bench.toolbox.colours().map(|it| it.now), Some([10, 20, 30]));
        bench.press(&[(30.0, 30.0)], false);
        assert_eq!(
            bench.toolbox.colours().map(|it: &Colours| it.now),
            Some([10, 20, 30])
        );
        assert_eq!(bench.editor.history().undo_count(), 0);
    }
}
