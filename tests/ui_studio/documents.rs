//! What belongs to a document stays with it, and nothing of it is lost unasked.

use std::path::{Path, PathBuf};

use image::{Rgba, RgbaImage};
use velatura::app::boxes::BoxCommand;
use velatura::app::form::FormChange::Prompt;
use velatura::app::{Command, Dialog, Severity};
use velatura::document::LayerKind;
use velatura::exchange::BoxForm;
use velatura::geometry::CanvasPoint;
use velatura::recipe::param::{BATCH, STEPS};
use velatura::recipe::{SaveOptions, open_picture, save_picture};
use velatura::tools::{PointerEvent, PointerPhase};

use super::studio::{Studio, number};

/// A picture file in one colour.
fn file(folder: &Path, name: &str, value: u8) -> PathBuf {
    let path = folder.join(name);
    let image = RgbaImage::from_pixel(64, 64, Rgba([value, 20, 30, 255]));
    save_picture(&path, &image, None, &SaveOptions::default()).expect("a file");
    path
}

impl Studio {
    pub(super) fn open(&mut self, path: &Path) {
        let name = path.file_name().expect("a name").to_string_lossy();
        self.command(Command::OpenFile(path.to_path_buf()));
        let name = name.into_owned();
        self.wait("the file", move |state| state.title() == name);
    }

    /// A stroke from left to right, in canvas pixels.
    pub(super) fn stroke(&mut self, y: f32) {
        for (phase, x) in [
            (PointerPhase::Press, 5.0),
            (PointerPhase::Drag, 30.0),
            (PointerPhase::Release, 58.0),
        ] {
            let at = CanvasPoint::new(x, y);
            self.command(Command::Pointer(vec![PointerEvent::new(phase, at)]));
        }
    }

    fn quits(&mut self) -> bool {
        self.harness.state_mut().command(Command::Quit);
        self.closes_within(3)
    }

    fn kept(&self) -> Vec<PathBuf> {
        let files = walkdir::WalkDir::new(self.pictures.path()).into_iter();
        let files = files
            .filter_map(Result::ok)
            .map(walkdir::DirEntry::into_path);
        files.filter(|path| path.is_file()).collect()
    }
}

#[test]
fn a_result_never_lands_in_another_document() {
    let folder = tempfile::tempdir().expect("a folder");
    let other = file(folder.path(), "other.png", 90);
    let mut studio = Studio::start();
    let prompt = Prompt("a red house".to_owned());
    studio.set([prompt, number(&STEPS, 3), number(&BATCH, 2)]);
    studio.click("Generate");
    studio.permit(1);
    studio.wait("a step", |state| state.jobs.live_frame().is_some());
    assert!(studio.state().preview().is_some());

    studio.open(&other);
    assert!(
        studio.state().preview().is_none(),
        "the step is of another document"
    );
    assert!(studio.state().strip().is_none());
    let before = studio.state().document().clone();
    studio.permit(5);
    studio.wait("both pictures", |state| {
        state.jobs.active().is_empty() && state.notices.iter().next().is_some()
    });
    assert!(studio.state().preview().is_none());
    assert_eq!(*studio.state().document(), before);
    assert!(!studio.state().front().editor.is_dirty());

    studio.wait("the files", |state| {
        let mut notices = state.notices.iter();
        notices.any(|notice| notice.text.contains("2 finished pictures"))
    });
    let kept = studio.kept();
    assert_eq!(kept.len(), 2, "{kept:?}");
    for path in &kept {
        let recipe = open_picture(path).expect("a picture").recipe;
        assert_eq!(recipe.expect("a recipe").spec.prompt, "a red house");
    }
    studio.click("Open it");
    studio.wait("the kept picture", |state| {
        state
            .front()
            .file
            .as_ref()
            .is_some_and(|file| kept.contains(file))
    });
}

#[test]
fn a_picture_that_cannot_be_opened_costs_nothing() {
    let mut studio = Studio::start();
    studio.paint("a red house");
    studio.command(Command::OpenFile("/nowhere/missing.png".into()));
    studio.wait("the failure", |state| {
        let mut notices = state.notices.iter();
        notices.any(|notice| notice.severity == Severity::Error)
    });
    assert!(studio.state().dialog.is_none(), "nothing would be lost");
    assert!(studio.state().front().editor.is_dirty());
    assert_eq!(studio.layer_names(), ["a red house", "Mask"]);
    assert!(!studio.quits());
    assert!(studio.sees("Discard unsaved changes?"));
}

#[test]
fn the_question_comes_with_the_picture_and_again_when_something_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let other = file(folder.path(), "other.png", 90);
    let mut studio = Studio::start();
    studio.paint("a red house");
    studio.command(Command::OpenFile(other.clone()));
    studio.wait("the question", |state| state.dialog.is_some());
    studio.click("Keep working");
    assert_eq!(studio.layer_names(), ["a red house", "Mask"]);

    studio.command(Command::OpenFile(other));
    studio.wait("the question", |state| state.dialog.is_some());
    // A picture that comes while the question stands was not agreed to.
    studio.command(Command::InvertMask);
    studio.click("Discard");
    assert!(studio.sees("Something was changed while you were asked"));
    assert_eq!(studio.layer_names(), ["a red house", "Mask"]);
    studio.click("Discard");
    assert_eq!(studio.state().title(), "other.png");
    assert!(!studio.state().front().editor.is_dirty());
}

#[test]
fn changes_after_a_save_are_not_in_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut studio = Studio::start();
    studio.paint("a red house");
    let path = folder.path().join("a.png");
    studio.harness.state_mut().command(Command::SaveTo(path));
    studio.harness.state_mut().command(Command::InvertMask);
    studio.wait("the file", |state| state.title() == "a.png");
    assert!(studio.state().front().editor.is_dirty());
    studio.command(Command::Undo);
    assert!(
        !studio.state().front().editor.is_dirty(),
        "this is what was saved"
    );
}

#[test]
fn a_save_that_ends_late_belongs_to_its_own_document() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut studio = Studio::start();
    studio.paint("a red house");
    let path = folder.path().join("a.png");
    let app = studio.harness.state_mut();
    app.command(Command::SaveTo(path.clone()));
    app.command(Command::New { size_px: [32, 32] });
    app.command(Command::Agree);
    studio.wait("the file", |state| {
        state
            .notices
            .iter()
            .any(|notice| notice.text.contains("a.png"))
    });
    assert_eq!(studio.state().title(), "Untitled");
    assert!(studio.state().front().file.is_none());
    assert!(path.is_file());
}

#[test]
fn quitting_asks_for_what_would_be_lost() {
    let mut studio = Studio::start();
    studio.stroke(30.0);
    assert!(!studio.quits());
    assert!(studio.sees("A mask was painted"));
    studio.click("Keep working");
    studio.command(Command::Undo);

    studio.set([number(&STEPS, 4)]);
    studio.click("Generate");
    assert!(!studio.quits());
    assert!(studio.sees("still being painted"));
    studio.click("Keep working");
    studio.permit(4);
    studio.wait("the picture", |state| state.document().has_picture());

    let raster = studio.state().document().layers()[0].id;
    studio.command(Command::SetLayerVisible {
        layer: raster,
        visible: false,
    });
    assert!(!studio.quits(), "a hidden layer is work as well");
    studio.harness.state_mut().command(Command::Agree);
    assert!(studio.closes_within(3));
}

#[test]
fn quitting_waits_for_the_file_that_is_being_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut studio = Studio::start();
    studio.paint("a red house");
    let path = folder.path().join("a.png");
    let app = studio.harness.state_mut();
    app.command(Command::SaveTo(path.clone()));
    app.command(Command::Quit);
    assert!(studio.state().dialog.is_none());
    assert!(studio.closes() && path.is_file());
}

#[test]
fn quitting_waits_for_boxes_that_are_being_exported() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut studio = Studio::start();
    studio.paint("a red house");
    let path = folder.path().join("boxes.json");
    let write = BoxCommand::Write {
        path: path.clone(),
        form: BoxForm::Coco,
    };
    let app = studio.harness.state_mut();
    app.command(write.into());
    app.command(Command::Quit);
    assert!(studio.state().dialog.is_none());
    // What is not saved is asked for afterwards.
    studio.wait("the question", |state| state.dialog.is_some());
    assert!(path.is_file());
}

#[test]
fn a_result_waits_for_the_stroke_in_hand() {
    let mut studio = Studio::start();
    studio.paint("a red house");
    studio.click("Generate");
    studio.wait("the job", |state| state.jobs.running().is_some());
    let event =
        |phase, x| Command::Pointer(vec![PointerEvent::new(phase, CanvasPoint::new(x, 9.0))]);
    studio.command(event(PointerPhase::Press, 5.0));
    studio.permit(2);
    studio.wait("its end", |state| state.jobs.running().is_none());
    for _ in 0..50 {
        studio.harness.step();
    }
    assert_eq!(studio.layer_names().len(), 2);
    assert_eq!(studio.state().jobs.active().len(), 1, "its picture waits");
    studio.command(event(PointerPhase::Release, 25.0));
    studio.wait("the picture", |state| state.jobs.active().is_empty());
    assert_eq!(studio.layer_names().len(), 3);
}

#[test]
fn what_was_changed_outside_of_the_mask_meanwhile_stays_in_view() {
    let mut studio = Studio::start();
    studio.paint("a red house");
    studio.stroke(20.0);
    let mask = studio.state().document().mask_coverage().expect("a mask");
    studio.click("Generate");
    studio.wait("the job", |state| state.jobs.running().is_some());

    // The picture itself, below the mask.
    let before = studio.state().document().composite();
    studio.command(Command::SetLayerOpacity {
        layer: studio.state().document().layers()[0].id,
        opacity: 0.5,
        done: true,
    });
    let faded = studio.state().document().composite();
    assert_ne!(faded, before);
    studio.permit(2);
    studio.wait("the picture", |state| state.document().layers().len() == 3);
    let after = studio.state().document().composite();
    for (x, y, pixel) in after.enumerate_pixels() {
        if mask.get_pixel(x, y).0[0] == 0 {
            assert_eq!(
                pixel,
                faded.get_pixel(x, y),
                "outside of the mask at {x}, {y}"
            );
        }
    }
    assert_ne!(after, faded, "the job painted inside of the mask");

    // Its recipe says that there were a picture and a mask, and holds neither.
    let recipes = studio.state().front().recipes().values();
    let recipe = recipes.last().expect("a recipe");
    assert!(recipe.used_picture && recipe.used_mask);
    assert!(recipe.spec.init.is_none() && recipe.spec.mask.is_none());
}

#[test]
fn the_step_on_the_canvas_is_the_chosen_one() {
    let mut studio = Studio::start();
    studio.set([number(&STEPS, 3)]);
    studio.permit(3);
    studio.click("Generate");
    studio.wait("the picture", |state| state.jobs.active().is_empty());
    studio.click("Step 2");
    let chosen = studio.state().preview().expect("a step").image;

    studio.harness.state_mut().command(Command::Generate);
    // Generating looks at the new steps; the user looks back.
    studio.wait("the job", |state| state.jobs.running().is_some());
    studio.permit(1);
    studio.wait("a step", |state| state.jobs.live_frame().is_some());
    assert_ne!(studio.state().preview().expect("a step").image, chosen);
    studio.permit(1);
    studio.wait("two steps", |state| {
        state.jobs.live_frame().is_some_and(|frame| frame.step == 2)
    });
    studio.click("Step 1");
    let first = studio.state().preview().expect("a step").image;
    studio.permit(1);
    studio.wait("the end", |state| state.jobs.active().is_empty());
    assert_eq!(studio.state().preview().expect("a step").image, first);
}

#[test]
fn memory_does_not_grow_with_masks_that_were_erased() {
    let mut studio = Studio::start();
    studio.stroke(30.0);
    assert!(studio.state().document().has_mask_content());
    studio.command(Command::InvertMask);
    studio.command(Command::ClearMask);
    let mask = studio.state().document().active_mask().expect("a mask");
    assert_eq!(
        (mask.kind(), mask.content.size_bytes()),
        (LayerKind::Mask, 0)
    );
    assert!(!matches!(studio.state().dialog, Some(Dialog::Discard(_))));
}

#[test]
fn a_brush_suits_the_photograph_until_its_size_is_chosen() {
    let folder = tempfile::tempdir().expect("a folder");
    let [photo, other] = [([3000, 2000], "photo.png"), ([2400, 2400], "other.png")].map(
        |([width, height], name)| {
            let path = folder.path().join(name);
            image::RgbImage::new(width, height)
                .save(&path)
                .expect("a file");
            path
        },
    );
    let size_px = |studio: &Studio| studio.state().toolbox.options()[0].1.as_f32();
    let mut studio = Studio::start();
    assert_eq!(size_px(&studio), 16.0);
    studio.open(&photo);
    assert_eq!(size_px(&studio), 83.0);
    studio.command(Command::StepToolOption {
        id: "size",
        steps: 1,
    });
    let chosen = size_px(&studio);
    assert!(chosen > 83.0);
    studio.open(&other);
    assert_eq!(size_px(&studio), chosen);
}
