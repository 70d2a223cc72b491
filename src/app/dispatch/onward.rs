//! Paints pictures once more, from one of their steps on.

use super::Core;
use super::generation::Description;
use crate::app::jobs::JobRecord;
use crate::app::notices::Severity;
use crate::engine::protocol::{Ending, StepId};
use crate::recipe::GenerateSpec;

impl Core {
    /// Paints a picture once more from one of its steps on, told what the settings and its
    /// document say now.
    pub(super) fn go_on(&mut self, step: StepId, ending: Ending) {
        self.copy_before_generation();
        let record = self.state.jobs.get(step.job);
        let painting = record.and_then(JobRecord::painting);
        let is_in_front = painting.is_some_and(|it| it.place.document == self.state.front().id());
        if ending == Ending::Here || !is_in_front {
            self.end_from(step, ending, None);
            return;
        }
        let Description {
            is_large, describe, ..
        } = self.description(self.state.form().clone());
        if is_large {
            self.background.describe_ending(step, ending, describe);
        } else {
            self.end_from(step, ending, Some(describe()));
        }
    }

    /// Paints a picture once more from one of its steps on, told as another one would be.
    pub(in crate::app) fn end_from(
        &mut self,
        step: StepId,
        ending: Ending,
        told: Option<GenerateSpec>,
    ) {
        let fits = |told: &GenerateSpec| self.state.followers.fits(step.job, told);
        let (fitting, other) = match told {
            Some(told) if fits(&told) => (Some(told), false),
            told => (None, told.is_some()),
        };
        if other {
            let text = "The picture goes on as it was told before: its frame or the size of the canvas changed";
            self.state.notices.push(Severity::Info, text);
        }
        let job = self.engine.go_on(step, ending, fitting);
        self.state.followers.go_on(step.job, job);
        self.state.jobs.add_onward(job, step);
        self.state.jobs.show(None);
    }
}
