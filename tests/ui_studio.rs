//! The window from the outside, by what it says: start, generate, cancel, undo,
//! failures, masks, restored settings, training, keys. The engine is the fake
//! one and makes a step for each permit, so nothing depends on the clock.

#[path = "support/studio.rs"]
mod studio;
#[path = "support/train_form.rs"]
mod train_form;

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use studio::{Studio, number};
use velatura::app::form::{EXAMPLE_PROMPT, FormChange::Prompt, FormChange::Sampler};
use velatura::app::training::{TrainChange, TrainPhase};
use velatura::app::{AppState, Command, Dialog, PickPurpose, Severity};
use velatura::recipe::param::{BATCH, STEPS};
use velatura::recipe::{
    GenerateSpec, ModelSource, PaintedRecipe, SamplerId, SaveOptions, Schedule, TrainTarget,
    save_picture,
};
use velatura::tools::ToolId;

#[path = "ui_studio/documents.rs"]
mod documents;
#[path = "ui_studio/projects.rs"]
mod projects;
#[path = "ui_studio/training.rs"]
mod training;

#[test]
fn a_first_start_explains_itself_and_then_rests() {
    let mut studio = Studio::start();
    assert!(studio.sees("An empty canvas"));
    assert!(studio.sees("Text to image, 64 × 64"));
    // The first press on Generate paints what the panel says.
    let prompt = studio.harness.get_by_label("Prompt").value();
    assert_eq!(prompt.as_deref(), Some(EXAMPLE_PROMPT));
    assert!(studio.sees("CPU, 2 threads"));
    let model = studio.harness.get_by_label("Model");
    assert_eq!(model.value().as_deref(), Some("Storybook"));
    // Within a few frames the window asks for no more: idle, it costs nothing. What
    // an errand of the start reports late may wake it once more.
    let rests = (0..8).any(|_| studio.harness.run() <= 2);
    assert!(rests, "it asks for frame after frame");
}

#[test]
fn generating_shows_every_step_and_one_undo_removes_the_layer() {
    let mut studio = Studio::start();
    studio.set([Prompt("a red house".to_owned()), number(&STEPS, 5)]);
    studio.click("Paint something");
    let mut seen = Vec::new();
    for step in 1..=4 {
        studio.permit(1);
        studio.wait("a step", |state| {
            state
                .jobs
                .live_frame()
                .is_some_and(|frame| frame.step == step)
        });
        let preview = studio
            .state()
            .preview()
            .expect("a live frame on the canvas");
        seen.push(preview.image);
        assert!(studio.sees(&format!("Step {step} of 5")));
        assert!(studio.sees("Cancel"));
    }
    assert!(
        seen.windows(2).all(|pair| pair[0] != pair[1]),
        "the frames are different"
    );
    studio.permit(1);
    studio.wait("the picture", |state| state.document().has_picture());
    assert_eq!(studio.layer_names(), ["a red house", "Mask"]);
    assert!(studio.state().preview().is_none());
    assert!(!studio.sees("An empty canvas"));
    assert!(studio.sees("Image to image, 60 %"));

    // The strip keeps the steps; a click shows one, Escape goes back.
    studio.click("Step 2");
    assert_eq!(studio.state().preview().expect("a step").image, seen[1]);
    studio.harness.key_press(Key::Escape);
    studio.harness.run();
    assert!(studio.state().preview().is_none());

    studio
        .harness
        .key_press_modifiers(Modifiers::COMMAND, Key::Z);
    studio.harness.run();
    assert_eq!(studio.layer_names(), ["Mask"]);
    studio
        .harness
        .key_press_modifiers(Modifiers::COMMAND, Key::Y);
    studio.harness.run();
    assert_eq!(studio.layer_names(), ["a red house", "Mask"]);
}

#[test]
fn escape_cancels_within_a_step_and_leaves_no_trace() {
    let mut studio = Studio::start();
    studio.set([number(&STEPS, 50)]);
    studio
        .harness
        .key_press_modifiers(Modifiers::COMMAND, Key::Enter);
    studio.permit(1);
    studio.wait("a step", |state| state.jobs.live_frame().is_some());
    studio.harness.key_press(Key::Escape);
    studio.harness.run();
    studio.permit(40);
    studio.wait("the end", |state| state.jobs.active().is_empty());
    let run = studio.state().jobs.run().expect("the strip stays");
    assert!(run.frames().len() <= 2, "{} steps", run.frames().len());
    assert_eq!(studio.layer_names(), ["Mask"]);
    assert!(
        studio.state().notices.iter().next().is_none(),
        "a cancel is no failure"
    );
    assert!(studio.sees("Text to image"));
}

#[test]
fn jobs_queue_and_every_result_becomes_a_layer() {
    let mut studio = Studio::start();
    studio.set([number(&STEPS, 2), number(&BATCH, 2)]);
    studio.click("Generate");
    studio.click("Queue another");
    assert_eq!(studio.state().jobs.active().len(), 2);
    studio.wait("the first job", |state| state.jobs.running().is_some());
    assert!(studio.sees("1 more waiting"));
    studio.permit(8);
    studio.wait("all pictures", |state| state.jobs.active().is_empty());
    assert_eq!(studio.layer_names().len(), 5);
    let seeds: Vec<u64> = studio
        .state()
        .front()
        .recipes()
        .values()
        .map(|recipe| recipe.spec.seed)
        .collect();
    assert_eq!(seeds[1], seeds[0] + 1);
}

#[test]
fn a_failed_job_says_so_once_and_loses_nothing() {
    let mut studio = Studio::start();
    studio.paint("a red house");
    let before = studio.state().document().composite();
    for prompt in ["please fail", "please panic"] {
        studio.set([Prompt(prompt.to_owned()), number(&STEPS, 4)]);
        studio.permit(4);
        studio.click("Generate");
        studio.wait("the end", |state| state.jobs.active().is_empty());
        assert_eq!(studio.state().notices.iter().count(), 1);
        assert_eq!(studio.state().document().composite(), before);
        studio.click("Dismiss");
        assert_eq!(studio.state().notices.iter().count(), 0);
        // Steps that the broken job did not use.
        studio.set([Prompt("a tree".to_owned())]);
    }
    studio.permit(4);
    studio.click("Generate");
    studio.wait("a picture", |state| state.jobs.active().is_empty());
    assert_eq!(studio.layer_names(), ["a red house", "a tree", "Mask"]);
}

#[test]
fn what_is_told_of_a_failure_goes_once_the_same_has_succeeded() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut studio = Studio::start();
    studio.set([Prompt("please fail".to_owned()), number(&STEPS, 4)]);
    studio.permit(4);
    studio.click("Generate");
    studio.wait("the end", |state| state.jobs.active().is_empty());
    let lost = folder.path().join("no such folder/a.png");
    studio.command(Command::SaveTo(lost));
    let errors = |state: &AppState| {
        let errors = state.notices.iter();
        let errors = errors.filter(|notice| notice.severity == Severity::Error);
        errors.map(|notice| notice.text.clone()).collect::<Vec<_>>()
    };
    studio.wait("both failures", move |state| errors(state).len() == 2);
    studio.set([Prompt("a tree".to_owned())]);
    studio.permit(4);
    studio.click("Generate");
    studio.wait("a picture", |state| state.jobs.active().is_empty());
    let left = errors(studio.state());
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].contains("there is no folder"), "{left:?}");
    assert!(left[0].contains("create it"), "{left:?}");
    studio.command(Command::SaveTo(folder.path().join("a.png")));
    studio.wait("the file", move |state| errors(state).is_empty());
}

#[test]
fn a_mask_is_painted_with_the_pointer_and_only_its_inside_changes() {
    let mut studio = Studio::start();
    studio.paint("a red house");
    let before = studio.state().document().composite();

    let canvas = studio.harness.get_by_label("Canvas").rect();
    let at = |x: f32, y: f32| canvas.center() + egui::vec2(x, y);
    studio.harness.drag_at(at(-40.0, 0.0));
    studio.harness.run();
    for x in [-20.0, 0.0, 20.0, 40.0] {
        studio.harness.hover_at(at(x, 0.0));
        studio.harness.run();
    }
    studio.harness.drop_at(at(40.0, 0.0));
    studio.harness.run();
    let mask = studio.state().document().mask_coverage().expect("a mask");
    assert!(studio.sees("Repaint inside the mask"));

    studio.permit(2);
    studio.click("Generate");
    studio.wait("the picture", |state| state.document().layers().len() == 3);
    let after = studio.state().document().composite();
    let mut changed = 0;
    for (x, y, pixel) in after.enumerate_pixels() {
        if mask.get_pixel(x, y).0[0] == 0 {
            assert_eq!(
                pixel,
                before.get_pixel(x, y),
                "outside of the mask at {x}, {y}"
            );
        } else {
            changed += usize::from(pixel != before.get_pixel(x, y));
        }
    }
    assert!(changed > 0, "nothing changed inside of the mask");

    // One undo takes the result back, the next one the stroke.
    studio.command(Command::Undo);
    assert_eq!(studio.state().document().composite(), before);
    assert!(studio.state().document().has_mask_content());
    studio.command(Command::Undo);
    assert!(!studio.state().document().has_mask_content());
}

#[test]
fn a_picture_with_our_settings_offers_to_restore_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("house.png");
    let spec = GenerateSpec {
        prompt: "a blue boat".to_owned(),
        steps: 17,
        seed: 4711,
        ..GenerateSpec::default()
    };
    let image = image::RgbaImage::from_pixel(48, 32, image::Rgba([10, 20, 30, 255]));
    let recipe = PaintedRecipe::new(spec, "Storybook", "0123456789");
    save_picture(&path, &image, Some(&recipe), &SaveOptions::default()).expect("a file");

    let mut studio = Studio::start_with(Some(&path));
    studio.wait("the picture", |state| state.document().has_picture());
    assert_eq!(studio.state().document().composite(), image);
    assert_eq!(studio.state().title(), "house.png");
    studio.click("Restore settings");
    let form = studio.state().form();
    assert_eq!(
        (form.spec.prompt.as_str(), form.spec.steps, form.spec.seed),
        ("a blue boat", 17, 4711)
    );
    assert!(form.seed_locked);
}

#[test]
fn a_saved_picture_carries_its_recipe() {
    let mut studio = Studio::start();
    studio.paint("a red house");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.png");
    assert!(studio.state().front().editor.is_dirty());
    studio.command(Command::SaveTo(path.clone()));
    studio.wait("the file", |state| !state.front().editor.is_dirty());
    assert!(studio.sees("Saved out.png"));
    let opened = velatura::recipe::open_picture(&path).expect("a picture");
    assert_eq!(opened.image, studio.state().document().composite());
    assert_eq!(opened.recipe.expect("a recipe").spec.prompt, "a red house");
}

#[test]
fn unsaved_work_is_not_lost_without_a_question() {
    let mut studio = Studio::start();
    studio.paint("a red house");
    studio.command(Command::New { size_px: [32, 32] });
    assert!(studio.sees("Discard unsaved changes?"));
    studio.click("Keep working");
    assert!(studio.state().document().has_picture());
    studio.command(Command::New { size_px: [32, 32] });
    studio.click("Discard");
    assert_eq!(studio.state().document().size_px(), [32, 32]);
    assert!(!studio.state().document().has_picture());
    assert!(studio.sees("Text to image, 32 × 32"));
}

#[test]
fn training_runs_as_a_job_and_its_model_can_be_chosen() {
    let root = tempfile::tempdir().expect("a folder");
    training::pictures(root.path());
    let mut studio = Studio::start();
    studio.click("Train");
    studio.click("Train on a folder…");
    assert!(studio.sees("Choose a folder of pictures first"));

    for change in [
        TrainChange::Folder(Some(root.path().join("pictures"))),
        TrainChange::Output(Some("/models/mine".into())),
        TrainChange::Target(TrainTarget::Autoencoder),
        TrainChange::Steps(20),
    ] {
        studio.command(change.into());
    }
    studio.wait("a look at the folder", |state| {
        state.train_problem().is_none()
    });
    studio.click("Start training");
    studio.permit(8);
    studio.wait("eight steps", |state| {
        state
            .jobs
            .training()
            .is_some_and(|training| training.step == 8)
    });
    assert!(studio.sees("step 8 of 20"));
    let training = studio.state().jobs.training().expect("a run");
    assert_eq!(training.losses.len(), 8);
    assert!(training.sheet.is_some());

    studio.click("Pause");
    assert!(studio.sees("Paused"));
    studio.click("Go on");
    studio.permit(12);
    studio.wait("the end", |state| {
        let training = state.jobs.training();
        training.is_some_and(|training| matches!(training.phase, TrainPhase::Done(_)))
    });
    studio
        .harness
        .get_all_by_label("Use this model")
        .next()
        .expect("a button")
        .click();
    studio.wait("the new model", |state| {
        state
            .model_summary()
            .is_some_and(|model| model.name == "mine")
    });
    let source = ModelSource::Folder("/models/mine".into());
    assert_eq!(studio.state().form().spec.model, source);
}

#[test]
fn where_the_system_has_no_file_dialog_the_path_is_typed() {
    let mut studio = Studio::start();
    studio.paint("a red house");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("typed.webp");
    studio.command(Command::Show(Dialog::Path {
        purpose: PickPurpose::SavePicture,
        suggestion: format!("{}/", folder.path().display()),
    }));
    assert!(studio.sees("This system has no file dialog"));
    studio.harness.get_by_label("Path").type_text("typed.webp");
    studio.harness.run();
    studio.click("Save");
    assert!(studio.state().dialog.is_none());
    studio.wait("the file", |state| !state.front().editor.is_dirty());
    let opened = velatura::recipe::open_picture(&path).expect("a picture");
    assert_eq!(opened.image, studio.state().document().composite());
}

#[test]
fn layers_go_to_other_programs_and_come_back() {
    let mut studio = Studio::start();
    studio.paint("a red house");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("house.psd");
    studio.command(Command::SaveTo(path.clone()));
    studio.wait("the file", |state| {
        let mut texts = state.notices.iter().map(|notice| notice.text.as_str());
        texts.any(|text| text == "Saved house.psd with its layers")
    });
    // Boxes and recipes are not in it.
    assert!(studio.state().front().editor.is_dirty());
    let painted = studio.state().document().composite();
    studio.command(Command::SaveTo(folder.path().join("house.velatura")));
    studio.wait("the project", |state| !state.front().editor.is_dirty());
    studio.command(Command::OpenFile(path));
    studio.wait("its layers", |state| state.title() == "house.psd");
    assert_eq!(studio.state().document().composite(), painted);
    let front = studio.state().front();
    assert!(!front.is_project && !front.editor.is_dirty());
    // A save asks for a place and never takes that of the layers.
    assert_eq!(front.project_file(), None);
}

#[test]
fn escape_closes_a_dialog_while_something_is_typed_in_it() {
    let mut studio = Studio::start();
    studio.command(Command::Show(Dialog::Path {
        purpose: PickPurpose::OpenPicture,
        suggestion: String::new(),
    }));
    studio.harness.get_by_label("Path").type_text("/pictures");
    studio.harness.run();
    studio.harness.key_press(Key::Escape);
    studio.harness.run();
    assert!(studio.state().dialog.is_none());
}

#[test]
fn escape_closes_a_list_before_it_ends_a_job() {
    let mut studio = Studio::start();
    studio.set([number(&STEPS, 50)]);
    studio.click("Generate");
    studio.permit(1);
    studio.wait("a step", |state| state.jobs.live_frame().is_some());
    studio.click("Sampler");
    assert!(studio.sees("PNDM"));
    studio.harness.key_press(Key::Escape);
    studio.harness.run();
    assert!(!studio.sees("PNDM"));
    assert!(!studio.state().jobs.active()[0].cancelling);

    // Typing a prompt for the next picture does not keep Escape from it.
    studio.harness.get_by_label("Prompt").focus();
    studio.harness.run();
    studio.harness.key_press(Key::Escape);
    studio.harness.run();
    studio.permit(2);
    studio.wait("the end", |state| state.jobs.active().is_empty());
    assert_eq!(studio.layer_names(), ["Mask"]);
}

#[test]
fn samplers_and_their_noise_levels_are_chosen_from_lists() {
    let mut studio = Studio::start();
    studio.click("Sampler");
    studio.click("DPM++ 2M SDE");
    studio.click("Schedule");
    studio.click("Beta");
    let job = |studio: &Studio| {
        let spec = studio.state().form().spec([64, 64], None, None);
        (spec.sampler.map(|id| id.to_string()), spec.schedule)
    };
    let sampler = |id: &str| Some(id.to_owned());
    assert_eq!(
        job(&studio),
        (sampler("dpmpp-2m-sde"), Some(Schedule::Beta))
    );
    // One that knows no others takes its own, and gives back what was chosen.
    studio.set([Sampler(SamplerId::new("plms"))]);
    assert_eq!(job(&studio), (sampler("plms"), Some(Schedule::Uniform)));
    studio.set([Sampler(SamplerId::new("unipc"))]);
    assert_eq!(job(&studio), (sampler("unipc"), Some(Schedule::Beta)));
}

#[test]
fn letters_are_text_while_typing_and_tools_otherwise() {
    let mut studio = Studio::start();
    studio.set([Prompt(String::new())]);
    studio.harness.key_press(Key::E);
    studio.harness.run();
    assert_eq!(studio.state().toolbox.active().id, ToolId("eraser"));

    studio.harness.get_by_label("Prompt").focus();
    studio.harness.run();
    studio.harness.key_press(Key::B);
    studio.harness.get_by_label("Prompt").type_text("bee");
    studio.harness.run();
    assert_eq!(studio.state().toolbox.active().id, ToolId("eraser"));
    assert_eq!(studio.state().form().spec.prompt, "bee");
}

#[test]
fn dialogs_open_and_close_with_escape() {
    let mut studio = Studio::start();
    for (dialog, text) in [
        (Dialog::Shortcuts, "Cancel the job"),
        (Dialog::About, "Version"),
        (Dialog::New, "Create"),
        (Dialog::Train, "Start training"),
    ] {
        studio.command(Command::Show(dialog));
        assert!(studio.sees(text), "{text}");
        studio.harness.key_press(Key::Escape);
        studio.harness.run();
        assert!(studio.state().dialog.is_none());
    }
}
