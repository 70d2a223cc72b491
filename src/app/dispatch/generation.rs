//! Models, and pictures that are painted with them.

use std::sync::Arc;

use super::{Core, sentence};
use crate::app::background::{Describer, Origin};
use crate::app::form::{GenerateForm, Intent};
use crate::app::notices::Severity;
use crate::app::state::ModelState;
use crate::app::trajectory::Placement;
use crate::engine::SamplerChoice;
use crate::engine::library::PaintedWith;
use crate::random;
use crate::recipe::{FoundRecipe, GenerateSpec, ImageInput, MaskInput, ModelSource};

/// Pictures of more pixels are flattened away from the window's thread.
const LARGE_PX: u64 = 1 << 16;

/// A job, to be described when it is needed.
pub(super) struct Description {
    /// What it is described from.
    pub origin: Origin,
    /// Whether describing it takes too long for the window's thread.
    pub is_large: bool,
    /// Describes it.
    pub describe: Describer,
}

impl Core {
    /// An untouched canvas has the size of the picture that would be painted.
    pub(in crate::app) fn fit_empty_canvas(&mut self) {
        let size_px = self.state.job_size_px();
        let front = self.state.documents.front_mut();
        // What lies in a file has the size that it has there.
        let has_no_file = front.file.is_none();
        let editor = &mut front.editor;
        let document = editor.document();
        let is_untouched = editor.history().undo_label().is_none()
            && editor.history().redo_label().is_none()
            && !document.has_content()
            && !editor.is_busy()
            && has_no_file;
        if is_untouched && document.size_px() != size_px {
            // A size that the form allows is one that a document may have.
            editor.refit_blank(size_px).ok();
        }
    }

    pub(super) fn generate(&mut self) {
        if let Some(obstacle) = self.state.obstacle() {
            let text = obstacle.to_owned();
            self.state.notices.push(Severity::Info, text);
            return;
        }
        self.copy_before_generation();
        if self.state.live.is_on() {
            // The same is painted once more, in all its steps.
            self.take_live_away();
        } else {
            self.keep_live();
        }
        let intent = self.state.intent();
        let size_px = self.state.job_size_px();
        let state = &mut self.state;
        if !state.settings.form.seed_locked && !state.live.is_on() {
            state.settings.form.spec.seed = random::fresh_seed();
        }
        state.jobs.show(None);
        if intent == Intent::TextToImage && state.has_conditions() {
            // The next press does the same again, with what was moved meanwhile.
            state.documents.front_mut().starts_from_picture = false;
        }
        let editor = &mut state.documents.front_mut().editor;
        if intent == Intent::TextToImage
            && let Err(error) = editor.resize_canvas(size_px)
        {
            let text = sentence(&error.to_string());
            state.notices.push(Severity::Warning, text);
            return;
        }
        let Description {
            origin,
            is_large,
            describe,
        } = self.description(self.state.settings.form.clone());
        if is_large {
            self.background.prepare(origin, describe);
        } else {
            self.submit(&origin, describe());
        }
        if self.state.live.is_on() {
            self.settle_live();
        }
    }

    /// What a job of the document in front would be, with these settings.
    pub(super) fn description(&self, form: GenerateForm) -> Description {
        let state = &self.state;
        let intent = state.intent();
        let size_px = state.job_size_px();
        let smaller = state.paints_smaller();
        let drawn = state.drawn();
        let snapshot = state.front().editor.snapshot();
        let origin = Origin {
            document: snapshot.id(),
            revision: snapshot.revision(),
            job: None,
            inside: None,
        };
        let reads_pixels = intent.uses_strength() || drawn.has_map();
        let describe = move || {
            let init = intent
                .uses_strength()
                .then(|| ImageInput(Arc::new(snapshot.composite())));
            let mask = match intent {
                Intent::Inpaint => snapshot
                    .mask_coverage()
                    .map(|coverage| MaskInput(Arc::new(coverage))),
                Intent::TextToImage | Intent::ImageToImage => None,
            };
            let mut spec = form.spec(size_px, init, mask);
            drawn.put_into(&mut spec, &snapshot);
            match smaller {
                Some(finish) => spec.painted_smaller(finish),
                None => spec,
            }
        };
        Description {
            origin,
            is_large: reads_pixels && u64::from(size_px[0]) * u64::from(size_px[1]) > LARGE_PX,
            describe: Box::new(describe),
        }
    }

    /// Queues a generation that was described from a document.
    pub(in crate::app) fn submit(&mut self, origin: &Origin, spec: GenerateSpec) {
        if let Err(error) = spec.validate() {
            let text = sentence(&error.to_string());
            self.state.notices.push(Severity::Warning, text);
            return;
        }
        let place = Placement::of(origin, &spec, self.canvas_px(origin));
        let steps = spec.steps * spec.batch;
        let job = self.engine.generate(spec);
        self.state.jobs.add_generation(job, place, steps);
    }

    /// Leaves what is in hand: the stroke in progress first, then the dialog, then the step
    /// chosen in the strip, then the live picture, then the generation in hand.
    pub(super) fn escape(&mut self) {
        let state = &mut self.state;
        let front = state.documents.front_mut();
        if state.toolbox.cancel(&mut front.editor, &mut front.view) {
            return;
        }
        if state.dialog.take().is_some() || state.naming.take().is_some() {
            return;
        }
        if state.jobs.shown().is_some() {
            state.jobs.show(None);
            return;
        }
        if self.take_live_away() {
            return;
        }
        let state = &mut self.state;
        if let Some(job) = state.jobs.generation().map(|job| job.id) {
            self.engine.cancel(job);
            state.jobs.mark_cancelling(job);
            return;
        }
        // At last the boxes in hand are let go.
        let editor = &mut state.documents.front_mut().editor;
        if let Some(layer) = editor.document().selected_layer().map(|layer| layer.id)
            && !editor.document().selected_boxes().is_empty()
        {
            editor.select_boxes(layer, []).ok();
        }
    }

    /// Queues the loading of a model; `adopt` takes its defaults into the form.
    pub fn load_model(&mut self, source: ModelSource, adopt: bool) {
        self.state.model = ModelState::Loading;
        self.state.settings.form.spec.model = source.clone();
        self.state.adopt_defaults = adopt;
        let job = self.engine.load_model(source.clone());
        self.state.jobs.add_model(job, source);
    }

    /// Takes over the settings of a picture, tells of those that it cannot, and
    /// has the model looked for among those that are known.
    pub(super) fn restore_settings(&mut self, mut recipe: FoundRecipe) {
        let state = &mut self.state;
        let sampler = recipe.spec.sampler.as_ref();
        if sampler.is_some_and(|id| SamplerChoice::find(id).is_none()) {
            recipe.leave_sampler_out();
        }
        state.settings.form.restore(&recipe);
        if let Some(complaint) = recipe.complaint() {
            let text = sentence(&complaint);
            state.notices.push(Severity::Warning, text);
        }
        self.restore_conditions(&recipe.spec);
        let state = &mut self.state;
        let mut further = state.settings.recent_models.clone();
        further.extend(state.user_models.iter().cloned());
        self.background.find_model(recipe, further);
    }

    /// Goes on with the model of a picture whose settings were restored.
    pub(in crate::app) fn take_restored_model(&mut self, found: PaintedWith, name: Option<String>) {
        let chosen = self.state.model_summary().map(|model| &model.source);
        match (found.source(), name) {
            (Some(model), _) if chosen == Some(&model) => {}
            (Some(model), _) => self.load_model(model, false),
            (None, Some(name)) => {
                let text = format!(
                    "The model of this picture, \u{201c}{name}\u{201d}, is not known here; open its \
                     folder, or paint with another"
                );
                self.state.notices.push(Severity::Warning, text);
            }
            (None, None) => {}
        }
    }
}
