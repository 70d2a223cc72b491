use super::*;
use crate::document::Document;
use crate::geometry::CanvasView;
use crate::tools::Modifiers;

struct Bench {
    tool: BrushTool,
    editor: DocumentEditor,
    view: CanvasView,
    settings: ToolSettings,
}

impl Bench {
    fn new(mode: BrushMode, document: Document) -> Self {
        let hard = BrushSettings {
            size_px: 10.0,
            hardness: 1.0,
            ..BrushSettings::default()
        };
        let settings = ToolSettings {
            brush: hard,
            eraser: hard,
            ..ToolSettings::default()
        };
        Self {
            tool: BrushTool::new(mode),
            editor: DocumentEditor::new(document),
            view: CanvasView::default(),
            settings,
        }
    }

    fn send(&mut self, event: &PointerEvent) -> Result<ToolResponse, ToolError> {
        let settings = self.settings;
        let mut context = ToolContext {
            editor: &mut self.editor,
            view: &mut self.view,
            settings: &settings,
        };
        let response = self.tool.handle(event, &mut context);
        self.editor.document().validate_invariants().unwrap();
        response
    }

    fn at(&mut self, phase: PointerPhase, x: f32, y: f32) -> ToolResponse {
        self.send(&PointerEvent::new(phase, CanvasPoint::new(x, y)))
            .unwrap()
    }

    fn stroke(&mut self, points: &[(f32, f32)]) -> ToolResponse {
        let [first, .., last] = points else {
            panic!("a stroke has two points")
        };
        self.at(PointerPhase::Press, first.0, first.1);
        for point in &points[1..] {
            self.at(PointerPhase::Drag, point.0, point.1);
        }
        self.at(PointerPhase::Release, last.0, last.1)
    }

    fn mask(&self, x: i32, y: i32) -> u8 {
        self.editor
            .document()
            .active_mask()
            .unwrap()
            .mask()
            .unwrap()
            .pixel(x, y)
    }
}

fn blank() -> Document {
    Document::blank([400, 300]).unwrap()
}

#[test]
fn a_stroke_paints_the_mask_and_is_one_step() {
    let mut bench = Bench::new(BrushMode::Paint, blank());
    let response = bench.stroke(&[(20.0, 20.0), (100.0, 20.0), (300.0, 20.0)]);
    assert!(response.committed);
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
    let response = bench.at(PointerPhase::Release, 50.5, 50.5);
    assert!(response.committed);
    assert_eq!(bench.mask(50, 50), 255);
    assert_eq!(bench.mask(50, 57), 0);
}

#[test]
fn opacity_does_not_build_up_within_a_stroke_but_does_between_strokes() {
    let mut bench = Bench::new(BrushMode::Paint, blank());
    bench.settings.brush.opacity = 0.5;
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
    let settings = bench.settings;
    let mut context = ToolContext {
        editor: &mut bench.editor,
        view: &mut bench.view,
        settings: &settings,
    };
    let response = bench.tool.cancel(&mut context);
    assert!(!response.dirty.is_empty());
    assert!(!bench.tool.is_active() && !bench.editor.is_dirty());
    assert_eq!(*bench.editor.document(), blank());
    assert_eq!(
        bench.at(PointerPhase::Drag, 90.0, 20.0),
        ToolResponse::default()
    );
    assert_eq!(
        bench.at(PointerPhase::Release, 90.0, 20.0),
        ToolResponse::default()
    );
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
    bench.send(&event).unwrap();
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
    bench.send(&event).unwrap();
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
        bench.send(&event).unwrap();
    }
    assert_eq!(bench.mask(100, 50), 255);
    assert_eq!(bench.mask(100, 53), 0);
}

#[test]
fn colour_goes_on_picture_layers_and_the_eraser_makes_them_clear() {
    let image = image::RgbaImage::from_pixel(64, 64, image::Rgba([200, 100, 0, 255]));
    let mut bench = Bench::new(
        BrushMode::Paint,
        Document::from_image("Picture", &image).unwrap(),
    );
    let picture = bench.editor.document().layers()[0].id;
    bench.editor.select_layer(picture).unwrap();
    bench.settings.foreground = [1, 2, 3];
    bench.stroke(&[(10.0, 10.0), (50.0, 10.0)]);
    assert_eq!(
        bench.editor.document().composite().get_pixel(30, 10).0,
        [1, 2, 3, 255]
    );
    bench.tool = BrushTool::new(BrushMode::Erase);
    bench.stroke(&[(10.0, 30.0), (50.0, 30.0)]);
    assert_eq!(
        bench.editor.document().composite().get_pixel(30, 30).0,
        [0; 4]
    );
    assert_eq!(
        bench.editor.document().composite().get_pixel(30, 50).0,
        [200, 100, 0, 255]
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
    let event = PointerEvent::new(PointerPhase::Press, CanvasPoint::new(10.0, 10.0));
    let error = bench.send(&event).unwrap_err();
    assert!(matches!(error, ToolError::HiddenLayer(_)));
    assert!(!bench.tool.is_active() && !bench.editor.is_busy());
}

/// Not a benchmark, only a guard against work that grows with the document.
#[test]
fn a_large_brush_on_a_large_document_is_quick() {
    let mut bench = Bench::new(BrushMode::Paint, Document::blank([2048, 2048]).unwrap());
    bench.settings.brush = BrushSettings {
        size_px: 200.0,
        hardness: 0.3,
        ..bench.settings.brush
    };
    let settings = bench.settings;
    let mut events = vec![PointerEvent::new(
        PointerPhase::Press,
        CanvasPoint::new(200.0, 200.0),
    )];
    for step in 1..200 {
        let angle = step as f32 * 0.05;
        let position = CanvasPoint::new(1000.0 + 700.0 * angle.cos(), 1000.0 + 700.0 * angle.sin());
        events.push(PointerEvent::new(PointerPhase::Drag, position));
    }
    let started = std::time::Instant::now();
    for event in &events {
        let mut context = ToolContext {
            editor: &mut bench.editor,
            view: &mut bench.view,
            settings: &settings,
        };
        bench.tool.handle(event, &mut context).unwrap();
    }
    let per_event = started.elapsed() / events.len() as u32;
    println!("200 px brush on 2048²: {per_event:?} per event");
    let limit = if cfg!(debug_assertions) { 200 } else { 10 };
    assert!(per_event.as_millis() < limit, "{per_event:?} per event");
}
