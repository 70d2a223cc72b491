//! Files that are dropped on the window, and loading that is seen and cancelled.

use super::*;

#[test]
fn a_model_that_is_dropped_on_the_window_is_loaded() {
    let root = webui();
    let model = root
        .path()
        .join("models/Stable-diffusion/meadow.safetensors");
    let mut studio = Studio::start();
    drop_on(&mut studio, &[&model]);
    studio.wait("the model", |state| {
        let summary = state.model_summary();
        summary.is_some_and(|it| it.source == ModelSource::Folder(model.clone()))
    });
    assert!(shows(&studio, "meadow.safetensors"));
    assert_eq!(notices(&studio), Vec::<String>::new());
    // A folder of diffusers is a model too.
    let folder = Path::new("tests/data/reference/sd2-tiny");
    drop_on(&mut studio, &[folder]);
    studio.wait("the folder", |state| {
        let summary = state.model_summary();
        summary.is_some_and(|it| it.source == ModelSource::Folder(folder.to_path_buf()))
    });
}

#[test]
fn a_long_name_of_a_model_does_not_widen_the_panel() {
    let root = tempfile::tempdir().expect("a folder");
    let name = "a-model-with-a-name-that-says-all-that-it-was-ever-merged-from.safetensors";
    write_single(&root.path().join(name));
    let mut studio = Studio::start();
    let width = |studio: &Studio| {
        let role = Role::ComboBox;
        let field = studio.harness.get_by_role_and_label(role, "Model");
        field.rect().width()
    };
    let before = width(&studio);
    drop_on(&mut studio, &[&root.path().join(name)]);
    for _ in 0..10 {
        studio.harness.step();
        assert!((width(&studio) - before).abs() < 1.0);
    }
    studio.wait("the model", |state| {
        state.model_summary().is_some_and(|it| it.name == name)
    });
    studio.harness.run();
    assert!((width(&studio) - before).abs() < 1.0);
}

#[test]
fn what_is_no_model_says_what_it_is_and_changes_nothing() {
    let root = webui();
    let models = root.path().join("models");
    let mut studio = Studio::start();
    drop_on(&mut studio, &[&models.join("Stable-diffusion/page.ckpt")]);
    wait_for_notice(&mut studio, "a web page");
    drop_on(&mut studio, &[&models.join("Lora/ink.safetensors")]);
    wait_for_notice(&mut studio, "Added the LoRA");
    let text = root.path().join("notes.txt");
    fs::write(&text, "nothing").expect("a file");
    drop_on(&mut studio, &[&text]);
    wait_for_notice(&mut studio, "neither a picture");
    assert_eq!(chosen(&studio), None);
    assert!(matches!(studio.state().model, ModelState::Ready(_)));
    // A picture goes on being a layer; of several together it is one.
    drop_on(
        &mut studio,
        &[&models.join("Stable-diffusion/meadow.png"), &text],
    );
    studio.wait("the picture", |state| state.document().has_picture());
    wait_for_notice(&mut studio, "one by one");
    // The folder of another program is offered.
    drop_on(&mut studio, &[root.path()]);
    wait_for_notice(&mut studio, "in the layout of A1111");
    studio.click("Add it to the model list");
    assert_eq!(studio.state().settings.model_places, [root.path()]);
    assert!(matches!(studio.state().dialog, Some(Dialog::Models)));
}

#[test]
fn a_folder_of_pictures_is_offered_to_train_on() {
    let root = tempfile::tempdir().expect("a folder");
    let [cats, dogs] = ["cats", "dogs"].map(|name| root.path().join(name));
    for folder in [&cats, &dogs] {
        fs::create_dir(folder).expect("a folder");
        for name in ["a.png", "b.png"] {
            RgbaImage::new(64, 64)
                .save(folder.join(name))
                .expect("a picture");
        }
    }
    let mut studio = Studio::start();
    drop_on(&mut studio, &[&cats]);
    wait_for_notice(&mut studio, "cats holds 2 pictures");
    studio.click("Train on them…");
    assert!(matches!(studio.state().dialog, Some(Dialog::Train)));
    assert_eq!(studio.state().train_form.folder.as_ref(), Some(&cats));
    // The dialog takes others.
    drop_on(&mut studio, &[&dogs]);
    studio.wait("the pictures", |state| {
        state.train_form.folder.as_ref() == Some(&dogs)
    });
    assert_eq!(notices(&studio), Vec::<String>::new());
    // A model that lacks something is none of pictures, whatever lies in it.
    fs::create_dir(dogs.join("unet")).expect("a folder");
    let config = r#"{"in_channels": 5, "cross_attention_dim": 16}"#;
    fs::write(dogs.join("unet/config.json"), config).expect("a file");
    drop_on(&mut studio, &[&dogs]);
    studio.wait("the failure", |state| state.notices.iter().count() == 1);
    assert!(
        !notices(&studio)[0].contains("holds"),
        "{:?}",
        notices(&studio)
    );
    // What is said then hides none of the dialog's buttons.
    let told = notices(&studio).remove(0);
    let told = studio.harness.get_by_label(&told).rect();
    for button in ["Start training", "Cancel", "Close"] {
        let button = studio.harness.get_by_label(button).rect();
        assert!(!told.intersects(button), "{told} lies on {button}");
    }
}

#[test]
fn loading_is_seen_and_cancelled() {
    let mut studio = Studio::start();
    let slow = ModelSource::Folder("models/slow".into());
    studio.command(Command::ChooseModel(slow.clone()));
    studio.wait("a part of it", |state| {
        let loading = state.jobs.loading(&slow);
        loading.is_some_and(|job| job.reading == Some(0.42))
    });
    assert!(shows(&studio, "Loading slow… 42 %"));
    studio.click("Cancel loading the model");
    studio.wait("the model before", |state| {
        state
            .model_summary()
            .is_some_and(|it| it.source == ModelSource::Storybook)
    });
    assert_eq!(chosen(&studio), None);
    assert_eq!(notices(&studio), Vec::<String>::new());
    // Another one that is chosen takes its place at once.
    studio.command(Command::ChooseModel(slow));
    studio.command(Command::ChooseModel(ModelSource::Folder(
        "models/plain".into(),
    )));
    studio.wait("the other model", |state| {
        state.model_summary().is_some_and(|it| it.name == "plain")
    });
    // Escape gives up too.
    studio.command(Command::ChooseModel(ModelSource::Folder(
        "models/slow".into(),
    )));
    studio.wait("a part of it", |state| state.jobs.running().is_some());
    press(&mut studio, Key::Escape, Modifiers::NONE);
    studio.wait("the model before", |state| {
        state.model_summary().is_some_and(|it| it.name == "plain")
    });
}

#[test]
fn a_file_that_is_named_from_here_is_known_from_everywhere() {
    let here = Path::new("assets/screenshots/guide.png");
    let mut studio = Studio::start_with(Some(here));
    studio.wait("the picture", |state| state.document().has_picture());
    let file = studio.state().front().file.clone().expect("a file");
    assert!(file.is_absolute() && file.ends_with(here), "{file:?}");
}
