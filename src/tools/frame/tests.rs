#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

use proptest::prelude::{Strategy, prop, proptest};

use super::*;
use crate::document::MAX_SIDE_PX;
use crate::geometry::CanvasView;
use crate::tools::Colours;
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
const SHIFT: Modifiers = Modifiers {
    shift: true,
    ..NONE
};

const MULTIPLE_PX: u32 = 8;

struct Bench {
    tool: FrameTool,
    editor: DocumentEditor,
    view: CanvasView,
    colours: Colours,
}

impl Bench {
    fn new() -> Self {
        Self {
            tool: FrameTool::default(),
            editor: DocumentEditor::new(Document::blank([320, 240]).unwrap()),
            view: CanvasView::default(),
            colours: Colours::default(),
        }
    }

    fn context(&mut self) -> (&mut FrameTool, ToolContext<'_>) {
        let document = self.editor.document();
        let rect = match document.frame() {
            FrameChoice::Fixed(rect) => rect,
            _ => document.rect(),
        };
        let context = ToolContext {
            editor: &mut self.editor,
            view: &mut self.view,
            frame: FrameGuide {
                rect,
                multiple_px: MULTIPLE_PX,
            },
            colours: &mut self.colours,
        };
        (&mut self.tool, context)
    }

    fn send(&mut self, phase: PointerPhase, (x, y): (f32, f32), modifiers: Modifiers) {
        let event = PointerEvent {
            modifiers,
            ..PointerEvent::new(phase, CanvasPoint::new(x, y))
        };
        let (tool, mut context) = self.context();
        tool.handle(&[event], &mut context).unwrap();
    }

    /// A drag whose modifiers are those at the press, then others.
    fn drag(&mut self, from: (f32, f32), to: (f32, f32), [first, then]: [Modifiers; 2]) {
        self.send(PointerPhase::Press, from, first);
        self.send(PointerPhase::Drag, from, first);
        self.send(PointerPhase::Drag, to, then);
        self.send(PointerPhase::Release, to, then);
        assert!(!self.editor.is_busy());
    }

    fn frame(&self) -> [i32; 4] {
        match self.editor.document().frame() {
            FrameChoice::Fixed(rect) => [rect.min[0], rect.min[1], rect.max[0], rect.max[1]],
            other => panic!("{other:?}"),
        }
    }

    fn steps(&self) -> usize {
        self.editor.history().undo_count()
    }
}

#[test]
fn a_frame_is_drawn_on_the_grid_and_each_gesture_is_a_step() {
    let mut bench = Bench::new();
    bench.drag((50.0, 33.0), (147.0, 141.0), [NONE; 2]);
    assert_eq!(bench.frame(), [48, 32, 144, 144]);
    bench.drag((90.0, 90.0), (101.0, 95.0), [NONE; 2]);
    assert_eq!(bench.frame(), [56, 40, 152, 152]);
    bench.drag((152.0, 152.0), (190.0, 170.0), [NONE, CTRL]);
    assert_eq!(bench.frame(), [56, 40, 190, 170]);
    // An edge far from its handle.
    bench.drag((56.0, 60.0), (31.0, 200.0), [NONE, CTRL]);
    assert_eq!(bench.frame(), [31, 40, 190, 170]);
    assert_eq!(bench.steps(), 4);
    assert_eq!(bench.editor.history().undo_label(), Some("Resize frame"));
    let frame = bench.frame();
    while bench.editor.undo() {}
    assert_eq!(bench.editor.document().frame(), FrameChoice::Automatic);
    while bench.editor.redo() {}
    assert_eq!(bench.frame(), frame);
}

#[test]
fn a_frame_reaches_over_the_edge_and_snaps_to_it() {
    let mut bench = Bench::new();
    bench.drag((200.0, 100.0), (296.0, 200.0), [NONE; 2]);
    bench.drag((250.0, 150.0), (330.0, 160.0), [NONE, CTRL]);
    assert_eq!(bench.frame(), [280, 114, 376, 210]);
    bench.send(PointerPhase::Press, (300.0, 150.0), NONE);
    bench.send(PointerPhase::Drag, (243.0, 150.0), NONE);
    let overlay = bench.tool.overlay(bench.editor.document());
    let is_at_edge =
        |shape: &OverlayShape| matches!(shape, OverlayShape::Guide { from, .. } if from.x == 320.0);
    assert!(
        overlay.shapes.iter().any(is_at_edge),
        "{:?}",
        overlay.shapes
    );
    bench.send(PointerPhase::Release, (243.0, 150.0), NONE);
    assert_eq!(bench.frame()[2], 320);
}

#[test]
fn shift_keeps_the_ratio_and_escape_lets_go() {
    let mut bench = Bench::new();
    bench.drag((40.0, 40.0), (104.0, 72.0), [NONE; 2]);
    bench.drag((104.0, 72.0), (168.0, 80.0), [NONE, SHIFT]);
    assert_eq!(bench.frame(), [40, 40, 168, 104]);
    let (before, steps) = (bench.frame(), bench.steps());
    bench.send(PointerPhase::Press, (80.0, 60.0), NONE);
    bench.send(PointerPhase::Drag, (120.0, 90.0), NONE);
    assert_ne!(bench.frame(), before);
    let (tool, mut context) = bench.context();
    tool.cancel(&mut context);
    assert!(!bench.tool.is_active());
    assert_eq!((bench.frame(), bench.steps()), (before, steps));
    // A click changes nothing.
    bench.drag((300.0, 200.0), (301.0, 200.0), [NONE; 2]);
    assert_eq!((bench.frame(), bench.steps()), (before, steps));
}

fn place() -> impl Strategy<Value = (f32, f32)> {
    (-300.0..700.0f32, -300.0..700.0f32)
}

fn modifiers() -> impl Strategy<Value = Modifiers> {
    (prop::bool::ANY, prop::bool::ANY, prop::bool::ANY).prop_map(|(shift, command, alt)| {
        Modifiers {
            shift,
            command,
            alt,
        }
    })
}

proptest! {
    #[test]
    fn whatever_hands_do_the_frame_is_one_that_can_be_painted(
        drags in prop::collection::vec((place(), place(), modifiers(), modifiers(), prop::bool::ANY), 1..12),
    ) {
        let mut bench = Bench::new();
        let mut frames = vec![bench.editor.document().frame()];
        for (from, to, first, then, is_kept) in drags {
            let before = bench.editor.document().frame();
            if is_kept {
                bench.drag(from, to, [first, then]);
            } else {
                bench.send(PointerPhase::Press, from, first);
                bench.send(PointerPhase::Drag, to, then);
                let (tool, mut context) = bench.context();
                tool.cancel(&mut context);
                assert_eq!(bench.editor.document().frame(), before);
            }
            let now = bench.editor.document().frame();
            if let FrameChoice::Fixed(rect) = now {
                let whole = rect.union(&bench.editor.document().rect());
                assert!(rect.size_px().iter().all(|side| *side >= MULTIPLE_PX));
                assert!(whole.size_px().iter().all(|side| *side <= MAX_SIDE_PX));
            }
            if now != before {
                frames.push(now);
            }
        }
        assert_eq!(bench.steps(), frames.len() - 1);
        for frame in frames.iter().rev().skip(1) {
            bench.editor.undo();
            assert_eq!(bench.editor.document().frame(), *frame);
        }
        for frame in frames.iter().skip(1) {
            bench.editor.redo();
            assert_eq!(bench.editor.document().frame(), *frame);
        }
    }
}
