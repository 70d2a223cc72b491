//! Boxes that a model places for the words, from the outside. The engine is the fake one:
//! it places a box for each bus that is named.

#[path = "support/studio.rs"]
mod studio;

use egui_kittest::kittest::{NodeT as _, Queryable as _};
use studio::Studio;
use velatura::app::Command;
use velatura::app::boxes::{are_named, chosen};
use velatura::app::classes::ClassCommand;
use velatura::app::form::FormChange::{self, Prompt};
use velatura::app::frame::FrameCommand;
use velatura::app::tracing::Tracing;
use velatura::document::{FrameChoice, LayerKind, stored_class};
use velatura::geometry::CanvasRect;
use velatura::recipe::ModelSource;

const PLACED: &str = "Placed for the words";
const AROUND: &str = "Taken from the map";
const MISSING: &str = "For what is missing";

fn with_joint_model() -> Studio {
    let mut studio = Studio::start();
    studio.command(Command::ChooseModel(ModelSource::Folder("joint".into())));
    studio.wait("the model", |state| {
        state
            .model_summary()
            .is_some_and(|model| model.places_boxes)
    });
    studio
}

fn boxes(studio: &Studio) -> Vec<(bool, usize)> {
    let layers = studio.state().document().layers().iter();
    let layouts = layers.filter(|layer| layer.kind() == LayerKind::Layout);
    let counted = layouts.map(|layer| (layer.visible, layer.boxes().map_or(0, <[_]>::len)));
    counted.collect()
}

/// The tool in hand, drawn from one place of the document to another.
fn drag(studio: &mut Studio, from: (f32, f32), to: (f32, f32)) {
    for ((x, y), is_down) in [(from, true), (to, false)] {
        let pos = studio.place_of(x, y);
        studio.send(egui::Event::PointerMoved(pos));
        studio.send(egui::Event::PointerButton {
            pos,
            button: egui::PointerButton::Primary,
            pressed: is_down,
            modifiers: egui::Modifiers::NONE,
        });
    }
    studio.harness.run();
}

#[test]
fn boxes_are_placed_unless_they_are_drawn_or_it_is_switched_off() {
    let mut studio = with_joint_model();
    assert!(studio.state().form().places_boxes);
    studio.click(PLACED);
    assert!(!studio.state().form().places_boxes);
    studio.click(PLACED);
    studio.set([Prompt("a bus and a bus".to_owned())]);
    studio.click("Boxes from the words");
    studio.wait("the boxes", |state| state.document().layers().len() > 1);
    assert_eq!(boxes(&studio), [(true, 2)]);
    // Those that are drawn count.
    assert!(!studio.sees(PLACED));
    studio.command(Command::Undo);
    assert!(boxes(&studio).is_empty() && studio.sees(PLACED));
}

#[test]
fn boxes_placed_again_take_the_place_of_others() {
    let mut studio = with_joint_model();
    for (prompt, wanted) in [
        ("a bus", vec![(true, 1)]),
        ("bus, bus, bus", vec![(false, 1), (true, 3)]),
    ] {
        studio.set([Prompt(prompt.to_owned())]);
        studio.command(Command::Trace(Tracing::Composition));
        let count = wanted.len();
        studio.wait("the boxes", |state| {
            let layers = state.document().layers().iter();
            layers.filter(|it| it.kind() == LayerKind::Layout).count() == count
        });
        assert_eq!(boxes(&studio), wanted);
    }
}

#[test]
fn a_recipe_says_whether_boxes_were_placed() {
    let mut studio = with_joint_model();
    studio.paint("a red bus");
    let recipe = studio.state().front().recipe().expect("a recipe").clone();
    assert!(recipe.spec.places_boxes);
    studio.set([FormChange::PlacesBoxes(false)]);
    let found = velatura::recipe::FoundRecipe::of(recipe.clone());
    studio.command(Command::RestoreSettings(Box::new(found)));
    assert!(studio.state().form().places_boxes);
    // An older picture was painted without.
    let mut older = recipe;
    older.spec.places_boxes = false;
    let repainted = older.clone();
    let found = velatura::recipe::FoundRecipe::of(older);
    studio.command(Command::RestoreSettings(Box::new(found)));
    assert!(!studio.state().form().places_boxes);
    // One that began from another picture says nothing of it.
    studio.set([FormChange::PlacesBoxes(true)]);
    let found = velatura::recipe::FoundRecipe {
        used_picture: true,
        ..velatura::recipe::FoundRecipe::of(repainted)
    };
    studio.command(Command::RestoreSettings(Box::new(found)));
    assert!(studio.state().form().places_boxes);
}

#[test]
fn things_on_the_label_map_are_told_as_boxes_too() {
    let mut studio = with_joint_model();
    studio.click("Add label map");
    studio.command(Command::Trace(Tracing::Things));
    assert!(studio.sees("There is no label map that can be seen"));
    // A bus under a sky.
    for (class, [from, to]) in [
        ("sky", [(0.0, 0.0), (60.0, 20.0)]),
        ("bus", [(12.0, 30.0), (36.0, 50.0)]),
    ] {
        let palette = studio.state().document().palette();
        let index = palette.class_named(class).expect("a class").index;
        studio.command(ClassCommand::Select(index).into());
        studio.harness.key_press(egui::Key::U);
        studio.harness.run();
        drag(&mut studio, from, to);
    }
    assert!(studio.sees(AROUND) && !studio.sees(PLACED));
    studio.click("Boxes from the label map");
    studio.wait("the boxes", |state| state.document().layers().len() > 3);
    let layers = studio.state().document().layers().iter();
    let drawn: Vec<_> = layers.filter_map(|layer| layer.boxes()).flatten().collect();
    let [bus] = &drawn[..] else {
        panic!("{drawn:?}");
    };
    assert_eq!(bus.label, "bus");
    for (at, wanted) in [(bus.min.x, 12.0), (bus.max.y, 50.0)] {
        assert!((at - wanted).abs() <= 1.0, "{bus:?}");
    }
    // Those that are drawn count, and a map on which the bus is no rectangle any more.
    assert!(!studio.sees(AROUND));
    let document = studio.state().document();
    let bus = document
        .palette()
        .class_named("bus")
        .expect("a class")
        .index;
    let maps = document.layers().iter().filter_map(|layer| {
        let counts = layer.semantic()?.counts();
        Some((layer.visible, counts[usize::from(stored_class(bus))] > 0))
    });
    assert_eq!(maps.collect::<Vec<_>>(), [(false, true), (true, false)]);
    studio.command(Command::Undo);
    assert!(studio.sees(AROUND));
}

#[test]
fn a_box_around_the_mask_holds_what_the_words_name() {
    for (prompt, wanted) in [
        ("a red bus, flat style", ("bus", Some("red"))),
        ("a bus beside a balloon", ("", None)),
    ] {
        let mut studio = with_joint_model();
        studio.paint(prompt);
        studio.command(Command::AddMask);
        drag(&mut studio, (20.0, 20.0), (40.0, 30.0));
        let masked = studio.state().document().mask_bounds();
        assert!(!masked.is_empty() && !studio.sees(PLACED) && studio.sees(MISSING));
        studio.click("Box around the mask");
        let found = chosen(studio.state());
        let [around] = found[..] else {
            panic!("{found:?}");
        };
        assert_eq!((&*around.label, around.colour.as_deref()), wanted);
        assert_eq!(
            [around.min.x, around.max.y],
            [masked.min[0], masked.max[1]].map(|at| at as f32)
        );
        // What it holds is asked where the words do not say it.
        assert_eq!(are_named(studio.state()), wanted.0.is_empty());
        assert!(!studio.sees(MISSING));
        studio.command(Command::Undo);
        assert!(studio.sees(MISSING));
    }
}

#[test]
fn a_job_in_a_frame_is_shown_what_lies_around_it() {
    for (looks, wanted) in [(true, "a bus"), (false, "a house, a bus")] {
        let mut studio = with_joint_model();
        studio.paint("a house");
        let [width, height] = studio.state().document().size_px();
        let half = [width as i32 / 2, 0];
        let beyond = CanvasRect::from_min_size(half, [width, height]);
        studio.command(FrameCommand::Choose(FrameChoice::Fixed(beyond)).into());
        assert!(studio.sees(MISSING));
        if !looks {
            studio.click(MISSING);
        }
        let before = studio.state().document().layers().len();
        studio.set([Prompt("a house, a bus".to_owned())]);
        studio.permit(2);
        studio.click("Generate");
        studio.wait("the picture", |state| {
            state.document().layers().len() > before
        });
        let recipes = studio.state().front().recipes();
        let (_, newest) = recipes.last_key_value().expect("a recipe");
        assert_eq!(newest.spec.prompt, wanted);
    }
}

#[test]
fn why_nothing_is_placed_is_told() {
    let mut studio = Studio::start();
    studio.wait("the model", |state| state.model_summary().is_some());
    assert!(!studio.sees(PLACED));
    studio.click("Layout");
    let entry = studio.harness.get_by_label("Boxes from the words");
    assert!(entry.accesskit_node().is_disabled());
    drop(studio);
    let mut studio = with_joint_model();
    studio.set([Prompt(" ".to_owned())]);
    studio.command(Command::Trace(Tracing::Composition));
    assert!(studio.sees("Write what the picture shows first"));
    studio.set([Prompt("a quiet evening".to_owned())]);
    studio.command(Command::Trace(Tracing::Composition));
    studio.wait("the end", |state| state.jobs.active().is_empty());
    studio.harness.run();
    let words = "No boxes could be placed";
    assert!(
        studio
            .harness
            .query_all_by_label_contains(words)
            .next()
            .is_some()
    );
    assert!(boxes(&studio).is_empty());
}
