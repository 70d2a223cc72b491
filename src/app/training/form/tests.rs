use super::*;
use crate::engine::protocol::FoundRun;

fn place(is_free: bool, run: Option<FoundRun>) -> OutputPlace {
    OutputPlace {
        wanted: "/models/mine".into(),
        free: if is_free {
            "/models/mine".into()
        } else {
            "/models/mine 2".into()
        },
        run,
    }
}

fn form() -> TrainForm {
    TrainForm {
        folder: Some("/pictures".into()),
        output: Some("/models/mine".into()),
        ..TrainForm::default()
    }
}

#[test]
fn the_form_says_what_is_missing() {
    let free = place(true, None);
    let mut form = TrainForm::default();
    assert!(form.problem(None, None, None).is_some());
    form.folder = Some("/pictures".into());
    form.output = Some("/models/mine".into());
    assert_eq!(form.problem(Some(&free), None, None), None);
    form.start = StartFrom::Scratch;
    let spec = form
        .spec(Some("/models/storybook".into()), Some(&free))
        .expect("a whole form");
    assert_eq!(spec.from, None);
    assert_eq!(spec.first_stage, Some("/models/storybook".into()));
    assert!(!form.chooses_latents());
    form.change(TrainChange::Target(TrainTarget::Autoencoder));
    form.change(TrainChange::Latents(LatentKind::Vq));
    assert!(form.chooses_latents());
    let spec = form.spec(None, Some(&free)).expect("a whole form");
    assert_eq!((spec.latents, spec.first_stage), (LatentKind::Vq, None));
}

#[test]
fn a_folder_in_use_is_not_trained_into() {
    let taken = place(false, None);
    assert!(form().problem(Some(&taken), None, None).is_some());
    assert_eq!(form().spec(None, None), None, "nobody has looked yet");
    let usual = OutputPlace {
        wanted: TrainForm {
            output: None,
            ..form()
        }
        .usual_output()
        .expect("a home"),
        ..taken
    };
    let form = TrainForm {
        output: None,
        ..form()
    };
    assert_eq!(form.problem(Some(&usual), None, None), None);
    let spec = form.spec(None, Some(&usual)).expect("a whole form");
    assert_eq!(spec.output, Path::new("/models/mine 2"));
}

#[test]
fn a_run_goes_on_with_what_it_was_started_with() {
    let found = FoundRun {
        spec: TrainSpec {
            size_px: 48,
            batch: 3,
            steps: 100,
            data: Some("/elsewhere".into()),
            ..TrainSpec::default()
        },
        step: 40,
    };
    let place = place(false, Some(found));
    let form = TrainForm {
        start: StartFrom::Run,
        steps: 200,
        ..form()
    };
    assert_eq!(form.problem(Some(&place), None, None), None);
    let spec = form.spec(None, Some(&place)).expect("a run");
    assert!(spec.resume);
    assert_eq!((spec.size_px, spec.batch, spec.steps), (48, 3, 200));
    assert_eq!(spec.data, Some("/elsewhere".into()));
    assert_eq!(spec.output, Path::new("/models/mine"));
}

#[test]
fn a_model_is_called_like_its_folder_unless_it_gets_a_name() {
    let free = place(true, None);
    let mut form = form();
    assert_eq!(form.usual_name(Some(&free)), "mine");
    assert_eq!(form.spec(None, Some(&free)).expect("a form").name, None);
    form.change(TrainChange::Name(Some("Tabby".to_owned())));
    let spec = form.spec(None, Some(&free)).expect("a whole form");
    assert_eq!(spec.model_name(), "Tabby");
    form.change(TrainChange::Target(TrainTarget::Classifier));
    assert!(!form.chooses_name());
    assert_eq!(form.spec(None, Some(&free)).expect("a form").name, None);
}

#[test]
fn a_task_needs_what_it_is_learnt_of() {
    let free = place(true, None);
    let mut form = form();
    form.change(TrainChange::Task(Some(TrainTask::Class)));
    let spec = form.spec(None, Some(&free)).expect("a whole form");
    assert_eq!(spec.task, None, "a model learns on as it is");
    form.change(TrainChange::Start(StartFrom::Scratch));
    assert!(form.chooses_task());
    let spec = form.spec(None, Some(&free)).expect("a whole form");
    assert_eq!(spec.task, Some(TrainTask::Class));
    let survey = TrainSurvey {
        folder: "/pictures".into(),
        found: Some(Ok(Box::default())),
    };
    let problem = form.problem(Some(&free), Some(&survey), None);
    assert!(problem.expect("no classes").contains("a folder of its own"));
    form.change(TrainChange::Task(Some(TrainTask::Inpaint)));
    assert_eq!(form.problem(Some(&free), Some(&survey), None), None);
}

#[test]
fn a_classifier_is_trained_for_the_chosen_model() {
    let free = place(true, None);
    let mut form = form();
    form.change(TrainChange::Target(TrainTarget::Classifier));
    assert!(!form.chooses_task() && !form.chooses_latents());
    let spec = form.spec(Some("/models/storybook".into()), Some(&free));
    let spec = spec.expect("a whole form");
    assert_eq!(
        (spec.from, spec.first_stage),
        (None, Some("/models/storybook".into()))
    );
    let survey = TrainSurvey {
        folder: "/pictures".into(),
        found: Some(Ok(Box::default())),
    };
    let problem = form.problem(Some(&free), Some(&survey), None);
    assert!(problem.expect("no classes").contains("a folder of its own"));
}

#[test]
fn what_a_classifier_sees_is_left_behind_with_it() {
    let mut form = form();
    assert!(form.needs_model());
    let change = |form: &mut TrainForm, change| {
        form.change(change);
        form.settle_size(Some(128));
        form.size_px
    };
    assert_eq!(change(&mut form, TrainChange::SizePx(64)), 64);
    let [classifier, autoencoder] =
        [TrainTarget::Classifier, TrainTarget::Autoencoder].map(TrainChange::Target);
    assert_eq!(change(&mut form, classifier.clone()), 128);
    assert_eq!(change(&mut form, autoencoder.clone()), 64);
    assert_eq!(change(&mut form, classifier), 128);
    // Chosen by hand, it stays.
    assert_eq!(change(&mut form, TrainChange::SizePx(256)), 256);
    form.change(TrainChange::Start(StartFrom::Scratch));
    assert!(form.needs_model());
    assert_eq!(change(&mut form, autoencoder), 256);
    assert!(!form.needs_model());
}

#[test]
fn pictures_are_as_large_as_the_model_paints_them() {
    let mut form = form();
    let mut settled = |change: TrainChange, native_px| {
        form.change(change);
        form.settle_size(native_px);
        form.size_px
    };
    let start = TrainChange::Start;
    assert_eq!(settled(start(StartFrom::CurrentModel), Some(128)), 128);
    assert_eq!(settled(start(StartFrom::CurrentModel), Some(512)), 512);
    // While another model is being read, nothing is known of it.
    assert_eq!(settled(start(StartFrom::CurrentModel), None), 512);
    assert_eq!(settled(start(StartFrom::Scratch), Some(512)), 128);
    assert_eq!(settled(start(StartFrom::Scratch), Some(64)), 64);
    assert_eq!(settled(TrainChange::SizePx(256), Some(64)), 256);
    assert_eq!(settled(start(StartFrom::CurrentModel), Some(64)), 256);
}

#[test]
fn opened_settings_keep_what_the_dialog_does_not_show() {
    let opened = OpenedSettings {
        path: "/runs/mine.json".into(),
        spec: TrainSpec {
            task: Some(TrainTask::Layout),
            data: None,
            first_stage: Some("/eyes".into()),
            sizes: Some(serde_json::json!({ "training": { "offset_noise": 0.1 } })),
            output: "/models/mine".into(),
            learning_rate: 3e-4,
            steps: 70,
            ..TrainSpec::default()
        },
    };
    let mut form = TrainForm::default();
    form.open(opened.clone());
    assert!(form.is_on_scenes() && form.chooses_task());
    let free = place(true, None);
    assert_eq!(form.problem(Some(&free), None, None), None);
    let spec = form.spec(Some("/models/storybook".into()), Some(&free));
    assert_eq!(spec, Some(opened.spec));
    form.change(TrainChange::Folder(Some("/pictures".into())));
    form.change(TrainChange::Start(StartFrom::Scratch));
    let spec = form.spec(Some("/models/storybook".into()), Some(&free));
    let spec = spec.expect("a whole form");
    assert_eq!(spec.first_stage, Some("/models/storybook".into()));
    assert_eq!(
        (spec.learning_rate, spec.data),
        (3e-4, Some("/pictures".into()))
    );
}

#[test]
fn pictures_of_which_none_can_be_trained_on_begin_no_run() {
    let free = place(true, None);
    let mut form = form();
    let preview = |form: &TrainForm| TrainPreview {
        of: form.wanted_preview().expect("a folder"),
        row: Some(Err("a.png: 8 by 8 pixels are too few".to_owned())),
    };
    let unseen = preview(&form);
    let problem = form.problem(Some(&free), None, Some(&unseen));
    assert!(problem.expect("too small").contains("8 by 8"));
    // What was seen at another size says nothing.
    form.change(TrainChange::SizePx(16));
    form.settle_size(None);
    assert_eq!(form.problem(Some(&free), None, Some(&unseen)), None);
}
