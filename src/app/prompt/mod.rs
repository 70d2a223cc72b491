//! Writing prompts: how strongly words act, how long they are, and texts that are used
//! again.

mod emphasis;
mod length;
mod styles;

pub use emphasis::stepped;
pub use length::{CountedPrompt, PromptLength};
pub use styles::{Style, StyleCommand, StyleError, change_styles, read_styles};

/// Prompts that are remembered.
pub const MOST_PROMPTS: usize = 50;

/// Bytes of a prompt that is remembered at most.
const MOST_BYTES: usize = 1 << 14;

/// Puts a prompt first in the list of those that were painted.
pub fn remember(history: &mut Vec<String>, prompt: &str) {
    let prompt = prompt.trim();
    if prompt.is_empty() || prompt.len() > MOST_BYTES {
        return;
    }
    history.retain(|known| known != prompt);
    history.insert(0, prompt.to_owned());
    history.truncate(MOST_PROMPTS);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_remembered_once_each_and_not_forever() {
        let mut history = Vec::new();
        for index in 0..80 {
            remember(&mut history, &format!("house {}", index % 60));
        }
        remember(&mut history, "  ");
        remember(&mut history, &"long ".repeat(9000));
        assert_eq!(history.len(), MOST_PROMPTS);
        assert_eq!(history[0], "house 19");
        remember(&mut history, " house 5 ");
        assert_eq!(history[..2], ["house 5", "house 19"]);
        assert_eq!(history.iter().filter(|it| *it == "house 5").count(), 1);
    }
}
