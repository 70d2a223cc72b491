//! The evaluation: unseen scenes are painted by what is asked of them, and read by
//! the judge.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use burn::tensor::{Device, Tensor, TensorData};
use image::{DynamicImage, GrayImage, Luma, RgbImage};

use super::combinations::{self, Combination, Combinations};
use super::judge::{Judge, Reading, host};
use super::obedience::{self, Measure, Places};
use super::questions::{Question, Truth};
use super::report::{
    BOXES_APART, ConditionRow, EvaluationReport, LABEL_MAP, Reconstruction, Row, Share, rows,
};
use super::super_resolution::super_resolution;
use super::{EvaluateError, PictureKind, Task, told};
use crate::diffusion::{Conditions, GenerationOutcome, GenerationRequest, LatentDiffusion};
use crate::frame::paste_back;
use crate::model::Manifest;
use crate::pixels::{opaque, planes, psnr_db};
use crate::recipe::prompt::TextReading;
use crate::recipe::{GenerateSpec, SamplerId};
use crate::scenes::{Scene, SceneObject, SceneSource};

/// Pixels around an object that are painted anew with it, at 64 pixels a side.
const MARGIN: f32 = 3.0 / 64.0;
/// Share of an object that must be seen before it is worth painting anew.
const LEAST_VISIBLE: f32 = 0.6;

/// Most pictures that are painted for one figure; papers take 50,000.
pub const MOST_PICTURES: u32 = 100_000;

/// What is painted, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluationPlan {
    /// What the model is asked to do; nothing for everything that it can be asked for.
    pub tasks: Vec<Task>,
    /// Number of scenes.
    pub count: u32,
    /// Seed of the scenes and of the noise; not one that the model was trained on.
    pub seed: u64,
    /// The sampler; `None` takes the model's own.
    pub sampler: Option<SamplerId>,
    /// Steps of the sampler.
    pub steps: u32,
    /// Scale of the guidance.
    pub guidance_scale: f32,
    /// Whether boxes act by their words only, as regional prompts, even on a model that
    /// knows boxes; then pictures of captions alone are measured beside them.
    pub boxes_are_regions: bool,
    /// How much more boxes are heard at their own places.
    pub layout_bias: f32,
}

impl EvaluationPlan {
    /// Checks every number.
    ///
    /// # Errors
    /// The first that is out of range.
    pub fn validate(&self) -> Result<(), EvaluateError> {
        if self.count < 2 {
            return Err(EvaluateError::TooFew);
        }
        if self.count > MOST_PICTURES {
            return Err(EvaluateError::TooMany(self.count));
        }
        // The numbers of a picture have their ranges there.
        let painted = GenerateSpec {
            steps: self.steps,
            guidance_scale: self.guidance_scale,
            layout_bias: self.layout_bias,
            ..GenerateSpec::default()
        };
        Ok(painted.validate()?)
    }

    /// How conditions act, before there are any.
    fn how_conditions_act(&self) -> Conditions {
        Conditions {
            boxes_are_regions: self.boxes_are_regions,
            layout_bias: self.layout_bias,
            ..Conditions::default()
        }
    }

    /// The tasks for a model.
    ///
    /// # Errors
    /// The first that it cannot be asked for.
    pub fn tasks_for(&self, manifest: &Manifest) -> Result<Vec<Task>, EvaluateError> {
        let is_for = |task: &Task| {
            let by_words = self.boxes_are_regions && manifest.takes_text();
            task.is_for(manifest) || *task == Task::Layout && by_words
        };
        if self.tasks.is_empty() {
            return Ok(Task::ALL.into_iter().filter(is_for).collect());
        }
        let mut tasks = self.tasks.iter();
        match tasks.find(|task| !is_for(task)) {
            Some(task) => Err(EvaluateError::NotTaken(*task)),
            None => Ok(self.tasks.clone()),
        }
    }

    /// Pictures that are painted of a model for at most so many scenes.
    pub fn pictures(&self, tasks: &[Task]) -> u64 {
        let kinds = PictureKind::ALL.into_iter();
        let kinds = kinds.filter(|kind| tasks.contains(&kind.task()));
        kinds.count() as u64 * u64::from(self.count)
    }
}

/// A picture was painted.
pub struct EvaluationEvent<'a> {
    /// Pictures done.
    pub done: u32,
    /// Pictures in all.
    pub total: u32,
    /// Which of the captions, from 0.
    pub index: u32,
    /// How it was made.
    pub kind: PictureKind,
    /// What it should show.
    pub caption: &'a str,
    /// The picture.
    pub picture: &'a RgbImage,
}

/// A scene and the object of it that is painted anew.
pub(super) struct Hole {
    /// Index of the scene.
    scene: usize,
    class: usize,
    mask: GrayImage,
}

/// Paints unseen scenes, and counts what the judge finds of what was asked. The same
/// model, judge and plan give the same figures.
///
/// # Errors
/// If a number of the plan is out of range, the model cannot be asked for a task or
/// cannot paint, a device fails, or `observe` has enough.
pub fn evaluate(
    model: &LatentDiffusion,
    device: &Device,
    judge: &Judge,
    plan: &EvaluationPlan,
    observe: &mut dyn FnMut(EvaluationEvent<'_>) -> ControlFlow<()>,
) -> Result<EvaluationReport, EvaluateError> {
    plan.validate()?;
    let tasks = plan.tasks_for(model.manifest())?;
    let side = model.manifest().resolution_px;
    let source = SceneSource::new(side)?;
    let scenes: Vec<Scene> = source
        .endless(plan.seed, 0)
        .take(plan.count as usize)
        .collect();
    let holes: Vec<Hole> = scenes.iter().enumerate().filter_map(hole).collect();
    let kinds = PictureKind::ALL.into_iter();
    let kinds: Vec<PictureKind> = kinds.filter(|kind| tasks.contains(&kind.task())).collect();
    let pictures_of = |kind: &PictureKind| match kind {
        PictureKind::Inpainting => holes.len(),
        _ => scenes.len(),
    };
    let total = kinds.iter().map(pictures_of).sum::<usize>() as u32;
    let mut done = 0;
    let mut paint = |kind: PictureKind, index: usize, hole: Option<&Hole>| {
        let scene = &scenes[index];
        let conditions = told::conditions(
            kind,
            &scenes,
            index,
            (model.manifest(), plan.how_conditions_act()),
        );
        let combination = Combination::of(kind, index);
        let caption = combination.map_or_else(|| scene.caption.clone(), |it| it.caption);
        let prompt = if kind.has_caption() { &caption } else { "" };
        let picture = paint_scene(model, plan, (prompt, index), scene, (conditions, hole))?;
        done += 1;
        let event = EvaluationEvent {
            done,
            total,
            index: index as u32,
            kind,
            caption: &caption,
            picture: &picture,
        };
        match observe(event) {
            ControlFlow::Continue(()) => Ok(picture),
            ControlFlow::Break(()) => Err(EvaluateError::Stopped),
        }
    };
    let mut read = BTreeMap::new();
    let mut enlarged = Vec::new();
    let mut combined = BTreeMap::new();
    for kind in kinds {
        let painted: Vec<RgbImage> = match kind {
            PictureKind::Inpainting => holes
                .iter()
                .map(|hole| paint(kind, hole.scene, Some(hole)))
                .collect::<Result<_, _>>()?,
            _ => (0..scenes.len())
                .map(|index| paint(kind, index, None))
                .collect::<Result<_, _>>()?,
        };
        let readings = judge.read(&painted)?;
        if kind.task() == Task::HeldOut {
            let row = combinations::row(judge, kind, &painted, &readings)?;
            combined.insert(kind.slug(), row);
        }
        read.insert(kind.slug(), readings);
        if kind == PictureKind::SmallPicture {
            enlarged = painted;
        }
    }

    let originals: Vec<RgbImage> = scenes.iter().map(|scene| scene.image.clone()).collect();
    let real = judge.read(&originals)?;
    let truths: Vec<Truth> = scenes.iter().map(Truth::of).collect();
    let from_text = read.get(PictureKind::TextToImage.slug());
    let filled = read.get(PictureKind::Inpainting.slug());
    Ok(EvaluationReport {
        prompts: plan.count,
        seed: plan.seed,
        steps: plan.steps,
        guidance_scale: plan.guidance_scale,
        reconstruction: reconstruction(model, device, &scenes)?,
        text_to_image: from_text.map_or_else(Vec::new, |read| rows(read, &real, &truths)),
        inpainting: filled.map_or_else(Vec::new, |read| inpainting(&holes, read, &real)),
        conditions: condition_rows(&scenes, &real, &read, plan.boxes_are_regions),
        super_resolution: (!enlarged.is_empty())
            .then(|| super_resolution(&scenes, model.manifest(), &enlarged)),
        combinations: combined
            .remove(PictureKind::HeldOut.slug())
            .zip(combined.remove(PictureKind::Familiar.slug()))
            .map(|(held_out, familiar)| Combinations { held_out, familiar }),
    })
}

/// What boxes and label maps came to, where they were asked for.
fn condition_rows(
    scenes: &[Scene],
    real: &[Reading],
    read: &BTreeMap<&'static str, Vec<Reading>>,
    as_regions: bool,
) -> Vec<ConditionRow> {
    use PictureKind as Kind;
    let places: Vec<Places> = scenes.iter().map(Places::of).collect();
    let of_boxes: &[(&str, Measure)] = &[
        ("objects", obedience::objects),
        ("boxes", obedience::boxes),
        (BOXES_APART, obedience::boxes_apart),
        ("class in a quarter of the box", obedience::found),
    ];
    // What acts only by its words is not drawn by the edge of a box.
    let of_boxes = if as_regions { of_boxes } else { &of_boxes[..3] };
    let of_maps: &[(&str, Measure)] = &[
        (LABEL_MAP, obedience::label_map),
        ("objects", obedience::objects),
        ("boxes", obedience::boxes),
        (BOXES_APART, obedience::boxes_apart),
    ];
    let mut rows = Vec::new();
    let captions = (Kind::TextToImage, Kind::MovedBoxes, of_boxes);
    let captions = as_regions.then_some(captions);
    let drawn = [
        (Kind::Boxes, Kind::MovedBoxes, of_boxes),
        (Kind::TextAndBoxes, Kind::MovedBoxes, of_boxes),
        (Kind::LabelMap, Kind::ForeignLabelMap, of_maps),
        (Kind::TextAndLabelMap, Kind::ForeignLabelMap, of_maps),
    ];
    for (told, wrong, measures) in captions.into_iter().chain(drawn) {
        let (Some(painted), Some(wrong)) = (read.get(told.slug()), read.get(wrong.slug())) else {
            continue;
        };
        for (name, measure) in measures {
            let own = obedience::mean(painted, &places, 0, *measure);
            rows.push(ConditionRow {
                told,
                measure: name,
                asked: own.count,
                painted: own.value(),
                real: obedience::mean(real, &places, 0, *measure).value(),
                chance: obedience::mean(painted, &places, 1, *measure).value(),
                wrong: obedience::mean(wrong, &places, 0, *measure).value(),
            });
        }
    }
    if as_regions && let Some(unmoved) = read.get(Kind::Boxes.slug()) {
        // Where captions alone, which know common places, paint nothing of themselves.
        let moved: Vec<Places> = scenes.iter().map(Places::moved).collect();
        for told in [Kind::TextToImage, Kind::MovedBoxes] {
            let Some(painted) = read.get(told.slug()) else {
                continue;
            };
            let at = |readings: &[Reading], offset: usize| {
                obedience::mean(readings, &moved, offset, obedience::found)
            };
            rows.push(ConditionRow {
                told,
                measure: "class in a quarter of the moved box",
                asked: at(painted, 0).count,
                painted: at(painted, 0).value(),
                real: obedience::mean(real, &places, 0, obedience::found).value(),
                chance: at(painted, 1).value(),
                wrong: at(unmoved, 0).value(),
            });
        }
    }
    rows
}

/// The largest object of a scene that can be seen well.
fn hole((index, scene): (usize, &Scene)) -> Option<Hole> {
    let area = |object: &SceneObject| object.bbox[2] * object.bbox[3];
    let object = scene
        .objects
        .iter()
        .filter(|object| object.visible >= LEAST_VISIBLE)
        .max_by(|a, b| area(a).total_cmp(&area(b)))?;
    let (width, height) = scene.image.dimensions();
    let [left, top, wide, high] = object.bbox;
    let margin = MARGIN * width as f32;
    let is_inside = |at: u32, from: f32, length: f32| {
        let at = at as f32 + 0.5;
        at >= from - margin && at < from + length + margin
    };
    let mask = GrayImage::from_fn(width, height, |x, y| {
        let is_in = is_inside(x, left, wide) && is_inside(y, top, high);
        Luma([if is_in { 255 } else { 0 }])
    });
    Some(Hole {
        scene: index,
        class: object.class,
        mask,
    })
}

pub(super) fn paint_scene(
    model: &LatentDiffusion,
    plan: &EvaluationPlan,
    (prompt, index): (&str, usize),
    scene: &Scene,
    (conditions, hole): (Conditions, Option<&Hole>),
) -> Result<RgbImage, EvaluateError> {
    let (width_px, height_px) = scene.image.dimensions();
    let request = GenerationRequest {
        prompt: prompt.to_owned(),
        reading: TextReading::PLAIN,
        sampler: plan.sampler.clone(),
        steps: plan.steps,
        guidance_scale: plan.guidance_scale,
        seed: plan.seed.wrapping_add(index as u64),
        width_px,
        height_px,
        init: hole.map(|_| scene.image.clone()),
        mask: hole.map(|hole| hole.mask.clone()),
        canvas: crate::diffusion::Canvas::default(),
        given: crate::diffusion::GivenLatents::default(),
        conditions,
        ..GenerationRequest::default()
    };
    let outcome = model.generate(&request, &mut |_| ControlFlow::Continue(()))?;
    let GenerationOutcome::Finished { image, .. } = outcome else {
        return Err(EvaluateError::Stopped);
    };
    let Some(hole) = hole else {
        return Ok(image);
    };
    // As the studio does it: what was not masked is not touched.
    let pasted = paste_back(&opaque(&scene.image), &opaque(&image), &hole.mask, 0.0);
    Ok(DynamicImage::from(pasted).into_rgb8())
}

/// Whether the objects painted anew are found where they should be.
fn inpainting(holes: &[Hole], filled: &[Reading], real: &[Reading]) -> Vec<Row> {
    let mut row = Row {
        question: Question::Object,
        painted: Share::default(),
        real: Share::default(),
        chance: Share::default(),
    };
    for (i, (hole, reading)) in holes.iter().zip(filled).enumerate() {
        let other = holes[(i + 1) % holes.len()].class;
        let mask = Some(&hole.mask);
        row.painted.count(reading.shows(hole.class, mask));
        row.real.count(real[hole.scene].shows(hole.class, mask));
        row.chance.count(reading.shows(other, mask));
    }
    if holes.is_empty() {
        Vec::new()
    } else {
        vec![row]
    }
}

/// Scenes through the autoencoder and back.
pub(super) fn reconstruction(
    model: &LatentDiffusion,
    device: &Device,
    scenes: &[Scene],
) -> Result<Reconstruction, EvaluateError> {
    let first_stage = model.model().first_stage();
    let mut sum = 0.0;
    let mut in_objects = (0.0, 0usize);
    for scene in scenes {
        let (width, height) = (scene.image.width() as usize, scene.image.height() as usize);
        let area = width * height;
        let values = planes(&scene.image);
        let data = TensorData::new(values.clone(), [1, 3, height, width]);
        let latents = first_stage.likeliest_latents(Tensor::from_data(data, device));
        let made = host(first_stage.to_pictures(latents))?;
        let mut total = 0.0;
        for (i, (made, value)) in made.iter().zip(&values).enumerate() {
            // What is seen: clipped, in the same units as bytes.
            let error = f64::from((made.clamp(-1.0, 1.0) - value) * 127.5).powi(2);
            total += error;
            let (x, y) = ((i % width) as f32, (i % area / width) as f32);
            let is_in = |object: &SceneObject| {
                let [left, top, wide, high] = object.bbox;
                x >= left && x < left + wide && y >= top && y < top + high
            };
            if scene.objects.iter().any(is_in) {
                in_objects.0 += error;
                in_objects.1 += 1;
            }
        }
        sum += psnr_db(total / values.len() as f64);
    }
    Ok(Reconstruction {
        psnr_db: sum / scenes.len().max(1) as f64,
        objects_psnr_db: (in_objects.1 > 0).then(|| psnr_db(in_objects.0 / in_objects.1 as f64)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_covers_its_object_and_not_everything() {
        let source = SceneSource::new(64).expect("a size");
        let scenes: Vec<Scene> = source.endless(5, 0).take(60).collect();
        let holes: Vec<Hole> = scenes.iter().enumerate().filter_map(hole).collect();
        assert!(holes.len() > 40);
        for hole in &holes {
            let scene = &scenes[hole.scene];
            let object = scene.objects.iter().find(|o| o.class == hole.class);
            assert!(object.is_some());
            let masked = hole.mask.pixels().filter(|p| p.0[0] == 255).count();
            assert!(masked > 20 && masked < 64 * 64, "{masked}");
        }
    }
}
