//! The document made larger, and finished pictures that make it so.

use super::Core;
use crate::app::background::{
    Arrival, EnlargeEvent, FinishedPicture, Growing, Grown, LargeLayer, Origin,
};
use crate::app::jobs::Enlarging;
use crate::app::notices::Severity;
use crate::app::state::AppState;
use crate::document::{Document, MAX_SIDE_PX};
use crate::engine::protocol::{EnlargedImage, JobId};
use crate::recipe::{Enlarger, Finish};

const FACTOR: u32 = Finish::X4.factor();

impl AppState {
    /// Why the document cannot be made four times as large now, as a sentence.
    pub fn enlarge_obstacle(&self) -> Option<&'static str> {
        self.obstacle_to(FACTOR)
    }

    /// Why the document cannot be made so many times as large now, as a sentence.
    pub fn obstacle_to(&self, factor: u32) -> Option<&'static str> {
        let document = self.document();
        if !document.has_picture() {
            return Some("There is no picture that can be seen");
        }
        if document
            .size_px()
            .iter()
            .any(|side| side.saturating_mul(factor) > MAX_SIDE_PX)
        {
            return Some("Enlarged, it would have more than 8192 pixels a side");
        }
        let is_enlarged = self.jobs.is_enlarging(document.id());
        is_enlarged.then_some("The picture is being enlarged already")
    }
}

impl AppState {
    /// How pictures are finished that are painted smaller than the canvas, to have its
    /// size then: where it has a picture and is so large that a quarter of its side
    /// still suits the model.
    pub fn paints_smaller(&self) -> Option<Finish> {
        if self.job_frame().is_some() {
            return None;
        }
        let finish = self.form().spec.finish?;
        let model = self.model_summary()?;
        let size_px = self.job_size_px();
        let part = model.size_multiple_px.max(1) * finish.factor();
        let is_large = |side: &u32| {
            side.is_multiple_of(part) && *side / finish.factor() >= model.native_size_px
        };
        let suits = self.form().finishes(self.intent(), false)
            && self.document().has_picture()
            && size_px == self.document().size_px()
            && size_px.iter().all(is_large);
        suits.then_some(finish)
    }

    /// The size in which a press on Generate would paint, before anything is enlarged.
    pub fn painted_size_px(&self) -> [u32; 2] {
        let factor = self.paints_smaller().map_or(1, Finish::factor);
        self.job_size_px().map(|side| side / factor)
    }
}

impl Core {
    pub(super) fn enlarge(&mut self, by: Enlarger) {
        if let Some(obstacle) = self.state.obstacle_to(by.factor()) {
            self.state.notices.push(Severity::Info, obstacle);
            return;
        }
        let snapshot = self.state.front().editor.snapshot();
        self.background.gather(snapshot, by);
    }

    pub(in crate::app) fn take_enlarge_event(&mut self, event: EnlargeEvent) {
        match event {
            EnlargeEvent::Gathered {
                document,
                layers,
                spec,
            } => {
                if self.state.jobs.is_enlarging(document.id()) {
                    return;
                }
                let factor = spec.by.factor();
                let job = self.engine.upscale(spec);
                let enlarging = Enlarging {
                    document,
                    layers,
                    factor,
                    newest: None,
                };
                self.state.jobs.add_enlarging(job, enlarging);
            }
            EnlargeEvent::Grown(grown) => self.state.growths.push_back(*grown),
        }
    }

    /// Takes in the enlarged pictures of a job.
    pub(in crate::app) fn take_enlarged(&mut self, job: JobId, pictures: Vec<EnlargedImage>) {
        let Some(Enlarging {
            document,
            layers,
            factor,
            ..
        }) = self.state.jobs.enlarging(job).cloned()
        else {
            return;
        };
        let Some(open) = self.state.documents.get_mut(document.id()) else {
            // The document that was to grow is closed.
            return;
        };
        let large = layers.into_iter().zip(pictures);
        let large = large.filter_map(|(id, EnlargedImage { image, by })| {
            let before = document.layer(id)?.raster()?.clone();
            Some(LargeLayer {
                id,
                before,
                picture: image,
                recipe: by.map(|by| by.into_recipe().made_from(open.source_of(id))),
            })
        });
        let growing = Growing {
            job: None,
            factor,
            layers: large.collect(),
            finished: None,
        };
        self.background.grow(open.editor.snapshot(), growing);
    }

    /// A painted picture, unless its document grows to the size to which it was
    /// finished: then that is worked out.
    pub(in crate::app) fn unless_it_grows(&mut self, arrival: Arrival) -> Option<Arrival> {
        let Some(open) = self.state.documents.get_mut(arrival.origin.document) else {
            return Some(arrival);
        };
        let grown_px = open.document().size_px().map(|side| side * FACTOR);
        let grows = arrival.recipe.spec.finish.is_some()
            && arrival.origin.area.is_none()
            && arrival.picture.size_px() == grown_px
            && grown_px.iter().all(|side| *side <= MAX_SIDE_PX);
        if !grows {
            return Some(arrival);
        }
        let snapshot = open.editor.snapshot();
        let Arrival {
            origin,
            picture,
            image,
            recipe,
            ground: _,
        } = arrival;
        let growing = Growing {
            job: origin.job,
            factor: FACTOR,
            layers: Vec::new(),
            finished: Some(FinishedPicture {
                name: self.state.layer_name(&recipe.spec),
                picture,
                image,
                recipe,
            }),
        };
        self.background.grow(snapshot, growing);
        None
    }

    /// The document that a job was described from; `None` once it is closed.
    pub(super) fn canvas(&mut self, origin: &Origin) -> Option<&Document> {
        let open = self.state.documents.get_mut(origin.document)?;
        Some(open.document())
    }

    /// Lets documents grow, unless a stroke is being drawn.
    pub(in crate::app) fn place_growths(&mut self) {
        while let Some(grown) = self.state.growths.pop_front() {
            let documents = &mut self.state.documents;
            let open = documents.get_mut(grown.document.id());
            if open.is_some_and(|open| open.editor.is_busy()) {
                self.state.growths.push_front(grown);
                return;
            }
            self.place_growth(grown);
        }
    }

    fn place_growth(&mut self, grown: Grown) {
        let Grown {
            document,
            contents,
            has_old_layers,
            repainted,
            growing,
        } = grown;
        let state = &mut self.state;
        let Some(open) = state.documents.get_mut(document.id()) else {
            let Growing { job, finished, .. } = growing;
            if let Some(FinishedPicture { image, recipe, .. }) = finished {
                self.keep(image, recipe);
            }
            self.mark_grown(job);
            return;
        };
        let size_px = open.document().size_px();
        if size_px == document.size_px() && open.editor.revision() != document.revision() {
            // Something was drawn meanwhile, and is to grow too.
            let snapshot = open.editor.snapshot();
            self.background.grow(snapshot, growing);
            return;
        }
        let Growing {
            job,
            factor,
            finished,
            ..
        } = growing;
        let done = if size_px == document.size_px() {
            let label = match &finished {
                Some(_) => "Generate".to_owned(),
                None => format!("Enlarge ×{factor}"),
            };
            let large_px = contents.size_px;
            let done = open.grow(&label, contents, finished, repainted);
            state.jobs.canvas_grew(document.id(), size_px, large_px);
            done
        } else if let Some(FinishedPicture {
            name,
            picture,
            recipe,
            ..
        }) = finished
        {
            open.place(&name, picture, recipe)
        } else {
            let text =
                "The canvas got another size while the picture was enlarged: enlarge it again";
            state.notices.push(Severity::Warning, text);
            Ok(())
        };
        match done {
            // The picture is lost, whatever becomes of later ones.
            Err(error) => self.take_error(None, &error.to_string()),
            Ok(()) if has_old_layers => {
                let text = "What was painted on meanwhile was enlarged without new detail";
                self.state.notices.push(Severity::Info, text);
            }
            Ok(()) => {}
        }
        self.mark_grown(job);
    }

    fn mark_grown(&mut self, job: Option<JobId>) {
        if let Some(job) = job {
            self.state.jobs.mark_placed(job);
        }
    }
}
