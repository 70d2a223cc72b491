//! Whatever is done to a label map, it holds classes and nothing in between, and can be
//! undone to the start and redone to the end.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

use proptest::prelude::{Strategy, prop, prop_oneof, proptest};
use proptest::test_runner::Config;
use velatura::document::{
    ClassChanges, Document, DocumentEditor, LayerKind, Recoding, TileGrid, class_index, joined,
    stored_class,
};
use velatura::geometry::{CanvasPoint, CanvasView};
use velatura::recipe::palette::{NOTHING, Palette, PaletteClass};
use velatura::recipe::param::Value;
use velatura::tools::{
    Modifiers, PointerButton, PointerEvent, PointerPhase, ToolError, ToolId, Toolbox,
};

/// Indices with gaps, from the first to the last that there may be.
const INDICES: [u8; 6] = [0, 3, 17, 100, 182, 254];

fn palette() -> Palette {
    let class = |index: u8| PaletteClass {
        index,
        name: format!("class {index}"),
        color: [index, 255 - index, 40],
    };
    Palette {
        name: "Test".to_owned(),
        classes: INDICES.map(class).to_vec(),
    }
}

/// Something a user may do on a label map. Positions count in hundredths of it,
/// classes by their place in the palette.
#[derive(Clone, Debug)]
enum Deed {
    Gesture {
        tool: ToolId,
        choice: usize,
        size_px: f32,
        points: Vec<(u8, u8)>,
        modifiers: Modifiers,
        is_secondary: bool,
        is_cancelled: bool,
    },
    Class(usize),
    Swap(usize, usize),
    Replace(usize, Option<usize>),
    OtherPalette,
    Undo,
    Redo,
}

fn modifiers() -> impl Strategy<Value = Modifiers> {
    let held = || prop::bool::weighted(0.2);
    (held(), held(), held()).prop_map(|(shift, command, alt)| Modifiers {
        shift,
        command,
        alt,
    })
}

fn deeds() -> impl Strategy<Value = Deed> {
    let tools = ["brush", "eraser", "bucket", "shape", "lasso", "picker"].map(ToolId);
    let gesture = (
        prop::sample::select(tools.to_vec()),
        0..3usize,
        prop_oneof![3 => 1.0..40.0f32, 1 => 1.0..1000.0f32],
        prop::collection::vec((0..120u8, 0..120u8), 1..6),
        modifiers(),
        (prop::bool::weighted(0.1), prop::bool::weighted(0.1)),
    );
    let class = || 0..INDICES.len();
    prop_oneof![
        12 => gesture.prop_map(|(tool, choice, size_px, points, modifiers, flags)| Deed::Gesture {
            tool,
            choice,
            size_px,
            points,
            modifiers,
            is_secondary: flags.0,
            is_cancelled: flags.1,
        }),
        6 => class().prop_map(Deed::Class),
        1 => (class(), class()).prop_map(|(one, other)| Deed::Swap(one, other)),
        1 => (class(), prop::option::of(class())).prop_map(|(from, to)| Deed::Replace(from, to)),
        1 => proptest::strategy::Just(Deed::OtherPalette),
        2 => proptest::strategy::Just(Deed::Undo),
        1 => proptest::strategy::Just(Deed::Redo),
    ]
}

struct Bench {
    editor: DocumentEditor,
    toolbox: Toolbox,
    view: CanvasView,
}

fn start() -> Document {
    let mut editor = DocumentEditor::new(Document::blank([300, 270]).unwrap());
    let map = TileGrid::from_fn([300, 270], |x, y| {
        if (x / 60 + y / 70) % 2 == 0 {
            stored_class(INDICES[2])
        } else {
            0
        }
    });
    editor
        .insert_semantic_layer("Add label map", "Label map", map, palette())
        .unwrap();
    editor.document().clone()
}

impl Bench {
    fn new() -> Self {
        Self {
            editor: DocumentEditor::new(start()),
            toolbox: Toolbox::default(),
            view: CanvasView::default(),
        }
    }

    fn pointer(
        &mut self,
        phase: PointerPhase,
        (x, y): (u8, u8),
        modifiers: Modifiers,
        button: PointerButton,
    ) {
        let position = CanvasPoint::new(f32::from(x) * 3.0 - 30.0, f32::from(y) * 2.7 - 27.0);
        let event = PointerEvent {
            modifiers,
            button,
            pressure: Some(0.7),
            ..PointerEvent::new(phase, position)
        };
        let handled = self
            .toolbox
            .handle(&[event], &mut self.editor, &mut self.view);
        // Tools that paint colours too may find no picture to erase.
        assert!(
            matches!(handled, Ok(()) | Err(ToolError::NoPaint)),
            "{handled:?}"
        );
        self.check();
    }

    /// No value but that of a class, or of none.
    fn check(&self) {
        let document = self.editor.document();
        document.validate_invariants().unwrap();
        for layer in document.layers() {
            let Some(map) = layer.semantic() else {
                continue;
            };
            for (stored, count) in map.counts().into_iter().enumerate() {
                let index = class_index(stored as u8);
                let is_known = index == NOTHING || document.palette().class(index).is_some();
                assert!(count == 0 || is_known, "{count} pixels of {index}");
            }
        }
    }

    fn perform(&mut self, deed: &Deed) {
        match deed {
            Deed::Gesture {
                tool,
                choice,
                size_px,
                points,
                modifiers,
                is_secondary,
                is_cancelled,
            } => {
                self.toolbox.select(*tool);
                let choices = self.toolbox.choices();
                for (kind, _) in choices {
                    self.toolbox.choose(kind.id, *choice);
                }
                self.toolbox.set_option("size", Value::Real(*size_px));
                self.toolbox.set_option("hardness", Value::Real(0.0));
                self.toolbox.set_option("opacity", Value::Real(0.3));
                let button = match is_secondary {
                    true => PointerButton::Secondary,
                    false => PointerButton::Primary,
                };
                let last = points[points.len() - 1];
                self.pointer(PointerPhase::Press, points[0], *modifiers, button);
                for point in &points[1..] {
                    self.pointer(PointerPhase::Drag, *point, *modifiers, button);
                }
                if *is_cancelled {
                    self.toolbox.cancel(&mut self.editor, &mut self.view);
                } else {
                    self.pointer(PointerPhase::Release, last, *modifiers, button);
                    self.toolbox
                        .finish(&mut self.editor, &mut self.view)
                        .unwrap();
                }
                assert!(!self.editor.is_busy() && !self.toolbox.is_active());
            }
            Deed::Class(place) => self.editor.select_class(INDICES[*place]),
            Deed::Swap(one, other) => self.recode(&Recoding::swap(INDICES[*one], INDICES[*other])),
            Deed::Replace(from, to) => {
                let to = to.map_or(NOTHING, |place| INDICES[place]);
                self.recode(&Recoding::default().with(INDICES[*from], to));
            }
            Deed::OtherPalette => {
                let document = self.editor.document();
                let mut other = palette();
                // The first class goes, the second has another index.
                other.classes.remove(0);
                other.classes[0].index = 5;
                let counts = document.class_counts();
                let is_used = |index: u8| counts[usize::from(index)] > 0;
                let (both, recoding, left_out) = joined(&other, document.palette(), is_used);
                assert!(left_out.is_empty());
                let snapshot = self.editor.snapshot();
                let changes = ClassChanges::of(&snapshot, None, &recoding, Some(both));
                assert!(
                    self.editor
                        .change_classes("Change palette", changes)
                        .unwrap()
                );
            }
            Deed::Undo => drop(self.editor.undo()),
            Deed::Redo => drop(self.editor.redo()),
        }
        if matches!(deed, Deed::Class(_)) && self.editor.document().palette() != &palette() {
            // A class that the palette lost is none to paint with.
            let class = self.editor.document().selected_class().unwrap().index;
            assert!(self.editor.document().palette().class(class).is_some());
        }
        self.check();
    }

    fn recode(&mut self, recoding: &Recoding) {
        let document = self.editor.document();
        let knows = |index: u8| document.palette().class(index).is_some();
        let index_of = |place: usize| INDICES[place];
        if !(0..INDICES.len()).all(|place| knows(index_of(place))) {
            return;
        }
        let layer = document
            .layers()
            .iter()
            .find(|layer| layer.kind() == LayerKind::Semantic);
        let snapshot = self.editor.snapshot();
        let changes = ClassChanges::of(&snapshot, layer.map(|layer| layer.id), recoding, None);
        assert!(self.editor.change_classes("Swap classes", changes).unwrap());
    }
}

proptest! {
    #![proptest_config(Config { cases: 96, ..Config::default() })]

    #[test]
    fn maps_hold_only_classes_and_everything_can_be_undone_and_redone(
        deeds in prop::collection::vec(deeds(), 1..20)
    ) {
        let mut bench = Bench::new();
        for deed in &deeds {
            bench.perform(deed);
        }
        while bench.editor.redo() {}
        let end = bench.editor.document().clone();
        while bench.editor.undo() {
            bench.check();
        }
        assert_eq!(*bench.editor.document(), start());
        while bench.editor.redo() {
            bench.check();
        }
        assert_eq!(*bench.editor.document(), end);
    }
}

#[test]
fn one_pixel_is_one_pixel_and_a_thousand_are_a_disc() {
    let mut bench = Bench::new();
    bench.editor.select_class(INDICES[3]);
    let stored = usize::from(stored_class(INDICES[3]));
    for (size_px, x, expected) in [
        (1.0, 10.98, 1..=1),
        (1.0, 11.0, 1..=1),
        (20.0, 150.2, 300..=330),
    ] {
        bench.toolbox.set_option("size", Value::Real(size_px));
        for phase in [PointerPhase::Press, PointerPhase::Release] {
            let event = PointerEvent::new(phase, CanvasPoint::new(x, 100.03));
            bench
                .toolbox
                .handle(&[event], &mut bench.editor, &mut bench.view)
                .unwrap();
        }
        let map = bench
            .editor
            .document()
            .selected_layer()
            .unwrap()
            .semantic()
            .unwrap();
        let count = map.counts()[stored];
        assert!(expected.contains(&count), "{size_px}: {count}");
        assert!(bench.editor.undo());
    }
    bench.toolbox.set_option("size", Value::Real(1000.0));
    let event = PointerEvent::new(PointerPhase::Press, CanvasPoint::new(150.0, 135.0));
    bench
        .toolbox
        .handle(&[event], &mut bench.editor, &mut bench.view)
        .unwrap();
    let map = bench
        .editor
        .document()
        .selected_layer()
        .unwrap()
        .semantic()
        .unwrap();
    assert_eq!(map.counts()[stored], 300 * 270);
}

#[test]
fn of_several_maps_the_upper_covers_the_lower_and_hidden_ones_do_not_count() {
    let mut editor = DocumentEditor::new(Document::blank([4, 2]).unwrap());
    assert!(editor.document().label_map().is_none());
    let map = |values: [u8; 4]| TileGrid::from_fn([4, 2], |x, _| values[x as usize]);
    let stored = INDICES.map(stored_class);
    let lower = map([stored[0], stored[1], 0, 0]);
    let upper = map([0, stored[2], stored[5], 0]);
    for grid in [lower, upper] {
        editor
            .insert_semantic_layer("Add label map", "Label map", grid, palette())
            .unwrap();
    }
    let row =
        |editor: &DocumentEditor| editor.document().label_map().unwrap().as_raw()[..4].to_vec();
    assert_eq!(row(&editor), [INDICES[0], INDICES[2], INDICES[5], NOTHING]);
    let top = editor.document().selected_layer().unwrap().id;
    editor.set_layer_visible(top, false).unwrap();
    assert_eq!(row(&editor), [INDICES[0], INDICES[1], NOTHING, NOTHING]);
}
