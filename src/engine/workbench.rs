//! What the works of one engine share: the device and the models in memory.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::device::ComputeDevice;
use super::job::JobContext;
use super::memory::{Memory, memory_in_use};
use super::model_cache::{Loaded, ModelCache};
use super::protocol::StopReason;
use crate::recipe::ModelSource;

/// Part of the computer's memory that models may keep after their jobs.
const SHARE_FOR_MODELS: u64 = 4;

/// What the works of one engine share.
pub(super) struct Workbench {
    pub device: ComputeDevice,
    models: RefCell<ModelCache>,
    /// Bytes that training runs in hand need.
    reserved_bytes: Cell<u64>,
}

impl Workbench {
    pub fn new(device: ComputeDevice) -> Self {
        Self {
            device,
            models: RefCell::default(),
            reserved_bytes: Cell::new(0),
        }
    }

    /// A model, from memory if it is there.
    pub fn model(
        &self,
        source: &ModelSource,
        context: &JobContext,
    ) -> Result<Rc<Loaded>, StopReason> {
        let budget_bytes = self.budget_bytes();
        let mut models = self.models.borrow_mut();
        let mut warn = |warning: &str| context.warn(warning);
        models.get(source, &self.device, budget_bytes, &mut warn)
    }

    /// Lets go of all models that no work holds.
    pub fn forget_models(&self) {
        self.models.borrow_mut().shrink(0);
    }

    /// Keeps memory free of models for as long as the answer lives.
    pub fn reserve(bench: &Rc<Self>, bytes: u64) -> Reservation {
        bench.reserved_bytes.update(|all| all + bytes);
        bench.models.borrow_mut().shrink(bench.budget_bytes());
        Reservation {
            bench: Rc::clone(bench),
            bytes,
        }
    }

    /// Bytes that models may take beside the one in use. How much memory a
    /// graphics card has is not told, so there the last one only is kept.
    fn budget_bytes(&self) -> u64 {
        let total = match Memory::now() {
            Some(memory) if !self.device.summary.is_gpu => memory.total_bytes,
            _ => 0,
        };
        (total / SHARE_FOR_MODELS).saturating_sub(self.reserved_bytes.get())
    }

    /// Reports the memory in use.
    pub fn tell_memory(&self, context: &JobContext) {
        if let Some(memory) = memory_in_use() {
            context.memory(memory);
        }
    }
}

/// Memory that models leave alone.
pub(super) struct Reservation {
    bench: Rc<Workbench>,
    bytes: u64,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.bench.reserved_bytes.update(|all| all - self.bytes);
    }
}
