//! Loads a model, so that the next picture starts at once.

use std::rc::Rc;

use crate::engine::job::JobContext;
use crate::engine::protocol::{JobOutcome, StopReason};
use crate::engine::work::{Flow, Work};
use crate::engine::workbench::Workbench;
use crate::recipe::{ModelSource, NamedFile};

/// A model to be loaded.
pub(in crate::engine) struct LoadModel {
    source: ModelSource,
    vae: Option<NamedFile>,
    bench: Rc<Workbench>,
}

impl LoadModel {
    pub fn new(source: ModelSource, vae: Option<NamedFile>, bench: Rc<Workbench>) -> Self {
        Self { source, vae, bench }
    }
}

impl Work for LoadModel {
    fn slice(&mut self, context: &JobContext) -> Result<Flow, StopReason> {
        let loaded = self.bench.model(&self.source, self.vae.as_ref(), context)?;
        self.bench.tell_memory(context);
        // Nobody waits for a step now.
        loaded.digest.begin();
        let summary = loaded.summary.clone();
        Ok(Flow::Done(JobOutcome::ModelLoaded(summary)))
    }
}
