//! The table of actions as the window shows it: every entry of the menus can be
//! reached, what is greyed says why, and keys do what the table says.

#[path = "support/studio.rs"]
mod studio;

use egui::{Event, Key, Modifiers, Rect};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use studio::Studio;
use velatura::app::actions::{self, Action, Entry, MENUS};
use velatura::app::form::FormChange;
use velatura::app::settings::ThemeChoice;
use velatura::app::{AppState, Command, Dialog};
use velatura::document::LayerKind;

/// Where everything of this name stands, and whether it can be pressed.
fn places(studio: &Studio, name: &str) -> Vec<(Rect, bool)> {
    let nodes = studio.harness.query_all_by_label(name);
    nodes
        .map(|node| (node.rect(), !node.accesskit_node().is_disabled()))
        .collect()
}

/// The actions of a menu, those of menus beside it left out.
fn actions_of(entries: &'static [Entry]) -> impl Iterator<Item = &'static Action> {
    entries.iter().filter_map(|entry| match entry {
        Entry::Action(action) => Some(*action),
        Entry::Submenu { .. } | Entry::Files { .. } | Entry::Line => None,
    })
}

impl Studio {
    /// Tooltips come at once, so that no test waits for them.
    fn with_quick_tooltips() -> Self {
        let studio = Self::start();
        studio.harness.ctx.all_styles_mut(|style| {
            style.interaction.tooltip_delay = 0.0;
            style.interaction.show_tooltips_only_when_still = false;
        });
        studio
    }

    fn hover(&mut self, rect: Rect) {
        self.harness.hover_at(rect.center());
        self.harness.run();
    }

    /// Looks at every entry of every menu; gives the names of those that are grey.
    fn look_through_the_menus(&mut self) -> Vec<&'static str> {
        let mut grey = Vec::new();
        for menu in MENUS {
            for action in menu.groups.iter().flat_map(|entries| actions_of(entries)) {
                let label = action.label_now(self.state());
                let before = places(self, &label);
                self.click(menu.label);
                let now = places(self, &label).into_iter();
                let new: Vec<_> = now.filter(|place| !before.contains(place)).collect();
                let [(rect, is_usable)] = new[..] else {
                    panic!("{label} is not once in {}: {new:?}", menu.label)
                };
                let obstacle = action.obstacle(self.state()).map(str::to_owned);
                assert_eq!(is_usable, obstacle.is_none(), "{label}");
                if let Some(obstacle) = obstacle {
                    grey.push(action.label);
                    self.hover(rect);
                    assert!(self.sees(&obstacle), "{label} does not say: {obstacle}");
                }
                self.harness.key_press(Key::Escape);
                self.harness.run();
            }
        }
        grey
    }
}

#[test]
fn every_menu_entry_is_reached_and_every_grey_one_says_why() {
    let mut studio = Studio::with_quick_tooltips();
    let grey = studio.look_through_the_menus();
    // Without boxes there is nothing to be done to them.
    let boxes = [
        "Select all boxes",
        "Class of boxes…",
        "Map classes…",
        "Duplicate boxes",
        "Delete boxes",
        "Lock boxes",
        "Send boxes up",
        "Send boxes down",
        "Export boxes as COCO…",
        "Export boxes as a scene…",
        // Without a mask there is nothing to fit a frame to.
        "Fit frame to mask",
    ];
    // This model cannot place any, and nothing is masked.
    let placed = [
        "Boxes from the words",
        "Boxes from the label map",
        "Box around the mask",
    ];
    // Without a label map in hand there is none to be written or shown.
    let maps = ["Export by index…", "Export by colour…", "Show all classes"];
    let file_and_edit = [
        "Save",
        "Save as…",
        "Export picture…",
        "Recover unsaved work…",
        "Copy picture",
        "Undo",
        "Redo",
        "Enlarge ×4",
        "Enlarge with a model…",
        // No layer was painted.
        "Restore its settings",
        "Paint variations",
        "Clear mask",
        "Remove what is masked",
    ];
    let expected: Vec<&str> = file_and_edit
        .into_iter()
        .chain(["Boxes from this picture"])
        .chain(placed)
        .chain(boxes)
        .chain(["Label map from this picture"])
        .chain(maps)
        .collect();
    assert_eq!(grey, expected);
    studio.paint("a red house");
    studio.command(Command::AddMask);
    studio.command(Command::Undo);
    // The mask is the chosen layer, which nobody painted.
    let mask = [
        "Recover unsaved work…",
        "Restore its settings",
        "Paint variations",
        "Clear mask",
        "Remove what is masked",
    ];
    let expected: Vec<&str> = mask
        .into_iter()
        .chain(placed)
        .chain(boxes)
        .chain(maps)
        .collect();
    assert_eq!(studio.look_through_the_menus(), expected);
}

#[test]
fn menus_beside_menus_are_reached() {
    let mut studio = Studio::start();
    studio.click("View");
    studio.click("Theme");
    studio.click("Light");
    assert_eq!(studio.state().settings.theme, ThemeChoice::Light);
}

#[test]
fn an_entry_does_what_its_action_does() {
    let mut studio = Studio::start();
    studio.click("Help");
    studio.click("Keyboard shortcuts");
    assert!(matches!(studio.state().dialog, Some(Dialog::Shortcuts)));
    // The list tells every key there is.
    for action in actions::all().filter(|action| action.keys().next().is_some()) {
        assert!(studio.sees(action.full_label), "{}", action.full_label);
    }
}

#[test]
fn a_grey_button_says_why_and_does_nothing() {
    let mut studio = Studio::with_quick_tooltips();
    let clear = &actions::mask::CLEAR;
    let place = places(&studio, clear.label)[0];
    assert!(!place.1);
    studio.hover(place.0);
    let why = clear.obstacle(studio.state()).expect("nothing is painted");
    assert!(studio.sees(why), "{why}");
    studio.click(clear.label);
    assert!(studio.state().notices.iter().next().is_none());
}

fn press(key: Key, modifiers: Modifiers) -> Event {
    Event::Key {
        key,
        physical_key: None,
        pressed: true,
        repeat: false,
        modifiers,
    }
}

fn brush(studio: &Studio) -> [f32; 2] {
    let options = studio.state().toolbox.options();
    [options[0].1.as_f32(), options[1].1.as_f32()]
}

#[test]
fn brackets_set_the_brush_and_each_press_counts() {
    let mut studio = Studio::start();
    let [size, hardness] = brush(&studio);
    // `Harness::key_press` would give each press a frame of its own.
    studio.harness.input_mut().events.extend([
        press(Key::CloseBracket, Modifiers::NONE),
        press(Key::CloseBracket, Modifiers::NONE),
        press(Key::OpenCurlyBracket, Modifiers::SHIFT),
    ]);
    studio.harness.run();
    let now = brush(&studio);
    assert_eq!(now[0], size + 2.0);
    assert!((now[1] - hardness + 0.1).abs() < 1e-6, "{now:?}");

    studio.harness.get_by_label("Prompt").focus();
    studio.harness.run();
    studio.harness.key_press(Key::CloseBracket);
    studio.harness.run();
    assert_eq!(brush(&studio), now);
}

#[test]
fn the_mask_brush_never_paints_on_the_picture() {
    let mut studio = Studio::start();
    studio.paint("a red house");
    let before = studio.state().document().composite();
    studio.click("Layer a red house");
    let layer = studio
        .state()
        .document()
        .selected_layer()
        .expect("a choice");
    assert_eq!(layer.kind(), LayerKind::Raster);
    let canvas = studio.harness.get_by_label("Canvas").rect().center();
    studio.harness.drag_at(canvas);
    studio.harness.run();
    studio.harness.hover_at(canvas + egui::vec2(30.0, 0.0));
    studio.harness.run();
    studio.harness.drop_at(canvas + egui::vec2(30.0, 0.0));
    studio.harness.run();
    let document = studio.state().document();
    assert_eq!(document.composite(), before);
    assert!(document.has_mask_content());
    let layer = document.selected_layer().expect("a choice");
    assert_eq!(layer.kind(), LayerKind::Mask);

    // A mask that is hidden is said to be so, before and when it is painted.
    let mask = layer.id;
    studio.command(Command::SetLayerVisible {
        layer: mask,
        visible: false,
    });
    assert!(studio.sees("is hidden; show it before painting on it"));
}

#[test]
fn what_is_typed_counts_for_the_key_that_comes_with_it() {
    let mut studio = Studio::start();
    studio.set([FormChange::Prompt(String::new())]);
    studio.harness.get_by_label("Prompt").focus();
    studio.harness.run();
    studio.harness.input_mut().events.extend([
        Event::Text("a blue boat".to_owned()),
        press(Key::Enter, Modifiers::COMMAND),
    ]);
    studio.permit(40);
    studio.wait("the picture", |state| state.document().has_picture());
    assert_eq!(studio.layer_names(), ["a blue boat", "Mask"]);
}

/// Whether the entry of this name in the menu *File* has a mark.
fn is_marked(studio: &mut Studio, name: &str) -> bool {
    studio.click("File");
    let node = studio.harness.get_by_label(name);
    let is_marked = node.accesskit_node().toggled() == Some(egui::accesskit::Toggled::True);
    studio.click("File");
    is_marked
}

/// The engine hears of it with the next job, and the menu says how it is.
#[test]
fn saving_memory_is_switched_in_the_menu_and_told_to_the_engine() {
    let name = "Save memory";
    let mut studio = Studio::start();
    studio.paint("hills");
    let used = |state: &AppState| state.memory.map(|memory| memory.used_bytes >> 20);
    assert_eq!(used(studio.state()), Some(312));
    for (saves, wanted) in [(true, 96), (false, 312)] {
        studio.click("File");
        studio.click(name);
        assert_eq!(studio.state().settings.saves_memory, saves);
        studio.wait("the end of the job", |state| state.jobs.running().is_none());
        studio.permit(2);
        studio.click("Generate");
        studio.wait("the memory", |state| used(state) == Some(wanted));
        studio.wait("the end of the job", |state| state.jobs.running().is_none());
        assert_eq!(is_marked(&mut studio, name), saves);
    }
}
