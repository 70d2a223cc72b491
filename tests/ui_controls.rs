//! ControlNets in the window: added, shown pictures, weighed, switched, taken out, and
//! restored with a picture.

#[path = "support/studio.rs"]
mod studio;

use std::path::{Path, PathBuf};

use image::{Rgba, RgbaImage};
use studio::{Studio, number};
use velatura::app::controls::{ControlChange, ControlCommand, ControlSource};
use velatura::app::form::FormChange;
use velatura::app::{Command, PickPurpose};
use velatura::recipe::param::{STEPS, Value};
use velatura::recipe::{
    CONTROL_END, CONTROL_WEIGHT, ControlKind, FoundRecipe, GenerateSpec, ModelSource, RecipeForm,
};

fn reference(name: &str) -> PathBuf {
    let path = std::path::absolute(Path::new("tests/data/reference").join(name));
    path.expect("a path")
}

/// A studio with a picture, whose model is that of the networks.
fn studio_with_picture(folder: &Path) -> Studio {
    let path = folder.join("half.png");
    let half = RgbaImage::from_fn(64, 64, |x, _| {
        Rgba(if x < 32 { [0, 0, 0, 255] } else { [255; 4] })
    });
    half.save(&path).expect("a file");
    let mut studio = Studio::start_with(Some(&path));
    studio.wait("the picture", |state| state.document().has_picture());
    take_model(&mut studio, "sd1-tiny");
    studio
}

fn take_model(studio: &mut Studio, name: &str) {
    studio.command(Command::ChooseModel(ModelSource::Folder(reference(name))));
    studio.wait("the model", |state| {
        let model = state.model_summary();
        model.is_some_and(|model| model.name == name)
    });
}

fn add(studio: &mut Studio, name: &str) {
    let count = studio.state().form().listed_controls.len();
    studio.command(Command::TakePath {
        purpose: PickPurpose::ControlNet,
        path: reference("control").join(name),
    });
    studio.wait("the ControlNet", |state| {
        state.form().listed_controls.len() > count
    });
}

/// Paints once more; what the picture was painted from.
fn paint(studio: &mut Studio) -> GenerateSpec {
    let before = studio.state().document().layers().len();
    studio.set([number(&STEPS, 2)]);
    studio.permit(2);
    studio.click("Generate");
    studio.wait("the picture", |state| {
        state.document().layers().len() > before
    });
    let recipes = studio.state().front().recipes();
    let (_, newest) = recipes.last_key_value().expect("a recipe");
    newest.spec.clone()
}

#[test]
fn a_control_is_added_shown_a_layer_weighed_and_taken_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut studio = studio_with_picture(folder.path());
    let change = |change| FormChange::Control(0, change);
    // What is dropped on the window is opened like any file.
    let file = reference("control/control_canny/diffusion_pytorch_model.safetensors");
    studio.command(Command::OpenFile(file));
    studio.wait("the ControlNet", |state| {
        !state.form().listed_controls.is_empty()
    });
    assert!(studio.sees("Added the ControlNet") && studio.sees("1 of 1 in use"));
    let listed = studio.state().form().listed_controls[0].clone();
    assert_eq!(listed.control.file.name, "control_canny");
    assert_eq!(listed.control.kind, ControlKind::Canny);

    // What it sees of the canvas: one line between black and white.
    studio.click("Show what the network sees");
    studio.wait("what it sees", |state| {
        let preview = state.known_controls.preview.as_ref();
        preview.is_some_and(|preview| preview.picture.is_some())
    });
    let preview = studio.state().known_controls.preview.clone().expect("one");
    let white = preview.picture.expect("a picture");
    let white = white.pixels().filter(|pixel| pixel[0] == 255).count();
    assert_eq!(white as u32, studio.state().job_size_px()[1]);
    studio.click("Hide what the network sees");
    assert!(studio.state().known_controls.preview.is_none());

    // A layer, from the start of the run to its half.
    let layer = studio.state().control_layers()[0].id;
    let document = studio.state().document().id();
    let source = ControlSource::Layer(document, layer);
    studio.set([
        change(ControlChange::Source(source)),
        change(ControlChange::Number(&CONTROL_WEIGHT, Value::Real(0.5))),
        change(ControlChange::Number(&CONTROL_END, Value::Real(0.5))),
    ]);
    studio.command(Command::StartFromPicture(false));
    let spec = paint(&mut studio);
    assert_eq!(spec.controls.len(), 1);
    let control = &spec.controls[0];
    assert_eq!(
        [control.weight, control.start, control.end],
        [0.5, 0.0, 0.5]
    );
    let shown = control.picture.as_ref().expect("the layer").0.clone();
    assert_eq!(shown.get_pixel(40, 3).0, [255; 4]);

    // A file, with another network beside it that rests.
    add(&mut studio, "control_canny_half.pth");
    // Its row lies below what the panel shows.
    studio.set([FormChange::Control(1, ControlChange::Rests(true))]);
    assert!(studio.sees("1 of 2 in use"));
    let small = folder.path().join("small.png");
    let red = RgbaImage::from_pixel(8, 8, Rgba([200, 0, 0, 255]));
    red.save(&small).expect("a file");
    studio.command(ControlCommand::Show(0, small).into());
    studio.wait("the picture", |state| state.used_controls().count() == 1);
    let spec = paint(&mut studio);
    assert_eq!(spec.controls.len(), 1);
    let shown = spec.controls[0]
        .picture
        .as_ref()
        .expect("the file")
        .0
        .clone();
    assert_eq!(
        (shown.dimensions(), shown.get_pixel(1, 1).0),
        ((8, 8), [200, 0, 0, 255])
    );

    studio.set([FormChange::Control(1, ControlChange::Remove)]);
    studio.click("Remove control_canny");
    assert!(studio.state().form().listed_controls.is_empty());
    assert!(paint(&mut studio).controls.is_empty());
}

#[test]
fn a_network_of_other_models_rests_and_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut studio = studio_with_picture(folder.path());
    add(&mut studio, "control_canny_half.pth");
    assert_eq!(studio.state().used_controls().count(), 1);
    take_model(&mut studio, "sd2-tiny");
    studio.wait("the refusal", |state| state.used_controls().count() == 0);
    assert!(studio.sees("does not fit the model") && studio.sees("0 of 1 in use"));
    assert!(paint(&mut studio).controls.is_empty());
    // What does not fit is not added.
    studio.command(Command::TakePath {
        purpose: PickPurpose::ControlNet,
        path: reference("lora/sd1-tiny-kohya.safetensors"),
    });
    studio.wait("the refusal", |state| state.notices.iter().next().is_some());
    assert_eq!(studio.state().form().listed_controls.len(), 1);
}

#[test]
fn restored_controls_have_their_pictures() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut studio = studio_with_picture(folder.path());
    add(&mut studio, "control_canny_half.pth");
    studio.command(Command::StartFromPicture(false));
    let painted = paint(&mut studio);
    assert_eq!(painted.controls.len(), 1);
    studio.click("Remove control_canny_half");
    let recipe = FoundRecipe::new(painted.clone().without_places(), RecipeForm::Velatura);
    studio.command(Command::RestoreSettings(Box::new(recipe)));
    let listed = studio.state().form().listed_controls[0].clone();
    assert_eq!(listed.source, ControlSource::Recipe);
    assert_eq!(listed.control.file.path, None);
    assert_eq!(listed.control.picture, painted.controls[0].picture);
    // Its file is not beside the model.
    studio.wait("the refusal", |state| state.used_controls().count() == 0);
    assert!(studio.sees("There is no ControlNet"));
}
