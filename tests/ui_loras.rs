//! LoRAs in the window: added, weighed, switched, taken out, their words put into the prompt,
//! and restored with a picture.

#[path = "support/studio.rs"]
mod studio;

use std::path::{Path, PathBuf};

use egui::Key;
use egui::accesskit::Role;
use egui_kittest::kittest::Queryable as _;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, serialize_to_file};
use studio::Studio;
use velatura::app::form::FormChange;
use velatura::app::loras::{LoraChange, LoraCommand, LoraKnown};
use velatura::app::{Command, PickPurpose};
use velatura::recipe::param::Value;
use velatura::recipe::{
    FoundRecipe, GenerateSpec, LoraSpec, ModelSource, NamedFile, PaintedRecipe, SaveOptions,
    save_picture,
};

/// A LoRA that says some words of itself.
fn lora(folder: &Path, name: &str, end: &str) -> PathBuf {
    let path = folder.join(format!("{name}.safetensors"));
    let bytes = [0_u8; 4];
    let view = TensorView::new(Dtype::F32, Vec::new(), &bytes).expect("a number");
    let header = [
        ("modelspec.trigger_phrase".to_owned(), "inkwash".to_owned()),
        (
            "ss_tag_frequency".to_owned(),
            r#"{"10_ink": {"paper": 3, "brush": 7}}"#.to_owned(),
        ),
    ];
    let key = format!("lora_unet_mid_block.{end}");
    serialize_to_file([(key, view)], Some(header.into()), &path).expect("a file");
    path
}

fn names(studio: &Studio) -> Vec<String> {
    let listed = &studio.state().form().listed_loras;
    listed.iter().map(|it| it.lora.file.name.clone()).collect()
}

#[test]
fn a_lora_is_dropped_weighed_switched_and_taken_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut studio = Studio::start();
    assert!(studio.sees("Add a file, or drop one"));
    // What is dropped on the window is opened like any file.
    studio.command(Command::OpenFile(lora(folder.path(), "ink", "alpha")));
    studio.wait("the LoRA", |state| !state.form().listed_loras.is_empty());
    assert!(studio.sees("Added the LoRA") && studio.sees("1 of 1 in use"));
    studio.set([FormChange::Prompt("a cat".to_owned())]);
    studio.click("inkwash");
    studio.click("brush");
    assert_eq!(studio.state().form().spec.prompt, "a cat, inkwash, brush");
    // Once is enough.
    studio.click("brush");
    assert_eq!(studio.state().form().spec.prompt, "a cat, inkwash, brush");

    // The slider, by the keyboard.
    let weight = |studio: &Studio| studio.state().form().listed_loras[0].lora.weight;
    assert_eq!(weight(&studio), 1.0);
    studio.set([FormChange::Lora(0, LoraChange::Weight(Value::Real(-0.5)))]);
    assert_eq!(weight(&studio), -0.5);
    let slider = |studio: &Studio| {
        let slider = Role::Slider;
        let node = studio
            .harness
            .get_by_role_and_label(slider, "Weight of ink");
        node.focus();
    };
    slider(&studio);
    studio.harness.run();
    studio.harness.key_press(Key::ArrowLeft);
    studio.harness.run();
    let less = weight(&studio);
    assert!(less < -0.5, "{less}");
    studio.harness.key_press(Key::ArrowRight);
    studio.harness.run();
    assert!(weight(&studio) > less);
    studio.set([FormChange::Lora(0, LoraChange::Weight(Value::Real(-0.5)))]);

    studio.command(LoraCommand::Add(lora(folder.path(), "oil", "alpha")).into());
    studio.wait("the LoRA", |state| state.form().listed_loras.len() == 2);
    studio.click("Use ink");
    assert!(studio.sees("1 of 2 in use"));
    let used = studio.state().form().used_loras();
    assert_eq!((used.len(), used[0].file.name.as_str()), (1, "oil"));
    studio.click("Remove oil");
    studio.click("Use ink");
    let painted = studio.state().form().spec([64, 64], None, None);
    assert_eq!(painted.loras.len(), 1);
    assert_eq!(painted.loras[0].weight, -0.5);
    studio.click("Remove ink");
    assert_eq!(names(&studio), [] as [&str; 0]);
}

#[test]
fn what_is_no_lora_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut studio = Studio::start();
    let other = lora(folder.path(), "other", "dora_scale");
    studio.command(Command::TakePath {
        purpose: PickPurpose::Lora,
        path: other,
    });
    studio.wait("the refusal", |state| state.notices.iter().next().is_some());
    assert!(studio.sees("DoRA"));
    assert_eq!(names(&studio), [] as [&str; 0]);
}

#[test]
fn restored_loras_are_listed_by_name_and_told_where_they_are_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = GenerateSpec {
        prompt: "a hill".to_owned(),
        loras: vec![LoraSpec {
            file: NamedFile::at("/home/anna/loras/lost.safetensors"),
            weight: 0.75,
            text_weight: None,
        }],
        vae: Some(NamedFile::at("/home/anna/vae/soft.safetensors")),
        ..GenerateSpec::default()
    };
    let path = folder.path().join("painted.png");
    let image = image::RgbaImage::from_pixel(32, 32, image::Rgba([9, 9, 9, 255]));
    let recipe = PaintedRecipe::new(spec, "", "");
    save_picture(&path, &image, Some(&recipe), &SaveOptions::default()).expect("a file");
    let opened = velatura::recipe::open_picture(&path).expect("a picture");
    let found: FoundRecipe = opened.recipe.expect("a recipe");
    let mut studio = Studio::start();
    studio.command(Command::RestoreSettings(Box::new(found)));
    studio.wait("the LoRA", |state| {
        let mut known = state.known_loras.values();
        known.any(|it| matches!(it, LoraKnown::Lost(_)))
    });
    assert_eq!(names(&studio), ["lost"]);
    let listed = &studio.state().form().listed_loras[0];
    assert_eq!((listed.lora.weight, &listed.lora.file.path), (0.75, &None));
    assert!(studio.sees("There is no LoRA"));
    assert!(studio.sees("soft"));
    studio.click("Take the model's own first stage");
    assert_eq!(studio.state().form().spec.vae, None);
}

/// What a picture of another computer was painted with may lie beside another model.
#[test]
fn a_lora_that_is_missing_is_looked_for_beside_every_model() {
    let folder = tempfile::tempdir().expect("a folder");
    let loras = folder.path().join("loras");
    std::fs::create_dir(&loras).expect("a folder");
    lora(&loras, "lost", "alpha");
    let mut studio = Studio::start();
    let spec = GenerateSpec {
        loras: vec![LoraSpec::read("lost")],
        ..GenerateSpec::default()
    };
    let recipe = FoundRecipe::new(spec, velatura::recipe::RecipeForm::Velatura);
    studio.command(Command::RestoreSettings(Box::new(recipe)));
    let lost = |known: &LoraKnown| matches!(known, LoraKnown::Lost(_));
    let told = |known: &LoraKnown| matches!(known, LoraKnown::Told(_));
    studio.wait("no LoRA", |state| state.known_loras.values().any(lost));
    let model = ModelSource::Folder(folder.path().join("plain"));
    studio.command(Command::ChooseModel(model));
    studio.wait("the LoRA", |state| state.known_loras.values().any(told));
    assert!(studio.sees("inkwash") && !studio.sees("There is no LoRA"));
    studio.command(Command::ChooseModel(ModelSource::Storybook));
    studio.wait("no LoRA", |state| state.known_loras.values().any(lost));
}
