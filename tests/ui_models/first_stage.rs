//! A model without an autoencoder asks for one, and opens with the one that is chosen.

use super::*;
use velatura::app::PickPurpose;

/// A name of a model that the engine opens with a chosen autoencoder only.
const BARE: &str = "bare";

#[test]
fn a_model_without_an_autoencoder_asks_for_one_and_opens_with_it() {
    let root = tempfile::tempdir().expect("a folder");
    let bare = root.path().join(BARE);
    let source = Path::new("tests/data/reference/sd2-tiny");
    for entry in walkdir::WalkDir::new(source) {
        let entry = entry.expect("an entry");
        let to = bare.join(entry.path().strip_prefix(source).expect("inside"));
        match entry.file_type().is_dir() {
            true => fs::create_dir_all(&to).expect("a folder"),
            false => drop(fs::copy(entry.path(), &to).expect("a copy")),
        }
    }
    let kind = tiny::KINDS.iter().find(|kind| kind.id == "autoencoder-kl");
    let made = tempfile::tempdir().expect("a folder");
    let vae = kind.expect("a kind").write(made.path()).expect("a VAE");
    let mut studio = Studio::start();
    drop_on(&mut studio, &[&bare]);
    wait_for_notice(&mut studio, "no autoencoder in bare");
    assert!(matches!(studio.state().model, ModelState::Failed(_)));
    // The button asks for a file; what is chosen comes back as if it had been opened.
    assert!(studio.sees("Choose an autoencoder\u{2026}"));
    studio.command(Command::TakePath {
        purpose: PickPurpose::FirstStage,
        path: vae.clone(),
    });
    studio.wait("the model", |state| {
        let summary = state.model_summary();
        summary.is_some_and(|it| it.source == ModelSource::Folder(bare.clone()))
    });
    let chosen = studio.state().form().spec.vae.clone();
    assert_eq!(chosen.and_then(|it| it.path), Some(vae));
    // What was told of the failure is out of date.
    assert!(!studio.sees("Choose an autoencoder\u{2026}"));
    // It was chosen for that model only.
    drop_on(&mut studio, &[source]);
    studio.wait("the other model", |state| {
        let summary = state.model_summary();
        summary.is_some_and(|it| it.source == ModelSource::Folder(source.to_path_buf()))
    });
    assert_eq!(studio.state().form().spec.vae, None);
}
