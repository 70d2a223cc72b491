//! More boxes than a model sees at a time: on pictures that are painted in windows each
//! window is told of those that lie in it, and elsewhere they are refused.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

use burn::tensor::Device;
use velatura::diffusion::{Canvas, Conditions, GenerationRequest, LatentDiffusion, Session};
use velatura::model::{ModelFolder, tiny};
use velatura::recipe::{LayoutBox, LayoutInput};

const WIDTH_PX: u32 = 256;
const HEIGHT_PX: u32 = 64;

/// Twelve houses at the left, as many as the tiny model sees, and perhaps cars at the right.
fn boxes(cars: usize) -> LayoutInput {
    let it = |class: &str, x: f32, y: f32| LayoutBox {
        class: class.to_owned(),
        rect: [x, y, 12.0, 12.0],
        colour: None,
    };
    let houses = (0..12).map(|i| it("house", (i % 4) as f32 * 14.0, (i / 4) as f32 * 16.0));
    let cars = (0..cars).map(|i| it("car", 200.0 + i as f32, 20.0));
    LayoutInput(houses.chain(cars).collect::<Vec<_>>().into())
}

fn request(cars: usize, window_px: Option<u32>) -> GenerationRequest {
    GenerationRequest {
        steps: 2,
        seed: 7,
        width_px: WIDTH_PX,
        height_px: HEIGHT_PX,
        canvas: Canvas {
            window_px,
            ..Canvas::default()
        },
        conditions: Conditions {
            layout: Some(boxes(cars)),
            ..Conditions::default()
        },
        ..GenerationRequest::default()
    }
}

/// Rows of latents, channel by channel.
fn latents(model: &LatentDiffusion, request: &GenerationRequest) -> Vec<Vec<f32>> {
    let mut session = Session::new(model, request).unwrap();
    while session.step().unwrap().is_some() {}
    let latents = session.state().latents;
    let columns = latents.dims()[3];
    let numbers: Vec<f32> = latents.into_data().try_into_vec_as().unwrap();
    numbers.chunks(columns).map(<[f32]>::to_vec).collect()
}

#[test]
fn each_window_is_told_of_its_own_boxes() {
    let scratch = tempfile::tempdir().unwrap();
    let id = "latent-diffusion-layout-to-image";
    let kind = tiny::KINDS.iter().find(|kind| kind.id == id).unwrap();
    let folder = ModelFolder::open(kind.write(scratch.path()).unwrap()).unwrap();
    let model = LatentDiffusion::load(&folder, &Device::flex()).unwrap();

    let refused = Session::new(&model, &request(1, None)).err().unwrap();
    let sentence = refused.to_string();
    assert!(
        sentence.contains("13 boxes") && sentence.contains("at most 12"),
        "{sentence}"
    );
    let whole = Session::new(&model, &request(1, Some(WIDTH_PX)));
    assert!(whole.is_err(), "one window is the whole picture");

    let without = latents(&model, &request(0, Some(64)));
    let with = latents(&model, &request(1, Some(64)));
    let is_same = |columns: std::ops::Range<usize>| {
        let mut rows = without.iter().zip(&with);
        rows.all(|(one, other)| one[columns.clone()] == other[columns.clone()])
    };
    // Where the car is nobody sees, the houses' window does not know of it.
    assert!(is_same(0..16));
    assert!(!is_same(50..53));
    // Of more than it sees, a window is told the largest.
    let crowded = latents(&model, &request(20, Some(64)));
    assert_eq!(crowded.len(), with.len());
}
