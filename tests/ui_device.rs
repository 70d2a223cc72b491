//! A graphics card that fails under the window: the window goes on, says what is
//! true, and the document can be saved.

#[path = "support/studio.rs"]
mod studio;

use std::path::Path;
use std::sync::Arc;

use burn::tensor::Tensor;
use egui_kittest::kittest::Queryable as _;
use egui_wgpu::{WgpuSetup, WgpuSetupCreateNew};
use studio::Studio;
use velatura::app::{Command, Severity};
use velatura::engine::device::ComputeDevice;
use velatura::engine::protocol::{AdapterSummary, EngineError, JobSpec, StopReason};
use velatura::engine::{Engine, EngineFactory, Flow, JobContext, Work};
use velatura::gpu::{wgpu_configuration, window_device};
use velatura::project::{ReadLimits, open_project};

fn setup() -> WgpuSetupCreateNew {
    match wgpu_configuration().wgpu_setup {
        WgpuSetup::CreateNew(setup) => setup,
        WgpuSetup::Existing(_) => panic!("the window makes a device of its own"),
    }
}

impl Studio {
    fn open(&mut self, path: &Path) {
        self.command(Command::OpenFile(path.to_path_buf()));
        self.wait("the picture", |state| state.document().has_picture());
    }

    /// A stroke over the canvas, with the pointer.
    fn stroke(&mut self, y: f32) {
        let canvas = self.harness.get_by_label("Canvas").rect();
        let at = |x: f32| canvas.center() + egui::vec2(x, y);
        self.harness.drag_at(at(-40.0));
        self.harness.run();
        self.harness.hover_at(at(40.0));
        self.harness.run();
        self.harness.drop_at(at(40.0));
        self.harness.run();
    }

    /// Saves the document as a project and finds all of it there.
    fn saves_everything(&mut self, path: &Path) {
        self.command(Command::SaveTo(path.to_path_buf()));
        self.wait("the save", |state| !state.front().editor.is_dirty());
        let opened = open_project(path, ReadLimits::default()).expect("a project");
        assert_eq!(opened.project.document, *self.state().document());
    }
}

/// Computes on the window's device; all but painting is the fake engine's.
struct OnTheCard {
    fake: Box<dyn Engine>,
    device: ComputeDevice,
}

impl Engine for OnTheCard {
    fn adapter(&self) -> AdapterSummary {
        self.device.summary.clone()
    }

    fn begin(&mut self, spec: JobSpec) -> Box<dyn Work> {
        match spec {
            JobSpec::Generate(_) => Box::new(Sum(self.device.clone())),
            other => self.fake.begin(other),
        }
    }

    fn lost(&self) -> Option<String> {
        self.device.lost()
    }
}

/// A job that needs the card.
struct Sum(ComputeDevice);

impl Work for Sum {
    fn slice(&mut self, _: &JobContext) -> Result<Flow, StopReason> {
        let ones = Tensor::<1>::ones([8], &self.0.device);
        let sum = (ones + 1.0).into_data().try_to_vec::<f32>();
        let text = format!("the job came to an end with {sum:?}");
        Err(StopReason::Failed(EngineError::Paint(text)))
    }
}

#[test]
fn a_lost_device_is_told_and_the_work_is_saved() {
    let folder = tempfile::tempdir().expect("a folder");
    let picture = folder.path().join("red.png");
    image::RgbImage::from_pixel(64, 64, image::Rgb([200, 20, 20]))
        .save(&picture)
        .expect("a picture");
    let (tell, told) = crossbeam_channel::bounded(1);
    let mut studio = Studio::start_on(WgpuSetup::CreateNew(setup()), move |window, mut fake| {
        let (device, name) = window_device(window, true)
            .expect("burn takes the device")
            .expect("software is allowed");
        let device = ComputeDevice::gpu(device, name, window.device.clone());
        tell.send(window.device.clone()).expect("the test runs");
        let factory: EngineFactory = Box::new(move || {
            Ok(Box::new(OnTheCard {
                fake: fake()?,
                device: device.clone(),
            }))
        });
        factory
    });
    studio.open(&picture);
    studio.stroke(-20.0);

    told.recv().expect("a device").destroy();
    studio.stroke(20.0);
    let document = studio.state().document().clone();
    assert!(document.has_mask_content(), "it is painted on");
    for _ in 0..2 {
        studio.click("Generate");
        studio.wait("the end of the job", |state| state.jobs.active().is_empty());
        let mut notices = studio.state().notices.iter();
        let notice = notices.next().expect("a message");
        assert_eq!(notice.severity, Severity::Error);
        let sentence = "The graphics device was lost";
        assert!(notice.text.starts_with(sentence), "{}", notice.text);
        assert!(notice.text.contains("save it and restart Velatura"));
        drop(notices);
        studio.click("Dismiss");
    }
    assert_eq!(*studio.state().document(), document);
    studio.command(Command::Undo);
    studio.command(Command::Redo);
    studio.saves_everything(&folder.path().join("red.velatura"));
}

#[test]
fn a_texture_that_does_not_fit_is_told_and_the_work_is_saved() {
    const SIDE_PX: u32 = 2048;
    let folder = tempfile::tempdir().expect("a folder");
    let picture = folder.path().join("wide.png");
    image::RgbImage::from_fn(SIDE_PX + 1000, 64, |x, _| image::Rgb([x as u8, 9, 9]))
        .save(&picture)
        .expect("a picture");
    let mut setup = setup();
    let usual = Arc::clone(&setup.device_descriptor);
    setup.device_descriptor = Arc::new(move |adapter: &wgpu::Adapter| {
        let mut descriptor = usual(adapter);
        descriptor.required_limits.max_texture_dimension_2d = SIDE_PX;
        descriptor
    });
    let mut studio = Studio::start_on(WgpuSetup::CreateNew(setup), |_, fake| fake);
    studio.open(&picture);
    let _ = studio.harness.render().expect("the window is drawn");
    studio.harness.run();
    assert!(studio.sees("some layers look softer than they are"));
    assert!(studio.sees("The document itself is whole and can be saved"));
    studio.stroke(0.0);
    assert!(studio.state().document().has_mask_content());
    studio.saves_everything(&folder.path().join("wide.velatura"));
    let composite = studio.state().document().composite();
    assert_eq!(composite.get_pixel(2900, 3).0, [2900_u32 as u8, 9, 9, 255]);
}
