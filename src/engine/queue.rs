//! The jobs that have not ended, and whose turn it is.

use std::rc::Rc;

use crossbeam_channel::Receiver;

use super::job::{JobContext, WorkClock};
use super::protocol::{JobControl, JobId, JobSpec};
use super::work::Work;
use super::worker_loop::{Order, Wiring};

/// A job that has not ended.
pub(super) struct Queued {
    pub context: JobContext,
    gives_way: bool,
    pub stage: Stage,
}

/// How far a job is.
pub(super) enum Stage {
    /// It waits for its first slice.
    Waiting(JobSpec),
    /// It is in hand.
    InHand(Box<dyn Work>),
}

impl Queued {
    pub fn job(&self) -> JobId {
        self.context.job
    }

    pub fn is_in_hand(&self) -> bool {
        matches!(self.stage, Stage::InHand(_))
    }

    pub fn control(&self) -> &JobControl {
        &self.context.control
    }
}

/// The jobs that have not ended, in the order in which they were given.
#[derive(Default)]
pub(super) struct Queue {
    jobs: Vec<Queued>,
    /// Whether the thread ends as soon as no job is left.
    is_leaving: bool,
}

impl Queue {
    /// Takes in what was ordered, waiting while there is nothing to do; `false`
    /// when it is time to leave.
    pub fn listen(&mut self, orders: &Receiver<Order>, wiring: &Wiring) -> bool {
        loop {
            let order = if self.turn().is_some() {
                match orders.try_recv() {
                    Ok(order) => Some(order),
                    Err(_) => return true,
                }
            } else if self.is_leaving {
                return false;
            } else {
                orders.recv().ok()
            };
            match order {
                Some(Order::Do { job, spec, control }) => self.add(job, spec, control, wiring),
                // Somebody pulled a rein: the turn may be another's now.
                Some(Order::Look) => {}
                Some(Order::Leave) | None => self.leave(),
            }
        }
    }

    fn add(&mut self, job: JobId, spec: JobSpec, control: JobControl, wiring: &Wiring) {
        self.jobs.push(Queued {
            context: JobContext {
                job,
                control,
                clock: Rc::new(WorkClock::default()),
                events: wiring.events.clone(),
                backlog: wiring.backlog.clone(),
            },
            gives_way: spec.gives_way(),
            stage: Stage::Waiting(spec),
        });
    }

    fn leave(&mut self) {
        self.is_leaving = true;
        for job in &self.jobs {
            job.control().cancel();
        }
    }

    /// Takes the job out whose turn it is. Those that are to end come first, since
    /// that takes a moment; then, in their order, those that give way to nobody;
    /// then the others. One that is held has no turn.
    pub fn take(&mut self) -> Option<(usize, Queued)> {
        let place = self.turn()?;
        Some((place, self.jobs.remove(place)))
    }

    /// Puts a job back that has not ended.
    pub fn put_back(&mut self, place: usize, job: Queued) {
        self.jobs.insert(place, job);
    }

    pub fn has(&self, job: JobId) -> bool {
        self.jobs.iter().any(|queued| queued.job() == job)
    }

    fn turn(&self) -> Option<usize> {
        let first = |is_so: &dyn Fn(&Queued) -> bool| self.jobs.iter().position(is_so);
        first(&|job| job.control().is_cancelled())
            .or_else(|| first(&|job| !job.control().is_paused() && !job.gives_way))
            .or_else(|| first(&|job| !job.control().is_paused()))
    }
}
