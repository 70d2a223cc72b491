//! The classifier that leads what is painted to a class: chosen, led by, refused, let go of.

#[path = "support/studio.rs"]
mod studio;

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use egui::accesskit::{Role, Toggled};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use studio::{Studio, number};
use velatura::app::classifier::{ClassifierCommand, ClassifierKnown};
use velatura::app::{Command, PickPurpose};
use velatura::model::ClassifierConfig;
use velatura::recipe::ModelSource;
use velatura::recipe::param::STEPS;

/// A classifier of day and night in a folder of its own.
fn classifier(root: &Path) -> PathBuf {
    let folder = root.join("times/model");
    let config = ClassifierConfig {
        image_size: 8,
        model_channels: 32,
        out_channels: 2,
        num_res_blocks: 1,
        attention_resolutions: Vec::new(),
        channel_mult: vec![1],
        num_head_channels: Some(32),
        classes: vec!["day".to_owned(), "night".to_owned()],
        ..ClassifierConfig::default()
    };
    let network = config.init(&Device::flex()).expect("sizes that can be");
    network.save(&folder).expect("written");
    folder
}

fn take_model(studio: &mut Studio, name: &str) {
    let folder = ModelSource::Folder(Path::new("models").join(name));
    studio.command(Command::ChooseModel(folder));
    studio.wait("the model", |state| {
        let model = state.model_summary();
        model.is_some_and(|model| model.name == name)
    });
}

#[test]
fn a_classifier_leads_a_model_without_classes() {
    let root = tempfile::tempdir().expect("a folder");
    let mut studio = Studio::start();
    take_model(&mut studio, "plain");
    // It reads words, and there is nothing to choose from.
    assert!(studio.harness.query_by_label("Classifier").is_none());
    studio.command(Command::TakePath {
        purpose: PickPurpose::Classifier,
        path: classifier(root.path()),
    });
    studio.wait("its classes", |state| {
        matches!(&state.known_classifiers.chosen, ClassifierKnown::Classes(it) if it.len() == 2)
    });
    assert!(studio.sees("Chose the classifier") && studio.sees("Choose a class for it"));
    studio.click("Class");
    studio.click("1  night");
    assert_eq!(studio.state().form().spec.class, Some(1));
    assert!(!studio.sees("Choose a class for it") && studio.sees("Lead"));
    studio.set([number(&STEPS, 2)]);
    studio.permit(2);
    studio.click("Generate");
    studio.wait("the picture", |state| state.document().has_picture());
    let recipes = studio.state().front().recipes();
    let (_, newest) = recipes.last_key_value().expect("a recipe");
    let spec = &newest.spec;
    let name = spec.classifier.as_ref().map(|file| file.name.as_str());
    assert_eq!((name, spec.class), (Some("times"), Some(1)));
    assert_eq!(spec.classifier_scale, 1.0);

    // Without it there are no classes any more.
    studio.click("Classifier");
    assert!(studio.sees("There is none beside the model"));
    studio.click("None");
    studio.wait("none", |state| {
        state.known_classifiers.chosen == ClassifierKnown::Nothing
    });
    assert!(studio.harness.query_by_label("Class").is_none());
    assert_eq!(studio.state().form().spec.classifier, None);
}

#[test]
fn the_answer_about_another_does_not_take_the_news() {
    let root = tempfile::tempdir().expect("a folder");
    let mut studio = Studio::start();
    take_model(&mut studio, "plain");
    // The look at none is answered by the time that one is taken, and not yet heard.
    let app = studio.harness.state_mut();
    app.command(ClassifierCommand::Look.into());
    studio.harness.step();
    std::thread::sleep(std::time::Duration::from_millis(200));
    studio.command(ClassifierCommand::Take(classifier(root.path())).into());
    studio.wait("its classes", |state| {
        matches!(&state.known_classifiers.chosen, ClassifierKnown::Classes(_))
    });
    assert!(studio.sees("Chose the classifier"));
}

#[test]
fn what_comes_while_the_window_is_open_is_found() {
    let root = tempfile::tempdir().expect("a folder");
    let mut studio = Studio::start();
    let model = root.path().join("classes");
    studio.command(Command::ChooseModel(ModelSource::Folder(model)));
    studio.wait("the model", |state| {
        let model = state.model_summary();
        model.is_some_and(|model| model.name == "classes")
    });
    studio.wait("a look", |state| {
        state.known_classifiers.chosen == ClassifierKnown::Nothing
    });
    assert!(studio.state().known_classifiers.listed.is_empty());

    // A folder that is not there yet is not told of as chosen, and is looked for again.
    let late = root.path().join("late");
    let take = || ClassifierCommand::Take(late.join("times/model"));
    studio.command(take().into());
    studio.wait("the reason", |state| state.classifier_refusal().is_some());
    assert!(!studio.sees("Chose the classifier"));
    classifier(&late);
    studio.command(take().into());
    studio.wait("its classes", |state| {
        matches!(&state.known_classifiers.chosen, ClassifierKnown::Classes(_))
    });
    assert!(studio.sees("Chose the classifier"));

    // Two of one name beside the model, as the list is opened.
    let place = root.path().join("classifiers");
    let both = ["a", "b"].map(|folder| classifier(&place.join(folder)));
    studio.click("Classifier");
    studio.wait("the others", |state| {
        state.known_classifiers.listed.len() == 2
    });
    let entries = |studio: &Studio| -> Vec<bool> {
        let entries = studio
            .harness
            .get_all_by_role_and_label(Role::Button, "times");
        let is_on =
            |node: egui_kittest::Node<'_>| node.accesskit_node().toggled() == Some(Toggled::True);
        entries.map(is_on).collect()
    };
    assert_eq!(entries(&studio), [true, false, false]);
    let entry = studio
        .harness
        .get_all_by_role_and_label(Role::Button, "times");
    entry.last().expect("the second").click();
    studio.harness.run();
    let chosen = studio.state().form().spec.classifier.clone();
    assert_eq!(chosen.and_then(|file| file.path), Some(both[1].clone()));
    studio.wait("its classes", |state| {
        matches!(&state.known_classifiers.chosen, ClassifierKnown::Classes(_))
    });
    studio.click("Classifier");
    assert_eq!(entries(&studio), [false, true]);
}

#[test]
fn one_that_cannot_be_used_says_why_and_is_left_out() {
    let root = tempfile::tempdir().expect("a folder");
    let mut studio = Studio::start();
    take_model(&mut studio, "classes");
    // Such a model reads no words, so that there is a place for one.
    assert!(studio.sees("Classifier"));
    studio.command(ClassifierCommand::Take(root.path().join("gone")).into());
    studio.wait("the reason", |state| state.classifier_refusal().is_some());
    assert!(studio.sees("gone") && !studio.sees("Lead"));
    assert!(!studio.sees("Chose the classifier"));
    studio.set([number(&STEPS, 2)]);
    studio.permit(2);
    studio.click("Generate");
    studio.wait("the picture", |state| state.document().has_picture());
    let recipes = studio.state().front().recipes();
    let (_, newest) = recipes.last_key_value().expect("a recipe");
    assert_eq!(newest.spec.classifier, None);
}
