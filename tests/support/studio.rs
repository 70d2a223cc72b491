//! The whole window in a test, driven from outside.
#![allow(dead_code, reason = "not every test file uses all of it")]

#[path = "fake_engine.rs"]
mod fake_engine;

use std::path::Path;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, unbounded};
use egui::{Event, Pos2, pos2};
use egui_kittest::kittest::Queryable as _;
use egui_kittest::{Harness, HarnessBuilder};
use egui_wgpu::{RenderState, WgpuSetup};
use fake_engine::{FakeEngine, FakePace};
use velatura::app::form::FormChange::{self, Prompt};
use velatura::app::{AppState, Command, ModelState};
use velatura::engine::EngineFactory;
use velatura::geometry::{CanvasPoint, UiPoint, Viewport};
use velatura::recipe::param::{Number, STEPS};
use velatura::window::{StudioApp, StudioOptions};

/// A machine may have much else to do.
const PATIENCE: Duration = Duration::from_secs(300);

/// The window with an engine that makes a step for each permit.
pub struct Studio {
    /// The window.
    pub harness: Harness<'static, StudioApp>,
    permits: Sender<()>,
    /// Where pictures go whose document was closed.
    pub pictures: tempfile::TempDir,
    /// Where styles are kept.
    pub styles: tempfile::TempDir,
}

impl Studio {
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// A studio whose model is loaded.
    pub fn start_with(open: Option<&Path>) -> Self {
        Self::start_in(None, open)
    }

    /// A studio that keeps copies of unsaved work in a folder.
    pub fn start_in(recovery: Option<&Path>, open: Option<&Path>) -> Self {
        Self::build(Harness::builder().wgpu(), recovery, open, |_, fake| fake)
    }

    /// A studio whose window draws on a device made so, and whose engine is made of
    /// the window's device and the fake one.
    pub fn start_on(
        setup: WgpuSetup,
        engine: impl FnOnce(&RenderState, EngineFactory) -> EngineFactory + 'static,
    ) -> Self {
        let builder = Harness::builder().wgpu_setup(setup);
        Self::build(builder, None, None, |window, fake| {
            engine(window.expect("the window draws with wgpu"), fake)
        })
    }

    fn build(
        builder: HarnessBuilder<StudioApp>,
        recovery: Option<&Path>,
        open: Option<&Path>,
        engine: impl FnOnce(Option<&RenderState>, EngineFactory) -> EngineFactory + 'static,
    ) -> Self {
        let (permits, gate) = unbounded();
        let fake = FakeEngine::factory(FakePace::Gate(gate));
        let engine = Box::new(move |window: Option<&_>| engine(window, fake));
        let mut options = StudioOptions::new(engine);
        options.remembers = false;
        options.library_folder = None;
        options.recovery_folder = recovery.map(Path::to_path_buf);
        let pictures = tempfile::tempdir().expect("a folder");
        options.pictures_folder = Some(pictures.path().to_path_buf());
        let styles = tempfile::tempdir().expect("a folder");
        options.styles_file = Some(styles.path().join("styles.json"));
        options.open = open.map(Path::to_path_buf);
        let harness = builder
            .with_size([1280.0, 800.0])
            .with_max_steps(32)
            .build_eframe(|context| StudioApp::new(context, options).expect("a thread"));
        let mut studio = Self {
            harness,
            permits,
            pictures,
            styles,
        };
        studio.wait("the model", |state| {
            matches!(state.model, ModelState::Ready(_))
        });
        studio
    }

    pub fn state(&self) -> &AppState {
        self.harness.state().state()
    }

    pub fn command(&mut self, command: Command) {
        self.harness.state_mut().command(command);
        self.harness.run();
    }

    /// Lets the engine make steps.
    pub fn permit(&self, steps: usize) {
        (0..steps).for_each(|_| self.permits.send(()).expect("the engine runs"));
    }

    /// Draws until something is so. The window's clock stands still meanwhile: how
    /// many frames it takes is no matter of the test, and messages go with time.
    pub fn wait(&mut self, what: &str, is_so: impl Fn(&AppState) -> bool) {
        let now_secs = self.harness.ctx.input(|input| input.time);
        self.harness.input_mut().time = Some(now_secs);
        self.wait_long(what, is_so);
        self.harness.input_mut().time = None;
        self.harness.run();
    }

    /// Draws until something is so that comes with time.
    pub fn wait_long(&mut self, what: &str, is_so: impl Fn(&AppState) -> bool) {
        let start = Instant::now();
        loop {
            self.harness.step();
            if is_so(self.state()) {
                break;
            }
            assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether the window asks to be closed before long. From then on every frame
    /// does, so that it is never settled.
    pub fn closes(&mut self) -> bool {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if self.closes_within(1) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        false
    }

    /// Whether the window asks to be closed in one of the next frames.
    pub fn closes_within(&mut self, frames: usize) -> bool {
        (0..frames).any(|_| {
            self.harness.step();
            let output = &self.harness.output().viewport_output;
            let mut commands = output.values().flat_map(|viewport| &viewport.commands);
            commands.any(|command| matches!(command, egui::ViewportCommand::Close))
        })
    }

    /// The window position of a document position.
    pub fn place_of(&self, x: f32, y: f32) -> Pos2 {
        let canvas = self.harness.get_by_label("Canvas").rect();
        let viewport = Viewport {
            min: UiPoint::new(canvas.min.x, canvas.min.y),
            size: [canvas.width(), canvas.height()],
            pixels_per_point: 1.0,
        };
        let transform = self.state().front().view.transform(&viewport);
        let point = transform.ui_from_canvas(CanvasPoint::new(x, y));
        pos2(point.x, point.y)
    }

    /// An event in a frame of its own.
    pub fn send(&mut self, event: Event) {
        self.harness.event(event);
        self.harness.step();
    }

    pub fn click(&mut self, label: &str) {
        self.harness.get_by_label(label).click();
        self.harness.run();
    }

    pub fn sees(&self, label: &str) -> bool {
        self.harness
            .query_all_by_label_contains(label)
            .next()
            .is_some()
    }

    pub fn layer_names(&self) -> Vec<String> {
        self.state()
            .document()
            .layers()
            .iter()
            .map(|layer| layer.name.clone())
            .collect()
    }

    /// A finished picture on the canvas.
    pub fn paint(&mut self, prompt: &str) {
        self.set([Prompt(prompt.to_owned()), number(&STEPS, 2)]);
        self.permit(2);
        self.click("Generate");
        self.wait("the picture", |state| state.document().has_picture());
    }

    /// Changes fields of the Generate panel.
    pub fn set(&mut self, changes: impl IntoIterator<Item = FormChange>) {
        for change in changes {
            self.command(change.into());
        }
    }
}

/// A number of the Generate panel that is set.
pub fn number(number: &'static Number, value: u32) -> FormChange {
    FormChange::Number(number, value.into())
}
