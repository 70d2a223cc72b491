//! The frame of the next job in the whole window, by pointer and keys: drawn, moved and
//! chosen; what it makes of the job; results that lie in it, and canvases that grow.

#[path = "support/studio.rs"]
mod studio;

use egui::{Event, Key, Modifiers, PointerButton, Pos2};
use image::{Rgba, RgbaImage};
use proptest::prelude::{Strategy, prop, proptest};
use proptest::test_runner::Config;
use studio::{Studio, number};
use velatura::app::boxes::{BoxChange, BoxCommand};
use velatura::app::form::FormChange;
use velatura::app::frame::FrameCommand;
use velatura::app::{Command, frame::FrameShown};
use velatura::document::{Document, FrameChoice, LayerKind};
use velatura::geometry::{CanvasPoint, CanvasRect};
use velatura::recipe::param::{BATCH, STEPS};
use velatura::recipe::{
    FrameSpec, Framing, GenerateSpec, Infill, PaintedRecipe, SaveOptions, save_picture,
};
use velatura::tools::ToolId;

const NONE: Modifiers = Modifiers::NONE;
const CTRL: Modifiers = Modifiers::COMMAND;

fn rect(x: i32, y: i32, width: u32, height: u32) -> CanvasRect {
    CanvasRect::from_min_size([x, y], [width, height])
}

impl Studio {
    /// A studio with a picture of several times the model's 64 pixels.
    fn with_photograph() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("photograph.png");
        let picture = RgbaImage::from_fn(320, 240, |x, y| {
            Rgba([(x / 2) as u8, y as u8, (x ^ y) as u8, 255])
        });
        picture.save(&path).expect("a file");
        let mut studio = Self::start_with(Some(&path));
        studio.wait("the picture", |state| state.document().has_picture());
        studio.set([number(&STEPS, 2)]);
        studio
    }

    fn button(&mut self, pos: Pos2, pressed: bool, modifiers: Modifiers) {
        self.send(Event::PointerButton {
            pos,
            button: PointerButton::Primary,
            pressed,
            modifiers,
        });
    }

    /// A drag; `then` is held on the way.
    fn drag(&mut self, from: (f32, f32), to: (f32, f32), then: Modifiers) {
        let (from, to) = (self.place_of(from.0, from.1), self.place_of(to.0, to.1));
        self.send(Event::PointerMoved(from));
        self.button(from, true, NONE);
        self.send(Event::PointerMoved(from.lerp(to, 0.5)));
        self.send(Event::ModifiersChanged(then));
        self.send(Event::PointerMoved(to));
        self.button(to, false, then);
        self.send(Event::ModifiersChanged(NONE));
        self.harness.run();
    }

    fn press(&mut self, key: Key) {
        self.press_with(NONE, key);
    }

    fn press_with(&mut self, modifiers: Modifiers, key: Key) {
        self.harness.key_press_modifiers(modifiers, key);
        self.harness.run();
    }

    fn document(&self) -> &Document {
        self.state().document()
    }

    fn frame(&self) -> CanvasRect {
        self.state().job_frame().expect("a frame").rect
    }

    fn shown(&self) -> FrameShown {
        self.state().frame_shown().expect("a frame is seen")
    }

    fn choose(&mut self, frame: CanvasRect) {
        self.command(FrameCommand::Choose(FrameChoice::Fixed(frame)).into());
    }

    fn steps(&self) -> usize {
        self.state().front().editor.history().undo_count()
    }

    /// Paints so many pictures; what the last one was painted from.
    fn generate(&mut self, pictures: usize) -> GenerateSpec {
        let before = self.document().layers().len();
        self.set([number(&BATCH, pictures as u32)]);
        self.permit(2 * pictures);
        self.click("Generate");
        self.wait("the pictures", |state| {
            state.document().layers().len() == before + pictures
        });
        let recipes = self.state().front().recipes();
        let (_, newest) = recipes.last_key_value().expect("a recipe");
        newest.spec.clone()
    }

    /// Takes everything back and makes it again; the document in between.
    fn there_and_back(&mut self) -> Document {
        let after = self.document().clone();
        let mut steps = 0;
        while self.state().front().editor.history().undo_count() > 0 {
            self.command(Command::Undo);
            steps += 1;
        }
        let start = self.document().clone();
        (0..steps).for_each(|_| self.command(Command::Redo));
        assert_eq!(self.document(), &after);
        start
    }
}

#[test]
fn the_frame_follows_pointer_keys_and_numbers() {
    let mut studio = Studio::with_photograph();
    assert!(studio.state().frame_shown().is_none());
    studio.press(Key::C);
    assert_eq!(studio.state().toolbox.active().id, ToolId("frame"));
    assert!(studio.shown().is_in_hand);
    studio.drag((40.0, 30.0), (169.0, 158.0), CTRL);
    assert_eq!(studio.frame(), rect(40, 30, 129, 128));
    assert_eq!(studio.shown().label, "129 × 128 → 64 × 64");
    assert!(studio.sees("Image to image, 129 × 128 inside the frame, 60 %"));
    studio.drag((100.0, 100.0), (120.0, 90.0), CTRL);
    assert_eq!(studio.frame(), rect(60, 20, 129, 128));
    // From multiple to multiple of what the model paints.
    studio.press(Key::ArrowLeft);
    assert_eq!(studio.frame(), rect(48, 20, 129, 128));
    studio.press_with(Modifiers::SHIFT, Key::ArrowDown);
    assert_eq!(studio.frame(), rect(48, 144, 129, 128));
    assert_eq!(studio.steps(), 3, "nudges are one step");
    studio.click("Left of the frame");
    studio.press_with(CTRL, Key::A);
    studio.harness.event(Event::Text("-30".to_owned()));
    studio.press(Key::Enter);
    assert_eq!(studio.frame(), rect(-30, 144, 129, 128));
    // Escape lets go.
    let before = studio.frame();
    let (from, to) = (studio.place_of(60.0, 200.0), studio.place_of(160.0, 100.0));
    studio.send(Event::PointerMoved(from));
    studio.button(from, true, NONE);
    studio.send(Event::PointerMoved(to));
    studio.harness.run();
    assert_ne!(studio.frame(), before);
    studio.press(Key::Escape);
    studio.button(to, false, NONE);
    assert_eq!(studio.frame(), before);
    let start = studio.there_and_back();
    assert_eq!(start.frame(), FrameChoice::Automatic);
}

#[test]
fn the_menu_has_what_suits_the_model() {
    let mut studio = Studio::with_photograph();
    studio.press(Key::C);
    let choose = |studio: &mut Studio, entry: &str| {
        studio.click("Kind and size of the frame");
        studio.click(entry);
    };
    choose(&mut studio, "Square");
    assert_eq!(studio.frame(), rect(128, 88, 64, 64));
    choose(&mut studio, "Twice as large");
    assert_eq!(studio.frame(), rect(96, 56, 128, 128));
    choose(&mut studio, "16:9");
    assert_eq!(studio.frame().size_px(), [80, 48]);
    choose(&mut studio, "Fit frame to canvas");
    assert_eq!(studio.frame(), rect(0, 0, 320, 240));
    assert_eq!(studio.shown().label, "320 × 240 → 80 × 48");
    choose(&mut studio, "No frame");
    assert!(studio.state().job_frame().is_none());
    assert_eq!(studio.shown().label, "320 × 240");
    assert!(studio.sees("Image to image, 60 %"));
    choose(&mut studio, "Automatic frame");
    assert_eq!(studio.document().frame(), FrameChoice::Automatic);
    studio.command(Command::InvertMask);
    choose(&mut studio, "Fit frame to mask");
    assert_eq!(studio.frame(), rect(0, 0, 320, 240));
}

#[test]
fn a_mask_on_a_large_picture_is_repainted_in_a_frame_around_it() {
    let mut studio = Studio::with_photograph();
    let before = studio.document().composite();
    studio.drag((200.0, 100.0), (214.0, 106.0), NONE);
    let mask = studio.document().mask_bounds();
    let frame = studio.frame();
    assert!(frame.holds(&mask) && frame.size_px().iter().all(|side| *side >= 64));
    assert!(studio.document().rect().holds(&frame));
    assert!(!studio.shown().is_in_hand, "it is seen with every tool");
    let [width, height] = frame.size_px();
    assert!(studio.sees(&format!("Inpaint {width} × {height} inside the frame")));
    // More of the picture around it.
    studio.set([FormChange::Padding(Some(60))]);
    assert!(studio.frame().holds(&frame) && studio.frame() != frame);
    assert!(studio.sees("As suits the mask"));
    let spec = studio.generate(1);
    assert_eq!(spec.frame.map(|frame| frame.rect()), Some(studio.frame()));
    assert!(spec.width_px.max(spec.height_px) <= 128, "{spec:?}");
    let coverage = studio.document().mask_coverage().expect("a mask");
    let after = studio.document().composite();
    for (x, y, pixel) in after.enumerate_pixels() {
        if coverage.get_pixel(x, y).0[0] == 0 {
            assert_eq!(pixel, before.get_pixel(x, y), "{x}, {y}");
        }
    }
    assert_ne!(after, before);
    let layers = studio.document().layers();
    let layer = layers
        .iter()
        .rfind(|layer| layer.kind() == LayerKind::Raster);
    let grid = layer.and_then(|layer| layer.raster()).expect("a picture");
    assert!(mask.holds(&grid.content_bounds()));
    // Without the mask the whole canvas is repainted, as ever.
    studio.click("Repaint inside only");
    assert!(studio.sees("Image to image, 60 %"));
    studio.there_and_back();
}

#[test]
fn the_canvas_grows_with_what_is_painted_beyond_its_edges() {
    let mut studio = Studio::with_photograph();
    let before = studio.document().clone();
    let whole = before.composite();
    studio.press(Key::C);
    studio.choose(rect(-48, -32, 128, 128));
    assert!(studio.sees("Outpaint 128 × 128 inside the frame"));
    assert!(studio.sees("Infill"));
    let view = studio.state().front().view;
    studio.command(Command::SetView(velatura::geometry::CanvasView {
        is_fitted: false,
        ..view
    }));
    let place = studio.place_of(100.0, 100.0);
    let steps = studio.steps();
    // The second picture was begun before the canvas grew, and lies where it belongs.
    studio.generate(2);
    assert_eq!(studio.steps(), steps + 2);
    let document = studio.document();
    assert_eq!(document.size_px(), [368, 272]);
    assert_eq!(document.frame(), FrameChoice::Fixed(rect(0, 0, 128, 128)));
    assert_eq!(document.composite_in(rect(176, 160, 192, 112)), {
        before.composite_in(rect(128, 128, 192, 112))
    });
    for layer in document
        .layers()
        .iter()
        .filter(|layer| layer.name != "photograph")
    {
        if let Some(grid) = layer.raster() {
            let expected = rect(0, 0, 128, 128);
            assert_eq!(grid.content_bounds(), expected, "{}", layer.name);
        }
    }
    // What was looked at stays in sight.
    assert_eq!(studio.place_of(148.0, 132.0), place);
    studio.command(Command::Undo);
    assert_eq!(studio.document().size_px(), [368, 272]);
    studio.command(Command::Undo);
    assert_eq!(studio.place_of(100.0, 100.0), place);
    assert_eq!(studio.document().composite(), whole);
    assert_eq!(studio.document().rect(), before.rect());
    (0..2).for_each(|_| studio.command(Command::Redo));
    assert_eq!(studio.there_and_back().composite(), whole);
}

#[test]
fn a_frame_beside_the_picture_is_painted_from_words() {
    let mut studio = Studio::with_photograph();
    studio.choose(rect(320, 0, 64, 64));
    assert!(studio.sees("Paint 64 × 64 inside the frame"));
    let spec = studio.generate(1);
    assert!(spec.init.is_none());
    assert_eq!(studio.document().size_px(), [384, 240]);
    // Where no canvas could reach the frame does not go.
    studio.command(FrameCommand::Choose(FrameChoice::Fixed(rect(8150, 0, 64, 64))).into());
    assert!(studio.sees("Image to image, 64 × 64 inside the frame"));
}

#[test]
fn boxes_are_cut_to_the_frame() {
    let mut studio = Studio::with_photograph();
    studio.press(Key::R);
    studio.drag((100.0, 60.0), (140.0, 80.0), CTRL);
    studio.press(Key::Escape);
    let change = BoxChange::Class {
        name: "bus".to_owned(),
        colour: None,
    };
    studio.command(BoxCommand::Change { change, done: true }.into());
    studio.choose(rect(80, 40, 128, 128));
    assert!(studio.sees("inside the frame, 60 %, with 1 box"));
    let spec = studio.generate(1);
    let layout = spec.layout.expect("boxes");
    assert_eq!(layout.0[0].rect, [10.0, 10.0, 20.0, 10.0]);
    studio.choose(rect(200, 100, 64, 64));
    assert!(studio.sees("1 box lies outside of the frame and is left out"));
    assert_eq!(studio.generate(1).layout, None);
}

#[test]
fn live_pictures_are_painted_in_the_frame_and_kept_there() {
    let mut studio = Studio::with_photograph();
    studio.choose(rect(250, 100, 128, 128));
    studio.press_with(CTRL, Key::L);
    studio.permit(2);
    studio.wait("the live picture", |state| !state.live.is_busy());
    let preview = studio.state().live.preview().expect("a picture");
    assert_eq!(preview.place.area, rect(250, 100, 128, 128));
    assert_eq!(studio.document().size_px(), [320, 240]);
    studio.press(Key::Enter);
    studio.wait("the layer", |state| {
        state.document().size_px() == [378, 240]
    });
    studio.press_with(CTRL, Key::L);
    assert!(!studio.state().live.is_on());
}

#[test]
fn a_recipe_brings_its_frame_back() {
    let mut studio = Studio::with_photograph();
    let framing = Framing {
        infill: Infill::Noise,
        ..Framing::default()
    };
    let spec = GenerateSpec {
        prompt: "a pond".to_owned(),
        width_px: 64,
        height_px: 64,
        frame: Some(FrameSpec::new(rect(-16, 8, 96, 96), framing)),
        ..GenerateSpec::default()
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("painted.png");
    let recipe = PaintedRecipe::new(spec, "", "");
    let picture = RgbaImage::from_pixel(32, 32, Rgba([9; 4]));
    save_picture(&path, &picture, Some(&recipe), &SaveOptions::default()).expect("a file");
    let recipe = velatura::recipe::read_recipe(&path).expect("a picture");
    let recipe = recipe.expect("a recipe");
    studio.command(Command::RestoreSettings(Box::new(recipe)));
    assert_eq!(studio.frame(), rect(-16, 8, 96, 96));
    assert_eq!(studio.state().form().framing.infill, Infill::Noise);
    assert_eq!(studio.state().form().spec.frame, None);
}

#[test]
fn masks_have_strengths_of_their_own() {
    let mut studio = Studio::with_photograph();
    let mask = studio.document().active_mask().expect("a mask").id;
    studio.click("Layer Mask");
    assert!(studio.sees("Strength"));
    studio.command(Command::SetMaskStrength {
        layer: mask,
        strength: 0.4,
        done: true,
    });
    assert!(studio.sees("Mask, at 40 % of the strength"));
    studio.command(Command::AddMask);
    assert_eq!(studio.steps(), 2);
    studio.command(Command::Undo);
    studio.command(Command::Undo);
    let strength = studio.document().layer(mask).map(|layer| layer.strength);
    assert_eq!(strength, Some(1.0));
}

fn frames() -> impl Strategy<Value = CanvasRect> {
    (-100..330i32, -100..250i32, 16..150u32, 16..150u32)
        .prop_map(|(x, y, width, height)| rect(x, y, width, height))
}

proptest! {
    #![proptest_config(Config::with_cases(3))]

    /// Whatever is painted wherever: the canvas reaches as far as the frame and no
    /// farther, what was seen is where it was, and everything can be taken back.
    #[test]
    fn frames_anywhere_leave_what_is_outside(
        places in prop::collection::vec((frames(), prop::bool::ANY), 1..4),
    ) {
        let mut studio = Studio::with_photograph();
        studio.command(FrameCommand::ToggleOnCanvas.into());
        let start = studio.document().clone();
        for (frame, starts_from_picture) in places {
            studio.command(Command::StartFromPicture(starts_from_picture));
            let before = studio.document().clone();
            studio.choose(frame);
            studio.generate(1);
            let after = studio.document();
            after.validate_invariants().expect("a sound document");
            let (old, now) = (before.rect(), after.rect());
            assert_eq!(now.size_px(), old.union(&frame).size_px());
            let moved = after.on_canvas(before.on_plane(old));
            let (was, is) = (before.composite(), after.composite_in(moved));
            for (x, y, pixel) in is.enumerate_pixels() {
                let at = CanvasPoint::new(x as f32, y as f32);
                if !frame.contains(at) {
                    assert_eq!(pixel, was.get_pixel(x, y), "{x}, {y}");
                }
            }
        }
        assert_eq!(studio.there_and_back(), start);
    }
}
