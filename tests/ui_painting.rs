//! Colours painted by hand, from the outside.

#[path = "support/studio.rs"]
mod studio;

use egui::{Event, Key, Modifiers, PointerButton};
use egui_kittest::kittest::Queryable as _;
use studio::{Studio, number};
use velatura::app::Command;
use velatura::app::form::Intent;
use velatura::app::live::LiveCommand;
use velatura::document::LayerKind;
use velatura::recipe::param::STEPS;
use velatura::tools::{PAINT, ToolId};

/// A drag with the primary button while keys are held, between points of the document.
fn drag(studio: &mut Studio, from: (f32, f32), to: (f32, f32), modifiers: Modifiers) {
    let (from, to) = (studio.place_of(from.0, from.1), studio.place_of(to.0, to.1));
    let button = |pos, pressed| Event::PointerButton {
        pos,
        button: PointerButton::Primary,
        pressed,
        modifiers,
    };
    studio.send(Event::ModifiersChanged(modifiers));
    studio.send(Event::PointerMoved(from));
    studio.send(button(from, true));
    studio.send(Event::PointerMoved(from.lerp(to, 0.5)));
    studio.send(Event::PointerMoved(to));
    studio.send(button(to, false));
    studio.send(Event::ModifiersChanged(Modifiers::NONE));
    studio.harness.run();
}

fn middle(studio: &Studio) -> [u8; 4] {
    let [width, height] = studio.state().document().size_px();
    let seen = studio.state().document().composite();
    seen.get_pixel(width / 2, height / 2).0
}

#[test]
fn strokes_of_a_colour_are_what_a_picture_begins_with() {
    let mut studio = Studio::start();
    studio.harness.key_press(Key::P);
    studio.harness.run();
    assert_eq!(studio.state().toolbox.active().id, PAINT);
    studio.command(Command::TakeColour([30, 90, 200]));
    assert!(studio.sees("Colour #1e5ac8"));
    drag(&mut studio, (16.0, 32.0), (48.0, 32.0), Modifiers::NONE);
    assert_eq!(studio.layer_names(), ["Paint", "Mask"]);
    assert_eq!(middle(&studio), [30, 90, 200, 255]);
    assert_eq!(studio.state().intent(), Intent::ImageToImage);

    // Those that were painted with stand beside it, and are kept from start to start.
    studio.command(Command::TakeColour([250, 240, 10]));
    studio.click("Paint with #1e5ac8");
    assert!(studio.sees("Colour #1e5ac8"));
    let told = &studio.state().settings.tools["colours"];
    assert_eq!(told["now"], serde_json::json!([30, 90, 200]));

    // The job is given them, on white.
    studio.set([number(&STEPS, 2)]);
    studio.permit(2);
    studio.click("Generate");
    studio.wait("the picture", |state| state.document().layers().len() == 3);
    let recipe = studio.state().front().recipe().expect("a recipe");
    assert!(recipe.used_picture);
}

#[test]
fn a_colour_is_chosen_by_eye_or_typed_as_a_number() {
    let mut studio = Studio::start();
    studio.command(Command::SelectTool(PAINT));
    studio.command(Command::TakeColour([30, 90, 200]));
    studio.click("Colour #1e5ac8");
    for part in ["Saturation and brightness", "Hue", "Hex"] {
        assert!(studio.sees(part), "{part}");
    }
    let now = |studio: &Studio| studio.state().toolbox.colours().map(|it| it.now);
    studio.harness.get_by_label("Hex").focus();
    studio.harness.run();
    studio
        .harness
        .key_press_modifiers(Modifiers::COMMAND, Key::A);
    studio.harness.run();
    studio.harness.get_by_label("Hex").type_text("#f08");
    studio.harness.run();
    assert_eq!(now(&studio), Some([255, 0, 136]));
    // Led to black and back, it has the hue that it had.
    studio.command(Command::TakeColour([5, 0, 2]));
    studio.harness.run();
    let square = "Saturation and brightness";
    studio.harness.get_by_label(square).focus();
    studio.harness.run();
    for (key, wanted) in [(Key::ArrowDown, [0, 0, 0]), (Key::ArrowUp, [10, 0, 4])] {
        for _ in 0..4 {
            studio.harness.key_press(key);
        }
        studio.harness.run();
        assert_eq!(now(&studio), Some(wanted));
    }
    studio.harness.key_press(Key::Escape);
    studio.harness.run();
    assert!(!studio.sees("Hex"));
    assert_eq!(now(&studio), Some([10, 0, 4]));
}

#[test]
fn whoever_paints_sees_the_paint_and_then_the_live_picture() {
    let mut studio = Studio::start();
    studio.command(Command::SelectTool(PAINT));
    drag(&mut studio, (16.0, 32.0), (48.0, 32.0), Modifiers::NONE);
    studio.permit(32);
    studio.command(LiveCommand::WithSteps(2).into());
    studio.wait("the live picture", |state| state.live.has_draft());
    assert!(studio.state().preview().is_some());
    let from = studio.place_of(20.0, 20.0);
    let press = |pressed| Event::PointerButton {
        pos: from,
        button: PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    };
    studio.send(Event::PointerMoved(from));
    studio.send(press(true));
    studio.harness.step();
    assert!(studio.state().preview().is_none());
    studio.send(press(false));
    studio.harness.step();
    assert!(studio.state().preview().is_some());

    // Kept, it is what the next one begins with, and paint goes above it.
    studio.wait("the picture of it", |state| !state.live.is_busy());
    studio.command(LiveCommand::Keep.into());
    studio.wait("its layer", |state| state.document().layers().len() == 3);
    assert_eq!(studio.state().intent(), Intent::ImageToImage);
    drag(&mut studio, (16.0, 32.0), (48.0, 32.0), Modifiers::NONE);
    let names = studio.layer_names();
    let [first, picture, second, mask] = &names[..] else {
        panic!("{names:?}");
    };
    assert_eq!([&**first, second, mask], ["Paint", "Paint 2", "Mask"]);
    // One that is added by hand lies above all pictures too, whatever was chosen.
    let lowest = studio.state().document().layers()[0].id;
    studio.command(Command::SelectLayer(lowest));
    studio.click("Add paint layer");
    let names = studio.layer_names();
    assert_eq!([&names[1], &names[3]], [picture, "Paint 3"]);
}

#[test]
fn a_layer_for_paint_is_added_by_hand_and_erased_with_ctrl() {
    let mut studio = Studio::start();
    studio.paint("hills");
    let before = middle(&studio);
    studio.click("Add paint layer");
    assert_eq!(studio.state().toolbox.active().id, PAINT);
    let selected = studio.state().document().selected_layer();
    let selected = selected.expect("the new one");
    assert_eq!(
        (selected.kind(), &*selected.name),
        (LayerKind::Raster, "Paint")
    );
    drag(&mut studio, (16.0, 32.0), (48.0, 32.0), Modifiers::NONE);
    assert_ne!(middle(&studio), before);
    drag(&mut studio, (10.0, 32.0), (54.0, 32.0), Modifiers::COMMAND);
    assert_eq!(middle(&studio), before, "the picture under it is as it was");
    studio.command(Command::Undo);
    assert_ne!(middle(&studio), before);
    // The brush for masks still paints masks.
    studio.command(Command::SelectTool(ToolId("brush")));
    drag(&mut studio, (16.0, 40.0), (48.0, 40.0), Modifiers::NONE);
    assert!(studio.state().document().has_mask_content());
    assert!(!studio.sees("Colour #"));
}

#[test]
fn shapes_outlines_and_the_bucket_paint_colours_where_that_is_chosen() {
    let mut studio = Studio::start();
    studio.harness.key_press(Key::U);
    studio.harness.run();
    assert!(!studio.sees("Colour #1e5ac8"));
    studio.click("Colours");
    studio.command(Command::TakeColour([30, 90, 200]));
    assert!(studio.sees("Colour #1e5ac8"));
    drag(&mut studio, (16.0, 16.0), (48.0, 48.0), Modifiers::NONE);
    assert_eq!(studio.layer_names(), ["Paint", "Mask"]);
    assert_eq!(middle(&studio), [30, 90, 200, 255]);

    studio.harness.key_press(Key::G);
    studio.harness.run();
    assert!(!studio.sees("Tolerance"));
    studio.click("Colours");
    assert!(studio.sees("Tolerance"));
    studio.command(Command::TakeColour([250, 240, 10]));
    drag(&mut studio, (20.0, 20.0), (20.0, 20.0), Modifiers::NONE);
    assert_eq!(middle(&studio), [250, 240, 10, 255]);
    // Chosen once, it stays so.
    studio.harness.key_press(Key::U);
    studio.harness.run();
    assert!(studio.sees("Colour #faf00a"));
    assert_eq!(studio.state().settings.tools["shape"]["medium"], "Colours");

    // What is seen is picked where there is no label map.
    studio.command(Command::TakeColour([1, 2, 3]));
    studio.harness.key_press(Key::I);
    studio.harness.run();
    drag(&mut studio, (20.0, 20.0), (20.0, 20.0), Modifiers::NONE);
    assert!(studio.sees("Colour #faf00a"));
}

#[test]
fn the_class_in_hand_stands_only_beside_tools_that_paint_it() {
    let mut studio = Studio::start();
    studio.click("Add label map");
    studio.command(Command::SelectTool(ToolId("shape")));
    let class = studio.state().document().selected_class();
    let name = class.expect("a class in hand").name.clone();
    let count = |studio: &Studio, name: &str| studio.harness.query_all_by_label(name).count();
    let with_class = count(&studio, &name);
    studio.click("Colours");
    assert_eq!(count(&studio, &name) + 1, with_class);
    studio.click("Masks and classes");
    assert_eq!(count(&studio, &name), with_class);
}

#[test]
fn what_is_masked_is_filled_with_what_lies_around_it() {
    let mut studio = Studio::start();
    studio.paint("a red bus");
    // Nothing is masked yet.
    studio
        .harness
        .key_press_modifiers(Modifiers::SHIFT, Key::Delete);
    studio.harness.run();
    assert!(studio.layer_names().iter().all(|name| name != "Removed"));

    studio.harness.key_press(Key::B);
    drag(&mut studio, (24.0, 40.0), (40.0, 40.0), Modifiers::NONE);
    let before = studio.state().document().clone();
    studio
        .harness
        .key_press_modifiers(Modifiers::SHIFT, Key::Delete);
    studio.wait("the layer", |state| {
        state.document().layers().len() == before.layers().len() + 1
    });
    let document = studio.state().document();
    let layer = document.layers().iter().find(|it| it.name == "Removed");
    let patch = layer.and_then(|it| it.raster()).expect("a picture");
    let mask = document.mask_in(document.rect()).expect("a mask");
    for (x, y, covered) in mask.enumerate_pixels() {
        let opaque = if covered.0[0] > 0 { 255 } else { 0 };
        assert_eq!(patch.pixel(x as i32, y as i32)[3], opaque, "{x}, {y}");
    }
    // The mask is still there, for what may be painted in it then.
    assert!(document.has_mask_content());
    studio.command(Command::Undo);
    assert_eq!(*studio.state().document(), before);
}

#[test]
fn a_layer_that_comes_during_a_stroke_waits_for_its_end() {
    let mut studio = Studio::start();
    studio.paint("a red bus");
    studio.harness.key_press(Key::B);
    drag(&mut studio, (24.0, 40.0), (40.0, 40.0), Modifiers::NONE);
    let count = studio.layer_names().len();
    let place = studio.place_of(10.0, 10.0);
    let button = |pressed| Event::PointerButton {
        pos: place,
        button: PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    };
    studio.send(Event::PointerMoved(place));
    studio.send(button(true));
    studio.command(Command::RemoveMasked);
    std::thread::sleep(std::time::Duration::from_millis(300));
    studio.harness.run_steps(4);
    assert_eq!(studio.layer_names().len(), count);
    studio.send(button(false));
    studio.wait("the layer", |state| {
        state.document().layers().len() == count + 1
    });
    let notices: Vec<_> = studio.state().notices.iter().collect();
    assert!(notices.is_empty(), "{notices:?}");
}
