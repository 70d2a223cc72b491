//! The training dialog has no dead ends: runs are begun, stopped, gone on with,
//! and begun again beside what lies there.

use std::path::Path;

use egui::accesskit::Toggled;
use egui::vec2;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use image::{Rgba, RgbaImage};
use velatura::app::training::{StartFrom, TrainChange, TrainForm, TrainPhase};
use velatura::app::{Command, Dialog, PickPurpose, Severity};
use velatura::recipe::{Degradation, SaveOptions, TrainTarget, TrainTask, save_picture};

use super::studio::Studio;
use super::train_form::changes_to;

impl Studio {
    fn fill_in(&mut self, form: &TrainForm) {
        for change in changes_to(form) {
            self.command(change.into());
        }
    }

    fn form(&mut self, form: &TrainForm) {
        self.command(Command::Show(Dialog::Train));
        self.fill_in(form);
        self.wait("a look at the folder", |state| {
            state.train_problem().is_none()
        });
    }

    fn wait_for_phase(&mut self, what: &str, is_so: fn(&TrainPhase) -> bool) {
        self.wait(what, move |state| {
            let training = state.jobs.training();
            training.is_some_and(|training| is_so(&training.phase))
        });
    }
}

/// The form for a folder of pictures that are large enough.
fn form(root: &Path) -> TrainForm {
    pictures(root);
    TrainForm {
        folder: Some(root.join("pictures")),
        output: Some(root.join("mine")),
        target: TrainTarget::Autoencoder,
        start: StartFrom::Scratch,
        steps: 20,
        ..TrainForm::default()
    }
}

#[test]
fn a_folder_that_holds_something_is_not_trained_into() {
    let root = tempfile::tempdir().expect("a folder");
    std::fs::create_dir_all(root.path().join("mine")).expect("a folder");
    std::fs::write(root.path().join("mine/notes.txt"), "mine").expect("a file");
    let mut studio = Studio::start();
    studio.command(Command::Show(Dialog::Train));
    studio.fill_in(&form(root.path()));
    studio.wait("a look at the folder", |state| state.train_place.is_some());
    assert!(studio.sees("That folder is in use"));
    studio.command(Command::StartTraining);
    assert!(studio.state().jobs.training().is_none());
    let free = TrainForm {
        output: Some(root.path().join("other")),
        ..form(root.path())
    };
    studio.form(&free);
    studio.click("Start training");
    assert!(studio.state().jobs.training().is_some());
}

/// The form is higher than what a run shows.
#[test]
fn a_run_ends_with_its_buttons() {
    let root = tempfile::tempdir().expect("a folder");
    let mut studio = Studio::start();
    studio.form(&form(root.path()));
    studio.click("Start training");
    studio.wait_for_phase("the run", |phase| *phase == TrainPhase::Running);
    assert!(studio.sees("Training, step 0 of 20"));
    assert!(studio.sees("come with the first step"));
    let harness = &studio.harness;
    let stop = harness.get_by_label("Stop training").rect();
    let close = harness.get_by_label("Close").rect();
    // As far from the end as the cross from the begin, in the middle of the window.
    let middle = (stop.bottom() + close.top()) / 2.0;
    assert!((middle - 400.0).abs() < 8.0, "{stop} {close}");
}

#[test]
fn the_form_fits_into_small_windows_and_gets_lower_again() {
    let root = tempfile::tempdir().expect("a folder");
    let mut studio = Studio::start();
    studio.form(&TrainForm {
        target: TrainTarget::Diffusion,
        start: StartFrom::CurrentModel,
        ..form(root.path())
    });
    studio.wait("a look at the pictures", |state| {
        let preview = state.train_preview.as_ref();
        let survey = state.train_survey.as_ref();
        preview.is_some_and(|preview| preview.row.is_some())
            && survey.is_some_and(|survey| survey.found.is_some())
    });
    let ends = |studio: &mut Studio| {
        // It is put into the middle once its height is known.
        studio.harness.run_steps(3);
        let of = |label: &str| studio.harness.get_by_label(label).rect();
        [of("Train on a folder").top(), of("Start training").bottom()]
    };
    let low = ends(&mut studio);
    studio.command(TrainChange::Start(StartFrom::Scratch).into());
    let high = ends(&mut studio);
    assert!(high[1] - high[0] > low[1] - low[0] + 40.0);
    studio.command(TrainChange::Start(StartFrom::CurrentModel).into());
    assert_eq!(ends(&mut studio), low);
    studio.command(TrainChange::Start(StartFrom::Scratch).into());
    for height in [640.0, 560.0] {
        studio.harness.set_size(vec2(900.0, height));
        studio.harness.run();
        let [top, bottom] = ends(&mut studio);
        assert!(
            top > 0.0 && bottom < height,
            "{top} to {bottom} of {height}"
        );
        let close = studio.harness.get_by_label("Cancel").rect();
        assert!(close.bottom() < height);
    }
}

/// Who is about to press a button must not miss it.
#[test]
fn nothing_moves_when_pictures_appear() {
    let root = tempfile::tempdir().expect("a folder");
    pictures(root.path());
    let mut studio = Studio::start();
    studio.command(Command::Show(Dialog::Train));
    let places = |studio: &mut Studio| {
        studio.harness.run_steps(3);
        ["Train on a folder", "Batch", "Start training"].map(|label| {
            studio
                .harness
                .get_all_by_label(label)
                .last()
                .expect("it")
                .rect()
                .top()
        })
    };
    let before = places(&mut studio);
    let folder = root.path().join("pictures");
    studio.command(TrainChange::Folder(Some(folder)).into());
    assert_eq!(places(&mut studio), before);
    studio.wait("the pictures", |state| {
        let preview = state.train_preview.as_ref();
        preview.is_some_and(|preview| matches!(preview.row, Some(Ok(_))))
    });
    assert_eq!(places(&mut studio), before);
}

#[test]
fn a_classifier_is_told_what_it_starts_from() {
    let root = tempfile::tempdir().expect("a folder");
    let mut studio = Studio::start();
    studio.form(&TrainForm {
        target: TrainTarget::Diffusion,
        size_px: 128,
        ..form(root.path())
    });
    studio.command(TrainChange::Target(TrainTarget::Classifier).into());
    assert_eq!(studio.state().train_form.size_px, 64);
    let start = studio.harness.get_by_label_contains("Random weights, for");
    assert_eq!(start.accesskit_node().toggled(), Some(Toggled::True));
    studio.command(TrainChange::Target(TrainTarget::Diffusion).into());
    let form = &studio.state().train_form;
    assert_eq!((form.size_px, form.start), (128, StartFrom::Scratch));
}

#[test]
fn quitting_asks_for_a_training_run() {
    let root = tempfile::tempdir().expect("a folder");
    let mut studio = Studio::start();
    studio.form(&form(root.path()));
    studio.click("Start training");
    studio.permit(2);
    studio.wait_for_phase("the run", |phase| *phase == TrainPhase::Running);
    studio.click("Keep painting");
    studio.command(Command::Quit);
    assert!(studio.sees("Stop what is at work?"));
    assert!(studio.sees("A training run is at work"));
    studio.click("Keep working");
    assert!(studio.state().dialog.is_none());
}

/// Starts a run whose checkpoint takes long, and agrees to stop it.
fn quit_while_it_trains(root: &Path) -> Studio {
    let mut studio = Studio::start();
    let slow = TrainForm {
        output: Some(root.join("slow")),
        ..form(root)
    };
    studio.form(&slow);
    studio.click("Start training");
    studio.wait_for_phase("the run", |phase| *phase == TrainPhase::Running);
    studio.command(Command::Quit);
    studio.click("Stop and quit");
    assert!(!studio.closes_within(3));
    assert!(studio.sees("Stopping\u{2026}") && studio.sees("writes its checkpoint"));
    studio
}

#[test]
fn the_window_stays_until_the_checkpoint_is_written() {
    let root = tempfile::tempdir().expect("a folder");
    let mut studio = quit_while_it_trains(root.path());
    // The first may be taken for a step before the run hears that it shall end.
    studio.permit(2);
    assert!(studio.closes());
    let training = studio.state().jobs.training().expect("the run");
    assert_eq!(training.phase, TrainPhase::Cancelled);
}

#[test]
fn who_asks_twice_does_not_want_to_see_the_checkpoint_written() {
    let root = tempfile::tempdir().expect("a folder");
    let mut studio = quit_while_it_trains(root.path());
    studio.harness.state_mut().command(Command::Quit);
    assert!(studio.closes_within(3));
    studio.permit(1);
}

#[test]
fn what_was_changed_while_a_checkpoint_is_written_is_asked_for() {
    let root = tempfile::tempdir().expect("a folder");
    let mut studio = quit_while_it_trains(root.path());
    studio.click("Keep painting");
    studio.stroke(20.0);
    studio.harness.state_mut().command(Command::Quit);
    assert!(!studio.closes_within(3));
    assert!(studio.sees("Something was changed while you were asked."));
    studio.permit(1);
}

#[test]
fn a_model_gets_its_name_where_it_is_trained() {
    let root = tempfile::tempdir().expect("a folder");
    let mut studio = Studio::start();
    studio.form(&form(root.path()));
    let state = studio.state();
    let usual = state.train_form.usual_name(state.train_place.as_ref());
    assert_eq!(usual, "mine (autoencoder)");
    studio.harness.get_by_label("Name").focus();
    studio.harness.run();
    studio.harness.get_by_label("Name").type_text("Tabby");
    studio.harness.run();
    studio.click("Start training");
    let spec = &studio.state().jobs.training().expect("a run").spec;
    assert_eq!(spec.name.as_deref(), Some("Tabby"));
}

#[test]
fn the_end_of_a_run_stays_until_it_is_dismissed() {
    let root = tempfile::tempdir().expect("a folder");
    let mut studio = Studio::start();
    studio.form(&form(root.path()));
    studio.click("Start training");
    studio.click("Keep painting");
    studio.permit(20);
    studio.wait_for_phase("the end", |phase| matches!(phase, TrainPhase::Done(_)));
    let picture = root.path().join("a.png");
    let image = RgbaImage::from_pixel(8, 8, Rgba([1, 2, 3, 255]));
    save_picture(&picture, &image, None, &SaveOptions::default()).expect("a file");
    for index in 0..6 {
        let missing = root.path().join(format!("missing-{index}.png"));
        studio.command(Command::OpenFile(missing));
        studio.command(Command::SaveTo(root.path().join(format!("{index}.png"))));
    }
    studio.wait("the messages", |state| {
        let errors = state.notices.iter();
        errors
            .filter(|notice| notice.severity == Severity::Error)
            .count()
            == 6
    });
    assert!(studio.sees("Training is done"));
    assert!(studio.sees("Use this model"));
}

/// Pictures of two classes with captions, and nothing else.
pub(super) fn pictures(root: &Path) {
    for name in ["cats/a", "cats/b", "dogs/c"] {
        let path = root.join("pictures").join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        let image = RgbaImage::from_pixel(160, 160, Rgba([1, 2, 3, 255]));
        let picture = path.with_extension("png");
        save_picture(&picture, &image, None, &SaveOptions::default()).expect("a file");
        std::fs::write(path.with_extension("txt"), "an animal").expect("a file");
    }
}

#[test]
fn what_the_folder_does_not_hold_cannot_be_learnt() {
    let root = tempfile::tempdir().expect("a folder");
    let mut studio = Studio::start();
    studio.form(&TrainForm {
        target: TrainTarget::Diffusion,
        ..form(root.path())
    });
    studio.wait("a count of the pictures", |state| {
        let survey = state.train_survey.as_ref();
        survey.is_some_and(|survey| survey.found.is_some())
    });
    assert!(studio.sees("Captions of all 3 pictures"));
    studio.click("Paints from: Classes");
    assert_eq!(studio.state().train_form.task, Some(TrainTask::Class));
    assert!(studio.sees("2 class folders found: cats, dogs"));
    assert!(studio.sees("Needs a folder for each class"));
    studio.click("Paints from: Label maps");
    assert_eq!(studio.state().train_form.task, Some(TrainTask::Class));
    studio.click("Start training");
    let training = studio.state().jobs.training().expect("a run");
    assert_eq!(training.spec.task, Some(TrainTask::Class));
}

#[test]
fn small_pictures_may_be_as_they_are_found_and_odd_folders_are_told_of() {
    let root = tempfile::tempdir().expect("a folder");
    pictures(root.path());
    let coco = r#"{ "images": [{ "id": 1, "file_name": "lost.png" }],
        "annotations": [{ "image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9] }] }"#;
    std::fs::write(root.path().join("pictures/train.json"), coco).expect("a file");
    let mut studio = Studio::start();
    studio.form(&TrainForm {
        target: TrainTarget::Diffusion,
        ..form(root.path())
    });
    studio.wait("a count of the pictures", |state| {
        let survey = state.train_survey.as_ref();
        survey.is_some_and(|survey| survey.found.is_some())
    });
    assert!(studio.sees("Of 1 pictures that train.json names, 1 are not in the folder"));
    assert!(!studio.sees("As found"));
    studio.click("Paints from: Enlarging");
    assert!(studio.sees("small ones are made of them"));
    studio.click("As found");
    studio.click("Start training");
    let training = studio.state().jobs.training().expect("a run");
    assert_eq!(training.spec.degradation, Degradation::BsrganLight);
}

#[test]
fn settings_are_saved_as_a_file_and_opened_again() {
    let root = tempfile::tempdir().expect("a folder");
    let mut studio = Studio::start();
    let form = form(root.path());
    studio.form(&form);
    let file = root.path().join("mine.json");
    studio.command(Command::TakePath {
        purpose: PickPurpose::SaveTrainSettings,
        path: file.clone(),
    });
    studio.wait("the file", |state| {
        let mut notices = state.notices.iter();
        notices.any(|notice| notice.text.contains("The settings are in"))
    });
    let text = std::fs::read_to_string(&file).expect("a file");
    let mut told: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(told["steps"], 20);
    told["steps"] = 30.into();
    told["learning_rate"] = 0.5.into();
    std::fs::write(&file, told.to_string()).expect("a file");
    studio.command(Command::TakePath {
        purpose: PickPurpose::TrainSettings,
        path: file.clone(),
    });
    studio.wait("the settings", |state| state.train_form.opened.is_some());
    studio.wait("a look at the folder", |state| {
        state.train_problem().is_none()
    });
    assert!(studio.sees("mine.json"));
    assert_eq!(studio.state().train_form.folder, form.folder);
    studio.click("Start training");
    let training = studio.state().jobs.training().expect("a run");
    assert_eq!(
        (training.spec.steps, training.spec.learning_rate),
        (30, 0.5)
    );
}
