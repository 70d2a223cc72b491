//! The table of actions: everything that a menu entry, a button or a key does.
//!
//! An [`Action`] says once what it is called, which icon and keys it has, why
//! it cannot be done now and what it does. Menus, strips, tooltips, the list of
//! keys and the listening for them all read this table, and a panel that shows
//! one action of it names the action, not its words. There is one file a group;
//! a new action is one `static` in its file and its place in that file's
//! `ENTRIES`.

pub mod boxes;
pub mod edit;
pub mod file;
pub mod frame;
pub mod generate;
pub mod help;
pub mod layer;
pub mod mask;
pub mod semantic;
pub mod steps;
pub mod tools;
pub mod train;
pub mod view;

use std::path::PathBuf;

use egui::{Key, KeyboardShortcut, Modifiers};

use super::command::Command;
use super::state::AppState;
use crate::tools::ToolId;

/// A group of the list of keys.
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
    /// The frame of the next job.
    Frame,
    /// Boxes of layout layers.
    Boxes,
    /// What is seen.
    View,
}

impl Group {
    /// Every group, in the order of the list.
    pub const ALL: [Self; 7] = [
        Self::Generate,
        Self::File,
        Self::Edit,
        Self::Tools,
        Self::Frame,
        Self::Boxes,
        Self::View,
    ];

    /// Its title.
    pub fn label(self) -> &'static str {
        match self {
            Self::Generate => "Generate",
            Self::File => "File",
            Self::Edit => "Edit",
            Self::Tools => "Tools",
            Self::Frame => "Frame",
            Self::Boxes => "Boxes",
            Self::View => "View",
        }
    }
}

/// When the keys of an action are listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listens {
    /// Unless a text field has the focus or a dialog is open.
    Plain,
    /// Also while a text field has the focus.
    WhileTyping,
    /// Always, in front of dialogs too.
    Always,
    /// As Escape: menus and text fields leave by it first.
    Escape,
    /// The system says it with an event of its own, whatever the keys.
    Clipboard,
}

/// What an action does.
#[derive(Clone, Copy, Debug)]
enum Deed {
    /// A command; `None` when there is nothing to act on.
    Command(fn(&AppState) -> Option<Command>),
    /// Takes a tool in hand.
    Tool(ToolId),
}

/// One thing that can be done, described once.
#[derive(Clone, Copy, Debug)]
pub struct Action {
    /// Its name in a menu and on a button.
    pub label: &'static str,
    /// Its name where it stands alone: in the list of keys. Those that share it
    /// share a line there.
    pub full_label: &'static str,
    /// Its icon; empty if it has none.
    pub icon: &'static str,
    /// One sentence more, for a tooltip.
    pub hint: Option<&'static str>,
    /// Where the list of keys shows it.
    pub group: Group,
    /// When its keys are listened to.
    pub listens: Listens,
    /// Whether keys that are held down do it once only.
    pub is_once: bool,
    /// When its keys mean it, before any other action that has them; `None` is
    /// always, after those.
    pub when: Option<fn(&AppState) -> bool>,
    keys: [Option<KeyboardShortcut>; 2],
    deed: Deed,
    obstacle: fn(&AppState) -> Option<&str>,
    subject: fn(&AppState) -> Option<&str>,
    is_on: Option<fn(&AppState) -> bool>,
}

/// Ctrl, or Cmd on a Mac, and Shift.
const COMMAND_SHIFT: Modifiers = Modifiers {
    shift: true,
    ..Modifiers::COMMAND
};

impl Action {
    const fn new(
        group: Group,
        label: &'static str,
        command: fn(&AppState) -> Option<Command>,
    ) -> Self {
        Self {
            label,
            full_label: label,
            icon: "",
            hint: None,
            group,
            listens: Listens::Plain,
            is_once: false,
            when: None,
            keys: [None, None],
            deed: Deed::Command(command),
            obstacle: |_| None,
            subject: |_| None,
            is_on: None,
        }
    }

    /// The name where it stands alone.
    const fn in_full(mut self, label: &'static str) -> Self {
        self.full_label = label;
        self
    }

    const fn icon(mut self, icon: &'static str) -> Self {
        self.icon = icon;
        self
    }

    /// One sentence more, for a tooltip.
    const fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    const fn key(mut self, modifiers: Modifiers, key: Key) -> Self {
        self.keys[0] = Some(KeyboardShortcut::new(modifiers, key));
        self
    }

    /// A second way to say the same.
    const fn or_key(mut self, modifiers: Modifiers, key: Key) -> Self {
        self.keys[1] = Some(KeyboardShortcut::new(modifiers, key));
        self
    }

    const fn listens(mut self, listens: Listens) -> Self {
        self.listens = listens;
        self
    }

    /// Once for each press, however long the keys are held.
    const fn once(mut self) -> Self {
        self.is_once = true;
        self
    }

    /// Keys that mean it only when something is so, and then nothing else.
    const fn when(mut self, when: fn(&AppState) -> bool) -> Self {
        self.when = Some(when);
        self
    }

    /// Why it cannot be done now, as a sentence; `None` if it can.
    const fn unless(mut self, obstacle: fn(&AppState) -> Option<&str>) -> Self {
        self.obstacle = obstacle;
        self
    }

    /// What it would act on, for the label.
    const fn of(mut self, subject: fn(&AppState) -> Option<&str>) -> Self {
        self.subject = subject;
        self
    }

    /// Whether what it switches is on.
    const fn switch(mut self, is_on: fn(&AppState) -> bool) -> Self {
        self.is_on = Some(is_on);
        self
    }

    /// Its keys, the usual ones first.
    pub fn keys(&self) -> impl Iterator<Item = KeyboardShortcut> + use<> {
        self.keys.into_iter().flatten()
    }

    /// Its name now: with what it would act on, where that is known.
    pub fn label_now(&self, state: &AppState) -> String {
        match (self.subject)(state) {
            Some(subject) => format!("{} “{subject}”", self.label),
            None => self.label.to_owned(),
        }
    }

    /// Why it cannot be done now, as a sentence; `None` if it can.
    pub fn obstacle<'a>(&self, state: &'a AppState) -> Option<&'a str> {
        (self.obstacle)(state)
    }

    /// Whether what it switches is on; `None` if it is no switch.
    pub fn is_on(&self, state: &AppState) -> Option<bool> {
        match self.deed {
            Deed::Tool(tool) => Some(state.toolbox.active().id == tool),
            Deed::Command(_) => self.is_on.map(|is_on| is_on(state)),
        }
    }

    /// What it does now; `None` when there is nothing to act on.
    pub fn command(&self, state: &AppState) -> Option<Command> {
        match self.deed {
            Deed::Command(command) => command(state),
            Deed::Tool(tool) => Some(Command::SelectTool(tool)),
        }
    }
}

/// A line of a menu.
#[derive(Clone, Copy, Debug)]
pub enum Entry {
    /// An action.
    Action(&'static Action),
    /// A menu beside the menu.
    Submenu {
        /// Its name.
        label: &'static str,
        /// Its icon.
        icon: &'static str,
        /// What it holds.
        entries: &'static [Self],
    },
    /// A menu of files beside the menu.
    Files {
        /// Its name.
        label: &'static str,
        /// Its icon.
        icon: &'static str,
        /// The files.
        files: fn(&AppState) -> &[PathBuf],
        /// What is said where there are none.
        when_empty: &'static str,
        /// What is done with the chosen one.
        command: fn(PathBuf) -> Command,
    },
    /// A line between groups.
    Line,
}

/// A menu of the menu bar.
#[derive(Clone, Copy, Debug)]
pub struct Menu {
    /// Its name.
    pub label: &'static str,
    /// What it holds, with a line between two groups.
    pub groups: &'static [&'static [Entry]],
}

/// The menu bar.
pub static MENUS: &[Menu] = &[
    Menu {
        label: "File",
        groups: &[file::ENTRIES],
    },
    Menu {
        label: "Edit",
        groups: &[
            edit::ENTRIES,
            layer::WHOLE,
            layer::PAINTED,
            mask::ENTRIES,
            layer::PAINT,
        ],
    },
    Menu {
        label: "Layout",
        groups: &[boxes::ENTRIES, frame::ENTRIES],
    },
    Menu {
        label: "Label map",
        groups: &[semantic::ENTRIES],
    },
    Menu {
        label: "View",
        groups: &[view::ENTRIES],
    },
    Menu {
        label: "Train",
        groups: &[train::ENTRIES],
    },
    Menu {
        label: "Help",
        groups: &[help::ENTRIES],
    },
];

/// The groups of the table, in the order of the list of keys.
static GROUPS: &[&[Entry]] = &[
    tools::ENTRIES,
    generate::ENTRIES,
    steps::ENDINGS,
    steps::KEYS,
    file::ENTRIES,
    edit::ENTRIES,
    mask::ENTRIES,
    semantic::ENTRIES,
    layer::ENTRIES,
    boxes::ENTRIES,
    boxes::KEYS,
    frame::ENTRIES,
    frame::KEYS,
    view::ENTRIES,
    train::ENTRIES,
    help::ENTRIES,
];

/// Every action there is.
pub fn all() -> impl Iterator<Item = &'static Action> {
    let told = GROUPS.iter().flat_map(|entries| actions_of(entries));
    tools::actions().iter().chain(told)
}

/// The actions of a group.
pub fn actions_of(entries: &'static [Entry]) -> Vec<&'static Action> {
    let of = |entry: &'static Entry| match entry {
        Entry::Action(action) => vec![*action],
        Entry::Submenu { entries, .. } => actions_of(entries),
        Entry::Files { .. } | Entry::Line => Vec::new(),
    };
    entries.iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests;
