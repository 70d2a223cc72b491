use super::*;
use crate::document::DocumentEditor;
use crate::geometry::CanvasView;
use crate::tools::{Colours, FrameGuide, Modifiers, ToolId};

static INFO: ToolInfo = ToolInfo {
    id: ToolId("test"),
    label: "",
    icon: "",
    key: "",
    hint: "",
};

pub(super) struct Bench {
    pub tool: BrushTool,
    pub editor: DocumentEditor,
    view: CanvasView,
    pub colours: Colours,
}

impl Bench {
    pub fn new(mode: BrushMode, document: Document) -> Self {
        let mut tool = BrushTool::new(&INFO, mode);
        tool.settings.size_px = 10.0;
        tool.settings.hardness = 1.0;
        Self {
            tool,
            editor: DocumentEditor::new(document),
            view: CanvasView::default(),
            colours: Colours::default(),
        }
    }

    fn context(&mut self) -> (&mut BrushTool, ToolContext<'_>) {
        let context = ToolContext {
            editor: &mut self.editor,
            view: &mut self.view,
            frame: FrameGuide::default(),
            colours: &mut self.colours,
        };
        (&mut self.tool, context)
    }

    /// One frame's events.
    pub fn frame(&mut self, events: &[PointerEvent]) -> Result<(), ToolError> {
        let (tool, mut context) = self.context();
        let result = tool.handle(events, &mut context);
        self.editor.document().validate_invariants().unwrap();
        result
    }

    pub fn send(&mut self, event: PointerEvent) {
        self.frame(&[event]).unwrap();
    }

    fn at(&mut self, phase: PointerPhase, x: f32, y: f32) {
        self.send(event(phase, (x, y)));
    }

    pub fn stroke(&mut self, points: &[(f32, f32)]) {
        stroke(points)
            .into_iter()
            .for_each(|event| self.send(event));
    }

    fn mask(&self, x: i32, y: i32) -> u8 {
        let mask = self.editor.document().active_mask().unwrap();
        mask.mask().unwrap().pixel(x, y)
    }
}

pub(super) fn event(phase: PointerPhase, (x, y): (f32, f32)) -> PointerEvent {
    PointerEvent::new(phase, CanvasPoint::new(x, y))
}

/// The events of a whole stroke.
pub(super) fn stroke(points: &[(f32, f32)]) -> Vec<PointerEvent> {
    let [first, .., last] = points else {
        panic!("a stroke has two points")
    };
    let drags = points[1..]
        .iter()
        .map(|point| event(PointerPhase::Drag, *point));
    std::iter::once(event(PointerPhase::Press, *first))
        .chain(drags)
        .chain([event(PointerPhase::Release, *last)])
        .collect()
}

pub(super) fn blank() -> Document {
    Document::blank([400, 300]).unwrap()
}

fn picture() -> Document {
    let image = image::RgbaImage::from_pixel(64, 64, image::Rgba([200, 100, 0, 255]));
    Document::from_image("Picture", &image).unwrap()
}

#[test]
fn a_stroke_paints_the_mask_and_is_one_step() {
    let mut bench = Bench::new(BrushMode::Paint, blank());
    bench.stroke(&[(20.0, 20.0), (100.0, 20.0), (300.0, 20.0)]);
    for x in [20, 60, 150, 255, 256, 299] {
        assert_eq!(bench.mask(x, 20), 255, "at {x}");
    }
    assert_eq!(bench.mask(150, 30), 0);
    assert_eq!(bench.editor.history().undo_label(), Some("Brush stroke"));
    assert_eq!(bench.editor.history().undo_count(), 1);
    assert!(bench.editor.undo());
    assert!(!bench.editor.document().has_mask_content());
    assert!(bench.editor.redo());
    assert_eq!(bench.mask(150, 20), 255);
}

#[test]
fn a_click_paints_one_dab() {
    let mut bench = Bench::new(BrushMode::Paint, blank());
    bench.at(PointerPhase::Press, 50.5, 50.5);
    bench.at(PointerPhase::Release, 50.5, 50.5);
    assert_eq!(bench.editor.history().undo_count(), 1);
    assert_eq!(bench.mask(50, 50), 255);
    assert_eq!(bench.mask(50, 57), 0);
}

#[test]
fn opacity_does_not_build_up_within_a_stroke_but_does_between_strokes() {
    let mut bench = Bench::new(BrushMode::Paint, blank());
    bench.tool.settings.opacity = 0.5;
    bench.stroke(&[(20.0, 20.0), (100.0, 20.0), (20.0, 20.0), (100.0, 20.0)]);
    assert_eq!(bench.mask(60, 20), 128);
    bench.stroke(&[(20.0, 20.0), (100.0, 20.0)]);
    assert_eq!(bench.mask(60, 20), 192);
}

#[test]
fn escape_takes_the_stroke_back() {
    let mut bench = Bench::new(BrushMode::Paint, blank());
    bench.at(PointerPhase::Press, 20.0, 20.0);
    bench.at(PointerPhase::Drag, 80.0, 20.0);
    assert!(bench.tool.is_active() && bench.editor.is_dirty());
    let (tool, mut context) = bench.context();
    tool.cancel(&mut context);
    assert!(!bench.tool.is_active() && !bench.editor.is_dirty());
    assert_eq!(*bench.editor.document(), blank());
    bench.at(PointerPhase::Drag, 90.0, 20.0);
    bench.at(PointerPhase::Release, 90.0, 20.0);
    assert_eq!(*bench.editor.document(), blank());
    assert_eq!(bench.editor.history().undo_count(), 0);
}

#[test]
fn undo_during_a_stroke_ends_it_cleanly() {
    let mut bench = Bench::new(BrushMode::Paint, blank());
    bench.at(PointerPhase::Press, 20.0, 20.0);
    assert!(bench.editor.undo());
    bench.at(PointerPhase::Drag, 90.0, 20.0);
    bench.at(PointerPhase::Release, 90.0, 20.0);
    assert!(!bench.tool.is_active() && !bench.editor.is_busy());
}

#[test]
fn the_eraser_and_ctrl_take_away() {
    let mut bench = Bench::new(BrushMode::Erase, blank());
    bench.editor.fill_mask().unwrap();
    bench.stroke(&[(20.0, 20.0), (100.0, 20.0)]);
    assert_eq!(bench.mask(60, 20), 0);
    assert_eq!(bench.mask(60, 60), 255);
    let mut event = PointerEvent::new(PointerPhase::Press, CanvasPoint::new(60.0, 20.0));
    event.modifiers = Modifiers {
        command: true,
        ..Modifiers::default()
    };
    bench.send(event);
    bench.at(PointerPhase::Release, 60.0, 20.0);
    assert_eq!(bench.mask(60, 20), 255);
}

#[test]
fn shift_draws_a_straight_line_from_the_last_stroke() {
    let mut bench = Bench::new(BrushMode::Paint, blank());
    bench.at(PointerPhase::Press, 20.0, 20.0);
    bench.at(PointerPhase::Release, 20.0, 20.0);
    let mut event = PointerEvent::new(PointerPhase::Press, CanvasPoint::new(220.0, 220.0));
    event.modifiers.shift = true;
    bench.send(event);
    bench.at(PointerPhase::Release, 220.0, 220.0);
    assert_eq!(bench.mask(120, 120), 255);
    assert_eq!(bench.mask(140, 120), 0);
}

#[test]
fn pressure_narrows_the_stroke() {
    let mut bench = Bench::new(BrushMode::Paint, blank());
    for (phase, x) in [
        (PointerPhase::Press, 20.0),
        (PointerPhase::Drag, 200.0),
        (PointerPhase::Release, 200.0),
    ] {
        let mut event = PointerEvent::new(phase, CanvasPoint::new(x, 50.0));
        event.pressure = Some(0.4);
        bench.send(event);
    }
    assert_eq!(bench.mask(100, 50), 255);
    assert_eq!(bench.mask(100, 53), 0);
}

#[test]
fn on_a_picture_layer_the_mask_is_painted_and_selected_and_the_picture_stays() {
    for mode in [BrushMode::Paint, BrushMode::Erase] {
        let mut bench = Bench::new(mode, picture());
        let before = bench.editor.document().composite();
        let layers = bench.editor.document().layers();
        let (picture, mask) = (layers[0].id, layers[1].id);
        if mode == BrushMode::Erase {
            bench.editor.fill_mask().unwrap();
        }
        bench.editor.select_layer(picture).unwrap();
        let told = bench.tool.target(bench.editor.document());
        assert_eq!(told, Ok(Target::Layer(mask)));
        bench.stroke(&[(10.0, 10.0), (50.0, 10.0)]);
        let document = bench.editor.document();
        assert_eq!(document.composite(), before);
        let painted = if mode == BrushMode::Paint { 255 } else { 0 };
        assert_eq!(bench.mask(30, 10), painted);
        assert_eq!(bench.mask(30, 50), 255 - painted);
        assert_eq!(document.selected_layer().map(|layer| layer.id), Some(mask));
    }
}

#[test]
fn what_was_erased_takes_no_memory() {
    let mut bench = Bench::new(BrushMode::Paint, blank());
    bench.stroke(&[(20.0, 20.0), (100.0, 20.0)]);
    let size_bytes = |bench: &Bench| {
        let mask = bench.editor.document().active_mask().unwrap();
        mask.mask().unwrap().size_bytes()
    };
    assert!(size_bytes(&bench) > 0);
    bench.tool = BrushTool::new(&INFO, BrushMode::Erase);
    bench.tool.settings.size_px = 40.0;
    bench.tool.settings.hardness = 1.0;
    bench.stroke(&[(10.0, 20.0), (120.0, 20.0)]);
    assert_eq!(size_bytes(&bench), 0);
    bench.editor.undo();
    assert_eq!(bench.mask(60, 20), 255);
}

#[test]
fn a_frame_paints_each_tile_once_and_as_many_frames_would() {
    let points: Vec<(f32, f32)> = (0..40)
        .map(|step| {
            (
                20.0 + step as f32 * 5.0,
                100.0 + (step as f32 * 0.4).sin() * 60.0,
            )
        })
        .collect();
    let mut slow = Bench::new(BrushMode::Paint, blank());
    let start = slow.editor.revision();
    slow.frame(&stroke(&points)).unwrap();
    let mut quick = Bench::new(BrushMode::Paint, blank());
    quick.stroke(&points);
    let pixels = |bench: &Bench| bench.editor.document().mask_coverage().unwrap();
    assert_eq!(pixels(&slow), pixels(&quick));
    assert_eq!(slow.editor.history().undo_count(), 1);
    assert_ne!(slow.editor.revision(), start);
}

#[test]
fn a_straight_line_is_shown_before_it_is_drawn() {
    let mut bench = Bench::new(BrushMode::Paint, blank());
    bench.stroke(&[(20.0, 20.0), (40.0, 20.0)]);
    let mut hover = event(PointerPhase::Hover, (90.0, 70.0));
    bench.send(hover);
    assert!(
        bench
            .tool
            .overlay(bench.editor.document())
            .shapes
            .is_empty()
    );
    hover.modifiers.shift = true;
    bench.send(hover);
    let (from, to) = (CanvasPoint::new(40.0, 20.0), hover.position);
    let shapes = bench.tool.overlay(bench.editor.document()).shapes;
    assert_eq!(shapes, [OverlayShape::Line { from, to }]);
    hover.modifiers.shift = false;
    bench.send(hover);
    assert!(
        bench
            .tool
            .overlay(bench.editor.document())
            .shapes
            .is_empty()
    );
}

#[test]
fn without_a_mask_the_first_stroke_makes_one_in_the_same_step() {
    let mut bench = Bench::new(BrushMode::Paint, blank());
    let mask = bench.editor.document().active_mask().unwrap().id;
    bench.editor.delete_layer(mask).unwrap();
    bench.stroke(&[(10.0, 10.0), (50.0, 10.0)]);
    assert_eq!(bench.mask(30, 10), 255);
    bench.editor.undo();
    assert!(bench.editor.document().layers().is_empty());
}

#[test]
fn a_hidden_layer_is_not_painted_on() {
    let mut bench = Bench::new(BrushMode::Paint, blank());
    let mask = bench.editor.document().active_mask().unwrap().id;
    bench.editor.set_layer_visible(mask, false).unwrap();
    let told = bench.tool.target(bench.editor.document());
    assert!(matches!(told, Err(ToolError::HiddenLayer(_))));
    let error = bench.frame(&[event(PointerPhase::Press, (10.0, 10.0))]);
    assert_eq!(error.map(|()| Target::View), told);
    assert!(!bench.tool.is_active() && !bench.editor.is_busy());
}

#[test]
fn the_eraser_says_that_there_is_no_mask() {
    let mut bench = Bench::new(BrushMode::Erase, blank());
    let mask = bench.editor.document().active_mask().unwrap().id;
    bench.editor.delete_layer(mask).unwrap();
    let error = bench.frame(&[event(PointerPhase::Press, (10.0, 10.0))]);
    assert_eq!(error, Err(DocumentError::NoMask.into()));
    assert!(!bench.editor.is_busy());
}
