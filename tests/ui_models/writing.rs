//! Models of the list are written in another form and get other names.

use super::*;

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
