//! Boxes and label maps on their way from the document into a job and from a recipe
//! back into the document.

#[path = "support/studio.rs"]
mod studio;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::{GrayImage, Luma, Rgba, RgbaImage};
use studio::{Studio, number};
use velatura::app::Command;
use velatura::app::conditions::Condition;
use velatura::app::form::FormChange;
use velatura::document::{Layer, LayerKind};
use velatura::geometry::CanvasRect;
use velatura::recipe::param::{
    GROUNDING_SHARE, GUIDE_SCALE, LAYOUT_BIAS, LAYOUT_WEIGHT, STEPS, Value,
};
use velatura::recipe::{
    FoundRecipe, FrameSpec, Framing, GenerateSpec, GuideKind, ImageInput, LayoutBox, LayoutInput,
    ModelSource, PaintedRecipe, Palette, PaletteClass, RecipeForm, SaveOptions, SemanticInput,
    Tile, WindowChoice, save_picture,
};

/// The sky above and a class that no model knows below.
fn semantic() -> SemanticInput {
    let class = |index: u8, name: &str| PaletteClass {
        index,
        name: name.to_owned(),
        color: [index, 80, 200],
    };
    let map = GrayImage::from_fn(48, 32, |_, y| Luma([if y < 16 { 0 } else { 9 }]));
    SemanticInput {
        map: Arc::new(map),
        palette: Palette {
            name: "Two".to_owned(),
            classes: vec![class(0, "Sky"), class(9, "moor")],
        },
    }
}

/// A picture that was painted from two boxes and a label map.
fn painted(folder: &Path) -> PathBuf {
    let it = |class: &str, rect, colour: Option<&str>| LayoutBox {
        class: class.to_owned(),
        rect,
        colour: colour.map(str::to_owned),
    };
    let boxes = [
        it("bus", [4.0, 5.0, 20.0, 10.0], Some("red")),
        it("cat", [30.0, 16.0, 30.0, 12.0], None),
    ];
    let spec = GenerateSpec {
        prompt: "a meadow".to_owned(),
        width_px: 48,
        height_px: 32,
        layout_weight: 0.5,
        layout: Some(LayoutInput(boxes.into())),
        semantic: Some(semantic()),
        ..GenerateSpec::default()
    };
    let path = folder.join("painted.png");
    let image = RgbaImage::from_pixel(48, 32, Rgba([10, 20, 30, 255]));
    // Of no model: none is looked for while another is being chosen.
    let recipe = PaintedRecipe::new(spec, "", "");
    save_picture(&path, &image, Some(&recipe), &SaveOptions::default()).expect("a file");
    path
}

/// A studio in which they were restored.
fn restored() -> Studio {
    let folder = tempfile::tempdir().expect("a folder");
    let path = painted(folder.path());
    let mut studio = Studio::start_with(Some(&path));
    studio.wait("the picture", |state| state.document().has_picture());
    studio.click("Restore settings");
    studio.wait("the label map", |state| {
        state.has_drawn(Condition::LabelMap)
    });
    // It was painted from nothing, and would be again.
    assert!(studio.sees("Paint 48 × 32 from"));
    studio.command(Command::StartFromPicture(true));
    studio
}

fn layer(studio: &Studio, kind: LayerKind) -> &Layer {
    let layers = studio.state().document().layers();
    let layer = layers.iter().rev().find(|layer| layer.kind() == kind);
    layer.expect("a layer of the kind")
}

fn take_model(studio: &mut Studio, name: &str) {
    let folder = ModelSource::Folder(Path::new("models").join(name));
    studio.command(Command::ChooseModel(folder));
    wait_for_model(studio, name);
}

fn wait_for_model(studio: &mut Studio, name: &str) {
    studio.wait("the model", |state| {
        let model = state.model_summary();
        model.is_some_and(|model| model.name == name)
    });
}

/// Paints once more; what the picture was painted from.
fn paint(studio: &mut Studio) -> GenerateSpec {
    let before = studio.state().document().layers().len();
    studio.set([number(&STEPS, 2)]);
    studio.permit(2);
    studio.click("Generate");
    studio.wait("the picture", |state| {
        state.document().layers().len() > before
    });
    let recipes = studio.state().front().recipes();
    let (_, newest) = recipes.last_key_value().expect("a recipe");
    newest.spec.clone()
}

#[test]
fn boxes_and_label_map_come_back_as_layers() {
    let mut studio = restored();
    let boxes = layer(&studio, LayerKind::Layout).boxes().expect("boxes");
    assert_eq!(boxes.len(), 2);
    assert_eq!((boxes[0].label.as_str(), boxes[0].min.x), ("bus", 4.0));
    assert_eq!(boxes[0].colour.as_deref(), Some("red"));
    let document = studio.state().document();
    assert_eq!(document.label_map().expect("a map"), *semantic().map);
    assert_eq!(document.palette().classes, semantic().palette.classes);
    let form = studio.state().form();
    assert_eq!(form.spec.layout_weight, 0.5);
    assert_eq!((&form.spec.layout, &form.spec.semantic), (&None, &None));
    // Once more: what is seen is what the recipe says, and no more.
    let seen = |studio: &Studio, kind| {
        let layers = studio.state().document().layers();
        let seen = layers.iter().filter(|it| it.visible && it.kind() == kind);
        seen.count()
    };
    let layers = studio.state().document().layers().len();
    let folder = tempfile::tempdir().expect("a folder");
    let opened = velatura::recipe::open_picture(&painted(folder.path())).expect("a picture");
    let recipe = opened.recipe.expect("a recipe");
    studio.command(Command::RestoreSettings(Box::new(recipe)));
    studio.wait("the layers", |state| {
        state.document().layers().len() == layers + 2
    });
    assert_eq!(seen(&studio, LayerKind::Layout), 1);
    assert_eq!(seen(&studio, LayerKind::Semantic), 1);
    // In one step, with what it hid.
    studio.command(Command::Undo);
    assert_eq!(studio.state().document().layers().len(), layers);
    assert_eq!(seen(&studio, LayerKind::Layout), 1);
    assert_eq!(seen(&studio, LayerKind::Semantic), 1);
    studio.command(Command::Redo);
    // And away again.
    while studio
        .state()
        .front()
        .editor
        .history()
        .undo_label()
        .is_some()
    {
        studio.command(Command::Undo);
    }
    assert!(!studio.state().has_conditions());
}

#[test]
fn what_a_model_does_not_take_is_greyed_and_another_is_offered() {
    let mut studio = restored();
    assert!(!studio.sees("Storybook knows no boxes"));
    assert!(studio.sees("Storybook knows no label maps"));
    assert!(studio.sees("with 2 boxes and a label map as regional prompts"));
    take_model(&mut studio, "classes");
    assert!(studio.sees("classes takes no boxes"));
    assert!(studio.sees("classes takes no label maps"));
    assert!(!studio.sees("with 2 boxes"));
    let spec = paint(&mut studio);
    assert_eq!((spec.layout, spec.semantic), (None, None));

    take_model(&mut studio, "joint");
    assert!(!studio.sees("takes no"));
    assert!(studio.sees("with 2 boxes and a label map"));
    assert!(studio.sees("joint does not know moor: it is left out"));
    // Back with one that cannot: the other is a click away.
    take_model(&mut studio, "classes");
    studio.click("Use joint");
    wait_for_model(&mut studio, "joint");
}

/// Any words are known to a model that reads words, and all that is drawn acts.
#[test]
fn boxes_and_maps_act_as_regional_prompts_where_only_words_are_known() {
    let mut studio = restored();
    take_model(&mut studio, "plain");
    assert!(studio.sees("plain knows no boxes: their words act inside of them"));
    assert!(studio.sees("plain knows no label maps: the names of classes act"));
    assert!(studio.sees("with 2 boxes and a label map as regional prompts"));
    assert!(!studio.sees("left out"));
    studio.set([FormChange::Number(&LAYOUT_WEIGHT, Value::Real(0.5))]);
    let spec = paint(&mut studio);
    let layout = spec.layout.expect("boxes");
    assert_eq!((layout.0.len(), spec.layout_weight), (2, 0.5));
    assert!(spec.semantic.is_some());
}

/// They act in a share of the steps only, which the panel offers for such a model.
#[test]
fn boxes_of_any_words_have_their_share_of_the_steps() {
    let mut studio = restored();
    assert!(!studio.sees("Boxes until"));
    take_model(&mut studio, "gligen");
    assert!(studio.sees("Boxes until") && !studio.sees("gligen knows no boxes"));
    assert!(studio.sees("with 2 boxes and a label map as regional prompts"));
    assert_eq!(paint(&mut studio).grounding_share, 0.3);
    studio.set([FormChange::Number(&GROUNDING_SHARE, Value::Real(0.5))]);
    let spec = paint(&mut studio);
    assert_eq!((spec.grounding_share, spec.layout.is_some()), (0.5, true));
}

#[test]
fn boxes_and_label_map_go_into_the_job_as_they_are_switched() {
    let mut studio = restored();
    take_model(&mut studio, "joint");
    assert!(studio.sees("Box focus"));
    assert_eq!(paint(&mut studio).layout_bias, 2.0);
    studio.set([
        FormChange::Number(&LAYOUT_WEIGHT, Value::Real(0.25)),
        FormChange::Number(&LAYOUT_BIAS, Value::Real(0.5)),
    ]);
    let spec = paint(&mut studio);
    assert_eq!((spec.layout_weight, spec.layout_bias), (0.25, 0.5));
    let layout = spec.layout.expect("boxes");
    assert_eq!(layout.0[0].rect, [4.0, 5.0, 20.0, 10.0]);
    assert_eq!(layout.0[1].class, "cat");
    // What the model does not know is nothing.
    let map = spec.semantic.expect("a map").map;
    assert_eq!(
        [map.get_pixel(3, 3).0, map.get_pixel(3, 30).0],
        [[0], [255]]
    );

    studio.click("Use the boxes");
    assert!(studio.sees("with a label map"));
    let spec = paint(&mut studio);
    assert!(spec.layout.is_none() && spec.semantic.is_some());

    let map = layer(&studio, LayerKind::Semantic).id;
    let editor = |studio: &mut Studio, visible| {
        studio.command(Command::SetLayerVisible {
            layer: map,
            visible,
        });
    };
    editor(&mut studio, false);
    let spec = paint(&mut studio);
    assert!(spec.layout.is_none() && spec.semantic.is_none());
    assert!(!studio.sees("label map, "));
}

#[test]
fn picture_and_mask_have_their_switches_too() {
    let mut studio = restored();
    take_model(&mut studio, "joint");
    assert!(studio.sees("Image to image, 60 %, with 2 boxes and a label map"));
    studio.click("Start from it");
    assert!(studio.sees("Paint 48 × 32 from 2 boxes and a label map"));
    let spec = paint(&mut studio);
    assert!(spec.init.is_none() && spec.layout.is_some());
    // Again: the same, although there is a picture now.
    assert!(studio.sees("Paint 48 × 32 from"));
    studio.command(Command::InvertMask);
    assert!(studio.sees("Repaint inside the mask, with 2 boxes"));
    studio.click("Repaint inside only");
    assert!(studio.sees("Paint 48 × 32 from"));
    studio.click("Start from it");
    assert!(studio.sees("Image to image, 60 %"));
}

/// The folder of the bundled model says that it takes label maps, which the fake engine's
/// own does not.
#[test]
fn a_model_is_offered_by_what_its_folder_says() {
    let mut studio = restored();
    assert_eq!(studio.state().model_for(Condition::Boxes), None);
    take_model(&mut studio, "classes");
    studio.wait("the models", |state| {
        state.model_for(Condition::LabelMap).is_some()
    });
    studio.harness.run();
    let offered = studio.state().model_for(Condition::LabelMap);
    assert_eq!(offered, Some((&ModelSource::Storybook, "Storybook")));
    assert!(studio.sees("Use Storybook"));
    // One that takes them was loaded: it comes first.
    take_model(&mut studio, "joint");
    take_model(&mut studio, "classes");
    let offered = studio.state().model_for(Condition::LabelMap);
    assert_eq!(offered.map(|(_, name)| name), Some("joint"));
}

#[test]
fn a_layer_is_shown_in_small_where_the_model_takes_it() {
    let mut studio = restored();
    let picture = layer(&studio, LayerKind::Raster).id;
    assert!(!studio.sees("Low-res"));
    take_model(&mut studio, "joint");
    assert!(studio.sees("Low-res"));
    studio.command(Command::ShowInSmall(Some(picture)));
    assert!(studio.sees("Paint 48 × 32 from 2 boxes, a label map and a low-resolution picture"));
    let spec = paint(&mut studio);
    let small = spec.low_resolution.expect("a small picture").0;
    assert_eq!(small.dimensions(), (12, 8));
    assert_eq!(small.get_pixel(5, 5).0, [10, 20, 30, 255]);
    assert!(spec.init.is_none());

    take_model(&mut studio, "plain");
    assert!(studio.sees("plain takes no low-resolution pictures"));
    let other = studio.state().model_for_small_pictures();
    assert_eq!(other.map(|(_, name)| name), Some("joint"));
    let spec = paint(&mut studio);
    assert!(spec.low_resolution.is_none());
    take_model(&mut studio, "joint");
    studio.command(Command::ShowInSmall(None));
    assert!(studio.sees("Image to image, 60 %, with 2 boxes and a label map"));
}

#[test]
fn a_small_picture_comes_back_as_a_layer_too() {
    let mut studio = restored();
    take_model(&mut studio, "joint");
    let before = studio.state().document().clone();
    let spec = GenerateSpec {
        width_px: 48,
        height_px: 32,
        semantic: Some(semantic()),
        low_resolution: Some(ImageInput(Arc::new(RgbaImage::from_pixel(
            12,
            8,
            Rgba([200, 10, 10, 255]),
        )))),
        ..GenerateSpec::default()
    };
    let recipe = FoundRecipe::new(spec, RecipeForm::Velatura);
    studio.command(Command::RestoreSettings(Box::new(recipe)));
    studio.wait("the layers", |state| {
        state.document().layers().len() == before.layers().len() + 2
    });
    let small = studio.state().small_picture().expect("a small picture");
    assert_eq!(
        (small.name.as_str(), small.visible),
        ("Low-resolution picture", false)
    );
    assert!(studio.sees("a label map and a low-resolution picture"));
    let spec = paint(&mut studio);
    let small = spec.low_resolution.expect("a small picture").0;
    assert_eq!(small.get_pixel(5, 5).0, [200, 10, 10, 255]);
    studio.command(Command::Undo);
    studio.command(Command::Undo);
    assert_eq!(*studio.state().document(), before);
    assert!(studio.state().small_picture().is_none());
}

/// A canvas on which something is drawn says how large the picture is, and the
/// second press does what the first one did.
#[test]
fn a_drawing_is_painted_at_the_size_of_its_canvas() {
    let mut studio = Studio::start();
    studio.command(Command::New { size_px: [96, 48] });
    let recipe = {
        let folder = tempfile::tempdir().expect("a folder");
        let path = painted(folder.path());
        velatura::recipe::read_recipe(&path)
            .expect("a picture")
            .expect("a recipe")
    };
    studio.command(Command::RestoreSettings(Box::new(recipe)));
    // Before that an empty canvas takes the size of what would be painted.
    studio.wait("the label map", |state| {
        state.has_drawn(Condition::LabelMap)
    });
    take_model(&mut studio, "joint");
    assert_eq!(studio.state().document().size_px(), [96, 48]);
    assert!(studio.sees("Paint 96 × 48 from 2 boxes and a label map"));
    for _ in 0..2 {
        let spec = paint(&mut studio);
        assert_eq!((spec.width_px, spec.height_px), (96, 48));
        let boxes = spec.layout.expect("boxes");
        assert_eq!(boxes.0[0].rect, [8.0, 7.5, 40.0, 15.0]);
        assert!(studio.sees("Paint 96 × 48 from"));
    }
}

/// Any model is guided by a layer; in low resolution it counts at an eighth of the size.
#[test]
fn a_layer_guides_what_is_painted() {
    let mut studio = restored();
    let picture = layer(&studio, LayerKind::Raster).id;
    take_model(&mut studio, "plain");
    assert!(studio.sees("Guide"));
    assert!(!studio.sees("Guide by"));
    studio.command(Command::GuideBy(Some(picture)));
    assert!(studio.sees("Guide by"));
    assert!(studio.sees("Guide: what is painted is pulled here"));
    let spec = paint(&mut studio);
    let guide = spec.guide.expect("a guide").0;
    assert_eq!(
        (guide.dimensions(), spec.guide_kind),
        ((6, 4), GuideKind::LowResolution)
    );
    assert!(spec.init.is_none());

    studio.set([
        FormChange::GuideKind(GuideKind::Strokes),
        FormChange::Number(&GUIDE_SCALE, Value::Real(2.5)),
    ]);
    let spec = paint(&mut studio);
    let guide = spec.guide.expect("a guide").0;
    assert_eq!((guide.dimensions(), spec.guide_scale), ((48, 32), 2.5));
    assert_eq!(guide.get_pixel(20, 20).0, [10, 20, 30, 255]);
    studio.command(Command::GuideBy(None));
    assert!(paint(&mut studio).guide.is_none());
}

#[test]
fn settings_without_a_guide_switch_it_off() {
    let mut studio = restored();
    let picture = layer(&studio, LayerKind::Raster).id;
    take_model(&mut studio, "joint");
    studio.command(Command::GuideBy(Some(picture)));
    studio.command(Command::ShowInSmall(Some(picture)));
    // One of two is taken away: the other still tells the job something.
    studio.command(Command::GuideBy(None));
    assert!(!studio.state().front().starts_from_picture);
    studio.command(Command::GuideBy(Some(picture)));
    studio.command(Command::ShowInSmall(None));
    assert!(!studio.state().front().starts_from_picture);
    studio.command(Command::ShowInSmall(Some(picture)));
    let recipe = |spec| FoundRecipe::new(spec, RecipeForm::Velatura);
    let plain = recipe(GenerateSpec::default());
    studio.command(Command::RestoreSettings(Box::new(plain)));
    assert!(studio.state().guide().is_none() && studio.state().small_picture().is_none());
    // What is not brought back is told, and nothing else.
    let small = RgbaImage::from_pixel(8, 8, Rgba([200, 10, 10, 255]));
    let frame = CanvasRect {
        min: [0, 0],
        max: [32, 32],
    };
    let framed = recipe(GenerateSpec {
        guide: Some(ImageInput(Arc::new(small))),
        frame: Some(FrameSpec::new(frame, Framing::default())),
        ..GenerateSpec::default()
    });
    studio.command(Command::RestoreSettings(Box::new(framed)));
    assert!(studio.sees("The guide of what was painted in this frame is not brought back"));
    assert!(!studio.sees("low-resolution picture"));
}

#[test]
fn tiling_and_windows_go_into_the_job() {
    let mut studio = restored();
    take_model(&mut studio, "plain");
    studio.set([
        FormChange::Tile(Tile::X),
        FormChange::Windows(WindowChoice::Side(64)),
    ]);
    assert!(studio.sees("Tiling"));
    let spec = paint(&mut studio);
    assert_eq!((spec.tile, spec.windows), (Tile::X, WindowChoice::Side(64)));
}

#[test]
fn new_label_maps_have_the_classes_of_the_model() {
    let mut studio = Studio::start();
    take_model(&mut studio, "joint");
    wait_for_model(&mut studio, "joint");
    studio.click("Add label map");
    let palette = studio.state().document().palette();
    let names: Vec<&str> = palette.classes.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(
        (palette.name.as_str(), names),
        ("joint", vec!["sky", "bus"])
    );
}
