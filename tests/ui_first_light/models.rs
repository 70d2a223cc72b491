//! A checkpoint in one file, dropped on the window, paints with the real engine; what it
//! painted stands for it in the list of models.

use std::path::Path;

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use velatura::app::ModelState;
use velatura::app::form::FormChange;
use velatura::app::library::LibraryCommand;
use velatura::recipe::ModelSource;
use velatura::recipe::param::{self, Value};

use super::Studio;
use super::drops::drop_files;
use super::single::write_single;

#[test]
fn a_checkpoint_that_is_dropped_on_the_window_paints() {
    let root = tempfile::tempdir().expect("a folder");
    let library = tempfile::tempdir().expect("a folder");
    let path = root.path().join("meadow.safetensors");
    write_single(&path);
    let mut studio = Studio::start_in(None, Some(library.path()));
    drop_files(studio.0.input_mut(), &[&path]);
    let source = ModelSource::Folder(path.clone());
    let wanted = source.clone();
    studio.watch(
        "the model",
        |state| state.model_summary().is_some_and(|it| it.source == wanted),
        |state| {
            assert!(
                !matches!(state.model, ModelState::Failed(_)),
                "{:?}",
                state.model
            )
        },
    );
    let summary = studio.state().model_summary().expect("a model");
    assert!(
        summary.takes_text() && summary.name == "meadow",
        "{summary:?}"
    );
    for change in [
        FormChange::Prompt("a meadow".to_owned()),
        FormChange::Number(&param::STEPS, Value::Whole(2)),
        FormChange::Number(&param::WIDTH, Value::Whole(64)),
        FormChange::Number(&param::HEIGHT, Value::Whole(64)),
    ] {
        studio.0.state_mut().command(change.into());
    }
    studio.0.run_ok();
    studio.0.get_by_label("Generate").click();
    studio.watch(
        "the picture",
        |state| state.document().has_picture(),
        |_| {},
    );

    let place = LibraryCommand::AddPlace(root.path().to_path_buf());
    studio.0.state_mut().command(place.into());
    studio.watch(
        "its picture",
        |state| {
            let mut models = state.library.listing().models.iter();
            let listed = models.find(|it| it.source == source);
            let file = listed.and_then(|it| it.picture.clone());
            file.is_some_and(|file| {
                assert!(file.path.starts_with(library.path()), "{file:?}");
                let is_remembered = library.path().join("models.json").is_file();
                is_remembered && state.library.picture(&file).is_some()
            })
        },
        |_| {},
    );
    let beside = std::fs::read_dir(root.path()).expect("a folder").count();
    assert_eq!(beside, 1, "nothing is written beside models");
    studio.0.key_press_modifiers(Modifiers::NONE, Key::Escape);
    studio.0.run_ok();
    assert!(studio.state().dialog.is_none() && Path::new(&path).is_file());
}
