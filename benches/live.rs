//! Live painting without a window: from the pen being lifted to the first sight and to
//! the finished picture, by the real engine with Storybook on the processor. The hand
//! drags a box and paints on a label map, 60 events a second; a picture of the middle
//! of the gesture is in hand when it ends, as in the window. Medians of 30 are printed.
//!
//! To be read beside the 0.67 to 0.88 s for each picture that a Photoshop plugin states
//! for Stable Diffusion 1.5 on an RTX 4070 Ti.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use crossbeam_channel::{Receiver, bounded};
use velatura::app::boxes::{BoxChange, BoxCommand};
use velatura::app::classes::ClassCommand;
use velatura::app::live::LiveCommand;
use velatura::app::settings::Settings;
use velatura::app::{AppState, Background, Command, Core, ModelState};
use velatura::engine::device::ComputeDevice;
use velatura::engine::{EngineHandle, Waker, studio};
use velatura::folders;
use velatura::geometry::CanvasPoint;
use velatura::recipe::ModelSource;
use velatura::tools::{PointerEvent, PointerPhase, ToolId};

/// Gestures that are measured.
const GESTURES: usize = 30;
/// Events of the pointer in a gesture.
const EVENTS: usize = 24;
/// Between two of them.
const FRAME: Duration = Duration::from_micros(16_667);
/// Longest wait for a picture.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program without its window.
struct Desk {
    core: Core,
    /// Rings when there is something to read.
    bell: Receiver<()>,
}

impl Desk {
    fn new() -> Self {
        let (ring, bell) = bounded(1);
        let waker: Waker = Arc::new(move || {
            ring.try_send(()).ok();
        });
        let factory = studio::factory(ComputeDevice::cpu());
        let engine = EngineHandle::spawn(factory, Arc::clone(&waker)).expect("a thread");
        let state = AppState::new(Settings::default(), folders::storybook_model());
        let mut core = Core::new(state, engine, Background::new(waker));
        core.load_model(ModelSource::Storybook, None, true);
        let mut desk = Self { core, bell };
        desk.wait(|state| matches!(state.model, ModelState::Ready(_)));
        desk
    }

    /// Takes reports in as they come until something is so.
    fn wait(&mut self, is_so: impl Fn(&AppState) -> bool) {
        let start = Instant::now();
        loop {
            self.core.take_reports();
            if is_so(&self.core.state) {
                return;
            }
            let said: Vec<&str> = state_notices(&self.core.state).collect();
            assert!(start.elapsed() < PATIENCE, "waited in vain: {said:?}");
            self.bell.recv_timeout(Duration::from_millis(100)).ok();
        }
    }

    fn point(&mut self, phase: PointerPhase, [x, y]: [f32; 2]) {
        let event = PointerEvent::new(phase, CanvasPoint::new(x, y));
        self.core.dispatch(Command::Pointer(vec![event]));
        self.core.take_reports();
    }

    /// A drag at the pace of a hand; the times from its end to the first sight of what
    /// it made and to the finished picture.
    fn gesture(&mut self, from: [f32; 2], to: [f32; 2]) -> [Duration; 2] {
        self.point(PointerPhase::Press, from);
        for event in 1..=EVENTS {
            let due = Instant::now() + FRAME;
            let done = event as f32 / EVENTS as f32;
            let at = [0, 1].map(|axis| from[axis] + (to[axis] - from[axis]) * done);
            self.point(PointerPhase::Drag, at);
            // What comes meanwhile is taken in, as the window does.
            while let Some(left) = due.checked_duration_since(Instant::now()) {
                self.bell.recv_timeout(left).ok();
                self.core.take_reports();
            }
        }
        let lifted = Instant::now();
        self.point(PointerPhase::Release, to);
        let revision = self.core.state.front().editor.revision();
        let is_seen = move |state: &AppState| {
            let preview = state.live.preview();
            preview.is_some_and(|preview| preview.place.revision == revision)
        };
        self.wait(is_seen);
        let first = lifted.elapsed();
        self.wait(move |state| is_seen(state) && !state.live.is_busy());
        [first, lifted.elapsed()]
    }
}

fn state_notices(state: &AppState) -> impl Iterator<Item = &str> {
    state.notices.iter().map(|notice| notice.text.as_str())
}

/// The middle one.
fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn report(name: &str, times: &[[Duration; 2]]) {
    for (index, what) in ["first sight", "finished picture"].into_iter().enumerate() {
        let mut times: Vec<Duration> = times.iter().map(|both| both[index]).collect();
        let count = times.len();
        let middle = median(&mut times).as_millis();
        let (least, most) = (times[0].as_millis(), times[count - 1].as_millis());
        println!("{name}, pointer up to {what}: median {middle} ms of {count} ({least} to {most})");
    }
}

fn live(c: &mut Criterion) {
    let mut desk = Desk::new();
    let summary = desk.core.state.model_summary().expect("a model").clone();
    println!("{}, {} px", summary.name, summary.native_size_px);
    let side = summary.native_size_px as f32;
    desk.core.dispatch(LiveCommand::Switch.into());
    desk.wait(|state| state.live.has_draft());

    let tools = [("drag a box", "boxes"), ("paint a class", "brush")];
    let mut all: BTreeMap<&str, Vec<[Duration; 2]>> = BTreeMap::new();
    let mut group = c.benchmark_group("live");
    group
        .sample_size(GESTURES)
        .sampling_mode(SamplingMode::Flat)
        .warm_up_time(FRAME);
    for (name, tool) in tools {
        desk.core.dispatch(Command::SelectTool(ToolId(tool)));
        let paints = tool == "brush";
        if paints {
            desk.core.dispatch(ClassCommand::AddLayer.into());
        } else {
            desk.gesture([0.3 * side, 0.4 * side], [0.6 * side, 0.8 * side]);
            let change = BoxChange::Class {
                name: "bus".to_owned(),
                colour: None,
            };
            desk.core
                .dispatch(BoxCommand::Change { change, done: true }.into());
        }
        let mut forth = false;
        group.bench_function(name, |b| {
            b.iter_custom(|count| {
                let mut sum = Duration::ZERO;
                for _ in 0..count {
                    forth = !forth;
                    let ends = [[0.45 * side, 0.6 * side], [0.6 * side, 0.65 * side]];
                    let [from, to] = if forth { ends } else { [ends[1], ends[0]] };
                    let palette = &desk.core.state.document().palette().classes;
                    if paints && let Some(class) = palette.get(usize::from(forth)) {
                        let class = class.index;
                        desk.core.dispatch(ClassCommand::Select(class).into());
                    }
                    let times = desk.gesture(from, to);
                    all.entry(name).or_default().push(times);
                    sum += times[1];
                }
                sum
            });
        });
    }
    group.finish();
    for (name, times) in &all {
        let last = &times[times.len().saturating_sub(GESTURES)..];
        report(name, last);
    }
}

criterion_group!(benches, live);
criterion_main!(benches);
