//! How the window is started.

use std::path::PathBuf;

use anyhow::Context as _;

use super::studio::StudioApp;
use crate::engine::EngineFactory;
use crate::folders;
use crate::gpu;

/// Makes the factory of the engine, once the window has its graphics device.
///
/// `None` where the window draws without wgpu, as in some tests.
pub type EngineBuilder = Box<dyn FnOnce(Option<&egui_wgpu::RenderState>) -> EngineFactory>;

/// What the studio is started with.
pub struct StudioOptions {
    /// The engine.
    pub engine: EngineBuilder,
    /// How wgpu is set up: the limits and features of the shared device.
    pub wgpu: egui_wgpu::WgpuConfiguration,
    /// Folder of the model that is shipped with the program.
    pub storybook_folder: Option<PathBuf>,
    /// Folder for pictures that have no other place.
    pub pictures_folder: Option<PathBuf>,
    /// File of the user's styles; without, none are kept.
    pub styles_file: Option<PathBuf>,
    /// Folder for copies of unsaved work; without, none are made.
    pub recovery_folder: Option<PathBuf>,
    /// Folder in which it is remembered what models are, and pictures painted with them;
    /// without, nothing is.
    pub library_folder: Option<PathBuf>,
    /// A project, a picture or a model to open at once.
    pub open: Option<PathBuf>,
    /// Whether settings are read and written; off in tests.
    pub remembers: bool,
}

impl StudioOptions {
    /// The usual options with the given engine.
    pub fn new(engine: EngineBuilder) -> Self {
        Self {
            engine,
            wgpu: gpu::wgpu_configuration(),
            storybook_folder: folders::storybook_model(),
            pictures_folder: folders::pictures(),
            styles_file: folders::styles(),
            recovery_folder: folders::recovery(),
            library_folder: folders::library(),
            open: None,
            remembers: true,
        }
    }
}

/// Opens the window and runs the studio until it is closed.
///
/// # Errors
/// When there is no display or no graphics device that can draw the window.
pub fn run_studio(mut options: StudioOptions) -> anyhow::Result<()> {
    let native = eframe::NativeOptions {
        viewport: egui::ViewportBuilder::default()
            .with_title("Velatura")
            .with_app_id("velatura")
            .with_inner_size([1280.0, 800.0])
            .with_min_inner_size([880.0, 560.0])
            .with_drag_and_drop(true),
        renderer: eframe::Renderer::Wgpu,
        wgpu_options: std::mem::take(&mut options.wgpu),
        ..eframe::NativeOptions::default()
    };
    let create: eframe::AppCreator<'_> =
        Box::new(move |context| Ok(Box::new(StudioApp::new(context, options)?)));
    eframe::run_native("velatura", native, create)
        .map_err(|error| anyhow::anyhow!(error.to_string()))
        .context(
            "The window could not be opened; check that a display and a graphics driver are there",
        )
}
