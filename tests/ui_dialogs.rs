//! What becomes of what hangs over the window, and of keys, when a dialog comes in front.

#[path = "support/studio.rs"]
mod studio;

use egui::Event;
use egui_kittest::kittest::Queryable as _;
use studio::Studio;
use velatura::app::actions;
use velatura::app::{Command, Dialog, PickPurpose};
use velatura::recipe::ModelSource;

impl Studio {
    fn shows_about(&mut self) {
        self.command(Command::Show(Dialog::About));
        assert!(self.sees("About Velatura"));
    }
}

#[test]
fn tooltips_go_when_a_dialog_comes() {
    let mut studio = Studio::start();
    studio.harness.ctx.all_styles_mut(|style| {
        style.interaction.tooltip_delay = 0.0;
        style.interaction.show_tooltips_only_when_still = false;
    });
    let clear = &actions::mask::CLEAR;
    let place = studio.harness.get_by_label(clear.label).rect();
    let why = clear.obstacle(studio.state()).expect("nothing is painted");
    let why = why.to_owned();
    studio.harness.hover_at(place.center());
    studio.harness.run();
    assert!(studio.sees(&why), "{why}");
    studio.shows_about();
    assert!(!studio.sees(&why), "{why}");
    // What is behind stays without, and explains itself again once it is in front.
    studio
        .harness
        .hover_at(place.center() + egui::vec2(1.0, 1.0));
    studio.harness.run();
    assert!(!studio.sees(&why), "{why}");
    studio.command(Command::CloseDialog);
    studio.harness.hover_at(place.center());
    studio.harness.run();
    assert!(studio.sees(&why), "{why}");
}

#[test]
fn menus_go_when_a_dialog_comes() {
    let mut studio = Studio::start();
    studio.click("Help");
    assert!(studio.sees("Keyboard shortcuts"));
    studio.shows_about();
    assert!(!studio.sees("Keyboard shortcuts"));
    studio.command(Command::CloseDialog);
    assert!(!studio.sees("Keyboard shortcuts"));
}

#[test]
fn the_list_of_classes_waits_behind_a_dialog() {
    let mut studio = Studio::start();
    studio.harness.key_press(egui::Key::R);
    studio.harness.run();
    let ends = [(10.0, 12.0), (41.0, 40.0)].map(|(x, y)| studio.place_of(x, y));
    studio.send(Event::PointerMoved(ends[0]));
    for (pos, pressed) in [(ends[0], true), (ends[1], false)] {
        studio.send(Event::PointerMoved(pos));
        studio.send(Event::PointerButton {
            pos,
            button: egui::PointerButton::Primary,
            pressed,
            modifiers: egui::Modifiers::NONE,
        });
    }
    studio.harness.run();
    let is_listed = |studio: &Studio| {
        let found = studio.harness.query_by_label("Class of the box");
        found.is_some()
    };
    assert!(is_listed(&studio));
    studio.shows_about();
    assert!(!is_listed(&studio));
    studio.command(Command::CloseDialog);
    assert!(is_listed(&studio));
}

#[test]
fn what_is_typed_goes_to_no_field_behind_a_dialog() {
    let mut studio = Studio::start();
    studio.harness.get_by_label("Prompt").focus();
    studio.harness.run();
    let before = studio.harness.get_by_label("Prompt").value();
    studio.shows_about();
    studio.send(Event::Text("x".to_owned()));
    studio.harness.run();
    assert_eq!(studio.harness.get_by_label("Prompt").value(), before);
}

#[test]
fn what_is_under_the_pointer_stays_there_while_rows_of_a_dialog_come_and_go() {
    let mut studio = Studio::start();
    studio.command(Command::Show(Dialog::Train));
    let place = |studio: &Studio| {
        let choice = studio.harness.get_by_label("Classifier");
        choice.rect().center()
    };
    let before = place(&studio);
    for choice in ["Autoencoder", "Classifier", "Painter (diffusion)"] {
        studio.click(choice);
        assert_eq!(place(&studio), before, "{choice}");
    }
    // Opened anew it is in the middle again.
    studio.click("Classifier");
    studio.command(Command::CloseDialog);
    studio.command(Command::Show(Dialog::Train));
    assert!(place(&studio) != before, "it is higher now");
}

#[test]
fn a_new_picture_has_the_size_that_the_model_was_trained_at() {
    let mut studio = Studio::start();
    let source = ModelSource::Folder("large".into());
    studio.command(Command::ChooseModel(source));
    studio.wait("the model", |state| {
        state
            .model_summary()
            .is_some_and(|model| model.name == "large")
    });
    studio.command(Command::Show(Dialog::New));
    studio.click("Create");
    assert_eq!(studio.state().document().size_px(), [96, 96]);
}

#[test]
fn a_name_that_is_typed_takes_the_place_of_the_one_that_is_suggested() {
    for (suggestion, typed, wanted) in [
        ("picture.velatura", "/a/b.velatura", "/a/b.velatura"),
        ("/a/picture.velatura", "b.velatura", "/a/b.velatura"),
        ("/a/", "b.velatura", "/a/b.velatura"),
    ] {
        let mut studio = Studio::start();
        studio.command(Command::Show(Dialog::Path {
            purpose: PickPurpose::SaveProject,
            suggestion: suggestion.to_owned(),
        }));
        studio.send(Event::Text(typed.to_owned()));
        studio.harness.run();
        let typed = studio.harness.get_by_label("Path").value();
        assert_eq!(typed.as_deref(), Some(wanted), "{suggestion}");
    }
}

#[test]
fn the_list_of_keys_is_seen_whole() {
    let mut studio = Studio::start();
    studio.command(Command::Show(Dialog::Shortcuts));
    let rects = |label: &str| -> Vec<egui::Rect> {
        let found = studio.harness.query_all_by_label(label);
        found.map(|node| node.rect()).collect()
    };
    let title = rects("Keyboard shortcuts");
    assert!(title.iter().all(|rect| rect.top() > 0.0), "{title:?}");
    // The last lines of the columns, and a line that is nearly as long as a column.
    let label = "Export a picture, or its layers as PSD";
    for last in ["Enlarge everything ×4", "Move the picture", label] {
        let [rect] = rects(last)[..] else {
            panic!("{last} is not once there")
        };
        assert!(rect.bottom() < 800.0, "{last}: {rect}");
    }
    let label = rects(label)[0];
    let keys = rects("Ctrl+Shift+E");
    let beside = keys
        .iter()
        .find(|keys| (keys.center().y - label.center().y).abs() < 4.0);
    let beside = beside.expect("its keys");
    assert!(label.right() <= beside.left(), "{label} {beside}");
}
