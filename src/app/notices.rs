//! Short messages that the user should see once: toasts.

use super::Command;

/// How long a notice stays, in seconds, unless it reports a failure.
const LIFETIME_SECS: f64 = 6.0;
/// Most notices on the screen; the oldest make room.
const MOST: usize = 4;

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something went well.
    Success,
    /// Something worth knowing.
    Info,
    /// Something was done differently from what was asked.
    Warning,
    /// Something failed. Stays until it is dismissed.
    Error,
}

/// A button on a notice.
#[derive(Clone, Debug)]
pub struct NoticeAction {
    /// Its text.
    pub label: String,
    /// What it does.
    pub command: Command,
}

/// One message.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Names it, for dismissing.
    pub id: u64,
    /// What it is about.
    pub severity: Severity,
    /// The message, a sentence.
    pub text: String,
    /// What can be done about it.
    pub action: Option<NoticeAction>,
    /// When it goes, in the window's time; `None` stays.
    pub expires_secs: Option<f64>,
}

/// The messages on the screen, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Notices {
    shown: Vec<Notice>,
    next_id: u64,
    now_secs: f64,
}

impl Notices {
    /// The messages, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Notice> {
        self.shown.iter()
    }

    /// Adds a message.
    pub fn push(&mut self, severity: Severity, text: impl Into<String>) {
        let lifetime = (severity != Severity::Error).then_some(LIFETIME_SECS);
        self.add(severity, text.into(), None, lifetime);
    }

    /// Adds a message with a button. It stays until it is answered or dismissed.
    pub fn ask(&mut self, text: impl Into<String>, action: NoticeAction) {
        self.add(Severity::Info, text.into(), Some(action), None);
    }

    /// Removes the offer to restore the settings of a picture that is no longer open.
    pub fn forget_offer(&mut self) {
        self.shown.retain(|notice| {
            let command = notice.action.as_ref().map(|action| &action.command);
            !matches!(command, Some(Command::RestoreSettings(_)))
        });
    }

    fn add(
        &mut self,
        severity: Severity,
        text: String,
        action: Option<NoticeAction>,
        lifetime_secs: Option<f64>,
    ) {
        // Said twice, it would only push other messages off the screen.
        self.shown.retain(|notice| notice.text != text);
        self.next_id += 1;
        self.shown.push(Notice {
            id: self.next_id,
            severity,
            text,
            action,
            expires_secs: lifetime_secs.map(|lifetime| self.now_secs + lifetime),
        });
        let surplus = self.shown.len().saturating_sub(MOST);
        self.shown.drain(..surplus);
    }

    /// Removes a message.
    pub fn dismiss(&mut self, id: u64) {
        self.shown.retain(|notice| notice.id != id);
    }

    /// Moves the clock and removes what has expired; returns the seconds until
    /// the next message goes.
    pub fn tick(&mut self, now_secs: f64) -> Option<f64> {
        self.now_secs = now_secs;
        self.shown
            .retain(|notice| notice.expires_secs.is_none_or(|expires| expires > now_secs));
        self.shown
            .iter()
            .filter_map(|notice| notice.expires_secs)
            .min_by(f64::total_cmp)
            .map(|expires| expires - now_secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_expire_but_failures_stay() {
        let mut notices = Notices::default();
        notices.tick(10.0);
        notices.push(Severity::Info, "Saved a.png");
        notices.push(Severity::Error, "The disk is full");
        assert_eq!(notices.tick(10.0), Some(LIFETIME_SECS));
        assert_eq!(notices.tick(10.1 + LIFETIME_SECS), None);
        let left: Vec<&str> = notices.iter().map(|notice| notice.text.as_str()).collect();
        assert_eq!(left, ["The disk is full"]);
    }

    #[test]
    fn the_same_message_is_shown_once_and_the_screen_is_never_full() {
        let mut notices = Notices::default();
        for text in ["a", "b", "a", "c", "d", "e"] {
            notices.push(Severity::Info, text);
        }
        let texts: Vec<&str> = notices.iter().map(|notice| notice.text.as_str()).collect();
        assert_eq!(texts, ["a", "c", "d", "e"]);
    }
}
