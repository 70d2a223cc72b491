//! Errands for the prompt: its length, and styles.

use std::path::PathBuf;

use super::{Background, BackgroundEvent, failing, not_written};
use crate::app::notices::Subject;
use crate::app::prompt::{CountedPrompt, Style, change_styles, read_styles};

impl Background {
    /// Counts the tokens of a prompt.
    pub fn count_prompt(&mut self, prompt: CountedPrompt) {
        let failed = |_| BackgroundEvent::PromptCounted(None);
        self.counter.send(Box::new(failed), move |()| {
            Ok(BackgroundEvent::PromptCounted(Some(prompt.count())))
        });
    }

    /// Reads the styles of a file.
    pub fn read_styles(&self, path: PathBuf) {
        self.spawn("styles", failing(Subject::Styles), move || {
            let styles = read_styles(&path).map_err(|error| error.to_string())?;
            Ok(BackgroundEvent::StylesRead(styles))
        });
    }

    /// Puts a style into a file in the place of that of its name, or takes that out;
    /// `lost` is what is to be offered back.
    pub fn change_styles(
        &mut self,
        path: PathBuf,
        name: String,
        style: Option<Style>,
        lost: Option<Style>,
    ) {
        self.write_in_turn(not_written(Subject::Styles), move || {
            let styles = change_styles(&path, &name, style).map_err(|error| error.to_string())?;
            Ok(BackgroundEvent::StylesChanged { styles, lost })
        });
    }
}
