//! The program as a user or a script runs it, without a window.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

use std::path::Path;
use std::process::Output;

use program::velatura;
use serde_json::Value;

#[path = "cli/autoencoder.rs"]
mod autoencoder;
#[path = "support/program.rs"]
mod program;
#[path = "cli/tiny_models.rs"]
mod tiny_models;

fn reference(name: &str) -> String {
    let path = std::path::absolute(format!("tests/data/reference/{name}"));
    path.unwrap().into_os_string().into_string().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn events(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines = text(&output.stdout);
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn of_kind<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events
        .iter()
        .filter(|event| event["event"] == kind)
        .collect()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// The command fails with one sentence that holds all of `words`.
fn assert_fails(output: &Output, words: &[&str]) {
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    let last = message.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: "), "{message}");
    assert!(
        !message.contains("panicked") && !message.contains("backtrace"),
        "{message}"
    );
    for word in words {
        assert!(last.contains(word), "{word:?} is not in {last:?}");
    }
}

#[test]
fn info_tells_what_there_is() {
    let home = tempfile::tempdir().unwrap();
    let output = velatura(home.path(), &["info", "--device", "cpu"]);
    let report = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for label in [
        "Velatura 0.",
        "Computes on",
        "Adapters",
        "Processor",
        "Threads",
        "Your models",
    ] {
        assert!(report.contains(label), "{label:?} is not in\n{report}");
    }
    let events = events(&velatura(
        home.path(),
        &["info", "--json", "--device", "cpu"],
    ));
    let folder = home.path().join("models").display().to_string();
    assert_eq!(events[0]["folders"]["Your models"], folder);
    assert!(events[0]["threads"].as_u64().unwrap() >= 1);
}

#[test]
fn models_lists_what_is_in_the_users_folder() {
    let home = tempfile::tempdir().unwrap();
    let place = reference("");
    let listed = events(&velatura(home.path(), &["models", "--json", &place]));
    let kind_of = |name: &str| {
        let found = listed.iter().find(|model| model["name"] == name);
        found.map(|model| model["kind"].as_str().unwrap().to_owned())
    };
    assert_eq!(kind_of("sd1-tiny").as_deref(), Some("text to image"));
    assert_eq!(
        kind_of("inpaint-tiny").as_deref(),
        Some("text to image, inpainting")
    );
    assert_fails(
        &velatura(home.path(), &["models", "nowhere"]),
        &["nowhere", "does not exist"],
    );
}

/// As deep as the window looks, and where other programs have their models; each once.
#[test]
fn models_of_other_programs_are_listed() {
    let home = tempfile::tempdir().unwrap();
    let webui = home.path().join("webui");
    let inner = webui.join("models/Stable-diffusion/own/more");
    std::fs::create_dir_all(&inner).unwrap();
    let tiny = [
        "models",
        "make-tiny",
        "stable-diffusion-1",
        "--out",
        "webui/models/Stable-diffusion/own/more",
    ];
    assert!(velatura(home.path(), &tiny).status.success());
    for place in [
        "webui",
        "webui/models",
        "webui/models/Stable-diffusion/own/more",
    ] {
        let listed = events(&velatura(home.path(), &["models", "--json", place]));
        let found = listed
            .iter()
            .filter(|model| model["name"] == "stable-diffusion-1");
        assert_eq!(found.count(), 1, "{place}: {listed:?}");
    }
}

#[test]
fn scenes_are_written_and_are_the_same_for_the_same_seed() {
    let home = tempfile::tempdir().unwrap();
    let options = [
        "scenes", "--count", "3", "--size", "64", "--seed", "5", "--json", "--out",
    ];
    for folder in ["one", "two"] {
        let events = events(&velatura(home.path(), &[&options[..], &[folder]].concat()));
        assert_eq!(of_kind(&events, "scenes")[0]["scenes"], 3);
        assert!(!of_kind(&events, "progress").is_empty());
    }
    let names = |folder: &str| {
        let entries = std::fs::read_dir(home.path().join(folder)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names("one").len(), 3 * 4 + 1);
    for name in names("one") {
        let read = |folder| std::fs::read(home.path().join(folder).join(&name)).unwrap();
        assert!(read("one") == read("two"), "{} differs", name.display());
    }
    assert_fails(
        &velatura(home.path(), &["scenes", "--size", "7", "--out", "x"]),
        &["7", "between"],
    );
}

#[test]
fn a_painted_picture_can_be_painted_again_from_its_file() {
    let home = tempfile::tempdir().unwrap();
    let model = reference("sd1-tiny");
    let first = velatura(
        home.path(),
        &[
            "generate",
            "--model",
            &model,
            "--prompt",
            "a barn",
            "--negative-prompt",
            "fog",
            "--steps",
            "3",
            "--sampler",
            "euler",
            "--karras",
            "--cfg-scale",
            "6.5",
            "--seed",
            "1234",
            "--width",
            "64",
            "--height",
            "32",
            "--device",
            "cpu",
            "--output",
            "out.png",
            "--save-latents",
            "out.safetensors",
            "--json",
        ],
    );
    let told = events(&first);
    assert_eq!(of_kind(&told, "picture")[0]["seed"], 1234);
    assert_eq!(of_kind(&told, "progress").last().unwrap()["done"], 3);

    let latents = std::fs::read(home.path().join("out.safetensors")).unwrap();
    let latents = safetensors::SafeTensors::deserialize(&latents).unwrap();
    let shape = latents.tensor("latents").unwrap().shape().to_vec();
    assert_eq!((shape.len(), shape[0]), (4, 1));
    assert_eq!(shape[3], 2 * shape[2], "twice as wide as high");

    // The file says which model it was, but not where on whose computer it lies.
    let bytes = std::fs::read(home.path().join("out.png")).unwrap();
    let named = |name: &str| {
        bytes
            .windows(name.len())
            .any(|part| part == name.as_bytes())
    };
    assert!(
        named("sd1-tiny") && !named("tests/data"),
        "no path is in the file"
    );
    let options = [
        "generate",
        "--recipe",
        "out.png",
        "--device",
        "cpu",
        "--output",
        "again.png",
    ];
    let asked = velatura(home.path(), &options);
    assert_fails(&asked, &["sd1-tiny", "velatura models", "--model"]);
    // It is known by its weights, whatever its folder is called.
    let models = home.path().join("models");
    copy(Path::new(&model), &models.join("renamed"));
    let again = velatura(home.path(), &options);
    assert!(again.status.success(), "{}", text(&again.stderr));
    assert_eq!(text(&again.stdout).trim(), "again.png");
    let open = |name: &str| velatura::recipe::open_picture(&home.path().join(name)).unwrap();
    assert!(
        open("out.png").image == open("again.png").image,
        "the same picture again"
    );
    assert_eq!(open("again.png").recipe.unwrap().spec.prompt, "a barn");
}

#[test]
fn a_batch_without_a_name_goes_into_the_folder_for_pictures() {
    let home = tempfile::tempdir().unwrap();
    let model = reference("sd1-tiny");
    let options = [
        "generate",
        "--model",
        &model,
        "--steps",
        "1",
        "--width",
        "32",
        "--height",
        "32",
        "--batch",
        "2",
        "--seed",
        "7",
        "--device",
        "cpu",
        "--no-recipe",
        "--json",
    ];
    let told = events(&velatura(home.path(), &options));
    let pictures = of_kind(&told, "picture");
    let path = |index: usize| Path::new(pictures[index]["path"].as_str().unwrap()).to_owned();
    assert!(path(0).starts_with(home.path().join("pictures")));
    assert!(path(0).ends_with("00000-7.png") && path(1).ends_with("00001-8.png"));
    assert_eq!(velatura::recipe::read_recipe(&path(0)).unwrap(), None);
}

#[test]
fn wrong_input_is_told_in_one_sentence() {
    let home = tempfile::tempdir().unwrap();
    let model = reference("sd1-tiny");
    let fails = |options: &[&str], words: &[&str]| {
        let all = [&["generate", "--device", "cpu"], options].concat();
        assert_fails(&velatura(home.path(), &all), words);
    };
    fails(&["--model", "nowhere"], &["nowhere", "velatura models"]);
    fails(&["--model", &model, "--steps", "0"], &["steps is 0"]);
    fails(
        &["--model", &model, "--output", "a.gif"],
        &["a.gif", ".png"],
    );
    std::fs::create_dir(home.path().join("folder.png")).unwrap();
    fails(
        &["--model", &model, "--output", "folder.png"],
        &["folder.png", "it is a folder"],
    );
    let long = format!("{}.png", "x".repeat(300));
    fails(
        &["--model", &model, "--output", &long],
        &["xxx", "too long"],
    );
    fails(&["--model", &model, "--init", "gone.png"], &["gone.png"]);
    fails(&["--recipe", "gone.png"], &["gone.png"]);

    for (options, words) in [
        (
            ["--cfg-scale", "nan"],
            ["guidance is NaN", "between 0 and 100"],
        ),
        (["--steps", "0"], ["steps is 0", "between 1 and 1000"]),
    ] {
        let all = [&["evaluate", "--device", "cpu"], &options[..]].concat();
        assert_fails(&velatura(home.path(), &all), &words);
    }

    // A model that is cut off.
    let broken = home.path().join("broken");
    std::fs::create_dir_all(broken.join("unet")).unwrap();
    std::fs::write(broken.join("unet/config.json"), "{\"block_out_ch").unwrap();
    fails(&["--model", "broken"], &["config.json"]);

    std::fs::create_dir(home.path().join("empty")).unwrap();
    let options = [
        "train",
        "autoencoder",
        "empty",
        "--device",
        "cpu",
        "--output",
        "run",
    ];
    assert_fails(&velatura(home.path(), &options), &["empty", "no pictures"]);

    for option in ["--from", "--first-stage"] {
        let options = ["train", "diffusion", "--scenes", option, "nowhere"];
        let told = velatura(home.path(), &[&options[..], &["--output", "run"]].concat());
        assert_fails(&told, &["nowhere", "velatura models"]);
    }

    // More than any computer has.
    let assets = std::path::absolute("assets/models/storybook").unwrap();
    let options = [
        "train",
        "diffusion",
        "--scenes",
        "--from",
        assets.to_str().unwrap(),
        "--batch",
        "1000000000",
        "--device",
        "cpu",
        "--output",
        "run",
    ];
    assert_fails(&velatura(home.path(), &options), &["GiB", "smaller batch"]);

    let misunderstood = velatura(home.path(), &["generate", "--sampler", "restart"]);
    assert_eq!(misunderstood.status.code(), Some(2));
}

/// Boxes and a label map, and the picture that was painted from them once more from
/// nothing but its own file.
#[test]
fn boxes_and_a_label_map_are_painted_and_kept_in_the_picture() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name).display().to_string();
    let boxes = r#"{"images": [{"id": 1, "width": 40, "height": 24}, {"id": 2}],
        "annotations": [{"image_id": 1, "category_id": 18, "bbox": [4, 2, 20, 12]}],
        "categories": [{"id": 18, "name": "Dog"}]}"#;
    std::fs::write(home.path().join("boxes.json"), boxes).unwrap();
    let map = image::GrayImage::from_fn(40, 24, |x, _| image::Luma([if x < 20 { 0 } else { 9 }]));
    map.save(home.path().join("map.png")).unwrap();
    let model = reference("joint-tiny");
    let paint = |name: &str, further: &[&str]| {
        let output = at(name);
        let options = ["generate", "--model", &model, "--out", &output, "--json"];
        velatura(home.path(), &[&options, further].concat())
    };
    let (layout, semantic) = (at("boxes.json"), at("map.png"));
    let given = ["--layout", &layout, "--semantic", &semantic, "--seed", "7"];

    // Which of the images is meant must be said.
    let refused = paint("a.png", &given);
    assert!(!refused.status.success());
    let sentence = text(&refused.stderr) + &text(&refused.stdout);
    assert!(
        sentence.contains("choose one by its id: 1, 2"),
        "{sentence}"
    );

    let weighed = ["--layout-image", "1", "--condition-weight", "boxes=0.8"];
    events(&paint("a.png", &[&given[..], &weighed[..]].concat()));
    let picture = |name: &str| image::open(home.path().join(name)).unwrap().into_rgba8();
    let first = picture("a.png");
    assert_eq!(first.dimensions(), (40, 24));
    let recipe = at("a.png");
    events(&paint("b.png", &["--recipe", &recipe]));
    assert_eq!(picture("b.png"), first, "the picture alone is enough");
    let lighter = ["--recipe", &recipe, "--condition-weight", "boxes=0"];
    events(&paint("c.png", &lighter));
    assert_ne!(picture("c.png"), first, "the boxes act");
}

#[test]
fn a_picture_is_enlarged_and_keeps_alpha_and_recipe() {
    let home = tempfile::tempdir().unwrap();
    let cut_out = image::RgbaImage::from_fn(20, 14, |x, y| {
        image::Rgba([200, 90, 20, if x > 9 && y > 3 { 255 } else { 0 }])
    });
    cut_out.save(home.path().join("small.png")).unwrap();
    let options = [
        "upscale",
        "small.png",
        "--out",
        "large.webp",
        "--device",
        "cpu",
        "--json",
    ];
    let told = events(&velatura(home.path(), &options));
    let [picture] = of_kind(&told, "picture")[..] else {
        panic!("{told:?}");
    };
    assert_eq!(
        (&picture["width_px"], &picture["height_px"]),
        (&80.into(), &56.into())
    );
    assert!(!of_kind(&told, "progress").is_empty());
    let large = image::open(home.path().join("large.webp"))
        .unwrap()
        .into_rgba8();
    assert_eq!(
        (large.get_pixel(4, 4)[3], large.get_pixel(72, 40)[3]),
        (0, 255)
    );

    let model = reference("sd1-tiny");
    let options = [
        "generate", "--model", &model, "--prompt", "a barn", "--steps", "2", "--seed", "5",
        "--width", "32", "--height", "24", "--device", "cpu", "--json", "--output",
    ];
    events(&velatura(home.path(), &[&options[..], &["a.png"]].concat()));
    let enlarge = [
        "upscale", "a.png", "--output", "a4.png", "--device", "cpu", "--json",
    ];
    events(&velatura(home.path(), &enlarge));
    let finished = [&options[..], &["b.png", "--finish", "x4"]].concat();
    events(&velatura(home.path(), &finished));
    let open = |name: &str| image::open(home.path().join(name)).unwrap().into_rgba8();
    assert_eq!(open("b.png").dimensions(), (128, 96));
    // From the bytes of the first file, or straight from the painter: the same.
    assert_eq!(open("a4.png"), open("b.png"));

    // The recipe of either paints the large picture again.
    for (from, to) in [("a4.png", "c.png"), ("b.png", "d.png")] {
        let again = [
            "generate", "--model", &model, "--recipe", from, "--device", "cpu", "--json",
            "--output", to,
        ];
        events(&velatura(home.path(), &again));
        assert_eq!(open(to), open("b.png"), "{from}");
    }
}

#[test]
fn what_cannot_be_enlarged_is_told_in_one_sentence() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    image::RgbaImage::new(4, 4)
        .save(folder.join("a.png"))
        .unwrap();
    image::RgbImage::new(5000, 1)
        .save(folder.join("wide.png"))
        .unwrap();
    std::fs::write(folder.join("text.png"), "no picture").unwrap();
    let whole = std::fs::read(folder.join("a.png")).unwrap();
    std::fs::write(folder.join("cut.png"), &whole[..30]).unwrap();
    let upscale = |from, to| {
        velatura(
            folder,
            &["upscale", from, "--output", to, "--device", "cpu"],
        )
    };
    assert_fails(&upscale("none.png", "b.png"), &["none.png"]);
    assert_fails(&upscale("text.png", "b.png"), &["text.png"]);
    assert_fails(&upscale("cut.png", "b.png"), &["cut.png"]);
    assert_fails(&upscale("a.png", "b.gif"), &["b.gif", ".png"]);
    assert_fails(&upscale("a.png", "none/b.png"), &["none"]);
    assert_fails(&upscale("wide.png", "b.webp"), &["20000 × 4", "PNG"]);
    assert!(!folder.join("b.png").exists() && !folder.join("b.webp").exists());
}
