//! The degradation of small pictures against the paper's own code
//! (`tests/data/reference/make_degradation_reference.py`).
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod reference_support;

use image::RgbImage;
use reference_support::{Reference, difference};
use serde::Deserialize;
use velatura::train::degradation::{Interpolation, Kernel, Noise, Pixels, Step, recompressed};

#[derive(Deserialize)]
struct Cases {
    isotropic: Vec<(usize, f64)>,
    anisotropic: Vec<(usize, f64, f64, f64)>,
    resized: Vec<[usize; 3]>,
    mixed: Vec<([f64; 3], [[f64; 3]; 3])>,
    jpeg: Vec<(u8, String)>,
    runs: Vec<Vec<Told>>,
}

/// A step as the paper's code did it.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Told {
    Blur(Vec<Vec<f64>>),
    Halve(bool),
    Resize([usize; 3]),
    Skip(usize),
    Noise(String, f64),
    Mix([[f64; 3]; 3]),
    Jpeg(u8),
}

impl Told {
    fn step(&self) -> Step {
        match self {
            Self::Blur(rows) => Step::Blur(Kernel {
                side: rows.len(),
                weights: rows.concat(),
            }),
            Self::Halve(is_antialiased) => {
                assert!(is_antialiased);
                Step::Halve
            }
            Self::Resize([width, height, how]) => Step::Resize {
                size: [*width, *height],
                how: interpolation(*how),
            },
            Self::Skip(step) => Step::Skip(*step),
            Self::Noise(kind, level) => Step::Noise(match kind.as_str() {
                "grey" => Noise::Grey(*level),
                _ => Noise::Colour(*level),
            }),
            Self::Mix(mix) => Step::Noise(Noise::Mixed(*mix)),
            Self::Jpeg(quality) => Step::Jpeg(*quality),
        }
    }
}

/// By OpenCV's numbers.
fn interpolation(number: usize) -> Interpolation {
    [
        Interpolation::Linear,
        Interpolation::Cubic,
        Interpolation::Area,
    ][number - 1]
}

fn picture(reference: &Reference, key: &str, width: u32) -> RgbImage {
    let bytes: Vec<u8> = reference.numbers(key).iter().map(|it| *it as u8).collect();
    RgbImage::from_raw(width, bytes.len() as u32 / 3 / width, bytes).unwrap()
}

fn same(key: &str, got: impl IntoIterator<Item = f64>, reference: &Reference, most: f64) {
    let got: Vec<f32> = got.into_iter().map(|value| value as f32).collect();
    let (largest, _) = difference(&got, &reference.numbers(key));
    assert!(largest <= most, "{key} differs by {largest}");
}

fn same_pixels(key: &str, got: &Pixels, reference: &Reference) {
    let values = got.values.iter().flatten();
    same(key, values.map(|value| f64::from(*value)), reference, 2e-6);
}

/// Mean and largest difference of bytes.
fn byte_difference(got: &RgbImage, wanted: &[f64]) -> (f64, f64) {
    assert_eq!(got.as_raw().len(), wanted.len());
    let pairs = got.as_raw().iter().zip(wanted);
    let each: Vec<f64> = pairs.map(|(a, b)| (f64::from(*a) - b).abs()).collect();
    let mean = each.iter().sum::<f64>() / each.len() as f64;
    (mean, each.into_iter().fold(0.0, f64::max))
}

fn no_numbers(_: usize) -> Vec<f32> {
    panic!("nothing is drawn")
}

#[test]
fn kernels_and_blur_are_the_papers() {
    let reference = Reference::open("degradation.safetensors");
    let cases: Cases = reference.cases();
    let mut kernels = Vec::new();
    for (i, (side, deviation)) in cases.isotropic.iter().enumerate() {
        let kernel = Kernel::isotropic(*side, *deviation);
        same(
            &format!("isotropic.{i}"),
            kernel.weights.clone(),
            &reference,
            1e-7,
        );
        kernels.push(kernel);
    }
    for (i, (side, angle, along, across)) in cases.anisotropic.iter().enumerate() {
        let kernel = Kernel::anisotropic(*side, *angle, [*along, *across]);
        same(
            &format!("anisotropic.{i}"),
            kernel.weights.clone(),
            &reference,
            1e-7,
        );
        kernels.push(kernel);
    }
    for factor in [2, 4] {
        let shifted = kernels[3].shifted(factor);
        same(
            &format!("shifted.{factor}"),
            shifted.weights,
            &reference,
            1e-7,
        );
    }
    let pixels = Pixels::of(&picture(&reference, "picture", 44));
    for i in [1, 5, 6] {
        let blurred = Step::Blur(kernels[i].clone()).done(&pixels, &mut no_numbers);
        same_pixels(&format!("blurred.{i}"), &blurred, &reference);
    }
}

#[test]
fn sizes_change_as_in_opencv_and_matlab() {
    let reference = Reference::open("degradation.safetensors");
    let cases: Cases = reference.cases();
    let pixels = Pixels::of(&picture(&reference, "picture", 44));
    let clamped = |key: &str, got: &Pixels| {
        let wanted = reference.numbers(key);
        let wanted: Vec<f64> = wanted.iter().map(|value| value.clamp(0.0, 1.0)).collect();
        let got: Vec<f32> = got.values.iter().flatten().copied().collect();
        let (largest, _) = difference(&got, &wanted);
        assert!(largest <= 2e-5, "{key} differs by {largest}");
    };
    clamped("halved", &Step::Halve.done(&pixels, &mut no_numbers));
    for (i, [width, height, how]) in cases.resized.iter().enumerate() {
        let size = [*width, *height];
        let how = interpolation(*how);
        let resized = Step::Resize { size, how }.done(&pixels, &mut no_numbers);
        assert_eq!([resized.width, resized.height], size);
        clamped(&format!("resized.{i}"), &resized);
    }
}

#[test]
fn noise_of_mixed_colours_has_the_papers_covariance() {
    let reference = Reference::open("degradation.safetensors");
    let cases: Cases = reference.cases();
    for (i, (shares, directions)) in cases.mixed.iter().enumerate() {
        let noise = Noise::mixed(2.0 / 255.0, *shares, directions);
        let covariance = noise.covariance().into_iter().flatten();
        same(&format!("mixed.{i}"), covariance, &reference, 1e-9);
    }
}

#[test]
fn jpeg_loses_what_a_file_of_libjpeg_loses() {
    let reference = Reference::open("degradation.safetensors");
    let cases: Cases = reference.cases();
    let even = picture(&reference, "picture", 44);
    let odd = image::imageops::crop_imm(&even, 0, 0, 37, 29).to_image();
    for (i, (quality, name)) in cases.jpeg.iter().enumerate() {
        let source = if name == "even" { &even } else { &odd };
        let wanted = reference.numbers(&format!("jpeg.{i}"));
        let (mean, largest) = byte_difference(&recompressed(source, *quality), &wanted);
        let (lost, _) = byte_difference(source, &wanted);
        println!("{quality} {name}: {mean:.3} of {lost:.2} lost, at most {largest}");
        assert!(
            mean < 0.001 && largest <= 1.0,
            "{quality} {name}: {mean} {largest}"
        );
    }
}

#[test]
fn whole_runs_of_the_paper_come_out_alike() {
    let reference = Reference::open("degradation.safetensors");
    let cases: Cases = reference.cases();
    let source = Pixels::of(&picture(&reference, "source", 40));
    for (run, steps) in cases.runs.iter().enumerate() {
        let mut pixels = source.clone();
        for (place, step) in steps.iter().enumerate() {
            let mut numbers = |count: usize| {
                let numbers = reference.numbers(&format!("run.{run}.{place}"));
                assert_eq!(numbers.len(), count);
                numbers.into_iter().map(|it| it as f32).collect()
            };
            pixels = step.step().done(&pixels, &mut numbers);
        }
        let wanted = reference.numbers(&format!("run.{run}"));
        let (mean, largest) = byte_difference(&pixels.picture(), &wanted);
        println!("run {run}: {mean:.3}, at most {largest}");
        assert!(mean < 0.2 && largest <= 3.0, "run {run}: {mean} {largest}");
    }
}
