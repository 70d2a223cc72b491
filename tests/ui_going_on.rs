//! The trajectory as a way back: from any step a picture goes on anew, gets another ending
//! or is kept as it is.

#[path = "support/studio.rs"]
mod studio;

use egui::{Event, Key, Modifiers, MouseWheelUnit, vec2};
use egui_kittest::kittest::Queryable as _;
use studio::{Studio, number};
use velatura::app::form::FormChange;
use velatura::engine::protocol::StepId;
use velatura::recipe::param::STEPS;

/// A studio in which a picture was painted in four steps.
fn painted() -> Studio {
    painted_in(4)
}

fn painted_in(steps: u32) -> Studio {
    let mut studio = Studio::start();
    studio.set([number(&STEPS, steps)]);
    studio.permit(steps as usize);
    studio.click("Generate");
    studio.wait("the picture", |state| state.document().has_picture());
    studio.wait("the end", |state| state.jobs.active().is_empty());
    studio
}

fn shown(studio: &Studio) -> Option<u32> {
    studio.state().jobs.shown().map(|step| step.step)
}

/// The steps in the strip.
fn strip(studio: &Studio) -> Vec<u32> {
    let run = studio.state().jobs.run().expect("a strip");
    run.frames().iter().map(|frame| frame.step).collect()
}

fn layers(studio: &Studio) -> usize {
    studio.state().document().layers().len()
}

#[test]
fn keys_go_from_step_to_step() {
    let mut studio = painted();
    studio.click("Step 2");
    assert_eq!(shown(&studio), Some(2));
    let mut press = |key: Key| {
        studio.harness.key_press(key);
        studio.harness.run();
        shown(&studio)
    };
    assert_eq!(press(Key::Period), Some(3));
    assert_eq!(press(Key::Period), Some(4));
    assert_eq!(press(Key::Period), Some(4), "it is the last one");
    assert_eq!(press(Key::Comma), Some(3));
    assert_eq!(press(Key::Escape), None);
    assert_eq!(press(Key::Comma), None);
}

#[test]
fn a_wheel_goes_along_the_strip() {
    let mut studio = painted_in(30);
    let left = |studio: &Studio| studio.harness.get_by_label("Step 20").rect().min.x;
    let (before, at) = (left(&studio), studio.harness.get_by_label("Step 20").rect());
    studio.harness.hover_at(at.center());
    studio.harness.run();
    studio.harness.event(Event::MouseWheel {
        unit: MouseWheelUnit::Point,
        delta: vec2(0.0, 200.0),
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Wheel,
        modifiers: Modifiers::NONE,
    });
    studio.harness.run();
    assert!(
        left(&studio) > before + 100.0,
        "earlier steps come into view"
    );
}

#[test]
fn a_picture_goes_on_from_a_step_with_the_words_of_now() {
    let mut studio = painted();
    let before = layers(&studio);
    let first = studio.state().jobs.strip().expect("a job").id;
    studio.set([FormChange::Prompt("a meadow".to_owned())]);
    studio.click("Step 2");
    studio.click("Go on from here");
    // What led there is seen at once, and the canvas shows the new picture again.
    studio.wait("the job", |state| {
        state.jobs.strip().is_some_and(|record| record.id != first)
    });
    assert_eq!(strip(&studio), [1, 2]);
    assert_eq!(shown(&studio), None);
    studio.permit(2);
    studio.wait("the picture", |state| {
        state.jobs.active().is_empty() && state.document().layers().len() > before
    });
    assert_eq!(strip(&studio), [1, 2, 3, 4]);
    let recipes = studio.state().front().recipes();
    let (_, newest) = recipes.last_key_value().expect("a recipe");
    assert_eq!(newest.spec.prompt, "a meadow");
    // It is one step of the history.
    studio
        .harness
        .key_press_modifiers(Modifiers::COMMAND, Key::Z);
    studio.harness.run();
    assert_eq!(layers(&studio), before);
}

#[test]
fn what_cannot_be_done_from_a_step_says_why() {
    let mut studio = painted();
    let endings = ["Go on from here", "Another ending", "Keep this step"];
    let obstacle = |studio: &Studio, name: &str| {
        let mut all = velatura::app::actions::all();
        let action = all.find(|action| action.label == name).expect("an action");
        action.obstacle(studio.state()).map(str::to_owned)
    };
    for name in endings {
        let told = obstacle(&studio, name);
        let told = told.expect("no step is in view");
        assert_eq!(told, "Choose a step of the trajectory first");
    }
    studio.click("Step 4");
    let told = endings.map(|name| obstacle(&studio, name));
    let last = Some("This is the last step; choose an earlier one".to_owned());
    assert_eq!(told, [last.clone(), last, None]);
    studio.click("Step 3");
    assert_eq!(
        endings.map(|name| obstacle(&studio, name)),
        [const { None }; 3]
    );
}

#[test]
fn a_step_is_kept_from_its_menu() {
    let mut studio = painted();
    let before = layers(&studio);
    let step = StepId {
        job: studio.state().jobs.strip().expect("a job").id,
        picture: 0,
        step: 2,
    };
    studio.harness.get_by_label("Step 2").click_secondary();
    studio.harness.run();
    assert_eq!(studio.state().jobs.shown(), Some(step));
    studio.permit(1);
    // The head of the strip has it too, the menu was opened after that.
    let all = studio.harness.query_all_by_label("Keep this step");
    all.last().expect("the menu").click();
    studio.harness.run();
    studio.wait("the layer", |state| {
        state.jobs.active().is_empty() && state.document().layers().len() > before
    });
}
