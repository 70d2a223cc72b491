//! Folders of models that other programs are told of.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

use std::fs;
use std::path::Path;

use velatura::engine::library::{Catalog, Places, Program, look_into};

fn write(root: &Path, name: &str) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "{}").unwrap();
}

fn listed(place: &Path) -> Vec<String> {
    let places = Places {
        added: vec![place.to_path_buf()],
        ..Places::default()
    };
    let mut names = Vec::new();
    Catalog::default().scan(&places, &|| true, &mut |listing| {
        let models = listing.models.iter();
        names = models.map(|it| it.name()).collect();
    });
    names.sort();
    names
}

/// The two examples of ComfyUI's own `extra_model_paths.yaml.example`.
#[test]
fn a_comfyui_knows_folders_elsewhere() {
    let root = tempfile::tempdir().unwrap();
    let comfy = root.path().join("ComfyUI");
    write(&comfy, "models/checkpoints/own.safetensors");
    write(&comfy, "models/loras/ink.safetensors");
    let webui = root.path().join("webui");
    for name in [
        "models/Stable-diffusion/meadow.safetensors",
        "models/Lora/oil.safetensors",
        "models/LyCORIS/chalk.safetensors",
        "embeddings/glow.pt",
        "models/configs/v1.safetensors",
    ] {
        write(&webui, name);
    }
    write(root.path(), "far/vae/soft.safetensors");
    let far = root.path().join("far/vae").display().to_string();
    let yaml = format!(
        "# Rename this to extra_model_paths.yaml\n\
         a111:\n    base_path: {}\n    checkpoints: models/Stable-diffusion\n    \
         configs: models/configs\n    loras: |\n         models/Lora\n         \
         models/LyCORIS\n    embeddings: embeddings\n\n\
         other:\n    is_default: true\n    vae: {far}\n    checkpoints: nowhere\n",
        webui.display()
    );
    fs::write(comfy.join("extra_model_paths.yaml"), &yaml).unwrap();
    for place in [&comfy, &root.path().to_path_buf()] {
        assert_eq!(look_into(place).program, Some(Program::ComfyUi));
    }
    let all = ["chalk", "glow", "ink", "meadow", "oil", "own", "soft"];
    assert_eq!(listed(&comfy), all);
    // Paths that are not whole begin where the file lies.
    fs::write(
        comfy.join("extra_model_paths.yaml"),
        "far:\n  base_path: ../far\n  vae: vae\n",
    )
    .unwrap();
    assert_eq!(listed(&comfy), ["ink", "own", "soft"]);
    // One that holds no models itself.
    fs::remove_dir_all(comfy.join("models")).unwrap();
    assert_eq!(look_into(&comfy).program, Some(Program::ComfyUi));
    assert_eq!(listed(&comfy), ["soft"]);
    // What cannot be read names nothing.
    for broken in [
        "a: [",
        "just words",
        "a: {b: !!python/object:os.system x}",
        "",
    ] {
        fs::write(comfy.join("extra_model_paths.yaml"), broken).unwrap();
        assert_eq!(look_into(&comfy).program, None, "{broken}");
    }
}
