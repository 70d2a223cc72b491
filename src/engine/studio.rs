//! The real engine: which work does which job.

use std::rc::Rc;

use super::device::ComputeDevice;
use super::job::{Engine, EngineFactory};
use super::protocol::{AdapterSummary, JobSpec};
use super::work::Work;
use super::workbench::Workbench;
use super::works::{Compose, LoadModel, Paint, Repaint, Segment, Train, Upscale};
use crate::recipe::Enlarger;

/// Does jobs on one device, keeping models in memory.
pub struct StudioEngine {
    bench: Rc<Workbench>,
}

/// A factory of engines that compute on `device`.
pub fn factory(device: ComputeDevice) -> EngineFactory {
    Box::new(move || {
        let bench = Rc::new(Workbench::new(device.clone()));
        Ok(Box::new(StudioEngine { bench }))
    })
}

impl Engine for StudioEngine {
    fn adapter(&self) -> AdapterSummary {
        self.bench.device.summary.clone()
    }

    fn begin(&mut self, spec: JobSpec) -> Box<dyn Work> {
        let bench = Rc::clone(&self.bench);
        match spec {
            JobSpec::LoadModel(source, vae) => Box::new(LoadModel::new(source, vae, bench)),
            JobSpec::Generate(spec) => Box::new(Paint::new(*spec, bench)),
            JobSpec::GoOn(step, ending) => Box::new(Paint::from_step(step, ending, bench)),
            JobSpec::Train(spec) => Box::new(Train::new(*spec, bench)),
            JobSpec::Upscale(spec) => match spec.by.clone() {
                Enlarger::Network => Box::new(Upscale::new(*spec, bench)),
                Enlarger::Model(by) => Box::new(Repaint::new(*spec, by, bench)),
            },
            JobSpec::Segment(picture) => Box::new(Segment::new(picture, bench)),
            JobSpec::Compose(spec) => Box::new(Compose::new(*spec, bench)),
        }
    }

    fn lost(&self) -> Option<String> {
        self.bench.device.lost()
    }
}

impl Drop for StudioEngine {
    fn drop(&mut self) {
        // A run in hand may outlive an engine that is made anew; the models need not.
        self.bench.forget_models();
    }
}
