//! What large label maps and many boxes cost: the parts that the window waits for, and
//! those that are done beside it.

#[path = "../tests/support/studio.rs"]
mod studio;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use studio::Studio;
use velatura::app::boxes::BoxCommand;
use velatura::document::{
    ClassChanges, Document, DocumentEditor, Recoding, TileGrid, stored_class,
};
use velatura::geometry::{CanvasPoint, CanvasView};
use velatura::recipe::palette::{Palette, PaletteClass};
use velatura::tools::{PointerEvent, PointerPhase, ToolId, Toolbox, Wish};

const SIDE_PX: u32 = 4096;

fn palette() -> Palette {
    let class = |index: u8| PaletteClass {
        index,
        name: format!("class {index}"),
        color: [index * 20, 90, 200],
    };
    Palette {
        name: "Bench".to_owned(),
        classes: (0..10).map(class).collect(),
    }
}

/// Bent stripes of ten classes, all of which touch a comb of one: no tile is plain.
fn map() -> TileGrid<u8> {
    TileGrid::from_fn([SIDE_PX, SIDE_PX], |x, y| {
        let bent = x / 9 + (y / 31) % 7;
        let class = if y % 64 < 4 || x % 512 < 2 {
            3
        } else {
            bent % 10
        };
        stored_class(class as u8)
    })
}

fn editor() -> DocumentEditor {
    let document = Document::blank([SIDE_PX, SIDE_PX]).expect("a document");
    let mut editor = DocumentEditor::new(document);
    editor
        .insert_semantic_layer("Add label map", "Label map", map(), palette())
        .expect("a layer");
    editor.select_class(7);
    editor
}

/// A shape from corner to corner, by a tool that paints masks and classes or colours.
fn shapes(c: &mut Criterion) {
    let mut group = c.benchmark_group("shape_of_4000px");
    group.sample_size(20);
    for (medium, name) in ["a class", "a colour"].into_iter().enumerate() {
        let mut toolbox = Toolbox::default();
        toolbox.select(ToolId("shape"));
        toolbox.choose("medium", medium);
        toolbox.choose("form", 1);
        let event = |phase, at| PointerEvent::new(phase, CanvasPoint::new(at, at));
        let drag = [
            event(PointerPhase::Press, 40.0),
            event(PointerPhase::Release, 4040.0),
        ];
        let blank = TileGrid::new([SIDE_PX, SIDE_PX]);
        let mut editor = DocumentEditor::new(Document::blank([SIDE_PX, SIDE_PX]).expect("one"));
        editor
            .insert_semantic_layer("Add label map", "Label map", blank, palette())
            .expect("a layer");
        editor.select_class(7);
        group.bench_function(format!("{name}, in the window"), |b| {
            b.iter_batched(
                || editor.clone(),
                |mut editor| {
                    let view = &mut CanvasView::default();
                    toolbox.handle(&drag, &mut editor, view).expect("drawn");
                    editor
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

fn maps(c: &mut Criterion) {
    let mut group = c.benchmark_group("label_map_of_4096px");
    group.sample_size(20);
    let mut editor = editor();
    let mut toolbox = Toolbox::default();
    toolbox.select(ToolId("bucket"));
    let mut press = || {
        let press = PointerEvent::new(PointerPhase::Press, CanvasPoint::new(2.0, 2.0));
        toolbox
            .handle(&[press], &mut editor, &mut CanvasView::default())
            .expect("asked for");
        toolbox.take_wish()
    };
    let Some(Wish::Fill(fill)) = press() else {
        panic!("it is worked out at once");
    };
    group.bench_function("bucket, in the window", |b| b.iter(|| black_box(press())));
    group.bench_function("bucket, beside it", |b| {
        b.iter(|| black_box(fill.changes(editor.document())));
    });
    let snapshot = editor.snapshot();
    let swap = Recoding::default().with(3, 5).with(5, 3);
    group.bench_function("swap, beside it", |b| {
        b.iter(|| black_box(ClassChanges::of(&snapshot, None, &swap, None)));
    });
    let changes = ClassChanges::of(&snapshot, None, &swap, None);
    group.bench_function("what was worked out, in the window", |b| {
        b.iter_batched(
            || (editor.clone(), changes.clone()),
            |(mut editor, changes)| editor.change_classes("Swap", changes).expect("fits"),
            BatchSize::LargeInput,
        );
    });
    group.bench_function("count, beside it", |b| {
        b.iter_batched(map, |grid| black_box(grid.counts()), BatchSize::LargeInput);
    });
    group.finish();
}

/// A window with so many boxes.
fn window(count: usize) -> Studio {
    let mut studio = Studio::start();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("boxes.json");
    let boxes = (0..count).map(|index| {
        let (x, y) = (index % 97, index / 97 % 97);
        format!(
            r#"{{"category": "{}", "bbox": [{}, {}, {}, {}]}}"#,
            ["cat", "bus", "balloon"][index % 3],
            x as f32 * 0.6,
            y as f32 * 0.6,
            2.0 + (index % 7) as f32,
            2.0 + (index % 5) as f32
        )
    });
    let boxes: Vec<String> = boxes.collect();
    let text = format!(
        r#"{{"image": {{"width": 64, "height": 64}}, "annotations": [{}]}}"#,
        boxes.join(",")
    );
    std::fs::write(&path, text).expect("a file");
    studio.command(BoxCommand::Read(path).into());
    studio.wait("the boxes", |state| {
        state.document().layers().len() == 2 || state.notices.iter().next().is_some()
    });
    studio
}

fn boxes(c: &mut Criterion) {
    let mut group = c.benchmark_group("frame_of_the_window");
    group.sample_size(20);
    for count in [12, 500, 2000, 10_000] {
        let mut studio = window(count);
        if studio.state().document().layers().len() < 2 {
            println!("{count} boxes are refused");
            continue;
        }
        group.bench_function(format!("with {count} boxes"), |b| {
            b.iter(|| {
                studio.harness.step();
                let shapes = studio.harness.output().shapes.clone();
                black_box(studio.harness.ctx.tessellate(shapes, 1.0))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, maps, shapes, boxes);
criterion_main!(benches);
