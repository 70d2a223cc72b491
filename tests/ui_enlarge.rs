//! "Enlarge ×4" and what a picture is finished by, from the outside. The engine is the fake
//! one: it enlarges by repetition, a picture for each permit.

#[path = "support/studio.rs"]
mod studio;

use egui::{Key, Modifiers, vec2};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use image::{Rgba, RgbaImage};
use studio::{Studio, number};
use velatura::app::Command;
use velatura::app::boxes::BoxCommand;
use velatura::app::form::FormChange;
use velatura::app::library::LibraryCommand;
use velatura::document::Document;
use velatura::model::tiny;
use velatura::recipe::param::{BATCH, HEIGHT, SECOND_STRENGTH, STEPS, Value, WIDTH};
use velatura::recipe::{
    Finish, GenerateSpec, PaintedRecipe, SaveOptions, WindowChoice, save_picture,
};
use velatura::tools::ToolId;

const CTRL_ALT: Modifiers = Modifiers {
    alt: true,
    ..Modifiers::COMMAND
};

fn drag(studio: &mut Studio, from: egui::Vec2, to: egui::Vec2) {
    use egui_kittest::kittest::Queryable as _;
    let centre = studio.harness.get_by_label("Canvas").rect().center();
    studio.harness.drag_at(centre + from);
    studio.harness.run();
    for part in [0.3, 0.6, 1.0] {
        studio.harness.hover_at(centre + from + (to - from) * part);
        studio.harness.run();
    }
    studio.harness.drop_at(centre + to);
    studio.harness.run();
}

/// A picture with a mask and a box on it.
fn furnished() -> Studio {
    let mut studio = Studio::start();
    studio.paint("a red house");
    studio.command(Command::SelectTool(ToolId("brush")));
    drag(&mut studio, vec2(-60.0, 0.0), vec2(-20.0, 20.0));
    studio.command(Command::SelectTool(ToolId("boxes")));
    drag(&mut studio, vec2(10.0, 10.0), vec2(90.0, 70.0));
    studio.harness.key_press(Key::Escape);
    studio.harness.run();
    assert!(studio.state().document().has_mask_content());
    studio
}

fn wait_for_size(studio: &mut Studio, size_px: [u32; 2]) {
    studio.wait("the canvas to grow", move |state| {
        state.document().size_px() == size_px && state.jobs.active().is_empty()
    });
}

fn scroll_to(studio: &mut Studio, label: &str) {
    studio.harness.get_by_label(label).scroll_to_me();
    studio.harness.run();
}

fn boxes(document: &Document) -> Vec<[f32; 4]> {
    let boxes = document.layers().iter().filter_map(|layer| layer.boxes());
    let boxes = boxes.flatten();
    boxes
        .map(|found| [found.min.x, found.min.y, found.max.x, found.max.y])
        .collect()
}

#[test]
fn everything_grows_in_one_step_that_can_be_undone() {
    let mut studio = furnished();
    let before = studio.state().document().clone();
    studio.harness.key_press_modifiers(CTRL_ALT, Key::I);
    studio.harness.run();
    studio.wait("the job", |state| state.jobs.running().is_some());
    assert!(studio.sees("Enlarging"));
    studio.permit(1);
    wait_for_size(&mut studio, [256, 256]);

    let after = studio.state().document().clone();
    after.validate_invariants().expect("a whole document");
    let [small, large] = [&before, &after].map(Document::composite);
    for (x, y, pixel) in large.enumerate_pixels() {
        assert_eq!(pixel, small.get_pixel(x / 4, y / 4), "at {x}, {y}");
    }
    let grown: Vec<_> = boxes(&before);
    let grown: Vec<_> = grown
        .iter()
        .map(|rect| rect.map(|side| side * 4.0))
        .collect();
    assert_eq!(boxes(&after), grown);
    assert_eq!(grown.len(), 1);
    let share = |document: &Document| {
        let coverage = document.mask_coverage().expect("a mask");
        let sum: u64 = coverage.pixels().map(|pixel| u64::from(pixel[0])).sum();
        sum as f64 / coverage.pixels().len() as f64
    };
    assert!((share(&after) / share(&before) - 1.0).abs() < 0.02);

    studio.command(Command::Undo);
    assert_eq!(*studio.state().document(), before);
    studio.command(Command::Redo);
    assert_eq!(*studio.state().document(), after);
}

/// A place of models with a tiny one of super-resolution, and one that is none.
fn models() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a folder");
    for (id, folder) in [
        ("latent-diffusion-super-resolution", "larger"),
        ("latent-diffusion-unconditional", "plain"),
    ] {
        let mut kinds = tiny::KINDS.iter();
        let kind = kinds.find(|kind| kind.id == id).expect("such a kind");
        kind.write(&root.path().join(folder)).expect("a model");
    }
    root
}

/// Chooses the only such model in the dialog, whose name there it returns, and begins.
fn enlarge_with_the_model(studio: &mut Studio) -> String {
    let model = studio.state().library.larger_models()[0].clone();
    assert_eq!(model.factor, 4);
    let name = format!("{}, ×4", model.name);
    studio.click(&name);
    studio
        .harness
        .get_all_by_label("Enlarge")
        .last()
        .expect("a button")
        .click();
    studio.harness.run();
    name
}

#[test]
fn a_model_of_super_resolution_is_chosen_from_the_list_and_its_steps_are_seen() {
    let root = models();
    let mut studio = furnished();
    studio.command(LibraryCommand::Enlarge.into());
    assert!(studio.sees("64 × 64 becomes 256 × 256 pixels"));
    studio.command(LibraryCommand::AddPlace(root.path().to_path_buf()).into());
    studio.wait("the models", |state| {
        state.library.larger_models().len() == 1 && !state.library.is_looking()
    });
    assert!(studio.sees("latent-diffusion-unconditional"));
    studio.command(LibraryCommand::Enlarge.into());
    assert!(!studio.sees("latent-diffusion-unconditional"));
    let before = studio.state().document().clone();
    let small = studio.state().front().recipe();
    let name = enlarge_with_the_model(&mut studio);
    assert!(studio.state().dialog.is_none());
    studio.wait("the job", |state| state.jobs.running().is_some());
    studio.permit(1);
    studio.wait("a step", |state| state.preview().is_some());
    let preview = studio.state().preview().expect("a step");
    assert_eq!(preview.place.area, before.on_plane(before.rect()));
    // Closing the window would end it.
    studio.command(Command::Quit);
    assert!(studio.sees("still being enlarged"));
    studio.command(Command::CloseDialog);
    studio.permit(1);
    wait_for_size(&mut studio, [256, 256]);
    assert!(studio.state().preview().is_none());
    let label = studio.state().front().editor.history().undo_label();
    assert_eq!(label, Some("Enlarge ×4"));
    // Its file will tell what painted it, and how the small one was painted; undone, it is
    // the small one again.
    let told = |studio: &Studio| studio.state().front().recipe();
    let larger = told(&studio).expect("a recipe");
    assert_eq!(larger.model_name, "Larger");
    assert_eq!(larger.source.as_deref(), small.as_ref());
    let shown = larger.spec.low_resolution.expect("the small picture");
    assert_eq!(shown.0.dimensions(), (64, 64));
    studio.command(Command::Undo);
    assert_eq!(*studio.state().document(), before);
    assert_eq!(told(&studio), small);
    studio.command(Command::Redo);
    assert_eq!(told(&studio).expect("a recipe").model_name, "Larger");
    studio.command(Command::Undo);

    // One that vanishes while it is chosen does not become the network.
    studio.command(LibraryCommand::Enlarge.into());
    studio.click(&name);
    studio.command(LibraryCommand::RemovePlace(root.path().to_path_buf()).into());
    studio.wait("the list without it", |state| {
        state.library.larger_models().is_empty()
    });
    assert!(studio.sees("The chosen model is no longer there"));
    let button = studio.harness.get_all_by_label("Enlarge").last();
    let node = button.expect("a button").accesskit_node();
    assert!(node.is_disabled());
    studio.click("Real-ESRGAN, ×4");
    assert!(!studio.sees("The chosen model is no longer there"));
}

/// Of a picture from a file, what the file told of it is kept.
#[test]
fn a_picture_that_was_opened_keeps_its_recipe_inside_of_the_larger_one() {
    let root = models();
    let scratch = tempfile::tempdir().expect("a folder");
    let path = scratch.path().join("small.png");
    let spec = GenerateSpec {
        prompt: "a lighthouse".to_owned(),
        ..GenerateSpec::default()
    };
    let recipe = PaintedRecipe::new(spec, "Garden", "0123456789");
    let small = RgbaImage::from_pixel(32, 32, Rgba([200, 120, 40, 255]));
    let options = SaveOptions::default();
    save_picture(&path, &small, Some(&recipe), &options).expect("a file");
    let mut studio = Studio::start();
    studio.command(Command::OpenFile(path));
    studio.wait("the picture", |state| {
        state.document().size_px() == [32, 32]
    });
    assert!(studio.state().front().recipe().is_none());
    studio.command(LibraryCommand::AddPlace(root.path().to_path_buf()).into());
    studio.wait("the models", |state| {
        state.library.larger_models().len() == 1 && !state.library.is_looking()
    });
    studio.command(LibraryCommand::Enlarge.into());
    enlarge_with_the_model(&mut studio);
    studio.wait("the job", |state| state.jobs.running().is_some());
    studio.permit(2);
    wait_for_size(&mut studio, [128, 128]);
    let larger = studio.state().front().recipe().expect("a recipe");
    assert_eq!(larger.model_name, "Larger");
    let source = larger.source.expect("that of the small picture");
    assert_eq!(source.spec.prompt, "a lighthouse");
    studio.command(Command::Undo);
    assert!(studio.state().front().recipe().is_none());
}

#[test]
fn escape_ends_an_enlargement_and_nothing_changed() {
    let mut studio = furnished();
    let before = studio.state().document().clone();
    studio.command(Command::Enlarge);
    studio.wait("the job", |state| state.jobs.generation().is_some());
    studio.command(Command::Escape);
    studio.wait("the end", |state| state.jobs.active().is_empty());
    studio.permit(2);
    studio.harness.run();
    assert_eq!(*studio.state().document(), before);
    assert!(studio.state().notices.iter().next().is_none());
}

#[test]
fn what_is_drawn_meanwhile_grows_too() {
    let mut studio = furnished();
    studio.command(Command::Enlarge);
    studio.wait("the job", |state| state.jobs.generation().is_some());
    studio.command(Command::AddMask);
    studio.command(Command::SelectTool(ToolId("brush")));
    drag(&mut studio, vec2(40.0, -60.0), vec2(60.0, -40.0));
    let drawn = studio.state().document().mask_coverage().expect("a mask");
    studio.permit(1);
    wait_for_size(&mut studio, [256, 256]);
    let grown = studio.state().document().mask_coverage().expect("a mask");
    for (x, y, value) in drawn.enumerate_pixels() {
        if value[0] == 255 {
            assert!(
                grown.get_pixel(4 * x + 2, 4 * y + 2)[0] > 128,
                "at {x}, {y}"
            );
        }
    }
    assert_eq!(studio.layer_names().len(), 4);
}

#[test]
fn an_empty_canvas_and_one_that_is_too_large_say_why_not() {
    let mut studio = Studio::start();
    studio.command(Command::Enlarge);
    assert!(studio.sees("There is no picture that can be seen"));

    let folder = tempfile::tempdir().expect("a folder");
    let wide = folder.path().join("wide.png");
    image::RgbImage::new(2049, 8).save(&wide).expect("saved");
    let mut studio = Studio::start_with(Some(&wide));
    studio.wait("the file", |state| state.document().has_picture());
    studio.command(Command::Enlarge);
    assert!(studio.sees("more than 8192 pixels a side"));
    assert!(studio.state().jobs.active().is_empty());
}

#[test]
fn a_finished_picture_makes_the_canvas_grow_and_the_next_one_fills_it() {
    let mut studio = Studio::start();
    scroll_to(&mut studio, "Finish");
    studio.click("Finish");
    studio.click("Made ×4 as large");
    assert_eq!(studio.state().form().spec.finish, Some(Finish::X4));
    assert!(studio.sees("64 × 64, then ×4"));
    studio.paint("a red house");
    wait_for_size(&mut studio, [256, 256]);
    assert_eq!(studio.layer_names(), ["a red house", "Mask"]);
    let recipe = studio.state().front().recipe().expect("a recipe");
    assert_eq!(recipe.spec.finish, Some(Finish::X4));
    assert_eq!([recipe.spec.width_px, recipe.spec.height_px], [64, 64]);
    assert!(studio.state().is_result_new());

    // On what is there already: painted at a quarter, it has the size of the canvas.
    studio.set([number(&STEPS, 2)]);
    studio.permit(2);
    studio.click("Generate");
    studio.wait("the second picture", |state| {
        state.document().layers().len() == 3
    });
    assert_eq!(studio.state().document().size_px(), [256, 256]);
    let recipe = studio.state().front().recipe().expect("a recipe");
    assert_eq!([recipe.spec.width_px, recipe.spec.height_px], [64, 64]);

    studio.command(Command::Undo);
    studio.command(Command::Undo);
    assert_eq!(studio.state().document().size_px(), [64, 64]);
    assert_eq!(studio.layer_names(), ["Mask"]);
}

#[test]
fn a_second_pass_is_asked_for_beside_the_finish() {
    let mut studio = Studio::start();
    assert!(!studio.sees("2nd pass"));
    studio.set([FormChange::Finish(Some(Finish::X1_5)), number(&STEPS, 2)]);
    assert!(studio.sees("64 × 64, then ×1.5") && studio.sees("2nd pass"));
    assert!(!studio.sees("2nd steps") && !studio.sees("Windows"));
    let strength = FormChange::Number(&SECOND_STRENGTH, Value::Real(0.4));
    studio.set([strength]);
    assert!(studio.sees("64 × 64, ×1.5 in a second pass"));
    // It may be painted in windows, which the first pass would not.
    assert!(studio.sees("2nd steps") && studio.sees("Windows"));
    studio.permit(2);
    studio.click("Generate");
    wait_for_size(&mut studio, [96, 96]);
    let recipe = studio.state().front().recipe().expect("a recipe");
    assert_eq!(recipe.spec.finish, Some(Finish::X1_5));
    assert_eq!(recipe.spec.second_strength, 0.4);
    let document = studio.state().document();
    document.validate_invariants().expect("a whole document");
    studio.command(Command::Undo);
    assert_eq!(studio.state().document().size_px(), [64, 64]);
}

#[test]
fn a_picture_far_larger_than_the_models_is_offered_to_be_painted_smaller() {
    let mut studio = Studio::start();
    assert_eq!(studio.state().better_painted(), None);
    studio.set([number(&WIDTH, 512), number(&HEIGHT, 128)]);
    scroll_to(&mut studio, "Paint 256 × 64, then ×2");
    studio.click("Paint 256 × 64, then ×2");
    assert!(studio.sees("image, 256 × 64, then ×2"));
    assert_eq!(studio.state().better_painted(), None);
    studio.paint("hills");
    wait_for_size(&mut studio, [512, 128]);

    // Where something is drawn on the canvas, that keeps its size and is filled.
    let mut studio = Studio::start();
    studio.set([number(&WIDTH, 256), number(&HEIGHT, 256)]);
    studio.command(Command::SelectTool(ToolId("boxes")));
    drag(&mut studio, vec2(10.0, 10.0), vec2(90.0, 70.0));
    studio.harness.key_press(Key::Escape);
    studio.harness.run();
    assert!(!studio.state().is_size_free());
    scroll_to(&mut studio, "Paint 64 × 64, then ×4");
    studio.click("Paint 64 × 64, then ×4");
    studio.paint("a bus");
    studio.wait("the picture", |state| state.document().has_picture());
    assert_eq!(studio.state().document().size_px(), [256, 256]);
    let recipe = studio.state().front().recipe().expect("a recipe");
    assert_eq!([recipe.spec.width_px, recipe.spec.height_px], [64, 64]);
}

#[test]
fn what_is_painted_smaller_than_the_canvas_is_not_painted_in_windows() {
    let folder = tempfile::tempdir().expect("a folder");
    let picture = folder.path().join("large.png");
    image::RgbImage::new(256, 256)
        .save(&picture)
        .expect("saved");
    let lines: Vec<String> = (0..4)
        .map(|at| {
            let x = 64 * at;
            format!(r#"{{ "image_id": 1, "category_id": 1, "bbox": [{x}, 9, 60, 60] }}"#)
        })
        .collect();
    let coco = format!(
        r#"{{ "images": [{{ "id": 1, "file_name": "a.png", "width": 256, "height": 256 }}],
            "categories": [{{ "id": 1, "name": "bus" }}], "annotations": [{}] }}"#,
        lines.join(", ")
    );
    let file = folder.path().join("boxes.json");
    std::fs::write(&file, coco).expect("written");
    let mut studio = Studio::start_with(Some(&picture));
    studio.wait("the file", |state| state.document().has_picture());
    studio.command(BoxCommand::Read(file).into());
    studio.wait("the boxes", |state| boxes(state.document()).len() == 4);
    assert!(studio.state().paints_in_windows());
    assert!(studio.sees("sees 3 boxes at a time") && studio.sees("Windows"));

    studio.set([FormChange::Finish(Some(Finish::X4)), number(&STEPS, 2)]);
    assert_eq!(studio.state().painted_size_px(), [64, 64]);
    assert!(!studio.state().paints_in_windows() && !studio.sees("Windows"));
    assert!(studio.sees("takes 3 boxes: the uppermost is left out"));
    let count = studio.state().document().layers().len();
    studio.permit(2);
    studio.click("Generate");
    studio.wait("the picture", move |state| {
        state.document().layers().len() > count
    });
    let recipe = studio.state().front().recipe().expect("a recipe");
    let layout = recipe.spec.layout.as_ref().expect("boxes");
    assert_eq!(layout.0.len(), 3);

    // In windows that are smaller than that, each sees its own.
    studio.set([FormChange::Windows(WindowChoice::Side(32))]);
    assert!(studio.state().paints_in_windows());
}

#[test]
fn a_batch_is_finished_picture_by_picture() {
    let mut studio = Studio::start();
    studio.set([
        FormChange::Finish(Some(Finish::X4)),
        number(&BATCH, 3),
        number(&STEPS, 2),
    ]);
    studio.permit(6);
    studio.click("Generate");
    studio.wait("the pictures", |state| state.document().layers().len() == 4);
    wait_for_size(&mut studio, [256, 256]);
    studio
        .state()
        .document()
        .validate_invariants()
        .expect("a whole document");
}

#[test]
fn inside_of_a_mask_nothing_is_enlarged() {
    let mut studio = furnished();
    studio.set([FormChange::Finish(Some(Finish::X4))]);
    assert!(studio.sees("Repaint inside the mask"));
    assert!(!studio.sees("then ×4"));
    studio.permit(2);
    studio.click("Generate");
    studio.wait("the picture", |state| state.jobs.active().is_empty());
    assert_eq!(studio.state().document().size_px(), [64, 64]);
}
