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
    (Group::Tools, "Smaller or larger brush", "[  ]"),
    (Group::Tools, "Pan", "Space and drag, or middle button"),
    (Group::View, "Zoom about the pointer", "Ctrl and wheel"),
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

/// Takes the keys that are shortcuts out of the input and returns their
/// commands. `typing` says whether a text field has the focus.
pub fn take_commands(input: &mut egui::InputState, typing: bool) -> Vec<Command> {
    let mut commands: Vec<Command> = ALL
        .iter()
        .filter(|shortcut| shortcut.while_typing || !typing)
        // These two arrive as events of their own, below.
        .filter(|shortcut| shortcut.keys != COPY && shortcut.keys != PASTE)
        .filter(|shortcut| input.consume_shortcut(&shortcut.keys))
        .map(|shortcut| (shortcut.command)())
        .collect();
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

    #[test]
    fn plain_letters_do_nothing_while_typing() {
        for shortcut in ALL.iter().filter(|shortcut| shortcut.while_typing) {
            assert!(!shortcut.keys.modifiers.is_none(), "{}", shortcut.label);
        }
    }
}
