//! The target that reads project files.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _, Write as _};

use image::{Rgba, RgbaImage};
use velatura::document::{Document, DocumentEditor, LayerKind};
use velatura::geometry::CanvasView;
use velatura::project::{Project, ReadLimits, open_project, open_psd, save_project, save_psd};
use velatura::recipe::{GenerateSpec, PaintedRecipe};
use zip::write::FileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::drive::{MOST_BYTES, Target};
use super::random::Random;
use super::{containers, json, mutate};

/// Memory for the layers of one project. The rest of what a target may take is for
/// their files, packed and unpacked.
const LIMITS: ReadLimits = ReadLimits {
    pixel_bytes: MOST_BYTES as u64 / 4,
};

fn project(side_px: u32) -> Vec<u8> {
    let image = RgbaImage::from_fn(side_px, side_px, |x, y| {
        Rgba([(x * 9) as u8, (y * 7) as u8, 90, (x * y + 100) as u8])
    });
    let document = Document::from_image("A mill", &image).unwrap();
    let picture = document.layers()[0].id;
    let mut editor = DocumentEditor::new(document);
    editor.fill_mask().unwrap();
    for kind in [LayerKind::Layout, LayerKind::Semantic, LayerKind::Raster] {
        editor.add_layer(kind).unwrap();
    }
    let recipe = PaintedRecipe::new(GenerateSpec::default(), "Storybook", "0123456789");
    let project = Project {
        document: editor.document().clone(),
        view: CanvasView::default(),
        recipes: BTreeMap::from([(picture, recipe)]),
        choices: velatura::project::Choices::default(),
        home: None,
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.velatura");
    save_project(&path, &project).unwrap();
    std::fs::read(path).unwrap()
}

/// Files of an archive, by name.
type Files = Vec<(String, Vec<u8>)>;

fn unpacked(archive: &[u8]) -> Option<Files> {
    let mut archive = ZipArchive::new(Cursor::new(archive)).ok()?;
    let files = (0..archive.len()).map(|index| {
        let mut file = archive.by_index(index).ok()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).ok()?;
        Some((file.name().to_owned(), bytes))
    });
    files.collect()
}

fn packed(random: &mut Random, files: &Files) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        let method = match random.one_in(2) {
            true => CompressionMethod::Stored,
            false => CompressionMethod::Deflated,
        };
        let options = FileOptions::default().compression_method(method);
        // A name that stands twice is refused by the writer already.
        if archive.start_file(name, options).is_ok() {
            archive.write_all(bytes).unwrap();
        }
    }
    archive.finish().unwrap().into_inner()
}

/// A project of the corpus, changed in its files, or in its bytes.
fn changed(random: &mut Random, corpus: &[Vec<u8>]) -> Vec<u8> {
    let chosen = random.pick(corpus);
    let Some(mut files) = unpacked(chosen).filter(|_| !random.one_in(4)) else {
        return mutate::bytes(random, corpus);
    };
    for _ in 0..=random.below(2) {
        let at = random.below(files.len());
        let bytes = [files[at].1.clone()];
        match random.below(8) {
            0 => drop(files.remove(at)),
            1 => files[at].0.push('x'),
            2 => {
                let to = random.below(files.len());
                files[to].1 = bytes[0].clone();
            }
            _ if files[at].0.ends_with(".png") => files[at].1 = containers::picture(random, &bytes),
            _ => files[at].1 = json::values(random, &bytes),
        }
        if files.is_empty() {
            break;
        }
    }
    let mut archive = packed(random, &files);
    if random.one_in(8) {
        mutate::damage(random, &mut archive, corpus);
    }
    archive
}

#[test]
fn projects() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.velatura");
    Target {
        name: "projects",
        corpus: vec![project(24), project(300)],
        mutate: changed,
        most_bytes: MOST_BYTES,
        read: &|input| {
            std::fs::write(&path, input).unwrap();
            match open_project(&path, LIMITS) {
                // What opens can be saved, and opens again as it was.
                Ok(opened) => {
                    opened.project.document.validate_invariants().unwrap();
                    save_project(&path, &opened.project).unwrap();
                    let again = open_project(&path, LIMITS).unwrap();
                    assert_eq!(again.project.document, opened.project.document);
                }
                Err(error) => {
                    let sentence = error.to_string();
                    assert!(!sentence.contains('\n'), "{sentence}");
                }
            }
        },
    }
    .fuzz();
}

#[test]
fn photoshop_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.psd");
    let files = ["layered.psd", "blended.psd", "grey.psd", "written.psd"];
    let files = files.map(|name| std::fs::read(format!("tests/data/project/{name}")).unwrap());
    Target {
        name: "photoshop_files",
        corpus: files.into(),
        mutate: mutate::bytes,
        most_bytes: MOST_BYTES,
        read: &|input| {
            std::fs::write(&path, input).unwrap();
            match open_psd(&path, LIMITS) {
                // What opens can be saved, and looks the same when it opens again.
                Ok(opened) => {
                    let document = opened.project.document;
                    document.validate_invariants().unwrap();
                    save_psd(&path, &document).unwrap();
                    let again = open_psd(&path, ReadLimits::default()).unwrap();
                    assert!(again.project.document.composite() == document.composite());
                }
                Err(error) => {
                    let sentence = error.to_string();
                    assert!(!sentence.contains('\n'), "{sentence}");
                }
            }
        },
    }
    .fuzz();
}
