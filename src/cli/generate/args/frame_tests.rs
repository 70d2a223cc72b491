//! Frames, and what is cut for them, from the command line to the job.

use clap::Parser as _;
use image::{GrayImage, Rgba, RgbaImage};

use super::tests::{JOINT, args_for, silent};
use super::*;
use crate::cli::Cli;
use crate::geometry::CanvasRect;
use crate::recipe::{Infill, MaskedContent, PaintedRecipe, SaveOptions, save_picture};

/// A photograph of 300 × 200 pixels, and masks of it.
fn photograph() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let save = |name: &str, picture: RgbaImage| picture.save(folder.path().join(name)).unwrap();
    save(
        "init.png",
        RgbaImage::from_fn(300, 200, |x, y| Rgba([x as u8, y as u8, 90, 255])),
    );
    let mask = |is_in: fn(u32, u32) -> bool| {
        RgbaImage::from_fn(300, 200, move |x, y| match is_in(x, y) {
            true => Rgba([255; 4]),
            false => Rgba([0, 0, 0, 255]),
        })
    };
    save(
        "mask.png",
        mask(|x, y| (200..220).contains(&x) && (50..60).contains(&y)),
    );
    save(
        "other.png",
        mask(|x, y| (210..240).contains(&x) && (50..60).contains(&y)),
    );
    save("empty.png", mask(|_, _| false));
    folder
}

/// The job of options in which files are named by `@`.
fn in_photograph(
    folder: &tempfile::TempDir,
    options: &str,
) -> Result<(GenerateSpec, Option<Framed>), CliError> {
    let place = format!("{}/", folder.path().display());
    let options = format!("--init @init.png {options}").replace('@', &place);
    let options: Vec<&str> = options.split_whitespace().collect();
    args_for(JOINT, &options).job(&mut silent)
}

#[test]
fn a_mask_on_a_large_picture_is_framed() {
    let folder = photograph();
    let job = |options: &str| in_photograph(&folder, options).unwrap();
    let (spec, framed) = job("--mask @mask.png");
    let framed = framed.unwrap();
    assert_eq!(framed.rect, CanvasRect::from_min_size([178, 23], [64, 64]));
    assert_eq!([spec.width_px, spec.height_px], [64, 64]);
    assert_eq!(spec.frame.unwrap().rect(), framed.rect);
    assert_eq!(spec.frame.unwrap().framing.padding_px, Some(16));
    let part = spec.init.unwrap().0;
    assert_eq!(part.get_pixel(1, 2).0, [179, 25, 90, 255]);
    let mask = spec.mask.unwrap().0;
    let covered = mask.pixels().filter(|pixel| pixel.0[0] > 0).count();
    assert_eq!((mask.dimensions(), covered), ((64, 64), 200));
    assert_eq!(framed.with(&part).dimensions(), (300, 200));

    // As it was before there were frames.
    for options in [
        "--mask @mask.png --frame full",
        "--mask @mask.png --width 96",
        "",
    ] {
        let (spec, framed) = job(options);
        assert_eq!((spec.frame, framed), (None, None), "{options}");
    }
    let (padded, _) = job("--mask @mask.png --padding 60");
    let frame = padded.frame.unwrap();
    assert_eq!([frame.width_px, frame.height_px], [144, 136]);
    let (sized, _) = job("--mask @mask.png --frame mask --width 96 --height 96");
    assert_eq!([sized.width_px, sized.height_px], [96, 96]);
    let (filled, _) = job("--mask @mask.png --frame full --masked-content latent-noise");
    assert_eq!([filled.width_px, filled.height_px], [300, 200]);
    let framing = filled.frame.unwrap().framing;
    assert_eq!(framing.masked_content, MaskedContent::LatentNoise);
}

#[test]
fn a_frame_over_the_edge_grows_the_picture() {
    let folder = photograph();
    let options = "--frame -40,100,128,128 --infill patchmatch";
    let (spec, framed) = in_photograph(&folder, options).unwrap();
    assert_eq!([spec.width_px, spec.height_px], [64, 64]);
    assert_eq!(spec.strength, 1.0);
    let frame = spec.frame.unwrap();
    assert_eq!((frame.x, frame.framing.infill), (-40, Infill::PatchMatch));
    let mask = spec.mask.unwrap().0;
    let empty = mask.pixels().filter(|pixel| pixel.0[0] > 0).count();
    assert_eq!(empty, 128 * 128 - 88 * 100);
    let whole = framed.unwrap().with(&RgbaImage::new(128, 128));
    assert_eq!(whole.dimensions(), (340, 228));
    // Inside of the picture all of the frame is painted anew.
    let (inside, _) = in_photograph(&folder, "--frame 10,10,64,64").unwrap();
    assert_eq!((inside.mask, inside.strength), (None, 0.75));
}

#[test]
fn several_masks_have_each_their_strength() {
    let folder = photograph();
    let masks = "--mask @mask.png:0.25 --mask @other.png:0.5 --strength 0.8";
    let (spec, _) = in_photograph(&folder, masks).unwrap();
    assert_eq!(spec.strength, 0.4);
    let (rect, strengths) = (spec.frame.unwrap().rect(), spec.strengths.unwrap().0);
    let at = |x: i32| {
        let [left, top] = rect.min;
        strengths.get_pixel((x - left) as u32, (55 - top) as u32)[0]
    };
    assert_eq!([at(195), at(205), at(215), at(239)], [0, 128, 255, 255]);
    let (one, _) = in_photograph(&folder, "--mask @mask.png:0.5").unwrap();
    assert_eq!((one.strength, one.strengths), (0.5, None));
}

#[test]
fn boxes_and_maps_of_the_whole_picture_are_cut_to_the_frame() {
    let folder = photograph();
    let boxes = r#"{"image": {"width": 300, "height": 200}, "annotations": [
        {"category": "bus", "bbox": [100, 100, 80, 40]},
        {"category": "dog", "bbox": [0, 0, 40, 40]}]}"#;
    std::fs::write(folder.path().join("boxes.json"), boxes).unwrap();
    let map = GrayImage::from_fn(300, 200, |x, _| {
        image::Luma([if x < 164 { 0 } else { 255 }])
    });
    map.save(folder.path().join("map.png")).unwrap();
    let options = "--frame 100,80,128,64 --layout @boxes.json --semantic @map.png";
    let (spec, _) = in_photograph(&folder, options).unwrap();
    assert_eq!([spec.width_px, spec.height_px], [88, 48]);
    let layout = spec.layout.unwrap().0;
    assert_eq!(layout.len(), 1);
    assert_eq!(layout[0].rect, [0.0, 15.0, 55.0, 30.0]);
    let map = spec.semantic.unwrap().map;
    assert_eq!(map.dimensions(), (88, 48));
    assert_eq!(
        [map.get_pixel(43, 20)[0], map.get_pixel(44, 20)[0]],
        [0, 255]
    );
}

#[test]
fn frames_that_cannot_be_are_refused_in_a_sentence() {
    let folder = photograph();
    for (options, told) in [
        ("--frame 300,0,64,64", "outside of the picture"),
        ("--frame -70,0,64,64", "outside of the picture"),
        ("--frame 0,0,0,64", "each side must be from 1 to 8192"),
        ("--frame 0,0,9000,64", "each side must be from 1 to 8192"),
        ("--frame 290,0,8192,64", "would grow to 8482 × 200"),
        ("--frame -2147483648,0,64,64", "far outside"),
        ("--frame mask", "needs a mask"),
        ("--mask @empty.png", "the mask is empty"),
        ("--mask @empty.png --frame mask", "the mask is empty"),
        ("--mask @mask.png --frame 0,0,64,64", "nothing of the mask"),
        ("--mask @mask.png:7", "between 0 and 1"),
    ] {
        let error = in_photograph(&folder, options).unwrap_err().to_string();
        assert!(error.contains(told), "{options}: {error}");
    }
    for line in [
        "--frame 0,0,64,64",
        "--init i.png --frame NaN,0,64,64",
        "--init i.png --padding 3",
        "--init i.png --mask m.png --padding -3",
        "--init i.png --infill magic",
    ] {
        let line = format!("velatura generate {line}");
        assert!(
            Cli::try_parse_from(line.split_whitespace()).is_err(),
            "{line}"
        );
    }
}

#[test]
fn a_frame_sees_its_own_part_of_the_picture_in_small() {
    let folder = photograph();
    let halves = RgbaImage::from_fn(30, 20, |x, _| match x < 15 {
        true => Rgba([250, 0, 0, 255]),
        false => Rgba([0, 0, 250, 255]),
    });
    halves.save(folder.path().join("small.png")).unwrap();
    for (frame, colour) in [("10,60,64,64", [250, 0, 0]), ("220,60,64,64", [0, 0, 250])] {
        let options = format!("--low-resolution @small.png --frame {frame}");
        let (spec, _) = in_photograph(&folder, &options).unwrap();
        let small = spec.low_resolution.unwrap().0;
        assert_eq!(small.dimensions(), (spec.width_px / 4, spec.height_px / 4));
        for pixel in small.pixels() {
            assert_eq!(pixel.0[..3], colour, "{frame}");
        }
    }
}

#[test]
fn a_recipe_brings_its_frame_back() {
    let folder = photograph();
    let options = "--mask @mask.png --frame 190,40,96,48 --infill noise";
    let job = |options: &str| in_photograph(&folder, options);
    let (spec, framed) = job(options).unwrap();
    let hash = ModelFolder::open(JOINT).unwrap().unet_digest().unwrap();
    let hash: String = hash.digits().unwrap().chars().take(10).collect();
    let save = |spec: &GenerateSpec, whole: &RgbaImage| {
        let recipe = PaintedRecipe::new(spec.clone(), "Joint, tiny", &hash);
        let path = folder.path().join("painted.png");
        save_picture(&path, whole, Some(&recipe), &SaveOptions::default()).unwrap();
    };
    save(&spec, &framed.unwrap().with(&RgbaImage::new(96, 48)));
    let (again, _) = job("--mask @mask.png --recipe @painted.png").unwrap();
    assert_eq!(again, spec);
    let told = job("--recipe @painted.png").unwrap_err().to_string();
    assert!(told.contains("--mask"), "{told}");

    // What lay beyond the edge is known without a mask.
    let (spec, framed) = job("--frame 280,0,64,64").unwrap();
    save(&spec, &framed.unwrap().with(&RgbaImage::new(64, 64)));
    let (again, _) = job("--recipe @painted.png").unwrap();
    assert_eq!(again, spec);
}

/// What belongs to the whole picture is not cut by a frame that nobody asked for.
#[test]
fn no_frame_is_chosen_for_what_is_of_the_whole_picture() {
    let folder = photograph();
    for options in ["--tile x", "--guide @init.png"] {
        let options = format!("--mask @mask.png {options}");
        let (spec, framed) = in_photograph(&folder, &options).unwrap();
        assert_eq!((spec.frame, framed), (None, None), "{options}");
        assert_eq!([spec.width_px, spec.height_px], [300, 200]);
    }
}

#[test]
fn a_guide_is_cut_to_the_frame_of_a_recipe() {
    let folder = photograph();
    let job = |options: &str| in_photograph(&folder, options).unwrap();
    let options = "--mask @mask.png --frame 180,40,96,48";
    let (spec, framed) = job(options);
    let hash = ModelFolder::open(JOINT).unwrap().unet_digest().unwrap();
    let hash: String = hash.digits().unwrap().chars().take(10).collect();
    let recipe = PaintedRecipe::new(spec, "Joint, tiny", &hash);
    let whole = framed.unwrap().with(&RgbaImage::new(96, 48));
    let path = folder.path().join("painted.png");
    save_picture(&path, &whole, Some(&recipe), &SaveOptions::default()).unwrap();
    let (spec, _) = job("--mask @mask.png --recipe @painted.png --guide @init.png");
    let guide = spec.guide.unwrap().0;
    assert_eq!(guide.dimensions(), (96, 48));
    assert_eq!(guide.get_pixel(1, 2).0, [181, 42, 90, 255]);
    assert_eq!(spec.guide_kind, crate::recipe::GuideKind::Strokes);
    // A small one shows as much less of it.
    let small = RgbaImage::from_pixel(75, 50, Rgba([1, 2, 3, 255]));
    small.save(folder.path().join("small.png")).unwrap();
    let (spec, _) = job("--mask @mask.png --recipe @painted.png --guide @small.png");
    assert_eq!(spec.guide.unwrap().0.dimensions(), (24, 12));
    assert_eq!(spec.guide_kind, crate::recipe::GuideKind::LowResolution);
}
