//! Live: the picture follows what is drawn and said.
//!
//! [`Live`] decides and does nothing itself: it is told what a picture would be
//! painted from now ([`Wish`]), what was asked of the engine and what came of it,
//! and says what is to be asked next. At most one job is in hand, and the next one
//! is always for the newest wish: those in between are never asked for.
//!
//! What comes is a [`Draft`]: a picture over the document and no part of it, so that
//! the next job does not start from it and undo knows nothing of it, until it is kept.

use std::sync::Arc;
use std::time::Duration;

use image::RgbaImage;

use super::command::Command;
use super::form::GenerateForm;
use super::trajectory::{Placement, Preview};
use crate::document::{DocumentId, DocumentRevision, LayerId};
use crate::engine::protocol::JobId;
use crate::recipe::PaintedRecipe;
use crate::recipe::param::{Number, Range, STEPS};

/// Most steps of a live picture. A number of its own: what follows the hand must come
/// soon, and is painted once more by Generate.
pub static LIVE_STEPS: Number = Number {
    id: "live_steps",
    label: "Live steps",
    hint: "Most sampling steps of a live picture: few are quick, many are finer",
    offered: Range::whole(1, 50),
    infotext: None,
    ..STEPS
};

/// The longest that a live picture may take: what comes later follows no hand.
const PATIENCE: Duration = Duration::from_secs(3);

/// Of that time, the part that fewer steps are offered for.
const OFFERED_SHARE: f64 = 0.8;

/// Something that is done to live painting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveCommand {
    /// Switches it on or off.
    Switch,
    /// Switches it on with so many steps.
    WithSteps(u32),
    /// Makes the picture a layer.
    Keep,
    /// Takes the picture away.
    TakeAway,
}

impl From<LiveCommand> for Command {
    fn from(command: LiveCommand) -> Self {
        Self::Live(command)
    }
}

/// Everything that decides what a live picture looks like.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// The document that it is painted from.
    pub document: DocumentId,
    /// What the document is.
    pub revision: DocumentRevision,
    /// The settings.
    pub form: GenerateForm,
    /// Whether it starts from the document's picture.
    pub starts_from_picture: bool,
    /// Whether it keeps to the document's mask.
    pub heeds_mask: bool,
    /// The layer that is shown in small.
    pub small_picture: Option<LayerId>,
    /// The layer that pulls it towards itself.
    pub guide: Option<LayerId>,
}

/// Names what was asked for, before there is a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

/// What is to be done now: describe a job from what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Names it.
    pub ticket: Ticket,
    /// The job that it takes the place of, which is to be cancelled.
    pub instead_of: Option<JobId>,
}

/// What was asked for and has not ended.
#[derive(Clone, Debug)]
struct Flight {
    ticket: Ticket,
    wish: Wish,
    /// The job, once it is described.
    job: Option<JobId>,
    size_px: [u32; 2],
    /// Whether it took the place of one that was broken off. Such a one is finished:
    /// otherwise a hand that never rests would never see a picture.
    is_replacement: bool,
    /// When its first step was done.
    first_step: Option<Duration>,
    is_slow: bool,
}

/// A live picture that is no layer yet.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The job that painted it.
    pub job: JobId,
    /// The picture.
    pub image: Arc<RgbaImage>,
    /// How it was painted.
    pub recipe: PaintedRecipe,
    /// Where it stands.
    pub place: Placement,
}

/// A model that needs too long for a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slow {
    /// How many steps would be done in time; 0 when not even one would.
    pub steps_in_time: u32,
}

/// Where live painting stands.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// The document that is painted from, while it is switched on.
    document: Option<DocumentId>,
    is_hidden: bool,
    tickets: u64,
    flight: Option<Flight>,
    /// What needs no picture any more: it has one, or none is wanted.
    settled: Option<Wish>,
    /// The size of pictures of which one was finished: the next ones take no
    /// preparations.
    warm_px: Option<[u32; 2]>,
    /// Whether the last picture was too slow. One may be, when the computer has much
    /// else to do.
    was_slow: bool,
    draft: Option<Draft>,
    /// The newest step since the draft.
    sight: Option<Preview>,
    /// Whether the next picture is kept as soon as it is there.
    keeps_next: bool,
    /// Whether the draft is on its way into the document.
    is_placing: bool,
    /// What the engine warned of so far.
    warnings: Vec<String>,
}

impl Live {
    /// Whether it is switched on.
    pub fn is_on(&self) -> bool {
        self.document.is_some()
    }

    /// The document that it follows, or that its picture was painted from.
    pub fn document(&self) -> Option<DocumentId> {
        let draft = self.draft.as_ref().map(|draft| draft.place.document);
        self.document.or(draft)
    }

    /// Whether a picture is being painted.
    pub fn is_busy(&self) -> bool {
        self.flight.is_some()
    }

    /// The job in hand.
    pub fn job(&self) -> Option<JobId> {
        self.flight.as_ref()?.job
    }

    /// Whether there is a picture to keep.
    pub fn has_draft(&self) -> bool {
        self.draft.is_some() && !self.is_placing
    }

    /// What stands on the canvas: the newest step, or else the finished picture.
    pub fn preview(&self) -> Option<Preview> {
        let draft = self.draft.as_ref().map(|draft| Preview {
            image: Arc::clone(&draft.image),
            planes: None,
            place: draft.place.clone(),
        });
        self.sight.clone().or(draft)
    }

    /// Follows a document from now on.
    pub fn switch_on(&mut self, document: DocumentId) {
        self.document = Some(document);
        self.settled = None;
        self.warm_px = None;
        self.was_slow = false;
        self.warnings.clear();
    }

    /// Asks for nothing any more; the last finished picture stays until it is kept or
    /// taken away. Gives the job to cancel.
    #[must_use]
    pub fn switch_off(&mut self) -> Option<JobId> {
        self.document = None;
        self.keeps_next = false;
        self.sight = None;
        self.flight.take()?.job
    }

    /// Rests while nobody can see it. Gives the job to cancel.
    #[must_use]
    pub fn set_hidden(&mut self, is_hidden: bool) -> Option<JobId> {
        self.is_hidden = is_hidden;
        let flight = self.flight.take_if(|_| is_hidden);
        flight?.job
    }

    /// What is to be asked for, given what a picture would be painted from now and
    /// whether the hand is at rest. `None` where there is nothing to do.
    pub fn next(&mut self, wish: &Wish, is_at_rest: bool) -> Option<Ask> {
        if self.document != Some(wish.document) || self.is_hidden {
            return None;
        }
        let (instead_of, is_replacement) = match &self.flight {
            None if self.settled.as_ref() == Some(wish) => return None,
            None => (None, false),
            Some(flight) if flight.wish == *wish => return None,
            // In the middle of a stroke what is begun is finished, so that there is
            // something to see; then the newest is next.
            Some(flight) if !is_at_rest || flight.is_replacement => return None,
            Some(flight) => (flight.job, true),
        };
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.flight = Some(Flight {
            ticket,
            wish: wish.clone(),
            job: None,
            size_px: [0; 2],
            is_replacement,
            first_step: None,
            is_slow: false,
        });
        Some(Ask { ticket, instead_of })
    }

    /// Whether what was asked for is still wanted.
    pub fn awaits(&self, ticket: Ticket) -> bool {
        let flight = self.flight.as_ref();
        flight.is_some_and(|flight| flight.ticket == ticket && flight.job.is_none())
    }

    /// Notes the job that came of it.
    pub fn submitted(&mut self, ticket: Ticket, job: JobId, size_px: [u32; 2]) {
        let flight = self.flight.as_mut();
        if let Some(flight) = flight.filter(|flight| flight.ticket == ticket) {
            (flight.job, flight.size_px) = (Some(job), size_px);
        }
    }

    /// Notes the newest step of the job in hand.
    pub fn see(&mut self, job: JobId, sight: Preview) {
        let is_finished = self.draft.as_ref().is_some_and(|draft| draft.job == job);
        if self.job() == Some(job) && !is_finished {
            self.sight = Some(sight);
        }
    }

    /// Takes the finished picture of the job in hand; `false` for that of another.
    pub fn take(&mut self, draft: Draft) -> bool {
        let flight = self.flight.as_ref();
        let Some(flight) = flight.filter(|flight| flight.job == Some(draft.job)) else {
            return false;
        };
        self.settled = Some(flight.wish.clone());
        self.warm_px = Some(flight.size_px);
        self.was_slow = flight.is_slow;
        self.draft = Some(draft);
        self.is_placing = false;
        self.sight = None;
        true
    }

    /// Notes that a job ended. What came to nothing is not asked for again before
    /// something changes.
    pub fn ended(&mut self, job: JobId) {
        if let Some(flight) = self.flight.take_if(|flight| flight.job == Some(job)) {
            self.settled = Some(flight.wish);
        }
    }

    /// Wants no picture of what there is; for what changes, again.
    pub fn settle(&mut self, wish: Wish) {
        self.settled = Some(wish);
    }

    /// Takes the picture away. Gives whether there was anything, and the job to cancel.
    pub fn take_away(&mut self) -> (bool, Option<JobId>) {
        let (draft, sight) = (self.draft.take(), self.sight.take());
        let flight = self.flight.take();
        self.is_placing = false;
        self.keeps_next = false;
        let was_there = draft.is_some() || sight.is_some() || flight.is_some();
        (was_there, flight.and_then(|flight| flight.job))
    }

    /// Keeps what is seen: gives the picture if it is what is wished for; else it is
    /// kept as soon as it is there.
    pub fn keep(&mut self, wish: &Wish) -> Option<Draft> {
        let is_behind = self.is_on() && self.settled.as_ref() != Some(wish);
        if is_behind || self.is_busy() {
            self.keeps_next = true;
            return None;
        }
        self.keeps_next = false;
        let draft = self.draft.clone().filter(|_| !self.is_placing)?;
        self.is_placing = true;
        Some(draft)
    }

    /// Whether a picture is to be kept as soon as it is there.
    pub fn keeps_next(&self) -> bool {
        self.keeps_next
    }

    /// Notes that the picture of a job is a layer now; whether it stood here until then.
    pub fn placed(&mut self, job: JobId) -> bool {
        let draft = self.draft.take_if(|draft| draft.job == job);
        if draft.is_some() {
            self.is_placing = false;
        }
        draft.is_some()
    }

    /// Notes that the picture of a job could not be made a layer: it stays what it is.
    pub fn not_placed(&mut self, job: JobId) {
        let draft = self.draft.as_ref();
        if draft.is_some_and(|draft| draft.job == job) {
            self.is_placing = false;
        }
    }

    /// Whether the engine had not warned of this since it was switched on.
    pub fn is_new_warning(&mut self, message: &str) -> bool {
        let is_new = !self.warnings.iter().any(|known| known == message);
        if is_new {
            self.warnings.push(message.to_owned());
        }
        is_new
    }

    /// Whether the job in hand, with so many steps done in that time, takes too long: the
    /// second one to do so, or one that takes twice as long. Of the first picture of a size the first step does not count: it may hold
    /// preparations that are made once.
    pub fn slowness(&mut self, job: JobId, step: u32, elapsed: Duration) -> Option<Slow> {
        let flight = self.flight.as_mut()?;
        if flight.job != Some(job) || step == 0 {
            return None;
        }
        let first_step = *flight.first_step.get_or_insert(elapsed);
        let (steps, time) = if self.warm_px == Some(flight.size_px) {
            (step, elapsed)
        } else {
            (step.saturating_sub(1), elapsed.saturating_sub(first_step))
        };
        flight.is_slow |= time > PATIENCE;
        let most = if self.was_slow {
            PATIENCE
        } else {
            2 * PATIENCE
        };
        (time > most).then(|| {
            let in_time = PATIENCE.as_secs_f64() * OFFERED_SHARE * f64::from(steps);
            Slow {
                steps_in_time: (in_time / time.as_secs_f64()) as u32,
            }
        })
    }
}

#[cfg(test)]
mod tests;
