//! Files that are no projects, damaged or hostile: one sentence each.

use std::io::{Cursor, Write as _};
use std::path::Path;

use serde_json::{Value, json};
use velatura::project::{ProjectError, ReadLimits, open_project};
use zip::write::FileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::FIRST;

const FEW: ReadLimits = ReadLimits {
    pixel_bytes: 32 << 20,
};

/// An archive of the given files.
pub fn archive_of(files: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = FileOptions::default().compression_method(method);
    for (name, bytes) in files {
        archive.start_file(*name, options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn gray_png(size_px: [u32; 2], value: u8) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, size_px[0], size_px[1]);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().unwrap();
    let pixels = vec![value; size_px[0] as usize * size_px[1] as usize];
    writer.write_image_data(&pixels).unwrap();
    writer.finish().unwrap();
    file
}

/// A manifest with one mask layer of 20 × 10 pixels.
fn manifest() -> Value {
    json!({
        "format": "velatura-project",
        "version": 1,
        "program": "Velatura 0.1.0",
        "size_px": [20, 10],
        "layers": [{
            "id": 1, "name": "Mask", "opacity": 1.0, "is_visible": true,
            "content": {"mask": {"file": "layers/1.png", "origin_px": [2, 3], "size_px": [8, 4]}},
        }],
    })
}

fn opened(bytes: &[u8]) -> Result<(), ProjectError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.velatura");
    std::fs::write(&path, bytes).unwrap();
    let opened = open_project(&path, FEW);
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "it is only read");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    opened.map(drop)
}

/// What is said of a project with this manifest and one picture.
fn said_of(manifest: &Value, picture: &[u8]) -> String {
    let text = manifest.to_string();
    let files = [
        ("manifest.json", text.as_bytes()),
        ("layers/1.png", picture),
    ];
    let sentence = opened(&archive_of(&files, CompressionMethod::Deflated));
    let sentence = sentence.unwrap_err().to_string();
    assert!(sentence.contains("a.velatura"), "{sentence}");
    assert!(
        !sentence.contains('\n') && sentence.len() < 400,
        "{sentence}"
    );
    sentence
}

/// The manifest with another value in one place.
fn with(place: &str, value: Value) -> Value {
    let mut manifest = manifest();
    *manifest.pointer_mut(place).expect("a place") = value;
    manifest
}

#[test]
fn an_archive_that_was_packed_again_opens() {
    let text = manifest().to_string();
    let picture = gray_png([8, 4], 200);
    let files = [
        ("layers/1.png", &picture[..]),
        ("manifest.json", text.as_bytes()),
    ];
    opened(&archive_of(&files, CompressionMethod::Deflated)).unwrap();
}

#[test]
fn what_is_no_project_is_said_to_be_none() {
    let text = b"{\"format\": \"something else\", \"version\": 1}";
    for bytes in [
        archive_of(&[], CompressionMethod::Stored),
        archive_of(
            &[("word/document.xml", b"<w/>")],
            CompressionMethod::Deflated,
        ),
        archive_of(&[("manifest.json", text)], CompressionMethod::Deflated),
        archive_of(
            &[("manifest.json", b"not json")],
            CompressionMethod::Deflated,
        ),
    ] {
        let error = opened(&bytes).unwrap_err();
        assert!(matches!(error, ProjectError::NotAProject(_)), "{error}");
    }
    for bytes in [
        &b""[..],
        b"PK",
        b"PK\x03\x04",
        b"\x89PNG\r\n\x1a\n",
        &[7; 5000],
    ] {
        opened(bytes).unwrap_err();
    }
    let missing = open_project(Path::new("/nowhere/a.velatura"), FEW).unwrap_err();
    assert!(matches!(missing, ProjectError::Open { .. }), "{missing}");
}

#[test]
fn a_newer_form_is_named_with_its_program() {
    let newer = json!({
        "format": "velatura-project", "version": 2, "program": "Velatura 3.1", "layers": "elsewhere",
    });
    let sentence = said_of(&newer, b"");
    assert!(
        sentence.contains("newer program (Velatura 3.1)"),
        "{sentence}"
    );
    assert!(sentence.contains("update"), "{sentence}");
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_refused() {
    let whole = std::fs::read(FIRST).unwrap();
    for share in 0..60 {
        opened(&whole[..whole.len() * share / 60]).unwrap_err();
    }
    for less in 1..30 {
        opened(&whole[..whole.len() - less]).unwrap_err();
    }
}

#[test]
fn absurd_sizes_are_refused_before_memory_is_taken() {
    let picture = gray_png([8, 4], 200);
    for (place, value, expected) in [
        ("/size_px", json!([0, 10]), "0 × 10"),
        (
            "/size_px",
            json!([4_000_000_000_u32, 10]),
            "4000000000 × 10",
        ),
        ("/size_px", json!([20.5, 10]), "manifest"),
        ("/size_px", json!([-1, 10]), "manifest"),
        ("/layers/0/content/mask/size_px", json!([0, 4]), "outside"),
        ("/layers/0/content/mask/size_px", json!([19, 4]), "outside"),
        (
            "/layers/0/content/mask/origin_px",
            json!([4_294_967_295_u32, 0]),
            "outside",
        ),
        (
            "/layers/0/content/mask/size_px",
            json!([9, 4]),
            "8 × 4 pixels instead of 9 × 4",
        ),
        (
            "/layers/0/content/mask/file",
            json!("../../../etc/passwd"),
            "missing",
        ),
        (
            "/layers/0/content/mask/file",
            json!("/etc/passwd"),
            "missing",
        ),
        (
            "/layers/0/content",
            json!({"raster": {"file": "layers/1.png", "origin_px": [2, 3], "size_px": [8, 4]}}),
            "form",
        ),
        ("/layers/0/content", json!({"sound": null}), "manifest"),
        ("/layers/0/opacity", json!(1.5), "opacity"),
        ("/layers/0/opacity", json!(null), "manifest"),
        ("/layers/0/id", json!(u64::MAX), "identifier"),
        ("/layers/0/id", json!(-1), "manifest"),
        ("/layers", json!("none"), "manifest"),
        (
            "/layers/0/content",
            json!({"a\nlong\nword": null}),
            "a long word",
        ),
    ] {
        let sentence = said_of(&with(place, value.clone()), &picture);
        assert!(sentence.contains(expected), "{place} = {value}: {sentence}");
    }
    let numbers = r#"{"format": "velatura-project", "version": 1, "program": "", "size_px": [9, 9],
        "layers": [{"id": 1, "name": "", "opacity": 1, "is_visible": true,
        "content": {"layout": [{"class": "bus", "min": [NUMBER, 0], "max": [5, 5]}]}}]}"#;
    for number in ["NaN", "1e999", "-Infinity", "9", "1e39"] {
        let text = numbers.replace("NUMBER", number);
        let files = [("manifest.json", text.as_bytes())];
        let error = opened(&archive_of(&files, CompressionMethod::Stored)).unwrap_err();
        // JSON has no words for some of them: then it is no manifest at all.
        let is_refused = match number.parse::<f64>() {
            Ok(value) if !value.is_nan() && !number.starts_with('-') => {
                matches!(error, ProjectError::Damaged { .. })
            }
            _ => matches!(error, ProjectError::NotAProject(_)),
        };
        assert!(is_refused, "{number}: {error}");
    }
}

#[test]
fn names_that_stand_twice_are_refused() {
    let mut twice = manifest();
    let layer = twice["layers"][0].clone();
    twice["layers"].as_array_mut().unwrap().push(layer);
    let picture = gray_png([8, 4], 200);
    assert!(said_of(&twice, &picture).contains("share a picture"));
    twice["layers"][1]["content"] = json!({"mask": null});
    assert!(said_of(&twice, &picture).contains("exists twice"));

    // The same name twice in the archive: its reader would choose one.
    let text = manifest().to_string();
    let files = [
        ("manifest.json", text.as_bytes()),
        ("layers/1.png", &picture[..]),
        ("layers/2.png", &picture[..]),
    ];
    let mut bytes = archive_of(&files, CompressionMethod::Stored);
    let second = b"layers/2.png";
    for at in 0..bytes.len() - second.len() {
        if bytes[at..].starts_with(second) {
            bytes[at + 7] = b'1';
        }
    }
    let sentence = opened(&bytes).unwrap_err().to_string();
    assert!(sentence.contains("stands twice"), "{sentence}");
}

#[test]
fn bombs_are_met_with_a_limit() {
    // A manifest of a gigabyte of blanks, packed into one megabyte.
    let blanks = vec![b' '; 64 << 20];
    let bytes = archive_of(&[("manifest.json", &blanks)], CompressionMethod::Deflated);
    assert!(bytes.len() < 1 << 20);
    assert!(opened(&bytes).unwrap_err().to_string().contains("too long"));

    // A picture that is longer than its pixels.
    let long = [gray_png([8, 4], 200), vec![0; 1 << 20]].concat();
    assert!(said_of(&manifest(), &long).contains("longer than it can be"));

    // Layers that take more memory than there is.
    let mut many = with("/size_px", json!([8192, 8192]));
    let picture = gray_png([8192, 8192], 200);
    let pixels = json!({"file": "layers/1.png", "origin_px": [0, 0], "size_px": [8192, 8192]});
    many["layers"][0]["content"] = json!({ "mask": pixels });
    assert!(picture.len() < 1 << 20);
    assert!(said_of(&many, &picture).contains("more than the 32 MB of memory"));
    let mut layers = Vec::new();
    for id in 0..5000 {
        layers.push(json!({"id": id, "name": "", "opacity": 1, "is_visible": true, "content": {"mask": null}}));
    }
    assert!(said_of(&with("/layers", json!(layers)), b"").contains("layers"));

    // A last record that claims more files than there are atoms.
    let mut bytes = std::fs::read(FIRST).unwrap();
    let end = bytes.split_off(bytes.len() - 22);
    let start = bytes.len() as u64;
    let directory = u64::from(u32::from_le_bytes(*end[16..].first_chunk().unwrap()));
    bytes.extend(b"PK\x06\x06");
    for number in [
        44_u64,
        45 << 16 | 45,
        0,
        u64::MAX >> 8,
        u64::MAX >> 8,
        1 << 40,
        directory,
    ] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.truncate(start as usize + 56);
    bytes.extend(b"PK\x06\x07\0\0\0\0");
    bytes.extend(start.to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(&end);
    let sentence = opened(&bytes).unwrap_err().to_string();
    assert!(sentence.contains("more files"), "{sentence}");
}
