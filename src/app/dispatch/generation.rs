//! Models, and pictures that are painted with them.

use std::sync::Arc;

use image::GrayImage;

use super::{Core, sentence};
use crate::app::background::{Describer, Origin};
use crate::app::conditions::Placing;
use crate::app::following::Painted;
use crate::app::form::{GenerateForm, Intent};
use crate::app::notices::Severity;
use crate::app::prompt;
use crate::app::state::ModelState;
use crate::app::trajectory::Placement;
use crate::document::Document;
use crate::engine::SamplerChoice;
use crate::engine::library::PaintedWith;
use crate::engine::protocol::JobId;
use crate::frame::{join_empty, keep_rim, surroundings, surroundings_px};
use crate::geometry::CanvasRect;
use crate::recipe::{
    FoundRecipe, FrameSpec, GenerateSpec, ImageInput, MaskInput, ModelSource, NamedFile,
};

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

/// What a job starts from.
struct Start {
    init: Option<ImageInput>,
    mask: Option<MaskInput>,
    strengths: Option<MaskInput>,
    around: Option<ImageInput>,
}

/// How the masks of a document are taken.
#[derive(Clone, Copy)]
struct MaskTaken {
    is_heeded: bool,
    /// Whether what is covered in part is repainted as much less.
    is_gradual: bool,
    /// Whether somebody asks what lies around them.
    looks_around: bool,
}

impl Start {
    /// What is in a part of a document, as far as the job looks at it.
    fn of(document: &Document, part: CanvasRect, intent: Intent, taken: MaskTaken) -> Self {
        let init = intent.uses_strength().then(|| document.composite_in(part));
        let is_masked = taken.is_heeded && intent.is_inside_mask();
        let mut mask = is_masked.then(|| document.mask_in(part)).flatten();
        let mut strengths = match (&mut mask, taken.is_gradual) {
            (None, _) => None,
            (Some(_), false) => document.strengths_in(part),
            (Some(mask), true) => Some(document.gradual_strengths_in(part, mask)),
        };
        if let (Intent::Outpaint, Some(init)) = (intent, &init) {
            // Where there is nothing is to be painted too, in full.
            let blank = || GrayImage::new(part.width(), part.height());
            let masks = [Some(mask.get_or_insert_with(blank)), strengths.as_mut()];
            let masks = masks.into_iter().flatten();
            masks.for_each(|values| join_empty(values, init));
        }
        if let (Some(mask), Some(init)) = (&mut mask, &init) {
            keep_rim(mask, init, part, document.size_px());
        }
        // Who repaints all of a part says what that is to be.
        let is_within = mask.is_some() && init.is_some();
        let around = (is_within && taken.looks_around)
            .then(|| surroundings(document.size_px(), part, |part| document.composite_in(part)));
        let input = |mask| MaskInput(Arc::new(mask));
        Self {
            around: around.flatten().map(|around| ImageInput(Arc::new(around))),
            init: init.map(|init| ImageInput(Arc::new(init))),
            mask: mask.map(input),
            strengths: strengths.map(input),
        }
    }
}

impl Core {
    /// An untouched canvas has the size of the picture that would be painted.
    pub(in crate::app) fn fit_empty_canvas(&mut self) {
        if self.state.job_frame().is_some() {
            // It is painted somewhere on the canvas, or beside it.
            return;
        }
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
        let is_framed = self.state.job_frame().is_some();
        let state = &mut self.state;
        if !state.live.is_on() {
            state.settings.form.renew_noise();
        }
        let settings = &mut state.settings;
        prompt::remember(&mut settings.prompt_history, &settings.form.spec.prompt);
        state.jobs.show(None);
        if intent == Intent::TextToImage && state.has_conditions() {
            // The next press does the same again, with what was moved meanwhile.
            state.documents.front_mut().starts_from_picture = false;
        }
        let editor = &mut state.documents.front_mut().editor;
        if intent == Intent::TextToImage
            && !is_framed
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
        let form = state.with_usable_classifier(form);
        let intent = state.intent();
        let size_px = state.job_size_px();
        let smaller = state.paints_smaller();
        let drawn = state.drawn();
        let controls = state.drawn_controls();
        let frame = state.job_frame().map(|frame| frame.rect);
        let snapshot = state.front().editor.snapshot();
        let origin = Origin {
            document: snapshot.id(),
            revision: snapshot.revision(),
            job: None,
            inside: None,
            area: frame.map(|rect| snapshot.on_plane(rect)),
            keeps_opaque: intent == Intent::Outpaint,
        };
        let part = frame.unwrap_or_else(|| snapshot.rect());
        let taken = MaskTaken {
            is_heeded: state.heeds_mask(),
            is_gradual: form.spec.gradual_mask,
            looks_around: form.places_boxes && state.placing() == Some(Placing::Missing),
        };
        let mut read_px = u64::from(part.width()) * u64::from(part.height());
        if frame.is_some() && taken.looks_around {
            read_px += surroundings_px(snapshot.size_px());
        }
        let reads_pixels = intent.uses_strength() || drawn.has_map() || !controls.is_empty();
        let describe = move || {
            let start = Start::of(&snapshot, part, intent, taken);
            let frame = frame.map(|rect| FrameSpec::new(rect, form.framing));
            let mut spec = form.spec_in(frame, size_px, start.init, start.mask);
            spec.strengths = start.strengths;
            spec.around = start.around;
            drawn.put_into(&mut spec, &snapshot);
            controls.put_into(&mut spec, &snapshot, part);
            match smaller {
                Some((finish, painted_px)) => spec.painted_smaller(finish, painted_px),
                None => spec,
            }
        };
        Description {
            origin,
            is_large: reads_pixels && read_px > LARGE_PX,
            describe: Box::new(describe),
        }
    }

    /// Queues a generation that was described from a document.
    pub(in crate::app) fn submit(&mut self, origin: &Origin, mut spec: GenerateSpec) {
        spec.has_tiny_previews = self.state.settings.panels.tiny_previews;
        if let Err(error) = spec.validate() {
            let text = sentence(&error.to_string());
            self.state.notices.push(Severity::Warning, text);
            return;
        }
        let place = Placement::of(origin, &spec, self.canvas(origin));
        let steps = spec.steps * spec.batch;
        let state = &mut self.state;
        let told = (origin.document, origin.revision);
        let painted = Painted::of(&spec);
        let job = self.engine.generate(spec);
        state
            .followers
            .begin(job, told, &state.settings.form, painted);
        state.jobs.add_generation(job, place, steps);
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
        let chosen = &state.settings.form.spec.model;
        let job = state
            .jobs
            .generation()
            .or_else(|| state.jobs.loading(chosen));
        if let Some(job) = job.map(|job| job.id) {
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

    /// Queues the loading of a model with this autoencoder, or with its own; `adopt` takes
    /// its defaults into the form. Another one that is being loaded is given up.
    pub fn load_model(&mut self, source: ModelSource, vae: Option<NamedFile>, adopt: bool) {
        let others = self.state.jobs.loadings();
        let others: Vec<JobId> = others
            .filter(|(loading, _)| **loading != source)
            .map(|(_, record)| record.id)
            .collect();
        for job in others {
            self.engine.cancel(job);
        }
        if let ModelState::Ready(before) = &self.state.model {
            let vae = self.state.settings.form.spec.vae.clone();
            self.state.model_before = Some((before.source.clone(), vae));
        }
        self.state.model = ModelState::Loading;
        let spec = &mut self.state.settings.form.spec;
        (spec.model, spec.vae) = (source.clone(), vae.clone());
        self.state.adopt_defaults = adopt;
        let job = self.engine.load_model(source.clone(), vae);
        self.state.jobs.add_model(job, source);
    }

    /// The autoencoder that is chosen in place of the model's own.
    pub(super) fn chosen_vae(&self) -> Option<NamedFile> {
        self.state.settings.form.spec.vae.clone()
    }

    /// Takes over the settings of a picture, tells of those that it cannot, and
    /// has the model looked for among those that are known.
    pub(super) fn restore_settings(&mut self, mut recipe: FoundRecipe) {
        let state = &mut self.state;
        // What was painted from nothing is painted again, and not what is on the canvas now
        // painted over.
        state.documents.front_mut().starts_from_picture = recipe.used_picture;
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

    /// Prepares the next pictures to be variations of one that was painted from noise.
    pub(super) fn vary(&mut self, recipe: FoundRecipe) {
        self.restore_settings(recipe);
        self.state.settings.form.vary();
        let text = "Generate paints variations of this picture; Variation says how far they go";
        self.state.notices.push(Severity::Info, text.to_owned());
    }

    /// Goes on with the model of a picture whose settings were restored.
    pub(in crate::app) fn take_restored_model(&mut self, found: PaintedWith, name: Option<String>) {
        let chosen = self.state.model_summary().map(|model| &model.source);
        match (found.source(), name) {
            (Some(model), _) if chosen == Some(&model) => {}
            (Some(model), _) => self.load_model(model, self.chosen_vae(), false),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{DocumentEditor, LayerKind, TileGrid};
    use image::{Rgba, RgbaImage};

    const HEEDED: MaskTaken = MaskTaken {
        is_heeded: true,
        is_gradual: false,
        looks_around: true,
    };
    const UNHEEDED: MaskTaken = MaskTaken {
        is_heeded: false,
        ..HEEDED
    };

    fn rect(x: i32, y: i32, width: u32, height: u32) -> CanvasRect {
        CanvasRect::from_min_size([x, y], [width, height])
    }

    /// A picture of 600 × 400 with two masks, of which the second acts by half.
    fn document() -> Document {
        let picture = RgbaImage::from_fn(600, 400, |x, y| Rgba([x as u8, y as u8, 9, 255]));
        let document = Document::from_image("Picture", &picture).expect("a size");
        let mut editor = DocumentEditor::new(document);
        editor.invert_mask().expect("a mask");
        let second = editor.add_layer(LayerKind::Mask).expect("a layer");
        editor.invert_mask().expect("a mask");
        editor.set_mask_strength(second, 0.5).expect("a mask");
        let first = editor.document().layers()[1].id;
        editor.delete_layer(first).expect("deleted");
        editor.document().clone()
    }

    #[test]
    fn a_job_starts_from_what_is_in_its_frame() {
        let document = document();
        let part = rect(100, 50, 64, 48);
        let start = Start::of(&document, part, Intent::Inpaint, HEEDED);
        let init = start.init.expect("a picture").0;
        assert_eq!(init.dimensions(), (64, 48));
        assert_eq!(init.get_pixel(3, 4).0, [103, 54, 9, 255]);
        let around = start.around.expect("all of the picture").0;
        assert_eq!(around.get_pixel(100 * 512 / 600 + 2, 60).0, [0; 4]);
        assert_eq!(around.get_pixel(500, 300)[3], 255);
        let mask = start.mask.expect("a mask").0;
        // The picture goes on on all sides, so that there is a rim.
        for (x, y, covered) in mask.enumerate_pixels() {
            let is_rim = x == 0 || y == 0 || x == 63 || y == 47;
            assert_eq!(covered.0, [if is_rim { 0 } else { 255 }], "{x}, {y}");
        }
        let strengths = start.strengths.expect("strengths").0;
        assert!(strengths.pixels().all(|it| it.0 == [128]));
        // Covered whole, places are repainted as strongly as before; the rim not at all.
        let gradual = MaskTaken {
            is_gradual: true,
            ..HEEDED
        };
        let start = Start::of(&document, part, Intent::Inpaint, gradual);
        assert_eq!(start.mask.expect("a mask").0.as_raw(), mask.as_raw());
        let strengths = start.strengths.expect("strengths").0;
        assert!(strengths.pixels().all(|it| it.0 == [128]));
        let whole = Start::of(&document, document.rect(), Intent::Inpaint, HEEDED);
        assert!(whole.mask.is_some() && whole.around.is_none());
        // The mask is not heeded.
        let start = Start::of(&document, part, Intent::ImageToImage, HEEDED);
        assert!(start.init.is_some() && start.mask.is_none() && start.strengths.is_none());
        let start = Start::of(&document, part, Intent::TextToImage, HEEDED);
        assert!(start.init.is_none() && start.mask.is_none());
    }

    #[test]
    fn what_is_empty_joins_the_mask() {
        let mut document = document();
        let part = rect(580, -10, 40, 30);
        let start = Start::of(&document, part, Intent::Outpaint, UNHEEDED);
        let mask = start.mask.expect("a mask").0;
        let at = |x, y| mask.get_pixel(x, y).0[0];
        assert_eq!([at(5, 5), at(5, 15), at(25, 15)], [255, 0, 255]);
        assert!(start.strengths.is_none());
        // In full, whatever the mask says.
        let start = Start::of(&document, part, Intent::Outpaint, HEEDED);
        let strengths = start.strengths.expect("strengths").0;
        let at = |x, y| strengths.get_pixel(x, y).0[0];
        assert_eq!([at(5, 5), at(5, 15), at(25, 15)], [255, 128, 255]);
        // A hole in the picture is nothing too.
        let mut editor = DocumentEditor::new(document.clone());
        let picture = editor.document().layers()[0].id;
        editor.delete_layer(picture).expect("deleted");
        let patch = TileGrid::from_fn([600, 400], |x, _| match x {
            300.. => [1, 2, 3, 255],
            _ => [0; 4],
        });
        editor
            .insert_picture("Patch", "Patch", patch)
            .expect("inserted");
        document = editor.document().clone();
        let start = Start::of(&document, rect(290, 10, 20, 4), Intent::Outpaint, UNHEEDED);
        let mask = start.mask.expect("a mask").0;
        assert_eq!(
            [mask.get_pixel(9, 1).0, mask.get_pixel(10, 1).0],
            [[255], [0]]
        );
    }
}
