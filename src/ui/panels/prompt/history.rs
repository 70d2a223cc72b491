//! Going back to prompts that were painted before.

/// Where in the history the field stands.
#[derive(Debug, Default)]
pub struct Recall {
    /// The remembered prompt that is shown; none while it is a new one.
    at: Option<usize>,
    /// What was being written before.
    draft: String,
}

impl Recall {
    /// The text in the place of one that is shown: a prompt painted before it, or after
    /// it; `None` at either end.
    pub fn step(&mut self, shown: &str, history: &[String], older: bool) -> Option<String> {
        let is_shown = |at: &usize| history.get(*at).is_some_and(|known| known == shown);
        // What is typed into a remembered prompt makes it a new one.
        let at = self.at.filter(is_shown);
        let next = match (at, older) {
            (None, true) => {
                shown.clone_into(&mut self.draft);
                Some(usize::from(is_shown(&0)))
            }
            (None, false) => return None,
            (Some(at), true) => Some(at + 1),
            (Some(at), false) => at.checked_sub(1),
        };
        match next {
            Some(next) => {
                let text = history.get(next)?;
                self.at = Some(next);
                Some(text.clone())
            }
            None => {
                self.at = None;
                Some(std::mem::take(&mut self.draft))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_being_written_is_not_lost() {
        let history = ["c", "b", "a"].map(str::to_owned);
        let mut recall = Recall::default();
        let mut shown = "new".to_owned();
        let mut step = |older: bool| {
            if let Some(text) = recall.step(&shown, &history, older) {
                shown = text;
            }
            shown.clone()
        };
        assert_eq!(step(false), "new");
        let back = [step(true), step(true), step(true), step(true)];
        assert_eq!(back, ["c", "b", "a", "a"]);
        let forth = [step(false), step(false), step(false), step(false)];
        assert_eq!(forth, ["b", "c", "new", "new"]);
    }

    #[test]
    fn the_prompt_that_was_just_painted_is_passed_over() {
        let history = ["b", "a"].map(str::to_owned);
        let mut recall = Recall::default();
        assert_eq!(recall.step("b", &history, true).as_deref(), Some("a"));
        // Typing goes on from there.
        assert_eq!(recall.step("a new", &history, false), None);
        assert_eq!(recall.step("a new", &history, true).as_deref(), Some("b"));
        assert_eq!(recall.step("b", &history, false).as_deref(), Some("a new"));
        assert_eq!(recall.step("x", &[], true), None);
    }
}
