//! The eframe application: takes reports in, carries commands out, draws.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::options::StudioOptions;
use crate::app::settings::{STORAGE_KEY, Settings, ThemeChoice};
use crate::app::shortcuts::{self, KeyContext};
use crate::app::{AppState, Background, Command, CommandSink, Core, Severity, boxes};
use crate::engine::library::is_named_as_weights;
use crate::engine::{EngineHandle, Waker};
use crate::ui::{UiState, studio_ui, theme};

/// What one of 60 frames a second may take.
const FRAME_SECS: f32 = 1.0 / 60.0;

/// The studio.
pub struct StudioApp {
    core: Core,
    ui: UiState,
    commands: CommandSink,
    /// What taking reports and carrying out commands took in this frame.
    logic_secs: f32,
    remembers: bool,
    shown_title: String,
    /// Whether a text field had the focus at the end of the last frame: Escape
    /// takes the focus away before anybody can ask.
    was_typing: bool,
}

impl StudioApp {
    /// Starts the engine and loads the model that was chosen last.
    ///
    /// # Errors
    /// When the system gives no thread for the engine.
    pub fn new(
        context: &eframe::CreationContext<'_>,
        options: StudioOptions,
    ) -> std::io::Result<Self> {
        let StudioOptions {
            engine,
            wgpu: _,
            storybook_folder,
            pictures_folder,
            styles_file,
            recovery_folder,
            library_folder,
            open,
            remembers,
        } = options;
        theme::install(&context.egui_ctx);
        let stored = context.storage.filter(|_| remembers);
        let settings = stored.map_or_else(Settings::default, Settings::load);

        let ctx = context.egui_ctx.clone();
        let waker: Waker = Arc::new(move || ctx.request_repaint());
        let factory = engine(context.wgpu_render_state.as_ref());
        let chosen = &settings.form.spec;
        let (model, vae) = (chosen.model.clone(), chosen.vae.clone());
        let mut state = AppState::new(settings, storybook_folder);
        state.pictures_folder = pictures_folder;
        state.styles_file = styles_file;
        let engine = EngineHandle::spawn(factory, Arc::clone(&waker))?;
        let mut background = Background::new(waker);
        if let Some(folder) = library_folder {
            background.remember_models(folder);
        }
        let mut core = Core::new(state, engine, background);
        // A first start takes the model's own defaults; later ones keep the form.
        core.load_model(
            model,
            vae,
            stored.is_none_or(|storage| storage.get_string(STORAGE_KEY).is_none()),
        );
        core.list_models();
        core.read_styles();
        if let Some(folder) = recovery_folder {
            core.start_recovery(folder);
        }
        if let Some(path) = open {
            // It is remembered, and the next start may be in another folder.
            let path = std::path::absolute(&path).unwrap_or(path);
            core.dispatch(Command::OpenFile(path));
        }
        Ok(Self {
            core,
            ui: UiState::new(context.wgpu_render_state.as_ref()),
            commands: CommandSink::default(),
            logic_secs: 0.0,
            remembers,
            shown_title: String::new(),
            was_typing: false,
        })
    }

    /// The state, for tests and tools.
    pub fn state(&self) -> &AppState {
        &self.core.state
    }

    /// Carries a command out, as menus do; for tests and tools.
    pub fn command(&mut self, command: Command) {
        self.core.dispatch(command);
    }

    fn take_input(&mut self, ctx: &egui::Context) {
        let context = KeyContext {
            is_typing: self.was_typing || ctx.text_edit_focused(),
            is_dialog_open: self.core.state.dialog.is_some(),
            is_popup_open: egui::Popup::is_any_open(ctx) || boxes::are_named(&self.core.state),
            is_generating: self.core.state.jobs.generation().is_some(),
        };
        let state = &self.core.state;
        let keyed = ctx.input_mut(|input| shortcuts::take_commands(input, context, state));
        self.commands.push_keyed(keyed);

        let is_visible = ctx.input(|input| input.viewport().visible());
        self.core.set_hidden(is_visible == Some(false));
        let dropped: Vec<PathBuf> = ctx.input(|input| {
            input
                .raw
                .dropped_files
                .iter()
                .map(|file| file.path().to_path_buf())
                .collect()
        });
        let count = dropped.len();
        let opened: Vec<PathBuf> = opened_together(dropped).collect();
        if opened.len() < count {
            let text = "Drop pictures and projects one by one: of these the first was opened";
            self.core.state.notices.push(Severity::Info, text);
        }
        for path in opened {
            self.commands.push(Command::OpenFile(path));
        }
        if ctx.input(|input| input.viewport().close_requested()) && !self.core.wants_to_close {
            ctx.send_viewport_cmd(egui::ViewportCommand::CancelClose);
            self.commands.push(Command::Quit);
        }
    }

    fn update_window(&mut self, ctx: &egui::Context) {
        let state = &self.core.state;
        ctx.set_theme(match state.settings.theme {
            ThemeChoice::Dark => egui::ThemePreference::Dark,
            ThemeChoice::Light => egui::ThemePreference::Light,
            ThemeChoice::System => egui::ThemePreference::System,
        });
        let mark = if state.front().editor.is_dirty() {
            " (unsaved)"
        } else {
            ""
        };
        let title = format!("{}{mark} — Velatura", state.title());
        if title != self.shown_title {
            ctx.send_viewport_cmd(egui::ViewportCommand::Title(title.clone()));
            self.shown_title = title;
        }
        if self.core.wants_to_close {
            ctx.send_viewport_cmd(egui::ViewportCommand::Close);
        }
    }
}

/// What is opened of files that were dropped together: the first, of which a document is
/// made where it is a picture, and all that may go with a model.
fn opened_together(dropped: Vec<PathBuf>) -> impl Iterator<Item = PathBuf> {
    let dropped = dropped.into_iter().enumerate();
    let wanted = dropped.filter(|(index, path)| *index == 0 || is_named_as_weights(path));
    wanted.map(|(_, path)| path)
}

impl eframe::App for StudioApp {
    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        let start = Instant::now();
        // First the commands, which were made from the state as it was drawn, and
        // then what was reported since.
        for command in self.commands.drain() {
            self.core.dispatch(command);
        }
        self.core.take_reports();
        self.take_input(ctx);
        let now_secs = ctx.input(|input| input.time);
        if let Some(wait_secs) = self.core.state.notices.tick(now_secs) {
            ctx.request_repaint_after(Duration::from_secs_f64(wait_secs.max(0.0)));
        }
        if let Some(wait_secs) = self.core.tend_recovery(now_secs) {
            ctx.request_repaint_after(Duration::from_secs_f64(wait_secs));
        }
        if let Some(wait_secs) = self.core.tend_library(now_secs) {
            ctx.request_repaint_after(Duration::from_secs_f64(wait_secs));
        }
        self.update_window(ctx);
        self.logic_secs = start.elapsed().as_secs_f32();
    }

    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut eframe::Frame) {
        let start = Instant::now();
        studio_ui(ui, &self.core.state, &mut self.ui, &mut self.commands);
        self.was_typing = ui.ctx().text_edit_focused();
        let own_secs = start.elapsed().as_secs_f32();
        // The rest of a frame is the driver's: on a graphics card very little.
        let last_secs = frame.info().cpu_usage.unwrap_or_default();
        if (self.logic_secs + own_secs).max(last_secs) > FRAME_SECS {
            log::debug!(
                "Slow frame: {:.1} ms of commands, {:.1} ms to lay out, {:.1} ms in all for the one before",
                self.logic_secs * 1e3,
                own_secs * 1e3,
                last_secs * 1e3
            );
        }
        if !self.commands.is_empty() {
            ui.ctx().request_repaint();
        }
    }

    fn save(&mut self, storage: &mut dyn eframe::Storage) {
        if self.remembers {
            self.core.state.settings.save(storage);
        }
    }
}
