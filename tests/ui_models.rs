//! One door for models: files that are dropped on the window, the list of models with
//! folders of other programs, loading that is seen and cancelled.

#[path = "support/drops.rs"]
mod drops;
#[path = "ui_models/first_stage.rs"]
mod first_stage;
#[path = "ui_models/opening.rs"]
mod opening;
#[path = "support/single.rs"]
mod single;
#[path = "support/studio.rs"]
mod studio;
#[path = "ui_models/writing.rs"]
mod writing;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use drops::drop_files;
use egui::accesskit::Role;
use egui::{Event, Key, Modifiers, PointerButton, Pos2};
use egui_kittest::kittest::Queryable as _;
use image::{Rgba, RgbaImage};
use single::write_single;
use studio::{Studio, number};
use tempfile::TempDir;
use velatura::app::library::LibraryCommand;
use velatura::app::{Command, Dialog, ModelState};
use velatura::engine::library::{ConversionWish, Listed, ModelCard, RenameWish};
use velatura::model::tiny;
use velatura::recipe::ModelSource;
use velatura::recipe::param::STEPS;

/// A safetensors file of some tensors, of which nobody reads the numbers.
fn write_tensors(path: &Path, names: &[&str]) {
    let tensors = names.iter().enumerate().map(|(at, name)| {
        let (begin, end) = (4 * at, 4 * (at + 1));
        format!(r#""{name}":{{"dtype":"F32","shape":[1,1],"data_offsets":[{begin},{end}]}}"#)
    });
    let header = format!("{{{}}}", tensors.collect::<Vec<_>>().join(","));
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + 4 * names.len(), 0);
    fs::write(path, bytes).expect("a file");
}

/// The folders of A1111 with a model, one that does not open, and a LoRA.
fn webui() -> TempDir {
    let root = tempfile::tempdir().expect("a folder");
    let models = root.path().join("models");
    let checkpoints = models.join("Stable-diffusion");
    for folder in [&checkpoints, &models.join("Lora")] {
        fs::create_dir_all(folder).expect("a folder");
    }
    write_single(&checkpoints.join("meadow.safetensors"));
    let picture = RgbaImage::from_pixel(64, 64, Rgba([250, 120, 10, 255]));
    picture
        .save(checkpoints.join("meadow.png"))
        .expect("a picture");
    fs::write(checkpoints.join("page.ckpt"), "<html>log in</html>").expect("a file");
    let lora = ["down", "up"].map(|half| format!("lora_unet_down_blocks_0.lora_{half}.weight"));
    write_tensors(
        &models.join("Lora/ink.safetensors"),
        &lora.each_ref().map(String::as_str),
    );
    root
}

fn notices(studio: &Studio) -> Vec<String> {
    let notices = studio.state().notices.iter();
    notices.map(|notice| notice.text.clone()).collect()
}

fn wait_for_notice(studio: &mut Studio, part: &str) {
    studio.wait(part, |state| {
        state
            .notices
            .iter()
            .any(|notice| notice.text.contains(part))
    });
}

/// Whether a list shows that as what is chosen.
fn shows(studio: &Studio, text: &str) -> bool {
    studio.harness.query_all_by_value(text).next().is_some()
}

fn drop_on(studio: &mut Studio, paths: &[&Path]) {
    drop_files(studio.harness.input_mut(), paths);
    studio.harness.step();
}

fn press(studio: &mut Studio, key: Key, modifiers: Modifiers) {
    studio.harness.key_press_modifiers(modifiers, key);
    studio.harness.run();
}

/// A studio whose list of models is open and knows a folder.
fn listing(root: &Path) -> Studio {
    let mut studio = Studio::start();
    press(&mut studio, Key::M, Modifiers::COMMAND);
    assert!(matches!(studio.state().dialog, Some(Dialog::Models)));
    studio.command(LibraryCommand::AddPlace(root.to_path_buf()).into());
    let inside = root.to_path_buf();
    studio.wait("the models", |state| {
        let listing = state.library.listing();
        let mut models = listing.models.iter();
        listing.unread == 0 && models.any(|it| it.found.path.starts_with(&inside))
    });
    studio
}

fn chosen(studio: &Studio) -> Option<PathBuf> {
    match &studio.state().form().spec.model {
        ModelSource::Folder(path) => Some(path.clone()),
        ModelSource::Storybook | ModelSource::Described { .. } => None,
    }
}

#[test]
fn models_of_another_program_are_searched_and_loaded_by_keys() {
    let root = webui();
    let mut studio = listing(root.path());
    assert!(studio.sees("A1111 or Forge, 3 files"));
    assert!(studio.sees("meadow") && studio.sees("Storybook"));
    // What is typed goes into the search.
    studio.harness.event(Event::Text("mead".to_owned()));
    studio.harness.run();
    assert!(studio.sees("1 shown"));
    press(&mut studio, Key::Enter, Modifiers::NONE);
    studio.wait("the model", |state| {
        state
            .model_summary()
            .is_some_and(|it| it.name == "meadow.safetensors")
    });
    assert!(studio.state().dialog.is_none());
    let model = root
        .path()
        .join("models/Stable-diffusion/meadow.safetensors");
    assert_eq!(chosen(&studio), Some(model));

    // The chosen one is marked, and the arrows lead away from it.
    press(&mut studio, Key::M, Modifiers::COMMAND);
    press(&mut studio, Key::ArrowRight, Modifiers::NONE);
    press(&mut studio, Key::Enter, Modifiers::NONE);
    studio.wait("the other model", |state| {
        let summary = state.model_summary();
        summary.is_some_and(|it| it.source == ModelSource::Storybook)
    });

    press(&mut studio, Key::M, Modifiers::COMMAND);
    studio
        .harness
        .event(Event::Text("no such words".to_owned()));
    studio.harness.run();
    assert!(studio.sees("No models like that"));
    studio.click("Show all");
    assert!(studio.sees("Storybook"));
    press(&mut studio, Key::Escape, Modifiers::NONE);
    assert!(studio.state().dialog.is_none());
}

#[test]
fn what_does_not_open_is_greyed_with_its_reason() {
    let root = webui();
    let mut studio = listing(root.path());
    studio.click("Others");
    assert!(studio.sees("page"));
    assert!(studio.sees("a web page"));
    press(&mut studio, Key::Enter, Modifiers::NONE);
    wait_for_notice(&mut studio, "a web page");
    assert!(matches!(studio.state().model, ModelState::Ready(_)));
    let tab = studio.harness.get_by_role_and_label(Role::Button, "LoRA");
    tab.click();
    studio.harness.run();
    assert!(studio.sees("ink"));
    studio.click("VAE");
    assert!(studio.sees("No autoencoders yet"));
}

#[test]
fn favourites_stand_first_and_a_double_click_loads() {
    let root = webui();
    let mut studio = listing(root.path());
    studio.click("Make meadow a favourite");
    let model = root
        .path()
        .join("models/Stable-diffusion/meadow.safetensors");
    let favourites = &studio.state().settings.favourite_models;
    assert_eq!(*favourites, [ModelSource::Folder(model.clone())]);
    studio.harness.get_by_label_contains("  Favourites").click();
    studio.harness.run();
    assert!(studio.sees("1 shown"));
    let card = studio.harness.get_by_role_and_label(Role::Button, "meadow");
    let card = card.rect().center();
    double_click(&mut studio, card);
    studio.wait("the model", |state| {
        state
            .model_summary()
            .is_some_and(|it| it.source == ModelSource::Folder(model.clone()))
    });
}

fn double_click(studio: &mut Studio, at: Pos2) {
    studio.harness.event(Event::PointerMoved(at));
    studio.harness.step();
    // In one frame: the harness lets more time pass between two than hands take.
    let events = [true, false, true, false].map(|pressed| Event::PointerButton {
        pos: at,
        button: PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    });
    studio.harness.input_mut().events.extend(events);
    studio.harness.step();
    studio.harness.run();
}

#[test]
fn folders_are_watched_while_the_list_is_open_and_never_written_to() {
    let root = webui();
    let names = || {
        let all = walkdir::WalkDir::new(root.path()).sort_by_file_name();
        let all = all.into_iter().map(|it| it.expect("an entry").into_path());
        all.collect::<Vec<PathBuf>>()
    };
    let before = names();
    let mut studio = listing(root.path());
    assert_eq!(names(), before);
    let checkpoints = root.path().join("models/Stable-diffusion");
    write_single(&checkpoints.join("valley.safetensors"));
    studio.wait_long("the new model", |state| {
        let mut models = state.library.listing().models.iter();
        models.any(|it| it.card.is_some() && it.found.path.ends_with("valley.safetensors"))
    });
    fs::remove_file(checkpoints.join("meadow.safetensors")).expect("removed");
    studio.wait_long("the model to go", |state| {
        let mut models = state.library.listing().models.iter();
        !models.any(|it| it.found.path.ends_with("meadow.safetensors"))
    });
    let name = root
        .path()
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    studio.click(&format!("Take {name} off the list"));
    studio.wait("an end", |state| {
        let mut models = state.library.listing().models.iter();
        !models.any(|it| it.found.path.starts_with(root.path()))
    });
    assert!(studio.state().settings.model_places.is_empty());
}

#[test]
fn pictures_beside_models_are_shown_once_they_are_read() {
    let root = webui();
    let mut studio = listing(root.path());
    studio.wait("the picture", |state| {
        let mut models = state.library.listing().models.iter();
        let file = models.find_map(|it| {
            it.picture
                .clone()
                .filter(|it| it.path.ends_with("meadow.png"))
        });
        file.is_some_and(|file| state.library.picture(&file).is_some())
    });
}

#[test]
fn what_is_loaded_stays_as_it_is_when_it_is_chosen_again() {
    let root = webui();
    let mut studio = listing(root.path());
    studio.set([number(&STEPS, 7)]);
    let form = studio.state().form().clone();
    // The loaded one is marked.
    press(&mut studio, Key::Enter, Modifiers::NONE);
    assert!(studio.state().dialog.is_none());
    assert!(matches!(studio.state().model, ModelState::Ready(_)));
    assert_eq!(*studio.state().form(), form);
}

/// A file in the list of models, by its name.
fn listed(studio: &Studio, name: &str) -> Arc<Listed> {
    let models = &studio.state().library.listing().models;
    let found = models.iter().find(|it| it.name() == name);
    Arc::clone(found.expect("a file of the name"))
}

fn card(studio: &Studio, name: &str) -> ModelCard {
    let card = listed(studio, name).card.clone();
    ModelCard::clone(&card.expect("its headers were read"))
}

#[test]
fn what_goes_with_models_is_used_where_it_can_be() {
    let root = webui();
    let models = root.path().join("models");
    for folder in ["models/VAE", "embeddings"] {
        fs::create_dir_all(root.path().join(folder)).expect("a folder");
    }
    let loha = "lora_unet_down_blocks_0.hada_w1_a";
    write_tensors(&models.join("Lora/weave.safetensors"), &[loha]);
    write_tensors(
        &root.path().join("embeddings/mossy.safetensors"),
        &["emb_params"],
    );
    write_tensors(&models.join("Lora/lonely.safetensors"), &["emb_params"]);
    let kind = tiny::KINDS.iter().find(|kind| kind.id == "autoencoder-kl");
    let made = tempfile::tempdir().expect("a folder");
    let vae = kind.expect("a kind").write(made.path()).expect("a VAE");
    for ending in ["ckpt", "yaml"] {
        let beside = models.join("VAE/soft").with_extension(ending);
        fs::copy(vae.with_extension(ending), beside).expect("a copy");
    }
    let mut studio = listing(root.path());
    let can_use = |studio: &Studio, name: &str| studio.state().can_use(&card(studio, name));
    assert!(can_use(&studio, "ink") && can_use(&studio, "soft"));
    assert!(!can_use(&studio, "weave"), "a LoHa is no LoRA");
    // Words are found beside the model that was chosen.
    assert!(!can_use(&studio, "mossy"));
    studio.command(LibraryCommand::Use(listed(&studio, "weave")).into());
    wait_for_notice(&mut studio, "LoHa");
    assert!(studio.state().form().listed_loras.is_empty());

    studio.command(LibraryCommand::Use(listed(&studio, "soft")).into());
    assert!(studio.sees("Chose the VAE"));
    let chosen = studio.state().form().spec.vae.clone().expect("a VAE");
    assert_eq!(chosen.path, Some(models.join("VAE/soft.ckpt")));

    studio.command(LibraryCommand::Use(listed(&studio, "meadow")).into());
    studio.wait("the model", |state| {
        let summary = state.model_summary();
        summary.is_some_and(|it| it.name == "meadow.safetensors")
    });
    press(&mut studio, Key::M, Modifiers::COMMAND);
    assert!(can_use(&studio, "mossy") && !can_use(&studio, "lonely"));
    studio.click("Embeddings");
    let words = studio.harness.get_by_role_and_label(Role::Button, "mossy");
    words.click();
    studio.harness.run();
    studio.click("Put into the prompt");
    assert!(studio.state().form().spec.prompt.ends_with("mossy"));
    assert!(studio.state().dialog.is_none());
}

/// Processor time of this thread so far, in milliseconds: others may use the machine.
fn used_ms() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let used_ns = text.split(' ').next().and_then(|first| first.parse().ok());
    used_ns.unwrap_or(0.0) / 1e6
}

/// Prints what frames cost while the headers of 4,000 files are read:
/// `cargo test --release --test ui_models -- --ignored --nocapture`.
#[test]
#[ignore = "measures"]
fn frames_while_thousands_of_models_are_read() {
    let root = tempfile::tempdir().expect("a folder");
    for index in 0..4000 {
        let folder = root.path().join(format!("style {}", index % 40));
        fs::create_dir_all(&folder).expect("a folder");
        let lora = ["down", "up"].map(|half| format!("lora_unet_down_blocks_0.lora_{half}.weight"));
        let name = format!("Painter number {} of many.safetensors", index * 7919 % 4000);
        write_tensors(&folder.join(name), &lora.each_ref().map(String::as_str));
    }
    let mut studio = Studio::start();
    press(&mut studio, Key::M, Modifiers::COMMAND);
    studio.command(LibraryCommand::AddPlace(root.path().to_path_buf()).into());
    // The panel behind the list has such a label, too.
    let labels = studio.harness.get_all_by_label("LoRA");
    labels.last().expect("the list is open").click();
    let (mut plain, mut changed) = (Vec::new(), Vec::new());
    loop {
        let before = studio.state().library.revision();
        let begun_ms = used_ms();
        studio.harness.step();
        let cost_ms = used_ms() - begun_ms;
        let library = &studio.state().library;
        match library.revision() == before {
            true => plain.push(cost_ms),
            false => changed.push(cost_ms),
        }
        if library.listing().unread == 0 && library.listing().models.len() >= 4000 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    for (what, mut costs) in [("plain", plain), ("after news", changed)] {
        costs.sort_by(f64::total_cmp);
        let at = |part: f64| costs.get(((costs.len() as f64) * part) as usize);
        println!(
            "{what}: {} frames, median {:.1?} ms, of ten the slowest {:.1?} ms, most {:.1?} ms",
            costs.len(),
            at(0.5).unwrap_or(&0.0),
            at(0.9).unwrap_or(&0.0),
            costs.last().unwrap_or(&0.0)
        );
    }
}
