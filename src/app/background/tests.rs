use std::time::Duration;

use super::*;
use crate::document::Document;

struct Bench {
    background: Background,
    wakes: Receiver<()>,
    document: Document,
}

impl Bench {
    fn new() -> Self {
        let (woken, wakes) = unbounded();
        Self {
            background: Background::new(Arc::new(move || woken.send(()).unwrap_or_default())),
            wakes,
            document: Document::blank([3, 2]).expect("an allowed size"),
        }
    }

    fn next(&self) -> BackgroundEvent {
        let patience = Duration::from_secs(300);
        self.wakes.recv_timeout(patience).expect("a wake");
        self.background.poll().expect("a report")
    }

    fn ticket(&self, path: PathBuf) -> SaveTicket {
        SaveTicket {
            document: self.document.id(),
            revision: self.document.revision(),
            point: None,
            path,
            form: SaveForm::Picture {
                is_flattened: false,
            },
        }
    }
}

fn plain(value: u8) -> RgbaImage {
    RgbaImage::from_pixel(3, 2, image::Rgba([value, 2, 3, 255]))
}

#[test]
fn a_picture_is_saved_and_opened_away_from_the_window() {
    let mut bench = Bench::new();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.png");
    let ticket = bench.ticket(path.clone());
    bench.background.save(ticket, Box::new(|| plain(1)), None);
    assert!(matches!(bench.next(), BackgroundEvent::Saved { .. }));

    bench.background.open(path);
    let BackgroundEvent::Opened(opened) = bench.next() else {
        panic!("no picture");
    };
    assert_eq!(opened.picture, TileGrid::from_image(&plain(1)));

    bench.background.open(folder.path().join("missing.png"));
    assert!(
        matches!(bench.next(), BackgroundEvent::Failed { text, .. } if text.contains("missing.png"))
    );
}

#[test]
fn of_two_saves_the_later_one_stays() {
    let mut bench = Bench::new();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.png");
    // The first one takes its time; the second one is ready at once.
    let (go, gate) = unbounded::<()>();
    let slow = move || {
        gate.recv().expect("a sign");
        plain(1)
    };
    let ticket = bench.ticket(path.clone());
    bench.background.save(ticket.clone(), Box::new(slow), None);
    bench.background.save(ticket, Box::new(|| plain(2)), None);
    go.send(()).expect("it waits");
    assert!(matches!(bench.next(), BackgroundEvent::Saved { .. }));
    assert!(matches!(bench.next(), BackgroundEvent::Saved { .. }));
    assert_eq!(open_picture(&path).expect("a picture").image, plain(2));
}

#[test]
fn an_errand_that_panics_says_so_and_the_next_one_is_done() {
    let mut bench = Bench::new();
    let folder = tempfile::tempdir().expect("a folder");
    let ticket = bench.ticket(folder.path().join("a.png"));
    let broken = || panic!("a broken painter");
    bench
        .background
        .save(ticket.clone(), Box::new(broken), None);
    let BackgroundEvent::SaveFailed { text, .. } = bench.next() else {
        panic!("nobody knows that the save failed");
    };
    assert!(text.contains("a broken painter"), "{text}");
    bench.background.save(ticket, Box::new(|| plain(1)), None);
    assert!(matches!(bench.next(), BackgroundEvent::Saved { .. }));

    let origin = Origin {
        document: bench.document.id(),
        revision: bench.document.revision(),
        job: None,
        inside: None,
        area: None,
        keeps_opaque: false,
    };
    let broken = || panic!("a broken describer");
    bench.background.prepare(origin, Box::new(broken));
    assert!(matches!(bench.next(), BackgroundEvent::Failed { .. }));
}

#[test]
fn a_picture_too_large_for_a_document_is_refused_with_a_sentence() {
    let wide = RgbaImage::new(9000, 1);
    let text = tiles_of(&wide).expect_err("too wide");
    assert!(text.contains("9000") && text.contains("8192"), "{text}");
}

#[test]
fn a_picture_without_a_document_is_kept_with_its_recipe() {
    let mut bench = Bench::new();
    let folder = tempfile::tempdir().expect("a folder");
    let spec = GenerateSpec {
        prompt: "a red house".to_owned(),
        ..GenerateSpec::default()
    };
    let recipe = PaintedRecipe::new(spec, "Storybook", "0123456789");
    let root = folder.path().join("pictures");
    bench.background.keep(root, Arc::new(plain(7)), recipe);
    let BackgroundEvent::Kept { path } = bench.next() else {
        panic!("it was not kept");
    };
    let opened = open_picture(&path).expect("a picture");
    assert_eq!(opened.image, plain(7));
    assert_eq!(opened.recipe.expect("a recipe").spec.prompt, "a red house");
}

#[test]
fn what_is_to_be_written_is_whole_when_the_window_is_gone() {
    let mut bench = Bench::new();
    let folder = tempfile::tempdir().expect("a folder");
    let (go, gate) = unbounded::<()>();
    let slow = move || {
        gate.recv().expect("a sign");
        plain(1)
    };
    let [first, second] = ["a.png", "b.png"].map(|name| folder.path().join(name));
    let (ticket, other) = (bench.ticket(first.clone()), bench.ticket(second.clone()));
    bench.background.save(ticket, Box::new(slow), None);
    bench.background.save(other, Box::new(|| plain(2)), None);
    let sign = std::thread::spawn(move || go.send(()));
    drop(bench);
    assert!(first.is_file() && second.is_file());
    sign.join().expect("it ends").expect("it was waited for");
}

#[test]
fn of_a_model_that_is_being_written_nothing_is_left_when_the_window_closes() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["one.safetensors", "many"] {
        let bench = Bench::new();
        let wish = crate::engine::library::ConversionWish {
            source: "assets/models/storybook".into(),
            target: folder.path().join(name),
            dtype: None,
        };
        bench.background.convert(wish, Arc::default());
        drop(bench);
        let left = std::fs::read_dir(folder.path()).expect("a folder");
        let names = left.flatten().map(|entry| entry.file_name());
        // Unless it was quicker than the window.
        let half: Vec<_> = names.filter(|left| *left != name).collect();
        assert!(half.is_empty(), "{half:?}");
    }
}
