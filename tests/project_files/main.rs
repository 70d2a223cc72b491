//! Project files: what goes in comes out, old ones open, and hostile ones cost
//! nothing but a sentence.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod hostile;
mod psd;

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::{Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};
use proptest::test_runner::Config;
use velatura::document::{
    BoundingBox, CanvasContents, Document, FrameChoice, Layer, LayerContent, LayerId, Pixel,
    TileGrid,
};
use velatura::geometry::{CanvasPoint, CanvasRect, CanvasView};
use velatura::project::{
    Choices, ConditionChoices, Home, Project, ReadLimits, open_project, save_project,
};
use velatura::recipe::{
    GenerateSpec, LayoutBox, LayoutInput, PaintedRecipe, Palette, PaletteClass, SamplerId,
    WindowChoice,
};

/// The first file of this form, which every later version opens.
const FIRST: &str = "tests/data/project/version-1.velatura";

/// Saves a project and opens it again.
fn through_a_file(project: &Project) -> Project {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.velatura");
    save_project(&path, project).unwrap();
    let opened = open_project(&path, ReadLimits::default()).unwrap();
    assert!(opened.warnings.is_empty(), "{:?}", opened.warnings);
    opened.project
}

fn assert_same(a: &Project, b: &Project) {
    assert_eq!(a.document, b.document);
    let selected = |project: &Project| project.document.selected_layer().map(|layer| layer.id);
    assert_eq!(selected(a), selected(b));
    assert_eq!(a.view, b.view);
    assert_eq!(a.recipes, b.recipes);
    assert_eq!(a.choices, b.choices);
}

/// What is painted on a layer: rectangles of noise, in hundredths of its sides.
type Patch = ([u8; 4], u8);

fn painted<P: Pixel>(
    size_px: [u32; 2],
    patches: &[Patch],
    value: impl Fn(u32, u32, u8) -> P,
) -> TileGrid<P> {
    TileGrid::from_fn(size_px, |x, y| {
        let share = |at: u32, axis: usize| at * 100 / size_px[axis];
        let inside = patches.iter().rev().find(|(rect, _)| {
            (u32::from(rect[0])..u32::from(rect[2])).contains(&share(x, 0))
                && (u32::from(rect[1])..u32::from(rect[3])).contains(&share(y, 1))
        });
        inside.map_or_else(P::default, |(_, seed)| value(x, y, *seed))
    })
}

fn noise(x: u32, y: u32, seed: u8) -> u8 {
    let mixed = (x * 31 + y * 17) ^ (u32::from(seed) * 0x9e37);
    (mixed.wrapping_mul(0x85eb_ca6b) >> 24) as u8
}

#[derive(Clone, Debug)]
enum Content {
    Raster(Vec<Patch>),
    Mask(Vec<Patch>),
    Semantic(Vec<Patch>),
    Layout(Vec<([f32; 4], String, Option<String>, bool)>),
}

fn contents() -> impl Strategy<Value = Content> {
    let patches = || prop::collection::vec((any::<[u8; 4]>(), any::<u8>()), 0..4);
    let corner = || prop_oneof![-900.0..9000.0_f32, any::<i16>().prop_map(f32::from)];
    let corners = [corner(), corner(), corner(), corner()];
    let colour = prop::option::of("[a-z]{1,6}");
    let boxes = prop::collection::vec((corners, ".{0,12}", colour, any::<bool>()), 0..6);
    prop_oneof![
        patches().prop_map(Content::Raster),
        patches().prop_map(Content::Mask),
        patches().prop_map(Content::Semantic),
        boxes.prop_map(Content::Layout),
    ]
}

fn content(size_px: [u32; 2], content: Content) -> LayerContent {
    match content {
        Content::Raster(patches) => LayerContent::Raster(painted(size_px, &patches, |x, y, s| {
            [0, 1, 2, 3].map(|channel| noise(x, y, s.wrapping_add(channel)))
        })),
        Content::Mask(patches) => LayerContent::Mask(painted(size_px, &patches, noise)),
        Content::Semantic(patches) => LayerContent::Semantic(painted(size_px, &patches, noise)),
        Content::Layout(boxes) => LayerContent::Layout(
            boxes
                .into_iter()
                .map(|([a, b, c, d], label, colour, is_locked)| BoundingBox {
                    colour,
                    is_locked,
                    ..BoundingBox::from_corners(
                        CanvasPoint::new(a, b),
                        CanvasPoint::new(c, d),
                        label,
                    )
                })
                .collect(),
        ),
    }
}

fn recipe(number: u64) -> PaintedRecipe {
    let spec = GenerateSpec {
        prompt: format!("a mill by \"night\", 水車 {number}"),
        seed: u64::MAX - number,
        guidance_scale: 0.1 + number as f32 / 7.0,
        sampler: Some(SamplerId::new("dpmpp-2m")),
        layout: Some(LayoutInput(
            [LayoutBox {
                class: "bus".to_owned(),
                rect: [-3.25, 4.0, 20.5, 7.0],
                colour: Some("red".to_owned()),
            }]
            .into(),
        )),
        ..Default::default()
    };
    PaintedRecipe::new(spec, "Storybook", "0123456789").with_sampler_label("DPM++ 2M")
}

fn projects() -> impl Strategy<Value = Project> {
    let layer = (
        contents(),
        ".{0,12}",
        0.0..=1.0_f32,
        any::<bool>(),
        any::<bool>(),
    );
    let layers = prop::collection::vec(layer, 0..6);
    let view = ([any::<i16>(); 2], 1.0 / 64.0..64.0_f32, any::<bool>());
    let classes = prop::collection::btree_map(0..255_u8, ("[a-z水]{1,9}", any::<[u8; 3]>()), 0..8);
    let sizes = [1..700_u32, 1..700_u32];
    (sizes, layers, any::<u8>(), view, classes).prop_map(
        |(size_px, layers, selected, (center, zoom, is_fitted), classes)| {
            let mut recipes = BTreeMap::new();
            let layers = (0..).zip(layers).map(|(number, layer)| {
                let (inside, name, opacity, visible, has_recipe) = layer;
                let id = LayerId(number * 3 + 1);
                if has_recipe {
                    recipes.insert(id, recipe(number));
                }
                Layer {
                    opacity,
                    visible,
                    strength: if visible { 1.0 - opacity } else { 1.0 },
                    ..Layer::new(id, name, content(size_px, inside))
                }
            });
            let layers: Vec<_> = layers.collect();
            let count = layers.len().max(1);
            let choices = Choices {
                starts_from_picture: selected % 2 == 0,
                heeds_mask: selected % 3 == 0,
                small_picture: layers.first().map(|layer| layer.id),
                guide: layers.last().map(|layer| layer.id),
                conditions: (selected % 5 > 0).then_some(ConditionChoices {
                    uses_boxes: selected % 7 == 0,
                    uses_label_map: selected % 11 == 0,
                    layout_weight: f32::from(selected) / 255.0,
                    semantic_weight: 0.25,
                }),
            };
            let selected = layers
                .get(usize::from(selected) % count)
                .map(|layer| layer.id);
            let classes = classes.into_iter();
            let contents = CanvasContents {
                size_px,
                layers,
                palette: Palette {
                    name: "Own".to_owned(),
                    classes: classes
                        .map(|(index, (name, color))| PaletteClass { index, name, color })
                        .collect(),
                },
                frame: match count % 3 {
                    0 => FrameChoice::Automatic,
                    1 => FrameChoice::Canvas,
                    _ => FrameChoice::Fixed(CanvasRect::from_min_size([-20, 7], [64, 300])),
                },
                origin_px: [0, 0],
            };
            Project {
                document: Document::from_contents(contents, selected).unwrap(),
                view: CanvasView {
                    center: CanvasPoint::new(center[0].into(), center[1].into()),
                    zoom,
                    is_fitted,
                },
                recipes,
                choices,
                home: None,
            }
        },
    )
}

proptest! {
    #![proptest_config(Config { cases: 48, failure_persistence: None, ..Config::default() })]

    #[test]
    fn random_documents_survive_identical(project in projects()) {
        let back = through_a_file(&project);
        assert_same(&project, &back);
        prop_assert_eq!(back.document.validate_invariants(), Ok(()));
        // Saved again it is the same file: nothing drifts.
        assert_same(&back, &through_a_file(&back));
    }
}

/// The document of [`FIRST`]: every kind of layer, seen and hidden.
fn first_project() -> Project {
    let size_px = [300, 260];
    let patches: &[Patch] = &[([10, 20, 70, 60], 3), ([50, 40, 99, 99], 9)];
    let classes = |x: u32, y: u32, seed: u8| 1 + noise(x / 40, y / 40, seed) % 3;
    let rectangle = |[a, b, c, d]: [f32; 4], label: &str| {
        BoundingBox::from_corners(CanvasPoint::new(a, b), CanvasPoint::new(c, d), label)
    };
    let layers = [
        (
            "Hills",
            LayerContent::Raster(painted(size_px, patches, |x, y, seed| {
                [x as u8, y as u8, seed, noise(x / 30, y / 30, seed)]
            })),
        ),
        ("Blank", LayerContent::Raster(TileGrid::new(size_px))),
        (
            "Map",
            LayerContent::Semantic(painted(size_px, patches, classes)),
        ),
        (
            "Boxes",
            LayerContent::Layout(vec![
                rectangle([-4.5, 10.25, 80.0, 90.0], "bus"),
                BoundingBox {
                    colour: Some("red".to_owned()),
                    is_locked: true,
                    ..rectangle([100.0, 20.0, 320.0, 70.1], "水 balloon")
                },
            ]),
        ),
        (
            "Mask",
            LayerContent::Mask(painted(size_px, &patches[1..], |x, y, _| (x ^ y) as u8)),
        ),
    ];
    let layers = (1..).zip(layers).map(|(id, (name, content))| Layer {
        opacity: if id == 1 { 0.7 } else { 1.0 },
        visible: id != 2,
        ..Layer::new(LayerId(id), name, content)
    });
    let contents = CanvasContents {
        size_px,
        layers: layers.collect(),
        palette: Palette {
            name: "Hills".to_owned(),
            classes: [(0, "sky", [120, 170, 240]), (182, "hill", [60, 120, 50])]
                .map(|(index, name, color)| PaletteClass {
                    index,
                    name: name.to_owned(),
                    color,
                })
                .to_vec(),
        },
        frame: FrameChoice::Automatic,
        origin_px: [0, 0],
    };
    Project {
        document: Document::from_contents(contents, Some(LayerId(4))).unwrap(),
        view: CanvasView {
            center: CanvasPoint::new(151.5, 99.0),
            zoom: 3.0,
            is_fitted: false,
        },
        recipes: BTreeMap::from([(LayerId(1), recipe(1))]),
        choices: Choices::default(),
        home: None,
    }
}

#[test]
fn the_first_file_of_this_form_opens() {
    let opened = open_project(Path::new(FIRST), ReadLimits::default()).unwrap();
    assert_eq!(opened.warnings, []);
    let (mut found, mut expected) = (opened.project, first_project());
    // Which version of the program painted changes with the program.
    for project in [&mut found, &mut expected] {
        let recipes = project.recipes.values_mut();
        recipes.for_each(|recipe| recipe.program.clear());
    }
    // It is of a time before signs in prompts and before windows, and is painted so.
    for recipe in expected.recipes.values_mut() {
        recipe.spec.prompt_syntax = velatura::recipe::prompt::PromptSyntax::Plain;
        recipe.spec.windows = WindowChoice::Off;
        recipe.spec.layout_bias = 0.0;
    }
    assert_same(&found, &expected);
}

#[test]
#[ignore = "writes the file that the test above reads; it is kept and not made again"]
fn write_the_first_file() {
    if !Path::new(FIRST).exists() {
        save_project(Path::new(FIRST), &first_project()).unwrap();
    }
}

#[test]
fn a_project_that_is_passed_on_says_nothing_of_this_computer() {
    let mut project = first_project();
    project.home = Some(Home {
        path: "/home/anna/secret.velatura".into(),
        is_project: true,
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.velatura");
    save_project(&path, &project).unwrap();
    let opened = open_project(&path, ReadLimits::default()).unwrap();
    assert_eq!(opened.project.home, None);
}
