//! Folders of diffusers as they come: variants, shards, PyTorch's own files, parts that
//! are missing, configurations of any version. Each is a tiny model by another name, so
//! that it says exactly what the plain folder says.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};
use tempfile::TempDir;
use velatura::diffusion::LatentDiffusion;
use velatura::model::ModelFolder;
use velatura::model::inspect::inspect;

const TINY: &str = "tests/data/reference/sd1-tiny";
/// The same weights in files of PyTorch (`tests/data/reference/make_bin_reference.py`).
const BIN: &str = "tests/data/reference/sd1-bin";
/// Folders of networks and the names of their weights.
const PARTS: [(&str, &str); 3] = [
    ("unet", "diffusion_pytorch_model"),
    ("vae", "diffusion_pytorch_model"),
    ("text_encoder", "model"),
];

/// A copy of the tiny model, without the references beside it.
fn copied() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in walkdir::WalkDir::new(TINY) {
        let entry = entry.unwrap();
        let inner = entry.path().strip_prefix(TINY).unwrap();
        let to = folder.path().join(inner);
        if entry.file_type().is_dir() {
            fs::create_dir_all(to).unwrap();
        } else if inner.components().count() > 1 || inner == Path::new("model_index.json") {
            fs::copy(entry.path(), to).unwrap();
        }
    }
    folder
}

/// What the denoiser says of a fixed picture of noise and a fixed text.
fn said(path: &Path) -> Vec<f32> {
    let device = Device::flex();
    let folder = ModelFolder::open(path).unwrap_or_else(|error| panic!("{error}"));
    let model = LatentDiffusion::load(&folder, &device).unwrap_or_else(|error| panic!("{error}"));
    drop(model);
    let tokens = folder.tokenizer().unwrap().encode("a red house");
    let ids: Vec<i32> = tokens
        .iter()
        .map(|id| i32::try_from(*id).unwrap())
        .collect();
    let length = ids.len();
    let ids = Tensor::from_data(TensorData::new(ids, [1, length]), &device);
    let states = folder.load_text_encoder(&device).unwrap().forward(ids);
    let noise: Vec<f32> = (0..256)
        .map(|place| ((place * 37 % 101) as f32 - 50.0) / 40.0)
        .collect();
    let noise = Tensor::from_data(TensorData::new(noise, [1, 4, 8, 8]), &device);
    let unet = folder.load_unet(&device).unwrap();
    let said = unet.forward(noise, Tensor::from_floats([500.0], &device), states);
    said.into_data().try_into_vec_as().unwrap()
}

fn weights(folder: &Path, (part, stem): (&str, &str)) -> PathBuf {
    folder.join(part).join(format!("{stem}.safetensors"))
}

fn rename(folder: &Path, part: (&str, &str), name: &str) {
    let path = weights(folder, part);
    fs::rename(&path, path.with_file_name(name)).unwrap();
}

/// Cuts the weights of a network into two files with an index of the given name.
fn shard(folder: &Path, part: (&str, &str), index: &str) {
    let path = weights(folder, part);
    let bytes = fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors = file.tensors();
    tensors.sort_by(|one, other| one.0.cmp(&other.0));
    let (first, second) = tensors.split_at(tensors.len() / 2);
    let mut map = BTreeMap::new();
    for (number, shard) in [(1, first), (2, second)] {
        let name = format!("{}.fp16-0000{number}-of-00002.safetensors", part.1);
        map.extend(shard.iter().map(|(key, _)| (key.clone(), name.clone())));
        let views: HashMap<&str, &TensorView<'_>> = shard
            .iter()
            .map(|(key, view)| (key.as_str(), view))
            .collect();
        let written = safetensors::serialize(views, None).unwrap();
        fs::write(path.with_file_name(name), written).unwrap();
    }
    let json = json!({"metadata": {"total_size": bytes.len()}, "weight_map": map});
    fs::write(path.with_file_name(index), json.to_string()).unwrap();
    fs::remove_file(path).unwrap();
}

fn edit(folder: &Path, file: &str, change: impl FnOnce(&mut Value)) {
    let path = folder.join(file);
    let mut json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut json);
    fs::write(path, json.to_string()).unwrap();
}

/// It says what the plain folder says, and nothing is missing in the eyes of who inspects.
fn says_the_same(folder: &Path, what: &str) {
    assert_eq!(said(folder), said(Path::new(TINY)), "{what}");
    let found = inspect(folder, None).unwrap();
    assert_eq!(found.missing, Vec::<String>::new(), "{what}");
    assert!(
        found.mismatched.is_empty() && found.surplus.is_empty(),
        "{what}: {found:?}"
    );
}

#[test]
fn variants_open_as_the_plain_files_do() {
    for variant in ["fp16", "bf16", "ema", "non_ema"] {
        let folder = copied();
        for part in PARTS {
            let name = format!("{}.{variant}.safetensors", part.1);
            rename(folder.path(), part, &name);
        }
        says_the_same(folder.path(), variant);
    }
    // Each part has its own.
    let folder = copied();
    rename(
        folder.path(),
        PARTS[0],
        "diffusion_pytorch_model.non_ema.safetensors",
    );
    rename(folder.path(), PARTS[2], "model.fp16.safetensors");
    says_the_same(folder.path(), "a variant of some parts");
}

#[test]
fn weights_to_paint_with_go_before_those_to_train_further() {
    for (better, worse) in [("", ".non_ema"), (".fp16", ".non_ema"), ("", ".fp16")] {
        let folder = copied();
        let path = weights(folder.path(), PARTS[0]);
        let stem = PARTS[0].1;
        rename(
            folder.path(),
            PARTS[0],
            &format!("{stem}{better}.safetensors"),
        );
        let other = path.with_file_name(format!("{stem}{worse}.safetensors"));
        fs::write(other, "not what is opened").unwrap();
        says_the_same(folder.path(), &format!("{better:?} before {worse:?}"));
    }
}

#[test]
fn shards_of_both_namings_open() {
    for end in [
        "safetensors.index.json",
        "safetensors.index.fp16.json",
        "safetensors.fp16.index.json",
        "safetensors.index.non_ema.json",
    ] {
        let folder = copied();
        for part in PARTS {
            shard(folder.path(), part, &format!("{}.{end}", part.1));
        }
        says_the_same(folder.path(), end);
    }
}

#[test]
fn files_of_pytorch_open_whole_and_in_shards() {
    let folder = copied();
    for part in ["unet", "text_encoder"] {
        fs::remove_file(weights(
            folder.path(),
            *PARTS.iter().find(|it| it.0 == part).unwrap(),
        ))
        .unwrap();
        for entry in fs::read_dir(Path::new(BIN).join(part)).unwrap() {
            let entry = entry.unwrap();
            let to = folder.path().join(part).join(entry.file_name());
            fs::copy(entry.path(), to).unwrap();
        }
    }
    says_the_same(
        folder.path(),
        "a denoiser in shards, a text encoder by its old name",
    );
    // The older naming of the index.
    let unet = folder.path().join("unet");
    let [new, old] = ["bin.index.fp16.json", "bin.fp16.index.json"]
        .map(|end| unet.join(format!("diffusion_pytorch_model.{end}")));
    fs::rename(new, old).unwrap();
    says_the_same(folder.path(), "the older index");
    // The autoencoder was rounded to bfloat16.
    fs::remove_file(weights(folder.path(), PARTS[1])).unwrap();
    let vae = "vae/diffusion_pytorch_model.bf16.bin";
    fs::copy(Path::new(BIN).join(vae), folder.path().join(vae)).unwrap();
    says_the_same(folder.path(), "an autoencoder in bfloat16");
}

#[test]
fn what_painting_does_not_need_may_be_missing() {
    for version in [
        json!("0.2.4"),
        json!("0.35.0.dev0"),
        json!("99.1"),
        Value::Null,
    ] {
        let folder = copied();
        edit(folder.path(), "model_index.json", |index| {
            index["_diffusers_version"] = version.clone();
            index["safety_checker"] = json!(["stable_diffusion", "StableDiffusionSafetyChecker"]);
            index["feature_extractor"] = json!(["transformers", "CLIPImageProcessor"]);
            index["requires_safety_checker"] = json!(true);
            index["_name_or_path"] = json!("runwayml/stable-diffusion-v1-5");
        });
        says_the_same(folder.path(), &format!("version {version}"));
    }
    let folder = copied();
    fs::remove_file(folder.path().join("model_index.json")).unwrap();
    says_the_same(folder.path(), "no index at all");
    let folder = copied();
    fs::remove_dir_all(folder.path().join("scheduler")).unwrap();
    says_the_same(folder.path(), "no scheduler");
}

/// The weights of a network with further ones of these names.
fn with_more(folder: &Path, part: (&str, &str), names: &[&str]) {
    let path = weights(folder, part);
    let bytes = fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let more = 4.6_f32.to_le_bytes();
    let view = TensorView::new(safetensors::Dtype::F32, vec![1], &more).unwrap();
    let mut tensors = file.tensors();
    tensors.extend(names.iter().map(|name| ((*name).to_owned(), view.clone())));
    fs::write(path, safetensors::serialize(tensors, None).unwrap()).unwrap();
}

/// transformers and diffusers read networks out of such files as well.
#[test]
fn what_lies_beside_networks_is_passed_over() {
    let folder = copied();
    let rest = [
        "logit_scale",
        "text_projection.weight",
        "visual_projection.weight",
        "vision_model.post_layernorm.weight",
    ];
    with_more(folder.path(), PARTS[2], &rest);
    with_more(folder.path(), PARTS[0], &["iteration"]);
    assert_eq!(said(folder.path()), said(Path::new(TINY)));
    let found = inspect(folder.path(), None).unwrap();
    assert_eq!(
        (found.surplus.len(), found.notices.len()),
        (5, 0),
        "{found:?}"
    );
}

#[test]
fn what_keeps_a_folder_from_painting_is_told_when_it_is_looked_at() {
    let notices = |folder: &TempDir| inspect(folder.path(), None).unwrap().notices.join("; ");
    assert_eq!(notices(&copied()), "");
    for (part, word) in [
        ("tokenizer", "has no tokenizer"),
        ("tokenizer/merges.txt", "merges.txt"),
        ("vae", "--vae"),
        ("unet", "has no denoiser (unet)"),
    ] {
        let folder = copied();
        let path = folder.path().join(part);
        match path.is_dir() {
            true => fs::remove_dir_all(path).unwrap(),
            false => fs::remove_file(path).unwrap(),
        }
        let told = notices(&folder);
        assert!(told.contains(word), "{part}: {told}");
    }
    for name in ["mid_block.motion.weight", "add_embedding.linear_1.weight"] {
        let folder = copied();
        with_more(folder.path(), PARTS[0], &[name]);
        let told = notices(&folder);
        assert!(told.contains("does not open"), "{told}");
        let opened = ModelFolder::open(folder.path()).unwrap();
        assert!(opened.load_unet(&Device::flex()).is_err());
    }
}

/// The sampler of other models that was left in it is none for few steps, and one is told.
#[test]
fn names_of_folders_set_sampler_and_steps_and_are_told() {
    for (name, class, word) in [
        ("photonLCM_v10", "LCMScheduler", "latent consistency"),
        ("bigLust_v16DMD2", "LCMScheduler", "DMD2"),
        (
            "dream-lightning-8step",
            "EulerDiscreteScheduler",
            "Lightning",
        ),
    ] {
        let plain = copied();
        let folder = plain.path().join(name);
        fs::create_dir(&folder).unwrap();
        for part in ["unet", "vae", "text_encoder", "tokenizer", "scheduler"] {
            fs::rename(plain.path().join(part), folder.join(part)).unwrap();
        }
        let opened = ModelFolder::open(&folder).unwrap();
        assert_eq!(opened.scheduler_config()["_class_name"], class, "{name}");
        assert!(opened.manifest().default_steps <= 8, "{name}");
        let told = inspect(&folder, None).unwrap().notices.join("; ");
        assert!(told.contains(word), "{name}: {told}");
    }
}

#[test]
fn a_tokenizer_in_one_file_is_enough() {
    let folder = copied();
    let tokenizer = folder.path().join("tokenizer");
    ModelFolder::open(folder.path())
        .unwrap()
        .tokenizer()
        .unwrap()
        .save(&tokenizer)
        .unwrap();
    for name in ["vocab.json", "merges.txt", "special_tokens_map.json"] {
        fs::remove_file(tokenizer.join(name)).unwrap();
    }
    assert!(tokenizer.join("tokenizer.json").is_file());
    says_the_same(folder.path(), "tokenizer.json alone");
}

#[test]
fn configurations_of_old_and_new_versions_open() {
    let folder = copied();
    // As diffusers 0.2 and transformers 4.19 wrote them.
    edit(folder.path(), "vae/config.json", |config| {
        let config = config.as_object_mut().unwrap();
        for key in ["scaling_factor", "force_upcast", "_name_or_path"] {
            config.remove(key);
        }
        config.insert("_diffusers_version".into(), json!("0.2.2"));
    });
    edit(folder.path(), "unet/config.json", |config| {
        let config = config.as_object_mut().unwrap();
        let known: Vec<String> = config.keys().cloned().collect();
        let old = [
            "_class_name",
            "act_fn",
            "attention_head_dim",
            "block_out_channels",
            "center_input_sample",
            "cross_attention_dim",
            "down_block_types",
            "downsample_padding",
            "flip_sin_to_cos",
            "freq_shift",
            "in_channels",
            "layers_per_block",
            "mid_block_scale_factor",
            "norm_eps",
            "norm_num_groups",
            "out_channels",
            "sample_size",
            "up_block_types",
        ];
        for key in known.iter().filter(|key| !old.contains(&key.as_str())) {
            config.remove(key);
        }
        config.insert("_diffusers_version".into(), json!("0.2.2"));
    });
    edit(folder.path(), "text_encoder/config.json", |config| {
        config["transformers_version"] = json!("4.19.2");
        config["model_type"] = json!("clip_text_model");
        config["torch_dtype"] = json!("float32");
    });
    says_the_same(folder.path(), "old configurations");

    // And with what newer ones say besides.
    let folder = copied();
    edit(folder.path(), "vae/config.json", |config| {
        for (key, value) in [
            ("latents_mean", Value::Null),
            ("latents_std", Value::Null),
            ("shift_factor", Value::Null),
            ("use_quant_conv", json!(true)),
            ("use_post_quant_conv", json!(true)),
            ("mid_block_add_attention", json!(true)),
            ("_diffusers_version", json!("0.36.0")),
        ] {
            config[key] = value;
        }
    });
    edit(folder.path(), "unet/config.json", |config| {
        for (key, value) in [
            ("addition_embed_type", Value::Null),
            ("attention_type", json!("default")),
            ("dropout", json!(0.0)),
            ("num_attention_heads", Value::Null),
            ("reverse_transformer_layers_per_block", Value::Null),
            ("cross_attention_norm", Value::Null),
            ("_diffusers_version", json!("0.36.0")),
            ("something_new", json!({"of": [1, 2]})),
        ] {
            config[key] = value;
        }
    });
    edit(folder.path(), "text_encoder/config.json", |config| {
        let config = config.as_object_mut().unwrap();
        config.remove("torch_dtype");
        config.insert("dtype".into(), json!("float16"));
        config.insert("transformers_version".into(), json!("5.1.0"));
    });
    says_the_same(folder.path(), "new configurations");
}
