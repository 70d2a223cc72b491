//! What a run is told of words, a class, boxes and label maps: at its start, and anew on its way.

use std::sync::Arc;

use super::composing::Composing;
use super::session::Told;
use super::spoken::Spoken;
use super::{Canvas, Conditions, DiffusionError, LatentDiffusion};
use crate::model::Manifest;
use crate::model::conditioner::{Asked, Place, Region, inpaint, low_resolution};
use crate::recipe::prompt::TextReading;
use crate::recipe::{BoxUse, LayoutBox, MapUse};

/// What is told to a run on its way.
#[derive(Clone, Debug)]
pub struct Retelling<'a> {
    /// What to paint.
    pub prompt: &'a str,
    /// What to steer away from.
    pub negative_prompt: &'a str,
    /// How both are read.
    pub reading: TextReading,
    /// Steps of the run, by which words may change.
    pub steps: usize,
    /// Its seed, by which boxes are placed for words.
    pub seed: u64,
    /// Scale of classifier-free guidance.
    pub guidance_scale: f32,
    /// Boxes and a label map; a small picture is passed over.
    pub conditions: &'a Conditions,
    /// The size of the picture that is being painted.
    pub size_px: [u32; 2],
    /// How it is seen.
    pub canvas: Canvas,
}

impl Conditions {
    /// The class, the boxes and the label map as something that is asked for; `regions`
    /// are [`Self::regions`].
    pub(super) fn drawn<'a>(
        &'a self,
        manifest: &Manifest,
        (regions, reading): (&'a [Region], TextReading),
        is_guided: bool,
    ) -> Vec<Asked<'a>> {
        let layout = self.layout.as_ref();
        let layout = layout.and_then(|layout| self.asked_of(manifest, &layout.0, is_guided));
        let semantic = self.semantic.as_ref().map(|input| Asked::Semantic {
            input,
            weight: self.semantic_weight,
            is_guided,
        });
        let class = self.class.map(|class| Asked::Class { class, is_guided });
        let regions = Asked::Regions { regions, reading };
        let drawn = layout.into_iter().chain(semantic).chain(class);
        drawn.chain([regions]).collect()
    }

    /// Boxes as something that is asked for; `None` for regional prompts, which are not
    /// asked for by box.
    pub(super) fn asked_of<'a>(
        &self,
        manifest: &Manifest,
        boxes: &'a [LayoutBox],
        is_guided: bool,
    ) -> Option<Asked<'a>> {
        let weight = self.layout_weight;
        match self.box_use(manifest)? {
            BoxUse::Classes { .. } => Some(Asked::Layout {
                boxes,
                weight,
                bias: self.layout_bias,
                is_guided,
            }),
            BoxUse::Phrases { .. } => Some(Asked::Phrases {
                boxes,
                weight,
                is_guided,
            }),
            BoxUse::Regions => None,
        }
    }

    /// The words of boxes and of the classes of the label map, where the model knows
    /// neither but reads words.
    pub(super) fn regions(&self, manifest: &Manifest) -> Vec<Region> {
        let boxes = self.layout.iter().flat_map(|layout| layout.0.iter());
        let boxes = boxes.map(|it| Region {
            words: it.words(),
            place: Place::Box(it.rect),
            weight: self.layout_weight,
        });
        let is_regional = self.box_use(manifest) == Some(BoxUse::Regions);
        let boxes = boxes.filter(|_| is_regional);
        let is_regional = MapUse::of(&manifest.inputs) == Some(MapUse::Regions);
        let semantic = self.semantic.iter().filter(|_| is_regional);
        let classes = semantic.flat_map(|input| {
            let painted = input.painted().into_iter();
            painted.map(|class| Region {
                words: class.name.clone(),
                place: Place::Pixels(Arc::clone(&input.map), class.index),
                weight: self.semantic_weight,
            })
        });
        boxes.chain(classes).collect()
    }
}

impl LatentDiffusion {
    /// What to tell a run that is going of everything but pictures and masks;
    /// [`Session::tell`](super::Session::tell) takes it. Told the same as at its start,
    /// the run goes on as if nothing was said, bit for bit.
    ///
    /// # Errors
    /// If the model cannot be told it.
    pub fn told_anew(&self, telling: &Retelling<'_>) -> Result<Told, DiffusionError> {
        let Retelling {
            prompt,
            negative_prompt,
            reading,
            steps,
            seed,
            guidance_scale,
            conditions,
            size_px,
            canvas,
        } = *telling;
        let without_picture = Conditions {
            low_resolution: None,
            ..conditions.clone()
        };
        let composing = Composing {
            prompt,
            syntax: reading.syntax,
            steps,
            seed,
            size_px,
            canvas,
        };
        let without_picture = self.with_boxes(without_picture, &composing);
        let conditions = &without_picture;
        let rest = self.words_beside_boxes(&composing, conditions);
        let prompt = rest.as_deref().unwrap_or(prompt);
        without_picture.check(self.manifest(), size_px, canvas.divides(size_px))?;
        let is_guided = self.is_guided(guidance_scale);
        let spoken = Spoken::new([negative_prompt, prompt], is_guided, reading, steps);
        let is_guided = spoken.is_guided();
        let mut asked = Vec::from_iter(spoken.asked());
        let regions = without_picture.regions(self.manifest());
        let worded = (regions.as_slice(), reading);
        asked.extend(without_picture.drawn(self.manifest(), worded, is_guided));
        let factor = self.size_multiple_px();
        let size = size_px.map(|side| (side.div_ceil(factor) * factor) as usize);
        // Nothing of this needs noise.
        let noise = &mut |shape: [usize; 4]| self.blank(shape);
        let stays = [
            inpaint::MASK,
            inpaint::MASKED_IMAGE,
            low_resolution::LOW_RESOLUTION,
        ];
        let bench = &mut self.bench(self.model().first_stage(), size, noise);
        let conditioning = self.model().told_but(&asked, &stays, bench);
        let guidance = self.model().guidance(guidance_scale, self.device());
        let conditioning = conditioning.and(guidance);
        self.model().check_turns()?;
        let windows = canvas.windows(size.map(|side| side / factor as usize), factor as usize);
        Ok(Told {
            boxes: Some(self.boxes_in_turn(&windows, conditions, is_guided)),
            ..spoken.told(conditioning, guidance_scale, self.model(), bench)
        })
    }
}
