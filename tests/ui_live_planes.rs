//! Steps that were computed on the window's own graphics card stand on the
//! canvas without a copy through main memory.

#[path = "support/fake_engine.rs"]
mod fake_engine;

use std::sync::Arc;
use std::time::{Duration, Instant};

use burn::tensor::{Device, Tensor, TensorData};
use crossbeam_channel::{Receiver, unbounded};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use egui_wgpu::WgpuSetup;
use fake_engine::{FakeEngine, FakePace};
use velatura::app::Command;
use velatura::app::form::FormChange;
use velatura::engine::protocol::{AdapterSummary, JobSpec, StopReason, TrajectoryFrame};
use velatura::engine::{Engine, EngineFactory, Flow, JobContext, Work};
use velatura::gpu::share::SharedTensor;
use velatura::gpu::{wgpu_configuration, window_device};
use velatura::recipe::param::{HEIGHT, WIDTH};
use velatura::window::{StudioApp, StudioOptions};

const SIDE: usize = 64;
/// A machine may have much else to do.
const PATIENCE: Duration = Duration::from_secs(300);

/// Shows one step whose picture lies on the card: green there, red in main memory.
struct OneStep {
    /// Does everything else.
    fake: Box<dyn Engine>,
    device: Device,
    done: Receiver<()>,
}

impl Engine for OneStep {
    fn adapter(&self) -> AdapterSummary {
        AdapterSummary {
            name: "The window's".to_owned(),
            is_gpu: true,
        }
    }

    fn begin(&mut self, spec: JobSpec) -> Box<dyn Work> {
        match spec {
            JobSpec::Generate(_) => Box::new(Step {
                device: self.device.clone(),
                done: self.done.clone(),
            }),
            other => self.fake.begin(other),
        }
    }
}

struct Step {
    device: Device,
    done: Receiver<()>,
}

impl Work for Step {
    fn slice(&mut self, context: &JobContext) -> Result<Flow, StopReason> {
        let values: Vec<f32> = [-1.0, 1.0, -1.0]
            .into_iter()
            .flat_map(|value| [value; SIDE * SIDE])
            .collect();
        let shape = [1, 3, SIDE, SIDE];
        let planes = Tensor::<4>::from_data(TensorData::new(values, shape), &self.device);
        let planes = SharedTensor::publish(planes).expect("a shared tensor");
        let red = image::RgbaImage::from_pixel(8, 8, image::Rgba([255, 0, 0, 255]));
        context.frame(TrajectoryFrame {
            job: context.job(),
            index: 0,
            step: 1,
            total: 2,
            image: Arc::new(red),
            planes: Some(Arc::new(planes)),
        });
        self.done.recv().expect("the test runs");
        Err(StopReason::Cancelled)
    }
}

#[test]
fn a_step_on_the_card_is_drawn_from_the_card() {
    let (finish, done) = unbounded::<()>();
    let engine = Box::new(move |window: Option<&_>| {
        let window = window.expect("the window draws with wgpu");
        let (device, _) = window_device(window, true)
            .expect("burn takes the device")
            .expect("software is allowed");
        let mut fake = FakeEngine::factory(FakePace::Every(Duration::ZERO));
        let factory: EngineFactory = Box::new(move || {
            Ok(Box::new(OneStep {
                fake: fake()?,
                device: device.clone(),
                done: done.clone(),
            }))
        });
        factory
    });
    let mut options = StudioOptions::new(engine);
    options.remembers = false;
    options.library_folder = None;
    options.recovery_folder = None;
    let WgpuSetup::CreateNew(setup) = wgpu_configuration().wgpu_setup else {
        panic!("the window makes a device of its own");
    };
    let mut harness: Harness<'_, StudioApp> = Harness::builder()
        .with_size([1280.0, 800.0])
        .with_max_steps(64)
        .wgpu_setup(WgpuSetup::CreateNew(setup))
        .build_eframe(|context| StudioApp::new(context, options).expect("a thread"));
    let wait = |harness: &mut Harness<'_, StudioApp>, is_so: &dyn Fn(&StudioApp) -> bool| {
        let start = Instant::now();
        while !is_so(harness.state()) {
            assert!(start.elapsed() < PATIENCE, "waited in vain");
            harness.step();
            std::thread::sleep(Duration::from_millis(5));
        }
        harness.run_ok();
    };
    wait(&mut harness, &|app| app.state().jobs.active().is_empty());
    let app = harness.state_mut();
    for number in [&WIDTH, &HEIGHT] {
        app.command(FormChange::Number(number, (SIDE as u32).into()).into());
    }
    app.command(Command::Generate);
    wait(&mut harness, &|app| app.state().jobs.live_frame().is_some());

    let canvas = harness.get_by_label("Canvas").rect();
    let picture = harness.render().expect("a picture of the window");
    let center = canvas.center();
    let pixel = picture.get_pixel(center.x as u32, center.y as u32).0;
    finish.send(()).expect("the engine waits");
    assert_eq!(
        pixel,
        [0, 255, 0, 255],
        "the picture of the card, not the thumbnail"
    );
}
