//! The rules of the engine thread, whatever engine runs on it: one terminal
//! event per job, cancel within one step, a panic is an error, jobs in order.

#[path = "support/fake_engine.rs"]
mod fake_engine;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::{Sender, bounded, unbounded};
use fake_engine::{FakeEngine, FakePace};
use velatura::engine::protocol::{
    AdapterSummary, EngineError, EngineEvent, JobId, JobSpec, StopReason, TrainEvent,
};
use velatura::engine::{Engine, EngineFactory, EngineHandle, Flow, JobContext, Work};
use velatura::recipe::{GenerateSpec, ModelSource, TrainSpec};

const PATIENCE: Duration = Duration::from_secs(300);

fn spawn(factory: EngineFactory) -> EngineHandle {
    EngineHandle::spawn(factory, Arc::new(|| {})).expect("a thread")
}

fn gated() -> (EngineHandle, Sender<()>) {
    let (permits, gate) = unbounded();
    (spawn(FakeEngine::factory(FakePace::Gate(gate))), permits)
}

fn spec(prompt: &str, steps: u32) -> GenerateSpec {
    GenerateSpec {
        prompt: prompt.to_owned(),
        steps,
        width_px: 16,
        height_px: 16,
        ..GenerateSpec::default()
    }
}

/// Every event up to the end of `jobs` jobs.
fn events_of(handle: &mut EngineHandle, jobs: usize) -> Vec<EngineEvent> {
    let mut events = Vec::new();
    let mut ended = 0;
    while ended < jobs {
        let event = handle.wait(PATIENCE).expect("an event in time");
        ended += usize::from(terminal(&event).is_some());
        events.push(event);
    }
    events
}

fn terminal(event: &EngineEvent) -> Option<JobId> {
    match event {
        EngineEvent::Finished { job, .. } | EngineEvent::Stopped { job, .. } => Some(*job),
        _ => None,
    }
}

fn reason(events: &[EngineEvent], wanted: JobId) -> Option<StopReason> {
    events.iter().find_map(|event| match event {
        EngineEvent::Stopped { job, reason } if *job == wanted => Some(reason.clone()),
        _ => None,
    })
}

#[test]
fn every_job_ends_exactly_once() {
    let mut handle = spawn(FakeEngine::factory(FakePace::Immediate));
    let jobs = [
        handle.load_model(ModelSource::Storybook, None),
        handle.generate(spec("hills", 3)),
        handle.generate(spec("panic", 3)),
        handle.generate(spec("fail", 3)),
        handle.generate(GenerateSpec {
            steps: 0,
            ..spec("no steps", 1)
        }),
        handle.train(TrainSpec {
            steps: 3,
            ..TrainSpec::default()
        }),
    ];
    let events = events_of(&mut handle, jobs.len());
    std::thread::sleep(Duration::from_millis(50));
    let late = handle.poll();
    assert!(late.is_none(), "an event after the last end: {late:?}");

    let mut ends: BTreeMap<JobId, usize> = BTreeMap::new();
    events
        .iter()
        .filter_map(terminal)
        .for_each(|job| *ends.entry(job).or_default() += 1);
    assert_eq!(ends, jobs.iter().map(|job| (*job, 1)).collect());
    assert!(!handle.is_busy());
}

#[test]
fn jobs_run_in_the_order_in_which_they_were_given() {
    let mut handle = spawn(FakeEngine::factory(FakePace::Immediate));
    let jobs: Vec<JobId> = (0..5).map(|_| handle.generate(spec("hills", 2))).collect();
    let events = events_of(&mut handle, jobs.len());
    let started: Vec<JobId> = events
        .iter()
        .filter_map(|event| match event {
            EngineEvent::Started { job } => Some(*job),
            _ => None,
        })
        .collect();
    let ended: Vec<JobId> = events.iter().filter_map(terminal).collect();
    assert_eq!(started, jobs);
    assert_eq!(ended, jobs);
}

#[test]
fn cancel_ends_a_job_within_one_step() {
    let (mut handle, permits) = gated();
    let job = handle.generate(spec("hills", 1000));
    permits.send(()).expect("the engine waits");
    while !matches!(
        handle.wait(PATIENCE),
        Some(EngineEvent::Progress { step: 1, .. })
    ) {}
    handle.cancel(job);
    // Permits for many more steps are there: only the cancel can stop it.
    (0..100).for_each(|_| permits.send(()).expect("the engine waits"));
    let events = events_of(&mut handle, 1);
    let steps = events
        .iter()
        .filter(|event| matches!(event, EngineEvent::Progress { .. }))
        .count();
    assert!(steps <= 1, "{steps} steps after the cancel");
    assert_eq!(reason(&events, job), Some(StopReason::Cancelled));
}

#[test]
fn a_queued_job_can_be_cancelled_before_it_starts() {
    let (mut handle, permits) = gated();
    let first = handle.generate(spec("hills", 1));
    let second = handle.generate(spec("hills", 1));
    handle.cancel(second);
    permits.send(()).expect("the engine waits");
    let events = events_of(&mut handle, 2);
    assert_eq!(reason(&events, first), None);
    assert_eq!(reason(&events, second), Some(StopReason::Cancelled));
    assert!(
        !events
            .iter()
            .any(|event| matches!(event, EngineEvent::Started { job } if *job == second))
    );
}

#[test]
fn a_paused_job_makes_no_step_until_it_goes_on() {
    let (mut handle, permits) = gated();
    let job = handle.generate(spec("hills", 4));
    permits.send(()).expect("the engine waits");
    while !matches!(
        handle.wait(PATIENCE),
        Some(EngineEvent::Progress { step: 1, .. })
    ) {}
    handle.set_paused(job, true);
    (0..4).for_each(|_| permits.send(()).expect("the engine waits"));
    std::thread::sleep(Duration::from_millis(100));
    let mut steps = 0;
    while let Some(event) = handle.poll() {
        steps += usize::from(matches!(event, EngineEvent::Progress { .. }));
    }
    assert!(steps <= 1, "{steps} steps while held");
    handle.set_paused(job, false);
    let events = events_of(&mut handle, 1);
    assert!(matches!(events.last(), Some(EngineEvent::Finished { .. })));
}

/// What happened to two jobs, as the first letters of their names and events.
fn story(events: &[EngineEvent], training: JobId) -> String {
    let told = events.iter().filter_map(|event| match event {
        EngineEvent::Started { job } => Some((*job, "starts")),
        EngineEvent::GaveWay { job } => Some((*job, "gives way")),
        EngineEvent::WentOn { job } => Some((*job, "goes on")),
        EngineEvent::Painted { job, .. } => Some((*job, "paints")),
        EngineEvent::Finished { job, .. } => Some((*job, "is done")),
        EngineEvent::Stopped { job, .. } => Some((*job, "is stopped")),
        _ => None,
    });
    let told = told.map(|(job, what)| {
        let who = if job == training {
            "training"
        } else {
            "picture"
        };
        format!("{who} {what}")
    });
    told.collect::<Vec<_>>().join(", ")
}

/// Lets a training run make `steps` steps, and waits until it has.
fn train_for(handle: &mut EngineHandle, permits: &Sender<()>, steps: u64) -> Vec<EngineEvent> {
    let mut events = Vec::new();
    for _ in 0..steps {
        permits.send(()).expect("the engine waits");
        loop {
            let event = handle.wait(PATIENCE).expect("an event in time");
            let is_step = matches!(event, EngineEvent::Progress { .. });
            events.push(event);
            if is_step {
                break;
            }
        }
    }
    events
}

#[test]
fn training_gives_way_to_a_picture_and_goes_on_by_itself() {
    let (mut handle, permits) = gated();
    let training = handle.train(TrainSpec {
        steps: 4,
        ..TrainSpec::default()
    });
    let mut events = train_for(&mut handle, &permits, 2);
    handle.generate(spec("hills", 2));
    (0..4).for_each(|_| permits.send(()).expect("the engine waits"));
    events.extend(events_of(&mut handle, 2));
    assert_eq!(
        story(&events, training),
        "training starts, training gives way, picture starts, picture paints, picture is done, \
         training goes on, training is done"
    );
    let steps = events.iter().filter_map(|event| match event {
        EngineEvent::Training {
            news: TrainEvent::Step(report),
            ..
        } => Some(report.step),
        _ => None,
    });
    assert!(steps.eq(1..=4));
}

#[test]
fn a_held_job_holds_nobody_else() {
    let (mut handle, permits) = gated();
    let training = handle.train(TrainSpec {
        steps: 3,
        ..TrainSpec::default()
    });
    let mut events = train_for(&mut handle, &permits, 1);
    handle.set_paused(training, true);
    // The step in hand, and the picture's.
    (0..3).for_each(|_| permits.send(()).expect("the engine waits"));
    handle.generate(spec("hills", 1));
    events.extend(events_of(&mut handle, 1));
    assert!(handle.is_busy());
    // A second run goes before the one that is held.
    let other = handle.train(TrainSpec {
        steps: 1,
        ..TrainSpec::default()
    });
    events.extend(events_of(&mut handle, 1));
    assert!(matches!(
        events.last(),
        Some(EngineEvent::Finished { job, .. }) if *job == other
    ));
    // A held job can be ended.
    handle.cancel(training);
    events.extend(events_of(&mut handle, 1));
    assert_eq!(reason(&events, training), Some(StopReason::Cancelled));
}

#[test]
fn a_job_that_panics_does_not_end_the_others() {
    let (mut handle, permits) = gated();
    let training = handle.train(TrainSpec {
        steps: 3,
        ..TrainSpec::default()
    });
    let mut events = train_for(&mut handle, &permits, 1);
    let broken = handle.generate(spec("panic", 3));
    (0..6).for_each(|_| permits.send(()).expect("the engine waits"));
    events.extend(events_of(&mut handle, 2));
    assert!(matches!(
        reason(&events, broken),
        Some(StopReason::Failed(EngineError::Panicked(_)))
    ));
    assert_eq!(reason(&events, training), None);
}

#[test]
fn a_panic_becomes_an_error_and_the_engine_starts_again() {
    let made = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&made);
    let mut inner = FakeEngine::factory(FakePace::Immediate);
    let mut handle = spawn(Box::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        inner()
    }));
    let broken = handle.generate(spec("panic", 3));
    let next = handle.generate(spec("hills", 3));
    let events = events_of(&mut handle, 2);
    let Some(StopReason::Failed(EngineError::Panicked(message))) = reason(&events, broken) else {
        panic!("no panic was reported: {events:?}");
    };
    assert!(message.contains("asked for it"), "{message}");
    assert!(
        events
            .iter()
            .any(|event| matches!(event, EngineEvent::Finished { job, .. } if *job == next))
    );
    assert_eq!(made.load(Ordering::Relaxed), 2);
}

#[test]
fn an_engine_that_cannot_start_fails_every_job_with_its_reason() {
    let error = EngineError::DeviceLost("unplugged".to_owned());
    let given = error.clone();
    let mut handle = spawn(Box::new(move || Err(given.clone())));
    let job = handle.generate(spec("hills", 1));
    let events = events_of(&mut handle, 1);
    assert_eq!(reason(&events, job), Some(StopReason::Failed(error)));
}

/// Loses its device in the first job, which fails or panics for that.
#[derive(Clone, Copy)]
struct Unplugged {
    panics: bool,
}

impl Engine for Unplugged {
    fn adapter(&self) -> AdapterSummary {
        AdapterSummary {
            name: "Test".to_owned(),
            is_gpu: true,
        }
    }

    fn begin(&mut self, _: JobSpec) -> Box<dyn Work> {
        Box::new(*self)
    }

    fn lost(&self) -> Option<String> {
        Some("unplugged".to_owned())
    }
}

impl Work for Unplugged {
    fn slice(&mut self, _: &JobContext) -> Result<Flow, StopReason> {
        assert!(!self.panics, "a buffer is gone");
        let error = EngineError::Paint("a buffer could not be read".to_owned());
        Err(StopReason::Failed(error))
    }
}

#[test]
fn a_lost_device_is_final() {
    for panics in [false, true] {
        let mut handle = spawn(Box::new(move || Ok(Box::new(Unplugged { panics }))));
        let jobs = [
            handle.generate(spec("hills", 1)),
            handle.generate(spec("hills", 1)),
        ];
        let events = events_of(&mut handle, 2);
        for job in jobs {
            assert_eq!(
                reason(&events, job),
                Some(StopReason::Failed(EngineError::DeviceLost(
                    "unplugged".to_owned()
                )))
            );
        }
        let ready = events
            .iter()
            .filter(|event| matches!(event, EngineEvent::Ready { .. }))
            .count();
        assert_eq!(ready, 1);
    }
}

#[test]
fn frames_come_in_order() {
    let mut handle = spawn(FakeEngine::factory(FakePace::Immediate));
    handle.generate(GenerateSpec {
        batch: 2,
        ..spec("hills", 3)
    });
    events_of(&mut handle, 1);
    let steps: Vec<(u32, u32)> = handle
        .drain_frames()
        .iter()
        .map(|frame| (frame.index, frame.step))
        .collect();
    assert_eq!(steps, [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3)]);
}

#[test]
fn every_report_wakes_the_window() {
    let (woken, wakes) = bounded(1000);
    let waker = Arc::new(move || woken.try_send(()).unwrap_or_default());
    let mut handle =
        EngineHandle::spawn(FakeEngine::factory(FakePace::Immediate), waker).expect("a thread");
    handle.generate(spec("hills", 2));
    let events = events_of(&mut handle, 1);
    assert!(wakes.len() >= events.len());
}

#[test]
fn closing_the_engine_ends_a_running_job() {
    let (handle, permits) = gated();
    let mut handle = handle;
    handle.generate(spec("hills", 1000));
    permits.send(()).expect("the engine waits");
    handle.close();
    // The engine and its gate are gone with the thread.
    assert!(permits.send(()).is_err());
}

#[test]
fn dropping_the_handle_does_not_wait_but_the_jobs_end() {
    let (permits, gate) = unbounded();
    let (alive, end) = bounded::<()>(0);
    let mut inner = FakeEngine::factory(FakePace::Gate(gate));
    let mut handle = spawn(Box::new(move || {
        let _alive = &alive;
        inner()
    }));
    handle.generate(spec("hills", 1000));
    permits.send(()).expect("the engine waits");
    drop(handle);
    // The factory goes with the thread.
    let ended = end.recv_timeout(PATIENCE);
    assert_eq!(
        ended,
        Err(crossbeam_channel::RecvTimeoutError::Disconnected)
    );
}

#[test]
fn frames_are_made_for_those_who_look() {
    let mut handle = spawn(FakeEngine::factory(FakePace::Immediate));
    handle.look_away();
    let job = handle.generate(spec("hills", 3));
    let events = events_of(&mut handle, 1);
    assert_eq!(reason(&events, job), None);
    assert!(handle.drain_frames().is_empty());
}
