//! Files that are damaged, absurd, or of another kind than they say.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use safetensors::Dtype;
use velatura::model::weights::{self as store, SafetensorsFile, WeightSource as _, names};
use velatura::model::{ModelError, ModelFolder, WeightDtype};
use velatura::nn;

use super::{Stored, UNET, copied, read, unet_error, write};

#[test]
fn configurations_are_read_as_python_reads_them() {
    let data = Path::new("tests/data/model-json");
    for name in ["unet-with-bom.json", "unet-upcast_attention-null.json"] {
        let scratch = tempfile::tempdir().unwrap();
        fs::create_dir(scratch.path().join("unet")).unwrap();
        fs::copy(data.join(name), scratch.path().join("unet/config.json")).unwrap();
        let model = ModelFolder::open(scratch.path()).unwrap();
        let config = model.unet_config().unwrap();
        assert_eq!(config.block_out_channels, [64, 128, 128], "{name}");
        assert!(!config.upcast_attention);
    }
    // A null for every key that has a default, in every configuration.
    let (_scratch, folder) = copied("sd1-tiny");
    let plain = ModelFolder::open(&folder).unwrap();
    for (part, keys) in [
        (
            "unet",
            ["flip_sin_to_cos", "conv_in_kernel", "upcast_attention"],
        ),
        (
            "vae",
            ["use_quant_conv", "mid_block_add_attention", "sample_size"],
        ),
        (
            "text_encoder",
            ["hidden_act", "layer_norm_eps", "model_type"],
        ),
    ] {
        let path = folder.join(part).join("config.json");
        let mut config: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for key in keys {
            config[key] = serde_json::Value::Null;
        }
        // As editors on Windows write it.
        fs::write(&path, format!("\u{feff}{config}")).unwrap();
    }
    fs::write(
        folder.join("studio.json"),
        "\u{feff}{\"name\": null, \"resolution_px\": 64}",
    )
    .unwrap();
    let nulls = ModelFolder::open(&folder).unwrap();
    assert_eq!(nulls.manifest().resolution_px, 64);
    nulls.load_unet(&Device::flex()).unwrap();
    nulls.load_text_encoder(&Device::flex()).unwrap();
    assert_eq!(
        nulls.unet_config().unwrap().conv_in_kernel,
        plain.unet_config().unwrap().conv_in_kernel
    );
}

#[test]
fn absurd_configurations_are_refused_in_a_sentence() {
    let (_scratch, folder) = copied("sd1-tiny");
    let path = folder.join("unet/config.json");
    let plain = fs::read_to_string(&path).unwrap();
    fs::copy("tests/data/model-json/panic-unet_config.json", &path).unwrap();
    let error = ModelFolder::open(&folder).unwrap_err().to_string();
    assert!(error.contains("layers_per_block"), "{error}");

    // Within all bounds, but more than the file holds: nothing is allocated for it.
    let mut config: serde_json::Value = serde_json::from_str(&plain).unwrap();
    config["cross_attention_dim"] = 16.into();
    let wide: Vec<u64> = config["block_out_channels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|channels| channels.as_u64().unwrap() * 1024)
        .collect();
    config["block_out_channels"] = wide.into();
    fs::write(&path, config.to_string()).unwrap();
    let error = unet_error(&folder).to_string();
    assert!(error.contains("of another shape"), "{error}");
}

#[test]
fn the_studios_numbers_have_their_ranges() {
    let (_scratch, folder) = copied("sd1-tiny");
    for (studio, key) in [
        (r#"{"resolution_px": 0}"#, "resolution_px"),
        (r#"{"resolution_px": 4294967295}"#, "resolution_px"),
        (r#"{"default_steps": 0}"#, "default_steps"),
        (
            r#"{"default_guidance_scale": -Infinity}"#,
            "default_guidance_scale",
        ),
        (
            r#"{"default_guidance_start": 1.5}"#,
            "default_guidance_start",
        ),
        (r#"{"unet_input": ["latent", "latent"]}"#, "unet_input"),
        (r#"{"unet_input": []}"#, "unet_input"),
        (r#"{"unet_input": ["latent", "mask"]}"#, "in_channels"),
    ] {
        fs::write(folder.join("studio.json"), studio).unwrap();
        let error = ModelFolder::open(&folder).unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
}

#[test]
fn pointers_of_git_lfs_are_explained() {
    let (_scratch, folder) = copied("sd1-tiny");
    let pointer = "tests/data/model-json/git-lfs-pointer.safetensors";
    fs::copy(pointer, folder.join(UNET)).unwrap();
    let error = unet_error(&folder).to_string();
    assert!(error.contains("git lfs pull"), "{error}");
    fs::copy(pointer, folder.join("tokenizer/vocab.json")).unwrap();
    let error = ModelFolder::open(&folder).unwrap().tokenizer().unwrap_err();
    assert!(matches!(error, ModelError::LfsPointer(_)), "{error}");
}

/// Weights were once mapped into memory, and a file that became shorter ended
/// the program.
#[test]
fn a_file_that_becomes_shorter_is_an_error() {
    let (_scratch, folder) = copied("sd1-tiny");
    let path = folder.join(UNET);
    let file = SafetensorsFile::open(&path).unwrap();
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(64)
        .unwrap();
    for (name, is_transposed) in [
        ("conv_in.weight", false),
        ("time_embedding.linear_1.weight", true),
    ] {
        for dtype in [WeightDtype::F32, WeightDtype::F16] {
            let mut shape = file.shape(name).unwrap().to_vec();
            if is_transposed {
                shape.reverse();
            }
            let error = file.read(name, &shape, is_transposed, dtype).unwrap_err();
            assert!(matches!(error, ModelError::Io { .. }), "{error}");
        }
    }
}

#[test]
fn tokenizers_must_fit_the_text_encoder() {
    let (_scratch, folder) = copied("sd1-tiny");
    let path = folder.join("text_encoder/config.json");
    let config = fs::read_to_string(&path).unwrap();
    fs::write(&path, config.replace("634", "600")).unwrap();
    let error = ModelFolder::open(&folder)
        .unwrap()
        .tokenizer()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("634 tokens") && error.contains("600"),
        "{error}"
    );
    fs::write(&path, config.replace("77", "20")).unwrap();
    let short = ModelFolder::open(&folder).unwrap().tokenizer().unwrap();
    assert_eq!(short.encode("a red house").len(), 20);
}

#[test]
fn wrong_weights_are_named_in_one_sentence() {
    let (_scratch, folder) = copied("sd1-tiny");
    let path = folder.join(UNET);
    let good = read(&path);
    let broken = |change: fn(&mut Stored)| {
        let mut tensors = good.clone();
        change(&mut tensors);
        write(&path, &tensors);
        let error = unet_error(&folder).to_string();
        assert!(
            error.contains("diffusion_pytorch_model.safetensors"),
            "{error}"
        );
        assert!(!error.contains('\n'), "{error}");
        error
    };
    let error = broken(|tensors| drop(tensors.remove("conv_out.bias")));
    assert!(error.contains("missing are conv_out.bias"), "{error}");
    let error = broken(|tensors| {
        let entry = tensors["conv_out.bias"].clone();
        tensors.insert("mid_block.stranger.weight".into(), entry);
    });
    assert!(
        error.contains("not expected are mid_block.stranger.weight"),
        "{error}"
    );
    let error = broken(|tensors| {
        tensors
            .get_mut("time_embedding.linear_1.weight")
            .unwrap()
            .1
            .reverse();
    });
    assert!(
        error.contains("time_embedding.linear_1.weight ([8, 32] instead of [32, 8])"),
        "{error}"
    );
    let error = broken(|tensors| {
        tensors.get_mut("conv_out.bias").unwrap().0 = Dtype::I16;
    });
    assert!(
        error.contains("conv_out.bias") && error.contains("I16"),
        "{error}"
    );
}

#[test]
fn damaged_and_foreign_files_are_explained() {
    let (_scratch, folder) = copied("sd1-tiny");
    let path = folder.join(UNET);
    let good = fs::read(&path).unwrap();
    for length in [0, 4, 8, 100, good.len() / 2, good.len() - 1] {
        fs::write(&path, &good[..length]).unwrap();
        let error = unet_error(&folder);
        assert!(
            matches!(error, ModelError::Damaged { .. }),
            "{length} bytes"
        );
        let text = error.to_string();
        assert!(text.ends_with("download or copy it again"), "{text}");
    }
    fs::write(&path, b"PK\x03\x04 this is a zip file and nothing else").unwrap();
    assert!(matches!(unet_error(&folder), ModelError::Checkpoint { .. }));
    fs::write(&path, [&u64::MAX.to_le_bytes()[..], &good[8..]].concat()).unwrap();
    assert!(matches!(unet_error(&folder), ModelError::Damaged { .. }));

    fs::rename(&path, folder.join("unet/diffusion_pytorch_model.bin")).unwrap();
    let error = unet_error(&folder);
    assert!(matches!(error, ModelError::Damaged { .. }), "{error}");
    fs::remove_file(folder.join("unet/diffusion_pytorch_model.bin")).unwrap();
    assert!(matches!(
        unet_error(&folder),
        ModelError::MissingWeights { .. }
    ));

    let open = |folder: &Path| ModelFolder::open(folder).unwrap_err();
    fs::write(
        folder.join("unet/config.json"),
        r#"{"addition_embed_type": "image"}"#,
    )
    .unwrap();
    assert!(open(&folder).to_string().contains("addition_embed_type"));
    fs::write(folder.join("unet/config.json"), "{").unwrap();
    assert!(matches!(open(&folder), ModelError::Json { .. }));
    fs::write(
        folder.join("unet/config.json"),
        r#"{"in_channels": 5, "cross_attention_dim": 16}"#,
    )
    .unwrap();
    assert!(open(&folder).to_string().contains("in_channels"));
    assert!(matches!(
        open(&folder.join("tokenizer")),
        ModelError::NotAModel(_)
    ));
    // What lacks a file is told from what is not there at all.
    let gone = open(Path::new("/no/such/folder"));
    assert!(matches!(gone, ModelError::Io { .. }), "{gone}");
    assert!(gone.to_string().contains("there is no such file"), "{gone}");

    fs::remove_dir_all(folder.join("unet")).unwrap();
    let rest = ModelFolder::open(&folder).unwrap();
    assert!(matches!(
        rest.load_unet(&Device::flex()),
        Err(ModelError::MissingPart { .. })
    ));
    rest.load_autoencoder(&Device::flex()).unwrap();
}

#[test]
fn weights_that_f16_cannot_hold_are_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("w.safetensors");
    let mut layer = nn::LinearConfig::new(1, 1).init(&Device::flex());
    layer.weight = layer.weight.map(|weight| weight * 0.0 + 1e6);
    let error = store::save(&layer, &path, &names::DIFFUSERS, WeightDtype::F16)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("weight") && error.contains("bf16"),
        "{error}"
    );
    assert!(!path.exists());
    store::save(&layer, &path, &names::DIFFUSERS, WeightDtype::Bf16).unwrap();
}

/// What is read of a JSON text takes many times its memory.
#[test]
fn texts_that_say_far_too_much_are_refused() {
    let (_scratch, folder) = copied("sd1-tiny");
    let config = folder.join("unet/config.json");
    let plain = fs::read_to_string(&config).unwrap();
    let zeros = vec!["0"; 1_200_000].join(",");
    let end = plain.trim_end().len() - 1;
    fs::write(&config, format!("{},\"more\":[{zeros}]}}", &plain[..end])).unwrap();
    let error = ModelFolder::open(&folder).unwrap_err().to_string();
    assert!(error.contains("far more"), "{error}");
}

#[test]
fn headers_longer_than_any_are_not_read() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("long.safetensors");
    let length: u64 = 80 << 20;
    fs::write(&path, length.to_le_bytes()).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(length + 8).unwrap();
    let error = SafetensorsFile::open(&path).unwrap_err().to_string();
    assert!(error.contains("header would be"), "{error}");
}
