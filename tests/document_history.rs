//! Whatever is done to a document can be undone to the start and redone to
//! the end, and its invariants hold after every single change.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

use image::RgbaImage;
use proptest::prelude::{Strategy, prop, prop_oneof, proptest};
use proptest::test_runner::Config;
use velatura::document::{Document, DocumentEditor, LayerId, LayerKind, TileGrid};
use velatura::geometry::{CanvasPoint, CanvasView};
use velatura::recipe::param::Value;
use velatura::tools::{PointerEvent, PointerPhase, ToolId, Toolbox};

/// Something a user may do. Positions count in hundredths of the picture,
/// layers in hundredths of the stack.
#[derive(Clone, Debug)]
enum Deed {
    Stroke {
        tool: ToolId,
        points: Vec<(u8, u8)>,
        cancelled: bool,
    },
    AddLayer(LayerKind),
    Select(u8),
    Delete(u8),
    Duplicate(u8),
    Rename(u8, String),
    Move(u8, u8),
    Opacity(u8, u8, bool),
    Visible(u8, bool),
    ClearMask,
    InvertMask,
    FillMask,
    Result(u8),
    Resize(u32, u32),
    Undo,
    Redo,
}

fn deeds() -> impl Strategy<Value = Deed> {
    let kind = prop_oneof![
        proptest::strategy::Just(LayerKind::Raster),
        proptest::strategy::Just(LayerKind::Mask),
        proptest::strategy::Just(LayerKind::Layout),
        proptest::strategy::Just(LayerKind::Semantic),
    ];
    let tool = prop_oneof![
        proptest::strategy::Just(ToolId("brush")),
        proptest::strategy::Just(ToolId("eraser"))
    ];
    let points = prop::collection::vec((0..110u8, 0..110u8), 1..5);
    let any = || 0..100u8;
    prop_oneof![
        4 => (tool, points, prop::bool::weighted(0.2))
            .prop_map(|(tool, points, cancelled)| Deed::Stroke { tool, points, cancelled }),
        1 => kind.prop_map(Deed::AddLayer),
        2 => any().prop_map(Deed::Select),
        1 => any().prop_map(Deed::Delete),
        1 => any().prop_map(Deed::Duplicate),
        1 => (any(), "[a-z]{0,6}").prop_map(|(layer, name)| Deed::Rename(layer, name)),
        1 => (any(), any()).prop_map(|(layer, to)| Deed::Move(layer, to)),
        2 => (any(), any(), prop::bool::ANY).prop_map(|(l, o, end)| Deed::Opacity(l, o, end)),
        1 => (any(), prop::bool::ANY).prop_map(|(layer, visible)| Deed::Visible(layer, visible)),
        1 => proptest::strategy::Just(Deed::ClearMask),
        1 => proptest::strategy::Just(Deed::InvertMask),
        1 => proptest::strategy::Just(Deed::FillMask),
        1 => any().prop_map(Deed::Result),
        1 => (1..300u32, 1..300u32).prop_map(|(width, height)| Deed::Resize(width, height)),
        2 => proptest::strategy::Just(Deed::Undo),
        1 => proptest::strategy::Just(Deed::Redo),
    ]
}

struct Bench {
    editor: DocumentEditor,
    toolbox: Toolbox,
    view: CanvasView,
}

impl Bench {
    fn layer(&self, hundredths: u8) -> Option<LayerId> {
        let layers = self.editor.document().layers();
        layers
            .get(usize::from(hundredths) * layers.len() / 100)
            .map(|layer| layer.id)
    }

    fn pointer(&mut self, phase: PointerPhase, (x, y): (u8, u8)) {
        let [width, height] = self
            .editor
            .document()
            .size_px()
            .map(|side| side as f32 / 100.0);
        let position = CanvasPoint::new(f32::from(x) * width, f32::from(y) * height);
        let event = PointerEvent::new(phase, position);
        // A hidden layer refuses the stroke; that is an answer, not a failure.
        let _ = self
            .toolbox
            .handle(&[event], &mut self.editor, &mut self.view);
        self.editor.document().validate_invariants().unwrap();
    }

    fn perform(&mut self, deed: &Deed) {
        let editor = &mut self.editor;
        match deed {
            Deed::Stroke {
                tool,
                points,
                cancelled,
            } => {
                self.toolbox.select(*tool);
                self.pointer(PointerPhase::Press, points[0]);
                points[1..]
                    .iter()
                    .for_each(|point| self.pointer(PointerPhase::Drag, *point));
                if *cancelled {
                    self.toolbox.cancel(&mut self.editor, &mut self.view);
                } else {
                    self.pointer(PointerPhase::Release, points[points.len() - 1]);
                }
                assert!(!self.editor.is_busy());
            }
            Deed::AddLayer(kind) => drop(editor.add_layer(*kind).unwrap()),
            Deed::ClearMask => drop(editor.clear_mask()),
            Deed::InvertMask => drop(editor.invert_mask()),
            Deed::FillMask => drop(editor.fill_mask()),
            Deed::Result(value) => {
                let image = RgbaImage::from_pixel(60, 40, image::Rgba([*value, 0, 90, 200]));
                let picture = TileGrid::from_image(&image);
                editor.place_picture("Generate", "Result", picture).unwrap();
            }
            Deed::Resize(width, height) => editor.resize_canvas([*width, *height]).unwrap(),
            Deed::Undo => drop(editor.undo()),
            Deed::Redo => drop(editor.redo()),
            Deed::Select(layer)
            | Deed::Delete(layer)
            | Deed::Duplicate(layer)
            | Deed::Rename(layer, _)
            | Deed::Move(layer, _)
            | Deed::Opacity(layer, _, _)
            | Deed::Visible(layer, _) => {
                let Some(id) = self.layer(*layer) else { return };
                let editor = &mut self.editor;
                match deed {
                    Deed::Select(_) => editor.select_layer(id).unwrap(),
                    Deed::Delete(_) => editor.delete_layer(id).unwrap(),
                    Deed::Duplicate(_) => drop(editor.duplicate_layer(id).unwrap()),
                    Deed::Rename(_, name) => editor.rename_layer(id, name).unwrap(),
                    Deed::Move(_, to) => editor.move_layer(id, usize::from(*to) / 10).unwrap(),
                    Deed::Opacity(_, value, end) => {
                        editor
                            .set_layer_opacity(id, f32::from(*value) / 100.0)
                            .unwrap();
                        if *end {
                            editor.end_slider_drag();
                        }
                    }
                    Deed::Visible(_, visible) => editor.set_layer_visible(id, *visible).unwrap(),
                    _ => unreachable!("the outer match lists the deeds on layers"),
                }
            }
        }
        self.editor.document().validate_invariants().unwrap();
    }
}

fn start() -> Document {
    let image = RgbaImage::from_fn(270, 130, |x, y| image::Rgba([x as u8, y as u8, 7, 255]));
    Document::from_image("Picture", &image).unwrap()
}

fn bench() -> Bench {
    Bench {
        editor: DocumentEditor::new(start()),
        toolbox: Toolbox::default(),
        view: CanvasView::default(),
    }
}

proptest! {
    #![proptest_config(Config { cases: 128, ..Config::default() })]

    #[test]
    fn everything_can_be_undone_and_redone(
        deeds in prop::collection::vec(deeds(), 1..25)
    ) {
        let mut bench = bench();
        for deed in &deeds {
            bench.perform(deed);
        }
        let done = bench.editor.history().undo_count();
        while bench.editor.redo() {}
        let end = bench.editor.document().clone();
        while bench.editor.undo() {
            bench.editor.document().validate_invariants().unwrap();
        }
        assert_eq!(*bench.editor.document(), start());
        assert!(!bench.editor.is_dirty());
        let mut redone = 0;
        while bench.editor.redo() {
            redone += 1;
            bench.editor.document().validate_invariants().unwrap();
        }
        assert!(redone >= done);
        assert_eq!(*bench.editor.document(), end);
    }
}

fn stroke(bench: &mut Bench, from: (u8, u8), to: (u8, u8)) {
    let points = vec![from, to];
    bench.perform(&Deed::Stroke {
        tool: ToolId("brush"),
        points,
        cancelled: false,
    });
}

/// As a file does that is written at once.
fn save(editor: &mut DocumentEditor) {
    let point = editor.save_point().expect("nothing is in progress");
    editor.mark_saved(point);
}

#[test]
fn one_undo_removes_a_result_and_nothing_else() {
    let mut bench = bench();
    stroke(&mut bench, (20, 20), (60, 60));
    let before = bench.editor.document().clone();
    let result = RgbaImage::from_pixel(270, 130, image::Rgba([9, 9, 9, 255]));
    let picture = TileGrid::from_image(&result);
    let id = bench
        .editor
        .place_picture("Generate", "Result", picture)
        .unwrap();
    let document = bench.editor.document();
    assert_eq!(document.composite(), result);
    // Above the pictures, below the mask, and the mask stays selected.
    assert_eq!(document.layer_index(id).unwrap(), 1);
    assert_eq!(document.selected_layer().unwrap().kind(), LayerKind::Mask);
    assert_eq!(bench.editor.history().undo_label(), Some("Generate"));
    bench.editor.undo();
    assert_eq!(*bench.editor.document(), before);
}

#[test]
fn a_result_gives_an_empty_canvas_its_size() {
    let mut editor = DocumentEditor::new(Document::blank([64, 64]).unwrap());
    let result = RgbaImage::from_pixel(192, 96, image::Rgba([1, 2, 3, 255]));
    let picture = TileGrid::from_image(&result);
    editor.place_picture("Generate", "Result", picture).unwrap();
    assert_eq!(editor.document().size_px(), [192, 96]);
    assert_eq!(editor.document().composite(), result);
    assert_eq!(editor.document().mask_coverage(), None);
    editor.undo();
    assert_eq!(*editor.document(), Document::blank([64, 64]).unwrap());
}

#[test]
fn the_dirty_flag_follows_the_saved_state_through_undo() {
    let mut bench = bench();
    assert!(!bench.editor.is_dirty());
    stroke(&mut bench, (20, 20), (60, 60));
    assert!(bench.editor.is_dirty());
    save(&mut bench.editor);
    stroke(&mut bench, (60, 20), (20, 60));
    assert!(bench.editor.is_dirty());
    bench.editor.undo();
    assert!(!bench.editor.is_dirty());
    bench.editor.undo();
    assert!(bench.editor.is_dirty());
    // The saved state cannot be reached any more.
    stroke(&mut bench, (60, 20), (20, 60));
    assert!(bench.editor.is_dirty());
    bench.editor.undo();
    assert!(bench.editor.is_dirty());
}

#[test]
fn a_slider_drag_is_one_step_and_saving_ends_it() {
    let mut bench = bench();
    let id = bench.editor.document().layers()[0].id;
    for value in [0.9, 0.7, 0.5] {
        bench.editor.set_layer_opacity(id, value).unwrap();
    }
    assert_eq!(bench.editor.history().undo_count(), 1);
    bench.editor.end_slider_drag();
    bench.editor.set_layer_opacity(id, 0.4).unwrap();
    assert_eq!(bench.editor.history().undo_count(), 2);
    save(&mut bench.editor);
    bench.editor.set_layer_opacity(id, 0.3).unwrap();
    assert!(bench.editor.is_dirty());
    bench.editor.undo();
    assert!(!bench.editor.is_dirty());
    bench.editor.undo();
    assert_eq!(bench.editor.document().layers()[0].opacity, 0.5);
    bench.editor.undo();
    assert_eq!(bench.editor.document().layers()[0].opacity, 1.0);
}

#[test]
fn history_keeps_to_its_budget_and_always_keeps_the_last_step() {
    let budget = 300_000;
    let mut bench = Bench {
        editor: DocumentEditor::with_history_budget(Document::blank([600, 600]).unwrap(), budget),
        toolbox: Toolbox::default(),
        view: CanvasView::default(),
    };
    for step in 0..20u8 {
        stroke(&mut bench, (step * 4, 10), (step * 4 + 2, 10));
        assert!(bench.editor.history().used_bytes() <= budget);
    }
    assert!((1..20).contains(&bench.editor.history().undo_count()));
    bench.editor.invert_mask().unwrap();
    assert_eq!(bench.editor.history().undo_count(), 1);
    assert!(bench.editor.undo() && !bench.editor.undo());
    assert!(bench.editor.is_dirty());
}

#[test]
fn jobs_see_the_document_as_it_was() {
    let mut bench = bench();
    stroke(&mut bench, (20, 20), (60, 60));
    let snapshot = bench.editor.snapshot();
    let mask = snapshot.mask_coverage().unwrap();
    bench.editor.clear_mask().unwrap();
    assert!(!bench.editor.document().has_mask_content());
    assert_eq!(snapshot.mask_coverage().unwrap(), mask);
    assert!(snapshot.revision() < bench.editor.revision());
}

#[test]
fn visible_masks_act_together_and_the_topmost_is_edited() {
    let mut bench = bench();
    stroke(&mut bench, (20, 20), (60, 60));
    let lower = bench.editor.document().active_mask().unwrap().id;
    let upper = bench.editor.add_layer(LayerKind::Mask).unwrap();
    assert_eq!(bench.editor.document().active_mask().unwrap().id, upper);
    assert!(bench.editor.document().has_mask_content());
    bench.editor.set_layer_visible(lower, false).unwrap();
    assert!(!bench.editor.document().has_mask_content());
    bench.editor.set_layer_visible(lower, true).unwrap();
    bench.editor.set_layer_visible(upper, false).unwrap();
    assert_eq!(bench.editor.document().active_mask().unwrap().id, lower);
    assert!(bench.editor.document().has_mask_content());
    bench.editor.set_mask_strength(lower, 0.25).unwrap();
    bench.editor.set_mask_strength(lower, 0.5).unwrap();
    let strength = |bench: &Bench| bench.editor.document().layer(lower).unwrap().strength;
    assert_eq!(strength(&bench), 0.5);
    bench.editor.undo();
    assert_eq!(strength(&bench), 1.0, "one step of a slider");
}

#[test]
fn a_second_transaction_is_refused_by_name() {
    let mut editor = DocumentEditor::new(start());
    editor.begin("Brush stroke").unwrap();
    let error = editor.invert_mask().unwrap_err().to_string();
    assert!(error.contains("Brush stroke"), "{error}");
    assert_eq!(*editor.document(), start());
    assert!(!editor.commit());
    assert_eq!(editor.history().undo_count(), 0);
}

#[test]
fn two_documents_never_share_a_revision() {
    let revision = || {
        let document = Document::blank([8, 8]).expect("a small size");
        document.revision()
    };
    assert_ne!(revision(), revision());
}

#[test]
fn a_file_written_late_holds_the_state_it_was_given() {
    let mut bench = bench();
    stroke(&mut bench, (20, 20), (60, 60));
    let written = bench.editor.save_point().expect("nothing is in progress");
    stroke(&mut bench, (60, 20), (20, 60));
    bench.editor.mark_saved(written);
    assert!(bench.editor.is_dirty(), "the second stroke is in no file");
    bench.editor.undo();
    assert!(!bench.editor.is_dirty());
    bench.editor.begin("Stroke").unwrap();
    assert_eq!(bench.editor.save_point(), None);
}

#[test]
fn what_was_erased_takes_no_memory() {
    let mut bench = bench();
    let mask_bytes = |bench: &Bench| {
        let mask = bench.editor.document().active_mask();
        mask.map_or(0, |layer| layer.content.size_bytes())
    };
    stroke(&mut bench, (20, 20), (60, 60));
    assert!(mask_bytes(&bench) > 0);
    let eraser = ToolId("eraser");
    bench.toolbox.select(eraser);
    for (id, value) in [("size", 400.0), ("hardness", 1.0)] {
        bench.toolbox.set_option(id, Value::Real(value));
    }
    bench.perform(&Deed::Stroke {
        tool: eraser,
        points: vec![(20, 20), (60, 60)],
        cancelled: false,
    });
    assert!(!bench.editor.document().has_mask_content());
    assert_eq!(mask_bytes(&bench), 0);
}

#[test]
fn a_layer_is_remembered_for_as_long_as_a_step_leads_to_it() {
    let image = RgbaImage::from_pixel(600, 600, image::Rgba([1, 2, 3, 255]));
    // Room for one such picture.
    let budget = 10 << 18;
    let mut editor = DocumentEditor::with_history_budget(start(), budget);
    let id = editor
        .place_picture("Generate", "Result", TileGrid::from_image(&image))
        .unwrap();
    editor.delete_layer(id).unwrap();
    assert!(editor.remembers_layer(id), "undo brings it back");
    for _ in 0..3 {
        let next = editor
            .place_picture("Generate", "Result", TileGrid::from_image(&image))
            .unwrap();
        editor.delete_layer(next).unwrap();
    }
    assert!(!editor.remembers_layer(id));
}

#[test]
fn an_untouched_canvas_keeps_its_name_when_it_changes_its_size() {
    let mut editor = DocumentEditor::new(Document::blank([64, 64]).unwrap());
    let (id, revision) = (editor.id(), editor.revision());
    editor.refit_blank([128, 32]).unwrap();
    assert_eq!((editor.id(), editor.document().size_px()), (id, [128, 32]));
    assert_ne!(editor.revision(), revision);
    assert!(!editor.is_dirty());
    assert_ne!(Document::blank([64, 64]).unwrap().id(), id);
    assert_eq!(editor.snapshot().id(), id);
}
