use std::sync::Arc;

use clap::Parser as _;
use image::{Rgba, RgbaImage};

use super::*;
use crate::cli::{Cli, Command};
use crate::recipe::prompt::PromptSyntax;
use crate::recipe::{ImageInput, PaintedRecipe, SaveOptions, Schedule, open_picture, save_picture};

impl GenerateArgs {
    /// The job alone.
    pub(super) fn spec(&self, warn: &mut dyn FnMut(String)) -> Result<GenerateSpec, CliError> {
        self.job(warn).map(|(spec, _)| spec)
    }
}

const MODEL: &str = "tests/data/reference/sd1-tiny";

pub(super) fn args(options: &[&str]) -> GenerateArgs {
    args_for(MODEL, options)
}

pub(super) fn args_for(model: &str, options: &[&str]) -> GenerateArgs {
    let line = ["velatura", "generate", "--model", model].into_iter();
    let cli = Cli::try_parse_from(line.chain(options.iter().copied())).unwrap();
    match cli.command {
        Some(Command::Generate(args)) => *args,
        other => panic!("not a generate command: {other:?}"),
    }
}

/// For what has nothing to warn of.
pub(super) fn silent(warning: String) {
    assert_eq!(vec![warning], Vec::<String>::new());
}

#[test]
fn every_option_ends_in_the_spec() {
    let options = "--negative-prompt fog --steps 12 --sampler euler --karras --cfg-scale 6.5 \
        --seed 1234 --variation 0.25 --variation-seed 99 --width 192 --height 96 --eta 0.5 --batch 3 --strength 0.9 --finish x4 \
        --windows 256 --tile xy --clip-skip 2 --lora ink.safetensors:0.5 --lora oil:x --vae soft.safetensors \
        --embedding glow.pt --prediction v --guidance-start 0.2 --guidance-end 0.8 \
        --prompt";
    let options: Vec<_> = options.split_whitespace().chain(["a red barn"]).collect();
    let expected = GenerateSpec {
        model: ModelSource::Folder(MODEL.into()),
        prompt: "a red barn".to_owned(),
        negative_prompt: "fog".to_owned(),
        class: None,
        classifier: None,
        classifier_hash: None,
        classifier_scale: 1.0,
        prompt_syntax: PromptSyntax::Weighted,
        clip_skip: 2,
        sampler: Some(SamplerId::new("euler")),
        schedule: Some(Schedule::Karras),
        prediction: Some(crate::recipe::Prediction::Velocity),
        steps: 12,
        guidance_scale: 6.5,
        guidance_rescale: 0.0,
        guidance_start: 0.2,
        guidance_end: 0.8,
        eta: 0.5,
        seed: 1234,
        variation_strength: 0.25,
        variation_seed: 99,
        width_px: 192,
        height_px: 96,
        strength: 0.9,
        feather_px: 4.0,
        gradual_mask: false,
        batch: 3,
        layout_weight: 1.0,
        layout_bias: 2.0,
        places_boxes: true,
        grounding_share: 0.3,
        semantic_weight: 1.0,
        guide_kind: crate::recipe::GuideKind::LowResolution,
        guide_scale: 3.0,
        finish: Some(Finish::X4),
        frame: None,
        windows: WindowChoice::Side(256),
        tile: Tile::Xy,
        loras: vec![
            LoraSpec {
                weight: 0.5,
                file: NamedFile::at("ink.safetensors"),
                text_weight: None,
            },
            LoraSpec {
                file: NamedFile::at("oil:x"),
                ..LoraSpec::default()
            },
        ],
        lora_hashes: std::collections::BTreeMap::new(),
        word_hashes: std::collections::BTreeMap::new(),
        vae_hash: None,
        has_tiny_previews: false,
        embeddings: vec![NamedFile::at("glow.pt")],
        vae: Some(NamedFile::at("soft.safetensors")),
        controls: Vec::new(),
        was_retold: false,
        was_given_latents: false,
        initial_noise: None,
        initial_latents: None,
        init: None,
        mask: None,
        strengths: None,
        layout: None,
        ..GenerateSpec::default()
    };
    let mut told = Vec::new();
    let spec = args(&options).spec(&mut |text| told.push(text)).unwrap();
    assert_eq!(spec, expected);
    assert!(
        told.len() == 1 && told[0].contains("--strength changes nothing"),
        "{told:?}"
    );
}

#[test]
fn a_seed_to_vary_towards_is_told_of_where_nothing_is_varied() {
    let mut told = Vec::new();
    let spec = args(&["--variation-seed", "9"]).spec(&mut |text| told.push(text));
    assert_eq!(spec.unwrap().variation_seed, 0);
    assert!(told.len() == 1 && told[0].contains("--variation-seed changes nothing"));
    let spec = args(&["--variation", "0.2"]).spec(&mut silent).unwrap();
    assert_ne!(spec.variation_seed, 0, "a random one");
}

#[test]
fn what_is_not_given_comes_from_the_model() {
    let spec = args(&[]).spec(&mut silent).unwrap();
    let studio = ModelFolder::open(MODEL).unwrap().manifest();
    assert_eq!(spec.width_px, studio.resolution_px);
    assert_eq!(spec.steps, studio.default_steps);
    assert_eq!(spec.guidance_scale, studio.default_guidance_scale);
    assert_eq!((spec.sampler, spec.schedule), (None, None));
    assert_eq!(
        args(&["--no-karras"]).spec(&mut silent).unwrap().schedule,
        Some(Schedule::Uniform)
    );
    assert_eq!(
        args(&["--no-karras", "--karras"])
            .spec(&mut silent)
            .unwrap()
            .schedule,
        Some(Schedule::Karras)
    );
    let chosen = args(&["--schedule", "ays", "--guidance-rescale", "0.7"]);
    let spec = chosen.spec(&mut silent).unwrap();
    assert_eq!(spec.schedule, Some(Schedule::AlignYourSteps));
    assert_eq!(spec.guidance_rescale, 0.7);
}

#[test]
fn inputs_are_read_and_scaled_together() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, image: RgbaImage| {
        let path = folder.path().join(name);
        save_picture(&path, &image, None, &SaveOptions::default()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let init = file(
        "init.png",
        RgbaImage::from_pixel(32, 16, Rgba([9, 9, 9, 255])),
    );
    let mask = file(
        "mask.png",
        RgbaImage::from_fn(32, 16, |x, y| match (x < 16, y < 8) {
            (true, _) => Rgba([0, 0, 0, 255]),
            (false, true) => Rgba([255; 4]),
            (false, false) => Rgba([255, 255, 255, 0]),
        }),
    );

    let spec = args(&["--init", &init]).spec(&mut silent).unwrap();
    assert_eq!(
        (spec.width_px, spec.height_px, spec.strength),
        (32, 16, 0.75)
    );

    let spec = args(&["--init", &init, "--mask", &mask])
        .spec(&mut silent)
        .unwrap();
    assert_eq!(spec.strength, 1.0);
    let coverage = spec.mask.unwrap().0;
    let at = |x, y| coverage.get_pixel(x, y)[0];
    assert_eq!([at(2, 2), at(30, 2), at(30, 12)], [0, 255, 0]);

    let options = [
        "--init", &init, "--mask", &mask, "--width", "64", "--height", "32",
    ];
    let spec = args(&options).spec(&mut silent).unwrap();
    assert_eq!(spec.init.unwrap().0.dimensions(), (64, 32));
    assert_eq!(spec.mask.unwrap().0.dimensions(), (64, 32));

    let small = file("small.png", RgbaImage::new(16, 16));
    let error = args(&["--init", &init, "--mask", &small])
        .spec(&mut silent)
        .unwrap_err();
    assert!(error.to_string().contains("same size"), "{error}");
}

/// The options of a line without a model.
fn without_model(options: &[&str]) -> GenerateArgs {
    let line = ["velatura", "generate"].iter().chain(options);
    match Cli::try_parse_from(line).unwrap().command {
        Some(Command::Generate(args)) => *args,
        other => panic!("not a generate command: {other:?}"),
    }
}

#[test]
fn a_recipe_gives_the_settings_and_options_come_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.png");
    let old = GenerateSpec {
        model: ModelSource::Folder("elsewhere".into()),
        prompt: "a pond".to_owned(),
        steps: 7,
        seed: 5,
        ..Default::default()
    };
    let save = |model: &str, hash: &str| {
        let recipe = PaintedRecipe::new(old.clone(), model, hash);
        let options = SaveOptions::default();
        save_picture(&path, &RgbaImage::new(8, 8), Some(&recipe), &options).unwrap();
    };
    save("m", "h");
    let named = path.to_str().unwrap();
    let options = ["--recipe", named, "--steps", "9"];
    let model = ModelSource::Folder(MODEL.into());
    let expected = |model| GenerateSpec {
        model,
        steps: 9,
        ..old.clone()
    };
    assert_eq!(args(&options).spec(&mut silent).unwrap(), expected(model));

    // Nobody knows a model of that name, and no path is looked at.
    let error = without_model(&options).spec(&mut silent).unwrap_err();
    assert!(matches!(error, CliError::UnknownModel { .. }), "{error}");

    // A name is enough, whatever its weights are now.
    save("STORYBOOK", "0123456789");
    let mut warnings = Vec::new();
    let spec = without_model(&options).spec(&mut |text| warnings.push(text));
    assert_eq!(spec.unwrap(), expected(ModelSource::Storybook));
    assert!(warnings[0].contains("other weights"), "{warnings:?}");

    let storybook = ModelFolder::open(folders::storybook_model().unwrap()).unwrap();
    let digits = storybook.unet_digest().unwrap().digits().unwrap();
    save("renamed", &digits[..10]);
    let spec = without_model(&options).spec(&mut silent).unwrap();
    assert_eq!(spec, expected(ModelSource::Storybook));

    let options = SaveOptions::default();
    save_picture(&path, &RgbaImage::new(8, 8), None, &options).unwrap();
    let error = args(&["--recipe", named]).spec(&mut silent).unwrap_err();
    assert!(matches!(error, CliError::NoRecipe(_)), "{error}");
}

#[test]
fn what_a_foreign_recipe_says_and_nobody_here_understands_is_told() {
    let read = |name: &str| {
        let path = format!("tests/data/faults/{name}");
        let mut warnings = Vec::new();
        let args = without_model(&["--recipe", &path]);
        let spec = args.spec(&mut |text| warnings.push(text)).unwrap();
        (spec, warnings.join("\n"))
    };
    let usual = defaults_of(&folder_of(&ModelSource::Storybook).unwrap().manifest());

    let (spec, told) = read("infotext-foreign-model.png");
    assert!(
        told.contains("dreamshaper_8") && told.contains("Storybook"),
        "{told}"
    );
    assert_eq!((spec.steps, spec.seed), (3, 5));

    let (spec, told) = read("infotext-unknown-sampler.png");
    for named in ["Sampler: Restart", "Lora hashes: x: 1234"] {
        assert!(told.contains(named), "{named} is not in {told}");
    }
    assert_eq!((spec.sampler, spec.steps), (None, 3));
    assert_eq!(spec.finish, Some(Finish::X2));

    // −1 is a program's word for a random one.
    let (first, told) = read("infotext-seed-minus-1.png");
    assert!(told.contains("Seed: -1"), "{told}");
    let (second, _) = read("infotext-seed-minus-1.png");
    assert_ne!(first.seed, second.seed);

    let (spec, told) = read("infotext-prompts-only.png");
    assert_eq!(told, "");
    let words = (spec.prompt.as_str(), spec.negative_prompt.as_str());
    assert_eq!(words, ("a pond", "ugly"));
    assert_eq!(spec.steps, usual.steps);
    assert_eq!(spec.guidance_scale, usual.guidance_scale);
    assert_eq!(spec.width_px, usual.width_px);
}

#[test]
fn half_transparent_pictures_are_scaled_without_a_dark_rim() {
    let init = "tests/data/faults/half-transparent-95.png";
    let before = open_picture(Path::new(init)).unwrap().image;
    let darkest = |picture: &RgbaImage| {
        let seen = picture.pixels().filter(|pixel| pixel[3] > 16);
        let brightness = seen.map(|pixel| u32::from(pixel.0[..3].iter().copied().max().unwrap()));
        brightness.min().unwrap()
    };
    let options = ["--init", init, "--width", "64", "--height", "64"];
    let spec = args(&options).spec(&mut silent).unwrap();
    let after = &spec.init.unwrap().0;
    let (before, after) = (darkest(&before), darkest(after));
    assert!(after + 8 >= before, "{before} became {after}");
}

#[test]
fn a_recipe_with_an_input_picture_asks_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.png");
    let picture = RgbaImage::new(8, 8);
    let old = GenerateSpec {
        strength: 0.4,
        init: Some(ImageInput(Arc::new(picture.clone()))),
        ..Default::default()
    };
    let recipe = PaintedRecipe::new(old, "m", "h");
    save_picture(&path, &picture, Some(&recipe), &SaveOptions::default()).unwrap();
    let named = path.to_str().unwrap();
    let error = args(&["--recipe", named]).spec(&mut silent).unwrap_err();
    assert!(error.to_string().contains("--init"), "{error}");
    let spec = args(&["--recipe", named, "--init", named])
        .spec(&mut silent)
        .unwrap();
    assert_eq!(spec.strength, 0.4);
}

/// A recipe of latents, and the latents.
fn of_latents(folder: &Path) -> [String; 3] {
    let at = |name: &str| folder.join(name).display().to_string();
    let values = vec![0.5_f32; 4 * 16];
    let bytes: Vec<u8> = values.iter().flat_map(|it| it.to_le_bytes()).collect();
    let shape = vec![1, 4, 4, 4];
    let tensor =
        safetensors::tensor::TensorView::new(safetensors::tensor::Dtype::F32, shape, &bytes);
    let file = safetensors::serialize([("latents", tensor.unwrap())], None).unwrap();
    std::fs::write(at("l.safetensors"), file).unwrap();
    RgbaImage::from_pixel(16, 16, Rgba([9, 9, 9, 255]))
        .save(at("init.png"))
        .unwrap();
    [at("l.safetensors"), at("init.png"), at("painted.png")]
}

#[test]
fn the_strength_of_latents_comes_back_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let [latents, init, painted] = of_latents(folder.path());
    let job = |options: &[&str]| {
        let mut warnings = Vec::new();
        let spec = args(options).spec(&mut |text| warnings.push(text));
        (spec.unwrap(), warnings)
    };
    let save = |spec: GenerateSpec| {
        let recipe = PaintedRecipe::new(spec, "m", "h");
        let options = SaveOptions::default();
        save_picture(
            Path::new(&painted),
            &RgbaImage::new(8, 8),
            Some(&recipe),
            &options,
        )
        .unwrap();
    };
    let (spec, _) = job(&["--initial-latents", &latents, "--strength", "0.4"]);
    save(spec.clone());
    let (again, told) = job(&["--recipe", &painted, "--initial-latents", &latents]);
    assert_eq!((&again, told), (&spec, Vec::new()));
    // Noise is not what it began with.
    for options in [&["--initial-noise", &*latents][..], &[]] {
        let options = [&["--recipe", &*painted], options].concat();
        let (_, told) = job(&options);
        assert!(told[0].contains("noise or latents"), "{told:?}");
    }
    // Noise has no strength.
    let (spec, _) = job(&["--initial-noise", &latents]);
    save(spec);
    let (again, told) = job(&["--recipe", &painted, "--initial-noise", &latents]);
    assert_eq!((again.strength, told), (1.0, Vec::new()));
    let (again, _) = job(&["--recipe", &painted, "--init", &init]);
    assert_eq!(again.strength, 0.75);

    let (_, told) = job(&["--initial-latents", &latents, "--init", &init]);
    assert!(told[0].contains("--init only the size"), "{told:?}");
}

#[test]
fn words_of_old_recipes_mean_what_they_did_beside_new_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.png");
    let old = GenerateSpec {
        prompt: "a (red) barn, {new|old}".to_owned(),
        negative_prompt: "fog".to_owned(),
        prompt_syntax: PromptSyntax::Plain,
        ..Default::default()
    };
    let recipe = PaintedRecipe::new(old, "m", "h");
    save_picture(
        &path,
        &RgbaImage::new(8, 8),
        Some(&recipe),
        &SaveOptions::default(),
    )
    .unwrap();
    let path = path.display().to_string();
    let job = |options: &[&str]| {
        let options = [&["--recipe", &*path], options].concat();
        let spec = args(&options).spec(&mut silent).unwrap();
        (spec.prompt, spec.negative_prompt, spec.prompt_syntax)
    };
    let as_is = (
        "a (red) barn, {new|old}".into(),
        "fog".into(),
        PromptSyntax::Plain,
    );
    assert_eq!(job(&[]), as_is);
    let (prompt, negative, syntax) = job(&["-n", "(rain:1.3)"]);
    assert_eq!((&*negative, syntax), ("(rain:1.3)", PromptSyntax::Weighted));
    assert_eq!(syntax.resolved(&prompt, 3, 0), prompt);
    let pieces = syntax.pieces(&prompt);
    let as_was = crate::recipe::prompt::Piece::Text("a (red) barn, {new|old}".into(), 1.0);
    assert_eq!(pieces, [as_was]);
    let (prompt, ..) = job(&["-p", "a (pond)"]);
    assert_eq!(prompt, "a (pond)");
}

#[test]
fn wrong_numbers_and_names_are_refused_before_anything_is_loaded() {
    let error = args(&["--steps", "0"]).spec(&mut silent).unwrap_err();
    assert!(error.to_string().contains("steps"), "{error}");
    for (option, value, sentence) in [
        (
            "--cfg-scale",
            "nan",
            "guidance is NaN; it must be between 0 and 100",
        ),
        (
            "--box-focus",
            "9",
            "box focus is 9; it must be between 0 and 8",
        ),
        ("--eta", "inf", "eta is inf; it must be between 0 and 1"),
        (
            "--strength",
            "1.5",
            "strength is 1.5; it must be between 0 and 1",
        ),
        ("--batch", "65", "batch is 65; it must be between 1 and 64"),
        (
            "--clip-skip",
            "0",
            "clip skip is 0; it must be between 1 and 12",
        ),
        (
            "--guidance-rescale",
            "2",
            "guidance rescale is 2; it must be between 0 and 1",
        ),
    ] {
        let error = args(&[option, value]).spec(&mut silent).unwrap_err();
        assert_eq!(error.to_string(), sentence);
    }
    let error = args(&["--width", "4"]).spec(&mut silent).unwrap_err();
    assert!(error.to_string().contains("4 ×"), "{error}");
    let line = ["velatura", "generate", "--sampler", "restart"];
    assert!(Cli::try_parse_from(line).is_err());
    assert!(Cli::try_parse_from(["velatura", "generate", "--mask", "m.png"]).is_err());
}

pub(super) const JOINT: &str = "tests/data/reference/joint-tiny";
