//! The brush of colours.

use super::tests::{Bench, blank, event, stroke};
use super::*;
use crate::document::{Document, Edit, LayerKind, TileGrid};
use crate::tools::{Modifiers, Target};

const RED: [u8; 3] = [200, 30, 20];

fn bench(document: Document) -> Bench {
    let mut bench = Bench::new(BrushMode::Paint, document);
    bench.tool.medium = Medium::Colours;
    bench.colours.now = RED;
    bench
}

fn pixel(bench: &Bench, x: i32, y: i32) -> [u8; 4] {
    let layer = bench.editor.document().selected_layer().unwrap();
    layer.raster().unwrap().pixel(x, y)
}

/// A stroke of which each event has these keys held.
fn held(bench: &mut Bench, modifiers: Modifiers, points: &[(f32, f32)]) {
    for event in stroke(points) {
        bench.send(PointerEvent { modifiers, ..event });
    }
}

fn command() -> Modifiers {
    Modifiers {
        command: true,
        ..Modifiers::default()
    }
}

#[test]
fn the_first_stroke_makes_a_layer_above_the_pictures_and_one_step() {
    let picture = TileGrid::from_fn([400, 300], |_, _| [10, 20, 30, 255]);
    let document = Document::from_picture("photo", picture).unwrap();
    let mut bench = bench(document);
    let mask = bench.editor.document().active_mask().unwrap().id;
    bench.editor.select_layer(mask).unwrap();
    assert_eq!(
        bench.tool.target(bench.editor.document()),
        Ok(Target::NewLayer)
    );
    bench.stroke(&[(100.0, 100.0), (150.0, 100.0)]);
    let names = |bench: &Bench| -> Vec<String> {
        let layers = bench.editor.document().layers().iter();
        layers.map(|layer| layer.name.clone()).collect()
    };
    assert_eq!(names(&bench), ["photo", "Paint", "Mask"]);
    assert_eq!(pixel(&bench, 120, 100), [200, 30, 20, 255]);
    assert_eq!(pixel(&bench, 120, 120), [0; 4]);
    // The picture is as it was, and seen under it.
    let seen = bench.editor.document().composite();
    assert_eq!(seen.get_pixel(120, 120).0, [10, 20, 30, 255]);

    // Another layer in hand meanwhile: the next stroke goes on where the last one was.
    bench.editor.select_layer(mask).unwrap();
    bench.stroke(&[(100.0, 200.0), (150.0, 200.0)]);
    assert_eq!(names(&bench).len(), 3);
    assert_eq!(pixel(&bench, 120, 200)[3], 255);
    assert!(bench.editor.undo());
    assert!(bench.editor.undo());
    assert_eq!(names(&bench), ["photo", "Mask"]);
}

#[test]
fn a_newer_picture_over_the_paint_is_painted_on_above_it() {
    let mut bench = bench(blank());
    bench.stroke(&[(50.0, 50.0), (90.0, 50.0)]);
    let first = bench.editor.document().selected_layer().unwrap().id;
    let half = TileGrid::from_fn([400, 300], |x, _| [10, 20, 30, 255 * u8::from(x < 200)]);
    bench
        .editor
        .insert_picture("Generate", "house", half)
        .unwrap();
    bench.editor.select_layer(first).unwrap();
    // Where it can still be seen the paint goes on.
    bench.stroke(&[(250.0, 50.0), (290.0, 50.0)]);
    assert_eq!(pixel(&bench, 270, 50)[..3], RED);
    assert_eq!(bench.editor.document().selected_layer().unwrap().id, first);
    // To erase there makes no layer.
    held(&mut bench, command(), &[(50.0, 100.0), (90.0, 100.0)]);
    assert_eq!(bench.editor.document().selected_layer().unwrap().id, first);
    bench.stroke(&[(50.0, 50.0), (90.0, 50.0)]);
    let layers = bench.editor.document().layers().iter();
    let names: Vec<&str> = layers.map(|layer| &*layer.name).collect();
    assert_eq!(names, ["Paint", "house", "Paint 2", "Mask"]);
    let seen = bench.editor.document().composite();
    assert_eq!(seen.get_pixel(70, 50).0[..3], RED);
}

#[test]
fn colours_lie_over_each_other_as_layers_do() {
    let mut bench = bench(blank());
    bench.stroke(&[(50.0, 50.0), (90.0, 50.0)]);
    bench.tool.settings.opacity = 0.5;
    bench.colours.now = [0, 130, 220];
    bench.stroke(&[(50.0, 50.0), (90.0, 50.0), (50.0, 50.0)]);
    // Half of each, however often the stroke crosses itself.
    assert_eq!(pixel(&bench, 70, 50), [100, 80, 120, 255]);
    bench.stroke(&[(50.0, 150.0), (90.0, 150.0)]);
    assert_eq!(pixel(&bench, 70, 150), [0, 130, 220, 128]);
    assert_eq!(bench.colours.recent()[..2], [[0, 130, 220], RED]);
    // One that is there stays in its place.
    bench.colours.now = RED;
    bench.stroke(&[(50.0, 250.0), (90.0, 250.0)]);
    assert_eq!(bench.colours.recent()[..2], [[0, 130, 220], RED]);
}

#[test]
fn ctrl_erases_to_nothing_and_leaves_no_tile() {
    let mut bench = bench(blank());
    bench.stroke(&[(50.0, 50.0), (90.0, 50.0)]);
    bench.tool.settings.size_px = 60.0;
    held(&mut bench, command(), &[(40.0, 50.0), (100.0, 50.0)]);
    assert_eq!(pixel(&bench, 70, 50), [0; 4]);
    let layer = bench.editor.document().selected_layer().unwrap();
    assert!(layer.content.is_blank() && layer.content.size_bytes() == 0);
    // There is nothing to erase on a canvas without pictures.
    let mut empty = self::bench(blank());
    let press = event(PointerPhase::Press, (50.0, 50.0));
    let modifiers = command();
    let refused = empty.frame(&[PointerEvent { modifiers, ..press }]);
    assert_eq!(refused, Err(ToolError::NoPaint));
    assert_eq!(
        empty.editor.document().layers().len(),
        1,
        "the mask it began with"
    );
    assert!(!empty.editor.is_busy());
}

#[test]
fn alt_picks_what_is_seen() {
    let picture = TileGrid::from_fn([400, 300], |x, _| [x as u8, 20, 30, 255]);
    let document = Document::from_picture("photo", picture).unwrap();
    let mut bench = bench(document);
    let layer = bench.editor.add_layer(LayerKind::Raster).unwrap();
    let modifiers = Modifiers {
        alt: true,
        ..Modifiers::default()
    };
    let press = event(PointerPhase::Press, (77.5, 40.0));
    bench.send(PointerEvent { modifiers, ..press });
    assert_eq!(bench.colours.now, [77, 20, 30]);
    // Through half of what lies above.
    bench.colours.now = [255, 255, 255];
    bench.stroke(&[(60.0, 40.0), (90.0, 40.0)]);
    bench.editor.begin("half").unwrap();
    let edit = Edit::SetOpacity {
        layer,
        before: 1.0,
        after: 0.5,
    };
    bench.editor.apply(edit).unwrap();
    bench.editor.commit();
    bench.send(PointerEvent { modifiers, ..press });
    let seen = bench.editor.document().composite();
    let [r, g, b, _] = seen.get_pixel(77, 40).0;
    assert_eq!(bench.colours.now, [r, g, b]);
    assert!(!bench.editor.is_busy());
}

#[test]
fn a_hidden_layer_says_so() {
    let mut bench = bench(blank());
    bench.stroke(&[(50.0, 50.0), (90.0, 50.0)]);
    let layer = bench.editor.document().selected_layer().unwrap().id;
    bench.editor.set_layer_visible(layer, false).unwrap();
    let press = event(PointerPhase::Press, (50.0, 50.0));
    let refused = bench.frame(&[press]);
    assert_eq!(refused, Err(ToolError::HiddenLayer("Paint".to_owned())));
}
