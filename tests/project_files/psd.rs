//! Photoshop files: those of psd-tools open as they were made (`tests/data/project/make_psd.py`),
//! and ours are what psd-tools read.

use std::path::{Path, PathBuf};

use velatura::document::{
    BoundingBox, CanvasContents, Document, FrameChoice, Layer, LayerContent, LayerId, TileGrid,
    stored_class,
};
use velatura::geometry::CanvasPoint;
use velatura::project::{
    OpenedProject, ProjectError, ProjectWarning, ReadLimits, is_psd, is_psd_name, open_psd,
    save_psd,
};
use velatura::recipe::{Palette, PaletteClass};

const FOLDER: &str = "tests/data/project";

/// What psd-tools read of it, layer by layer and pixel by pixel, is what is in it.
const OURS: &str = "tests/data/project/written.psd";

fn opened(name: &str) -> OpenedProject {
    open_psd(&Path::new(FOLDER).join(name), ReadLimits::default()).unwrap()
}

/// The formula of make_psd.py; a layer that is hidden from itself is nothing.
fn pixel([x, y]: [u32; 2], seed: u32, is_transparent: bool) -> [u8; 4] {
    let colours = [
        x / 16 * 9 + seed,
        y / 8 * 5 + seed,
        (x / 30 + y / 5) * 11 + seed,
    ];
    let [red, green, blue] = colours.map(|value| (value % 256) as u8);
    let is_gap = (x / 12 + y + seed) % 9 < 3;
    match is_transparent {
        true if is_gap => [0; 4],
        true => [red, green, blue, 255 - (x / 20 * seed % 128) as u8],
        false => [red, green, blue, 255],
    }
}

/// A layer of the formula at a place.
fn at(size_px: [u32; 2], [left, top]: [i32; 2], own_px: [u32; 2], seed: u32) -> TileGrid<[u8; 4]> {
    TileGrid::from_fn(size_px, |x, y| {
        let own = [(x as i32 - left) as u32, (y as i32 - top) as u32];
        let is_inside = own[0] < own_px[0] && own[1] < own_px[1];
        if is_inside {
            pixel(own, seed, seed != 1)
        } else {
            [0; 4]
        }
    })
}

#[test]
fn layers_of_psd_tools_open() {
    let OpenedProject { project, warnings } = opened("layered.psd");
    assert_eq!(warnings, []);
    let size_px = [300, 60];
    let document = &project.document;
    assert_eq!(document.size_px(), size_px);
    let home = project.home.unwrap();
    assert!(!home.is_project, "a save must not replace it by a project");
    // A group fades what is in it: 200/255 of 100/255.
    let faded = 200.0 * 100.0 / 255.0_f32;
    let wanted = [
        ("Hintergrund", at(size_px, [0, 0], size_px, 1), 255.0, true),
        (
            "not packed",
            at(size_px, [250, 45], [31, 9], 7),
            255.0,
            true,
        ),
        (
            "Ciel étoilé",
            at(size_px, [150, 10], [120, 40], 2),
            128.0,
            true,
        ),
        (
            "beyond",
            at(size_px, [-20, -10], [340, 90], 3),
            255.0,
            false,
        ),
        (
            "in a group",
            at(size_px, [10, 20], [50, 30], 4),
            faded.round(),
            true,
        ),
        (
            "in a hidden group",
            at(size_px, [5, 5], [20, 20], 5),
            255.0,
            false,
        ),
    ];
    let masked = TileGrid::from_fn(size_px, |x, y| {
        let [red, green, blue, alpha] = at(size_px, [60, 8], [30, 20], 8).pixel(x as i32, y as i32);
        let is_inside = (65..85).contains(&x) && (10..20).contains(&y);
        let mask = if is_inside { (x - 65) * 12 % 256 } else { 0 };
        match (u32::from(alpha) * mask + 127) / 255 {
            0 => [0; 4],
            alpha => [red, green, blue, alpha as u8],
        }
    });
    let filled = (180.0 * 90.0 / 255.0_f32).round();
    let wanted = wanted.into_iter().chain([("masked", masked, filled, true)]);
    let (mask, pictures) = document.layers().split_last().unwrap();
    assert!(mask.mask().is_some());
    assert_eq!(pictures.len(), 7);
    for (layer, (name, grid, opacity, is_visible)) in pictures.iter().zip(wanted) {
        assert_eq!((layer.name.as_str(), layer.visible), (name, is_visible));
        assert_eq!((layer.opacity * 255.0).round(), opacity, "{name}");
        assert!(layer.raster() == Some(&grid), "{name}");
    }
}

#[test]
fn what_cannot_be_blended_is_shown_as_it_looked() {
    let OpenedProject { project, warnings } = opened("blended.psd");
    assert_eq!(warnings, [ProjectWarning::Blended]);
    let names: Vec<_> = project
        .document
        .layers()
        .iter()
        .map(|it| &it.name)
        .collect();
    assert_eq!(names, ["below", "shade", "As it looks", "Mask"]);
    let whole = project.document.composite();
    // Where nothing lies over it, the lower one.
    assert_eq!(whole.get_pixel(2, 2).0, pixel([2, 2], 1, false));
    // Both multiplied, as psd-tools worked it out.
    let (below, above) = (pixel([6, 9], 1, false), pixel([1, 4], 2, true));
    let product = u32::from(below[0]) * u32::from(above[0]) / 255;
    assert!(product.abs_diff(u32::from(whole.get_pixel(6, 9).0[0])) <= 1);
}

#[test]
fn a_picture_without_layers_is_one() {
    let OpenedProject { project, warnings } = opened("grey.psd");
    assert_eq!(warnings, []);
    let layers = project.document.layers();
    assert_eq!((layers[0].name.as_str(), layers.len()), ("grey", 2));
    let whole = project.document.composite();
    assert_eq!(whole.dimensions(), (33, 21));
    // PIL's grey: L = 299 R + 587 G + 114 B in thousandths.
    let [red, green, blue, _] = pixel([20, 13], 6, false).map(u32::from);
    let grey = (red * 299 + green * 587 + blue * 114) / 1000;
    let [found, same, also, alpha] = whole.get_pixel(20, 13).0;
    assert!(u32::from(found).abs_diff(grey) <= 1);
    assert_eq!((found, found, 255), (same, also, alpha));
}

/// A document of every kind of layer.
fn document() -> Document {
    let size_px = [290, 270];
    let named = |id, name: &str, content| Layer::new(LayerId(id), name, content);
    let classes = TileGrid::from_fn(size_px, |x, y| match (x / 40, y / 40) {
        (2, 2) => stored_class(3),
        (3, 2) => stored_class(9),
        _ => 0,
    });
    let mask = TileGrid::from_fn(size_px, |x, y| if y < 30 { (x % 256) as u8 } else { 0 });
    let corners = [CanvasPoint::new(10.0, 10.0), CanvasPoint::new(90.0, 90.0)];
    let layers = vec![
        named(
            1,
            "Ground",
            LayerContent::Raster(at(size_px, [0, 0], size_px, 1)),
        ),
        Layer {
            opacity: 0.5,
            ..named(
                2,
                "Étoile ☾ 🦉",
                LayerContent::Raster(at(size_px, [230, 240], [60, 30], 2)),
            )
        },
        Layer {
            visible: false,
            ..named(
                3,
                "unseen",
                LayerContent::Raster(at(size_px, [3, 5], [44, 33], 3)),
            )
        },
        named(4, "empty", LayerContent::Raster(TileGrid::new(size_px))),
        named(
            5,
            "Boxes",
            LayerContent::Layout(vec![BoundingBox::from_corners(
                corners[0], corners[1], "a cow",
            )]),
        ),
        named(6, "Map", LayerContent::Semantic(classes)),
        named(7, "Mask", LayerContent::Mask(mask)),
    ];
    let class = |index, color| PaletteClass {
        index,
        name: format!("class {index}"),
        color,
    };
    let contents = CanvasContents {
        size_px,
        layers,
        palette: Palette {
            name: "two".to_owned(),
            classes: vec![class(3, [9, 200, 30]), class(9, [250, 0, 77])],
        },
        frame: FrameChoice::default(),
        origin_px: [0, 0],
    };
    Document::from_contents(contents, None).unwrap()
}

fn saved(document: &Document) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.PSD");
    save_psd(&path, document).unwrap();
    (folder, path)
}

#[test]
fn ours_is_what_psd_tools_read() {
    let (_folder, path) = saved(&document());
    let bytes = std::fs::read(&path).unwrap();
    if let Some(place) = std::env::var_os("VELATURA_WRITTEN_PSD") {
        std::fs::write(place, &bytes).unwrap();
    }
    // Not by assert_eq: nobody reads so many bytes.
    assert!(
        bytes == std::fs::read(OURS).unwrap(),
        "read it with make_psd.py --read and compare, before it takes the place of {OURS}"
    );
}

#[test]
fn ours_come_back() {
    let document = document();
    let (_folder, path) = saved(&document);
    assert!(is_psd(&path) && is_psd_name(&path));
    let back = open_psd(&path, ReadLimits::default()).unwrap();
    assert_eq!(back.warnings, []);
    let back = back.project.document;
    assert_eq!(back.composite(), document.composite());
    let names: Vec<_> = back.layers().iter().map(|it| it.name.as_str()).collect();
    assert_eq!(
        names,
        ["Ground", "Étoile ☾ 🦉", "unseen", "Map", "Mask", "Mask"]
    );
    for (found, wanted) in back.layers().iter().zip(&document.layers()[..3]) {
        assert!(found.raster() == wanted.raster(), "{}", wanted.name);
        assert!((found.opacity - wanted.opacity).abs() < 0.003);
        assert_eq!(found.visible, wanted.visible);
    }
    let [map, mask] = [3, 4].map(|index: usize| &back.layers()[index]);
    assert!(!map.visible && !mask.visible);
    let shown = |layer: &Layer, x, y| layer.raster().unwrap().pixel(x, y);
    assert_eq!(shown(map, 90, 90), [9, 200, 30, 255]);
    assert_eq!(shown(map, 125, 90), [250, 0, 77, 255]);
    assert_eq!(shown(map, 5, 90), [0; 4]);
    assert_eq!(shown(mask, 200, 8), [255, 255, 255, 200]);
}

#[test]
fn transparency_of_the_whole_is_kept() {
    let size_px = [19, 11];
    let picture = Layer::new(
        LayerId(0),
        "lone",
        LayerContent::Raster(at(size_px, [2, 1], [14, 9], 2)),
    );
    let document = Document::from_pictures(size_px, vec![picture]).unwrap();
    let (_folder, path) = saved(&document);
    let back = open_psd(&path, ReadLimits::default()).unwrap();
    let back = back.project.document;
    assert_eq!(back.composite(), document.composite());
    // One layer, below 0 for the transparency: the mask on which nothing is became none.
    let bytes = std::fs::read(&path).unwrap();
    let count = 26 + 4 + 4 + 4 + 4;
    assert_eq!(bytes[count..count + 2], (-1_i16).to_be_bytes());
}

#[test]
fn a_file_of_another_form_costs_one_sentence() {
    let (_folder, path) = saved(&document());
    let bytes = std::fs::read(&path).unwrap();
    let refused = |at: usize, value: &[u8]| {
        let mut changed = bytes.clone();
        changed[at..at + value.len()].copy_from_slice(value);
        std::fs::write(&path, &changed).unwrap();
        open_psd(&path, ReadLimits::default()).unwrap_err()
    };
    // Where the header has its version, height, depth and mode.
    assert!(refused(4, &[0, 2]).to_string().contains("is a PSB file"));
    let error = refused(22, &[0, 16]);
    assert!(matches!(error, ProjectError::PsdForm { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("8 bits a channel and open it again")
    );
    assert!(refused(24, &[0, 4]).to_string().contains("other colours"));
    let error = refused(14, &[0, 9, 0, 0]);
    assert!(matches!(error, ProjectError::CanvasSize { .. }), "{error}");
    std::fs::write(&path, &bytes).unwrap();
    let few = ReadLimits {
        pixel_bytes: bytes.len() as u64 + 4096,
    };
    let error = open_psd(&path, few).unwrap_err();
    assert!(matches!(error, ProjectError::TooLarge { .. }), "{error}");
    // The header, no table, no resources, and the layers behind their length.
    let start = 26 + 4 + 4 + 4;
    let length = u32::from_be_bytes(bytes[start - 4..start].try_into().unwrap());
    for end in (0..start + length as usize).step_by(97) {
        std::fs::write(&path, &bytes[..end]).unwrap();
        let error = open_psd(&path, ReadLimits::default()).unwrap_err();
        assert!(
            matches!(error, ProjectError::Damaged { .. }),
            "{end}: {error}"
        );
    }
}
