//! Live painting in the whole window, by pointer and keys. The engine is the fake one
//! and makes a step for each permit.

#[path = "support/studio.rs"]
mod studio;

use egui::{Event, Key, Modifiers, PointerButton};
use studio::{Studio, number};
use velatura::app::boxes::BoxCommand;
use velatura::app::form::FormChange::Prompt;
use velatura::app::live::LIVE_STEPS;
use velatura::document::LayerKind;
use velatura::recipe::param::STEPS;
use velatura::tools::ToolId;

const STEPS_EACH: usize = 2;

impl Studio {
    /// A studio whose live pictures take two steps.
    fn live() -> Self {
        let mut studio = Self::start();
        studio.set([
            Prompt("a meadow".to_owned()),
            number(&STEPS, 20),
            number(&LIVE_STEPS, STEPS_EACH as u32),
        ]);
        studio
    }

    fn button(&mut self, (x, y): (f32, f32), pressed: bool) {
        let pos = self.place_of(x, y);
        self.send(Event::PointerMoved(pos));
        self.send(Event::PointerButton {
            pos,
            button: PointerButton::Primary,
            pressed,
            modifiers: Modifiers::NONE,
        });
        self.harness.run();
    }

    fn move_to(&mut self, x: f32, y: f32) {
        let pos = self.place_of(x, y);
        self.send(Event::PointerMoved(pos));
        self.harness.run();
    }

    fn press(&mut self, key: Key) {
        self.harness.key_press(key);
        self.harness.run();
    }

    fn switch(&mut self) {
        self.harness.key_press_modifiers(Modifiers::COMMAND, Key::L);
        self.harness.run();
    }

    /// Lets the picture in hand be finished.
    fn finish(&mut self) {
        self.permit(STEPS_EACH);
        self.wait("the live picture", |state| !state.live.is_busy());
    }

    /// Lets the engine go on until nothing is asked for any more; counts the jobs.
    fn finish_all(&mut self) {
        while self.state().live.is_busy() {
            self.finish();
        }
    }

    fn revision(&self) -> u64 {
        self.state().front().editor.revision().0
    }

    fn drafted(&self) -> u64 {
        let preview = self.state().live.preview().expect("a picture");
        preview.place.revision.0
    }

    fn undo_count(&self) -> usize {
        self.state().front().editor.history().undo_count()
    }
}

#[test]
fn a_box_is_followed_while_it_is_drawn_and_kept_in_one_step() {
    let mut studio = Studio::live();
    studio.switch();
    assert!(studio.state().live.is_on());
    assert!(studio.sees("Painting"));
    studio.finish();
    let seed = studio.state().form().spec.seed;
    assert!(studio.state().live.has_draft());
    assert!(studio.sees("Enter keeps it"));
    assert!(!studio.sees("An empty canvas"));
    assert_eq!(
        studio.layer_names(),
        ["Mask"],
        "the picture is no layer yet"
    );

    // While a box is drawn one job is in hand, and the newest state is the next.
    studio.command(velatura::app::Command::SelectTool(ToolId("boxes")));
    studio.button((8.0, 8.0), true);
    studio.move_to(20.0, 20.0);
    assert!(studio.state().live.is_busy());
    let job = studio.state().live.job();
    for side in [24.0, 30.0, 36.0] {
        studio.move_to(side, side);
        assert_eq!(studio.state().live.job(), job, "one at a time");
    }
    assert!(studio.drafted() < studio.revision());
    studio.permit(1);
    studio.wait("a first sight", |state| {
        job.is_some_and(|job| state.jobs.newest_step(job).is_some())
    });
    // The pen is lifted: what was begun within the gesture gives way to its end.
    studio.button((40.0, 40.0), false);
    assert_ne!(studio.state().live.job(), job);
    studio.press(Key::Escape);
    studio.permit(STEPS_EACH);
    studio.finish_all();
    assert_eq!(studio.drafted(), studio.revision());
    let steps = studio.undo_count();

    studio.press(Key::Enter);
    studio.wait("the layer", |state| state.document().has_picture());
    assert_eq!(studio.undo_count(), steps + 1);
    assert!(studio.state().live.preview().is_none());
    assert!(
        !studio.state().live.is_busy(),
        "what is kept is not painted again"
    );
    let recipe = studio.state().front().recipe().expect("a recipe").clone();
    assert_eq!((recipe.spec.seed, recipe.spec.steps), (seed, 2));

    // The next one takes its place, and does not start from it.
    studio.set([Prompt("a lake".to_owned())]);
    studio.finish_all();
    let rasters = |studio: &Studio| {
        let layers = studio.state().document().layers().iter();
        layers.filter(|it| it.kind() == LayerKind::Raster).count()
    };
    assert_eq!(rasters(&studio), 1);
    studio.press(Key::Enter);
    studio.wait("the layer", |state| state.live.preview().is_none());
    assert_eq!(rasters(&studio), 2);
    let recipe = studio.state().front().recipe().expect("a recipe");
    assert!(recipe.spec.init.is_none());
}

#[test]
fn escape_takes_the_picture_away_until_something_changes() {
    let mut studio = Studio::live();
    studio.click("Live");
    studio.finish();
    studio.press(Key::Escape);
    assert!(studio.state().preview().is_none());
    assert!(studio.state().live.is_on());
    assert!(!studio.state().live.is_busy());
    studio.set([Prompt("a hill".to_owned())]);
    assert!(studio.state().live.is_busy());
    studio.permit(1);
    studio.wait("a first sight", |state| state.preview().is_some());
    studio.press(Key::Escape);
    assert!(studio.state().preview().is_none());
    studio.permit(4);
    studio.wait("the end", |state| state.jobs.active().is_empty());
    assert!(studio.state().live.preview().is_none());
    assert_eq!(studio.undo_count(), 0);
}

/// A save to a project that is known asks nothing: what it leaves out must be said.
#[test]
fn a_live_picture_is_not_lost_in_silence_when_the_project_is_saved() {
    let mut studio = Studio::live();
    let folder = tempfile::tempdir().expect("a folder");
    studio.paint("a house");
    let path = folder.path().join("a.velatura");
    studio.command(velatura::app::Command::SaveTo(path));
    studio.wait("the save", |state| !state.front().editor.is_dirty());
    assert!(!studio.sees("The live picture is left out"));
    studio.switch();
    studio.finish();
    assert!(studio.state().live.has_draft());
    studio
        .harness
        .key_press_modifiers(Modifiers::COMMAND, Key::S);
    studio.harness.run();
    assert!(studio.sees("The live picture is left out until it is kept"));

    studio.command(velatura::app::Command::Quit);
    studio.wait("the question", |state| state.dialog.is_some());
    assert!(studio.sees("The live picture was not kept"));
    studio.click("Keep working");
    assert!(studio.state().live.has_draft());
}

#[test]
fn nothing_comes_after_it_is_switched_off() {
    let mut studio = Studio::live();
    studio.switch();
    studio.permit(1);
    studio.wait("a first sight", |state| state.preview().is_some());
    studio.switch();
    assert!(!studio.state().live.is_on());
    assert!(studio.state().live.preview().is_none());
    studio.permit(4);
    studio.wait("the end", |state| state.jobs.active().is_empty());
    studio.set([Prompt("a hill".to_owned())]);
    assert!(studio.state().live.preview().is_none());
    assert!(studio.state().jobs.active().is_empty());
}

#[test]
fn generate_paints_what_live_shows_in_all_its_steps() {
    let mut studio = Studio::live();
    studio.set([number(&STEPS, 5)]);
    studio.switch();
    studio.finish();
    let seed = studio.state().form().spec.seed;
    studio.click("Generate");
    assert!(studio.state().live.preview().is_none());
    studio.permit(5);
    studio.wait("the picture", |state| state.document().has_picture());
    let recipe = studio.state().front().recipe().expect("a recipe");
    assert_eq!((recipe.spec.seed, recipe.spec.steps), (seed, 5));
    assert!(!studio.state().live.is_busy(), "it is not painted over");
    // With the next change it goes on.
    studio.command(BoxCommand::AddLayer.into());
    assert!(studio.state().live.is_busy());
    studio.finish();
    assert!(studio.state().live.has_draft());
}

#[test]
fn a_failure_switches_it_off_and_is_told() {
    let mut studio = Studio::live();
    studio.set([Prompt("fail".to_owned())]);
    studio.switch();
    studio.permit(2);
    studio.wait("the failure", |state| !state.live.is_on());
    assert_eq!(studio.state().notices.iter().count(), 1);
    assert!(!studio.state().live.is_busy());
}
