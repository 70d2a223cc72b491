//! "Follow changes", from the outside: what is changed while a picture is painted takes
//! effect at its next step, if that is wanted.

#[path = "support/studio.rs"]
mod studio;

use studio::{Studio, number};
use velatura::app::Command;
use velatura::app::boxes::{BoxChange, BoxCommand};
use velatura::app::form::FormChange;
use velatura::document::LayerKind;
use velatura::recipe::GenerateSpec;
use velatura::recipe::param::STEPS;

/// A studio with a box that is chosen.
fn with_box() -> Studio {
    let mut studio = Studio::start();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("boxes.json");
    let text = r#"{"image": {"width": 64, "height": 64}, "annotations": [{"category": "bus", "bbox": [4, 4, 20, 10]}]}"#;
    std::fs::write(&path, text).expect("a file");
    studio.command(BoxCommand::Read(path).into());
    studio.wait("the boxes", |state| {
        let layers = state.document().layers().iter();
        layers
            .clone()
            .any(|layer| layer.kind() == LayerKind::Layout)
    });
    let layer = studio
        .state()
        .document()
        .selected_layer()
        .expect("a layer")
        .id;
    let boxes = vec![0];
    studio.command(BoxCommand::Select { layer, boxes }.into());
    studio
}

fn moved(to: f32) -> Command {
    let change = BoxChange::Left(to);
    BoxCommand::Change { change, done: true }.into()
}

/// What the picture was painted from in the end, when the box was moved after a step.
fn painted(studio: &mut Studio) -> GenerateSpec {
    studio.set([number(&STEPS, 4)]);
    studio.permit(1);
    studio.click("Generate");
    studio.wait("a step", |state| {
        state.jobs.running().is_some_and(|job| job.step == 1)
    });
    studio.command(moved(30.0));
    studio.set([FormChange::Prompt("a meadow".to_owned())]);
    studio.harness.run();
    studio.permit(3);
    studio.wait("the picture", |state| state.document().has_picture());
    let recipes = studio.state().front().recipes();
    let (_, newest) = recipes.last_key_value().expect("a recipe");
    newest.spec.clone()
}

fn left(spec: &GenerateSpec) -> f32 {
    spec.layout.as_ref().expect("boxes").0[0].rect[0]
}

#[test]
fn a_picture_follows_only_if_that_is_wanted() {
    let mut studio = with_box();
    assert!(!studio.state().form().follows_changes);
    let spec = painted(&mut studio);
    assert_eq!(left(&spec), 4.0);
    assert_ne!(spec.prompt, "a meadow");

    let mut studio = with_box();
    studio.click("Follow changes");
    assert!(studio.state().form().follows_changes);
    let spec = painted(&mut studio);
    assert_eq!(left(&spec), 30.0);
    assert_eq!(spec.prompt, "a meadow");
}

#[test]
fn live_needs_no_following() {
    let mut studio = with_box();
    studio.click("Follow changes");
    studio.click("Live");
    use egui_kittest::kittest::{NodeT as _, Queryable as _};
    let switch = studio.harness.get_by_label("Follow changes");
    assert!(switch.accesskit_node().is_disabled());
    // It is kept for when Live is off again.
    assert!(studio.state().form().follows_changes);
}
