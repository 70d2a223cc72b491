//! Pictures that follow, while they are painted, what is changed meanwhile.

use std::collections::BTreeMap;

use super::form::GenerateForm;
use super::state::AppState;
use crate::document::{DocumentId, DocumentRevision};
use crate::engine::protocol::JobId;
use crate::recipe::{FrameSpec, GenerateSpec};

/// Everything that decides what a job is told of words, boxes and label maps.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Telling {
    document: DocumentId,
    revision: DocumentRevision,
    uses_boxes: bool,
    places_boxes: bool,
    uses_label_map: bool,
    /// Words and weights.
    spec: GenerateSpec,
}

impl Telling {
    fn new(document: DocumentId, revision: DocumentRevision, form: &GenerateForm) -> Self {
        Self {
            document,
            revision,
            uses_boxes: form.uses_boxes,
            places_boxes: form.places_boxes,
            uses_label_map: form.uses_label_map,
            spec: GenerateSpec::default().told_as(&form.spec),
        }
    }
}

/// What a job was told last, and what cannot be told anew.
#[derive(Clone, Debug)]
struct Follower {
    told: Telling,
    painted: Painted,
}

/// The place of a picture, for which boxes and label maps are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Painted {
    size_px: [u32; 2],
    frame: Option<FrameSpec>,
}

impl Painted {
    pub(super) fn of(spec: &GenerateSpec) -> Self {
        Self {
            size_px: [spec.width_px, spec.height_px],
            frame: spec.frame,
        }
    }
}

/// What the jobs that are known were told last.
#[derive(Clone, Debug, Default)]
pub struct Followers(BTreeMap<JobId, Follower>);

impl Followers {
    /// Notes a job that was described from that state of a document.
    pub(super) fn begin(
        &mut self,
        job: JobId,
        (document, revision): (DocumentId, DocumentRevision),
        form: &GenerateForm,
        painted: Painted,
    ) {
        let follower = Follower {
            told: Telling::new(document, revision, form),
            painted,
        };
        self.0.insert(job, follower);
    }

    /// Notes a job that goes on from a step of another one.
    pub(super) fn go_on(&mut self, from: JobId, job: JobId) {
        if let Some(follower) = self.0.get(&from).cloned() {
            self.0.insert(job, follower);
        }
    }

    /// Forgets the jobs that are not known any more.
    pub(super) fn retain(&mut self, is_known: impl Fn(JobId) -> bool) {
        self.0.retain(|job, _| is_known(*job));
    }

    /// Whether a job is to be told something that it does not know; notes that it was.
    fn is_news(&mut self, job: JobId, telling: &Telling) -> bool {
        let follower = self.0.get_mut(&job);
        let follower = follower.filter(|follower| {
            follower.told.document == telling.document && follower.told != *telling
        });
        follower.is_some_and(|follower| {
            follower.told = telling.clone();
            true
        })
    }

    /// Whether boxes and label maps of a job are meant for the picture of another one.
    pub(super) fn fits(&self, job: JobId, spec: &GenerateSpec) -> bool {
        let follower = self.0.get(&job);
        follower.is_some_and(|follower| follower.painted == Painted::of(spec))
    }
}

impl AppState {
    /// The job that is to be told of what was changed since it was last told; notes
    /// that it was. The hand must be at rest.
    pub(super) fn job_to_tell(&mut self) -> Option<JobId> {
        let front = self.documents.front();
        let is_at_rest = !front.editor.is_busy() && !self.toolbox.is_active();
        if !self.settings.form.follows_changes || self.live.is_on() || !is_at_rest {
            return None;
        }
        let running = self.jobs.running()?;
        let is_painted = running.painting().is_some_and(|it| !it.is_live);
        let job = running.id;
        let telling = Telling::new(front.id(), front.editor.revision(), &self.settings.form);
        (is_painted && self.followers.is_news(job, &telling)).then_some(job)
    }
}
