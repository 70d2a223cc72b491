//! Storybook scenes: captions read well, annotations fit the pictures, and the
//! same seed gives the same scene.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sha2::{Digest, Sha256};
use velatura::scenes::{
    FIRST_UNSEEN_SEED, HeldOut, MAX_OVERLAP, Place, Realm, Scene, SceneError, SceneSource, Setting,
    Stuff, caption_words, classes, held_out, label_of_class, palette, sample_prompt, write_dataset,
};

fn scenes(side: u32, count: u64) -> Vec<Scene> {
    SceneSource::new(side)
        .expect("bundled sprites")
        .endless(7, 0)
        .take(count as usize)
        .collect()
}

fn overlap(a: [f32; 4], b: [f32; 4]) -> f32 {
    let width = (a[0] + a[2]).min(b[0] + b[2]) - a[0].max(b[0]);
    let height = (a[1] + a[3]).min(b[1] + b[3]) - a[1].max(b[1]);
    let common = width.max(0.0) * height.max(0.0);
    common / (a[2] * a[3] + b[2] * b[3] - common)
}

#[test]
fn captions_are_grammatical_and_short() {
    let words: BTreeSet<String> = caption_words().into_iter().collect();
    for index in 0..4000 {
        let caption = sample_prompt(11, index);
        let parts: Vec<&str> = caption
            .split(' ')
            .map(|word| word.trim_end_matches(','))
            .collect();
        assert!(parts.len() <= 24, "too long: {caption}");
        assert!(
            !caption.contains("  ") && caption.trim() == caption,
            "spaces: {caption}"
        );
        for (word, next) in parts.iter().zip(parts.iter().skip(1)) {
            assert!(
                words.contains(*word),
                "'{word}' is not in the word list: {caption}"
            );
            let vowel = next.starts_with(['a', 'e', 'i', 'o', 'u']);
            assert!(*word != "a" || !vowel, "article: {caption}");
            assert!(*word != "an" || vowel, "article: {caption}");
        }
        for class in classes().iter().filter(|class| class.noun != class.plural) {
            let single = format!(" {} ", class.noun);
            for number in ["two", "three", "four", "five", "six"] {
                assert!(
                    !caption.contains(&format!("{number}{single}")),
                    "plural: {caption}"
                );
            }
        }
    }
}

#[test]
fn annotations_fit_the_pictures() {
    let mut stickers = 0;
    let all = scenes(64, 600);
    for scene in &all {
        stickers += usize::from(scene.attributes.sticker_ground.is_some());
        assert!(scene.objects.len() <= 6);
        let present: BTreeSet<u8> = scene.labels.pixels().map(|pixel| pixel[0]).collect();
        for object in &scene.objects {
            let [x, y, width, height] = object.bbox;
            assert!(x >= 0.0 && y >= 0.0 && x + width <= 64.0 && y + height <= 64.0);
            assert!(width >= 3.0 && height >= 3.0, "a speck: {:?}", object);
            assert!(object.visible > 0.0 && object.visible <= 1.0);
            assert!(present.contains(&label_of_class(object.class)));
        }
        for (index, a) in scene.objects.iter().enumerate() {
            for b in &scene.objects[index + 1..] {
                assert!(overlap(a.bbox, b.bbox) <= MAX_OVERLAP, "{}", scene.caption);
            }
        }
        let labels: BTreeSet<u8> = palette().iter().map(|entry| entry.id).collect();
        assert!(present.is_subset(&labels));
    }
    let share = stickers as f32 / all.len() as f32;
    assert!((0.2..0.3).contains(&share), "stickers: {share}");
}

#[test]
fn objects_are_where_they_belong() {
    for scene in scenes(64, 600)
        .iter()
        .filter(|scene| scene.attributes.sticker_ground.is_none())
    {
        for object in &scene.objects {
            let foot = object.bbox[1] + object.bbox[3];
            match classes()[object.class].realm {
                Realm::Ground => assert!(foot > 0.46 * 64.0, "{}", scene.caption),
                Realm::Sky => assert!(foot <= 0.6 * 64.0, "{}", scene.caption),
                Realm::Water => {
                    assert!(matches!(scene.attributes.place, Place::Beach | Place::Lake));
                    let water = scene
                        .labels
                        .pixels()
                        .any(|pixel| pixel[0] == Stuff::Water as u8);
                    assert!(water, "{}", scene.caption);
                }
            }
        }
    }
}

#[test]
fn held_out_combinations_are_left_for_unseen_seeds() {
    let asks_for = |caption: &str, one: &HeldOut| {
        let class = &classes()[one.class];
        match one.setting {
            Setting::Tint(tint) => caption.contains(&format!("{} {}", tint.name(), class.noun)),
            Setting::Place(place) => {
                let mut words = caption.split([' ', ',']);
                caption.contains(place.phrase())
                    && words.any(|word| word == class.noun || word == class.plural)
            }
        }
    };
    let found = |seed: u64| {
        (0..6000)
            .map(|index| sample_prompt(seed, index))
            .filter(|caption| held_out().iter().any(|one| asks_for(caption, one)))
            .count()
    };
    assert_eq!(found(1) + found(FIRST_UNSEEN_SEED - 1), 0);
    assert!(found(FIRST_UNSEEN_SEED) > 60);
    // What is painted follows what is said.
    for scene in scenes(32, 400) {
        for object in &scene.objects {
            let has = |setting| {
                held_out().contains(&HeldOut {
                    class: object.class,
                    setting,
                })
            };
            assert!(!object.tint.map(Setting::Tint).is_some_and(has));
            let is_landscape = scene.attributes.sticker_ground.is_none();
            assert!(!is_landscape || !has(Setting::Place(scene.attributes.place)));
        }
    }
}

#[test]
fn the_class_list_is_sound() {
    assert!(classes().len() >= 120);
    for class in classes() {
        assert!(class.size > 0.3 && class.size < 2.0, "{}", class.noun);
        let is_plain = |word: &str| word.chars().all(|c| c.is_ascii_lowercase() || c == ' ');
        assert!(is_plain(&class.noun) && is_plain(&class.plural));
    }
    // Labels of pictures that were made with fewer kinds keep their meaning.
    assert_eq!(classes()[0].noun, "cat");
    assert_eq!(classes()[55].noun, "bucket");
}

#[test]
fn a_seed_gives_the_same_scenes_everywhere() {
    let source = SceneSource::new(64).expect("bundled sprites");
    let (a, b) = (source.scene(3, 17), source.scene(3, 17));
    assert_eq!(a.image, b.image);
    assert_eq!(a.caption, b.caption);
    assert_ne!(a.image, source.scene(4, 17).image);
    // Captions and places do not depend on the size.
    let large = SceneSource::new(128).expect("bundled sprites").scene(3, 17);
    assert_eq!(a.attributes, large.attributes);

    let mut hash = Sha256::new();
    for index in 0..40 {
        let scene = source.scene(2026, index);
        // Landscapes and photographs only: they come from our own arithmetic alone.
        hash.update(scene.caption.as_bytes());
        hash.update(scene.image.as_raw());
        hash.update(scene.labels.as_raw());
    }
    let digest: String = hash
        .finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(digest, "dec8b7d0be21c7af");
}

#[test]
fn a_dataset_has_four_files_a_scene() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut seen = Vec::new();
    let summary = write_dataset(folder.path(), 5, 64, 1, |done| {
        seen.push(done);
        ControlFlow::Continue(())
    })
    .expect("a dataset");
    assert_eq!(
        (summary.scenes, summary.is_complete, seen.as_slice()),
        (5, true, [5].as_slice())
    );
    for index in 0..5 {
        let name = |ending: &str| folder.path().join(format!("{index:04}.{ending}"));
        assert_eq!(image::open(name("png")).expect("a picture").width(), 64);
        assert!(
            !std::fs::read_to_string(name("txt"))
                .expect("a caption")
                .is_empty()
        );
        let text = std::fs::read_to_string(name("json")).expect("annotations");
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(json["image"]["width"], 64);
        assert!(json["annotations"].is_array());
        let file = std::io::BufReader::new(std::fs::File::open(name("label.png")).expect("labels"));
        let decoder = png::Decoder::new(file);
        let reader = decoder.read_info().expect("a PNG");
        assert_eq!(reader.info().color_type, png::ColorType::Indexed);
    }
    let palette: serde_json::Value = serde_json::from_str(
        &std::fs::read_to_string(folder.path().join("palette.json")).expect("palette"),
    )
    .expect("JSON");
    assert_eq!(palette[1]["name"], "sky");
}

#[test]
fn wrong_input_is_named() {
    assert!(matches!(SceneSource::new(7), Err(SceneError::Size(7))));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, b"x").expect("a file");
    let error = write_dataset(&file, 1, 64, 0, |_| ControlFlow::Continue(()))
        .expect_err("a file is no folder");
    assert!(error.to_string().contains("file"), "{error}");
    let mut calls = 0;
    let stopped = write_dataset(folder.path(), 1000, 16, 0, |_| {
        calls += 1;
        ControlFlow::Break(())
    })
    .expect("stopping is no error");
    assert!(!stopped.is_complete && calls == 1);
}

#[test]
fn labels_fit_in_a_byte() {
    assert!(palette().len() < 250);
    let names: BTreeSet<String> = palette().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names.len(), palette().len());
}

#[test]
fn files_of_others_are_not_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |count| write_dataset(folder.path(), count, 16, 0, |_| ControlFlow::Continue(()));
    let theirs = folder.path().join("0003.png");
    std::fs::write(&theirs, b"a photograph").expect("a file");
    std::fs::write(folder.path().join("notes.txt"), b"notes").expect("a file");
    // Nothing of that name is written.
    write(3).expect("three scenes");
    std::fs::remove_file(folder.path().join("palette.json")).expect("removed");
    let error = write(4).expect_err("a photograph is in the way");
    assert!(matches!(error, SceneError::Foreign(_)), "{error}");
    assert_eq!(std::fs::read(&theirs).expect("kept"), b"a photograph");
    std::fs::write(folder.path().join("palette.json"), b"{}").expect("a file");
    let error = write(1).expect_err("a palette of somebody else");
    assert!(error.to_string().contains("palette.json") || error.to_string().contains("0000"));

    // Scenes may be written over scenes, and others may read them.
    let again = tempfile::tempdir().expect("a folder");
    let write = |count| write_dataset(again.path(), count, 16, 0, |_| ControlFlow::Continue(()));
    write(2).expect("two scenes");
    write(3).expect("three scenes");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let usual = again.path().join("usual");
        std::fs::write(&usual, b"").expect("a file");
        let mode = |path: &std::path::Path| {
            let about = std::fs::metadata(path).expect("a file");
            about.permissions().mode()
        };
        assert_eq!(mode(&again.path().join("0000.png")), mode(&usual));
    }
}
