//! The network that makes pictures four times as large: against PyTorch with the
//! same weights, in tiles against the whole, and as a job of the engine.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

#[path = "support/lockstep.rs"]
mod lockstep;
#[path = "support/real_engine.rs"]
mod real_engine;
mod reference_support;

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use image::{Rgba, RgbaImage};
use lockstep::Lockstep;
use real_engine::{end, engine};
use reference_support::Reference;
use velatura::diffusion::Enlargement;
use velatura::engine::device::ComputeDevice;
use velatura::engine::protocol::{EngineEvent, JobOutcome, StopReason};
use velatura::engine::studio;
use velatura::folders;
use velatura::model::Upscaler;
use velatura::recipe::{ImageInput, UpscaleSpec};

fn network() -> Upscaler {
    Upscaler::open(&folders::upscaler().unwrap(), &Device::flex()).unwrap()
}

fn enlarged(network: &Upscaler, picture: &RgbaImage) -> RgbaImage {
    let mut enlargement = Enlargement::new(Arc::new(picture.clone()));
    while enlargement.step(network, &Device::flex()).unwrap() {}
    enlargement.into_picture()
}

/// Something with edges, slopes and noise everywhere.
fn landscape(width: u32, height: u32) -> RgbaImage {
    RgbaImage::from_fn(width, height, |x, y| {
        let hill = f64::from(y) > 40.0 + 20.0 * (f64::from(x) / 17.0).sin();
        let noise = (x * 31 + y * 57 + x * y * 7) % 23;
        let stripe = u32::from((x + 2 * y) % 19 < 3) * 90;
        let [r, g, b] = if hill { [60, 130, 40] } else { [110, 150, 190] };
        Rgba([r + noise, g + stripe, b + noise, 255].map(|value| value.min(255) as u8))
    })
}

/// Planes of the whole picture at once, [0, 1].
fn whole(network: &Upscaler, picture: &RgbaImage) -> Vec<f32> {
    let planes = (0..3).flat_map(|channel| {
        let bytes = picture.as_raw().iter().skip(channel).step_by(4);
        bytes.map(|byte| f32::from(*byte) / 255.0)
    });
    let shape = [1, 3, picture.height() as usize, picture.width() as usize];
    let data = TensorData::new(planes.collect::<Vec<_>>(), shape);
    let x = Tensor::from_data(data, &Device::flex());
    network
        .forward(x)
        .into_data()
        .try_into_vec::<f32>()
        .unwrap()
}

#[test]
fn the_network_equals_torch() {
    let reference = Reference::open("upscaler.safetensors");
    let (height, width) = (28, 37);
    let bytes = reference.numbers("picture");
    let planes: Vec<f32> = bytes.iter().map(|byte| *byte as f32 / 255.0).collect();
    let x = Tensor::from_data(
        TensorData::new(planes, [1, 3, height, width]),
        &Device::flex(),
    );
    let got = network().forward(x).into_data().try_into_vec::<f32>();
    let (largest, deviation) =
        reference_support::difference(&got.unwrap(), &reference.numbers("enlarged"));
    println!("largest difference {:.5} of 255", largest * 255.0);
    assert!(largest <= 1.0 / 255.0, "{largest}");
    assert!(deviation > 0.1, "{deviation}");
}

#[test]
fn tiles_show_no_seams() {
    let (network, picture) = (network(), landscape(300, 141));
    assert_eq!(Enlargement::tiles_of([300, 141]), 6);
    let tiled = enlarged(&network, &picture);
    assert_eq!(tiled.dimensions(), (1200, 564));
    let whole = whole(&network, &picture);
    let area = 1200 * 564;
    let largest = tiled.pixels().enumerate().flat_map(|(at, pixel)| {
        let values = [0, 1, 2].map(|channel| {
            let value = whole[channel * area + at].clamp(0.0, 1.0) * 255.0;
            (f32::from(pixel[channel]) - value).abs()
        });
        assert_eq!(pixel[3], 255);
        values
    });
    let largest = largest.fold(0.0, f32::max);
    println!("largest difference {largest:.4} of 255, half of it rounding");
    assert!(largest <= 1.0, "{largest}");
}

#[test]
fn what_is_transparent_stays_so_and_leaves_no_rim() {
    let red: [u8; 3] = [200, 40, 30];
    let inside = |x: u32, y: u32| (x as i32 - 70).pow(2) + (y as i32 - 30).pow(2) < 400;
    let picture = RgbaImage::from_fn(150, 60, |x, y| match inside(x, y) {
        true => Rgba([red[0], red[1], red[2], 255]),
        false => Rgba([0; 4]),
    });
    let large = enlarged(&network(), &picture);
    assert_eq!(large.get_pixel(280, 120)[3], 255);
    assert_eq!(large.get_pixel(8, 8), &Rgba([0; 4]));
    let is_half = |pixel: &&Rgba<u8>| (1..255).contains(&pixel[3]);
    assert!(
        large.pixels().filter(is_half).count() > 100,
        "the edge is hard"
    );
    for pixel in large.pixels().filter(|pixel| pixel[3] > 0) {
        for (channel, wanted) in red.into_iter().enumerate() {
            let away = i32::from(pixel[channel]).abs_diff(i32::from(wanted));
            assert!(away < 12, "{pixel:?}");
        }
    }
    let seen: u64 = large.pixels().map(|pixel| u64::from(pixel[3])).sum();
    let was: u64 = picture.pixels().map(|pixel| u64::from(pixel[3])).sum();
    let share = seen as f64 / was as f64 / 16.0;
    assert!((0.97..1.03).contains(&share), "{share}");
}

#[test]
fn every_size_down_to_one_pixel() {
    let network = network();
    for (width, height) in [(1, 1), (1, 200), (3, 2), (129, 5)] {
        let large = enlarged(&network, &landscape(width, height));
        assert_eq!(large.dimensions(), (4 * width, 4 * height));
    }
}

fn spec(pictures: impl IntoIterator<Item = RgbaImage>) -> UpscaleSpec {
    let pictures = pictures.into_iter();
    UpscaleSpec {
        pictures: pictures
            .map(|picture| ImageInput(Arc::new(picture)))
            .collect(),
        ..UpscaleSpec::default()
    }
}

#[test]
fn the_engine_enlarges_several_pictures_and_tells_of_each_tile() {
    let mut engine = engine();
    let pictures = [landscape(20, 12), landscape(130, 8)];
    let job = engine.upscale(spec(pictures.clone()));
    let told = end(&mut engine, job);
    assert_eq!(told.progress, [(1, 3), (2, 3), (3, 3)]);
    let Ok(JobOutcome::Enlarged(large)) = told.ended else {
        panic!("{:?}", told.ended);
    };
    let network = network();
    for (large, small) in large.iter().zip(&pictures) {
        assert_eq!(*large.image, enlarged(&network, small));
        assert!(large.by.is_none());
    }
    assert_eq!(large.len(), 2);
    engine.close();
}

#[test]
fn an_enlargement_can_be_ended_and_bad_ones_are_told() {
    let mut lockstep = Lockstep::start(studio::factory(ComputeDevice::cpu()));
    let job = lockstep.engine.upscale(spec([landscape(400, 400)]));
    let mut steps = 0;
    let reason = loop {
        match lockstep.wait() {
            EngineEvent::Progress { .. } => {
                steps += 1;
                lockstep.engine.cancel(job);
            }
            EngineEvent::Stopped { reason, .. } => break reason,
            EngineEvent::Finished { outcome, .. } => panic!("it ran to its end: {outcome:?}"),
            _ => {}
        }
    };
    assert_eq!((reason, steps), (StopReason::Cancelled, 1));

    let mut engine = engine();
    let job = engine.upscale(spec([RgbaImage::new(0, 4)]));
    let text = end(&mut engine, job).complaint();
    assert!(text.contains("0 × 4 pixels cannot be enlarged"), "{text}");
    engine.close();
}
