//! One door for models: files that are dropped on the window, the list of models with
//! folders of other programs, loading that is seen and cancelled.

#[path = "support/drops.rs"]
mod drops;
#[path = "support/single.rs"]
mod single;
#[path = "support/studio.rs"]
mod studio;

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
fn a_model_that_is_dropped_on_the_window_is_loaded() {
    let root = webui();
    let model = root
        .path()
        .join("models/Stable-diffusion/meadow.safetensors");
    let mut studio = Studio::start();
    drop_on(&mut studio, &[&model]);
    studio.wait("the model", |state| {
        let summary = state.model_summary();
        summary.is_some_and(|it| it.source == ModelSource::Folder(model.clone()))
    });
    assert!(shows(&studio, "meadow.safetensors"));
    assert_eq!(notices(&studio), Vec::<String>::new());
    // A folder of diffusers is a model too.
    let folder = Path::new("tests/data/reference/sd2-tiny");
    drop_on(&mut studio, &[folder]);
    studio.wait("the folder", |state| {
        let summary = state.model_summary();
        summary.is_some_and(|it| it.source == ModelSource::Folder(folder.to_path_buf()))
    });
}

#[test]
fn a_long_name_of_a_model_does_not_widen_the_panel() {
    let root = tempfile::tempdir().expect("a folder");
    let name = "a-model-with-a-name-that-says-all-that-it-was-ever-merged-from.safetensors";
    write_single(&root.path().join(name));
    let mut studio = Studio::start();
    let width = |studio: &Studio| {
        let role = Role::ComboBox;
        let field = studio.harness.get_by_role_and_label(role, "Model");
        field.rect().width()
    };
    let before = width(&studio);
    drop_on(&mut studio, &[&root.path().join(name)]);
    for _ in 0..10 {
        studio.harness.step();
        assert!((width(&studio) - before).abs() < 1.0);
    }
    studio.wait("the model", |state| {
        state.model_summary().is_some_and(|it| it.name == name)
    });
    studio.harness.run();
    assert!((width(&studio) - before).abs() < 1.0);
}

#[test]
fn what_is_no_model_says_what_it_is_and_changes_nothing() {
    let root = webui();
    let models = root.path().join("models");
    let mut studio = Studio::start();
    drop_on(&mut studio, &[&models.join("Stable-diffusion/page.ckpt")]);
    wait_for_notice(&mut studio, "a web page");
    drop_on(&mut studio, &[&models.join("Lora/ink.safetensors")]);
    wait_for_notice(&mut studio, "Added the LoRA");
    let text = root.path().join("notes.txt");
    fs::write(&text, "nothing").expect("a file");
    drop_on(&mut studio, &[&text]);
    wait_for_notice(&mut studio, "neither a picture");
    assert_eq!(chosen(&studio), None);
    assert!(matches!(studio.state().model, ModelState::Ready(_)));
    // A picture goes on being a layer; of several together it is one.
    drop_on(
        &mut studio,
        &[&models.join("Stable-diffusion/meadow.png"), &text],
    );
    studio.wait("the picture", |state| state.document().has_picture());
    wait_for_notice(&mut studio, "one by one");
    // The folder of another program is offered.
    drop_on(&mut studio, &[root.path()]);
    wait_for_notice(&mut studio, "in the layout of A1111");
    studio.click("Add it to the model list");
    assert_eq!(studio.state().settings.model_places, [root.path()]);
    assert!(matches!(studio.state().dialog, Some(Dialog::Models)));
}

#[test]
fn a_folder_of_pictures_is_offered_to_train_on() {
    let root = tempfile::tempdir().expect("a folder");
    let [cats, dogs] = ["cats", "dogs"].map(|name| root.path().join(name));
    for folder in [&cats, &dogs] {
        fs::create_dir(folder).expect("a folder");
        for name in ["a.png", "b.png"] {
            RgbaImage::new(64, 64)
                .save(folder.join(name))
                .expect("a picture");
        }
    }
    let mut studio = Studio::start();
    drop_on(&mut studio, &[&cats]);
    wait_for_notice(&mut studio, "cats holds 2 pictures");
    studio.click("Train on them…");
    assert!(matches!(studio.state().dialog, Some(Dialog::Train)));
    assert_eq!(studio.state().train_form.folder.as_ref(), Some(&cats));
    // The dialog takes others.
    drop_on(&mut studio, &[&dogs]);
    studio.wait("the pictures", |state| {
        state.train_form.folder.as_ref() == Some(&dogs)
    });
    assert_eq!(notices(&studio), Vec::<String>::new());
    // A model that lacks something is none of pictures, whatever lies in it.
    fs::create_dir(dogs.join("unet")).expect("a folder");
    let config = r#"{"in_channels": 5, "cross_attention_dim": 16}"#;
    fs::write(dogs.join("unet/config.json"), config).expect("a file");
    drop_on(&mut studio, &[&dogs]);
    studio.wait("the failure", |state| state.notices.iter().count() == 1);
    assert!(
        !notices(&studio)[0].contains("holds"),
        "{:?}",
        notices(&studio)
    );
    // What is said then hides none of the dialog's buttons.
    let told = notices(&studio).remove(0);
    let told = studio.harness.get_by_label(&told).rect();
    for button in ["Start training", "Cancel", "Close"] {
        let button = studio.harness.get_by_label(button).rect();
        assert!(!told.intersects(button), "{told} lies on {button}");
    }
}

#[test]
fn loading_is_seen_and_cancelled() {
    let mut studio = Studio::start();
    let slow = ModelSource::Folder("models/slow".into());
    studio.command(Command::ChooseModel(slow.clone()));
    studio.wait("a part of it", |state| {
        let loading = state.jobs.loading(&slow);
        loading.is_some_and(|job| job.reading == Some(0.42))
    });
    assert!(shows(&studio, "Loading slow… 42 %"));
    studio.click("Cancel loading the model");
    studio.wait("the model before", |state| {
        state
            .model_summary()
            .is_some_and(|it| it.source == ModelSource::Storybook)
    });
    assert_eq!(chosen(&studio), None);
    assert_eq!(notices(&studio), Vec::<String>::new());
    // Another one that is chosen takes its place at once.
    studio.command(Command::ChooseModel(slow));
    studio.command(Command::ChooseModel(ModelSource::Folder(
        "models/plain".into(),
    )));
    studio.wait("the other model", |state| {
        state.model_summary().is_some_and(|it| it.name == "plain")
    });
    // Escape gives up too.
    studio.command(Command::ChooseModel(ModelSource::Folder(
        "models/slow".into(),
    )));
    studio.wait("a part of it", |state| state.jobs.running().is_some());
    press(&mut studio, Key::Escape, Modifiers::NONE);
    studio.wait("the model before", |state| {
        state.model_summary().is_some_and(|it| it.name == "plain")
    });
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

#[test]
fn a_model_of_the_list_is_written_in_another_form() {
    let root = webui();
    let mut studio = listing(root.path());
    let model = root
        .path()
        .join("models/Stable-diffusion/meadow.safetensors");
    studio.click("meadow");
    studio.click("Convert…");
    assert!(studio.sees("Convert a model") && studio.sees("One file"));
    let Some(Dialog::Convert { listed, .. }) = studio.state().dialog.clone() else {
        panic!("{:?}", studio.state().dialog);
    };
    assert_eq!(listed.found.path, model);
    // Into the folder of the test instead of the user's.
    let folder = root.path().join("mine");
    studio.command(
        LibraryCommand::Convert(ConversionWish {
            source: model.clone(),
            target: folder.clone(),
            dtype: None,
        })
        .into(),
    );
    wait_for_notice(&mut studio, "Wrote");
    assert!(folder.join("unet/config.json").is_file());
    assert!(matches!(studio.state().dialog, Some(Dialog::Models)));
    assert!(studio.state().library.conversion().is_none());
    // What is there is not replaced.
    studio.command(
        LibraryCommand::Convert(ConversionWish {
            source: model,
            target: folder,
            dtype: None,
        })
        .into(),
    );
    wait_for_notice(&mut studio, "is there already; choose another name");
}

#[test]
fn a_model_of_ones_own_gets_another_name_and_what_knows_it_follows() {
    let root = webui();
    let mut studio = listing(root.path());
    studio.click("meadow");
    assert!(!studio.sees("Rename…"), "it is another program's");
    // What is known of it makes the dialog no wider.
    let memory = studio.harness.get_by_label_contains("on the processor");
    let order = studio.harness.get_by_label("Order of models").rect();
    assert!(memory.rect().right() <= order.right() + 0.5);
    // It was found by a part of its name.
    studio.send(Event::Text("meadow".to_owned()));
    let folder = root.path().join("models/Stable-diffusion");
    let old = folder.join("meadow.safetensors");
    let source = ModelSource::Folder(old.clone());
    let favour = LibraryCommand::Favour {
        model: source.clone(),
        is_favourite: true,
    };
    studio.command(favour.into());
    let wish = |own: &Path, name: &str| RenameWish {
        path: old.clone(),
        own: own.to_path_buf(),
        name: name.to_owned(),
    };
    // Neither in folders of others, nor over what is there.
    let elsewhere = root.path().join("mine");
    fs::create_dir(&elsewhere).expect("a folder");
    studio.command(LibraryCommand::Rename(wish(&elsewhere, "hill")).into());
    wait_for_notice(&mut studio, "rename it where it lies");
    fs::write(folder.join("taken.safetensors"), "").expect("a file");
    studio.command(LibraryCommand::Rename(wish(&folder, "taken")).into());
    wait_for_notice(&mut studio, "taken.safetensors is there already");
    assert!(old.is_file());
    studio.command(LibraryCommand::Use(listed(&studio, "meadow")).into());
    studio.wait("the model", |state| {
        matches!(state.model, ModelState::Ready(_))
    });
    let dialog = Dialog::Rename {
        listed: listed(&studio, "meadow"),
        own: folder.clone(),
    };
    studio.command(Command::Show(dialog));
    press(&mut studio, Key::A, Modifiers::COMMAND);
    studio.send(Event::Text("noon".to_owned()));
    press(&mut studio, Key::Enter, Modifiers::NONE);
    wait_for_notice(&mut studio, "Renamed to “noon”");
    // What was refused before is told no longer.
    assert_eq!(notices(&studio).len(), 1, "{:?}", notices(&studio));
    let new = folder.join("noon.safetensors");
    assert!(new.is_file() && !old.exists());
    assert!(folder.join("noon.png").is_file());
    assert_eq!(chosen(&studio).as_ref(), Some(&new));
    let settings = &studio.state().settings;
    assert_eq!(
        settings.favourite_models,
        [ModelSource::Folder(new.clone())]
    );
    assert!(settings.recent_models.contains(&new) && !settings.recent_models.contains(&old));
    studio.wait("the model", |state| {
        matches!(state.model, ModelState::Ready(_))
    });
    assert!(matches!(studio.state().dialog, Some(Dialog::Models)));
    studio.wait("the list", |state| {
        let mut models = state.library.listing().models.iter();
        models.any(|it| it.found.path == new && it.card.is_some())
    });
    assert!(studio.sees("noon"), "it is not searched by its old name");
}

#[test]
fn closing_the_window_asks_while_a_model_is_being_written_and_leaves_nothing_of_it() {
    let root = webui();
    let mut studio = Studio::start();
    let wish = ConversionWish {
        source: root
            .path()
            .join("models/Stable-diffusion/meadow.safetensors"),
        target: root.path().join("mine"),
        dtype: None,
    };
    // Both before anything is reported.
    let window = studio.harness.state_mut();
    window.command(LibraryCommand::Convert(wish).into());
    window.command(Command::Quit);
    let Some(Dialog::Discard(question)) = &studio.state().dialog else {
        panic!("{:?}", studio.state().dialog);
    };
    let told = question.sentences("Picture").join(" ");
    assert!(told.contains("still being written"), "{told}");
    studio.harness.state_mut().command(Command::Agree);
    assert!(studio.closes());
    drop(studio);
    let left = fs::read_dir(root.path()).expect("a folder").flatten();
    let left = left.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"."));
    assert_eq!(left.count(), 0);
}

#[test]
fn a_file_that_is_named_from_here_is_known_from_everywhere() {
    let here = Path::new("assets/screenshots/guide.png");
    let mut studio = Studio::start_with(Some(here));
    studio.wait("the picture", |state| state.document().has_picture());
    let file = studio.state().front().file.clone().expect("a file");
    assert!(file.is_absolute() && file.ends_with(here), "{file:?}");
}
