//! Figures of sets of pictures against pytorch-fid, torch-fidelity, scikit-image and
//! scipy; `data/reference/evaluation/make_evaluation_reference.py` says what these make
//! of the same.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

use std::path::Path;

use burn::tensor::Device;
use image::{Rgb, RgbImage};
use serde::Deserialize;
use velatura::evaluate::compare::{
    Distribution, FeatureKind, Inception, Matrix, Moments, RandomState, Resize, Rows, Side,
    Statistics, compare, inception_score, kernel_distance, precision_recall, psnr, ssim,
};

#[path = "picture_sets/inception_weights.rs"]
mod inception_weights;
#[path = "picture_sets/program.rs"]
mod program;
#[path = "reference_support/mod.rs"]
mod reference_support;
#[path = "picture_sets/sweeps.rs"]
mod sweeps;

use reference_support::{Reference, difference};

/// Of the figure.
const TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
struct Figures {
    frechet: f64,
    singular: f64,
    kid: [f64; 2],
    whole_kid: f64,
    precision: f64,
    recall: f64,
    inception_score: [f64; 2],
    psnr: f64,
    ssim: f64,
    permutation: Vec<usize>,
}

fn near(what: &str, ours: f64, theirs: f64) {
    let apart = (ours - theirs).abs();
    assert!(
        apart <= TOLERANCE * theirs.abs(),
        "{what}: {ours} instead of {theirs}"
    );
}

fn values(reference: &Reference, key: &str) -> Vec<f32> {
    let numbers = reference.numbers(key);
    numbers.into_iter().map(|number| number as f32).collect()
}

fn distribution(rows: &[f32], width: usize) -> Distribution {
    let mut moments = Moments::new(width);
    // In parts of any length.
    for part in rows.chunks(7 * width) {
        moments.add(part).unwrap();
    }
    moments.finish().unwrap()
}

#[test]
fn figures_of_features_equal_those_of_python() {
    let reference = Reference::open("evaluation/figures.safetensors");
    let theirs: Figures = reference.cases();
    let [a, b, few] = ["a", "b", "few"].map(|key| values(&reference, key));
    let [of_a, of_b, of_few] = [&a, &b, &few].map(|rows| distribution(rows, 24));
    near("Fréchet", of_a.distance(&of_b).unwrap(), theirs.frechet);
    near(
        "Fréchet turned",
        of_b.distance(&of_a).unwrap(),
        theirs.frechet,
    );
    // Nine pictures reach eight of 24 dimensions.
    near("of few", of_few.distance(&of_b).unwrap(), theirs.singular);
    assert!(of_few.distance(&of_few).unwrap().abs() < 1e-9);

    let [a, b] = [a, b].map(|rows| Rows::new(24, rows));
    let kernel = kernel_distance(&a, &b).unwrap().unwrap();
    assert_eq!(kernel.subset, 50);
    near("KID", kernel.mean, theirs.kid[0]);
    near("its deviation", kernel.deviation, theirs.kid[1]);
    let first = Rows::new(24, values(&reference, "a")[..50 * 24].to_vec());
    let whole = kernel_distance(&first, &b).unwrap().unwrap();
    near("KID of all", whole.mean, theirs.whole_kid);
    assert_eq!(whole.deviation, 0.0);

    let found = precision_recall(&a, &b).unwrap().unwrap();
    near("precision", found.precision, theirs.precision);
    near("recall", found.recall, theirs.recall);

    let logits = Rows::new(12, values(&reference, "logits"));
    let score = inception_score(&logits).unwrap();
    near("Inception score", score.mean, theirs.inception_score[0]);
    near("its deviation", score.deviation, theirs.inception_score[1]);
    let order = RandomState::new(2020).permutation(17);
    assert_eq!(order, theirs.permutation);
}

#[test]
fn what_so_few_pictures_cannot_tell_is_not_told() {
    let rows = |count: usize| Rows::new(2, (0..2 * count).map(|it| it as f32).collect());
    assert!(kernel_distance(&rows(1), &rows(9)).unwrap().is_none());
    assert!(precision_recall(&rows(3), &rows(9)).unwrap().is_none());
    assert!(inception_score(&rows(9)).is_none());
    assert!(Moments::new(2).finish().is_err());
}

#[test]
fn likeness_of_pictures_equals_scikit_image() {
    let reference = Reference::open("evaluation/figures.safetensors");
    let theirs: Figures = reference.cases();
    let [one, two] = ["one", "two"].map(|key| {
        let bytes = reference.numbers(key).into_iter().map(|byte| byte as u8);
        RgbImage::from_raw(33, 29, bytes.collect()).unwrap()
    });
    near("PSNR", psnr(&one, &two), theirs.psnr);
    near("SSIM", ssim(&one, &two).unwrap(), theirs.ssim);
    assert_eq!(ssim(&one, &one), Some(1.0));
    // Smaller than the window.
    let small = RgbImage::new(10, 40);
    assert_eq!(ssim(&small, &small), None);
}

#[test]
fn eigenvalues_equal_those_of_scipy() {
    let reference = Reference::open("evaluation/figures.safetensors");
    let matrix = Matrix {
        rows: 40,
        columns: 40,
        values: reference.numbers("symmetric"),
    };
    let mut ours = matrix.eigenvalues().unwrap();
    ours.sort_by(f64::total_cmp);
    for (ours, theirs) in ours.iter().zip(reference.numbers("eigenvalues")) {
        assert!((ours - theirs).abs() < 1e-10, "{ours} {theirs}");
    }
    // Matrices with nothing to turn, and with nothing at all.
    let mut plain = Matrix::zeros(3, 3);
    for (at, value) in [(0, 2.0), (4, -1.0), (8, 5.0)] {
        plain.values[at] = value;
    }
    let mut found = plain.clone().eigenvalues().unwrap();
    found.sort_by(f64::total_cmp);
    assert_eq!(found, [-1.0, 2.0, 5.0]);
    assert!(plain.root().is_none(), "it stretches by less than nothing");
    assert_eq!(Matrix::zeros(4, 4).eigenvalues().unwrap(), [0.0; 4]);
    assert_eq!(Matrix::zeros(4, 4).root().unwrap().columns, 0);
    let mut none = Matrix::zeros(3, 3);
    none.values[1] = f64::NAN;
    assert!(none.clone().eigenvalues().is_none() && !none.is_symmetric());
}

#[test]
fn wide_covariances_are_compared_exactly() {
    // Covariances that are turned by one reflection have a distance that is known.
    const WIDTH: usize = 600;
    let direction: Vec<f64> = (0..WIDTH)
        .map(|at| ((at % 17) as f64 - 8.0) / 10.0)
        .collect();
    let length: f64 = direction.iter().map(|x| x * x).sum();
    let turned = |variance: &dyn Fn(usize) -> f64| {
        let mut covariance = Matrix::zeros(WIDTH, WIDTH);
        // H · diagonal · H, where H takes off a part along the direction.
        let along: f64 = (0..WIDTH)
            .map(|at| variance(at) * direction[at] * direction[at])
            .sum();
        for row in 0..WIDTH {
            for column in 0..WIDTH {
                let (a, b) = (direction[row], direction[column]);
                let plain = if row == column { variance(row) } else { 0.0 };
                covariance.values[row * WIDTH + column] = plain
                    - 2.0 * (variance(row) + variance(column)) * a * b / length
                    + 4.0 * along * a * b / (length * length);
            }
        }
        Distribution {
            mean: vec![0.0; WIDTH],
            covariance,
            count: None,
        }
    };
    let (one, other) = (
        |at: usize| 1.0 + at as f64,
        |at: usize| 4.0 + (at * at) as f64,
    );
    let distance = turned(&one).distance(&turned(&other)).unwrap();
    let known: f64 = (0..WIDTH)
        .map(|at| (one(at).sqrt() - other(at).sqrt()).powi(2))
        .sum();
    assert!(
        (distance - known).abs() < 1e-8 * known,
        "{distance} {known}"
    );
}

#[test]
fn statistics_of_pytorch_fid_are_read_and_ours_come_back() {
    let path = Path::new("tests/data/reference/evaluation/pytorch-fid.npz");
    let theirs = Statistics::read(path).unwrap();
    assert_eq!(theirs.kind, FeatureKind::Unsaid);
    let reference = Reference::open("evaluation/figures.safetensors");
    let ours = distribution(&values(&reference, "b"), 24);
    for (ours, theirs) in ours.mean.iter().zip(&theirs.distribution.mean) {
        assert!((ours - theirs).abs() < 1e-9);
    }
    let pairs = ours.covariance.values.iter();
    for (ours, theirs) in pairs.zip(&theirs.distribution.covariance.values) {
        assert!((ours - theirs).abs() < 1e-9);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours.npz");
    for kind in [
        FeatureKind::Unsaid,
        FeatureKind::Scenes {
            weights: Some("01234567".into()),
        },
        FeatureKind::Inception {
            weights: "6726825d".into(),
            resize: Resize::PytorchFid,
            is_released: true,
        },
    ] {
        let statistics = Statistics {
            distribution: ours.clone(),
            kind,
        };
        statistics.write(&path).unwrap();
        assert_eq!(Statistics::read(&path).unwrap(), statistics);
    }
    // Numbers that are none.
    let mut broken = ours;
    broken.mean[3] = f64::NAN;
    let statistics = Statistics {
        distribution: broken,
        kind: FeatureKind::Unsaid,
    };
    statistics.write(&path).unwrap();
    let error = Statistics::read(&path).unwrap_err().to_string();
    assert!(
        error.contains("ours.npz") && error.contains("no mean"),
        "{error}"
    );
}

/// Two files of Inception, each of weights of its own, are no FID without a word.
#[test]
fn sides_seen_by_different_weights_are_told_apart() {
    let reference = Reference::open("evaluation/figures.safetensors");
    let side = |weights: &str| {
        Side::of_file(Statistics {
            distribution: distribution(&values(&reference, "b"), 24),
            kind: FeatureKind::Inception {
                weights: weights.into(),
                resize: Resize::PytorchFid,
                is_released: weights == "6726825d",
            },
        })
    };
    let table = |a: &str, b: &str| compare(&side(a), &side(b)).unwrap().table();
    assert!(!table("6726825d", "6726825d").contains("weights"));
    for (a, b) in [("6726825d", "00000000"), ("00000000", "6726825d")] {
        let table = table(a, b);
        assert!(table.contains("different weights"), "{table}");
        assert!(table.contains("(00000000) are not the released"), "{table}");
    }
}

#[test]
fn what_has_no_spread_goes_along_with_nothing() {
    let matrix = |values: [f64; 4]| Matrix {
        rows: 2,
        columns: 2,
        values: values.to_vec(),
    };
    assert!(matrix([0.0, 1.0, 1.0, 0.0]).root().is_none());
    assert!(matrix([4.0, 0.0, 0.0, 0.0]).root().is_some());
    assert!(matrix([0.0; 4]).root().is_some());
}

/// Waves of colour, as Python's.
fn picture([width, height]: [u32; 2], seed: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([0, 1, 2].map(|c| ((x * (3 + seed) + y * (5 - seed) * (c + 1) + 40 * c) % 256) as u8))
    })
}

#[test]
fn inception_equals_torch_fidelity_and_pytorch_fid() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inception.safetensors");
    inception_weights::write(&path, |_| ());
    let reference = Reference::open("evaluation/inception.safetensors");
    let sizes = [[40, 33], [128, 128], [320, 301]];
    let pictures = sizes.iter().zip(0..);
    let pictures: Vec<RgbImage> = pictures.map(|(size, seed)| picture(*size, seed)).collect();
    for (resize, key) in [
        (Resize::TorchFidelity, "torch_fidelity"),
        (Resize::PytorchFid, "pytorch_fid"),
    ] {
        let inception = Inception::open(&path, resize, &Device::flex()).unwrap();
        let (features, logits) = inception.features(&pictures).unwrap();
        let (worst, deviation) = difference(&features, &reference.numbers(key));
        assert!(
            worst < TOLERANCE * deviation,
            "{key}: {worst:e} of {deviation}"
        );
        if resize == Resize::TorchFidelity {
            let (worst, deviation) = difference(&logits, &reference.numbers("logits"));
            assert!(worst < TOLERANCE * deviation, "{worst:e} of {deviation}");
        }
    }
    // Weights of something else.
    inception_weights::write(&path, |tensors| {
        tensors.remove("Mixed_7c.branch_pool.bn.bias");
    });
    let open = || Inception::open(&path, Resize::default(), &Device::flex());
    let error = open().unwrap_err().to_string();
    assert!(error.contains("Mixed_7c.branch_pool.bn.bias"), "{error}");
    inception_weights::write(&path, |tensors| {
        tensors.insert(
            "fc.weight".into(),
            (vec![1000, 2048], vec![0.0; 1000 * 2048]),
        );
    });
    let error = open().unwrap_err().to_string();
    assert!(error.contains("fc.weight is [1000, 2048]"), "{error}");
}
