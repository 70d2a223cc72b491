//! Label maps in the window, by pointer and keys: the list of classes, the tools, the
//! editor of classes.

#[path = "support/studio.rs"]
mod studio;

use egui::{Event, Key, Modifiers, PointerButton, Pos2, vec2};
use egui_kittest::kittest::Queryable as _;
use studio::Studio;
use velatura::app::AppState;
use velatura::app::classes::{BuiltInPalette, ClassCommand, MapCoding};
use velatura::document::{LayerKind, stored_class};
use velatura::tools::ToolId;

impl Studio {
    /// A studio with an empty label map of Storybook's classes in hand.
    fn with_map() -> Self {
        let mut studio = Self::start();
        studio.click("Add label map");
        assert!(studio.sees("Class sky"));
        studio
    }

    fn canvas(&self) -> egui::Rect {
        self.harness.get_by_label("Canvas").rect()
    }

    /// Where a place of the map, in parts of it, lies in the window.
    fn at(&self, x: f32, y: f32) -> Pos2 {
        let canvas = self.canvas();
        let [width, height] = self.state().document().size_px().map(|side| side as f32);
        let zoom = self.state().front().view.zoom;
        canvas.center() + vec2((x - 0.5) * width * zoom, (y - 0.5) * height * zoom)
    }

    fn button(&mut self, pos: Pos2, pressed: bool, modifiers: Modifiers) {
        self.harness.event(Event::PointerButton {
            pos,
            button: PointerButton::Primary,
            pressed,
            modifiers,
        });
    }

    fn drag(&mut self, from: (f32, f32), to: (f32, f32)) {
        let (from, to) = (self.at(from.0, from.1), self.at(to.0, to.1));
        self.harness.event(Event::PointerMoved(from));
        self.button(from, true, Modifiers::NONE);
        self.harness.event(Event::PointerMoved(to));
        self.button(to, false, Modifiers::NONE);
        self.harness.run();
    }

    fn click_at(&mut self, x: f32, y: f32, modifiers: Modifiers) {
        let pos = self.at(x, y);
        self.harness.event(Event::PointerMoved(pos));
        self.button(pos, true, modifiers);
        self.button(pos, false, modifiers);
        self.harness.run();
    }

    fn key(&mut self, key: Key) {
        self.harness.key_press(key);
        self.harness.run();
    }

    fn index_of(&self, class: &str) -> u8 {
        let palette = self.state().document().palette();
        palette.class_named(class).expect("a class").index
    }

    /// How many pixels of the map have a class; the whole of it are 64 × 64.
    fn count(&self, class: &str) -> u64 {
        let stored = stored_class(self.index_of(class));
        self.counts()[usize::from(stored)]
    }

    fn counts(&self) -> [u64; 256] {
        let layer = self.state().document().selected_layer().expect("a layer");
        layer.semantic().expect("a label map").counts()
    }

    fn class_in_hand(&self) -> String {
        let class = self.state().document().selected_class();
        class.expect("a class").name.clone()
    }
}

fn undo_count(state: &AppState) -> usize {
    state.front().editor.history().undo_count()
}

#[test]
fn every_tool_paints_the_class_in_hand_and_the_legend_counts() {
    let mut studio = Studio::with_map();
    let all: u64 = studio.counts().iter().sum();
    studio.click("Class sky");
    assert_eq!(studio.class_in_hand(), "sky");
    studio.key(Key::G);
    studio.click_at(0.5, 0.5, Modifiers::NONE);
    assert_eq!(studio.count("sky"), all);

    studio.click("Class hill");
    studio.key(Key::U);
    studio.drag((0.02, 0.52), (0.98, 0.98));
    let hill = studio.count("hill");
    assert!(hill > all * 4 / 10, "{hill}");
    studio.click("Ellipse");
    studio.click("Class sun");
    studio.drag((0.1, 0.1), (0.4, 0.4));
    let sun = studio.count("sun");
    assert!((200..500).contains(&(sun * 4096 / all)), "{sun}");

    studio.key(Key::L);
    studio.click("Class water");
    for (x, y) in [(0.3, 0.6), (0.7, 0.6), (0.9, 0.9), (0.1, 0.9)] {
        studio.click_at(x, y, Modifiers::NONE);
    }
    studio.key(Key::Enter);
    let water = studio.count("water");
    assert!(water > all / 10, "{water}");

    studio.key(Key::B);
    studio.click("Class path");
    studio.drag((0.5, 0.7), (0.5, 0.95));
    assert!(studio.count("path") > 0);
    studio.key(Key::E);
    studio.drag((0.5, 0.7), (0.5, 0.95));
    assert!(studio.counts()[0] > 0 && studio.count("path") < 64);
    assert_eq!(undo_count(studio.state()), 7);

    // Counted elsewhere, told in the list.
    studio.wait("the shares", |state| {
        let document = state.document();
        let layer = document.selected_layer().expect("a layer").id;
        let counts = state.shares.of(document.id(), layer);
        counts.is_some_and(|counts| counts[0] > 0)
    });
    for _ in 0..7 {
        studio
            .harness
            .key_press_modifiers(Modifiers::COMMAND, Key::Z);
        studio.harness.run();
    }
    let kinds = studio
        .state()
        .document()
        .layers()
        .iter()
        .map(|layer| layer.kind());
    assert!(!kinds.into_iter().any(|kind| kind == LayerKind::Semantic));
}

#[test]
fn a_class_is_picked_from_the_canvas_by_tool_and_by_alt() {
    let mut studio = Studio::with_map();
    studio.click("Class water");
    studio.key(Key::U);
    studio.drag((0.0, 0.5), (1.0, 1.0));
    studio.click("Class grass");
    studio.key(Key::I);
    studio.click_at(0.5, 0.8, Modifiers::NONE);
    assert_eq!(studio.class_in_hand(), "water");
    studio.click("Class grass");
    studio.key(Key::B);
    let steps = undo_count(studio.state());
    studio.click_at(0.5, 0.8, Modifiers::ALT);
    assert_eq!(studio.class_in_hand(), "water");
    assert_eq!(undo_count(studio.state()), steps);
    assert_eq!(studio.state().toolbox.active().id, ToolId("brush"));
    // Where nothing is painted, nothing is picked.
    studio.click_at(0.5, 0.2, Modifiers::ALT);
    assert_eq!(studio.class_in_hand(), "water");
}

#[test]
fn two_classes_are_swapped_and_one_is_shown_apart() {
    let mut studio = Studio::with_map();
    studio.key(Key::U);
    studio.click("Class sky");
    studio.drag((0.0, 0.0), (1.0, 0.3));
    studio.click("Class water");
    studio.drag((0.0, 0.5), (1.0, 1.0));
    let (sky, water) = (studio.count("sky"), studio.count("water"));
    studio.harness.get_by_label("Class sky").click_secondary();
    studio.harness.run();
    studio.click("Swap with water in this map");
    studio.wait("the swap", |state| {
        let layer = state.document().selected_layer().expect("a layer");
        let label = state.front().editor.history().undo_label();
        layer.kind() == LayerKind::Semantic && label == Some("Swap classes")
    });
    assert_eq!((studio.count("sky"), studio.count("water")), (water, sky));

    let row = studio.harness.get_by_label("Class sky").rect();
    studio.harness.hover_at(row.center());
    studio.harness.run();
    studio.click("Show only sky");
    let stored = stored_class(studio.index_of("sky"));
    assert_eq!(studio.state().isolated_class(), Some(stored));
    studio.click_last("Show all classes");
    assert_eq!(studio.state().isolated_class(), None);
}

#[test]
fn another_palette_keeps_classes_by_name_and_loses_none() {
    let mut studio = Studio::with_map();
    studio.key(Key::U);
    for (class, top) in [
        ("plain", 0.0),
        ("sky", 0.25),
        ("path", 0.5),
        ("water", 0.75),
    ] {
        studio.click(&format!("Class {class}"));
        studio.drag((0.0, top), (1.0, top + 0.24));
    }
    let path = studio.count("path");
    studio.command(ClassCommand::ChoosePalette(BuiltInPalette::Ade20k).into());
    studio.wait("the palette", |state| {
        state.document().palette().name == BuiltInPalette::Ade20k.label()
    });
    // ADE20K has a sky, a path and water of its own, but nothing plain.
    assert_eq!(studio.index_of("sky"), 3);
    assert_eq!(studio.count("path"), path);
    assert!(studio.count("plain") > 0);
    assert_eq!(studio.state().document().palette().classes.len(), 151);
    assert!(studio.sees("were added to it"));
}

#[test]
fn classes_are_edited_in_the_window() {
    let mut studio = Studio::with_map();
    studio.key(Key::U);
    studio.click("Class sky");
    studio.drag((0.0, 0.0), (1.0, 1.0));
    let sky = studio.count("sky");
    studio.click("Edit classes…");
    studio.click("Delete cloud");
    studio.click("Add class");
    assert!(studio.sees("has no name"));
    studio.click("Cancel");
    assert!(studio.state().dialog.is_none());
    assert_eq!(studio.count("sky"), sky);
    studio.click("Edit classes…");
    studio.click("Delete cloud");
    studio.click("Apply");
    studio.wait("the palette", |state| {
        state.document().palette().class_named("cloud").is_none()
    });
    assert_eq!(studio.count("sky"), sky);
}

#[test]
fn a_map_is_exported_and_comes_back_value_for_value() {
    let mut studio = Studio::with_map();
    studio.key(Key::U);
    for (class, top) in [("sky", 0.0), ("hill", 0.4), ("water", 0.7)] {
        studio.click(&format!("Class {class}"));
        studio.drag((0.0, top), (1.0, top + 0.25));
    }
    let folder = tempfile::tempdir().expect("a folder");
    for coding in [MapCoding::Index, MapCoding::Color] {
        let counts = studio.counts();
        let layers = studio.layer_names().len();
        let path = folder.path().join(format!("{coding:?}.png"));
        studio.command(ClassCommand::WriteMap(path.clone(), coding).into());
        studio.wait("the file", |_| path.exists());
        studio.command(ClassCommand::ReadMap(path).into());
        studio.wait("the dialog", |state| state.dialog.is_some());
        assert!(!studio.sees("no class here"));
        studio.click("Import");
        studio.wait("the layer", |state| {
            state.document().layers().len() > layers
        });
        assert_eq!(studio.counts(), counts, "{coding:?}");
        let name = format!("{coding:?}");
        assert_eq!(studio.layer_names().last(), Some(&name));
    }
}

#[test]
fn unknown_colours_are_listed_and_nothing_is_guessed() {
    let mut studio = Studio::with_map();
    let [width, height] = studio.state().document().size_px();
    let sky = studio.state().document().palette().class_named("sky");
    let sky = sky.expect("a class").color;
    // Twice as large: above the sky, below it a colour that no class has.
    let picture = image::RgbImage::from_fn(2 * width, 2 * height, |_, y| {
        image::Rgb(if y < height { sky } else { [1, 2, 3] })
    });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("colours.png");
    picture.save(&path).expect("a file");
    let layers = studio.layer_names().len();
    studio.command(ClassCommand::ReadMap(path).into());
    studio.wait("the dialog", |state| state.dialog.is_some());
    assert!(studio.sees("#010203") && studio.sees("no class here"));
    assert!(studio.sees("by the nearest pixel"));
    studio.click("Import");
    assert_eq!(
        studio.layer_names().len(),
        layers,
        "it cannot be pressed yet"
    );
    studio.click("Leave them empty");
    studio.click("Import");
    studio.wait("the layer", |state| {
        state.document().layers().len() > layers
    });
    let half = u64::from(width * height / 2);
    assert_eq!((studio.counts()[0], studio.count("sky")), (half, half));
}

#[test]
fn palettes_are_saved_and_read_as_json() {
    let mut studio = Studio::with_map();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mine.json");
    studio.command(ClassCommand::WritePalette(path.clone()).into());
    studio.wait("the file", |_| path.exists());
    let text = std::fs::read_to_string(&path).expect("a file");
    let text = text
        .replace("Storybook", "Mine")
        .replace("\"cloud\"", "\"mist\"");
    std::fs::write(&path, text).expect("a file");
    studio.command(ClassCommand::ReadPalette(path.clone()).into());
    studio.wait("the palette", |state| {
        state.document().palette().name == "Mine"
    });
    assert!(studio.sees("Class mist") && !studio.sees("Class cloud"));
    std::fs::write(&path, "{").expect("a file");
    studio.command(ClassCommand::ReadPalette(path).into());
    studio.wait("the sentence", |state| {
        let mut shown = state.notices.iter();
        shown.any(|notice| notice.text.contains("is no palette"))
    });
}

impl Studio {
    /// The last one of several of a name.
    fn click_last(&mut self, label: &str) {
        let nodes = self.harness.query_all_by_label(label);
        nodes.last().expect("a button").click();
        self.harness.run();
    }
}
