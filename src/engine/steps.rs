//! Steps of pictures that were painted, kept so that a picture can be gone on with from any
//! of them.

use std::collections::VecDeque;

use burn::tensor::Tensor;

use super::protocol::{JobId, StepId};
use crate::diffusion::StepState;
use crate::recipe::GenerateSpec;

/// Most bytes of tensors that are kept: some hundred steps at 512 × 512, a thousand of
/// Storybook's.
const BUDGET_BYTES: usize = 64 << 20;

/// A step, with all that is needed to go on from it.
#[derive(Clone)]
pub(super) struct Step {
    /// The picture as it was asked for: its own seed, a batch of one.
    pub spec: GenerateSpec,
    /// Steps of a first pass that came before: its number is counted on from there.
    pub before: u32,
    /// Whether it had been told something else on its way by then.
    pub was_retold: bool,
    /// Where the run was.
    pub state: StepState,
    /// The clean latents as they looked from there.
    ///
    /// # Shapes
    /// `[1, latent_channels, h, w]`.
    pub denoised: Tensor<4>,
}

impl Step {
    /// Bytes of its tensors. Those that several steps share are counted with each.
    fn size_bytes(&self) -> usize {
        let memory = &self.state.memory;
        let open = memory.open.iter();
        let open = open.flat_map(|open| [&open.sample, &open.sum]);
        let tensors = [&self.state.latents, &self.denoised].into_iter();
        let tensors = tensors.chain(&memory.past).chain(open);
        let numbers: usize = tensors.map(|it| it.dims().iter().product::<usize>()).sum();
        numbers * size_of::<f32>()
    }
}

/// The steps that are kept, the oldest first.
#[derive(Default)]
pub(super) struct Steps {
    kept: VecDeque<(StepId, Step)>,
    size_bytes: usize,
}

impl Steps {
    /// Keeps a step; the oldest go where there is no room.
    pub fn keep(&mut self, id: StepId, step: Step) {
        self.size_bytes += step.size_bytes();
        self.kept.push_back((id, step));
        while self.size_bytes > BUDGET_BYTES && self.kept.len() > 1 {
            let oldest = self.kept.pop_front();
            self.size_bytes -= oldest.map_or(0, |(_, step)| step.size_bytes());
        }
    }

    /// A step that another job goes on from. The steps up to it are that job's from now on
    /// too, as they are in the window.
    pub fn branch(&mut self, from: StepId, job: JobId) -> Option<Step> {
        let leads_there =
            |id: &StepId| (id.job, id.picture) == (from.job, from.picture) && id.step <= from.step;
        let path = self.kept.iter().filter(|(id, _)| leads_there(id));
        let path: Vec<(StepId, Step)> = path.cloned().collect();
        let found = path.iter().find(|(id, _)| *id == from)?.1.clone();
        for (id, step) in path {
            let id = StepId {
                job,
                picture: 0,
                step: id.step,
            };
            self.keep(id, step);
        }
        Some(found)
    }

    /// Lets go of all of them.
    pub fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::{SamplerMemory, TorchGenerator};

    fn step(side: usize) -> Step {
        let latents = Tensor::zeros([1, 4, side, side], &Default::default());
        Step {
            spec: GenerateSpec::default(),
            before: 0,
            was_retold: false,
            state: StepState {
                index: 1,
                latents: latents.clone(),
                memory: SamplerMemory::default(),
                random: TorchGenerator::new(1),
            },
            denoised: latents,
        }
    }

    fn id(job: u64, picture: u32, step: u32) -> StepId {
        StepId {
            job: JobId(job),
            picture,
            step,
        }
    }

    #[test]
    fn a_branch_has_the_steps_that_led_to_it() {
        let mut steps = Steps::default();
        for picture in 0..2 {
            (1..=3).for_each(|at| steps.keep(id(1, picture, at), step(8)));
        }
        assert!(steps.branch(id(1, 1, 4), JobId(2)).is_none());
        assert!(steps.branch(id(1, 1, 2), JobId(2)).is_some());
        let of_branch = steps.kept.iter().filter(|(id, _)| id.job == JobId(2));
        let of_branch: Vec<StepId> = of_branch.map(|(id, _)| *id).collect();
        assert_eq!(of_branch, [id(2, 0, 1), id(2, 0, 2)]);
        assert!(steps.branch(id(2, 0, 1), JobId(3)).is_some());
    }

    #[test]
    fn the_oldest_steps_go_where_there_is_no_room() {
        let mut steps = Steps::default();
        // 8 MiB each: latents and what they look like.
        (1..=10).for_each(|at| steps.keep(id(1, 0, at), step(512)));
        assert!(steps.size_bytes <= BUDGET_BYTES);
        assert!(steps.branch(id(1, 0, 1), JobId(2)).is_none());
        assert!(steps.branch(id(1, 0, 10), JobId(2)).is_some());
        steps.forget();
        assert!(steps.kept.is_empty() && steps.size_bytes == 0);
    }
}
