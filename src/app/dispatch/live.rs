//! Does what [`Live`](crate::app::live::Live) says.

use std::sync::Arc;

use super::generation::Description;
use super::{Core, sentence};
use crate::app::background::Origin;
use crate::app::command::Command;
use crate::app::form::{FormChange, GenerateForm};
use crate::app::live::{Draft, LIVE_STEPS, LiveCommand, Slow, Ticket, Wish};
use crate::app::notices::{NoticeAction, Severity};
use crate::app::trajectory::Placement;
use crate::engine::protocol::{EngineEvent, JobId, StopReason};
use crate::recipe::GenerateSpec;

impl Core {
    pub(super) fn change_live(&mut self, command: LiveCommand) {
        match command {
            LiveCommand::Switch if self.state.live.is_on() => self.stop_live(),
            LiveCommand::Switch => self.start_live(),
            LiveCommand::WithSteps(steps) => {
                let change = FormChange::Number(&LIVE_STEPS, steps.into());
                self.state.settings.form.change(change);
                self.start_live();
            }
            LiveCommand::Keep => self.keep_live(),
            LiveCommand::TakeAway => {
                self.take_live_away();
            }
        }
    }

    fn start_live(&mut self) {
        if let Some(obstacle) = self.state.obstacle() {
            let text = obstacle.to_owned();
            self.state.notices.push(Severity::Info, text);
            return;
        }
        let document = self.state.front().id();
        self.state.live.switch_on(document);
    }

    fn stop_live(&mut self) {
        let job = self.state.live.switch_off();
        self.cancel_live(job);
    }

    fn cancel_live(&mut self, job: Option<JobId>) {
        if let Some(job) = job {
            self.engine.cancel(job);
            self.state.jobs.mark_cancelling(job);
        }
    }

    /// Tells whether anybody can see the window.
    pub fn set_hidden(&mut self, is_hidden: bool) {
        let job = self.state.live.set_hidden(is_hidden);
        self.cancel_live(job);
    }

    /// What a live picture would be painted from now.
    fn wish(&self) -> Wish {
        let front = self.state.front();
        Wish {
            document: front.id(),
            revision: front.editor.revision(),
            form: GenerateForm {
                // Changes nothing of the picture.
                seed_locked: true,
                ..self.state.form().clone()
            },
            starts_from_picture: front.starts_from_picture,
            heeds_mask: front.heeds_mask,
            small_picture: front.small_picture,
            guide: front.guide,
        }
    }

    /// Asks for the next live picture if it is time.
    pub(in crate::app) fn go_on_live(&mut self) {
        let state = &mut self.state;
        if let Some(job) = state.live.job()
            && let Some(sight) = state.jobs.newest_step(job)
        {
            state.live.see(job, sight);
        }
        let front = state.front().id();
        let is_other = state.live.document().is_some_and(|own| own != front);
        if is_other {
            // What is on the canvas now is something else: it is not painted over
            // unasked.
            self.take_live_away();
        }
        if is_other || self.state.obstacle().is_some() {
            self.stop_live();
        }
        let state = &self.state;
        if !state.live.is_on() {
            return;
        }
        // What was asked for by name goes first.
        if state.model_summary().is_none() || state.jobs.has_unfinished_pictures() {
            return;
        }
        let is_at_rest = !state.front().editor.is_busy() && !state.toolbox.is_active();
        let wish = self.wish();
        let Some(ask) = self.state.live.next(&wish, is_at_rest) else {
            return;
        };
        self.cancel_live(ask.instead_of);
        let mut form = wish.form;
        form.spec.steps = form.spec.steps.min(form.live_steps);
        form.spec.batch = 1;
        // A canvas that grows under the hand would be in the way.
        form.spec.finish = self.state.paints_smaller().map(|(finish, _)| finish);
        // What is painted over again takes longer than a hand waits.
        form.spec.second_strength = 0.0;
        let Description {
            origin,
            is_large,
            describe,
        } = self.description(form);
        if is_large {
            self.background.describe_live(ask.ticket, origin, describe);
        } else {
            self.submit_live(ask.ticket, &origin, describe());
        }
    }

    /// Queues a live picture that is still wanted.
    pub(in crate::app) fn submit_live(
        &mut self,
        ticket: Ticket,
        origin: &Origin,
        spec: GenerateSpec,
    ) {
        if !self.state.live.awaits(ticket) {
            return;
        }
        if let Err(error) = spec.validate() {
            self.stop_live();
            let text = sentence(&error.to_string());
            self.state.notices.push(Severity::Warning, text);
            return;
        }
        let place = Placement::of(origin, &spec, self.canvas(origin));
        let (size_px, steps) = ([spec.width_px, spec.height_px], spec.steps);
        let job = self.engine.generate(spec);
        self.state.jobs.add_live(job, place, steps);
        self.state.live.submitted(ticket, job, size_px);
    }

    /// Takes a finished live picture.
    pub(in crate::app) fn take_draft(&mut self, draft: Draft) {
        // One that was cancelled at the last moment is nobody's.
        self.state.live.take(draft);
    }

    /// Takes in what an event says of the live job.
    pub(in crate::app) fn note_live(&mut self, event: &EngineEvent) {
        match event {
            EngineEvent::Progress {
                job,
                step,
                total,
                elapsed,
            } => {
                if let Some(slow) = self.state.live.slowness(*job, *step, *elapsed) {
                    self.stop_slow_live(slow, *total);
                }
            }
            EngineEvent::Stopped {
                job,
                reason: StopReason::Failed(_),
            } if self.state.live.job() == Some(*job) => self.stop_live(),
            EngineEvent::Finished { job, .. } | EngineEvent::Stopped { job, .. } => {
                let was_live = self.state.live.job() == Some(*job);
                self.state.live.ended(*job);
                if was_live && self.state.live.keeps_next() {
                    self.keep_live();
                }
            }
            _ => {}
        }
    }

    fn stop_slow_live(&mut self, slow: Slow, total: u32) {
        self.stop_live();
        let steps = self.state.form().spec.steps;
        let steps = steps.min(self.state.form().live_steps);
        // Of an input picture only a part of the steps is done.
        let done = u64::from(slow.steps_in_time) * u64::from(steps) / u64::from(total.max(1));
        let fewer = u32::try_from(done).unwrap_or(u32::MAX);
        let model = self.state.model_summary();
        let name = model.map_or_else(|| "This model".to_owned(), |model| model.name.clone());
        let notices = &mut self.state.notices;
        if (1..steps).contains(&fewer) {
            let text = format!(
                "{name} needs more than 3 seconds for a live picture of {steps} steps: Live is off"
            );
            let label = match fewer {
                1 => "Live with 1 step".to_owned(),
                _ => format!("Live with {fewer} steps"),
            };
            let command = LiveCommand::WithSteps(fewer).into();
            notices.ask(text, NoticeAction { label, command });
        } else {
            let text = format!(
                "{name} needs more than 3 seconds for a live picture, with however few steps: \
                 Live is off; a smaller picture or model may be quick enough"
            );
            notices.push(Severity::Warning, text);
        }
    }

    /// Makes the live picture a layer, in one step.
    pub(super) fn keep_live(&mut self) {
        let wish = self.wish();
        if let Some(draft) = self.state.live.keep(&wish) {
            let origin = Origin {
                document: draft.place.document,
                revision: draft.place.revision,
                job: Some(draft.job),
                // What was changed outside of the mask since must not disappear
                // under the picture of then.
                inside: draft.place.mask.as_ref().map(Arc::clone),
                area: draft.place.is_framed.then_some(draft.place.area),
                keeps_opaque: draft.place.is_beyond,
            };
            self.lay_out(origin, draft.image, draft.recipe);
        }
    }

    /// Notes that the picture of a job has become a layer of the document in front.
    pub(in crate::app) fn settle_placed(&mut self, job: Option<JobId>, is_new_picture: bool) {
        let was_draft = job.is_some_and(|job| self.state.live.placed(job));
        if was_draft && is_new_picture {
            // The next one is painted in its place, and not from it.
            self.state.documents.front_mut().starts_from_picture = false;
        }
        if was_draft || self.state.live.is_on() {
            self.settle_live();
        }
    }

    /// Wants no live picture of what there is now.
    pub(super) fn settle_live(&mut self) {
        let wish = self.wish();
        self.state.live.settle(wish);
    }

    /// Takes the live picture away; `false` when there is none, nor one to come.
    pub(super) fn take_live_away(&mut self) -> bool {
        let (was_there, job) = self.state.live.take_away();
        self.cancel_live(job);
        if was_there {
            self.settle_live();
        }
        was_there
    }

    /// Says that what is about to be written has no live picture in it.
    pub(super) fn tell_of_draft(&mut self, command: &Command) {
        let is_writing = matches!(
            command,
            Command::Save | Command::SaveAs | Command::SaveTo(_) | Command::Copy
        );
        if is_writing && self.state.live.has_draft() {
            let text = "The live picture is left out until it is kept: press Enter on the canvas";
            self.state.notices.push(Severity::Info, text);
        }
    }
}
