//! `models inspect`: files of every kind, with the names that the paper's own code
//! gives them (`tests/data/originals/make_keys.py`).
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use velatura::model::WeightDtype;
use velatura::model::inspect::{Family, Inspection, Predicts, Task, inspect};

#[derive(serde::Deserialize)]
struct Tiny {
    yaml: Option<String>,
    keys: Shapes,
}

type Shapes = BTreeMap<String, Vec<usize>>;

fn tiny() -> BTreeMap<String, Tiny> {
    let text = std::fs::read_to_string("tests/data/originals/tiny.json").unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A safetensors file with these names, full of zeros.
fn write(path: &Path, keys: &Shapes, dtype: &str) {
    let size = match dtype {
        "F32" => 4,
        "F16" | "BF16" => 2,
        _ => 1,
    };
    let mut offset = 0;
    let mut header = serde_json::Map::new();
    for (name, shape) in keys {
        let end = offset + shape.iter().product::<usize>() * size;
        header.insert(
            name.clone(),
            json!({"dtype": dtype, "shape": shape, "data_offsets": [offset, end]}),
        );
        offset = end;
    }
    let header = Value::Object(header).to_string().into_bytes();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    bytes.resize(bytes.len() + offset, 0);
    std::fs::write(path, bytes).unwrap();
}

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn inspected(&self, name: &str, keys: &Shapes, dtype: &str) -> Inspection {
        write(&self.at(name), keys, dtype);
        inspect(&self.at(name), None).unwrap()
    }

    fn refused(&self, name: &str, bytes: &[u8]) -> String {
        std::fs::write(self.at(name), bytes).unwrap();
        inspect(&self.at(name), None).unwrap_err().to_string()
    }
}

fn tasks() -> BTreeMap<&'static str, Task> {
    BTreeMap::from([
        ("unconditional", Task::Unconditional),
        ("unconditional-updown", Task::Unconditional),
        ("class-to-image", Task::ClassToImage),
        ("text-to-image", Task::TextToImage),
        ("layout-to-image", Task::LayoutToImage),
        ("semantic-to-image", Task::SemanticToImage),
        ("super-resolution", Task::SuperResolution),
        ("inpainting", Task::Inpainting),
        ("autoencoder", Task::Autoencoder),
        ("autoencoder-kl", Task::Autoencoder),
    ])
}

#[test]
fn models_of_the_paper_are_known_with_and_without_their_yaml() {
    let tiny = tiny();
    for (kind, task) in tasks() {
        let place = Place::new();
        let model = &tiny[kind];
        for has_yaml in [false, true] {
            if has_yaml {
                std::fs::write(place.at("m.yaml"), model.yaml.as_ref().unwrap()).unwrap();
            }
            let found = place.inspected("m.safetensors", &model.keys, "F32");
            assert_eq!(found.family, Family::LatentDiffusion, "{kind}");
            assert_eq!(found.task, task, "{kind}, {has_yaml}");
            assert_eq!(found.missing, [""; 0], "{kind}");
            assert_eq!(found.surplus, [""; 0], "{kind}");
            assert!(
                found.mismatched.is_empty(),
                "{kind}: {:?}",
                found.mismatched
            );
            assert_eq!(found.precision, WeightDtype::F32);
            assert_eq!(found.config.is_some(), has_yaml);
            let has_denoiser = task != Task::Autoencoder;
            assert_eq!(found.prediction, has_denoiser.then_some(Predicts::Epsilon));
            // Heads are never guessed.
            let warned = found.notices.iter().any(|notice| notice.contains("YAML"));
            assert_eq!(
                warned,
                has_denoiser && !has_yaml,
                "{kind}: {:?}",
                found.notices
            );
        }
    }
}

#[test]
fn what_is_lost_or_too_much_is_named() {
    let tiny = tiny();
    for (kind, lost) in [
        (
            "text-to-image",
            "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight",
        ),
        (
            "inpainting",
            "model.diffusion_model.output_blocks.3.0.skip_connection.bias",
        ),
        ("autoencoder", "encoder.down.1.attn.0.q.weight"),
        (
            "class-to-image",
            "first_stage_model.quantize.embedding.weight",
        ),
        (
            "sd1",
            "cond_stage_model.transformer.text_model.encoder.layers.1.mlp.fc1.bias",
        ),
        (
            "sd2",
            "cond_stage_model.model.transformer.resblocks.0.attn.in_proj_bias",
        ),
        ("sdxl", "conditioner.embedders.1.model.text_projection"),
    ] {
        let place = Place::new();
        let mut keys = tiny[kind].keys.clone();
        assert!(keys.remove(lost).is_some(), "{lost}");
        let extra = match kind {
            "autoencoder" => "encoder.extra.weight",
            _ => "model.diffusion_model.extra.weight",
        };
        keys.insert(extra.into(), vec![2]);
        for leftover in [
            "loss.discriminator.main.0.weight",
            "posterior_variance",
            "model_ema.num_updates",
        ] {
            keys.insert(leftover.into(), vec![1]);
        }
        let found = place.inspected("m.safetensors", &keys, "BF16");
        assert_eq!(found.missing, [lost], "{kind}");
        assert_eq!(found.surplus, [extra], "{kind}");
        assert_eq!(found.precision, WeightDtype::Bf16, "{kind}");
    }
}

#[test]
fn stable_diffusion_is_told_by_its_encoders_and_its_name() {
    let tiny = tiny();
    let place = Place::new();
    let cases = [
        (
            "sd1",
            "any.safetensors",
            Family::StableDiffusion1,
            Task::TextToImage,
            Predicts::Epsilon,
        ),
        (
            "sd1-inpainting",
            "i.safetensors",
            Family::StableDiffusion1,
            Task::Inpainting,
            Predicts::Epsilon,
        ),
        (
            "sd2",
            "v2-1_768-ema-pruned.safetensors",
            Family::StableDiffusion2,
            Task::TextToImage,
            Predicts::Velocity,
        ),
        (
            "sd2",
            "512-base-ema.safetensors",
            Family::StableDiffusion2,
            Task::TextToImage,
            Predicts::Epsilon,
        ),
        (
            "sd2",
            "finetuned.safetensors",
            Family::StableDiffusion2,
            Task::TextToImage,
            Predicts::Velocity,
        ),
        (
            "sdxl",
            "xl.safetensors",
            Family::StableDiffusionXl,
            Task::TextToImage,
            Predicts::Epsilon,
        ),
    ];
    for (kind, name, family, task, prediction) in cases {
        let found = place.inspected(name, &tiny[kind].keys, "F16");
        assert_eq!((found.family, found.task), (family, task), "{kind}");
        assert_eq!(found.prediction, Some(prediction), "{name}");
        assert_eq!(found.precision, WeightDtype::F16);
        assert_eq!(found.missing, [""; 0], "{kind}");
        assert_eq!(found.surplus, [""; 0], "{kind}");
        assert!(
            found.mismatched.is_empty(),
            "{kind}: {:?}",
            found.mismatched
        );
        assert_eq!(!found.notices.is_empty(), name == "finetuned.safetensors");
    }
}

/// Averaged weights stand for those that they are of, and are no surplus.
#[test]
fn averaged_weights_are_known_by_their_names_without_dots() {
    let place = Place::new();
    let mut keys = tiny()["unconditional"].keys.clone();
    let unet: Vec<_> = keys
        .iter()
        .filter(|(name, _)| name.starts_with("model.diffusion_model."))
        .collect();
    let averages: Vec<(String, Vec<usize>)> = unet
        .into_iter()
        .map(|(name, shape)| {
            let name = name.trim_start_matches("model.").replace('.', "");
            (format!("model_ema.{name}"), shape.clone())
        })
        .collect();
    keys.extend(averages);
    keys.remove("model.diffusion_model.out.2.weight");
    let found = place.inspected("m.safetensors", &keys, "F32");
    assert!(
        found.has_averages && found.surplus.is_empty() && found.missing.is_empty(),
        "{found:?}"
    );
}

#[test]
fn other_kinds_are_refused_by_name() {
    let place = Place::new();
    let named = |name: &str, dtype: &str| {
        let keys = Shapes::from([(name.to_owned(), vec![2, 2])]);
        write(&place.at("m.safetensors"), &keys, dtype);
        inspect(&place.at("m.safetensors"), None)
            .unwrap_err()
            .to_string()
    };
    for (name, dtype, kind) in [
        (
            "lora_unet_down_blocks_0_attentions_0.lora_down.weight",
            "F16",
            "LoRA",
        ),
        ("unet.down_blocks.0.attn1.to_q.lora_A.weight", "F16", "LoRA"),
        (
            "unet.mid.attn1.processor.to_q_lora.down.weight",
            "F16",
            "LoRA",
        ),
        (
            "model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight",
            "F16",
            "Stable Diffusion 3",
        ),
        (
            "model.diffusion_model.double_blocks.0.img_attn.qkv.weight",
            "F16",
            "Flux",
        ),
        ("double_blocks.0.img_attn.qkv.weight", "BF16", "Flux"),
        ("control_model.input_blocks.0.0.weight", "F16", "ControlNet"),
        (
            "model.diffusion_model.input_blocks.0.0.weight",
            "I8",
            "quantised",
        ),
        ("emb_params", "F32", "textual inversion"),
        ("lllite_conditioning1.0.weight", "F16", "ControlNet-LLLite"),
        (
            "down_blocks.0.base_to_ctrl.0.weight",
            "F16",
            "ControlNet-XS",
        ),
        ("controlnet_cond_embedding.weight", "F16", "SparseCtrl"),
        ("some.layer.weight", "F32", "some.layer.weight"),
    ] {
        let sentence = named(name, dtype);
        assert!(sentence.contains(kind), "{name}: {sentence}");
    }
    for (name, bytes, kind) in [
        ("a.gguf", &b"GGUF\x03\x00\x00\x00\x00\x00"[..], "GGUF"),
        (
            "b.safetensors",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0",
            "Git LFS",
        ),
        (
            "b.ckpt",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0",
            "Git LFS",
        ),
        (
            "c.safetensors",
            b"\n<!DOCTYPE html><html>not found</html>",
            "web page",
        ),
        ("c.ckpt", b"<html>", "web page"),
        ("d.safetensors", b"", "empty"),
        ("e.ckpt", b"", "checkpoint"),
        ("f.safetensors", b"{\"error\": 404}", "JSON"),
        ("g.ckpt", b"cos\nsystem\n(S'true'\ntR.", "os.system"),
    ] {
        let sentence = place.refused(name, bytes);
        assert!(sentence.contains(kind), "{name}: {sentence}");
        assert!(!sentence.contains('\n'));
    }
}

#[test]
fn folders_are_told_by_their_configurations() {
    let reference = Path::new("tests/data/reference");
    for (name, family, task, prediction) in [
        (
            "sd1-tiny",
            Family::StableDiffusion1,
            Task::TextToImage,
            Predicts::Epsilon,
        ),
        (
            "sd2-tiny",
            Family::StableDiffusion2,
            Task::TextToImage,
            Predicts::Velocity,
        ),
        (
            "inpaint-tiny",
            Family::StableDiffusion1,
            Task::Inpainting,
            Predicts::Epsilon,
        ),
    ] {
        let found = inspect(&reference.join(name), None).unwrap();
        assert_eq!((found.family, found.task), (family, task), "{name}");
        assert_eq!(found.prediction, Some(prediction), "{name}");
        assert!(
            found.missing.is_empty() && found.surplus.is_empty(),
            "{name}: {found:?}"
        );
    }
    let found = inspect(Path::new("assets/models/storybook"), None).unwrap();
    assert_eq!(
        (found.family, found.task),
        (Family::Velatura, Task::TextToImage)
    );
    assert!(
        found.missing.is_empty() && found.surplus.is_empty(),
        "{found:?}"
    );

    // A checkpoint in a folder with its YAML file, as they were released.
    let place = Place::new();
    let model = &tiny()["layout-to-image"];
    write(&place.at("model.safetensors"), &model.keys, "F32");
    std::fs::write(place.at("config.yaml"), model.yaml.as_ref().unwrap()).unwrap();
    let found = inspect(place.folder.path(), None).unwrap();
    assert_eq!(found.task, Task::LayoutToImage);
    assert_eq!(found.config, Some(place.at("config.yaml")));
}

/// Also those whose networks do not open yet.
#[test]
fn folders_of_diffusers_are_told_by_their_configurations() {
    #[derive(serde::Deserialize)]
    struct Folder {
        files: BTreeMap<String, Value>,
        keys: BTreeMap<String, Shapes>,
    }
    let text = std::fs::read_to_string("tests/data/originals/folders.json").unwrap();
    let folders: BTreeMap<String, Folder> = serde_json::from_str(&text).unwrap();
    let epsilon = Some(Predicts::Epsilon);
    for (kind, family, task, prediction) in [
        (
            "ldm-unconditional",
            Family::LatentDiffusion,
            Task::Unconditional,
            epsilon,
        ),
        (
            "ldm-super-resolution",
            Family::LatentDiffusion,
            Task::SuperResolution,
            epsilon,
        ),
        (
            "ldm-text",
            Family::LatentDiffusion,
            Task::TextToImage,
            epsilon,
        ),
        (
            "sdxl",
            Family::StableDiffusionXl,
            Task::TextToImage,
            epsilon,
        ),
        (
            "sd2",
            Family::StableDiffusion2,
            Task::TextToImage,
            Some(Predicts::Velocity),
        ),
        (
            "first-stage",
            Family::LatentDiffusion,
            Task::Autoencoder,
            None,
        ),
    ] {
        let place = Place::new();
        let folder = &folders[kind];
        for (name, config) in &folder.files {
            let path = place.at(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, config.to_string()).unwrap();
        }
        for (name, keys) in &folder.keys {
            let is_text = name.starts_with("text") || name == "bert";
            let file = if is_text {
                "model.safetensors"
            } else {
                "diffusion_pytorch_model.safetensors"
            };
            write(&place.at(name).join(file), keys, "F16");
        }
        let found = inspect(place.folder.path(), None).unwrap();
        assert_eq!((found.family, found.task), (family, task), "{kind}");
        assert_eq!(found.prediction, prediction, "{kind}");
        assert_eq!(found.precision, WeightDtype::F16, "{kind}");
        assert_eq!(found.missing, [""; 0], "{kind}");
        assert_eq!(found.surplus, [""; 0], "{kind}");
        assert!(
            found.mismatched.is_empty(),
            "{kind}: {:?}",
            found.mismatched
        );
        // The largest network without its first weight.
        let (name, keys) = folder
            .keys
            .iter()
            .max_by_key(|(_, keys)| keys.len())
            .unwrap();
        let mut keys = keys.clone();
        let (lost, _) = keys.pop_first().unwrap();
        write(
            &place.at(name).join("diffusion_pytorch_model.safetensors"),
            &keys,
            "F16",
        );
        let found = inspect(place.folder.path(), None).unwrap();
        assert_eq!(found.missing, [lost], "{kind}");
    }
}

#[test]
fn the_command_prints_one_line_and_fails_with_one_sentence() {
    let place = Place::new();
    let mut keys = tiny()["sd1"].keys.clone();
    let lost = "model.diffusion_model.out.2.bias";
    keys.remove(lost);
    write(&place.at("m.safetensors"), &keys, "F16");
    let run = |arguments: &[&str]| {
        let program = env!("CARGO_BIN_EXE_velatura");
        Command::new(program)
            .arg("models")
            .arg("inspect")
            .args(arguments)
            .output()
            .unwrap()
    };
    let path = place.at("m.safetensors");
    let path = path.to_str().unwrap();
    let output = run(&[path, "--json"]);
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!(lines.lines().count(), 1, "{lines}");
    let line: Value = serde_json::from_str(&lines).unwrap();
    assert_eq!(line["event"], "model");
    assert_eq!(line["family"], "stable-diffusion-1");
    assert_eq!(line["task"], "text-to-image");
    assert_eq!(line["prediction"], "epsilon");
    assert_eq!(line["precision"], "f16");
    assert_eq!(line["missing"], json!([lost]));
    assert_eq!(line["surplus"], json!([]));
    let output = run(&[path]);
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("Stable Diffusion 1, text to image")
    );
    std::fs::write(place.at("l.safetensors"), b"GGUF....").unwrap();
    let output = run(&[place.at("l.safetensors").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let sentence = String::from_utf8(output.stderr).unwrap();
    assert!(
        sentence.contains("GGUF") && sentence.lines().count() == 1,
        "{sentence}"
    );
}
