//! Boxes for words: the network against transformers, and what a model does with them.
//!
//! `data/reference/make_layout_prior_reference.py` makes the network.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod reference_support;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use burn::tensor::Device;
use image::DynamicImage;
use reference_support::{Reference, difference, folder};
use tempfile::TempDir;
use velatura::diffusion::{
    Canvas, Composing, Conditions, GenerationRequest, LatentDiffusion, Retelling, Session,
};
use velatura::engine::device::ComputeDevice;
use velatura::engine::protocol::{EngineEvent, JobOutcome, PaintedImage};
use velatura::engine::{EngineHandle, studio};
use velatura::frame::{Repaint, cut_picture, surroundings};
use velatura::geometry::CanvasRect;
use velatura::model::{ModelFolder, WeightDtype};
use velatura::recipe::prompt::{PromptSyntax, TextReading};
use velatura::recipe::{
    FrameSpec, Framing, GenerateSpec, ImageInput, LayoutBox, LayoutInput, MaskInput, ModelSource,
    SemanticInput, WindowChoice,
};
use velatura::scenes::{Scene, SceneSource, classes};

/// The tiny joint model with a layout prior.
fn model_folder() -> TempDir {
    let place = TempDir::new().unwrap();
    copy(&folder().join("joint-tiny"), place.path());
    copy(
        &folder().join("layout-prior"),
        &place.path().join("layout_prior"),
    );
    place
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let into = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &into);
        } else {
            fs::copy(entry.path(), into).unwrap();
        }
    }
}

fn change(place: &Path, key: &str, value: serde_json::Value) {
    let file = place.join("layout_prior/config.json");
    let mut json: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    json[key] = value;
    fs::write(file, json.to_string()).unwrap();
}

#[test]
fn it_expects_what_transformers_expects() {
    let place = model_folder();
    let prior = ModelFolder::open(place.path())
        .unwrap()
        .load_layout_prior()
        .unwrap()
        .unwrap();
    let reference = Reference::open("layout_prior.safetensors");
    for case in ["words", "box"] {
        let tokens = reference.numbers(&format!("{case}.tokens"));
        let tokens: Vec<usize> = tokens.into_iter().map(|token| token as usize).collect();
        let wanted = reference.numbers(&format!("{case}.expected"));
        let (largest, deviation) = difference(&prior.expected(&tokens), &wanted);
        assert!(largest <= 1e-4 * deviation, "{case}: {largest}");
    }
    let words = "a red bus on a green hill";
    let placed = prior.placed(words, 7);
    assert_eq!(placed, prior.placed(words, 7));
    assert!((1..20).any(|seed| prior.placed(words, seed) != placed));
    for it in (0..20).flat_map(|seed| prior.placed(words, seed)) {
        assert!(it.class < 4 && it.colour <= 2, "{it:?}");
        assert!(it.place.iter().all(|share| (0.0..1.0).contains(share)));
    }
    // However long the words are.
    assert!(prior.placed(&"bus and ".repeat(500), 1).len() <= 5);
}

#[test]
fn words_alone_are_told_as_boxes_too() {
    let place = model_folder();
    let opened = ModelFolder::open(place.path()).unwrap();
    let model = LatentDiffusion::load(&opened, &Device::flex()).unwrap();
    let boxes = |seed: u64, size_px: [u32; 2]| {
        model.boxes_for(&Composing {
            prompt: "a red (bus:1.2)",
            syntax: PromptSyntax::Weighted,
            steps: 2,
            seed,
            size_px,
            canvas: Canvas::default(),
        })
    };
    let seed = (0..50)
        .find(|seed| boxes(*seed, [64, 64]).is_some())
        .unwrap();
    let placed = boxes(seed, [64, 64]).unwrap();
    assert!(boxes(seed, [256, 64]).is_none(), "far from square");
    let request = |layout: Option<LayoutInput>, places_boxes: bool| GenerationRequest {
        prompt: "a red (bus:1.2)".to_owned(),
        reading: TextReading::default(),
        steps: 2,
        guidance_scale: 3.0,
        seed,
        width_px: 64,
        height_px: 64,
        conditions: Conditions {
            layout,
            places_boxes,
            ..Conditions::default()
        },
        ..GenerationRequest::default()
    };
    let painted = |request: &GenerationRequest, anew: bool| {
        let mut session = Session::new(&model, request).unwrap();
        if anew {
            session.tell(
                model
                    .told_anew(&Retelling {
                        prompt: &request.prompt,
                        negative_prompt: &request.negative_prompt,
                        reading: request.reading,
                        steps: 2,
                        seed: request.seed,
                        guidance_scale: request.guidance_scale,
                        conditions: &request.conditions,
                        size_px: [64, 64],
                        canvas: request.canvas,
                    })
                    .unwrap(),
            );
        }
        while session.step().unwrap().is_some() {}
        let latents = session.state().latents.into_data();
        latents.iter::<f32>().collect::<Vec<f32>>()
    };
    let told = painted(&request(Some(placed), false), false);
    assert_eq!(painted(&request(None, true), false), told);
    assert_eq!(painted(&request(None, true), true), told);
    let words = painted(&request(None, false), false);
    assert_ne!(words, told);
    let mut regional = request(None, true);
    regional.conditions.boxes_are_regions = true;
    let by_words = painted(&regional, false);
    regional.conditions.places_boxes = false;
    assert_eq!(painted(&regional, false), by_words);
    // What is told otherwise stays so.
    let mut mapped = request(None, true);
    let inputs = &model.manifest().inputs;
    let palette = inputs.iter().find_map(|input| match input {
        velatura::recipe::InputSpec::Semantic { classes } => Some(velatura::recipe::Palette {
            name: "tiny".to_owned(),
            classes: classes.clone(),
        }),
        _ => None,
    });
    mapped.conditions.semantic = Some(SemanticInput {
        map: image::GrayImage::from_pixel(64, 64, image::Luma([9])).into(),
        palette: palette.unwrap(),
    });
    let with = painted(&mapped, false);
    mapped.conditions.places_boxes = false;
    assert_eq!(painted(&mapped, false), with);
}

/// The tiny joint model with houses on its label maps too, and such a map.
fn with_houses() -> (TempDir, SemanticInput) {
    let place = TempDir::new().unwrap();
    copy(&folder().join("joint-tiny"), place.path());
    let file = place.path().join("studio.json");
    let studio = fs::read_to_string(&file).unwrap();
    let renamed = studio.replace("\"hill\"", "\"House\"");
    assert_ne!(renamed, studio);
    fs::write(&file, renamed).unwrap();
    let manifest = ModelFolder::open(place.path()).unwrap().manifest();
    let classes = manifest.inputs.iter().find_map(|input| match input {
        velatura::recipe::InputSpec::Semantic { classes } => Some(classes.clone()),
        _ => None,
    });
    let house = |x: u32, y: u32| (8..24).contains(&x) && (20..50).contains(&y);
    let map = SemanticInput {
        map: Arc::new(image::GrayImage::from_fn(64, 64, |x, y| {
            image::Luma([if house(x, y) { 9 } else { 0 }])
        })),
        palette: velatura::recipe::Palette {
            name: "tiny".to_owned(),
            classes: classes.unwrap(),
        },
    };
    (place, map)
}

#[test]
fn things_on_a_label_map_are_told_as_boxes_too() {
    let (place, map) = with_houses();
    let factory = studio::factory(ComputeDevice::cpu());
    let mut engine = EngineHandle::spawn(factory, Arc::new(|| {})).unwrap();
    let asked = GenerateSpec {
        model: ModelSource::Folder(place.path().to_path_buf()),
        prompt: "a hill".to_owned(),
        steps: 2,
        guidance_scale: 3.0,
        width_px: 64,
        height_px: 64,
        places_boxes: true,
        semantic_weight: 0.5,
        semantic: Some(map),
        ..GenerateSpec::default()
    };
    let mut paint = |spec: GenerateSpec| {
        engine.generate(spec);
        outcome(&mut engine).0.remove(0)
    };
    let house = LayoutBox {
        class: "house".to_owned(),
        rect: [8.0, 20.0, 16.0, 30.0],
        colour: None,
    };
    // It is no more than a box, so that its outline is not on the map.
    let mut open = asked.semantic.clone().unwrap();
    for value in Arc::make_mut(&mut open.map).iter_mut() {
        *value = if *value == 9 { 0 } else { *value };
    }
    let told = paint(GenerateSpec {
        layout: Some(LayoutInput([house].into())),
        layout_weight: 0.5,
        semantic: Some(open),
        ..asked.clone()
    });
    let placed = paint(asked.clone());
    assert_eq!(placed.image, told.image);
    assert!(placed.spec.places_boxes && placed.spec.layout.is_none());
    assert!(!told.spec.places_boxes);
    // Older recipes, which do not say so, paint the map alone.
    let alone = paint(GenerateSpec {
        places_boxes: false,
        ..asked.clone()
    });
    assert_ne!(alone.image, placed.image);
    // Nothing is said of boxes where nothing on maps can have one.
    let unknown = paint(GenerateSpec {
        model: ModelSource::Folder(folder().join("joint-tiny")),
        semantic: None,
        ..asked
    });
    assert!(!unknown.spec.places_boxes);
}

#[test]
fn on_a_strip_boxes_stand_for_the_words_that_name_them() {
    let place = model_folder();
    let load = || LatentDiffusion::load(&ModelFolder::open(place.path()).unwrap(), &Device::flex());
    let size_px = [256, 64];
    assert!(!load().unwrap().names_boxes());
    let plurals = ["buses", "balloons", "dogs", "houses"];
    change(place.path(), "plurals", plurals.as_slice().into());
    let model = load().unwrap();
    assert!(model.names_boxes());
    let auto = WindowChoice::Auto;
    assert_eq!(auto.beside_boxes(size_px, 64), WindowChoice::Side(64));
    for other in [[128, 64], [64, 256], [512, 128]] {
        assert_eq!(auto.beside_boxes(other, 64), auto, "{other:?}");
    }
    let composing = |seed: u64| Composing {
        prompt: "two red buses on a green hill, flat style",
        syntax: PromptSyntax::Weighted,
        steps: 2,
        seed,
        size_px,
        canvas: Canvas {
            window_px: Some(64),
            ..Canvas::default()
        },
    };
    let seed = (0..50).find(|seed| model.boxes_for(&composing(*seed)).is_some());
    let seed = seed.unwrap();
    let placed = model.boxes_for(&composing(seed));
    let painted = |prompt: &str, layout: Option<LayoutInput>, window_px: Option<u32>| {
        let request = GenerationRequest {
            prompt: prompt.to_owned(),
            reading: TextReading::default(),
            steps: 2,
            guidance_scale: 3.0,
            seed,
            width_px: size_px[0],
            height_px: size_px[1],
            canvas: Canvas {
                window_px,
                ..Canvas::default()
            },
            conditions: Conditions {
                places_boxes: layout.is_none(),
                layout,
                ..Conditions::default()
            },
            ..GenerationRequest::default()
        };
        let mut session = Session::new(&model, &request).unwrap();
        while session.step().unwrap().is_some() {}
        let latents = session.state().latents.into_data();
        latents.iter::<f32>().collect::<Vec<f32>>()
    };
    let words = composing(seed).prompt;
    let in_windows = |prompt: &str, layout| painted(prompt, layout, Some(64));
    assert_eq!(in_windows(words, None), in_windows(words, placed));
    let bus = || {
        Some(LayoutInput(Arc::new([LayoutBox {
            class: "bus".to_owned(),
            rect: [100.0, 20.0, 30.0, 30.0],
            colour: None,
        }])))
    };
    let rest = "on a green hill, flat style";
    let whole = in_windows(words, bus());
    assert_eq!(in_windows(rest, bus()), whole);
    // What has no box is asked for by words.
    let more = "two red buses and a dog on a green hill, flat style";
    let dog = "a dog on a green hill, flat style";
    assert_eq!(in_windows(more, bus()), in_windows(dog, bus()));
    assert_ne!(in_windows(more, bus()), whole);
    // Prompts with signs are heard as they are.
    let signs = "two red (buses:1.2) on a green hill, flat style";
    assert_ne!(in_windows(signs, bus()), whole);
    // In other windows all words are heard, and no boxes are placed.
    let elsewhere = |prompt: &str| painted(prompt, bus(), None);
    assert_ne!(elsewhere(words), elsewhere(rest));
    let seen_whole = Composing {
        canvas: Canvas::default(),
        ..composing(seed)
    };
    assert!(model.boxes_for(&seen_whole).is_none());
}

#[test]
fn a_model_keeps_it_when_it_is_written_anew() {
    let place = model_folder();
    let opened = ModelFolder::open(place.path()).unwrap();
    let copies = TempDir::new().unwrap();
    let copy = copies.path().join("copy");
    let written = opened
        .copy_to(&copy, WeightDtype::F32, &opened.manifest())
        .unwrap();
    let [before, after] = [&opened, &written].map(|it| it.load_layout_prior().unwrap().unwrap());
    assert_eq!(before.config(), after.config());
    assert_eq!(before.expected(&[3, 5, 8]), after.expected(&[3, 5, 8]));
    // It is part of a model, so that the place may be written to again.
    opened
        .copy_to(&copy, WeightDtype::F16, &opened.manifest())
        .unwrap();
}

#[test]
fn one_that_does_not_fit_is_refused_by_name() {
    for (key, value, named) in [
        ("classes", 3, "LayoutPrior"),
        ("vocab_size", 600, "LayoutPrior"),
        ("bins", 0, "bins"),
        ("hidden_size", 18, "LayoutPrior"),
    ] {
        let place = model_folder();
        change(place.path(), key, value.into());
        let opened = ModelFolder::open(place.path());
        let loaded = opened.and_then(|folder| folder.load_layout_prior());
        let error = loaded.unwrap_err().to_string();
        assert!(error.contains(named), "{key}: {error}");
    }
    let place = model_folder();
    change(place.path(), "plurals", ["buses"].as_slice().into());
    let error = ModelFolder::open(place.path()).unwrap_err().to_string();
    assert!(error.contains("plurals"), "{error}");
    let place = model_folder();
    let weights = place.path().join("layout_prior/model.safetensors");
    let bytes = fs::read(&weights).unwrap();
    fs::write(&weights, &bytes[..bytes.len() / 2]).unwrap();
    let opened = ModelFolder::open(place.path()).unwrap();
    let error = opened.load_layout_prior().unwrap_err().to_string();
    assert!(error.contains("model.safetensors"), "{error}");
    fs::remove_file(&weights).unwrap();
    assert!(opened.load_layout_prior().is_err());
}

#[test]
fn the_engine_paints_with_the_boxes_that_it_shows() {
    let factory = studio::factory(ComputeDevice::cpu());
    let mut engine = EngineHandle::spawn(factory, Arc::new(|| {})).unwrap();
    let place = model_folder();
    let spec = |folder: &Path, seed: u64| GenerateSpec {
        model: ModelSource::Folder(folder.to_path_buf()),
        prompt: "a red bus".to_owned(),
        steps: 2,
        guidance_scale: 3.0,
        seed,
        width_px: 64,
        height_px: 64,
        places_boxes: true,
        ..GenerateSpec::default()
    };
    let mut found = None;
    for seed in 0..50 {
        let asked = spec(place.path(), seed);
        engine.compose(asked.clone());
        if let JobOutcome::Composed(Some(boxes)) = outcome(&mut engine).1 {
            found = Some((asked, boxes));
            break;
        }
    }
    let (asked, boxes) = found.unwrap();
    let mut paint = |spec: GenerateSpec| {
        engine.generate(spec);
        outcome(&mut engine).0.remove(0)
    };
    let told = paint(GenerateSpec {
        layout: Some(boxes),
        ..asked.clone()
    });
    let placed = paint(asked.clone());
    assert_eq!(placed.image, told.image);
    assert!(placed.spec.places_boxes && placed.spec.layout.is_none());
    // Where there is nothing to place, the recipe does not say so.
    assert!(!told.spec.places_boxes);
    let without = paint(spec(&folder().join("joint-tiny"), asked.seed));
    assert!(!without.spec.places_boxes && without.image != placed.image);
}

#[test]
fn what_a_masked_picture_lacks_gets_a_box_where_it_is_painted_anew() {
    let factory = studio::factory(ComputeDevice::cpu());
    let mut engine = EngineHandle::spawn(factory, Arc::new(|| {})).unwrap();
    let place = model_folder();
    let mut spec = GenerateSpec {
        model: ModelSource::Folder(place.path().to_path_buf()),
        prompt: "a red bus".to_owned(),
        steps: 2,
        guidance_scale: 3.0,
        strength: 1.0,
        width_px: 64,
        height_px: 64,
        places_boxes: true,
        ..GenerateSpec::default()
    };
    let placed = (0..50).find(|seed| {
        spec.seed = *seed;
        engine.compose(spec.clone());
        matches!(outcome(&mut engine).1, JobOutcome::Composed(Some(_)))
    });
    placed.unwrap();
    let grass = image::RgbaImage::from_pixel(64, 64, image::Rgba([90, 160, 80, 255]));
    let inside = |x: u32, y: u32| (20..44).contains(&x) && (30..60).contains(&y);
    let mask = image::GrayImage::from_fn(64, 64, |x, y| {
        image::Luma([if inside(x, y) { 255 } else { 0 }])
    });
    let masked = GenerateSpec {
        init: Some(ImageInput(Arc::new(grass))),
        mask: Some(MaskInput(Arc::new(mask))),
        ..spec
    };
    let mut paint = |spec: GenerateSpec| {
        engine.generate(spec);
        outcome(&mut engine).0.remove(0)
    };
    let filled = paint(masked.clone());
    // Its recipe has the box, so that it needs nobody who sees the picture.
    let boxes = filled.spec.layout.clone().expect("a box");
    assert!(!filled.spec.places_boxes);
    let [left, top, width, height] = boxes.0[0].rect;
    assert!(left >= 20.0 && left + width <= 44.0, "{boxes:?}");
    assert!(top >= 30.0 && top + height <= 60.0, "{boxes:?}");
    let again = paint(GenerateSpec {
        layout: Some(boxes),
        places_boxes: false,
        ..masked.clone()
    });
    assert_eq!(again.image, filled.image);
    let without = paint(GenerateSpec {
        places_boxes: false,
        ..masked.clone()
    });
    assert!(without.spec.layout.is_none() && without.image != filled.image);
    // A picture that is told of otherwise stays as it is told.
    let guided = paint(GenerateSpec {
        mask: None,
        strength: 0.5,
        ..masked
    });
    assert!(guided.spec.layout.is_none());
}

/// A scene is made wider under words that name what it shows, and something more.
#[test]
fn what_stands_outside_of_a_frame_is_not_told_of_again() {
    let is_left = |scene: &Scene| match &scene.objects[..] {
        [only] => {
            let [left, _, width, _] = only.bbox;
            left + width < 60.0 && width > 30.0 && only.visible > 0.9
        }
        _ => false,
    };
    let source = SceneSource::new(128).unwrap();
    let scene = source.endless(900_000_900, 0).find(is_left).unwrap();
    let noun = &classes()[scene.objects[0].class].noun;
    let picture = DynamicImage::from(scene.image.clone()).into_rgba8();
    let rect = CanvasRect::from_min_size([64, 0], [128, 128]);
    let part = cut_picture(&picture, rect);
    let Repaint::Inside(mask) = Repaint::of(&part, None, rect, [128, 128]) else {
        panic!("a half is empty");
    };
    let around = surroundings([128, 128], rect, |part| cut_picture(&picture, part));
    let spec = GenerateSpec {
        prompt: format!("a {noun} and a cow in a meadow by day, flat style"),
        steps: 1,
        strength: 1.0,
        width_px: 128,
        height_px: 128,
        places_boxes: true,
        init: Some(ImageInput(Arc::new(part))),
        mask: Some(MaskInput(Arc::new(mask))),
        frame: Some(FrameSpec::new(rect, Framing::default())),
        around: around.map(|around| ImageInput(Arc::new(around))),
        ..GenerateSpec::default()
    };
    let factory = studio::factory(ComputeDevice::cpu());
    let mut engine = EngineHandle::spawn(factory, Arc::new(|| {})).unwrap();
    let mut paint = |spec: GenerateSpec| {
        engine.generate(spec);
        outcome(&mut engine).0.remove(0).spec
    };
    let kinds = |spec: &GenerateSpec| {
        let boxes = spec.layout.iter().flat_map(|boxes| boxes.0.iter());
        boxes.map(|it| it.class.clone()).collect::<Vec<_>>()
    };
    let told = paint(spec.clone());
    assert_eq!(told.prompt, "a cow in a meadow by day, flat style");
    assert_eq!(kinds(&told), ["cow"]);
    let [left, ..] = told.layout.clone().unwrap().0[0].rect;
    assert!(left >= 60.0, "{:?}", told.layout);
    // Who does not see what is around believes that both are to be painted.
    let alone = paint(GenerateSpec {
        around: None,
        ..spec.clone()
    });
    assert_eq!(alone.prompt, spec.prompt);
    assert!(kinds(&alone).contains(noun));
    // One kind alone is a wish.
    let wished = paint(GenerateSpec {
        prompt: format!("a {noun} in a meadow by day, flat style"),
        ..spec
    });
    assert!(wished.prompt.contains(noun.as_str()));
    assert_eq!(kinds(&wished), [noun.as_str()]);
}

/// The pictures and the end of the job in hand.
fn outcome(engine: &mut EngineHandle) -> (Vec<PaintedImage>, JobOutcome) {
    let mut images = Vec::new();
    loop {
        match engine.wait(Duration::from_secs(300)).unwrap() {
            EngineEvent::Painted { image, .. } => images.push(image),
            EngineEvent::Finished { outcome, .. } => return (images, outcome),
            EngineEvent::Stopped { reason, .. } => panic!("{reason:?}"),
            _ => {}
        }
    }
}
