//! Short messages that the user should see once: toasts.

use super::Command;
use super::jobs::JobKind;
use crate::document::DocumentId;
use crate::engine::protocol::JobId;

/// How long a notice stays, in seconds, unless it reports a failure.
const LIFETIME_SECS: f64 = 6.0;
/// How long one stays that offers to take something back, in seconds.
const OFFER_SECS: f64 = 20.0;
/// Most notices on the screen, of those that go by themselves: the ones that
/// would go first make room.
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
    /// Something failed. Stays until it is dismissed, or has succeeded after all.
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

/// What many messages say together, and only one of them is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Pictures whose documents were closed, and which were kept in a file.
    Kept,
    /// Pictures that a training run left out.
    LeftOut(JobId),
}

/// What a failure is about: once it has succeeded after all, the message is out of date.
/// Where something was lost for good there is no such thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Painting pictures.
    Painting,
    /// The model to paint with.
    Model,
    /// Making a document larger.
    Enlarging,
    /// Reading what a picture shows.
    Tracing,
    /// Training a model.
    Training,
    /// The settings of a training run, in a file.
    TrainSettings,
    /// Opening a file.
    Opening,
    /// Saving a document.
    Saving(DocumentId),
    /// Writing a picture that lacks something of a document.
    Picturing(DocumentId),
    /// The copies of unsaved work.
    Copies,
    /// Putting a picture on the clipboard.
    Copying,
    /// Taking one from there.
    Pasting,
    /// Filling what a mask covers.
    Removing,
    /// Reading boxes, label maps and palettes.
    Importing,
    /// Writing them.
    Exporting,
    /// The classes of a document.
    Classes,
    /// The list of models.
    Models,
    /// Writing a model anew.
    Converting,
    /// Giving a model another name.
    Renaming,
    /// What goes with a model: LoRAs, networks that control it, classifiers.
    Addition,
    /// Prompts with a name.
    Styles,
    /// Asking for a path.
    Asking,
}

impl From<&JobKind> for Subject {
    fn from(kind: &JobKind) -> Self {
        match kind {
            JobKind::LoadModel(_) => Self::Model,
            JobKind::Generate(_) => Self::Painting,
            JobKind::Train(_) => Self::Training,
            JobKind::Enlarge(_) => Self::Enlarging,
            JobKind::Trace(_) => Self::Tracing,
        }
    }
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
    /// What must succeed for it to be out of date.
    about: Option<Subject>,
    /// What it is one of, and how many were said.
    topic: Option<(Topic, usize)>,
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

    /// Tells that something failed, with what can be done about it; that of nothing stays
    /// until it is dismissed.
    pub fn fail(
        &mut self,
        about: impl Into<Option<Subject>>,
        text: impl Into<String>,
        remedy: Option<NoticeAction>,
    ) {
        self.add(Severity::Error, text.into(), remedy, None);
        if let Some(notice) = self.shown.last_mut() {
            notice.about = about.into();
        }
    }

    /// Removes what was told of failures of something that has succeeded since.
    pub fn succeed(&mut self, about: Subject) {
        self.shown.retain(|notice| notice.about != Some(about));
    }

    /// What the buttons of the messages do.
    pub fn commands_mut(&mut self) -> impl Iterator<Item = &mut Command> {
        let actions = self.shown.iter_mut();
        actions.filter_map(|notice| Some(&mut notice.action.as_mut()?.command))
    }

    /// Adds a message with a button. It stays until it is answered or dismissed.
    pub fn ask(&mut self, text: impl Into<String>, action: NoticeAction) {
        self.add(Severity::Info, text.into(), Some(action), None);
    }

    /// Adds a message with a button that is there for a while only.
    pub fn offer(&mut self, text: impl Into<String>, action: NoticeAction) {
        self.add(Severity::Info, text.into(), Some(action), Some(OFFER_SECS));
    }

    /// Removes the offer to restore the settings of a picture that is no longer open.
    pub fn forget_offer(&mut self) {
        self.shown.retain(|notice| {
            let command = notice.action.as_ref().map(|action| &action.command);
            !matches!(command, Some(Command::RestoreSettings(_)))
        });
    }

    /// Says one more thing of a topic: in place of what was said of it before,
    /// with the number of things so far. It stays until it is dismissed.
    pub fn count(
        &mut self,
        topic: Topic,
        severity: Severity,
        text: impl FnOnce(usize) -> String,
        action: Option<NoticeAction>,
    ) {
        let said = |notice: &Notice| notice.topic.filter(|known| known.0 == topic);
        let before = self.shown.iter().find_map(said);
        self.shown.retain(|notice| said(notice).is_none());
        let count = before.map_or(0, |(_, count)| count) + 1;
        self.add(severity, text(count), action, None);
        if let Some(notice) = self.shown.last_mut() {
            notice.topic = Some((topic, count));
        }
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
        // What stays until somebody dismisses it is not pushed off the screen.
        while self.shown.len() >= MOST {
            let expiring = self.shown.iter().enumerate();
            let first = expiring
                .filter_map(|(index, notice)| Some((index, notice.expires_secs?)))
                .min_by(|a, b| a.1.total_cmp(&b.1));
            let Some((index, _)) = first else { break };
            self.shown.remove(index);
        }
        self.next_id += 1;
        self.shown.push(Notice {
            id: self.next_id,
            severity,
            text,
            action,
            expires_secs: lifetime_secs.map(|lifetime| self.now_secs + lifetime),
            about: None,
            topic: None,
        });
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
    fn a_failure_is_told_until_the_same_has_succeeded() {
        let mut notices = Notices::default();
        notices.fail(Subject::Painting, "There is not enough memory", None);
        notices.fail(Subject::Copying, "The clipboard cannot be reached", None);
        notices.push(Severity::Error, "A picture was lost");
        notices.succeed(Subject::Training);
        assert_eq!(notices.iter().count(), 3);
        notices.succeed(Subject::Painting);
        let left: Vec<&str> = notices.iter().map(|notice| notice.text.as_str()).collect();
        let wanted = ["The clipboard cannot be reached", "A picture was lost"];
        assert_eq!(left, wanted);
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

    #[test]
    fn errors_and_offers_are_not_pushed_off_the_screen() {
        let mut notices = Notices::default();
        notices.push(Severity::Error, "The disk is full");
        let label = "Use this model".to_owned();
        let command = Command::Undo;
        notices.ask("Training is done", NoticeAction { label, command });
        for index in 0..10 {
            notices.push(Severity::Info, format!("message {index}"));
        }
        let texts: Vec<&str> = notices.iter().map(|notice| notice.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "The disk is full",
                "Training is done",
                "message 8",
                "message 9"
            ]
        );
    }

    #[test]
    fn what_is_of_one_topic_is_counted_in_one_message() {
        let mut notices = Notices::default();
        let topic = Topic::LeftOut(JobId(1));
        for _ in 0..50 {
            let text = |count| format!("{count} left out");
            notices.count(topic, Severity::Warning, text, None);
        }
        let texts: Vec<&str> = notices.iter().map(|notice| notice.text.as_str()).collect();
        assert_eq!(texts, ["50 left out"]);
    }
}
