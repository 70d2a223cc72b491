#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

use super::*;
use crate::geometry::CanvasView;
use crate::tools::FrameGuide;
use crate::tools::event::Modifiers;

const NONE: Modifiers = Modifiers {
    shift: false,
    command: false,
    alt: false,
};
const CTRL: Modifiers = Modifiers {
    command: true,
    ..NONE
};
const ALT: Modifiers = Modifiers { alt: true, ..NONE };
const SHIFT: Modifiers = Modifiers {
    shift: true,
    ..NONE
};

struct Bench {
    tool: BoxTool,
    editor: DocumentEditor,
    view: CanvasView,
}

impl Bench {
    fn new() -> Self {
        Self {
            tool: BoxTool::default(),
            editor: DocumentEditor::new(Document::blank([120, 90]).unwrap()),
            view: CanvasView::default(),
        }
    }

    fn send(&mut self, phase: PointerPhase, (x, y): (f32, f32), modifiers: Modifiers) {
        let event = PointerEvent {
            modifiers,
            ..PointerEvent::new(phase, CanvasPoint::new(x, y))
        };
        let mut context = ToolContext {
            editor: &mut self.editor,
            view: &mut self.view,
            frame: FrameGuide::default(),
            colours: &mut crate::tools::Colours::default(),
        };
        self.tool.handle(&[event], &mut context).unwrap();
        self.editor.document().validate_invariants().unwrap();
    }

    /// A drag whose modifiers are those at the press, then others.
    fn drag(&mut self, from: (f32, f32), to: (f32, f32), [first, then]: [Modifiers; 2]) {
        self.send(PointerPhase::Press, from, first);
        self.send(PointerPhase::Drag, from, first);
        self.send(PointerPhase::Drag, to, then);
        self.send(PointerPhase::Release, to, then);
        assert!(!self.editor.is_busy());
    }

    /// Draws without snapping.
    fn draw(&mut self, from: (f32, f32), to: (f32, f32)) {
        self.send(PointerPhase::Press, from, CTRL);
        self.send(PointerPhase::Drag, from, NONE);
        self.send(PointerPhase::Drag, to, CTRL);
        self.send(PointerPhase::Release, to, CTRL);
    }

    fn click(&mut self, at: (f32, f32), modifiers: Modifiers) {
        self.send(PointerPhase::Press, at, modifiers);
        self.send(PointerPhase::Release, at, modifiers);
    }

    fn boxes(&self) -> Vec<[f32; 4]> {
        let boxes = boxes_of(self.editor.document()).0.iter();
        boxes
            .map(|b| [b.min.x, b.min.y, b.max.x, b.max.y])
            .collect()
    }

    fn chosen(&self) -> Vec<usize> {
        self.editor.document().selected_boxes().to_vec()
    }

    fn steps(&self) -> usize {
        self.editor.history().undo_count()
    }
}

#[test]
fn the_first_box_makes_its_layer_in_the_same_step_and_asks_for_a_class() {
    let mut bench = Bench::new();
    let start = bench.editor.document().clone();
    bench.drag((13.2, 14.7), (51.4, 70.3), [NONE; 2]);
    assert_eq!(bench.boxes(), [[13.0, 15.0, 51.0, 70.0]]);
    assert_eq!(bench.tool.take_wish(), Some(Wish::NameBoxes));
    assert_eq!(bench.tool.take_wish(), None);
    assert_eq!((bench.steps(), bench.chosen()), (1, vec![0]));
    bench.editor.undo();
    assert_eq!(bench.editor.document(), &start);
    // A click draws nothing and leaves no layer.
    bench.click((20.0, 20.0), NONE);
    assert_eq!(bench.editor.document(), &start);
    assert_eq!(bench.editor.history().redo_count(), 1);
}

#[test]
fn clicks_pick_the_smallest_and_then_the_next() {
    let mut bench = Bench::new();
    bench.draw((5.0, 5.0), (100.0, 80.0));
    bench.draw((22.0, 21.0), (51.0, 52.0));
    bench.draw((17.0, 16.0), (70.0, 70.0));
    let steps = bench.steps();
    let mut picked = Vec::new();
    bench.click((110.0, 85.0), NONE);
    assert!(bench.chosen().is_empty());
    for _ in 0..4 {
        bench.click((35.0, 40.0), NONE);
        picked.extend(bench.chosen());
    }
    assert_eq!(picked, [1, 2, 0, 1]);
    bench.click((10.0, 30.0), SHIFT);
    assert_eq!(bench.chosen(), [0, 1]);
    assert_eq!(bench.steps(), steps, "picking is no step");
}

#[test]
fn the_chosen_box_is_dragged_though_a_smaller_one_lies_on_it() {
    let mut bench = Bench::new();
    bench.draw((5.0, 5.0), (100.0, 80.0));
    bench.draw((22.0, 21.0), (51.0, 52.0));
    bench.click((80.0, 70.0), NONE);
    bench.drag((35.0, 40.0), (41.0, 47.0), [CTRL, NONE]);
    assert_eq!(bench.boxes().len(), 3, "Ctrl at the press draws on top");
    bench.editor.undo();
    bench.click((80.0, 70.0), NONE);
    bench.drag((35.0, 40.0), (41.0, 47.0), [NONE, CTRL]);
    assert_eq!(bench.boxes()[0], [11.0, 12.0, 106.0, 87.0]);
    assert_eq!(bench.editor.history().undo_label(), Some("Move box"));
}

#[test]
fn alt_at_the_press_copies() {
    let mut bench = Bench::new();
    bench.draw((20.0, 20.0), (41.0, 41.0));
    bench.drag((33.0, 31.0), (63.0, 43.0), [ALT, CTRL]);
    assert_eq!(
        bench.boxes(),
        [[20.0, 20.0, 41.0, 41.0], [50.0, 32.0, 71.0, 53.0]]
    );
    assert_eq!(bench.chosen(), [1]);
    bench.editor.undo();
    assert_eq!(bench.boxes().len(), 1);
}

#[test]
fn boxes_snap_unless_control_is_pressed_on_the_way() {
    let mut bench = Bench::new();
    bench.draw((20.0, 10.0), (31.0, 21.0));
    // The right edge comes near a third of the picture, 40.
    bench.drag((25.0, 15.0), (32.0, 15.0), [NONE; 2]);
    assert_eq!(bench.boxes()[0], [29.0, 10.0, 40.0, 21.0]);
    bench.editor.undo();
    bench.drag((25.0, 15.0), (32.0, 15.0), [NONE, CTRL]);
    assert_eq!(bench.boxes()[0], [27.0, 10.0, 38.0, 21.0]);
    bench.editor.undo();
    bench.send(PointerPhase::Press, (25.0, 15.0), NONE);
    bench.send(PointerPhase::Drag, (32.0, 15.0), NONE);
    let overlay = bench.tool.overlay(bench.editor.document());
    let guides = overlay.shapes.iter();
    let guides: Vec<_> = guides
        .filter(|shape| matches!(shape, OverlayShape::Guide { .. }))
        .collect();
    assert!(
        guides.contains(&&OverlayShape::Guide {
            from: CanvasPoint::new(40.0, 0.0),
            to: CanvasPoint::new(40.0, 90.0)
        }),
        "{guides:?}"
    );
}

#[test]
fn handles_and_edges_pull_and_escape_lets_go() {
    let mut bench = Bench::new();
    bench.draw((22.0, 22.0), (53.0, 55.0));
    bench.drag((53.0, 55.0), (63.0, 65.0), [NONE, CTRL]);
    assert_eq!(bench.boxes()[0], [22.0, 22.0, 63.0, 65.0]);
    // An edge far from its handle.
    bench.drag((22.0, 30.0), (12.0, 80.0), [NONE, CTRL]);
    assert_eq!(bench.boxes()[0], [12.0, 22.0, 63.0, 65.0]);
    assert_eq!(bench.editor.history().undo_label(), Some("Resize box"));
    let before = bench.editor.document().clone();
    let steps = bench.steps();
    bench.send(PointerPhase::Press, (12.0, 30.0), NONE);
    bench.send(PointerPhase::Drag, (2.0, 80.0), NONE);
    assert_ne!(bench.editor.document(), &before);
    let mut context = ToolContext {
        editor: &mut bench.editor,
        view: &mut bench.view,
        frame: FrameGuide::default(),
        colours: &mut crate::tools::Colours::default(),
    };
    bench.tool.cancel(&mut context);
    assert_eq!(bench.editor.document(), &before);
    assert_eq!((bench.steps(), bench.chosen()), (steps, vec![0]));
    assert!(!bench.tool.is_active());
}

#[test]
fn an_aborted_first_box_leaves_the_layer_that_was_chosen() {
    let mut bench = Bench::new();
    let mask = bench.editor.document().selected_layer().unwrap().id;
    bench.editor.add_layer(LayerKind::Raster).unwrap();
    bench.editor.select_layer(mask).unwrap();
    bench.send(PointerPhase::Press, (10.0, 10.0), NONE);
    bench.send(PointerPhase::Drag, (40.0, 40.0), NONE);
    assert_eq!(bench.boxes().len(), 1);
    let mut context = ToolContext {
        editor: &mut bench.editor,
        view: &mut bench.view,
        frame: FrameGuide::default(),
        colours: &mut crate::tools::Colours::default(),
    };
    bench.tool.cancel(&mut context);
    assert_eq!(bench.editor.document().selected_layer().unwrap().id, mask);
    assert!(bench.editor.document().active_layout().is_none());
}

#[test]
fn what_reaches_over_the_edge_says_so() {
    let mut bench = Bench::new();
    bench.send(PointerPhase::Press, (100.0, 60.0), NONE);
    bench.send(PointerPhase::Drag, (133.0, 75.0), NONE);
    let overlay = bench.tool.overlay(bench.editor.document());
    let note = overlay.shapes.iter().find_map(|shape| match shape {
        OverlayShape::Note { text, .. } => Some(text.clone()),
        _ => None,
    });
    assert_eq!(note.as_deref(), Some("33 × 15, reaches over the edge"));
    bench.send(PointerPhase::Release, (133.0, 75.0), NONE);
    assert_eq!(bench.boxes(), [[100.0, 60.0, 133.0, 75.0]]);
}

#[test]
fn a_locked_box_is_drawn_over_and_a_hidden_layer_refuses() {
    let mut bench = Bench::new();
    bench.draw((20.0, 20.0), (61.0, 61.0));
    bench
        .editor
        .adjust_boxes("Lock box", |found| found.is_locked = true)
        .unwrap();
    bench.drag((31.0, 31.0), (49.0, 50.0), [NONE, CTRL]);
    assert_eq!(bench.boxes().len(), 2);
    let layer = bench.editor.document().active_layout().unwrap().id;
    bench.editor.set_layer_visible(layer, false).unwrap();
    let target = bench.tool.target(bench.editor.document());
    assert!(
        matches!(target, Err(ToolError::HiddenLayer(_))),
        "{target:?}"
    );
}

#[test]
fn a_double_click_names_the_box() {
    let mut bench = Bench::new();
    bench.draw((20.0, 20.0), (61.0, 61.0));
    bench.tool.take_wish();
    bench.click((40.0, 40.0), NONE);
    assert_eq!(bench.tool.take_wish(), None);
    bench.send(PointerPhase::Press, (40.0, 40.0), NONE);
    let release = PointerEvent {
        is_double_click: true,
        ..PointerEvent::new(PointerPhase::Release, CanvasPoint::new(40.0, 40.0))
    };
    let mut context = ToolContext {
        editor: &mut bench.editor,
        view: &mut bench.view,
        frame: FrameGuide::default(),
        colours: &mut crate::tools::Colours::default(),
    };
    bench.tool.handle(&[release], &mut context).unwrap();
    assert_eq!(bench.tool.take_wish(), Some(Wish::NameBoxes));
}
