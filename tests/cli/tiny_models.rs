//! `velatura models make-tiny`: every kind is written, told what it is, and paints what
//! it is asked for.

use std::path::Path;
use std::process::Output;

use image::{GrayImage, Luma, Rgb, RgbImage};

use super::{assert_fails, events, of_kind, text, velatura};

/// Kind, name of its weights, family and task.
const KINDS: [[&str; 3]; 17] = [
    ["stable-diffusion-1", "stable-diffusion-1", "text-to-image"],
    [
        "stable-diffusion-1-inpainting",
        "stable-diffusion-1",
        "inpainting",
    ],
    ["stable-diffusion-2", "stable-diffusion-2", "text-to-image"],
    [
        "stable-diffusion-2-inpainting",
        "stable-diffusion-2",
        "inpainting",
    ],
    [
        "stable-diffusion-xl",
        "stable-diffusion-xl",
        "text-to-image",
    ],
    [
        "stable-diffusion-xl-inpainting",
        "stable-diffusion-xl",
        "inpainting",
    ],
    [
        "stable-diffusion-xl-refiner",
        "stable-diffusion-xl",
        "text-to-image",
    ],
    [
        "latent-diffusion-unconditional",
        "latent-diffusion",
        "unconditional",
    ],
    [
        "latent-diffusion-class-to-image",
        "latent-diffusion",
        "class-to-image",
    ],
    [
        "latent-diffusion-text-to-image",
        "latent-diffusion",
        "text-to-image",
    ],
    [
        "latent-diffusion-layout-to-image",
        "latent-diffusion",
        "layout-to-image",
    ],
    [
        "latent-diffusion-semantic-to-image",
        "latent-diffusion",
        "semantic-to-image",
    ],
    [
        "latent-diffusion-super-resolution",
        "latent-diffusion",
        "super-resolution",
    ],
    [
        "latent-diffusion-inpainting",
        "latent-diffusion",
        "inpainting",
    ],
    ["latent-diffusion-hybrid", "latent-diffusion", "inpainting"],
    ["autoencoder-kl", "latent-diffusion", "autoencoder"],
    ["autoencoder-vq", "latent-diffusion", "autoencoder"],
];

/// Writes a tiny model and gives the path of its weights.
fn made(home: &Path, kind: &str, folder: &str) -> String {
    let options = ["models", "make-tiny", kind, "--out", folder, "--json"];
    let told = events(&velatura(home, &options));
    of_kind(&told, "tiny-model")[0]["path"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn every_kind_is_what_it_is_called_and_small_and_whole() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    for [kind, family, task] in KINDS {
        let path = made(home, kind, kind);
        let told = events(&velatura(home, &["models", "inspect", &path, "--json"]));
        assert_eq!(told.len(), 1, "{kind} is told in more than a line");
        let model = of_kind(&told, "model")[0];
        assert_eq!(
            (&model["family"], &model["task"]),
            (&family.into(), &task.into()),
            "{kind}"
        );
        for lists in ["missing", "surplus", "mismatched"] {
            assert_eq!(model[lists], serde_json::json!([]), "{kind} {lists}");
        }
        assert_eq!(model["precision"], "f16");
        // As the released ones lie there.
        let is_papers = family == "latent-diffusion";
        assert_eq!(path.ends_with(".ckpt"), is_papers, "{path}");
        let again = made(home, kind, &format!("{kind}-again"));
        let bytes = std::fs::read(home.join(&path)).unwrap();
        assert!(bytes.len() < 6_000_000, "{kind} has {} bytes", bytes.len());
        assert_eq!(bytes, std::fs::read(home.join(again)).unwrap(), "{kind}");
    }
}

#[test]
fn unknown_kinds_and_taken_places_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let unknown = velatura(home, &["models", "make-tiny", "cat", "--out", "m"]);
    assert_eq!(unknown.status.code(), Some(2));
    let message = text(&unknown.stderr);
    for [kind, ..] in KINDS {
        assert!(message.contains(kind), "{kind} is not in {message}");
    }
    std::fs::create_dir(home.join("m")).unwrap();
    std::fs::write(home.join("m/letter.txt"), "dear").unwrap();
    let taken = velatura(
        home,
        &["models", "make-tiny", "autoencoder-kl", "--out", "m"],
    );
    assert_fails(&taken, &["not empty"]);
    // Its own place it takes again, also from an older edition.
    let first = made(home, "autoencoder-kl", "n");
    let older = home.join(&first).with_extension("safetensors");
    std::fs::write(&older, "an older edition's").unwrap();
    assert_eq!(first, made(home, "autoencoder-kl", "n"));
    assert!(!older.exists());
}

fn pictures(home: &Path) {
    let shaded = |side: u32| {
        let shade = move |x: u32, y: u32| Rgb([(x * 255 / side) as u8, (y * 255 / side) as u8, 90]);
        RgbImage::from_fn(side, side, shade)
    };
    shaded(64).save(home.join("a.png")).unwrap();
    shaded(16).save(home.join("small.png")).unwrap();
    RgbImage::from_pixel(16, 16, Rgb([200, 20, 20]))
        .save(home.join("red.png"))
        .unwrap();
    let half = |x: u32, _| Luma([if x < 32 { 255 } else { 0 }]);
    GrayImage::from_fn(64, 64, half)
        .save(home.join("mask.png"))
        .unwrap();
    let map = |x: u32, y: u32| Luma([(x / 16 + y / 32) as u8]);
    GrayImage::from_fn(64, 64, map)
        .save(home.join("map.png"))
        .unwrap();
    GrayImage::from_pixel(64, 64, Luma([5]))
        .save(home.join("cars.png"))
        .unwrap();
    for (name, x) in [("boxes.json", 4), ("moved.json", 30)] {
        let coco = serde_json::json!({
            "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 64}],
            "categories": [{"id": 3, "name": "house"}, {"id": 5, "name": "car"}],
            "annotations": [
                {"id": 1, "image_id": 1, "category_id": 3, "bbox": [x, 20, 24, 30]},
                {"id": 2, "image_id": 1, "category_id": 5, "bbox": [8, 40, 16, 12]},
            ],
        });
        std::fs::write(home.join(name), coco.to_string()).unwrap();
    }
}

fn painted(home: &Path, model: &str, options: &[&str], out: &str) -> Output {
    let fixed = [
        "generate", "--model", model, "--device", "cpu", "--out", out,
    ];
    let steps = ["--steps", "4"];
    let seed = match options.contains(&"--seed") {
        true => &[][..],
        false => &["--seed", "7"],
    };
    velatura(home, &[&fixed[..], &steps, seed, options].concat())
}

#[test]
fn every_kind_paints_what_it_is_asked_for() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    pictures(home);
    let small = ["--width", "64", "--height", "64"];
    let words = |prompt: &'static str| [&["--prompt", prompt][..], &small].concat();
    let masked = |prompt: &'static str| {
        let mask = ["--init", "a.png", "--mask", "mask.png", "--prompt", prompt];
        mask.to_vec()
    };
    // What a kind is asked for, and what else.
    let asked: [(&str, Vec<&str>, Vec<&str>); 15] = [
        ("stable-diffusion-1", words("a red hill"), words("the sea")),
        (
            "stable-diffusion-1-inpainting",
            masked("a hill"),
            masked("the sea"),
        ),
        ("stable-diffusion-2", words("a red hill"), words("the sea")),
        (
            "stable-diffusion-2-inpainting",
            masked("a hill"),
            masked("the sea"),
        ),
        ("stable-diffusion-xl", words("a red hill"), words("the sea")),
        (
            "stable-diffusion-xl-inpainting",
            masked("a hill"),
            masked("the sea"),
        ),
        (
            "stable-diffusion-xl-refiner",
            [&["--init", "a.png", "--low-memory"][..], &words("a hill")].concat(),
            words("the sea"),
        ),
        (
            "latent-diffusion-unconditional",
            vec![],
            vec!["--seed", "8"],
        ),
        (
            "latent-diffusion-class-to-image",
            vec!["--class", "hill"],
            vec!["--class", "5"],
        ),
        (
            "latent-diffusion-text-to-image",
            vec!["--prompt", "a red hill"],
            vec!["--prompt", "the sea"],
        ),
        (
            "latent-diffusion-layout-to-image",
            vec!["--layout", "boxes.json"],
            vec!["--layout", "moved.json"],
        ),
        (
            "latent-diffusion-semantic-to-image",
            vec!["--semantic", "map.png"],
            vec!["--semantic", "cars.png"],
        ),
        (
            "latent-diffusion-super-resolution",
            vec!["--lowres", "small.png"],
            vec!["--low-resolution", "red.png"],
        ),
        (
            "latent-diffusion-inpainting",
            vec!["--init", "a.png", "--mask", "mask.png"],
            vec!["--init", "a.png", "--mask", "mask.png", "--seed", "8"],
        ),
        (
            "latent-diffusion-hybrid",
            masked("a hill"),
            masked("the sea"),
        ),
    ];
    for (kind, one, other) in asked {
        let model = made(home, kind, kind);
        let mut seen = Vec::new();
        for (options, out) in [(&one, "one.png"), (&one, "same.png"), (&other, "other.png")] {
            let output = painted(home, &model, options, out);
            assert!(output.status.success(), "{kind}: {}", text(&output.stderr));
            seen.push(image::open(home.join(out)).unwrap().into_rgb8());
        }
        assert_eq!(seen[0].dimensions(), (64, 64), "{kind}");
        assert_eq!(seen[0], seen[1], "{kind} is not the same twice");
        assert_ne!(seen[0], seen[2], "{kind} does not see what it is asked for");
        if kind.ends_with("inpainting") || kind.ends_with("hybrid") {
            let before = image::open(home.join("a.png")).unwrap().into_rgb8();
            let is_kept = |x: u32, y: u32| seen[0].get_pixel(x, y) == before.get_pixel(x, y);
            assert!((0..64).all(|y| (32..64).all(|x| is_kept(x, y))), "{kind}");
        }
    }
}

#[test]
fn what_a_kind_does_not_take_is_refused_in_one_sentence() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    pictures(home);
    let cases: [(&str, &[&str], &[&str]); 5] = [
        ("latent-diffusion-super-resolution", &[], &["small"]),
        (
            "latent-diffusion-unconditional",
            &["--lowres", "small.png"],
            &["low-resolution picture"],
        ),
        (
            "latent-diffusion-unconditional",
            &["--layout", "boxes.json"],
            &["boxes"],
        ),
        (
            "latent-diffusion-semantic-to-image",
            &["--semantic", "a.png"],
            &[],
        ),
        (
            "latent-diffusion-class-to-image",
            &["--class", "walrus"],
            &["walrus"],
        ),
    ];
    for (kind, options, words) in cases {
        let model = made(home, kind, kind);
        assert_fails(&painted(home, &model, options, "x.png"), words);
    }
}

/// As a model does that was trained with conditions left out now and then.
#[test]
fn what_is_told_nothing_paints_and_says_so() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    for (kind, word) in [
        ("latent-diffusion-layout-to-image", "boxes"),
        ("latent-diffusion-semantic-to-image", "a label map"),
    ] {
        let model = made(home, kind, kind);
        let output = painted(home, &model, &["--width", "64", "--height", "64"], "x.png");
        let said = text(&output.stderr);
        assert!(output.status.success(), "{kind}: {said}");
        let expected = format!("this model paints from {word} and was given none");
        assert!(said.contains(&expected), "{said}");
    }
}

#[test]
fn tiny_autoencoders_encode_and_decode() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    pictures(home);
    for (kind, channels) in [("autoencoder-kl", 4), ("autoencoder-vq", 3)] {
        let model = made(home, kind, kind);
        let encode = [
            "autoencoder",
            "encode",
            "a.png",
            "--out",
            "z.safetensors",
            "--json",
        ];
        let told = events(&velatura(
            home,
            &[&encode[..], &["--model", &model]].concat(),
        ));
        let shape = serde_json::json!([1, channels, 16, 16]);
        assert_eq!(of_kind(&told, "latents")[0]["shape"], shape, "{kind}");
        // Its folder is the same.
        let latents = || std::fs::read(home.join("z.safetensors")).unwrap();
        let by_file = latents();
        events(&velatura(home, &[&encode[..], &["--model", kind]].concat()));
        assert!(by_file == latents(), "{kind}");
        let alone = painted(home, &model, &[], "x.png");
        assert_fails(&alone, &["is an autoencoder", "--vae"]);
        let decode = [
            "autoencoder",
            "decode",
            "z.safetensors",
            "--out",
            "b.png",
            "--json",
        ];
        events(&velatura(
            home,
            &[&decode[..], &["--model", &model]].concat(),
        ));
        assert_eq!(
            image::image_dimensions(home.join("b.png")).unwrap(),
            (64, 64)
        );
    }
    // Those of whole models too.
    let whole = made(home, "latent-diffusion-unconditional", "whole");
    let paint = |vae: &[&str], out: &str| {
        let output = painted(home, &whole, vae, out);
        assert!(output.status.success(), "{}", text(&output.stderr));
        std::fs::read(home.join(out)).unwrap()
    };
    let own = paint(&["--no-recipe"], "own.png");
    for vae in [whole.as_str(), "whole"] {
        assert!(own == paint(&["--no-recipe", "--vae", vae], "again.png"));
        let encode = "autoencoder encode a.png --out z.safetensors --json --model";
        let options: Vec<&str> = encode.split(' ').chain([vae]).collect();
        let told = events(&velatura(home, &options));
        assert_eq!(of_kind(&told, "latents").len(), 1);
    }
    // Of another model, with other channels.
    made(home, "stable-diffusion-1", "sd");
    let other = painted(home, &whole, &["--vae", "sd"], "x.png");
    assert_fails(&other, &["channels", "pixels a side"]);
}
