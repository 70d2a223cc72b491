//! Listening for the keys of [`actions`], and how keys are written.

use egui::{Key, KeyboardShortcut};

use super::actions::{self, Action, Group, Listens};
use super::command::Command;
use super::state::AppState;

/// Gestures that are no commands but belong on the list.
pub const GESTURES: &[(Group, &str, &str)] = &[
    (Group::Tools, "Straight line", "Shift and click"),
    (Group::Tools, "The opposite", "Ctrl, or right button"),
    (Group::Frame, "Keep the ratio", "Shift while dragging"),
    (Group::Frame, "No snapping", "Ctrl while dragging"),
    (Group::Boxes, "Draw on top of a box", "Ctrl and drag"),
    (Group::Boxes, "Copy a box", "Alt and drag"),
    (Group::Boxes, "No snapping", "Ctrl while dragging"),
    (
        Group::Generate,
        "More or less emphasis",
        "Ctrl+↑, ↓ in the prompt",
    ),
    (Group::Generate, "Earlier prompts", "Alt+↑, ↓ in the prompt"),
    (Group::View, "Zoom about the pointer", "Wheel"),
    (Group::View, "Move the picture", "Space, or middle button"),
];

/// How keys are written in menus and tooltips.
pub fn keys_text(keys: &KeyboardShortcut) -> String {
    if keys.logical_key == Key::Questionmark {
        // Which keys make a question mark differs from keyboard to keyboard.
        return "?".to_owned();
    }
    let text = keys.format(&egui::ModifierNames::NAMES, cfg!(target_os = "macos"));
    text.replace("Escape", "Esc")
        .replace("Left", "←")
        .replace("Right", "→")
        .replace("Up", "↑")
        .replace("Down", "↓")
        .replace("Plus", "+")
        .replace("Minus", "\u{2212}")
        .replace("Comma", ",")
        .replace("Period", ".")
        .replace("OpenBracket", "[")
        .replace("CloseBracket", "]")
}

/// The usual keys of an action, as they are written; `None` if it has none.
pub fn keys_of(action: &Action) -> Option<String> {
    action.keys().next().map(|keys| keys_text(&keys))
}

/// What decides which keys are commands at the moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyContext {
    /// Whether a text field has the focus.
    pub is_typing: bool,
    /// Whether a dialog stands in front of the window.
    pub is_dialog_open: bool,
    /// Whether a menu or a list is open.
    pub is_popup_open: bool,
    /// Whether there is a job that Escape would end.
    pub is_generating: bool,
}

impl KeyContext {
    fn allows(self, action: &Action) -> bool {
        match action.listens {
            Listens::Plain => !self.is_dialog_open && !self.is_typing,
            Listens::WhileTyping => !self.is_dialog_open,
            Listens::Always => true,
            // Escape closes a menu first, and otherwise leaves a text field, but a dialog
            // closes and a job in hand ends whatever has the focus.
            Listens::Escape => {
                let acts_at_once = self.is_dialog_open || self.is_generating;
                !self.is_popup_open && (!self.is_typing || acts_at_once)
            }
            // Events of their own; see `take_clipboard`.
            Listens::Clipboard => false,
        }
    }
}

/// Takes the keys of actions out of the input and returns their commands, one
/// for each time that the keys were pressed.
pub fn take_commands(
    input: &mut egui::InputState,
    context: KeyContext,
    state: &AppState,
) -> Vec<Command> {
    let mut listening: Vec<(KeyboardShortcut, &Action)> = actions::all()
        .filter(|action| context.allows(action) && action.when.is_none_or(|when| when(state)))
        .flat_map(|action| action.keys().map(move |keys| (keys, action)))
        .collect();
    // More modifiers come first: keys also match when Shift is held that they do
    // not ask for.
    listening.sort_by_key(|(keys, action)| {
        (std::cmp::Reverse(modifiers_of(keys)), action.when.is_none())
    });

    let mut commands = Vec::new();
    for (keys, action) in listening {
        if action.is_once {
            input.events.retain(|event| !is_held(event, &keys));
        }
        let pressed: usize = match action.listens {
            // Left in place: text fields and menus close by it too.
            Listens::Escape => usize::from(input.key_pressed(keys.logical_key)),
            _ => spellings(&keys)
                .map(|keys| input.count_and_consume_key(keys.modifiers, keys.logical_key))
                .sum(),
        };
        commands.extend((0..pressed).filter_map(|_| action.command(state)));
    }
    commands.extend(take_clipboard(input, context, state));
    commands
}

/// Whether an event tells that keys are still held down.
fn is_held(event: &egui::Event, keys: &KeyboardShortcut) -> bool {
    matches!(
        event,
        egui::Event::Key { key, modifiers, repeat: true, .. }
            if *key == keys.logical_key && modifiers.matches_logically(keys.modifiers)
    )
}

/// The keys as keyboards say them.
fn spellings(keys: &KeyboardShortcut) -> impl Iterator<Item = KeyboardShortcut> {
    // Shift turns a bracket into a brace on most layouts.
    let brace = match keys.logical_key {
        Key::OpenBracket if keys.modifiers.shift => Some(Key::OpenCurlyBracket),
        Key::CloseBracket if keys.modifiers.shift => Some(Key::CloseCurlyBracket),
        _ => None,
    };
    let brace = brace.map(|key| KeyboardShortcut::new(keys.modifiers, key));
    [Some(*keys), brace].into_iter().flatten()
}

fn modifiers_of(keys: &KeyboardShortcut) -> usize {
    let held = keys.modifiers;
    [held.alt, held.shift, held.ctrl || held.command]
        .map(usize::from)
        .iter()
        .sum()
}

/// Copying and pasting, which the system tells by events of their own.
fn take_clipboard(
    input: &mut egui::InputState,
    context: KeyContext,
    state: &AppState,
) -> Vec<Command> {
    let is_typing = context.is_typing || context.is_dialog_open;
    let (mut copied, mut pasted) = (false, false);
    input.events.retain(|event| match event {
        egui::Event::Copy if !is_typing => {
            copied = true;
            false
        }
        // A picture on the clipboard is meant for the canvas wherever the focus is.
        egui::Event::PasteImage(_) => {
            pasted = true;
            false
        }
        _ => true,
    });
    let told = [
        (copied, &actions::file::COPY),
        (pasted, &actions::file::PASTE),
    ];
    told.into_iter()
        .filter_map(|(is_told, action)| action.command(state).filter(|_| is_told))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::settings::Settings;
    use egui::Modifiers;

    fn pressed(keys: &[(Key, Modifiers)], context: KeyContext) -> Vec<Command> {
        told(keys, false, context)
    }

    fn told(keys: &[(Key, Modifiers)], repeat: bool, context: KeyContext) -> Vec<Command> {
        let mut input = egui::InputState::default();
        let events = keys.iter().map(|(key, modifiers)| egui::Event::Key {
            key: *key,
            physical_key: None,
            pressed: true,
            repeat,
            modifiers: *modifiers,
        });
        input.events.extend(events);
        let state = AppState::new(Settings::default(), None);
        take_commands(&mut input, context, &state)
    }

    fn count(key: Key, modifiers: Modifiers, context: KeyContext) -> usize {
        pressed(&[(key, modifiers)], context).len()
    }

    #[test]
    fn keys_act_only_where_they_are_meant() {
        let free = KeyContext::default();
        assert_eq!(count(Key::Delete, Modifiers::NONE, free), 1);
        assert_eq!(count(Key::Enter, Modifiers::COMMAND, free), 1);
        let dialog = KeyContext {
            is_dialog_open: true,
            ..free
        };
        assert_eq!(count(Key::Delete, Modifiers::NONE, dialog), 0);
        assert_eq!(count(Key::Enter, Modifiers::COMMAND, dialog), 0);
        assert_eq!(count(Key::Escape, Modifiers::NONE, dialog), 1);
        assert_eq!(count(Key::Q, Modifiers::COMMAND, dialog), 1);
        let typing = KeyContext {
            is_typing: true,
            ..free
        };
        assert_eq!(count(Key::Escape, Modifiers::NONE, typing), 0);
        let naming = KeyContext {
            is_dialog_open: true,
            ..typing
        };
        assert_eq!(count(Key::Escape, Modifiers::NONE, naming), 1);
        let busy = KeyContext {
            is_generating: true,
            ..typing
        };
        assert_eq!(count(Key::Escape, Modifiers::NONE, busy), 1);
        let menu = KeyContext {
            is_popup_open: true,
            ..busy
        };
        assert_eq!(count(Key::Escape, Modifiers::NONE, menu), 0);
    }

    #[test]
    fn two_presses_in_one_frame_are_two() {
        let twice = [(Key::Z, Modifiers::COMMAND); 2];
        assert_eq!(pressed(&twice, KeyContext::default()).len(), 2);
    }

    #[test]
    fn keys_that_are_held_paint_once_and_undo_on() {
        let held = |key| told(&[(key, Modifiers::COMMAND); 3], true, KeyContext::default()).len();
        assert_eq!(held(Key::Enter), 0);
        assert_eq!(held(Key::Z), 3);
    }

    #[test]
    fn brackets_are_braces_with_shift() {
        for key in [Key::OpenBracket, Key::OpenCurlyBracket] {
            let commands = pressed(&[(key, Modifiers::SHIFT)], KeyContext::default());
            let [Command::StepToolOption { id, steps }] = commands[..] else {
                panic!("{commands:?}")
            };
            assert_eq!((id, steps), ("hardness", -1));
        }
    }

    #[test]
    fn shift_tells_redo_from_undo() {
        let shift = Modifiers::COMMAND | Modifiers::SHIFT;
        let redo = pressed(&[(Key::Z, shift)], KeyContext::default());
        assert!(matches!(redo[..], [Command::Redo]), "{redo:?}");
        let undo = pressed(&[(Key::Z, Modifiers::COMMAND)], KeyContext::default());
        assert!(matches!(undo[..], [Command::Undo]), "{undo:?}");
    }

    #[test]
    fn keys_are_written_as_they_are_printed() {
        let text = |action: &Action| keys_of(action).unwrap_or_default();
        assert_eq!(text(&actions::generate::ESCAPE), "Esc");
        assert_eq!(text(&actions::tools::actions()[0]), "B");
        if !cfg!(target_os = "macos") {
            assert_eq!(text(&actions::view::ZOOM_IN), "Ctrl++");
            assert_eq!(text(&actions::generate::GENERATE), "Ctrl+Enter");
        }
    }
}
