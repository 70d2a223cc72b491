//! Boxes in the whole window, by pointer and keys: every gesture, the list of
//! classes, the table, what is told before a picture is painted, files.

#[path = "support/studio.rs"]
mod studio;

use egui::{Event, Key, Modifiers, PointerButton, Pos2};
use egui_kittest::kittest::Queryable as _;
use proptest::prelude::{Strategy, prop, prop_oneof, proptest};
use proptest::test_runner::Config;
use studio::{Studio, number};
use velatura::app::boxes::BoxCommand;
use velatura::app::{Command, Dialog};
use velatura::document::{BoundingBox, Document, DocumentEditor};
use velatura::exchange::BoxForm;
use velatura::geometry::{CanvasPoint, CanvasView};
use velatura::recipe::param::STEPS;
use velatura::tools::{PointerEvent, PointerPhase, ToolId, Toolbox};

const NONE: Modifiers = Modifiers::NONE;
const CTRL: Modifiers = Modifiers::COMMAND;

impl Studio {
    fn button(&mut self, pos: Pos2, pressed: bool, modifiers: Modifiers) {
        self.send(Event::PointerButton {
            pos,
            button: PointerButton::Primary,
            pressed,
            modifiers,
        });
    }

    fn hold(&mut self, modifiers: Modifiers) {
        self.send(Event::ModifiersChanged(modifiers));
    }

    /// A drag; `held` at the press, `then` on the way.
    fn drag(&mut self, from: (f32, f32), to: (f32, f32), [held, then]: [Modifiers; 2]) {
        let (from, to) = (self.place_of(from.0, from.1), self.place_of(to.0, to.1));
        self.hold(held);
        self.send(Event::PointerMoved(from));
        self.button(from, true, held);
        self.send(Event::PointerMoved(from.lerp(to, 0.5)));
        self.hold(then);
        self.send(Event::PointerMoved(to));
        self.button(to, false, then);
        self.hold(NONE);
        self.harness.run();
    }

    /// Draws a box that does not snap, without a class.
    fn draw(&mut self, from: (f32, f32), to: (f32, f32)) {
        self.drag(from, to, [NONE, CTRL]);
        self.press(Key::Escape);
    }

    fn click_at(&mut self, x: f32, y: f32) {
        let pos = self.place_of(x, y);
        self.send(Event::PointerMoved(pos));
        self.button(pos, true, NONE);
        self.button(pos, false, NONE);
        self.harness.run();
    }

    fn press(&mut self, key: Key) {
        self.harness.key_press(key);
        self.harness.run();
    }

    fn press_with(&mut self, modifiers: Modifiers, key: Key) {
        self.harness.key_press_modifiers(modifiers, key);
        self.harness.run();
    }

    fn type_text(&mut self, text: &str) {
        self.harness.event(Event::Text(text.to_owned()));
        self.harness.run();
    }

    fn boxes(&self) -> Vec<BoundingBox> {
        let layer = self.state().document().active_layout();
        let boxes = layer.and_then(|layer| layer.boxes());
        boxes.unwrap_or_default().to_vec()
    }

    fn corners(&self) -> Vec<[f32; 4]> {
        let boxes = self.boxes();
        let corners = boxes
            .iter()
            .map(|it| [it.min.x, it.min.y, it.max.x, it.max.y]);
        corners.collect()
    }

    fn chosen(&self) -> Vec<usize> {
        self.state().document().selected_boxes().to_vec()
    }
}

#[test]
fn a_box_is_drawn_and_named_by_its_first_letters() {
    let mut studio = Studio::start();
    let start = studio.state().document().clone();
    studio.press(Key::R);
    assert_eq!(studio.state().toolbox.active().id, ToolId("boxes"));
    assert!(!studio.sees("An empty canvas"));
    studio.drag((10.0, 12.0), (41.0, 40.0), [NONE, CTRL]);
    assert_eq!(studio.corners(), [[10.0, 12.0, 41.0, 40.0]]);
    studio.harness.get_by_label("Class of the box");
    // Words before the class are its colour; letters are no commands here.
    studio.type_text("red b");
    assert!(studio.sees("bus") && studio.sees("balloon"));
    assert!(studio.harness.query_by_label("cat").is_none());
    studio.press(Key::ArrowDown);
    studio.press(Key::Enter);
    assert!(studio.harness.query_by_label("Class of the box").is_none());
    let boxes = studio.boxes();
    assert_eq!(boxes[0].label, "balloon");
    assert_eq!(boxes[0].colour.as_deref(), Some("red"));
    // The next box is offered what the last one got.
    studio.drag((45.0, 50.0), (58.0, 60.0), [CTRL, NONE]);
    studio.press(Key::Enter);
    assert_eq!(studio.boxes()[1].label, "balloon");
    for _ in 0..4 {
        studio.press_with(CTRL, Key::Z);
    }
    assert_eq!(studio.state().document(), &start);
    for _ in 0..4 {
        studio.press_with(CTRL, Key::Y);
    }
    assert_eq!(studio.boxes().len(), 2);
}

/// The list of classes once went away under the gesture that made the layer, and
/// the canvas moved beneath the pointer.
#[test]
fn the_first_box_over_a_label_map_lies_where_it_was_drawn() {
    let mut studio = Studio::start();
    studio.harness.get_by_label("Add label map").click();
    studio.harness.run();
    assert!(studio.sees("Classes"));
    studio.press(Key::R);
    assert!(!studio.sees("Classes"), "boxes have no classes of maps");
    let canvas = studio.harness.get_by_label("Canvas").rect();
    studio.drag((20.0, 12.0), (51.0, 40.0), [NONE, CTRL]);
    assert_eq!(studio.corners(), [[20.0, 12.0, 51.0, 40.0]]);
    studio.press(Key::Escape);
    assert_eq!(studio.harness.get_by_label("Canvas").rect(), canvas);
}

#[test]
fn every_gesture_is_one_step_and_escape_aborts_it() {
    let mut studio = Studio::start();
    studio.press(Key::R);
    studio.draw((10.0, 12.0), (31.0, 30.0));
    let steps = |studio: &Studio| studio.state().front().editor.history().undo_count();
    let mut done = steps(&studio);
    let mut one_more = |studio: &Studio, what: &str| {
        done += 1;
        assert_eq!(steps(studio), done, "{what}");
    };
    studio.drag((20.0, 20.0), (25.0, 27.0), [NONE, CTRL]);
    assert_eq!(studio.corners(), [[15.0, 19.0, 36.0, 37.0]]);
    one_more(&studio, "move");
    studio.drag((36.0, 37.0), (45.0, 50.0), [NONE, CTRL]);
    assert_eq!(studio.corners(), [[15.0, 19.0, 45.0, 50.0]]);
    one_more(&studio, "corner");
    studio.drag((15.0, 24.0), (11.0, 60.0), [NONE, CTRL]);
    assert_eq!(studio.corners(), [[11.0, 19.0, 45.0, 50.0]]);
    one_more(&studio, "edge");
    studio.drag((25.0, 30.0), (28.0, 33.0), [Modifiers::ALT, CTRL]);
    assert_eq!(studio.corners()[1], [14.0, 22.0, 48.0, 53.0]);
    one_more(&studio, "copy");
    studio.drag((25.0, 30.0), (34.0, 39.0), [CTRL, NONE]);
    studio.press(Key::Escape);
    assert_eq!(studio.corners().len(), 3);
    one_more(&studio, "draw on top");
    studio.press(Key::ArrowLeft);
    studio.press_with(Modifiers::SHIFT, Key::ArrowUp);
    one_more(&studio, "nudge");
    assert_eq!(studio.corners()[2][..2], [24.0, 20.0]);
    studio.press_with(CTRL, Key::J);
    one_more(&studio, "duplicate");
    assert_eq!(studio.chosen(), [3]);
    studio.press_with(CTRL, Key::OpenBracket);
    assert_eq!(studio.chosen(), [2]);
    one_more(&studio, "down");
    studio.press_with(CTRL, Key::CloseBracket);
    assert_eq!(studio.chosen(), [3]);
    one_more(&studio, "up");
    studio.press(Key::Delete);
    assert_eq!(studio.boxes().len(), 3);
    one_more(&studio, "delete");

    let before = studio.state().document().clone();
    let (from, to) = (studio.place_of(3.0, 3.0), studio.place_of(40.0, 60.0));
    studio.send(Event::PointerMoved(from));
    studio.button(from, true, NONE);
    studio.send(Event::PointerMoved(to));
    studio.harness.run();
    assert_eq!(studio.boxes().len(), 4);
    studio.press(Key::Escape);
    studio.button(to, false, NONE);
    assert_eq!(studio.state().document(), &before);
}

#[test]
fn clicks_go_through_what_overlaps_and_pass_over_what_is_locked() {
    let mut studio = Studio::start();
    studio.press(Key::R);
    studio.draw((5.0, 5.0), (60.0, 60.0));
    studio.drag((20.0, 20.0), (40.0, 40.0), [CTRL, NONE]);
    studio.press(Key::Escape);
    studio.click_at(62.0, 62.0);
    assert!(studio.chosen().is_empty());
    let mut picked = Vec::new();
    for _ in 0..3 {
        studio.click_at(30.0, 30.0);
        picked.extend(studio.chosen());
        // Far enough apart in time to be no double click.
        studio.harness.run_steps(40);
    }
    assert_eq!(picked, [1, 0, 1]);
    studio.press_with(Modifiers::SHIFT, Key::L);
    assert!(studio.boxes()[1].is_locked);
    studio.click_at(62.0, 62.0);
    studio.click_at(30.0, 30.0);
    assert_eq!(studio.chosen(), [0]);
    studio.press_with(CTRL, Key::A);
    assert_eq!(studio.chosen(), [0]);
}

#[test]
fn the_table_edits_the_same_boxes() {
    let mut studio = Studio::start();
    studio.press(Key::R);
    studio.draw((10.0, 12.0), (31.0, 30.0));
    studio.draw((40.0, 41.0), (50.0, 55.0));
    studio.click("Left of box 1");
    studio.press_with(CTRL, Key::A);
    studio.type_text("16");
    studio.press(Key::Enter);
    assert_eq!(studio.corners()[0], [16.0, 12.0, 37.0, 30.0]);
    studio.click("Per cent of the picture");
    studio.click("Width of box 1");
    studio.press_with(CTRL, Key::A);
    studio.type_text("50");
    studio.press(Key::Enter);
    assert_eq!(studio.corners()[0], [16.0, 12.0, 48.0, 30.0]);
    // Two lines at once.
    let line = |studio: &mut Studio, label: &str| {
        studio.harness.get_by_label(label).click_accesskit();
        studio.harness.run();
    };
    line(&mut studio, "Box 2");
    studio.hold(Modifiers::SHIFT);
    line(&mut studio, "Box 1");
    studio.hold(NONE);
    assert_eq!(studio.chosen(), [0, 1]);
    studio.click("Height of box 2");
    studio.press_with(CTRL, Key::A);
    studio.type_text("25");
    studio.press(Key::Enter);
    let heights: Vec<f32> = studio.boxes().iter().map(|it| it.size_px()[1]).collect();
    assert_eq!(heights, [16.0, 16.0]);
    studio.click("Class of box 2");
    studio.type_text("cat");
    studio.press(Key::Enter);
    assert!(studio.boxes().iter().all(|it| it.label == "cat"));
}

#[test]
fn what_the_model_cannot_do_is_told_and_the_rest_is_painted() {
    let mut studio = Studio::start();
    studio.press(Key::R);
    for (at, class) in [(2.0, "cat"), (20.0, "dragon"), (40.0, "")] {
        studio.drag((at, 2.0), (at + 17.0, 40.0), [CTRL, NONE]);
        studio.type_text(class);
        studio.press(if class.is_empty() {
            Key::Escape
        } else {
            Key::Enter
        });
    }
    assert!(studio.sees("1 box has no class and is left out"));
    let report = velatura::app::boxes::Report::new(
        studio.state().document(),
        studio.state().model_summary(),
    );
    assert!(
        report.sentences[1].contains("does not know “dragon”"),
        "{report:?}"
    );
    studio.set([number(&STEPS, 2)]);
    studio.permit(2);
    studio.click("Generate");
    let told: Vec<String> = studio
        .state()
        .notices
        .iter()
        .map(|notice| notice.text.clone())
        .collect();
    assert!(told.is_empty(), "{told:?}");
    studio.wait("the picture", |state| state.document().has_picture());
    let recipes = studio.state().front().recipes();
    let layout = recipes
        .values()
        .next()
        .and_then(|it| it.spec.layout.clone());
    let given: Vec<String> = layout
        .map(|layout| layout.0.iter().map(|it| it.class.clone()).collect())
        .unwrap_or_default();
    assert_eq!(given, ["cat"]);
}

#[test]
fn files_of_boxes_come_in_are_mapped_and_go_out_again() {
    let mut studio = Studio::start();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("street.json");
    let coco = serde_json::json!({
        "images": [
            {"id": 7, "file_name": "one.jpg", "width": 640, "height": 640},
            {"id": 9, "file_name": "two.jpg", "width": 128, "height": 64},
        ],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 3, "bbox": [0, 0, 320, 320]},
            {"id": 2, "image_id": 9, "category_id": 3, "bbox": [64, 32, 64, 32]},
            {"id": 3, "image_id": 9, "category_id": 4, "bbox": [0, 0, 64, 32]},
        ],
        "categories": [{"id": 3, "name": "Cat"}, {"id": 4, "name": "Tram"}],
    });
    std::fs::write(&path, coco.to_string()).expect("written");
    studio.command(Command::OpenFile(path));
    studio.wait("the file", |state| {
        matches!(state.dialog, Some(Dialog::ChooseBoxes(_)))
    });
    studio.click("two.jpg");
    assert_eq!(
        studio.corners(),
        [[32.0, 32.0, 64.0, 64.0], [0.0, 0.0, 32.0, 32.0]]
    );
    assert_eq!(studio.layer_names().last().map(String::as_str), Some("two"));
    // The model knows cats, however they are written, and no trams.
    assert!(matches!(
        studio.state().dialog,
        Some(Dialog::MapClasses { .. })
    ));
    assert!(studio.sees("Tram becomes"));
    studio.click("Tram becomes");
    studio.click("bus");
    studio.click("Change classes");
    let labels: Vec<String> = studio.boxes().into_iter().map(|it| it.label).collect();
    assert_eq!(labels, ["Cat", "bus"]);

    for (form, name) in [(BoxForm::Coco, "coco"), (BoxForm::Scene, "scene")] {
        let before = studio.boxes();
        let path = folder.path().join(format!("{name}.json"));
        let write = BoxCommand::Write {
            path: path.clone(),
            form,
        };
        studio.command(write.into());
        studio.wait("the file", |_| path.is_file());
        let layers = studio.layer_names().len();
        studio.command(BoxCommand::Read(path).into());
        studio.wait("the boxes", |state| {
            state.document().layers().len() == layers + 1
        });
        assert_eq!(studio.boxes(), before, "{name}");
    }
}

/// Something that is done to boxes; places count in hundredths of the canvas.
#[derive(Clone, Debug)]
enum Deed {
    Drag {
        from: (u8, u8),
        to: (u8, u8),
        held: (bool, bool, bool),
        is_cancelled: bool,
    },
    Duplicate,
    Delete,
    Restack(bool),
    Nudge(i8, i8),
    Lock(bool),
    Name(String),
    Select(Vec<u8>),
    Undo,
    Redo,
}

fn deeds() -> impl Strategy<Value = Deed> {
    use proptest::strategy::Just;
    let at = || (0..115u8, 0..115u8);
    let held = (
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
    );
    prop_oneof![
        8 => (at(), at(), held, prop::bool::weighted(0.15)).prop_map(
            |(from, to, held, is_cancelled)| Deed::Drag { from, to, held, is_cancelled }
        ),
        1 => Just(Deed::Duplicate),
        1 => Just(Deed::Delete),
        2 => prop::bool::ANY.prop_map(Deed::Restack),
        2 => (-12..12i8, -12..12i8).prop_map(|(x, y)| Deed::Nudge(x, y)),
        1 => prop::bool::ANY.prop_map(Deed::Lock),
        2 => "[a-c]{0,1}".prop_map(Deed::Name),
        2 => prop::collection::vec(0..8u8, 0..4).prop_map(Deed::Select),
        2 => Just(Deed::Undo),
        1 => Just(Deed::Redo),
    ]
}

fn perform(editor: &mut DocumentEditor, toolbox: &mut Toolbox, deed: &Deed) {
    let mut view = CanvasView::default();
    let layer = editor.document().active_layout().map(|layer| layer.id);
    // What has nothing to act on says so; that is an answer, not a failure.
    match deed {
        Deed::Drag {
            from,
            to,
            held,
            is_cancelled,
        } => {
            let event = |phase, (x, y): (u8, u8)| {
                let at = CanvasPoint::new(f32::from(x) * 1.28, f32::from(y) * 0.96);
                let mut event = PointerEvent::new(phase, at);
                let modifiers = &mut event.modifiers;
                (modifiers.shift, modifiers.command, modifiers.alt) = *held;
                event
            };
            let press = [
                event(PointerPhase::Press, *from),
                event(PointerPhase::Drag, *to),
            ];
            toolbox.handle(&press, editor, &mut view).ok();
            editor.document().validate_invariants().expect("on the way");
            if *is_cancelled {
                toolbox.cancel(editor, &mut view);
            } else {
                let release = [event(PointerPhase::Release, *to)];
                toolbox.handle(&release, editor, &mut view).ok();
            }
            assert!(!editor.is_busy());
        }
        Deed::Duplicate => drop(editor.duplicate_boxes()),
        Deed::Delete => drop(editor.delete_boxes()),
        Deed::Restack(is_up) => drop(editor.restack_boxes(*is_up)),
        Deed::Nudge(x, y) => drop(editor.nudge_boxes([f32::from(*x), f32::from(*y)])),
        Deed::Lock(is_locked) => {
            drop(editor.adjust_boxes("Lock box", |it| it.is_locked = *is_locked));
        }
        Deed::Name(name) => {
            drop(editor.adjust_boxes("Class of box", |it| it.label.clone_from(name)));
        }
        Deed::Select(boxes) => {
            if let Some(layer) = layer {
                let boxes = boxes.iter().map(|index| usize::from(*index));
                editor.select_boxes(layer, boxes).expect("a layout layer");
            }
        }
        Deed::Undo => drop(editor.undo()),
        Deed::Redo => drop(editor.redo()),
    }
    editor.document().validate_invariants().expect("afterwards");
}

proptest! {
    #![proptest_config(Config { cases: 96, ..Config::default() })]

    #[test]
    fn whatever_is_done_to_boxes_is_undone_and_redone_alike(deeds in prop::collection::vec(deeds(), 1..30)) {
        let document = Document::blank([128, 96]).expect("an allowed size");
        let mut editor = DocumentEditor::new(document.clone());
        let mut toolbox = Toolbox::default();
        toolbox.select(ToolId("boxes"));
        for deed in &deeds {
            perform(&mut editor, &mut toolbox, deed);
        }
        while editor.redo() {}
        let end = editor.document().clone();
        while editor.undo() {}
        assert_eq!(editor.document(), &document);
        while editor.redo() {}
        assert_eq!(editor.document(), &end);
    }
}
