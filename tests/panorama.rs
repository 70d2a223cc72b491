//! Pictures larger than those that Storybook was trained on, and pictures that go on
//! over their edges: no seams, and maps and boxes act there too.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};

use burn::tensor::Device;
use image::{GrayImage, Luma, RgbImage};
use velatura::diffusion::{Canvas, GenerationOutcome, GenerationRequest, LatentDiffusion};
use velatura::model::ModelFolder;
use velatura::recipe::{InputSpec, LayoutBox, LayoutInput, Palette, SemanticInput};

static STORYBOOK: LazyLock<LatentDiffusion> = LazyLock::new(|| {
    let folder = ModelFolder::open("assets/models/storybook").unwrap();
    LatentDiffusion::load(&folder, &Device::flex()).unwrap()
});

fn request(size_px: [u32; 2], canvas: Canvas) -> GenerationRequest {
    GenerationRequest {
        prompt: "a tree in the hills in summer".to_owned(),
        reading: velatura::recipe::prompt::TextReading::default(),
        steps: 8,
        guidance_scale: 4.0,
        seed: 5,
        width_px: size_px[0],
        height_px: size_px[1],
        given: velatura::diffusion::GivenLatents::default(),
        canvas,
        ..GenerationRequest::default()
    }
}

fn painted(request: &GenerationRequest) -> RgbImage {
    let outcome = STORYBOOK.generate(request, &mut |_| ControlFlow::Continue(()));
    match outcome.unwrap() {
        GenerationOutcome::Finished { image, .. } => image,
        GenerationOutcome::Cancelled => panic!("nobody stopped it"),
    }
}

const IN_WINDOWS: Canvas = Canvas {
    window_px: Some(128),
    wraps: [false; 2],
    in_parts: false,
};

/// Mean difference of neighbouring columns, the right one being that of an index.
fn step_at(picture: &RgbImage, column: u32) -> f64 {
    let left = (column + picture.width() - 1) % picture.width();
    let differences = (0..picture.height()).flat_map(|y| {
        let (a, b) = (picture.get_pixel(left, y), picture.get_pixel(column, y));
        [0, 1, 2].map(|channel| f64::from(a[channel].abs_diff(b[channel])))
    });
    differences.sum::<f64>() / f64::from(3 * picture.height())
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / values.len() as f64
}

/// Windows of every other step begin and end at multiples of 64 pixels: steps there are
/// as large as at the edges of other latents around them. Pictures have steps of their
/// own everywhere, so that it takes many of them to tell.
#[test]
fn panoramas_have_no_seams() {
    let (mut seams, mut others) = (0.0, 0.0);
    for (seed, prompt) in (1..).zip([
        "a tree in the hills in summer",
        "a house in the snow",
        "a cactus in the desert",
        "a tree by the sea at sunset",
        "a castle in the hills at night",
        "a bus in the hills in autumn",
    ]) {
        let picture = painted(&GenerationRequest {
            prompt: prompt.to_owned(),
            seed,
            ..request([1024, 128], IN_WINDOWS)
        });
        assert_eq!(picture.dimensions(), (1024, 128));
        for column in (64..=960).step_by(64) {
            seams += step_at(&picture, column);
            let around = [-24, -16, -8, 8, 16, 24].into_iter();
            let around = around.map(|by| step_at(&picture, column.saturating_add_signed(by)));
            others += mean(around);
        }
    }
    let ratio: f64 = seams / others;
    assert!(
        (ratio - 1.0).abs() < 0.05,
        "steps at seams are {ratio} times the others"
    );
}

#[test]
fn copies_side_by_side_show_no_seam() {
    let (mut seams, mut others) = (Vec::new(), Vec::new());
    for seed in 1..4 {
        let canvas = Canvas {
            wraps: [true, true],
            ..Canvas::default()
        };
        let picture = painted(&GenerationRequest {
            seed,
            ..request([128, 128], canvas)
        });
        let turned = image::imageops::rotate90(&picture);
        for side in [&picture, &turned] {
            seams.push(step_at(side, 0));
            others.extend((8..128).step_by(8).map(|column| step_at(side, column)));
        }
    }
    let ratio = mean(seams.into_iter()) / mean(others.into_iter());
    assert!(
        ratio < 1.25,
        "steps over the edge are {ratio} times the others"
    );
}

/// What has room in one window is painted as without any, bit for bit.
#[test]
fn a_window_of_the_whole_is_no_window() {
    let plain = request([128, 96], Canvas::default());
    let windowed = request(
        [128, 96],
        Canvas {
            window_px: Some(256),
            ..Canvas::default()
        },
    );
    assert!(painted(&plain) == painted(&windowed));
}

fn mean_colour(
    picture: &RgbImage,
    columns: std::ops::Range<u32>,
    rows: std::ops::Range<u32>,
) -> [f64; 3] {
    let pixels: Vec<_> = rows
        .flat_map(|y| columns.clone().map(move |x| (x, y)))
        .map(|(x, y)| picture.get_pixel(x, y).0)
        .collect();
    [0, 1, 2].map(|channel| mean(pixels.iter().map(|pixel| f64::from(pixel[channel]))))
}

/// Every window sees its part of the map.
#[test]
fn label_maps_act_at_any_size() {
    let inputs = &STORYBOOK.manifest().inputs;
    let classes = inputs.iter().find_map(|input| match input {
        InputSpec::Semantic { classes } => Some(classes.clone()),
        _ => None,
    });
    let classes = classes.unwrap();
    let index = |name: &str| {
        let class = classes.iter().find(|class| class.name == name);
        class.unwrap_or_else(|| panic!("there is no {name}")).index
    };
    let (sky, grass, water) = (index("sky"), index("grass"), index("water"));
    let map = GrayImage::from_fn(512, 128, |x, y| {
        Luma([if y < 56 {
            sky
        } else if x < 256 {
            grass
        } else {
            water
        }])
    });
    let mut asked = request([512, 128], IN_WINDOWS);
    asked.prompt = "in summer".to_owned();
    asked.conditions.semantic = Some(SemanticInput {
        map: Arc::new(map),
        palette: Palette {
            name: "Storybook".to_owned(),
            classes,
        },
    });
    let picture = painted(&asked);
    // How much greener than blue each quarter is below the horizon.
    let greener: Vec<f64> = (0..4)
        .map(|window| {
            let columns = window * 128 + 16..(window + 1) * 128 - 16;
            let [_, g, b] = mean_colour(&picture, columns, 100..128);
            g - b
        })
        .collect();
    let least = greener[0].min(greener[1]);
    let most = greener[2].max(greener[3]);
    assert!(least > most + 20.0, "{greener:?}");
}

/// A box is painted by the windows that it lies in, and by no other.
#[test]
fn boxes_act_where_they_are() {
    let boxed = |rect| {
        let mut asked = request([384, 128], IN_WINDOWS);
        asked.prompt = "in a meadow at noon".to_owned();
        let it = LayoutBox {
            class: "balloon".to_owned(),
            rect,
            colour: Some("red".to_owned()),
        };
        asked.conditions.layout = Some(LayoutInput([it].into()));
        painted(&asked)
    };
    let red = |picture: &RgbImage, columns: std::ops::Range<u32>| {
        let [r, g, b] = mean_colour(picture, columns, 16..72);
        r - (g + b) / 2.0
    };
    let (left, right) = (
        boxed([40.0, 16.0, 48.0, 56.0]),
        boxed([296.0, 16.0, 48.0, 56.0]),
    );
    assert!(red(&left, 44..84) > red(&right, 44..84) + 40.0);
    assert!(red(&right, 300..340) > red(&left, 300..340) + 40.0);
}
