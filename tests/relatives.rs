//! Files and folders that go with a model in ways that are not known here: each is refused by
//! name, with what would open.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, TensorView};
use velatura::model::inspect::inspect;
use velatura::model::tiny::KINDS;
use velatura::model::{ControlNetFile, Conversion, ModelFolder};

fn write(folder: &Path, names: &[&str]) -> PathBuf {
    let path = folder.join("some.safetensors");
    let bytes = [0_u8; 8];
    let view = TensorView::new(Dtype::F32, vec![2], &bytes).unwrap();
    let tensors = names.iter().map(|name| (*name, &view));
    safetensors::serialize_to_file(tensors, None, &path).unwrap();
    path
}

#[test]
fn relatives_of_controlnets_are_named_wherever_they_are_given() {
    let scratch = tempfile::tempdir().unwrap();
    for (names, kind) in [
        // Of Stability's control-lora-canny-rank128.safetensors.
        (
            vec![
                "lora_controlnet",
                "input_blocks.0.0.bias",
                "label_emb.0.0.down",
            ],
            "Control-LoRA",
        ),
        // The paper's and diffusers' names.
        (
            vec!["body.0.block1.weight", "conv_in.weight"],
            "T2I-Adapter",
        ),
        (
            vec![
                "adapter.body.0.resnets.0.block1.weight",
                "adapter.conv_in.weight",
            ],
            "T2I-Adapter",
        ),
        (
            vec!["image_proj.proj.weight", "ip_adapter.1.to_k_ip.weight"],
            "IP-Adapter",
        ),
        // Of IP-Adapter-FaceID, whose adapter has a LoRA in it.
        (
            vec![
                "image_proj.proj.weight",
                "ip_adapter.0.to_q_lora.down.weight",
            ],
            "IP-Adapter",
        ),
        (
            vec!["controlnet_cond_embedding.conv_in.weight", "task_embedding"],
            "union of ControlNets",
        ),
        // The paper's names of what is added to the weights of a model.
        (
            vec!["control_model.input_blocks.0.0.weight", "difference"],
            "differs",
        ),
        (
            vec!["controlnet_blocks.0.weight", "pos_embed.proj.weight"],
            "diffusion transformer",
        ),
    ] {
        let path = write(scratch.path(), &names);
        let as_model = ModelFolder::open(&path).unwrap_err().to_string();
        let inspected = inspect(&path, None).unwrap_err().to_string();
        let as_control = ControlNetFile::open(&path).unwrap_err().to_string();
        for sentence in [as_model, inspected, as_control] {
            assert!(sentence.contains(kind), "{sentence}");
            assert!(
                sentence.contains("ControlNet") || sentence.contains("as a guide"),
                "{sentence}"
            );
        }
    }
}

#[test]
fn folders_of_diffusers_that_go_with_a_model_say_what_they_are() {
    let canny = Path::new("tests/data/reference/control/control_canny");
    let opened = ModelFolder::open(canny).unwrap_err().to_string();
    for sentence in [inspect(canny, None).unwrap_err().to_string(), opened] {
        assert!(
            sentence.contains("a ControlNet, which steers a model")
                && sentence.contains("--control"),
            "{sentence}"
        );
    }
    let scratch = tempfile::tempdir().unwrap();
    let config = scratch.path().join("config.json");
    for (class, kind) in [
        ("T2IAdapter", "T2I-Adapter"),
        ("ControlNetUnionModel", "union of ControlNets"),
    ] {
        std::fs::write(&config, format!("{{\"_class_name\": \"{class}\"}}")).unwrap();
        let sentence = inspect(scratch.path(), None).unwrap_err().to_string();
        assert!(sentence.contains(kind), "{sentence}");
    }
}

/// It is for checkpoints in one file: a folder says itself what it is.
#[test]
fn a_yaml_file_for_a_folder_is_refused() {
    let folder = Path::new("tests/data/reference/sd1-tiny");
    let yaml = Path::new("some.yaml");
    let opened = ModelFolder::open_with(folder, Some(yaml)).unwrap_err();
    let inspected = inspect(folder, Some(yaml)).unwrap_err();
    for sentence in [opened.to_string(), inspected.to_string()] {
        assert!(sentence.contains("leave out --config"), "{sentence}");
    }
}

#[test]
fn models_are_written_where_they_are_read_as_they_were() {
    let scratch = tempfile::tempdir().unwrap();
    let tiny = |id: &str| {
        let kind = KINDS.iter().find(|kind| kind.id == id).unwrap();
        kind.write(&scratch.path().join(id)).unwrap()
    };
    let run = |source: &Path, target: &str| {
        let target = scratch.path().join(target);
        let written = Conversion::default().run(source, &target, &mut |_, _| true);
        written.map(|()| target).map_err(|error| error.to_string())
    };
    let source = tiny("stable-diffusion-1");
    for name in ["a.ckpt", "a.pt", "a.bin", "a.PTH"] {
        let sentence = run(&source, name).unwrap_err();
        assert!(sentence.contains(".safetensors"), "{sentence}");
    }
    // The classes of another model lie there.
    let class = tiny("latent-diffusion-class-to-image");
    std::fs::remove_file(class.with_file_name("classes.txt")).ok();
    let other = scratch.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("classes.txt"), "one\ntwo\n").unwrap();
    let sentence = run(&class, "other/copy.safetensors").unwrap_err();
    assert!(sentence.contains("belongs to another model"), "{sentence}");
    assert!(!other.join("copy.safetensors").exists());
    run(&source, "other/sd.safetensors").unwrap();
    run(&class, "third/copy.safetensors").unwrap();
}
