//! Saving and opening a project of 2048² pixels and six layers; each is to take
//! less than a second.

use std::collections::BTreeMap;

use criterion::{Criterion, criterion_group, criterion_main};
use velatura::document::{
    CanvasContents, Document, FrameChoice, Layer, LayerContent, LayerId, TileGrid,
};
use velatura::geometry::CanvasView;
use velatura::project::{Project, ReadLimits, open_project, save_project};
use velatura::recipe::Palette;

const SIZE_PX: [u32; 2] = [2048, 2048];

/// Hills with the grain of a photograph, from edge to edge: the worst that is painted.
fn picture(seed: u32) -> TileGrid<[u8; 4]> {
    TileGrid::from_fn(SIZE_PX, |x, y| {
        let (u, v) = (x as f32 / 2048.0, y as f32 / 2048.0);
        let hill = 0.5 + 0.2 * (u * 7.0 + seed as f32).sin();
        let grain = x.wrapping_mul(0x9e37_79b9) ^ y.wrapping_mul(0x85eb_ca6b) ^ seed;
        let grain = ((grain.wrapping_mul(0xc2b2_ae35) >> 28) as f32) - 7.5;
        let [r, g, b] = if v > hill {
            [80.0, 130.0 + 60.0 * v, 60.0]
        } else {
            [120.0 + 90.0 * v, 170.0, 225.0]
        };
        [r + grain, g + grain, b + grain, 255.0].map(|value| value as u8)
    })
}

/// Four pictures, a mask and a label map.
fn project() -> Project {
    let disc = |x: u32, y: u32| {
        let distance = (x as f32 - 1000.0).hypot(y as f32 - 900.0);
        (255.0 - (distance - 500.0).clamp(0.0, 255.0)) as u8
    };
    let map = |x: u32, y: u32| (1 + (x / 300 + y / 200) % 6) as u8;
    let pictures = (0..4).map(|seed| LayerContent::Raster(picture(seed)));
    let others = [
        LayerContent::Mask(TileGrid::from_fn(SIZE_PX, disc)),
        LayerContent::Semantic(TileGrid::from_fn(SIZE_PX, map)),
    ];
    let layers = (1..).zip(pictures.chain(others));
    let layers = layers.map(|(id, content)| Layer::new(LayerId(id), "Layer", content));
    let contents = CanvasContents {
        size_px: SIZE_PX,
        layers: layers.collect(),
        palette: Palette::default(),
        frame: FrameChoice::Automatic,
        origin_px: [0, 0],
    };
    Project {
        document: Document::from_contents(contents, None).expect("a document"),
        view: CanvasView::default(),
        recipes: BTreeMap::new(),
        choices: velatura::project::Choices::default(),
        home: None,
    }
}

fn files(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bench.velatura");
    let project = project();
    let mut group = c.benchmark_group("project_of_2048px_and_six_layers");
    group.sample_size(10);
    group.bench_function("save", |b| {
        b.iter(|| save_project(&path, &project).expect("saved"));
    });
    save_project(&path, &project).expect("saved");
    let bytes = std::fs::metadata(&path).expect("a file").len();
    println!("The file has {} MB.", bytes >> 20);
    group.bench_function("open", |b| {
        b.iter(|| open_project(&path, ReadLimits::default()).expect("opened"));
    });
    group.finish();
}

criterion_group!(benches, files);
criterion_main!(benches);
