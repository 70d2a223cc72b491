//! What of a folder becomes a picture to train on.

use std::fs;

use image::{GrayImage, RgbImage};

use super::*;
use crate::train::random::Purpose;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        path
    }

    fn picture(&self, name: &str) {
        RgbImage::new(20, 16)
            .save(self.path(name))
            .expect("a picture");
    }

    fn file(&self, name: &str, text: &[u8]) {
        fs::write(self.path(name), text).expect("a file");
    }

    fn open(&self) -> (ImageFolder, FolderReport) {
        ImageFolder::open(self.0.path(), 16, Fit::Auto, &self.0.path().join("out"))
            .expect("pictures")
    }

    fn names(&self) -> Vec<String> {
        let (folder, _) = self.open();
        let names = folder.pictures.iter().map(|picture| {
            let name = picture.path.strip_prefix(self.0.path()).expect("inside");
            name.to_string_lossy().replace('\\', "/")
        });
        names.collect()
    }
}

#[test]
fn what_belongs_to_a_picture_is_none() {
    let folder = Folder::new();
    for name in ["a.png", "b.jpg", "venice-mask.png"] {
        folder.picture(name);
    }
    for name in [
        "a.label.png",
        "b.mask.PNG",
        "a-masklabel.png",
        "c.label.png",
    ] {
        GrayImage::new(20, 16)
            .save(folder.path(name))
            .expect("a picture");
    }
    assert_eq!(folder.names(), ["a.png", "b.jpg", "venice-mask.png"]);
    assert_eq!(folder.open().1, FolderReport::default());
}

#[test]
fn hidden_files_and_the_output_folder_are_no_data() {
    let folder = Folder::new();
    folder.picture("a.png");
    for name in [".x.png", ".thumbnails/a.png", "b/.ipynb_checkpoints/a.png"] {
        folder.picture(name);
    }
    folder.picture("out/samples/step-00000001.png");
    assert_eq!(folder.names(), ["a.png"]);
    assert_eq!(folder.open().1, FolderReport::default());

    // A run that writes beside its pictures.
    folder.picture("samples/step-00000001.png");
    folder.picture("more/samples/b.png");
    let root = folder.0.path();
    let (inside, _) = ImageFolder::open(root, 16, Fit::Auto, root).expect("pictures");
    assert_eq!(
        inside.pictures.len(),
        3,
        "a.png, more/samples/b.png and out/…"
    );
}

#[test]
fn captions_are_found_and_understood() {
    let folder = Folder::new();
    for (name, ending, bytes) in [
        ("bom", "txt", &b"\xef\xbb\xbfa red barn"[..]),
        ("kohya", "caption", b"a red barn"),
        ("upper", "TXT", b"a red barn"),
        ("windows", "txt", b"a red barn\x92"),
        ("both", "caption", b"not this one"),
        ("both", "txt", b"a red barn"),
    ] {
        folder.picture(&format!("{name}.png"));
        folder.file(&format!("{name}.{ending}"), bytes);
    }
    folder.picture("silent.png");
    let (found, report) = folder.open();
    let captions: Vec<&str> = found.captions().collect();
    let barn = "a red barn";
    assert_eq!(captions, [barn, barn, barn, "", barn, "a red barn’"]);
    assert_eq!(report.remarks.len(), 1);
    let remark = &report.remarks[0];
    assert!(
        remark.contains("windows.txt") && remark.contains("Windows-1252"),
        "{remark}"
    );
}

#[test]
fn the_captions_of_other_programs_are_read() {
    let inputs = Path::new("tests/data/captions");
    let folder = Folder::new();
    for entry in fs::read_dir(inputs).expect("inputs") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        folder.file(&name, &fs::read(&path).expect("a caption"));
        let stem = path
            .file_stem()
            .expect("a stem")
            .to_string_lossy()
            .into_owned();
        folder.picture(&format!("{stem}.png"));
    }
    let (found, report) = folder.open();
    for caption in found.captions() {
        assert!(!caption.is_empty());
        assert!(
            !caption.contains(['\u{feff}', '\u{fffd}', '\0']),
            "{caption:?}"
        );
    }
    assert!(report.remarks[0].contains("cp1252.txt"), "{report:?}");
    assert!(!report.remarks[0].contains("utf16le.txt"), "{report:?}");
}

#[test]
fn boxes_follow_the_part_that_is_cut_out() {
    let folder = Folder::new();
    // Twice the size trained on, and longer than high.
    RgbImage::new(64, 32)
        .save(folder.path("a.png"))
        .expect("a picture");
    folder.file(
        "a.json",
        br#"{ "image": { "width": 64, "height": 32 },
              "annotations": [{ "bbox": [0, 0, 64, 16] }, { "bbox": [0, 8, 4, 8] }] }"#,
    );
    let (found, report) = folder.open();
    assert_eq!(report, FolderReport::default());
    let mut random = Purpose::Crop.random(1, 0);
    let left = Purpose::Crop.random(1, 0).below(17) as f32;
    assert!(left > 1.0, "a cut that loses the small thing");
    let sample = found.get(0, &mut random).expect("a picture");
    assert_eq!(sample.objects, [[0.0, 0.0, 16.0, 8.0]]);

    // Without a class they are no boxes that a model could be told.
    assert!(sample.known.boxes.is_empty());

    let thing = LayoutBox {
        class: "cat".to_owned(),
        rect: [0.25, 0.0, 0.25, 0.5],
        colour: None,
    };
    let seen = seen(&[thing], [0, 0, 32, 16], [4, 0], 16);
    assert_eq!(seen[0].rect, [4.0, 0.0, 8.0, 8.0]);
}

#[test]
fn cut_pictures_and_picture_bombs_are_left_out() {
    let folder = Folder::new();
    // Of noise, so that half of the file is half of the picture.
    let mut random = Purpose::Crop.random(1, 0);
    let noise = RgbImage::from_fn(64, 64, |_, _| {
        image::Rgb([0; 3].map(|_: u8| random.below(256) as u8))
    });
    noise.save(folder.path("a.jpg")).expect("a picture");
    let whole = fs::read(folder.path("a.jpg")).expect("a picture");
    folder.file("cut.jpg", &whole[..whole.len() / 2]);
    let bomb = fs::read("tests/data/faults/wide-10000px-1bit.png").expect("a picture");
    folder.file("bomb.png", &bomb);
    let (found, report) = folder.open();
    assert_eq!(found.len(), Some(2));
    assert!(report.skipped[0].path.ends_with("bomb.png"), "{report:?}");
    assert!(report.skipped[0].reason.contains("10000"), "{report:?}");
    found.get(0, &mut random).expect("the whole picture");
    let cut = found.get(1, &mut random).expect_err("half a picture");
    assert!(cut.reason.contains("cut off"), "{cut:?}");
}

#[test]
fn a_folder_is_known_by_place_and_contents() {
    let folder = Folder::new();
    folder.picture("a.png");
    folder.picture("b.png");
    let identity = || folder.open().0.identity();
    let before = identity();
    assert_eq!(identity(), before);
    // The same folder by another path.
    let other = folder.0.path().join(".").join("out").join("..");
    fs::create_dir_all(folder.path("out/x")).expect("a folder");
    let (again, _) =
        ImageFolder::open(&other, 16, Fit::Auto, Path::new("nowhere")).expect("pictures");
    assert_eq!(again.identity(), before);
    let both = again.split(1);
    assert_eq!(both.0.identity(), both.1.identity());

    // Another picture of the same name, then another caption.
    RgbImage::from_pixel(20, 16, image::Rgb([9; 3]))
        .save(folder.path("b.png"))
        .expect("a picture");
    let exchanged = identity();
    assert_eq!(exchanged.place, before.place);
    assert_ne!(exchanged.digest, before.digest);
    folder.file("a.txt", b"a barn");
    assert_ne!(identity().digest, exchanged.digest);
}

/// What `velatura scenes` writes is all that a model can be told of its own scenes.
#[test]
fn scenes_in_a_folder_are_known_as_those_that_never_end() {
    let folder = Folder::new();
    let written = folder.0.path().join("scenes");
    crate::scenes::write_dataset(&written, 6, 48, 9, |_| std::ops::ControlFlow::Continue(()))
        .expect("scenes");
    let (found, report) =
        ImageFolder::open(&written, 48, Fit::Auto, Path::new("nowhere")).expect("pictures");
    assert_eq!(report, FolderReport::default());
    let endless = crate::train::ScenePictures::new(48, 9).expect("a size");
    let mut random = Purpose::Crop.random(1, 0);
    for index in 0..6 {
        let sample = found.get(index, &mut random).expect("a picture");
        let scene = endless.get(index, &mut random).expect("a scene");
        assert_eq!(sample.rgb, scene.rgb);
        assert_eq!(sample.known.boxes, scene.known.boxes);
        assert_eq!(sample.objects, scene.objects);
        let [own, other] = [sample, scene].map(|it| it.known.label_map.expect("a label map"));
        assert_eq!(own.map, other.map);
        assert_eq!(own.palette.classes, other.palette.classes);
    }
    // Where things are belongs to what a folder is known by.
    let identity = |folder: &Path| {
        let (found, _) =
            ImageFolder::open(folder, 48, Fit::Auto, Path::new("nowhere")).expect("pictures");
        found.identity().digest
    };
    let mut known = vec![identity(&written)];
    fs::rename(written.join("0001.json"), written.join("0001.away")).expect("a file");
    known.push(identity(&written));
    // A label map of another size costs its picture, and says so.
    GrayImage::new(9, 9)
        .save(written.join("0000.label.png"))
        .expect("a file");
    known.push(identity(&written));
    known.dedup();
    assert_eq!(known.len(), 3, "each change shows");
    let error = found.get(0, &mut random);
    assert!(error.is_ok(), "it was read already");
    let (found, _) =
        ImageFolder::open(&written, 48, Fit::Auto, Path::new("nowhere")).expect("pictures");
    let error = found
        .get(0, &mut random)
        .expect_err("a map of another size");
    assert!(
        error.reason.contains("0000.label.png has another size"),
        "{error:?}"
    );
}

#[test]
fn what_nobody_calls_a_label_map_costs_no_picture() {
    let folder = Folder::new();
    for name in ["a.png", "b.png", "c.png", "d.png"] {
        folder.picture(name);
        folder.picture(&name.replace(".png", ".label.png"));
    }
    let mut random = Purpose::Crop.random(1, 0);
    let (found, report) = folder.open();
    assert_eq!(report, FolderReport::default());
    for index in 0..4 {
        let sample = found.get(index, &mut random).expect("a picture");
        assert!(sample.known.label_map.is_none());
    }

    // A palette that cannot be read names nothing, and that is said.
    folder.file("palette.json", b"[{");
    let (found, report) = folder.open();
    assert!(found.get(0, &mut random).is_ok());
    let is_said = report.remarks.iter().any(|it| it.contains("is no palette"));
    assert!(is_said, "{report:?}");
    folder.file(
        "palette.json",
        br#"[{ "id": 0, "name": "ground", "colour": [0, 0, 0], "is_thing": false }]"#,
    );
    let (found, _) = folder.open();
    let error = found.get(0, &mut random).expect_err("no numbers");
    assert!(error.reason.contains("a.label.png"), "{error:?}");
}

#[test]
fn a_file_of_something_else_beside_a_picture_hides_no_listed_boxes() {
    let folder = Folder::new();
    folder.picture("a.png");
    folder.file("a.json", br#"{ "prompt": "a cat" }"#);
    folder.file(
        "instances.json",
        br#"{ "images": [{ "id": 1, "file_name": "a.png", "width": 20, "height": 16 }],
              "annotations": [{ "image_id": 1, "category_id": 5, "bbox": [5, 4, 5, 4] }],
              "categories": [{ "id": 5, "name": "cat" }] }"#,
    );
    let (found, _) = folder.open();
    let boxes = &found.pictures[0].objects;
    assert_eq!(boxes.len(), 1);
    assert_eq!((boxes[0].class.as_str(), boxes[0].rect), ("cat", [0.25; 4]));
}

#[test]
fn pictures_that_are_no_squares_are_cut_or_seen_whole() {
    let folder = Folder::new();
    // Red at the left end, blue at the right one.
    let ends = |x: u32| if x < 32 { [250, 0, 0] } else { [0, 0, 250] };
    RgbImage::from_fn(64, 32, |x, _| image::Rgb(ends(x)))
        .save(folder.path("photo.png"))
        .expect("a picture");
    image::RgbaImage::from_fn(64, 8, |x, y| {
        let [r, g, b] = ends(x);
        image::Rgba([r, g, b, if y == 0 { 0 } else { 255 }])
    })
    .save(folder.path("sticker.png"))
    .expect("a picture");
    folder.file(
        "photo.json",
        br#"{ "image": { "width": 64, "height": 32 },
              "annotations": [{ "bbox": [32, 0, 32, 32], "category": "sea" }] }"#,
    );
    let open = |fit| {
        let (found, report) =
            ImageFolder::open(folder.0.path(), 16, fit, Path::new("nowhere")).expect("pictures");
        (found, report.skipped.len())
    };
    let get = |found: &ImageFolder, index| {
        let mut random = Purpose::Crop.random(1, 0);
        found.get(index, &mut random).expect("a picture")
    };
    let [red, blue, white] = [[250, 0, 0], [0, 0, 250], [255; 3]].map(image::Rgb);

    let (found, skipped) = open(Fit::Crop);
    assert_eq!(
        (found.len(), skipped),
        (Some(1), 1),
        "the sticker is too low"
    );
    assert_eq!(get(&found, 0).rgb.dimensions(), (16, 16));

    for fit in [Fit::Auto, Fit::Pad] {
        let (found, skipped) = open(fit);
        assert_eq!((found.len(), skipped), (Some(2), 0));
        let sticker = get(&found, 1).rgb;
        assert_eq!(*sticker.get_pixel(1, 0), white);
        assert_eq!(*sticker.get_pixel(1, 8), red);
        assert_eq!(*sticker.get_pixel(14, 8), blue);
    }
    let (found, _) = open(Fit::Pad);
    let photo = get(&found, 0);
    for y in [0, 7, 15] {
        assert_eq!(*photo.rgb.get_pixel(0, y), red);
        assert_eq!(*photo.rgb.get_pixel(15, y), blue);
    }
    assert_eq!(photo.known.boxes[0].rect, [8.0, 4.0, 8.0, 8.0]);

    let preview = preview_of_folder(folder.0.path(), 16, Fit::Auto, 5).expect("pictures");
    assert!(preview.width() > 2 * 16 && preview.height() >= 16);
    let empty = Folder::new();
    let told = preview_of_folder(empty.0.path(), 16, Fit::Auto, 5).expect_err("none");
    assert!(told.contains("no pictures"), "{told}");
}

#[test]
fn a_preview_is_empty_only_where_no_picture_can_be_trained_on() {
    let folder = Folder::new();
    RgbImage::new(4, 4)
        .save(folder.path("a.png"))
        .expect("a picture");
    let seen = || preview_of_folder(folder.0.path(), 16, Fit::Crop, 1);
    assert!(seen().expect_err("too small").contains("a.png"));
    folder.picture("b.png");
    assert!(seen().is_ok(), "the second is large enough");
}
