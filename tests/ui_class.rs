//! The class that a model is asked for, picked from the list that typing narrows down.

#[path = "support/studio.rs"]
mod studio;

use std::path::Path;

use egui::{Event, Key};
use egui_kittest::kittest::Queryable as _;
use studio::{Studio, number};
use velatura::app::Command;
use velatura::recipe::ModelSource;
use velatura::recipe::param::STEPS;

fn with_model(name: &str) -> Studio {
    let mut studio = Studio::start();
    take_model(&mut studio, name);
    studio
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
fn a_class_is_picked_by_its_name_and_reaches_the_job() {
    let mut studio = with_model("classes");
    assert_eq!(studio.state().form().spec.class, None);
    assert!(studio.sees("Choose a class and press Generate"));
    studio.click("Class");
    assert!(studio.sees("0  tench") && studio.sees("2  hen"));
    studio.send(Event::Text("gold".to_owned()));
    assert!(studio.sees("1  goldfish") && !studio.sees("2  hen"));
    studio.click("1  goldfish");
    assert_eq!(studio.state().form().spec.class, Some(1));
    studio.click("Class");
    studio.send(Event::Text("hen".to_owned()));
    studio.harness.key_press(Key::Enter);
    studio.harness.run();
    assert_eq!(studio.state().form().spec.class, Some(2));
    studio.set([number(&STEPS, 2)]);
    studio.permit(2);
    studio.click("Generate");
    studio.wait("the picture", |state| state.document().has_picture());
    let recipes = studio.state().front().recipes();
    let (_, newest) = recipes.last_key_value().expect("a recipe");
    assert_eq!(newest.spec.class, Some(2));
    // Another model has no such class, and then none is asked for.
    take_model(&mut studio, "plain");
    assert_eq!(studio.state().form().spec.class, None);
    assert!(studio.harness.query_by_label("Class").is_none());
}
