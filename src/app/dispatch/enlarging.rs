//! The document made larger, and finished pictures that make it so.

use super::Core;
use crate::app::background::{
    Arrival, EnlargeEvent, FinishedPicture, Growing, Grown, LargeLayer, Origin,
};
use crate::app::form::Intent;
use crate::app::jobs::Enlarging;
use crate::app::notices::Severity;
use crate::app::state::AppState;
use crate::document::{Document, MAX_SIDE_PX};
use crate::engine::protocol::{EnlargedImage, JobId};
use crate::recipe::{Enlarger, Finish};

impl AppState {
    /// Why the document cannot be made four times as large now, as a sentence.
    pub fn enlarge_obstacle(&self) -> Option<&'static str> {
        self.obstacle_to(Enlarger::Network.factor())
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
    /// size then, and that smaller size: where what lies on it says how large it is, and that
    /// is so large that what is painted still suits the model.
    pub fn paints_smaller(&self) -> Option<(Finish, [u32; 2])> {
        if self.job_frame().is_some() {
            return None;
        }
        let finish = self.form().spec.finish?;
        let model = self.model_summary()?;
        let size_px = self.job_size_px();
        let painted_px = finish.painted_px(size_px, model.size_multiple_px)?;
        let suits = self.form().finishes(self.intent(), false)
            && !self.is_size_free()
            && painted_px.iter().all(|side| *side >= model.native_size_px);
        suits.then_some((finish, painted_px))
    }

    /// How a new picture that is far larger than the model's could be painted instead: at a
    /// size that it knows better, and made larger then.
    pub fn better_painted(&self) -> Option<(Finish, [u32; 2])> {
        let is_new = self.intent() == Intent::TextToImage && self.job_frame().is_none();
        let model = self.model_summary()?;
        if !is_new || self.form().spec.finish.is_some() || self.small_picture().is_some() {
            return None;
        }
        let size_px = self.job_size_px();
        Finish::ALL.into_iter().rev().find_map(|finish| {
            let painted_px = finish.painted_px(size_px, model.size_multiple_px)?;
            let is_known = painted_px.iter().all(|side| *side >= model.native_size_px);
            is_known.then_some((finish, painted_px))
        })
    }

    /// The size in which a press on Generate would paint, before anything is enlarged.
    pub fn painted_size_px(&self) -> [u32; 2] {
        let smaller = self.paints_smaller();
        smaller.map_or_else(|| self.job_size_px(), |(_, painted_px)| painted_px)
    }
}

impl AppState {
    /// The size of the second pass, where there is one, else that of the only one.
    pub fn largest_painted_px(&self) -> [u32; 2] {
        let form = self.form();
        let painted_px = self.painted_size_px();
        let finishes = form.finishes(self.intent(), self.job_frame().is_some());
        let finish = form
            .spec
            .finish
            .filter(|_| finishes && form.spec.second_strength > 0.0);
        finish.map_or(painted_px, |finish| finish.finished_px(painted_px))
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
            size_px: document.size_px().map(|side| side.saturating_mul(factor)),
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
        let finish = arrival.recipe.spec.finish;
        let grown_px = finish.map(|finish| finish.finished_px(open.document().size_px()));
        let size_px = arrival.picture.size_px();
        let grows = grown_px == Some(size_px)
            && arrival.origin.area.is_none()
            && size_px.iter().all(|side| *side <= MAX_SIDE_PX);
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
            size_px,
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
        let Growing { job, finished, .. } = growing;
        let done = if size_px == document.size_px() {
            let label = match &finished {
                Some(_) => "Generate".to_owned(),
                None => format!("Enlarge ×{}", contents.size_px[0] / size_px[0].max(1)),
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
