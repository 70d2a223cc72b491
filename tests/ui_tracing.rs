//! A label map and boxes that are made of the picture, from the outside. The engine
//! is the fake one: whatever the picture, it sees sky, grass and a red bus.

#[path = "support/studio.rs"]
mod studio;

use egui_kittest::kittest::{NodeT as _, Queryable as _};
use studio::Studio;
use velatura::app::Command;
use velatura::app::tracing::Tracing;
use velatura::document::{Layer, LayerKind, class_index};

fn chosen(studio: &Studio) -> &Layer {
    let layer = studio.state().document().selected_layer();
    layer.expect("a layer")
}

/// Chooses an entry of a menu.
fn choose(studio: &mut Studio, menu: &str, entry: &str) {
    studio.click(menu);
    studio.click(entry);
}

#[test]
fn a_label_map_of_the_picture_is_one_step() {
    let mut studio = Studio::start();
    studio.paint("a red bus");
    let before = studio.state().document().clone();
    choose(&mut studio, "Label map", "Label map from this picture");
    studio.wait("the job", |state| state.jobs.running().is_some());
    assert!(studio.sees("Reading the picture"));
    studio.permit(1);
    studio.wait("the map", |state| {
        state.document().layers().len() == before.layers().len() + 1
    });
    let layer = chosen(&studio);
    assert_eq!(layer.kind(), LayerKind::Semantic);
    let map = layer.semantic().expect("a map").clone();
    let palette = studio.state().document().palette();
    let name = |x, y| {
        let class = palette.class(class_index(map.pixel(x, y)));
        class.map(|class| class.name.as_str())
    };
    assert_eq!(map.size_px(), [64, 64]);
    let corners = [name(0, 0), name(0, 63), name(63, 63), name(31, 32)];
    assert_eq!(
        corners,
        [Some("sky"), Some("grass"), Some("bus"), Some("grass")]
    );
    studio.command(Command::Undo);
    assert_eq!(*studio.state().document(), before);
    studio.command(Command::Redo);
    studio
        .state()
        .document()
        .validate_invariants()
        .expect("a whole document");
}

#[test]
fn boxes_of_the_picture_are_one_step_and_have_their_colours() {
    let mut studio = Studio::start();
    studio.paint("a red bus");
    let before = studio.state().document().clone();
    choose(&mut studio, "Layout", "Boxes from this picture");
    studio.wait("the job", |state| state.jobs.running().is_some());
    // Asked once more, nothing happens twice.
    studio.command(Command::Trace(Tracing::Boxes));
    assert!(studio.sees("The picture is being read already"));
    studio.permit(1);
    studio.wait("the boxes", |state| state.jobs.active().is_empty());
    studio.wait("the layer", |state| {
        state.document().layers().len() == before.layers().len() + 1
    });
    let boxes = chosen(&studio).boxes().expect("boxes");
    assert_eq!(boxes.len(), 1);
    let found = &boxes[0];
    assert_eq!(
        (found.label.as_str(), found.colour.as_deref()),
        ("bus", Some("red"))
    );
    let corners = [found.min.x, found.min.y, found.max.x, found.max.y];
    assert_eq!(corners, [32.0, 32.0, 64.0, 64.0]);
    studio.command(Command::Undo);
    assert_eq!(*studio.state().document(), before);
}

#[test]
fn without_a_picture_the_reason_is_told() {
    let mut studio = Studio::start();
    for tracing in [Tracing::LabelMap, Tracing::Boxes] {
        studio.command(Command::Trace(tracing));
        assert!(studio.sees("There is no picture that can be seen"));
    }
    studio.click("Layout");
    let entry = studio.harness.get_by_label("Boxes from this picture");
    assert!(entry.accesskit_node().is_disabled());
    assert!(studio.state().jobs.active().is_empty());
}

#[test]
fn a_stroke_in_hand_is_not_disturbed() {
    let mut studio = Studio::start();
    studio.paint("a red bus");
    studio.command(Command::Trace(Tracing::LabelMap));
    studio.wait("the job", |state| state.jobs.running().is_some());
    studio.command(Command::SelectTool(velatura::tools::ToolId("brush")));
    let centre = studio.harness.get_by_label("Canvas").rect().center();
    studio.harness.drag_at(centre);
    studio.harness.run();
    studio.harness.hover_at(centre + egui::vec2(20.0, 10.0));
    studio.harness.run();
    let layers = studio.state().document().layers().len();
    studio.permit(1);
    studio.wait("the end of the job", |state| state.jobs.active().is_empty());
    for _ in 0..20 {
        std::thread::sleep(std::time::Duration::from_millis(10));
        studio.harness.run();
    }
    assert_eq!(studio.state().document().layers().len(), layers);
    studio.harness.drop_at(centre + egui::vec2(20.0, 10.0));
    studio.harness.run();
    studio.wait("the map", move |state| {
        state.document().layers().len() == layers + 1
    });
    assert!(studio.state().document().has_mask_content());
}
