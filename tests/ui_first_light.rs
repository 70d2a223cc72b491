//! First light: the whole road, with the real engine and the Storybook model.
//! A mask is painted with the pointer, Generate is pressed, the picture appears
//! step by step, only the inside of the mask changes, and one undo takes it back.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use image::RgbaImage;
use velatura::app::form::FormChange;
use velatura::app::{AppState, Command, ModelState};
use velatura::engine::device::ComputeDevice;
use velatura::engine::studio;
use velatura::recipe::param::{self, Value};
use velatura::recipe::{SaveOptions, save_picture};
use velatura::window::{StudioApp, StudioOptions};

#[path = "support/drops.rs"]
mod drops;
#[path = "ui_first_light/models.rs"]
mod models;
#[path = "support/single.rs"]
mod single;
#[path = "support/train_form.rs"]
mod train_form;
#[path = "ui_first_light/training.rs"]
mod training;

/// Loading, and every step of a picture, together: generous, for slow machines.
const PATIENCE: Duration = Duration::from_secs(240);
const STEPS: u32 = 12;

struct Studio(Harness<'static, StudioApp>);

impl Studio {
    fn open(picture: &Path) -> Self {
        Self::start(Some(picture))
    }

    fn start(picture: Option<&Path>) -> Self {
        Self::start_in(picture, None)
    }

    /// A studio that remembers in a folder what models are.
    fn start_in(picture: Option<&Path>, library: Option<&Path>) -> Self {
        let engine = Box::new(|_: Option<&_>| studio::factory(ComputeDevice::cpu()));
        let mut options = StudioOptions::new(engine);
        options.remembers = false;
        options.library_folder = library.map(Path::to_owned);
        options.recovery_folder = None;
        options.open = picture.map(Path::to_owned);
        let harness = Harness::builder()
            .with_size([1280.0, 800.0])
            .with_max_steps(64)
            .wgpu()
            .build_eframe(|context| StudioApp::new(context, options).expect("a thread"));
        Self(harness)
    }

    fn state(&self) -> &AppState {
        self.0.state().state()
    }

    /// Draws until something is so; `see` looks at every frame.
    fn watch(
        &mut self,
        what: &str,
        is_so: impl Fn(&AppState) -> bool,
        mut see: impl FnMut(&AppState),
    ) {
        let start = Instant::now();
        loop {
            self.0.step();
            see(self.state());
            if is_so(self.state()) {
                return;
            }
            let notices: Vec<_> = self.state().notices.iter().collect();
            assert!(
                start.elapsed() < PATIENCE,
                "waited in vain for {what}: {notices:?}"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// A plain landscape: sky above, grass below.
fn landscape(side: u32) -> RgbaImage {
    RgbaImage::from_fn(side, side, |_, y| {
        if y < side * 5 / 8 {
            image::Rgba([120, 180 + (y / 2) as u8, 235, 255])
        } else {
            image::Rgba([86, 150, 60, 255])
        }
    })
}

#[test]
fn a_mask_is_repainted_step_by_step_before_the_eyes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("landscape.png");
    save_picture(&path, &landscape(64), None, &SaveOptions::default()).expect("a file");

    let mut studio = Studio::open(&path);
    let start = Instant::now();
    studio.watch(
        "the model and the picture",
        |state| {
            assert!(
                !matches!(state.model, ModelState::Failed(_)),
                "the Storybook model must be in assets/models/storybook: {:?}",
                state.model
            );
            matches!(state.model, ModelState::Ready(_)) && state.document().has_picture()
        },
        |_| {},
    );
    println!("ready after {:.2} s", start.elapsed().as_secs_f64());
    let before = studio.state().document().composite();

    // A stroke across the middle, with the pointer.
    let canvas = studio.0.get_by_label("Canvas").rect();
    let at = |x: f32| canvas.center() + egui::vec2(x, 20.0);
    studio.0.drag_at(at(-90.0));
    studio.0.run_ok();
    for x in [-60.0, -30.0, 0.0, 30.0, 60.0, 90.0] {
        studio.0.hover_at(at(x));
        studio.0.run_ok();
    }
    studio.0.drop_at(at(90.0));
    studio.0.run_ok();
    let mask = studio.state().document().mask_coverage().expect("a mask");
    let layers_before = studio.state().document().layers().len();

    let prompt = "a red house in a meadow by day, cartoon style";
    for change in [
        FormChange::Prompt(prompt.to_owned()),
        FormChange::Number(&param::STEPS, STEPS.into()),
        FormChange::Number(&param::SEED, Value::Whole(7)),
        FormChange::SeedLocked(true),
    ] {
        studio.0.state_mut().command(change.into());
    }
    studio.0.run_ok();
    studio.0.get_by_label("Generate").click();

    // What stands on the canvas, for as long as the job runs.
    let mut seen: Vec<Arc<RgbaImage>> = Vec::new();
    let start = Instant::now();
    studio.watch(
        "the picture",
        |state| {
            state.document().layers().len() > layers_before || state.notices.iter().next().is_some()
        },
        |state| {
            let Some(preview) = state.preview() else {
                return;
            };
            if !seen.contains(&preview.image) {
                seen.push(preview.image);
            }
        },
    );
    println!(
        "{} live frames in {:.2} s",
        seen.len(),
        start.elapsed().as_secs_f64()
    );
    let notices: Vec<_> = studio.state().notices.iter().collect();
    assert!(notices.is_empty(), "{notices:?}");
    // How many of them is the machine's affair.
    assert!(!seen.is_empty(), "no frame was seen");
    let run = studio.state().jobs.run().expect("a strip");
    let steps = run.frames();
    assert_eq!(steps.len(), STEPS as usize, "every step is in the strip");
    let mut pairs = steps.windows(2);
    assert!(
        pairs.all(|pair| pair[0].image != pair[1].image),
        "a step changes nothing"
    );

    let after = studio.state().document().composite();
    let mut changed = 0;
    for (x, y, pixel) in after.enumerate_pixels() {
        if mask.get_pixel(x, y).0[0] == 0 {
            let old = before.get_pixel(x, y);
            assert_eq!(pixel, old, "outside of the mask at {x}, {y}");
        } else {
            changed += usize::from(pixel != before.get_pixel(x, y));
        }
    }
    let covered = mask.pixels().filter(|pixel| pixel.0[0] == 255).count();
    assert!(
        changed > covered / 2,
        "{changed} of {covered} pixels changed inside of the mask"
    );

    studio.0.state_mut().command(Command::Undo);
    studio.0.run_ok();
    assert_eq!(studio.state().document().layers().len(), layers_before);
    assert_eq!(studio.state().document().composite(), before);
}
