//! Painted pictures on their way to their places in documents.

use std::sync::Arc;

use image::RgbaImage;

use super::background::{Arrival, Ground, Origin};
use super::dispatch::{Core, sentence};
use super::jobs::JobRecord;
use super::live::Draft;
use super::notices::Severity;
use crate::engine::SamplerChoice;
use crate::engine::protocol::{JobId, PaintedImage};
use crate::recipe::{FrameSpec, PaintedRecipe};

impl Core {
    /// Sends a finished picture on its way to its document.
    pub(super) fn take_painted(&mut self, job: JobId, painted: PaintedImage) {
        let PaintedImage {
            image,
            spec,
            model_hash,
            model_name,
            latents: _,
        } = painted;
        let label = spec.sampler.as_ref().map(SamplerChoice::label_of);
        let label = label.unwrap_or_default().to_owned();
        let mut recipe =
            PaintedRecipe::new(*spec, model_name, model_hash).with_sampler_label(label);
        let record = self.state.jobs.get(job).and_then(JobRecord::painting);
        let Some(place) = record.map(|painting| painting.place.clone()) else {
            self.keep(image, recipe);
            return;
        };
        if let Some(frame) = &mut recipe.spec.frame {
            // Until it is written, a frame counts from where the canvas may not end.
            *frame = FrameSpec::new(place.area, frame.framing);
        }
        if self.state.jobs.is_live(job) {
            self.take_draft(Draft {
                job,
                image,
                recipe,
                place,
            });
            return;
        }
        self.show_for_model(&recipe.spec.model, &image);
        let origin = Origin {
            document: place.document,
            revision: place.revision,
            job: Some(job),
            // What was in the frame outside of the mask is there already.
            inside: place.mask.filter(|_| place.is_framed),
            area: place.is_framed.then_some(place.area),
            keeps_opaque: place.is_beyond,
        };
        self.lay_out(origin, image, recipe);
    }

    /// Makes a painted picture ready for its document as that is now.
    pub(super) fn lay_out(&mut self, origin: Origin, image: Arc<RgbaImage>, recipe: PaintedRecipe) {
        let open = self.state.documents.get_mut(origin.document);
        let canvas = open.map(|open| open.editor.snapshot());
        self.background.lay_out(origin, image, recipe, canvas);
    }

    /// Puts finished pictures into their documents, unless a stroke is being drawn.
    pub(super) fn place_arrivals(&mut self) {
        while let Some(arrival) = self.state.arrivals.pop_front() {
            let documents = &mut self.state.documents;
            let open = documents.get_mut(arrival.origin.document);
            if open.is_some_and(|open| open.editor.is_busy()) {
                self.state.arrivals.push_front(arrival);
                return;
            }
            self.place(arrival);
        }
    }

    fn place(&mut self, arrival: Arrival) {
        let Some(arrival) = self.unless_it_grows(arrival) else {
            return;
        };
        let Arrival {
            mut origin,
            picture,
            image,
            recipe,
            ground,
        } = arrival;
        let name = self.state.layer_name(&recipe.spec);
        let state = &mut self.state;
        let open = state.documents.get_mut(origin.document);
        let job = origin.job;
        if let Some(open) = open {
            // What was changed outside of the mask since the job was described
            // must not disappear under the picture of then.
            if origin.inside.is_none()
                && origin.revision != open.editor.revision()
                && let Some(mask) = job.and_then(|job| state.jobs.mask(job))
            {
                origin.inside = Some(mask);
                self.lay_out(origin, image, recipe);
                return;
            }
            if origin.keeps_opaque && origin.revision != open.editor.revision() {
                // The same of what lies beside it.
                origin.keeps_opaque = false;
                self.lay_out(origin, image, recipe);
                return;
            }
            let is_misplaced = |ground: &Ground| !ground.is(open.document());
            if ground.as_ref().is_some_and(is_misplaced) {
                // The canvas became another one, or what is to move with it was changed.
                self.lay_out(origin, image, recipe);
                return;
            }
            // A recipe holds no picture that it began with, but tells of one.
            let is_new_picture = !recipe.used_picture;
            let grown = ground.and_then(|ground| ground.grown);
            let placed = match grown {
                Some(grown) => open.place_beyond(&name, picture, recipe, *grown),
                None => open.place(&name, picture, recipe),
            };
            if let Err(error) = placed {
                let text = sentence(&error.to_string());
                state.notices.push(Severity::Error, text);
            }
            self.settle_placed(job, is_new_picture);
        } else {
            self.keep(image, recipe);
        }
        if let Some(job) = job {
            self.state.jobs.mark_placed(job);
        }
    }
}
