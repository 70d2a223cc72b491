use image::{Rgba, RgbaImage};
use proptest::prelude::*;

use super::*;
use crate::document::Document;
use crate::geometry::CanvasRect;
use crate::recipe::GenerateSpec;

fn wish_of(document: DocumentId, revision: u64) -> Wish {
    Wish {
        document,
        revision: DocumentRevision(revision),
        form: GenerateForm::default(),
        starts_from_picture: true,
        heeds_mask: true,
        small_picture: None,
        guide: None,
    }
}

fn fresh() -> DocumentId {
    Document::blank([8, 8]).expect("an allowed size").id()
}

fn draft_of(job: JobId, wish: &Wish) -> Draft {
    Draft {
        job,
        image: Arc::new(RgbaImage::from_pixel(1, 1, Rgba([0; 4]))),
        recipe: PaintedRecipe::new(GenerateSpec::default(), "Fake", "0123456789"),
        place: Placement {
            document: wish.document,
            revision: wish.revision,
            area: CanvasRect::from_size([8, 8]),
            is_framed: false,
            is_beyond: false,
            mask: None,
        },
    }
}

/// What may happen.
#[derive(Clone, Debug)]
enum Happening {
    /// The document changes, in the middle of a stroke or not.
    Change,
    /// A stroke begins, or ends.
    Stroke(bool),
    /// Time for the next job.
    Frame,
    /// The description of a job is ready.
    Described,
    /// The engine finishes the job in hand.
    Painted,
    /// The engine fails at it.
    Failed,
    /// The switch.
    Switch(bool),
    Hidden(bool),
    Keep,
    TakeAway,
}

fn happenings() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => Just(Happening::Change),
        2 => any::<bool>().prop_map(Happening::Stroke),
        8 => Just(Happening::Frame),
        5 => Just(Happening::Described),
        4 => Just(Happening::Painted),
        1 => Just(Happening::Failed),
        1 => any::<bool>().prop_map(Happening::Switch),
        1 => any::<bool>().prop_map(Happening::Hidden),
        1 => Just(Happening::Keep),
        1 => Just(Happening::TakeAway),
    ]
}

/// The rest of the program, as [`Live`] knows it.
struct World {
    live: Live,
    document: DocumentId,
    revision: u64,
    is_drawing: bool,
    is_hidden: bool,
    /// What is being described, with the wish that it was asked for.
    described: Vec<(Ticket, Wish)>,
    /// The jobs that the engine has and that were not cancelled.
    jobs: Vec<(JobId, Wish)>,
    next_job: u64,
    /// The state that was waived by hand.
    waived: Option<u64>,
    kept: usize,
    /// Whether the job before the one in hand was broken off for it.
    broken_off: u32,
}

impl World {
    fn new() -> Self {
        Self {
            live: Live::default(),
            document: fresh(),
            revision: 1,
            is_drawing: false,
            is_hidden: false,
            described: Vec::new(),
            jobs: Vec::new(),
            next_job: 1,
            waived: None,
            kept: 0,
            broken_off: 0,
        }
    }

    fn wish(&self) -> Wish {
        wish_of(self.document, self.revision)
    }

    fn cancel(&mut self, job: Option<JobId>) {
        self.jobs.retain(|(known, _)| Some(*known) != job);
    }

    fn frame(&mut self) {
        let wish = self.wish();
        let had_job = self.live.is_busy();
        let Some(ask) = self.live.next(&wish, !self.is_drawing) else {
            return;
        };
        self.broken_off = if had_job { self.broken_off + 1 } else { 0 };
        assert!(self.broken_off <= 1, "two in a row came to nothing");
        assert!(!(had_job && self.is_drawing), "broken off within a stroke");
        self.cancel(ask.instead_of);
        self.described.push((ask.ticket, wish));
    }

    fn describe(&mut self) {
        let Some((ticket, wish)) = self.described.pop() else {
            return;
        };
        if !self.live.awaits(ticket) {
            return;
        }
        let job = JobId(self.next_job);
        self.next_job += 1;
        self.live.submitted(ticket, job, [8, 8]);
        self.jobs.push((job, wish));
    }

    fn paint(&mut self) {
        let Some((job, wish)) = self.jobs.pop() else {
            return;
        };
        assert!(self.live.take(draft_of(job, &wish)), "nobody waits for it");
        self.live.ended(job);
        if self.live.keeps_next() {
            self.keep();
        }
    }

    fn keep(&mut self) {
        if let Some(draft) = self.live.keep(&self.wish()) {
            self.kept += 1;
            assert!(self.live.placed(draft.job));
            self.revision += 1;
            self.live.settle(self.wish());
            self.waived = Some(self.revision);
        }
    }

    fn happen(&mut self, happening: &Happening) {
        match happening {
            Happening::Change => self.revision += 1,
            Happening::Stroke(begins) => self.is_drawing = *begins,
            Happening::Frame => self.frame(),
            Happening::Described => self.describe(),
            Happening::Painted => self.paint(),
            Happening::Failed => {
                if let Some((job, _)) = self.jobs.pop() {
                    let none = self.live.switch_off();
                    assert_eq!(none, Some(job));
                }
            }
            Happening::Switch(true) => {
                self.live.switch_on(self.document);
                self.waived = None;
            }
            Happening::Switch(false) => {
                let job = self.live.switch_off();
                self.cancel(job);
                assert!(self.jobs.is_empty(), "something goes on after the end");
            }
            Happening::Hidden(is_hidden) => {
                self.is_hidden = *is_hidden;
                let job = self.live.set_hidden(*is_hidden);
                self.cancel(job);
            }
            Happening::Keep => self.keep(),
            Happening::TakeAway => {
                let (was_there, job) = self.live.take_away();
                self.cancel(job);
                if was_there {
                    self.live.settle(self.wish());
                    self.waived = Some(self.revision);
                }
                assert!(self.live.preview().is_none());
            }
        }
        assert!(self.jobs.len() <= 1, "{} jobs in hand", self.jobs.len());
        if !self.live.is_on() || self.is_hidden {
            assert!(self.jobs.is_empty(), "a job that nobody wants");
        }
    }
}

proptest! {
    #[test]
    fn one_job_at_a_time_and_the_last_state_is_painted_in_the_end(
        course in prop::collection::vec(happenings(), 0..200),
    ) {
        let mut world = World::new();
        world.happen(&Happening::Switch(true));
        course.iter().for_each(|happening| world.happen(happening));
        world.is_drawing = false;
        world.happen(&Happening::Hidden(false));
        for _ in 0..4 {
            [Happening::Frame, Happening::Described, Happening::Painted]
                .iter()
                .for_each(|happening| world.happen(happening));
        }
        prop_assert!(!world.live.is_busy());
        let draft = world.live.draft.as_ref().map(|draft| draft.place.revision.0);
        if world.live.is_on() && world.waived != Some(world.revision) {
            prop_assert_eq!(draft, Some(world.revision));
        }
        // After the switch nothing comes any more.
        world.happen(&Happening::Switch(false));
        world.happen(&Happening::Change);
        world.happen(&Happening::Frame);
        prop_assert!(world.described.iter().all(|(ticket, _)| !world.live.awaits(*ticket)));
    }
}

#[test]
fn a_stroke_is_followed_and_its_end_does_not_wait() {
    let mut world = World::new();
    world.live.switch_on(world.document);
    world.is_drawing = true;
    world.frame();
    world.describe();
    assert_eq!(world.jobs.len(), 1);
    // Whatever comes meanwhile waits, and only the newest of it is asked for.
    (0..5).for_each(|_| {
        world.revision += 1;
        world.frame();
    });
    assert!(world.described.is_empty());
    // The pen is lifted: what was begun within the stroke gives way.
    world.is_drawing = false;
    world.frame();
    assert!(world.jobs.is_empty());
    world.describe();
    assert_eq!(world.jobs[0].1, world.wish());
    world.paint();
    assert!(world.live.has_draft());
    world.frame();
    assert!(
        !world.live.is_busy(),
        "what is painted is not painted again"
    );
}

#[test]
fn what_is_kept_early_waits_for_its_picture() {
    let mut world = World::new();
    world.live.switch_on(world.document);
    world.frame();
    world.describe();
    world.keep();
    assert_eq!(world.kept, 0);
    world.paint();
    assert_eq!(world.kept, 1);
    assert!(world.live.preview().is_none(), "it is a layer now");
    world.frame();
    assert!(!world.live.is_busy());
}

#[test]
fn a_slow_model_is_known_by_its_steps_and_not_by_its_preparations() {
    let secs = Duration::from_secs_f64;
    let mut world = World::new();
    world.live.switch_on(world.document);
    world.frame();
    world.describe();
    let job = world.live.job().expect("a job");
    // A graphics card may look for the fastest way for a minute, once.
    assert_eq!(world.live.slowness(job, 1, secs(40.0)), None);
    assert_eq!(world.live.slowness(job, 2, secs(45.9)), None);
    let slow = Slow { steps_in_time: 1 };
    assert_eq!(world.live.slowness(job, 4, secs(46.1)), Some(slow));
    assert_eq!(world.live.slowness(JobId(99), 3, secs(47.0)), None);
    world.paint();
    world.revision += 1;
    world.frame();
    world.describe();
    let job = world.live.job().expect("a job");
    // The one before took too long as well.
    assert_eq!(world.live.slowness(job, 1, secs(2.9)), None);
    let slow = Slow { steps_in_time: 0 };
    assert_eq!(world.live.slowness(job, 1, secs(3.1)), Some(slow));
}

#[test]
fn warnings_are_said_once() {
    let mut live = Live::default();
    live.switch_on(fresh());
    assert!(live.is_new_warning("a"));
    assert!(!live.is_new_warning("a"));
    live.switch_on(fresh());
    assert!(live.is_new_warning("a"));
}
