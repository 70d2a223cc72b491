//! LoRA, words and other first stages in jobs: which files they are, what the engine keeps,
//! and what recipes tell of them.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

#[path = "support/real_engine.rs"]
mod real_engine;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::GrayImage;
use real_engine::{end, engine};
use velatura::engine::EngineHandle;
use velatura::engine::protocol::PaintedImage;
use velatura::model::tiny::KINDS;
use velatura::recipe::prompt::PromptSyntax;
use velatura::recipe::{
    FoundRecipe, GenerateSpec, LayoutBox, LayoutInput, LoraSpec, ModelSource, NamedFile,
    PaintedRecipe, Palette, PaletteClass, SemanticInput, read_infotext, write_infotext,
};

/// What a job came to: its picture or a sentence, and warnings.
type Came = (Result<PaintedImage, String>, Vec<String>);

fn came(engine: &mut EngineHandle, spec: GenerateSpec) -> Came {
    let job = engine.generate(spec);
    let mut told = end(engine, job);
    let warnings = std::mem::take(&mut told.warnings);
    let painted = told.images.pop();
    if told.ended.is_ok() {
        return (Ok(painted.unwrap()), warnings);
    }
    assert!(painted.is_none(), "something was painted");
    (Err(told.complaint()), warnings)
}

fn paint(engine: &mut EngineHandle, spec: GenerateSpec) -> PaintedImage {
    came(engine, spec).0.unwrap()
}

fn latents(painted: &PaintedImage) -> Vec<f32> {
    painted.latents.as_ref().unwrap().values.clone()
}

/// The tiny model in a folder of models, with a LoRA and words beside it.
struct Models(tempfile::TempDir);

impl Models {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let from = Path::new("tests/data/reference/sd1-tiny");
        for entry in walkdir::WalkDir::new(from) {
            let entry = entry.unwrap();
            let to = scratch
                .path()
                .join("tiny")
                .join(entry.path().strip_prefix(from).unwrap());
            if entry.file_type().is_dir() {
                std::fs::create_dir_all(to).unwrap();
            } else {
                std::fs::copy(entry.path(), to).unwrap();
            }
        }
        let models = Self(scratch);
        models.put("sd1-tiny-kohya.safetensors", "loras/ink.safetensors");
        models.put("glow.safetensors", "embeddings/glow.safetensors");
        models
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, from: &str, to: &str) {
        let to = self.at(to);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(Path::new("tests/data/reference/lora").join(from), to).unwrap();
    }

    fn spec(&self, prompt: &str) -> GenerateSpec {
        GenerateSpec {
            model: ModelSource::Folder(self.at("tiny")),
            prompt: prompt.to_owned(),
            steps: 2,
            seed: 7,
            width_px: 32,
            height_px: 32,
            ..GenerateSpec::default()
        }
    }
}

#[test]
fn weights_change_from_job_to_job_and_the_model_comes_back_bit_for_bit() {
    let models = Models::new();
    let mut engine = engine();
    let plain = paint(&mut engine, models.spec("a red house"));
    let named = paint(&mut engine, models.spec("a red house<lora:ink:0.8>"));
    assert_ne!(latents(&plain), latents(&named));
    assert_eq!(named.spec.prompt, "a red house<lora:ink:0.8>");
    // The same by its file, and in two halves, which are rounded otherwise.
    let listed = |weights: &[f32]| GenerateSpec {
        loras: weights
            .iter()
            .map(|weight| LoraSpec {
                file: NamedFile::at(models.at("loras/ink.safetensors")),
                weight: *weight,
                text_weight: None,
            })
            .collect(),
        ..models.spec("a red house")
    };
    assert_eq!(
        latents(&named),
        latents(&paint(&mut engine, listed(&[0.8])))
    );
    let halves = latents(&paint(&mut engine, listed(&[0.3, 0.5])));
    let whole = latents(&named);
    let difference = whole.iter().zip(&halves).map(|(a, b)| (a - b).abs());
    assert!(difference.fold(0.0, f32::max) < 1e-4);
    let other = paint(&mut engine, listed(&[-0.8]));
    assert_ne!(latents(&named), latents(&other));
    assert_eq!(
        latents(&named),
        latents(&paint(&mut engine, listed(&[0.8])))
    );
    for none in [listed(&[]), listed(&[0.0]), models.spec("a red house")] {
        assert_eq!(latents(&plain), latents(&paint(&mut engine, none)));
    }
    // A file that was exchanged is read anew.
    models.put("locon.safetensors", "loras/ink.safetensors");
    assert_ne!(
        latents(&named),
        latents(&paint(&mut engine, listed(&[0.8])))
    );
    engine.close();
}

#[test]
fn what_does_not_fit_or_is_not_there_paints_nothing() {
    let models = Models::new();
    models.put("sd2-tiny-kohya.safetensors", "loras/wide.safetensors");
    let mut engine = engine();
    let mut refusal = |prompt: &str| came(&mut engine, models.spec(prompt)).0.unwrap_err();
    let sentence = refusal("a house <lora:wide:0.5>");
    assert!(
        sentence.contains("wide.safetensors") && sentence.contains("lora_"),
        "{sentence}"
    );
    let sentence = refusal("a house <lora:oil:1>");
    assert!(
        sentence.contains("oil") && sentence.contains("loras"),
        "{sentence}"
    );
    let sentence = refusal("a house <lora:ink:much>");
    assert!(sentence.contains("<lora:ink:much>"), "{sentence}");
    let vae = GenerateSpec {
        vae: Some(NamedFile::at(models.at("loras/ink.safetensors"))),
        ..models.spec("a house")
    };
    let sentence = came(&mut engine, vae).0.unwrap_err();
    assert!(sentence.contains("ink.safetensors"), "{sentence}");
    // Words of another width are told of; the prompt is painted without them.
    models.put("locon.safetensors", "embeddings/glow.safetensors");
    let (painted, told) = came(&mut engine, models.spec("a glow"));
    assert!(
        painted.is_ok() && told.iter().any(|it| it.contains("glow")),
        "{told:?}"
    );
    // Those that are named are wanted.
    let named = GenerateSpec {
        embeddings: vec![NamedFile::at(models.at("embeddings/glow.safetensors"))],
        ..models.spec("a glow")
    };
    let sentence = came(&mut engine, named).0.unwrap_err();
    assert!(sentence.contains("glow.safetensors"), "{sentence}");
    // Another first stage, which makes other latents.
    let vae = GenerateSpec {
        vae: Some(NamedFile::at("tests/data/reference/first-stages/kl-f2")),
        ..models.spec("a house")
    };
    let sentence = came(&mut engine, vae).0.unwrap_err();
    assert!(
        sentence.contains("pixels a side") && !sentence.contains("latent_channels"),
        "{sentence}"
    );
    engine.close();
}

#[test]
fn words_beside_the_model_and_another_first_stage_are_used() {
    let models = Models::new();
    let mut engine = engine();
    let glow = paint(&mut engine, models.spec("a Glow on a hill"));
    let given = GenerateSpec {
        embeddings: vec![NamedFile::at("tests/data/reference/lora/gleam.pt")],
        ..models.spec("a gleam on a hill")
    };
    assert_eq!(latents(&glow), latents(&paint(&mut engine, given)));
    std::fs::remove_file(models.at("embeddings/glow.safetensors")).unwrap();
    let without = paint(&mut engine, models.spec("a Glow on a hill"));
    assert_ne!(latents(&glow), latents(&without));
    let vae = |name: Option<&str>| GenerateSpec {
        vae: name.map(|name| NamedFile::at(Path::new("tests/data/reference/lora").join(name))),
        ..models.spec("a Glow on a hill")
    };
    let other = paint(&mut engine, vae(Some("vae.safetensors")));
    assert_eq!(latents(&without), latents(&other));
    assert_ne!(without.image, other.image);
    let again = paint(&mut engine, vae(None));
    assert_eq!(without.image, again.image);
    engine.close();
}

#[test]
fn recipes_tell_names_and_digests_and_no_places() {
    let models = Models::new();
    let mut engine = engine();
    let spec = GenerateSpec {
        loras: vec![LoraSpec {
            weight: 0.5,
            ..LoraSpec::read(&models.at("loras/ink.safetensors").to_string_lossy())
        }],
        vae: Some(NamedFile::at("tests/data/reference/lora/vae.safetensors")),
        ..models.spec("a red house")
    };
    let painted = paint(&mut engine, spec);
    let recipe = PaintedRecipe::new(*painted.spec.clone(), "tiny", "0123456789");
    // A1111 names a LoRA by the digest of what is behind its header.
    let bytes = std::fs::read(models.at("loras/ink.safetensors")).unwrap();
    let header = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(&bytes[8 + header..]);
    let digest: String = digest
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .take(6)
        .collect();
    let infotext = write_infotext(&recipe);
    assert!(
        infotext.starts_with("a red house <lora:ink:0.5>\n"),
        "{infotext}"
    );
    assert!(
        infotext.contains(&format!("Lora hashes: \"ink: {digest}\"")),
        "{infotext}"
    );
    assert!(infotext.contains("VAE: vae"), "{infotext}");
    let json = recipe.to_json().unwrap();
    assert!(
        !json.contains("loras/ink") && !json.contains("/vae"),
        "{json}"
    );

    // Restored, it is found by its name, whichever form was read.
    for found in [FoundRecipe::from_json(&json), read_infotext(&infotext)] {
        let found = found.unwrap();
        let mut restored = GenerateSpec {
            steps: 2,
            width_px: 32,
            height_px: 32,
            ..models.spec("")
        };
        found.restore_into(&mut restored);
        restored.vae = None;
        restored.model = ModelSource::Folder(models.at("tiny"));
        assert!(!restored.lora_hashes.is_empty());
        let (again, told) = came(&mut engine, restored.clone());
        assert_eq!(latents(&again.unwrap()), latents(&painted));
        assert_eq!(told, [] as [&str; 0]);
        // Another file of that name is told.
        models.put("locon.safetensors", "loras/ink.safetensors");
        // Nobody wants to hear it at each picture.
        for count in [1, 0] {
            let (_, told) = came(&mut engine, restored.clone());
            let others = told.iter().filter(|it| it.contains(&digest));
            assert_eq!(others.count(), count, "{told:?}");
        }
        models.put("sd1-tiny-kohya.safetensors", "loras/ink.safetensors");
    }
    engine.close();
}

/// Whole files, as A1111 has it: twelve digits of words, ten of a first stage.
fn digits_of(path: &Path, count: usize) -> String {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(std::fs::read(path).unwrap());
    let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    digits[..count].to_owned()
}

#[test]
fn recipes_tell_words_and_first_stages_and_what_is_missing_or_another() {
    let models = Models::new();
    models.put("vae.safetensors", "vae/soft.safetensors");
    let mut engine = engine();
    let spec = GenerateSpec {
        vae: Some(NamedFile::named("soft")),
        ..models.spec("a glow")
    };
    let painted = paint(&mut engine, spec);
    let infotext = write_infotext(&PaintedRecipe::new(*painted.spec.clone(), "m", "01"));
    let word = digits_of(&models.at("embeddings/glow.safetensors"), 12);
    let vae = digits_of(&models.at("vae/soft.safetensors"), 10);
    for part in [
        format!("TI hashes: \"glow: {word}\""),
        format!("VAE hash: {vae}, VAE: soft,"),
    ] {
        assert!(infotext.contains(&part), "{infotext}");
    }
    let mut restored = models.spec("");
    read_infotext(&infotext)
        .unwrap()
        .restore_into(&mut restored);
    restored.model = ModelSource::Folder(models.at("tiny"));
    let (again, told) = came(&mut engine, restored.clone());
    assert_eq!(latents(&again.unwrap()), latents(&painted));
    assert_eq!(told, [] as [&str; 0]);
    // Others of these names are told.
    let others = GenerateSpec {
        word_hashes: [("glow".to_owned(), "0000".to_owned())].into(),
        vae_hash: Some("1111".to_owned()),
        ..restored.clone()
    };
    let (_, told) = came(&mut engine, others);
    for part in ["another one", "0000", "1111"] {
        assert!(told.iter().any(|it| it.contains(part)), "{told:?}");
    }
    // Where the file is gone the picture is painted all the same.
    std::fs::remove_file(models.at("embeddings/glow.safetensors")).unwrap();
    let (again, told) = came(&mut engine, restored.clone());
    assert!(again.is_ok());
    assert!(
        told.iter()
            .any(|it| it.contains("glow") && it.contains("embeddings")),
        "{told:?}"
    );
    std::fs::remove_file(models.at("vae/soft.safetensors")).unwrap();
    let (again, told) = came(&mut engine, restored.clone());
    let again = again.unwrap();
    assert_ne!(again.image, painted.image);
    assert_eq!((&again.spec.vae, &again.spec.vae_hash), (&None, &None));
    assert!(
        told.iter()
            .any(|it| it.contains("soft") && it.contains("the model's own")),
        "{told:?}"
    );
    // One that is asked for has to be there.
    for asked in [
        GenerateSpec {
            vae_hash: None,
            ..restored.clone()
        },
        GenerateSpec {
            vae: Some(NamedFile::at("soft")),
            ..restored
        },
    ] {
        let (refused, _) = came(&mut engine, asked);
        assert!(refused.unwrap_err().contains("soft"));
    }
    engine.close();
}

#[test]
fn words_are_found_in_boxes_and_names_of_classes() {
    let models = Models::new();
    let mut engine = engine();
    let plain = models.spec("a house");
    let size_px = [plain.width_px, plain.height_px];
    let boxed = GenerateSpec {
        layout: Some(LayoutInput(
            [LayoutBox {
                class: "a Glow".to_owned(),
                rect: [0.0, 0.0, size_px[0] as f32, size_px[1] as f32],
                colour: None,
            }]
            .into(),
        )),
        ..plain.clone()
    };
    let mapped = GenerateSpec {
        semantic: Some(SemanticInput {
            map: Arc::new(GrayImage::new(size_px[0], size_px[1])),
            palette: Palette {
                name: "One".to_owned(),
                classes: vec![PaletteClass {
                    index: 0,
                    name: "glow".to_owned(),
                    color: [1, 2, 3],
                }],
            },
        }),
        ..plain.clone()
    };
    assert!(paint(&mut engine, plain).spec.word_hashes.is_empty());
    for spec in [boxed, mapped] {
        let words = paint(&mut engine, spec).spec.word_hashes;
        assert_eq!(words.keys().collect::<Vec<_>>(), ["glow"]);
    }
    engine.close();
}

/// The steps look otherwise, and the picture is the same.
#[test]
fn steps_are_shown_by_a_tiny_decoder_beside_the_model() {
    let models = Models::new();
    let mut engine = engine();
    let spec = models.spec("a house");
    let plain = paint(&mut engine, spec.clone());
    let folder = models.at("vae_approx");
    std::fs::create_dir_all(&folder).unwrap();
    let file = "tests/data/reference/taesd/taesd_decoder.safetensors";
    std::fs::copy(file, folder.join("taesd_decoder.safetensors")).unwrap();
    let tiny = GenerateSpec {
        has_tiny_previews: true,
        ..spec
    };
    let shown = paint(&mut engine, tiny);
    assert_eq!(latents(&shown), latents(&plain));
    assert_eq!(shown.image, plain.image);
    engine.close();
}

/// Latents of XL are as large as those of Stable Diffusion 1, and mean other colours: each
/// has its own decoder.
#[test]
fn models_of_xl_have_a_tiny_decoder_of_their_own() {
    let models = tempfile::tempdir().unwrap();
    let mut kinds = KINDS.iter();
    let kind = kinds.find(|kind| kind.id == "stable-diffusion-xl");
    let xl = kind.unwrap().write(&models.path().join("xl")).unwrap();
    let folder = models.path().join("xl/vae_approx");
    std::fs::create_dir_all(&folder).unwrap();
    let mut engine = engine();
    let first_steps = |engine: &mut EngineHandle| {
        let job = engine.generate(GenerateSpec {
            model: ModelSource::Folder(xl.clone()),
            prompt: "a house".to_owned(),
            steps: 2,
            seed: 7,
            width_px: 64,
            height_px: 64,
            has_tiny_previews: true,
            ..GenerateSpec::default()
        });
        let images = end(engine, job).images;
        let mut frames = engine.drain_frames();
        (latents(&images[0]), frames.remove(0).image)
    };
    let plain = first_steps(&mut engine);
    let put = |name: &str| {
        let file = "tests/data/reference/taesd/taesd_decoder.safetensors";
        std::fs::copy(file, folder.join(name)).unwrap();
    };
    put("taesd_decoder.safetensors");
    assert!(first_steps(&mut engine) == plain);
    put("taesdxl_decoder.safetensors");
    let shown = first_steps(&mut engine);
    assert!(shown.0 == plain.0);
    assert!(shown.1 != plain.1);
    engine.close();
}

/// Every picture has the LoRAs that its own words name, and its recipe says so.
#[test]
fn wildcards_choose_loras_for_each_picture() {
    let models = Models::new();
    models.put("locon.safetensors", "loras/oil.safetensors");
    let mut engine = engine();
    let spec = GenerateSpec {
        batch: 6,
        ..models.spec("a house {<lora:ink:0.9>|<lora:oil:0.9>|}")
    };
    let job = engine.generate(spec.clone());
    let pictures = end(&mut engine, job).images;
    assert_eq!(pictures.len(), 6);
    let mut seen = std::collections::BTreeSet::new();
    for picture in pictures {
        let own = *picture.spec.clone();
        let named: Vec<_> = own.lora_hashes.keys().cloned().collect();
        let told = own.all_loras().unwrap();
        let told: Vec<_> = told.iter().map(|lora| lora.file.name.clone()).collect();
        assert_eq!(named, told, "{}", own.prompt);
        seen.insert(told);
        let recipe = PaintedRecipe::new(own, "tiny", "0123456789");
        let found = FoundRecipe::from_json(&recipe.to_json().unwrap()).unwrap();
        let mut again = models.spec("");
        found.restore_into(&mut again);
        let (again, told) = came(&mut engine, again);
        assert_eq!(latents(&picture), latents(&again.unwrap()));
        assert_eq!(told, [] as [&str; 0]);
    }
    assert!(seen.len() > 1, "{seen:?}");
    engine.close();
}

/// Pictures that were painted before prompts named LoRAs are painted as they were.
#[test]
fn a_plain_prompt_names_no_loras() {
    let models = Models::new();
    let mut engine = engine();
    let plain = |prompt: &str| GenerateSpec {
        prompt_syntax: PromptSyntax::Plain,
        ..models.spec(prompt)
    };
    let named = paint(&mut engine, plain("a house <lora:ink:0.8>"));
    assert!(named.spec.lora_hashes.is_empty());
    assert_eq!(named.spec.prompt, "a house <lora:ink:0.8>");
    let escaped = paint(&mut engine, models.spec(r"a house <lora\:ink:0.8>"));
    assert_eq!(latents(&named), latents(&escaped));
    // Nor is anything wrong with them.
    paint(&mut engine, plain("a house <lora:oil:much>"));
    engine.close();
}
