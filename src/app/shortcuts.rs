//! The keys, in one place: what they do, how menus and the list show them.

use eframe::egui;
use egui::{Key, KeyboardShortcut, Modifiers};

use super::command::{Command, Dialog};
use crate::tools::ToolId;

/// A group of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Painting with the model.
    Generate,
    /// Files and the clipboard.
    File,
    /// Changing the picture.
    Edit,
    /// Tools.
    Tools,
    /// What is seen.
    View,
}

impl Group {
    /// Every group, in the order of the list.
    pub const ALL: [Self; 5] = [
        Self::Generate,
        Self::File,
        Self::Edit,
        Self::Tools,
        Self::View,
    ];

    /// Its title.
    pub fn label(self) -> &'static str {
        match self {
            Self::Generate => "Generate",
            Self::File => "File",
            Self::Edit => "Edit",
            Self::Tools => "Tools",
            Self::View => "View",
        }
    }
}

/// A key and what it does.
#[derive(Clone, Copy, Debug)]
pub struct Shortcut {
    /// Where the list shows it.
    pub group: Group,
    /// What it does, in words.
    pub label: &'static str,
    /// The keys.
    pub keys: KeyboardShortcut,
    /// What it does.
    pub command: fn() -> Command,
    /// Whether it acts while a text field has the focus.
    pub while_typing: bool,
}

const fn keys(modifiers: Modifiers, key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(modifiers, key)
}

const COMMAND_SHIFT: Modifiers = Modifiers {
    shift: true,
    ..Modifiers::COMMAND
};

/// Ctrl+Enter.
pub const GENERATE: KeyboardShortcut = keys(Modifiers::COMMAND, Key::Enter);
/// Escape.
pub const CANCEL: KeyboardShortcut = keys(Modifiers::NONE, Key::Escape);
/// Ctrl+N.
pub const NEW: KeyboardShortcut = keys(Modifiers::COMMAND, Key::N);
/// Ctrl+O.
pub const OPEN: KeyboardShortcut = keys(Modifiers::COMMAND, Key::O);
/// Ctrl+S.
pub const SAVE: KeyboardShortcut = keys(Modifiers::COMMAND, Key::S);
/// Ctrl+C; arrives as a copy event.
pub const COPY: KeyboardShortcut = keys(Modifiers::COMMAND, Key::C);
/// Ctrl+V; arrives as a paste event.
pub const PASTE: KeyboardShortcut = keys(Modifiers::COMMAND, Key::V);
/// Ctrl+Q.
pub const QUIT: KeyboardShortcut = keys(Modifiers::COMMAND, Key::Q);
/// Ctrl+Z.
pub const UNDO: KeyboardShortcut = keys(Modifiers::COMMAND, Key::Z);
/// Ctrl+Shift+Z.
pub const REDO: KeyboardShortcut = keys(COMMAND_SHIFT, Key::Z);
/// Ctrl+Y.
pub const REDO_ALSO: KeyboardShortcut = keys(Modifiers::COMMAND, Key::Y);
/// Shift+V.
pub const INVERT_MASK: KeyboardShortcut = keys(Modifiers::SHIFT, Key::V);
/// Delete.
pub const CLEAR_MASK: KeyboardShortcut = keys(Modifiers::NONE, Key::Delete);
/// B.
pub const BRUSH: KeyboardShortcut = keys(Modifiers::NONE, Key::B);
/// E.
pub const ERASER: KeyboardShortcut = keys(Modifiers::NONE, Key::E);
/// H.
pub const HAND: KeyboardShortcut = keys(Modifiers::NONE, Key::H);
/// Ctrl+0.
pub const ZOOM_FIT: KeyboardShortcut = keys(Modifiers::COMMAND, Key::Num0);
/// Ctrl+1.
pub const ZOOM_ACTUAL: KeyboardShortcut = keys(Modifiers::COMMAND, Key::Num1);
/// Ctrl and plus.
pub const ZOOM_IN: KeyboardShortcut = keys(Modifiers::COMMAND, Key::Plus);
/// Ctrl and minus.
pub const ZOOM_OUT: KeyboardShortcut = keys(Modifiers::COMMAND, Key::Minus);
/// Shift and question mark.
pub const LIST: KeyboardShortcut = keys(Modifiers::SHIFT, Key::Questionmark);

/// Every shortcut that is a command. More modifiers come first, because a
/// shortcut also matches when Shift is held that it does not ask for.
pub const ALL: &[Shortcut] = &[
    entry(
        Group::Generate,
        "Generate",
        GENERATE,
        || Command::Generate,
        true,
    ),
    entry(
        Group::Generate,
        "Cancel the job",
        CANCEL,
        || Command::CancelGeneration,
        false,
    ),
    entry(
        Group::File,
        "New picture",
        NEW,
        || Command::Show(Dialog::New),
        true,
    ),
    entry(
        Group::File,
        "Open a picture",
        OPEN,
        || Command::OpenPicture,
        true,
    ),
    entry(Group::File, "Save as", SAVE, || Command::SaveAs, true),
    entry(
        Group::File,
        "Copy the picture",
        COPY,
        || Command::Copy,
        false,
    ),
    entry(
        Group::File,
        "Paste a picture",
        PASTE,
        || Command::Paste,
        false,
    ),
    entry(Group::File, "Quit", QUIT, || Command::Quit, true),
    entry(Group::Edit, "Redo", REDO, || Command::Redo, false),
    entry(Group::Edit, "Redo", REDO_ALSO, || Command::Redo, false),
    entry(Group::Edit, "Undo", UNDO, || Command::Undo, false),
    entry(
        Group::Edit,
        "Invert the mask",
        INVERT_MASK,
        || Command::InvertMask,
        false,
    ),
    entry(
        Group::Edit,
        "Clear the mask",
        CLEAR_MASK,
        || Command::ClearMask,
        false,
    ),
    entry(
        Group::Tools,
        "Mask brush",
        BRUSH,
        || Command::SelectTool(ToolId::Brush),
        false,
    ),
    entry(
        Group::Tools,
        "Mask eraser",
        ERASER,
        || Command::SelectTool(ToolId::Eraser),
        false,
    ),
    entry(
        Group::Tools,
        "Hand",
        HAND,
        || Command::SelectTool(ToolId::PanZoom),
        false,
    ),
    entry(
        Group::View,
        "Fit in the window",
        ZOOM_FIT,
        || Command::ZoomFit,
        true,
    ),
    entry(
        Group::View,
        "Actual size",
        ZOOM_ACTUAL,
        || Command::ZoomActual,
        true,
    ),
    entry(Group::View, "Zoom in", ZOOM_IN, || Command::ZoomIn, true),
    entry(Group::View, "Zoom out", ZOOM_OUT, || Command::ZoomOut, true),
    entry(
        Group::View,
        "This list",
        LIST,
        || Command::Show(Dialog::Shortcuts),
        false,
    ),
];

/// Gestures that are no commands but belong on the list.
pub const GESTURES: &[(Group, &str, &str)] = &[
    (Group::Tools, "Smaller or larger", "[  ]"),
    (Group::Tools, "Softer or harder", "Shift+[  ]"),
    (Group::Tools, "Straight line", "Shift and click"),
    (Group::Tools, "The opposite", "Ctrl, or right button"),
    (Group::View, "Zoom about the pointer", "Wheel"),
    (Group::View, "Move the picture", "Space, or middle button"),
];

const fn entry(
    group: Group,
    label: &'static str,
    keys: KeyboardShortcut,
    command: fn() -> Command,
    while_typing: bool,
) -> Shortcut {
    Shortcut {
        group,
        label,
        keys,
        command,
        while_typing,
    }
}

/// How keys are written in menus and tooltips.
pub fn keys_text(keys: &KeyboardShortcut) -> String {
    if *keys == LIST {
        // Which keys make a question mark differs from keyboard to keyboard.
        return "?".to_owned();
    }
    let text = keys.format(&egui::ModifierNames::NAMES, cfg!(target_os = "macos"));
    text.replace("Plus", "+").replace("Minus", "\u{2212}")
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
    fn allows(self, shortcut: &Shortcut) -> bool {
        if shortcut.keys == CANCEL {
            // Escape closes a menu first, and otherwise leaves a text field,
            // but a job in hand ends whatever has the focus.
            return !self.is_popup_open && (!self.is_typing || self.is_generating);
        }
        if self.is_dialog_open {
            return shortcut.keys == QUIT;
        }
        shortcut.while_typing || !self.is_typing
    }
}

/// Takes the keys that are shortcuts out of the input and returns their commands.
pub fn take_commands(input: &mut egui::InputState, context: KeyContext) -> Vec<Command> {
    let mut commands: Vec<Command> = ALL
        .iter()
        .filter(|shortcut| context.allows(shortcut))
        // These two arrive as events of their own, below.
        .filter(|shortcut| shortcut.keys != COPY && shortcut.keys != PASTE)
        .filter(|shortcut| match shortcut.keys {
            // Left in place: text fields and menus close by it too.
            CANCEL => input.key_pressed(Key::Escape),
            keys => input.consume_shortcut(&keys),
        })
        .map(|shortcut| (shortcut.command)())
        .collect();
    let typing = context.is_typing || context.is_dialog_open;
    let mut pasted = false;
    input.events.retain(|event| match event {
        egui::Event::Copy if !typing => {
            commands.push(Command::Copy);
            false
        }
        // A picture on the clipboard is meant for the canvas wherever the focus is.
        egui::Event::PasteImage(_) => {
            pasted = true;
            false
        }
        _ => true,
    });
    if pasted {
        commands.push(Command::Paste);
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_shortcuts_share_their_keys() {
        for (index, shortcut) in ALL.iter().enumerate() {
            let twin = ALL[index + 1..]
                .iter()
                .find(|other| other.keys == shortcut.keys);
            assert!(
                twin.is_none(),
                "{} and {:?}",
                shortcut.label,
                twin.map(|twin| twin.label)
            );
        }
    }

    fn pressed(key: Key, modifiers: Modifiers, context: KeyContext) -> usize {
        let mut input = egui::InputState::default();
        input.events.push(egui::Event::Key {
            key,
            physical_key: None,
            pressed: true,
            repeat: false,
            modifiers,
        });
        take_commands(&mut input, context).len()
    }

    #[test]
    fn keys_act_only_where_they_are_meant() {
        let free = KeyContext::default();
        assert_eq!(pressed(Key::Delete, Modifiers::NONE, free), 1);
        assert_eq!(pressed(Key::Enter, Modifiers::COMMAND, free), 1);
        let dialog = KeyContext {
            is_dialog_open: true,
            ..free
        };
        assert_eq!(pressed(Key::Delete, Modifiers::NONE, dialog), 0);
        assert_eq!(pressed(Key::Enter, Modifiers::COMMAND, dialog), 0);
        assert_eq!(pressed(Key::Escape, Modifiers::NONE, dialog), 1);
        let typing = KeyContext {
            is_typing: true,
            ..free
        };
        assert_eq!(pressed(Key::Escape, Modifiers::NONE, typing), 0);
        let busy = KeyContext {
            is_generating: true,
            ..typing
        };
        assert_eq!(pressed(Key::Escape, Modifiers::NONE, busy), 1);
        let menu = KeyContext {
            is_popup_open: true,
            ..busy
        };
        assert_eq!(pressed(Key::Escape, Modifiers::NONE, menu), 0);
    }

    #[test]
    fn keys_are_written_as_they_are_printed() {
        assert_eq!(keys_text(&LIST), "?");
        assert_eq!(keys_text(&BRUSH), "B");
        if !cfg!(target_os = "macos") {
            assert_eq!(keys_text(&ZOOM_IN), "Ctrl++");
            assert_eq!(keys_text(&GENERATE), "Ctrl+Enter");
        }
    }

    #[test]
    fn plain_letters_do_nothing_while_typing() {
        for shortcut in ALL.iter().filter(|shortcut| shortcut.while_typing) {
            assert!(!shortcut.keys.modifiers.is_none(), "{}", shortcut.label);
        }
    }
}
