//! The canvas with a real document and real tools, drawn by a real renderer.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

use std::sync::Arc;

use egui::{Event, Key, Modifiers, MouseWheelUnit, PointerButton, Pos2, pos2, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use image::{GrayImage, Luma, Rgba, RgbaImage};
use velatura::app::{Command, CommandSink};
use velatura::document::{Document, DocumentEditor, LayerKind, TileGrid};
use velatura::geometry::{CanvasPoint, CanvasRect, CanvasView, UiPoint, Viewport};
use velatura::gpu::{CanvasLimits, LiveFrame, LivePicture, wgpu_configuration};
use velatura::recipe::param::Value;
use velatura::tools::Toolbox;
use velatura::ui::canvas::{CanvasInput, CanvasUi};

const SIZE: [f32; 2] = [640.0, 480.0];

/// The least program around a canvas.
struct Bench {
    canvas: CanvasUi,
    editor: DocumentEditor,
    toolbox: Toolbox,
    view: CanvasView,
    live: Option<LiveFrame>,
    is_mask_outlined: bool,
    text: String,
    shows_text_field: bool,
    shows_button: bool,
}

impl Bench {
    fn dispatch(&mut self, command: Command) {
        match command {
            Command::Pointer(events) => {
                self.toolbox
                    .handle(&events, &mut self.editor, &mut self.view)
                    .expect("painted");
            }
            Command::CancelGesture => {
                self.toolbox.cancel(&mut self.editor, &mut self.view);
            }
            Command::SetView(view) => self.view = view,
            other => panic!("no command of a canvas: {other:?}"),
        }
    }

    fn mask(&self, x: i32, y: i32) -> u8 {
        self.editor
            .document()
            .active_mask()
            .and_then(|layer| layer.mask())
            .unwrap()
            .pixel(x, y)
    }
}

impl eframe::App for Bench {
    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        if self.shows_text_field {
            egui::Panel::top("text").show(ui, |ui| {
                let label = ui.label("Prompt");
                let field = ui
                    .text_edit_singleline(&mut self.text)
                    .labelled_by(label.id);
                field.request_focus();
            });
        }
        egui::CentralPanel::default()
            .frame(egui::Frame::NONE)
            .show(ui, |ui| {
                let input = CanvasInput {
                    document: self.editor.document(),
                    view: self.view,
                    overlay: self.toolbox.overlay(self.editor.document()),
                    is_tool_blocked: false,
                    is_gesture_active: self.toolbox.is_active(),
                    live: self.live.clone(),
                    is_mask_outlined: self.is_mask_outlined,
                    boxes: None,
                    classes: Default::default(),
                    frame: None,
                };
                let mut commands = CommandSink::default();
                self.canvas.show(ui, &input, &mut commands);
                for command in commands.drain() {
                    self.dispatch(command);
                }
                if self.shows_button {
                    let place = egui::Rect::from_center_size(pos2(320.0, 240.0), vec2(80.0, 30.0));
                    let _ = ui.put(place, egui::Button::new("Above"));
                }
            });
    }
}

fn picture(side: u32) -> RgbaImage {
    RgbaImage::from_fn(side, side, |x, y| {
        Rgba([(x * 255 / side) as u8, (y * 255 / side) as u8, 40, 255])
    })
}

fn harness(document: Document) -> Harness<'static, Bench> {
    let mut harness = Harness::builder()
        .with_size(SIZE)
        .wgpu_setup(wgpu_configuration().wgpu_setup)
        .build_eframe(|context| {
            let mut toolbox = Toolbox::default();
            toolbox.set_option("size", Value::Real(10.0));
            toolbox.set_option("hardness", Value::Real(1.0));
            Bench {
                canvas: CanvasUi::new(context.wgpu_render_state.as_ref(), CanvasLimits::default()),
                editor: DocumentEditor::new(document),
                toolbox,
                view: CanvasView::default(),
                live: None,
                is_mask_outlined: false,
                text: String::new(),
                shows_text_field: false,
                shows_button: false,
            }
        });
    harness.run();
    harness
}

fn opened(side: u32) -> Harness<'static, Bench> {
    harness(Document::from_image("Picture", &picture(side)).unwrap())
}

/// The window position of a document position.
fn at(harness: &Harness<'_, Bench>, x: f32, y: f32) -> Pos2 {
    let viewport = Viewport {
        min: UiPoint::new(0.0, 0.0),
        size: SIZE,
        pixels_per_point: 1.0,
    };
    let point = harness
        .state()
        .view
        .transform(&viewport)
        .ui_from_canvas(CanvasPoint::new(x, y));
    pos2(point.x, point.y)
}

fn button(pos: Pos2, button: PointerButton, pressed: bool) -> Event {
    Event::PointerButton {
        pos,
        button,
        pressed,
        modifiers: Modifiers::NONE,
    }
}

fn drag(harness: &mut Harness<'_, Bench>, with: PointerButton, points: &[Pos2]) {
    harness.event(Event::PointerMoved(points[0]));
    harness.event(button(points[0], with, true));
    points
        .iter()
        .for_each(|point| harness.event(Event::PointerMoved(*point)));
    harness.event(button(points[points.len() - 1], with, false));
    harness.run();
}

fn paint(harness: &mut Harness<'_, Bench>, points: &[(f32, f32)]) {
    let points: Vec<Pos2> = points.iter().map(|(x, y)| at(harness, *x, *y)).collect();
    drag(harness, PointerButton::Primary, &points);
}

fn pixel(image: &RgbaImage, pos: Pos2) -> [u8; 3] {
    let [r, g, b, _] = image.get_pixel(pos.x as u32, pos.y as u32).0;
    [r, g, b]
}

fn distance(a: [u8; 3], b: [u8; 3]) -> u8 {
    a.iter().zip(b).map(|(a, b)| a.abs_diff(b)).max().unwrap()
}

#[test]
fn a_fitted_picture_shows_its_very_colours() {
    let mut harness = opened(64);
    assert_eq!(harness.state().view.zoom, 6.0);
    harness.get_by_label("Canvas");
    let drawn = harness.render().unwrap();
    for (x, y) in [(0, 0), (63, 63), (10, 50), (40, 3)] {
        let shown = pixel(&drawn, at(&harness, x as f32 + 0.5, y as f32 + 0.5));
        let [r, g, b, _] = picture(64).get_pixel(x, y).0;
        assert!(distance(shown, [r, g, b]) <= 1, "{shown:?} at {x}, {y}");
    }
    // Hard edges: the pixel's colour reaches almost to its border.
    let corner = pixel(&drawn, at(&harness, 10.0, 50.0) + vec2(1.0, 1.0));
    let [r, g, b, _] = picture(64).get_pixel(10, 50).0;
    assert!(distance(corner, [r, g, b]) <= 1, "{corner:?}");
}

#[test]
fn a_stroke_covers_the_mask_shows_and_is_one_step() {
    let mut harness = opened(64);
    let before = harness.render().unwrap();
    paint(&mut harness, &[(16.0, 32.0), (30.0, 32.0), (48.0, 32.0)]);
    assert_eq!(harness.state().mask(32, 32), 255);
    assert_eq!(harness.state().mask(32, 45), 0);
    assert_eq!(
        harness.state().editor.history().undo_label(),
        Some("Brush stroke")
    );
    let after = harness.render().unwrap();
    let inside = at(&harness, 32.5, 32.5);
    assert!(distance(pixel(&before, inside), pixel(&after, inside)) > 30);
    let outside = at(&harness, 32.5, 50.5);
    assert_eq!(pixel(&before, outside), pixel(&after, outside));
    // The outline: a bright and a dark pixel where the mask ends.
    let edge: Vec<[u8; 3]> = (-5..5)
        .map(|dy| pixel(&after, at(&harness, 32.5, 37.0) + vec2(0.0, dy as f32)))
        .collect();
    assert!(edge.iter().any(|p| p.iter().all(|v| *v > 200)), "{edge:?}");
    assert!(edge.iter().any(|p| p.iter().all(|v| *v < 80)), "{edge:?}");
    // A new result is to be seen: the tint goes, the outline stays.
    harness.state_mut().is_mask_outlined = true;
    harness.run();
    let outlined = harness.render().unwrap();
    assert_eq!(pixel(&before, inside), pixel(&outlined, inside));
    let edge: Vec<[u8; 3]> = (-5..5)
        .map(|dy| pixel(&outlined, at(&harness, 32.5, 37.0) + vec2(0.0, dy as f32)))
        .collect();
    assert!(edge.iter().any(|p| p.iter().all(|v| *v > 200)), "{edge:?}");
    harness.state_mut().editor.undo();
    harness.run();
    assert_eq!(
        harness.render().unwrap().get_pixel(320, 240),
        before.get_pixel(320, 240)
    );
}

#[test]
fn the_wheel_zooms_about_the_pointer_and_the_middle_button_pans() {
    let mut harness = opened(64);
    let anchor = at(&harness, 16.0, 16.0);
    harness.event(Event::PointerMoved(anchor));
    for _ in 0..3 {
        harness.event(Event::MouseWheel {
            unit: MouseWheelUnit::Line,
            delta: vec2(0.0, 1.0),
            phase: egui::TouchPhase::Move,
            source: egui::MouseWheelSource::Wheel,
            modifiers: Modifiers::NONE,
        });
    }
    harness.run();
    let view = harness.state().view;
    assert!(
        (view.zoom - 6.0 * 1.2f32.powi(3)).abs() < 0.01,
        "{}",
        view.zoom
    );
    assert!((at(&harness, 16.0, 16.0) - anchor).length() < 1.0);
    let grabbed = at(&harness, 20.0, 20.0);
    drag(
        &mut harness,
        PointerButton::Middle,
        &[grabbed, grabbed + vec2(37.0, 21.0)],
    );
    assert!((at(&harness, 20.0, 20.0) - grabbed - vec2(37.0, 21.0)).length() < 1.5);
    assert_eq!(harness.state().editor.history().undo_count(), 0);
}

#[test]
fn space_turns_the_brush_into_a_hand() {
    let mut harness = opened(64);
    harness.key_down(Key::Space);
    let start = at(&harness, 32.0, 32.0);
    drag(
        &mut harness,
        PointerButton::Primary,
        &[start, start + vec2(40.0, 0.0)],
    );
    harness.key_up(Key::Space);
    harness.run();
    assert_eq!(harness.state().editor.history().undo_count(), 0);
    assert!((at(&harness, 32.0, 32.0).x - start.x - 40.0).abs() < 1.5);
}

#[test]
fn a_button_on_the_canvas_takes_its_clicks() {
    let mut harness = opened(64);
    harness.state_mut().shows_button = true;
    harness.run();
    drag(
        &mut harness,
        PointerButton::Primary,
        &[pos2(320.0, 240.0), pos2(325.0, 245.0)],
    );
    assert!(!harness.state().editor.document().has_mask_content());
    drag(
        &mut harness,
        PointerButton::Primary,
        &[pos2(200.0, 240.0), pos2(205.0, 245.0)],
    );
    assert!(harness.state().editor.document().has_mask_content());
}

#[test]
fn a_stroke_that_begins_within_a_slow_frame_is_whole() {
    let mut harness = opened(64);
    harness.event(Event::PointerMoved(pos2(10.0, 10.0)));
    harness.run();
    let start = at(&harness, 10.0, 32.0);
    // `Harness::event` would give each event a frame of its own.
    harness.input_mut().events.extend([
        Event::PointerMoved(start),
        button(start, PointerButton::Primary, true),
        Event::PointerMoved(start + vec2(40.0, 0.0)),
        Event::PointerMoved(start + vec2(80.0, 0.0)),
    ]);
    harness.step();
    let end = start + vec2(120.0, 0.0);
    harness.event(Event::PointerMoved(end));
    harness.event(button(end, PointerButton::Primary, false));
    harness.run();
    let mask = harness.state().editor.document().mask_coverage();
    let mask = mask.expect("a stroke");
    assert!(mask.get_pixel(10, 32).0[0] > 0, "its beginning is there");
}

#[test]
fn losing_the_focus_takes_an_unfinished_stroke_back() {
    let mut harness = opened(64);
    let start = at(&harness, 20.0, 20.0);
    harness.event(Event::PointerMoved(start));
    harness.event(button(start, PointerButton::Primary, true));
    harness.event(Event::PointerMoved(start + vec2(60.0, 60.0)));
    harness.run();
    assert!(harness.state().toolbox.is_active());
    harness.event(Event::WindowFocused(false));
    harness.run();
    assert!(!harness.state().toolbox.is_active());
    assert!(!harness.state().editor.document().has_mask_content());
}

#[test]
fn a_live_frame_stands_in_its_place_and_only_under_its_mask() {
    let mut harness = opened(64);
    let green = Rgba([0, 255, 0, 255]);
    let mask = GrayImage::from_fn(32, 32, |x, _| Luma([if x < 16 { 255 } else { 0 }]));
    harness.state_mut().live = Some(LiveFrame {
        picture: LivePicture::Image(Arc::new(RgbaImage::from_pixel(8, 8, green))),
        target: CanvasRect::from_min_size([16, 16], [32, 32]),
        mask: Some(Arc::new(mask)),
    });
    let before = harness.render().unwrap();
    harness.run();
    let after = harness.render().unwrap();
    assert_eq!(pixel(&after, at(&harness, 20.5, 20.5)), [0, 255, 0]);
    for (x, y) in [(10.5, 20.5), (40.5, 20.5), (20.5, 60.5)] {
        assert_eq!(
            pixel(&after, at(&harness, x, y)),
            pixel(&before, at(&harness, x, y))
        );
    }
}

#[test]
fn a_second_layer_blends_as_the_saved_file_does() {
    let mut harness = opened(64);
    let editor = &mut harness.state_mut().editor;
    let id = editor.add_layer(LayerKind::Raster).unwrap();
    let half = RgbaImage::from_pixel(64, 64, Rgba([255, 255, 255, 128]));
    let half = TileGrid::from_image(&half);
    editor.insert_picture("Paste", "Half", half).unwrap();
    editor.set_layer_opacity(id, 0.5).unwrap();
    let flat = editor.document().composite();
    harness.run();
    let drawn = harness.render().unwrap();
    for (x, y) in [(3, 3), (30, 50), (60, 9)] {
        let [r, g, b, _] = flat.get_pixel(x, y).0;
        let shown = pixel(&drawn, at(&harness, x as f32 + 0.5, y as f32 + 0.5));
        assert!(
            distance(shown, [r, g, b]) <= 2,
            "{shown:?} for {:?}",
            [r, g, b]
        );
    }
}

#[test]
fn a_large_picture_is_seen_whole() {
    let mut harness = opened(2048);
    assert!(harness.state().view.zoom < 0.25);
    let drawn = harness.render().unwrap();
    let shown = pixel(&drawn, at(&harness, 1024.0, 512.0));
    assert!(distance(shown, [128, 64, 40]) <= 3, "{shown:?}");
}
