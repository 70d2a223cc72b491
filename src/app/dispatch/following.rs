//! Tells pictures that are being painted what was changed.

use super::Core;
use super::generation::Description;
use crate::app::notices::Severity;
use crate::engine::protocol::JobId;
use crate::recipe::GenerateSpec;

impl Core {
    /// Tells the picture that is being painted what was changed, if that is wanted.
    pub(in crate::app) fn follow_changes(&mut self) {
        let jobs = &self.state.jobs;
        self.state.followers.retain(|job| jobs.get(job).is_some());
        let Some(job) = self.state.job_to_tell() else {
            return;
        };
        let Description {
            is_large, describe, ..
        } = self.description(self.state.form().clone());
        if is_large {
            self.background.describe_change(job, describe);
        } else {
            self.tell_change(job, describe());
        }
    }

    /// Tells a picture that is being painted what another one would be told.
    pub(in crate::app) fn tell_change(&mut self, job: JobId, spec: GenerateSpec) {
        if self.state.followers.fits(job, &spec) {
            self.engine.tell(job, spec);
        } else if self.state.jobs.running().is_some_and(|it| it.id == job) {
            let text = "The picture does not follow: its frame or the size of the canvas changed";
            self.state.notices.push(Severity::Info, text);
        }
    }
}
