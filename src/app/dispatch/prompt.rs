//! The length of the prompt, and prompts that are used again.

use super::Core;
use crate::app::form::FormChange;
use crate::app::notices::{NoticeAction, Severity};
use crate::app::prompt::{Style, StyleCommand};

impl Core {
    /// Has the prompt counted when it or the model changed.
    pub(in crate::app) fn count_prompt(&mut self) {
        let state = &mut self.state;
        let reader = state.model_summary().and_then(|it| it.prompts.clone());
        let spec = &state.settings.form.spec;
        let asked = reader.and_then(|reader| state.prompt_length.begin(spec, &reader));
        if let Some(asked) = asked {
            self.background.count_prompt(asked);
        }
    }

    /// Reads the styles of the user.
    pub fn read_styles(&mut self) {
        if let Some(path) = self.state.styles_file.clone() {
            self.background.read_styles(path);
        }
    }

    pub(super) fn change_styles(&mut self, command: StyleCommand) {
        let form = &mut self.state.settings.form;
        let known = |name: &str| {
            let mut styles = self.state.styles.iter();
            styles.find(|style| style.name == name).cloned()
        };
        let (name, style, lost) = match command {
            StyleCommand::Apply(style) => {
                let spec = &form.spec;
                let (prompt, negative) = style.around(&spec.prompt, &spec.negative_prompt);
                form.change(FormChange::Prompt(prompt));
                form.change(FormChange::NegativePrompt(negative));
                return;
            }
            StyleCommand::Save(name) => {
                let name = name.trim().to_owned();
                let before = known(&name);
                let style = Style {
                    name: name.clone(),
                    prompt: form.spec.prompt.trim().to_owned(),
                    negative_prompt: form.spec.negative_prompt.trim().to_owned(),
                    more: before.clone().unwrap_or_default().more,
                };
                let lost = before.filter(|before| *before != style);
                (name, Some(style), lost)
            }
            StyleCommand::Delete(name) => {
                let lost = known(&name);
                (name, None, lost)
            }
            StyleCommand::PutBack(style) => (style.name.clone(), Some(style), None),
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
        self.background.change_styles(path, name, style, lost);
    }

    /// Shows the styles after a change; what it took away is offered back.
    pub(in crate::app) fn take_styles(&mut self, styles: Vec<Style>, lost: Option<Style>) {
        if let Some(lost) = lost {
            let is_replaced = styles.iter().any(|style| style.name == lost.name);
            let done = if is_replaced { "Replaced" } else { "Deleted" };
            let text = format!("{done} the style \u{201c}{}\u{201d}", lost.name);
            let action = NoticeAction {
                label: "Put it back".to_owned(),
                command: StyleCommand::PutBack(lost).into(),
            };
            self.state.notices.offer(text, action);
        }
        self.state.styles = styles;
        self.note_written();
    }
}
