//! Projects in the window: saved, opened, exported, and offered after a crash.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use velatura::app::{AppState, Command, Dialog, PickPurpose, Severity};
use velatura::document::{
    BoundingBox, CanvasContents, Document, FrameChoice, Layer, LayerContent, LayerId, LayerKind,
};
use velatura::geometry::{CanvasPoint, CanvasView};
use velatura::project::{Project, ReadLimits, open_project, save_project};

use super::studio::Studio;

impl Studio {
    /// Presses keys that may be followed by a frame or two.
    fn press(&mut self, modifiers: Modifiers, key: Key) {
        self.harness.key_press_modifiers(modifiers, key);
        self.harness.run();
    }

    fn save_to(&mut self, path: &Path) {
        self.command(Command::SaveTo(path.to_path_buf()));
        self.wait("the save", |state| !state.front().editor.is_dirty());
    }

    /// What the window calls itself after a command that changes it.
    fn title_after(&mut self, command: Command) -> String {
        self.harness.state_mut().command(command);
        let titles = (0..3).filter_map(|_| {
            self.harness.step();
            let output = &self.harness.output().viewport_output;
            let mut commands = output.values().flat_map(|viewport| &viewport.commands);
            commands.find_map(|command| match command {
                egui::ViewportCommand::Title(title) => Some(title.clone()),
                _ => None,
            })
        });
        titles.last().expect("another title")
    }

    /// Draws until a copy of the work as it is lies in a folder.
    fn wait_for_copy(&mut self, folder: &Path) {
        let document = self.state().document().clone();
        self.wait_long("the copy", |_| {
            let copies = copies_in(folder);
            let opened = copies
                .iter()
                .filter_map(|copy| open_project(copy, ReadLimits::default()).ok());
            opened
                .into_iter()
                .any(|opened| opened.project.document == document)
        });
        self.harness.run();
    }
}

fn copies_in(folder: &Path) -> Vec<PathBuf> {
    let files = walkdir::WalkDir::new(folder).into_iter();
    let files = files
        .filter_map(Result::ok)
        .map(walkdir::DirEntry::into_path);
    files
        .filter(|path| path.extension().is_some_and(|ending| ending == "velatura"))
        .collect()
}

/// The files as they lie on the disk when the power goes.
fn disk_of(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    for entry in walkdir::WalkDir::new(folder) {
        let entry = entry.expect("an entry");
        let inner = entry.path().strip_prefix(folder).expect("inside");
        let to = copy.path().join(inner);
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(to).expect("a folder");
        } else {
            std::fs::copy(entry.path(), to).expect("a file");
        }
    }
    copy
}

#[test]
fn a_project_comes_back_with_layers_mask_recipe_and_view() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mill.velatura");
    let mut studio = Studio::start();
    studio.paint("a red house");
    studio.stroke(20.0);
    studio.command(Command::AddMask);
    let view = CanvasView {
        center: CanvasPoint::new(20.0, 30.0),
        zoom: 4.0,
        is_fitted: false,
    };
    studio.command(Command::SetView(view));
    studio.save_to(&path);
    assert!(studio.sees("Saved mill.velatura"));
    assert_eq!(studio.state().title(), "mill.velatura");
    let title = studio.title_after(Command::InvertMask);
    assert_eq!(title, "mill.velatura (unsaved) — Velatura");
    assert_eq!(
        studio.title_after(Command::Undo),
        "mill.velatura — Velatura"
    );
    assert_eq!(
        studio.state().settings.recent_files,
        std::slice::from_ref(&path)
    );

    // What is done now goes to the same file without a question.
    studio.stroke(40.0);
    studio.press(Modifiers::COMMAND, Key::S);
    studio.wait("the second save", |state| !state.front().editor.is_dirty());
    assert!(studio.state().dialog.is_none());

    let mut other = Studio::start_with(Some(&path));
    other.wait("the project", |state| state.title() == "mill.velatura");
    let (a, b) = (studio.state().front(), other.state().front());
    assert_eq!(a.document(), b.document());
    assert_eq!(a.recipes(), b.recipes());
    assert_eq!((b.view, b.is_project), (view, true));
    assert!(!b.editor.is_dirty());
    assert!(other.sees("Restore settings"));
    other.command(Command::InvertMask);
    other.press(Modifiers::COMMAND, Key::S);
    other.wait("the third save", |state| !state.front().editor.is_dirty());
    let saved = open_project(&path, ReadLimits::default()).expect("a project");
    assert_eq!(saved.project.document, *other.state().document());
}

#[test]
fn a_picture_is_exported_beside_the_project() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let mut studio = Studio::start();
    studio.paint("a red house");
    studio.stroke(20.0);
    // A picture does not hold the mask: the work is not saved by it.
    studio.command(Command::SaveTo(at("flat.png")));
    studio.wait("the picture", |state| {
        let mut notices = state.notices.iter();
        notices.any(|notice| notice.text.contains("flat.png"))
    });
    assert!(studio.sees("keeps no layers, masks or boxes"));
    assert!(studio.state().front().editor.is_dirty());
    assert_eq!(studio.state().title(), "Untitled");

    studio.save_to(&at("mill.velatura"));
    studio.stroke(40.0);
    studio.command(Command::SaveTo(at("mill.webp")));
    studio.wait("the picture", |state| {
        let mut notices = state.notices.iter();
        notices.any(|notice| notice.text.contains("mill.webp"))
    });
    assert_eq!(studio.state().title(), "mill.velatura");
    assert!(studio.state().front().editor.is_dirty());
    assert!(at("mill.webp").is_file());
}

/// A picture of it would be empty, and the work would count as saved.
#[test]
fn a_layer_that_is_not_seen_is_not_saved_by_a_picture() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut studio = Studio::start();
    studio.paint("a red house");
    studio.command(Command::SetLayerVisible {
        layer: studio.state().document().layers()[0].id,
        visible: false,
    });
    studio.command(Command::SaveTo(folder.path().join("empty.png")));
    studio.wait("the picture", |state| {
        let mut notices = state.notices.iter();
        notices.any(|notice| notice.text.contains("empty.png"))
    });
    assert!(studio.sees("keeps no layers, masks or boxes"));
    assert!(studio.state().front().editor.is_dirty());
    studio.command(Command::New { size_px: [32, 32] });
    assert!(studio.sees("Discard unsaved changes?"));
}

#[test]
fn where_there_is_no_dialog_a_name_without_ending_is_a_project() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut studio = Studio::start();
    studio.paint("a red house");
    for (typed, written) in [("mill no. 2", "mill no. 2.velatura"), ("b.png", "b.png")] {
        studio.command(Command::TakePath {
            purpose: PickPurpose::SaveProject,
            path: folder.path().join(typed),
        });
        studio.wait("the file", |_| folder.path().join(written).is_file());
    }
}

#[test]
fn saving_from_the_question_goes_on_with_what_was_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mill.velatura");
    let mut studio = Studio::start();
    studio.paint("a red house");
    studio.save_to(&path);
    studio.stroke(30.0);
    let expected = studio.state().document().clone();
    studio.command(Command::New { size_px: [32, 32] });
    assert!(studio.sees("Discard unsaved changes?"));
    studio.click("Save");
    studio.wait("the new picture", |state| {
        state.document().size_px() == [32, 32]
    });
    let saved = open_project(&path, ReadLimits::default()).expect("a project");
    assert_eq!(saved.project.document, expected);
}

#[test]
fn an_opened_project_keeps_its_size_and_its_boxes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("boxes.velatura");
    let corner = |x, y| CanvasPoint::new(x, y);
    let boxes = vec![BoundingBox::from_corners(
        corner(3.0, 4.0),
        corner(90.0, 50.0),
        "bus",
    )];
    let layer = Layer::new(LayerId(1), "Layout", LayerContent::Layout(boxes));
    let contents = CanvasContents {
        size_px: [100, 80],
        layers: vec![layer],
        palette: Document::blank([1, 1]).expect("a size").palette().clone(),
        frame: FrameChoice::Automatic,
        origin_px: [0, 0],
    };
    let document = Document::from_contents(contents, None).expect("a document");
    let project = Project {
        document,
        view: CanvasView::default(),
        recipes: BTreeMap::new(),
        choices: velatura::project::Choices::default(),
        home: None,
    };
    save_project(&path, &project).expect("a file");
    let mut studio = Studio::start();
    studio.open(&path);
    studio.command(velatura::app::form::FormChange::Prompt("hills".to_owned()).into());
    assert_eq!(*studio.state().document(), project.document);
    assert_eq!(
        studio.state().document().layers()[0].kind(),
        LayerKind::Layout
    );
    // Taking everything away of what a file holds is work as well.
    studio.command(Command::DeleteLayer(LayerId(1)));
    studio.command(Command::New { size_px: [32, 32] });
    assert!(studio.sees("Discard unsaved changes?"));
}

#[test]
fn a_damaged_project_costs_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mill.velatura");
    std::fs::write(&path, b"PK\x03\x04 and so on").expect("a file");
    let mut studio = Studio::start();
    studio.paint("a red house");
    studio.command(Command::OpenFile(path));
    studio.wait("the failure", |state| {
        let mut notices = state.notices.iter();
        notices.any(|notice| notice.severity == Severity::Error)
    });
    assert!(studio.sees("mill.velatura"));
    assert!(studio.state().front().editor.is_dirty());
    assert_eq!(studio.layer_names(), ["a red house", "Mask"]);
}

#[test]
fn a_picture_does_not_make_up_for_a_project_that_was_not_saved() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut studio = Studio::start();
    studio.paint("a red house");
    studio.stroke(20.0);
    let says = |state: &AppState, severity| {
        let mut notices = state.notices.iter();
        notices.any(|notice| notice.severity == severity)
    };
    let missing = folder.path().join("missing/mill.velatura");
    studio.command(Command::SaveTo(missing));
    studio.wait("the failure", |state| says(state, Severity::Error));
    studio.command(Command::SaveTo(folder.path().join("mill.png")));
    studio.wait("the picture", |state| says(state, Severity::Success));
    assert!(
        says(studio.state(), Severity::Error),
        "the work is not saved"
    );
    studio.save_to(&folder.path().join("mill.velatura"));
    assert!(!says(studio.state(), Severity::Error));
}

#[test]
fn unsaved_work_comes_back_after_a_crash() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path().join("mill.velatura");
    let recovery = folder.path().join("recovery");
    let mut studio = Studio::start_in(Some(&recovery), None);
    studio.paint("a red house");
    studio.save_to(&home);
    studio.wait("no copy of saved work", |_| copies_in(&recovery).is_empty());
    studio.stroke(20.0);
    studio.wait_for_copy(&recovery);
    let expected = studio.state().document().clone();
    let crashed = disk_of(&recovery);

    let mut next = Studio::start_in(Some(crashed.path()), None);
    next.wait("the offer", |state| {
        matches!(state.dialog, Some(Dialog::Recover))
    });
    assert!(next.sees("mill.velatura"));
    // It can be left for later, and is found in the menu.
    next.click("Not now");
    next.command(Command::Show(Dialog::Recover));
    next.click("Open mill.velatura");
    next.wait("the work", |state| state.title() == "mill.velatura");
    assert_eq!(*next.state().document(), expected);
    assert!(next.state().front().editor.is_dirty(), "no file holds it");
    assert!(next.state().left_behind.is_empty());
    assert_eq!(next.state().front().project_file(), Some(home.as_path()));
    // A second crash loses it as little as the first.
    next.wait("its own copy", |_| {
        let folders = std::fs::read_dir(crashed.path()).expect("a folder");
        let folders = folders.filter(|entry| entry.as_ref().is_ok_and(|it| it.path().is_dir()));
        folders.count() == 1
    });
    assert_eq!(copies_in(crashed.path()).len(), 1);
    let again = disk_of(crashed.path());
    let mut last = Studio::start_in(Some(again.path()), None);
    last.wait("the offer", |state| !state.left_behind.is_empty());
    last.click("Open mill.velatura");
    last.wait("the work", |state| state.title() == "mill.velatura");
    assert_eq!(*last.state().document(), expected);
    // Saved to where it came from, it needs no copy.
    last.press(Modifiers::COMMAND, Key::S);
    last.wait("the save", |state| !state.front().editor.is_dirty());
    last.wait("no copy", |_| copies_in(again.path()).is_empty());
    let saved = open_project(&home, ReadLimits::default()).expect("a project");
    assert_eq!(saved.project.document, expected);
}

#[test]
fn work_of_a_program_that_ends_late_is_offered() {
    let recovery = tempfile::tempdir().expect("a folder");
    let folders = || {
        let entries = std::fs::read_dir(recovery.path()).expect("a folder");
        entries.filter(|entry| entry.as_ref().is_ok_and(|it| it.path().is_dir()))
    };
    let mut killed = Studio::start_in(Some(recovery.path()), None);
    killed.paint("a red house");
    killed.wait_for_copy(recovery.path());
    let mut next = Studio::start_in(Some(recovery.path()), None);
    next.wait("its own folder", |_| folders().count() == 2);
    assert!(next.state().left_behind.is_empty(), "its program runs");
    drop(killed);
    next.wait_long("the offer", |state| {
        matches!(state.dialog, Some(Dialog::Recover))
    });
    assert_eq!(next.state().left_behind.len(), 1);
}

#[test]
fn work_that_was_given_up_is_not_offered_again() {
    let recovery = tempfile::tempdir().expect("a folder");
    let mut studio = Studio::start_in(Some(recovery.path()), None);
    studio.paint("a red house");
    studio.wait_for_copy(recovery.path());
    let crashed = disk_of(recovery.path());

    // Given up when the window is closed.
    studio.command(Command::Quit);
    // The copy may be gone at once; from then on every frame closes the window.
    studio.harness.get_by_label("Discard").click();
    assert!(studio.closes() && copies_in(recovery.path()).is_empty());

    // Given up when it is offered.
    let mut next = Studio::start_in(Some(crashed.path()), None);
    next.wait("the offer", |state| !state.left_behind.is_empty());
    assert!(next.sees("Untitled"));
    next.click("Delete Untitled");
    next.wait("the end of the copy", |_| {
        copies_in(crashed.path()).is_empty()
    });
    assert!(next.sees("There is nothing left to recover"));

    // Given up for another document.
    next.click("Not now");
    next.paint("a red house");
    next.wait_for_copy(crashed.path());
    next.command(Command::New { size_px: [32, 32] });
    next.click("Discard");
    next.wait("no copy of what was discarded", |_| {
        copies_in(crashed.path()).is_empty()
    });
}
