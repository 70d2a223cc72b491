use super::*;
use crate::app::settings::Settings;

#[test]
fn no_two_actions_share_their_keys() {
    /// Those whose conditions leave room for only one of them.
    const TOLD_APART: [&str; 2] = ["Class of boxes…", "Keep the live picture"];
    let keys: Vec<_> = all()
        .flat_map(|action| action.keys().map(move |keys| (action, keys)))
        .collect();
    for (index, (action, keys_here)) in keys.iter().enumerate() {
        // Those that mean something only sometimes go first then.
        let is_twin = |other: &&(&Action, KeyboardShortcut)| {
            let labels = [action.label, other.0.label];
            // Only one of two tools is in hand.
            let groups = [action.group, other.0.group];
            let are_of_tools = [[Group::Boxes, Group::Frame], [Group::Frame, Group::Boxes]];
            !are_of_tools.contains(&groups)
                && other.1 == *keys_here
                && other.0.when.is_some() == action.when.is_some()
                && !labels.iter().all(|label| TOLD_APART.contains(label))
        };
        let twin = keys[index + 1..].iter().find(is_twin);
        let label = action.label;
        assert!(twin.is_none(), "{label} and {twin:?}");
    }
}

#[test]
fn plain_letters_do_nothing_while_typing() {
    let typing =
        |action: &&Action| matches!(action.listens, Listens::WhileTyping | Listens::Always);
    for action in all().filter(typing) {
        for keys in action.keys() {
            assert!(!keys.modifiers.is_none(), "{}", action.label);
        }
    }
}

#[test]
fn names_are_told_once_and_reasons_are_sentences() {
    let state = AppState::new(Settings::default(), None);
    let mut names: Vec<_> = all().map(|action| action.label).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "two actions have one name");
    for action in all() {
        if let Some(reason) = action.obstacle(&state) {
            assert!(
                reason.starts_with(char::is_uppercase) && !reason.ends_with('.'),
                "{reason}"
            );
        } else {
            assert!(action.command(&state).is_some(), "{}", action.label);
        }
    }
}

#[test]
fn the_readme_tells_the_keys_that_are() {
    /// What the table tells beside keys of actions.
    const GESTURES: [&str; 4] = ["Space", "drag", "middle button", "Wheel"];
    let readme = include_str!("../../../README.md");
    let from = readme
        .lines()
        .skip_while(|line| !line.starts_with("| Key |"));
    let rows: Vec<&str> = from
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert!(rows.len() > 5, "the table of keys: {rows:?}");
    for row in rows {
        let cells: Vec<&str> = row.trim_matches(['|', ' ']).split(" | ").collect();
        let [told_keys, told_names] = cells[..] else {
            panic!("two columns: {row}")
        };
        let names = told_names.to_lowercase();
        let several = |keys: &'static str| keys.split(" or ").flat_map(|keys| keys.split(" and "));
        for keys in told_keys.split(", ").flat_map(several) {
            if GESTURES.contains(&keys) {
                continue;
            }
            let action = all().find(|action| action.keys().any(|own| written(&own) == keys));
            let action = action.unwrap_or_else(|| panic!("no action has the keys {keys}"));
            let name = action.full_label.to_lowercase();
            let first_words = names.split(", ").filter_map(|told| told.split(' ').next());
            let is_told = first_words.into_iter().any(|word| name.starts_with(word));
            assert!(
                is_told || keys == "Shift+?",
                "{keys}: {name} is told as {names}"
            );
        }
    }
}

/// How the README writes keys: as they are on a keyboard that is no Mac's.
fn written(keys: &KeyboardShortcut) -> String {
    let text = keys.format(&egui::ModifierNames::NAMES, false);
    text.replace("Escape", "Esc")
        .replace("Questionmark", "?")
        .replace("OpenBracket", "[")
        .replace("CloseBracket", "]")
}
