//! Boxes, label maps and small pictures, from the command line to the job.

use clap::Parser as _;
use image::{GrayImage, Rgba, RgbaImage};

use super::tests::{JOINT, args, args_for, silent};
use super::*;
use crate::cli::Cli;
use crate::recipe::{PaintedRecipe, SaveOptions, save_picture};

fn joint(options: &[&str]) -> Result<GenerateSpec, CliError> {
    args_for(JOINT, options).spec(&mut silent)
}

fn refused(options: &[&str]) -> String {
    joint(options).unwrap_err().to_string()
}

/// A folder with boxes, a label map that knows the model's numbers, the same in its
/// colours, and a small picture.
fn conditions() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let boxes = r#"{"image": {"id": 3, "width": 40, "height": 24}, "annotations": [
        {"category": "bus", "category_id": 99, "bbox": [4, 2, 20, 12], "colour": "red"},
        {"category_id": 9, "bbox": [-4, 0, 8, 6]}]}"#;
    std::fs::write(folder.path().join("boxes.json"), boxes).unwrap();
    let map = GrayImage::from_fn(40, 24, |x, _| image::Luma([if x < 20 { 0 } else { 255 }]));
    map.save(folder.path().join("map.png")).unwrap();
    let colours = RgbaImage::from_fn(40, 24, |x, _| match x {
        ..20 => Rgba([120, 180, 240, 255]),
        _ => Rgba([0; 4]),
    });
    colours.save(folder.path().join("colours.png")).unwrap();
    let small = RgbaImage::from_pixel(10, 6, Rgba([1, 2, 3, 255]));
    small.save(folder.path().join("small.png")).unwrap();
    folder
}

#[test]
fn boxes_map_and_small_picture_end_in_the_spec() {
    let folder = conditions();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (boxes, map, small) = (at("boxes.json"), at("map.png"), at("small.png"));
    // The class of number 9 is no box of this model, but the list goes by the map.
    let text = refused(&["--layout", &boxes]);
    assert!(text.contains("hill") && text.contains("balloon"), "{text}");
    let known = std::fs::read_to_string(&boxes).unwrap();
    let known = known.replace("\"category_id\": 9,", "\"category\": \"dog\",");
    std::fs::write(&boxes, known).unwrap();

    let options = [
        "--layout",
        &boxes,
        "--semantic",
        &map,
        "--low-resolution",
        &small,
    ];
    let weights = [
        "--box-focus",
        "3.5",
        "--condition-weight",
        "boxes=0.8",
        "--condition-weight",
        "map=0.5",
    ];
    let spec = joint(&[&options[..], &weights[..]].concat()).unwrap();
    assert_eq!((spec.width_px, spec.height_px), (40, 24));
    assert_eq!((spec.layout_weight, spec.semantic_weight), (0.8, 0.5));
    assert_eq!(spec.layout_bias, 3.5);
    let layout = spec.layout.as_ref().unwrap();
    assert_eq!(layout.0[0].rect, [4.0, 2.0, 20.0, 12.0]);
    assert_eq!(layout.0[0].colour.as_deref(), Some("red"));
    assert_eq!(layout.0[1].class, "dog");
    assert_eq!(
        spec.low_resolution.as_ref().unwrap().0.dimensions(),
        (10, 6)
    );
    let by_number = spec.semantic.unwrap();
    let by_colour = joint(&["--semantic", &at("colours.png")]).unwrap();
    assert_eq!(by_colour.semantic.unwrap(), by_number);

    // Another size is asked for: everything follows.
    let spec = joint(&[&options[..], &["--width", "80", "--height", "48"]].concat()).unwrap();
    assert_eq!(spec.layout.unwrap().0[0].rect, [8.0, 4.0, 40.0, 24.0]);
    let map = spec.semantic.unwrap().map;
    assert_eq!(map.dimensions(), (80, 48));
    assert!(map.pixels().all(|it| [0, 255].contains(&it.0[0])));
    assert_eq!(spec.low_resolution.unwrap().0.dimensions(), (20, 12));
}

#[test]
fn boxes_are_placed_for_words_unless_that_is_not_wanted() {
    let places = |options: &[&str]| joint(options).unwrap().places_boxes;
    assert!(places(&["--prompt", "a bus"]));
    assert!(!places(&["--prompt", "a bus", "--place-boxes", "false"]));
    let both = "velatura generate --layout boxes.json --place-boxes true";
    assert!(Cli::try_parse_from(both.split(' ')).is_err());
    // A recipe says what its picture was painted with.
    let folder = conditions();
    let path = folder.path().join("painted.png");
    for places_boxes in [true, false] {
        let spec = GenerateSpec {
            places_boxes,
            ..joint(&["--prompt", "a bus"]).unwrap()
        };
        let recipe = PaintedRecipe::new(spec, "Joint, tiny", "0123456789".to_owned());
        let picture = RgbaImage::new(40, 24);
        save_picture(&path, &picture, Some(&recipe), &SaveOptions::default()).unwrap();
        let path = path.display().to_string();
        assert_eq!(places(&["--recipe", &path]), places_boxes);
    }
}

#[test]
fn conditions_that_cannot_be_are_refused_in_a_sentence() {
    let folder = conditions();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let map = GrayImage::from_fn(40, 24, |x, _| image::Luma([x as u8]));
    map.save(folder.path().join("odd.png")).unwrap();
    let text = refused(&["--semantic", &at("odd.png")]);
    assert!(text.contains("the values 1, 2, 3, 5"), "{text}");
    let text = refused(&["--semantic", &at("small.png")]);
    assert!(text.contains("#010203 (60 pixels)"), "{text}");
    for (option, file, sentence) in [
        ("--semantic", "map.png", "--palette"),
        ("--low-resolution", "small.png", "takes no"),
    ] {
        let error = args(&[option, &at(file)]).spec(&mut silent).unwrap_err();
        assert!(error.to_string().contains(sentence), "{error}");
        assert!(joint(&[option, "/no/such/file"]).is_err());
    }
    assert!(joint(&["--layout", "/no/such/file"]).is_err());
    // A model that knows no boxes reads their words.
    let mut told = Vec::new();
    let given = args(&["--layout", &at("boxes.json")]);
    let spec = given.spec(&mut |warning| told.push(warning)).unwrap();
    assert!(spec.layout.is_some(), "{told:?}");
    assert!(
        told.iter().any(|it| it.contains("regional prompts")),
        "{told:?}"
    );
    let line = ["velatura", "generate", "--condition-weight", "boxes=7"];
    assert!(Cli::try_parse_from(line).is_err());
}

#[test]
fn a_picture_alone_is_enough_to_paint_it_again() {
    let folder = conditions();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let spec = joint(&[
        "--semantic",
        &at("map.png"),
        "--condition-weight",
        "map=0.25",
    ])
    .unwrap();
    let hash = ModelFolder::open(JOINT).unwrap().unet_digest().unwrap();
    let hash: String = hash.digits().unwrap().chars().take(10).collect();
    let recipe = PaintedRecipe::new(spec.clone(), "Joint, tiny", hash);
    let path = folder.path().join("painted.png");
    let picture = RgbaImage::new(40, 24);
    let left_out = save_picture(&path, &picture, Some(&recipe), &SaveOptions::default());
    assert_eq!(left_out.unwrap(), None);
    let path = path.display().to_string();
    let again = joint(&["--recipe", &path]).unwrap();
    assert_eq!(again, spec);
    let larger = joint(&["--recipe", &path, "--width", "80", "--height", "48"]).unwrap();
    assert_eq!(larger.semantic.unwrap().map.dimensions(), (80, 48));

    // Other formats say that they do not hold it.
    let jpeg = folder.path().join("painted.jpg");
    let left_out = save_picture(&jpeg, &picture, Some(&recipe), &SaveOptions::default());
    let text = left_out.unwrap().unwrap().to_string();
    assert!(
        text.contains("label map") && text.contains("JPEG"),
        "{text}"
    );
}
