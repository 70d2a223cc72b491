//! A painted layer gives its settings back, and pictures beside it.

#[path = "support/studio.rs"]
mod studio;

use egui_kittest::kittest::{NodeT as _, Queryable as _};
use studio::{Studio, number};
use velatura::app::Command;
use velatura::app::form::FormChange;
use velatura::document::Layer;
use velatura::recipe::GenerateSpec;
use velatura::recipe::param::{STEPS, VARIATION};

/// Paints and waits for one layer more.
fn generate(studio: &mut Studio, steps: usize) {
    let before = studio.layer_names().len();
    studio.permit(steps);
    studio.click("Generate");
    studio.wait("the picture", |state| {
        state.document().layers().len() > before
    });
    studio.wait("the end", |state| state.jobs.active().is_empty());
}

/// The topmost picture.
fn top(studio: &Studio) -> &Layer {
    let mut layers = studio.state().document().layers().iter().rev();
    let top = layers.find(|layer| layer.raster().is_some());
    top.expect("a picture")
}

/// Opens its menu.
fn open_menu(studio: &mut Studio) {
    let label = format!("Layer {}", top(studio).name);
    let layers = studio.harness.query_all_by_label(&label);
    let highest = layers.min_by(|a, b| a.rect().min.y.total_cmp(&b.rect().min.y));
    highest.expect("a layer").click_secondary();
    studio.harness.run();
}

/// How it was painted.
fn painted(studio: &Studio) -> GenerateSpec {
    let recipe = studio.state().front().recipe_of(top(studio).id);
    recipe.expect("a recipe").spec
}

fn noise(spec: &GenerateSpec) -> (u64, f32, u64) {
    (spec.seed, spec.variation_strength, spec.variation_seed)
}

#[test]
fn a_painted_layer_gives_its_settings_back() {
    let mut studio = Studio::start();
    studio.paint("a red house");
    let first = painted(&studio);
    studio.set([
        FormChange::Prompt("a blue boat".to_owned()),
        number(&STEPS, 7),
    ]);
    studio.command(Command::StartFromPicture(true));
    open_menu(&mut studio);
    studio.click("Restore its settings");
    let form = studio.state().form();
    let told = (&*form.spec.prompt, form.spec.steps, form.spec.seed);
    assert_eq!(told, ("a red house", 2, first.seed));
    assert!(form.seed_locked);
    // The same picture is painted again, and not what is on the canvas painted over.
    assert!(studio.sees("Text to image"));
    generate(&mut studio, 2);
    assert_eq!(painted(&studio), first);
}

#[test]
fn variations_keep_the_seed_and_go_elsewhere_each() {
    let mut studio = Studio::start();
    studio.paint("a red house");
    let first = painted(&studio);
    assert_eq!(noise(&first), (first.seed, 0.0, 0));
    assert!(!studio.sees("Towards"));
    open_menu(&mut studio);
    studio.click("Paint variations");
    assert!(studio.sees("Towards"));
    assert!(studio.sees("Generate paints variations of this picture"));
    let mut seen = Vec::new();
    for _ in 0..2 {
        generate(&mut studio, 2);
        let (seed, strength, towards) = noise(&painted(&studio));
        assert_eq!((seed, strength), (first.seed, 0.25));
        assert!(towards != 0 && !seen.contains(&towards), "{towards}");
        seen.push(towards);
    }
    // Which may stay, too.
    let lock = studio.harness.get_by_label("Another variation every time");
    lock.click_accesskit();
    studio.harness.run();
    assert!(studio.sees("Variation stays the same"));
    generate(&mut studio, 2);
    assert_eq!(noise(&painted(&studio)), (first.seed, 0.25, seen[1]));
    // Without, every picture has a seed of its own again.
    studio.set([FormChange::SeedLocked(false), number(&VARIATION, 0)]);
    generate(&mut studio, 2);
    let spec = painted(&studio);
    assert_ne!(spec.seed, first.seed);
    assert_eq!(spec.variation_strength, 0.0);
}

#[test]
fn what_began_with_a_picture_has_no_variations() {
    let mut studio = Studio::start();
    studio.paint("a red house");
    studio.command(Command::StartFromPicture(true));
    studio.set([number(&STEPS, 4)]);
    generate(&mut studio, 4);
    open_menu(&mut studio);
    let entry = studio.harness.get_by_label("Paint variations");
    assert!(entry.accesskit_node().is_disabled());
    let entry = studio.harness.get_by_label("Restore its settings");
    assert!(!entry.accesskit_node().is_disabled());
}
