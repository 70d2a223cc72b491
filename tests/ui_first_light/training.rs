//! Training through the window's commands with the real engine: a few steps (the
//! dialog's least) of the smallest networks, begun from nothing and gone on with.

use std::path::Path;

use velatura::app::training::{StartFrom, TrainForm, TrainPhase};
use velatura::app::{Command, Dialog, ModelState};
use velatura::recipe::{SaveOptions, TrainTarget, save_picture};

use super::train_form::changes_to;
use super::{Studio, landscape};

impl Studio {
    fn send(&mut self, command: Command) {
        self.0.state_mut().command(command);
        self.0.step();
    }

    fn fill_in(&mut self, form: &TrainForm) {
        self.send(Command::Show(Dialog::Train));
        for change in changes_to(form) {
            self.send(change.into());
        }
        self.watch(
            "a look at the folder",
            |state| state.train_problem().is_none(),
            |_| {},
        );
    }

    /// Trains to the end and gives the folder of the model.
    fn train(&mut self) -> std::path::PathBuf {
        self.send(Command::StartTraining);
        self.until_ended();
        match &self.state().jobs.training().expect("a run").phase {
            TrainPhase::Done(model) => model.clone(),
            phase => panic!("not trained: {phase:?}"),
        }
    }

    fn until_ended(&mut self) {
        self.watch(
            "the end of the run",
            |state| {
                let training = state.jobs.training();
                training.is_some_and(|training| !training.is_active())
            },
            |_| {},
        );
    }
}

fn form(root: &Path, target: TrainTarget) -> TrainForm {
    TrainForm {
        folder: Some(root.join("pictures")),
        target,
        start: StartFrom::Scratch,
        steps: 10,
        size_px: 16,
        fit: velatura::recipe::Fit::Auto,
        batch: 1,
        output: Some(root.join("mine")),
        ..TrainForm::default()
    }
}

#[test]
fn a_painter_is_trained_from_nothing_and_goes_on() {
    let root = tempfile::tempdir().expect("a folder");
    let root = root.path();
    std::fs::create_dir_all(root.join("pictures")).expect("a folder");
    for index in 0..3 {
        let path = root.join(format!("pictures/{index}.png"));
        save_picture(&path, &landscape(32), None, &SaveOptions::default()).expect("a file");
        std::fs::write(path.with_extension("txt"), "a green meadow").expect("a file");
    }
    let mut studio = Studio::start(None);
    studio.watch(
        "the model",
        |state| matches!(state.model, ModelState::Ready(_)),
        |_| {},
    );

    // The painter, with the latents of the chosen model.
    let painter = form(root, TrainTarget::Diffusion);
    studio.fill_in(&painter);
    let model = studio.train();
    assert!(
        model.join("model_index.json").is_file(),
        "{}",
        model.display()
    );

    // The same again: the folder holds a run now, which can go on.
    studio.send(Command::ForgetTraining);
    studio.send(Command::Show(Dialog::Train));
    studio.watch(
        "a look at the folder",
        |state| state.train_place.is_some(),
        |_| {},
    );
    let problem = studio
        .state()
        .train_problem()
        .expect("the folder is in use");
    assert!(problem.contains("holds a run"), "{problem}");
    studio.fill_in(&TrainForm {
        start: StartFrom::Run,
        steps: 12,
        ..painter
    });
    studio.train();
    let training = studio.state().jobs.training().expect("a run");
    assert_eq!((training.step, training.spec.size_px), (12, 16));
    assert_eq!(training.saved.as_ref().map(|saved| saved.0), Some(12));
}
