//! Models written anew: what is used comes back the same, bit for bit.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};
use velatura::model::inspect::{Family, Predicts, Task, inspect};
use velatura::model::tiny::KINDS;
use velatura::model::weights::{TorchFile, WeightSource as _};
use velatura::model::{Conversion, ModelError, ModelFolder, WeightDtype};

/// Kind of number, shape and bytes of each tensor.
type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

fn tensors(path: &Path) -> Tensors {
    if path.extension().is_some_and(|it| it == "ckpt") {
        let file = TorchFile::open(path).unwrap();
        let tensor = |name: &str| {
            let shape = file.shape(name).unwrap().to_vec();
            let kept = (file.dtype(name).unwrap(), shape, file.bytes(name).unwrap());
            (name.to_owned(), kept)
        };
        return file.names().map(tensor).collect();
    }
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        let kept = (view.dtype(), view.shape().to_vec(), view.data().to_vec());
        (name, kept)
    };
    file.tensors().into_iter().map(tensor).collect()
}

/// All weights of a folder.
fn folder_tensors(folder: &Path) -> BTreeMap<PathBuf, Tensors> {
    let files = walkdir::WalkDir::new(folder).into_iter();
    let files = files.map(|entry| entry.unwrap().into_path());
    let files = files.filter(|path| path.extension().is_some_and(|it| it == "safetensors"));
    let weights = files.map(|path| {
        let inner = path.strip_prefix(folder).unwrap().to_path_buf();
        (inner, tensors(&path))
    });
    weights.collect()
}

fn tiny(kind: &str, folder: &Path) -> PathBuf {
    let kind = KINDS.iter().find(|it| it.id == kind).unwrap();
    kind.write(folder).unwrap()
}

fn convert(source: &Path, target: &Path) -> Result<(), ModelError> {
    Conversion::default().run(source, target, &mut |_, _| true)
}

/// What a refusal says; nothing is left behind.
fn refusal(source: &Path, target: &Path) -> String {
    let sentence = convert(source, target).unwrap_err().to_string();
    assert!(!target.exists(), "{}", target.display());
    sentence
}

/// From one file to a folder and back.
fn check_round_trip(kind: &str, name: &str) {
    let scratch = tempfile::tempdir().unwrap();
    let source = tiny(kind, &scratch.path().join("tiny"));
    let folder = scratch.path().join("folder");
    convert(&source, &folder).unwrap();
    let back = scratch.path().join(name);
    convert(&folder, &back).unwrap();
    let (before, after) = (tensors(&source), tensors(&back));
    let names = |tensors: &Tensors| tensors.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&before), names(&after));
    for (name, tensor) in &before {
        // Of OpenCLIP's text encoder the last layer is of no use, and no folder has it.
        if !name.contains(".resblocks.1.") {
            assert!(after[name] == *tensor, "{kind}: {name}");
        }
    }
    let (first, last) = (
        inspect(&source, None).unwrap(),
        inspect(&back, None).unwrap(),
    );
    assert_eq!((first.family, first.task), (last.family, last.task));
    assert_eq!(first.prediction, last.prediction);
    assert!(
        last.missing.is_empty() && last.surplus.is_empty(),
        "{last:?}"
    );
    // A folder of Stable Diffusion is described as such folders are.
    assert!(!folder.join("studio.json").exists());
    let again = scratch.path().join("again");
    convert(&back, &again).unwrap();
    assert!(folder_tensors(&folder) == folder_tensors(&again), "{kind}");
    let opened = ModelFolder::open(&again).unwrap();
    let (tokenizer, from_file) = (opened.tokenizer(), ModelFolder::open(&source).unwrap());
    let text = "a photo of an astronaut, (oil:1.2) ünïcode 🦀";
    assert_eq!(
        tokenizer.unwrap().encode(text),
        from_file.tokenizer().unwrap().encode(text)
    );
}

/// It paints by the usual schedule, which is that of such files.
#[test]
fn a_folder_without_a_scheduler_becomes_a_file() {
    let scratch = tempfile::tempdir().unwrap();
    let source = tiny("stable-diffusion-1", &scratch.path().join("tiny"));
    let folder = scratch.path().join("folder");
    convert(&source, &folder).unwrap();
    fs::remove_dir_all(folder.join("scheduler")).unwrap();
    let back = scratch.path().join("back.safetensors");
    convert(&folder, &back).unwrap();
    assert!(tensors(&source) == tensors(&back));
}

#[test]
fn stable_diffusion_1_goes_there_and_back() {
    check_round_trip("stable-diffusion-1", "any.safetensors");
    check_round_trip("stable-diffusion-1-inpainting", "any.safetensors");
}

#[test]
fn stable_diffusion_2_goes_there_and_back() {
    // Its name need not say what it predicts: the header does.
    check_round_trip("stable-diffusion-2", "any.safetensors");
    check_round_trip("stable-diffusion-2-inpainting", "any.safetensors");
}

/// Without a note in the header such a file would be taken for one that predicts velocity.
#[test]
fn a_base_of_stable_diffusion_2_goes_on_predicting_noise() {
    let scratch = tempfile::tempdir().unwrap();
    let source = tiny("stable-diffusion-2", &scratch.path().join("tiny"));
    let folder = scratch.path().join("folder");
    convert(&source, &folder).unwrap();
    let scheduler = folder.join("scheduler/scheduler_config.json");
    let told = fs::read_to_string(&scheduler).unwrap();
    fs::write(&scheduler, told.replace("v_prediction", "epsilon")).unwrap();
    for back in ["any.safetensors", "other.safetensors"] {
        let back = scratch.path().join(back);
        convert(&folder, &back).unwrap();
        let found = inspect(&back, None).unwrap();
        assert_eq!(found.prediction, Some(Predicts::Epsilon));
        assert_eq!(found.notices, Vec::<String>::new());
    }
    // From file to file it stays so too.
    let third = scratch.path().join("third.safetensors");
    convert(&scratch.path().join("any.safetensors"), &third).unwrap();
    assert_eq!(
        inspect(&third, None).unwrap().prediction,
        Some(Predicts::Epsilon)
    );
}

#[test]
fn precision_is_that_of_the_source_unless_said() {
    let scratch = tempfile::tempdir().unwrap();
    let source = tiny("stable-diffusion-1", &scratch.path().join("tiny"));
    let wide = scratch.path().join("wide.safetensors");
    let conversion = |dtype| Conversion {
        dtype: Some(dtype),
        ..Conversion::default()
    };
    let mut calls = Vec::new();
    conversion(WeightDtype::F32)
        .run(&source, &wide, &mut |done, total| {
            calls.push((done, total));
            true
        })
        .unwrap();
    let written: usize = tensors(&wide).values().map(|(.., bytes)| bytes.len()).sum();
    assert!(calls.is_sorted() && calls.last() == Some(&(written as u64, written as u64)));
    assert!(
        tensors(&wide)
            .values()
            .all(|(dtype, ..)| *dtype == Dtype::F32)
    );
    // Nothing is lost on the way down again, nor in a folder.
    let folder = scratch.path().join("folder");
    convert(&wide, &folder).unwrap();
    assert_eq!(inspect(&folder, None).unwrap().precision, WeightDtype::F32);
    let narrow = scratch.path().join("narrow.safetensors");
    conversion(WeightDtype::F16)
        .run(&folder, &narrow, &mut |_, _| true)
        .unwrap();
    assert!(tensors(&narrow) == tensors(&source));
    let brain = scratch.path().join("brain");
    conversion(WeightDtype::Bf16)
        .run(&wide, &brain, &mut |_, _| true)
        .unwrap();
    assert_eq!(inspect(&brain, None).unwrap().precision, WeightDtype::Bf16);
}

/// Other programs tell such files of Stable Diffusion XL by two tensors without numbers alone.
#[test]
fn marks_of_velocity_are_written_for_others() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    let source = tiny("stable-diffusion-xl", &at("tiny"));
    let folder = at("folder");
    convert(&source, &folder).unwrap();
    let scheduler = folder.join("scheduler/scheduler_config.json");
    let told: Value = serde_json::from_slice(&fs::read(&scheduler).unwrap()).unwrap();
    for (ends_in_noise, marks) in [(false, &["v_pred"][..]), (true, &["v_pred", "ztsnr"])] {
        let mut told = told.clone();
        told["prediction_type"] = json!("v_prediction");
        told["rescale_betas_zero_snr"] = json!(ends_in_noise);
        fs::write(&scheduler, told.to_string()).unwrap();
        let one = at(&format!("{ends_in_noise}.safetensors"));
        convert(&folder, &one).unwrap();
        let written = tensors(&one);
        let found = ["v_pred", "ztsnr"].map(|mark| written.contains_key(mark));
        assert_eq!(found, [true, marks.len() > 1]);
        let read = ModelFolder::open(&one).unwrap().scheduler_config();
        assert_eq!(read["prediction_type"], "v_prediction");
        assert_eq!(read["rescale_betas_zero_snr"] == true, ends_in_noise);
        // And again from the file itself.
        let copy = at(&format!("{ends_in_noise}-copy.safetensors"));
        convert(&one, &copy).unwrap();
        assert!(tensors(&copy) == written);
    }
}

/// Its files become folders and other files; a folder stays one in this edition.
#[test]
fn stable_diffusion_xl_is_read_from_either_form() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    let kinds = KINDS
        .iter()
        .filter(|kind| kind.id.starts_with("stable-diffusion-xl"));
    for kind in kinds {
        let source = tiny(kind.id, &at(kind.id));
        let folder = at(&format!("{}-folder", kind.id));
        convert(&source, &folder).unwrap();
        let (own, other) = (ModelFolder::open(&source), ModelFolder::open(&folder));
        let (own, other) = (own.unwrap(), other.unwrap());
        assert_eq!(own.manifest().inputs, other.manifest().inputs);
        let texts = [&own, &other].map(|it| it.second_text_encoder_config().is_some());
        assert_eq!(texts, [true, true]);
        let tokens = |model: &ModelFolder| model.second_tokenizer().unwrap().encode("a red barn");
        assert_eq!(tokens(&own), tokens(&other));
        let again = at(&format!("{}-again", kind.id));
        convert(&folder, &again).unwrap();
        assert!(
            folder_tensors(&folder) == folder_tensors(&again),
            "{}",
            kind.id
        );
        let copy = at(&format!("{}-copy.safetensors", kind.id));
        convert(&source, &copy).unwrap();
        assert!(tensors(&source) == tensors(&copy), "{}", kind.id);
        let one = at(&format!("{}-one.safetensors", kind.id));
        convert(&folder, &one).unwrap();
        assert!(tensors(&source) == tensors(&one), "{}", kind.id);
        // That it paints in few steps is told by nothing but its name.
        let turbo = at(&format!("{}-turbo.safetensors", kind.id));
        std::fs::copy(&source, &turbo).unwrap();
        let sentence = refusal(&turbo, &at("plain.safetensors"));
        assert!(sentence.contains("turbo"), "{sentence}");
        convert(&turbo, &at(&format!("{}-my-turbo.safetensors", kind.id))).unwrap();
    }
}

#[test]
fn the_papers_models_have_the_forms_that_there_are() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    for (kind, task) in [
        ("latent-diffusion-unconditional", Task::Unconditional),
        ("latent-diffusion-class-to-image", Task::ClassToImage),
        ("latent-diffusion-inpainting", Task::Inpainting),
        ("latent-diffusion-super-resolution", Task::SuperResolution),
    ] {
        let source = tiny(kind, &at(kind));
        let folder = at(&format!("{kind}-folder"));
        convert(&source, &folder).unwrap();
        let (own, other) = (ModelFolder::open(&source), ModelFolder::open(&folder));
        let (own, other) = (own.unwrap(), other.unwrap());
        assert_eq!(own.manifest().inputs, other.manifest().inputs);
        // Its schedule and its heads have no place in one file.
        let sentence = refusal(&folder, &at("back.safetensors"));
        assert!(sentence.contains("no form in one file"), "{sentence}");
        // From file to file all stays, with its YAML beside.
        let copy = at(&format!("{kind}-copy")).join("copy.safetensors");
        convert(&source, &copy).unwrap();
        assert!(tensors(&source) == tensors(&copy), "{kind}");
        assert_eq!(inspect(&copy, None).unwrap().task, task);
        assert_eq!(
            ModelFolder::open(&copy).unwrap().manifest().inputs,
            own.manifest().inputs
        );
    }
    for kind in ["text-to-image", "layout-to-image", "semantic-to-image"] {
        let source = tiny(&format!("latent-diffusion-{kind}"), &at(kind));
        let sentence = refusal(&source, &at(&format!("{kind}-folder")));
        assert!(
            sentence.contains("a network of the paper's own code"),
            "{sentence}"
        );
        let copy = at(&format!("{kind}-copy")).join("copy.safetensors");
        convert(&source, &copy).unwrap();
        assert!(tensors(&source) == tensors(&copy), "{kind}");
        ModelFolder::open(&copy).unwrap();
    }
}

#[test]
fn storybook_is_a_folder_and_stays_one() {
    let scratch = tempfile::tempdir().unwrap();
    let storybook = Path::new("assets/models/storybook");
    let copy = scratch.path().join("copy");
    convert(storybook, &copy).unwrap();
    assert!(folder_tensors(storybook) == folder_tensors(&copy));
    let (own, other) = (ModelFolder::open(storybook), ModelFolder::open(&copy));
    let (own, other) = (own.unwrap(), other.unwrap());
    assert_eq!(own.manifest(), other.manifest());
    assert_eq!(inspect(&copy, None).unwrap().family, Family::Velatura);
    let words = own.tokenizer().unwrap();
    let text = "a red barn under a blue sky";
    assert_eq!(words.encode(text), other.tokenizer().unwrap().encode(text));
    let sentence = refusal(storybook, &scratch.path().join("one.safetensors"));
    assert!(sentence.contains("no form in one file"), "{sentence}");
}

#[test]
fn what_no_file_could_tell_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let copy = scratch.path().join("copy");
    let source = Path::new("tests/data/reference/sd1-tiny");
    convert(source, &copy).unwrap();
    assert!(
        copy.join("unet/diffusion_pytorch_model.safetensors")
            .is_file()
    );
    // Its heads are not those that a file is read with.
    let sentence = refusal(&copy, &scratch.path().join("one.safetensors"));
    assert!(sentence.contains("no form in one file"), "{sentence}");
}

#[test]
fn heads_that_no_file_tells_are_named() {
    let scratch = tempfile::tempdir().unwrap();
    let source = tiny("stable-diffusion-1", &scratch.path().join("tiny"));
    let folder = scratch.path().join("folder");
    convert(&source, &folder).unwrap();
    let config = folder.join("unet/config.json");
    let mut told: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&config).unwrap()).unwrap();
    told["attention_head_dim"] = 4.into();
    fs::write(&config, told.to_string()).unwrap();
    let sentence = refusal(&folder, &scratch.path().join("one.safetensors"));
    assert!(
        sentence.contains("[4, 4]") && sentence.contains("[8, 8]"),
        "{sentence}"
    );
}

#[test]
fn what_is_there_is_replaced_only_when_told_so() {
    let scratch = tempfile::tempdir().unwrap();
    let source = tiny("stable-diffusion-1", &scratch.path().join("tiny"));
    let (file, folder) = (
        scratch.path().join("a.safetensors"),
        scratch.path().join("a"),
    );
    fs::write(&file, "mine").unwrap();
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("letter.txt"), "mine").unwrap();
    for target in [&file, &folder] {
        let sentence = convert(&source, target).unwrap_err().to_string();
        assert!(sentence.contains("--overwrite"), "{sentence}");
    }
    let replacing = Conversion {
        replaces: true,
        ..Conversion::default()
    };
    // A folder of other things is nobody's to replace.
    let refused = replacing.run(&source, &folder, &mut |_, _| true);
    assert!(
        matches!(refused, Err(ModelError::Occupied(_))),
        "{refused:?}"
    );
    assert!(folder.join("letter.txt").is_file());
    // Ended before the end, it leaves what was there.
    let mut left = 3;
    let ended = replacing.run(&source, &file, &mut |_, _| {
        left -= 1;
        left > 0
    });
    assert!(
        matches!(ended, Err(ModelError::WritingEnded(_))),
        "{ended:?}"
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    replacing.run(&source, &file, &mut |_, _| true).unwrap();
    assert!(tensors(&file) == tensors(&source));
    let again = replacing.run(&file, &file, &mut |_, _| true);
    again.unwrap();
    assert!(tensors(&file) == tensors(&source));
    let names = fs::read_dir(scratch.path()).unwrap().count();
    assert_eq!(names, 3, "something was left behind");
}

/// Its words are read by the paper's own network, of which there is one file only in the
/// paper's own form.
#[test]
fn folders_of_the_papers_text_model_are_written_in_no_form() {
    let scratch = tempfile::tempdir().unwrap();
    let source = Path::new("tests/data/reference/unseen/ldm-text");
    for target in ["folder", "one.safetensors"] {
        let sentence = refusal(source, &scratch.path().join(target));
        assert!(
            sentence.contains("a network of the paper's own code")
                && sentence.contains("copy it as it is"),
            "{sentence}"
        );
    }
}

#[test]
fn a_yaml_file_for_a_folder_is_refused_for_either_form() {
    let scratch = tempfile::tempdir().unwrap();
    let file = tiny("stable-diffusion-1", &scratch.path().join("tiny"));
    let source = scratch.path().join("source");
    convert(&file, &source).unwrap();
    let conversion = Conversion {
        config: Some(Path::new("some.yaml")),
        ..Conversion::default()
    };
    for target in ["folder", "one.safetensors"] {
        let target = scratch.path().join(target);
        let refused = conversion.run(&source, &target, &mut |_, _| true);
        let sentence = refused.unwrap_err().to_string();
        assert!(sentence.contains("leave out --config"), "{sentence}");
        assert!(!target.exists());
    }
}
