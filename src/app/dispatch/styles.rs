//! Prompts that are used again.

use super::Core;
use crate::app::form::FormChange;
use crate::app::notices::Severity;
use crate::app::prompt::{Style, StyleCommand};

impl Core {
    /// Reads the styles of the user.
    pub fn read_styles(&mut self) {
        if let Some(path) = self.state.styles_file.clone() {
            self.background.read_styles(path);
        }
    }

    pub(super) fn change_styles(&mut self, command: StyleCommand) {
        let form = &mut self.state.settings.form;
        let (name, style) = match command {
            StyleCommand::Apply(style) => {
                let spec = &form.spec;
                let (prompt, negative) = style.around(&spec.prompt, &spec.negative_prompt);
                form.change(FormChange::Prompt(prompt));
                form.change(FormChange::NegativePrompt(negative));
                return;
            }
            StyleCommand::Save(name) => {
                let name = name.trim().to_owned();
                let style = Style {
                    name: name.clone(),
                    prompt: form.spec.prompt.trim().to_owned(),
                    negative_prompt: form.spec.negative_prompt.trim().to_owned(),
                };
                (name, Some(style))
            }
            StyleCommand::Delete(name) => (name, None),
        };
        if name.is_empty() {
            return;
        }
        let Some(path) = self.state.styles_file.clone() else {
            let text = "There is no folder to keep styles in on this computer";
            self.state.notices.push(Severity::Warning, text);
            return;
        };
        self.writing += 1;
        self.background.change_styles(path, name, style);
    }
}
