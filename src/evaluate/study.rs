//! The evaluation: unseen scenes are painted by what is asked of them, and read by
//! the judge.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Instant;

use burn::tensor::Device;
use image::{DynamicImage, RgbImage};

use super::combinations::{self, Combination, Combinations};
use super::judge::Judge;
use super::obedience::{self, Measure, Places};
use super::questions::{Question, Truth};
use super::reading::Reading;
use super::reconstruction::{reconstructed, reconstruction};
use super::repainting::{Hole, hole, inpainting};
use super::report::{AskedRow, BOXES_APART, ConditionRow, EvaluationReport, LABEL_MAP, rows};
use super::super_resolution::super_resolution;
use super::{EvaluateError, PictureKind, Task, colours, frechet, numbers, sides, told};
use crate::diffusion::{Conditions, GenerationOutcome, GenerationRequest, LatentDiffusion};
use crate::frame::paste_back;
use crate::model::{Manifest, Upscaler};
use crate::pixels::opaque;
use crate::recipe::prompt::TextReading;
use crate::recipe::{GenerateSpec, SamplerId};
use crate::scenes::{Scene, SceneSource};

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
    /// The shares of the steps that are over when guidance begins and when it ends.
    pub guidance_interval: [f32; 2],
    /// Whether boxes act by their words only, as regional prompts, even on a model that
    /// knows boxes; then pictures of captions alone are measured beside them.
    pub boxes_are_regions: bool,
    /// How much more boxes are heard at their own places.
    pub layout_bias: f32,
    /// Whether a model that can places boxes for words.
    pub places_boxes: bool,
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
        let [guidance_start, guidance_end] = self.guidance_interval;
        let painted = GenerateSpec {
            steps: self.steps,
            guidance_scale: self.guidance_scale,
            guidance_start,
            guidance_end,
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
            places_boxes: self.places_boxes,
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
    /// How long it took.
    pub seconds: f64,
}

/// What pictures are judged with.
#[derive(Clone, Copy, Debug)]
pub struct Instruments<'a> {
    /// Reads them.
    pub judge: &'a Judge,
    /// Enlarges small pictures, to be compared with what the model makes of them; `None`
    /// for no such comparison.
    pub upscaler: Option<&'a Upscaler>,
}

/// Paints unseen scenes, and counts what the judge finds of what was asked. The same
/// model, instruments and plan give the same figures.
///
/// # Errors
/// If a number of the plan is out of range, the model cannot be asked for a task or
/// cannot paint, a device fails, or `observe` has enough.
pub fn evaluate(
    model: &LatentDiffusion,
    device: &Device,
    Instruments { judge, upscaler }: Instruments<'_>,
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
    let asked = |task: Task| match tasks.contains(&task) {
        true => plan.count as usize,
        false => 0,
    };
    let numbered = numbers::scenes(&source, plan.seed, asked(Task::Numbers));
    let sided = sides::scenes(&source, plan.seed, asked(Task::Sides));
    let kinds = PictureKind::ALL.into_iter();
    let is_asked =
        |kind: &PictureKind| tasks.contains(&kind.task()) && kind.is_for(model.manifest());
    let kinds: Vec<PictureKind> = kinds.filter(is_asked).collect();
    let pictures_of = |kind: &PictureKind| match kind.has_hole() {
        true => holes.len(),
        false => scenes.len(),
    };
    let total = kinds.iter().map(pictures_of).sum::<usize>() as u32;
    let mut done = 0;
    let mut paint = |kind: PictureKind, index: usize, hole: Option<&Hole>| {
        let mut conditions = told::conditions(
            kind,
            &scenes,
            index,
            (model.manifest(), plan.how_conditions_act()),
        );
        if let (PictureKind::InpaintingInBox, Some(hole)) = (kind, hole) {
            conditions.layout = Some(hole.as_box());
            conditions = conditions.limited_to(model.manifest());
        }
        let combination = Combination::of(kind, index);
        let (scene, caption) = match kind {
            PictureKind::Numbers => (&numbered[index], &numbered[index].caption),
            PictureKind::Sides => (&sided[index].scene, &sided[index].caption),
            _ => (&scenes[index], &scenes[index].caption),
        };
        let caption = combination.map_or_else(|| caption.clone(), |it| it.caption);
        let prompt = if kind.has_caption() { &caption } else { "" };
        let plan = EvaluationPlan {
            steps: kind.steps().unwrap_or(plan.steps),
            ..plan.clone()
        };
        let begun = Instant::now();
        let mut request = request_for(&plan, (prompt, index), scene, (conditions, hole));
        if kind == PictureKind::Inpainting && plan.places_boxes {
            request.conditions.layout = judge.missing(model, &request, None)?.layout;
        }
        let picture = paint_scene(model, &request, scene, hole)?;
        done += 1;
        let event = EvaluationEvent {
            done,
            total,
            index: index as u32,
            kind,
            caption: &caption,
            picture: &picture,
            seconds: begun.elapsed().as_secs_f64(),
        };
        match observe(event) {
            ControlFlow::Continue(()) => Ok(picture),
            ControlFlow::Break(()) => Err(EvaluateError::Stopped),
        }
    };
    let mut read = BTreeMap::new();
    let mut enlarged = Vec::new();
    let mut combined = BTreeMap::new();
    let mut counted = Vec::new();
    let mut colours = None;
    let mut frechet = None;
    for kind in kinds {
        let painted: Vec<RgbImage> = match kind.has_hole() {
            true => holes
                .iter()
                .map(|hole| paint(kind, hole.scene, Some(hole)))
                .collect::<Result<_, _>>()?,
            false => (0..scenes.len())
                .map(|index| paint(kind, index, None))
                .collect::<Result<_, _>>()?,
        };
        let readings = judge.read(&painted)?;
        match kind {
            PictureKind::TextToImage => {
                colours = colours::row(judge, &scenes, &painted)?;
                let real = (&source, plan.seed);
                frechet = Some(frechet::distance(judge, real, &scenes, &painted)?);
            }
            PictureKind::HeldOut | PictureKind::Familiar => {
                let row = combinations::row(judge, kind, &painted, &readings)?;
                combined.insert(kind.slug(), row);
            }
            PictureKind::Numbers => counted = numbers::rows(judge, &numbered, &painted)?,
            PictureKind::SmallPicture => enlarged = painted,
            _ => {}
        }
        read.insert(kind.slug(), readings);
    }

    let real = judge.read(&images(&scenes))?;
    let truths: Vec<Truth> = scenes.iter().map(Truth::of).collect();
    let of = |kind: PictureKind| read.get(kind.slug());
    let reconstructed = reconstructed(model, device, &scenes)?;
    let sides = of(PictureKind::Sides).map(|painted| {
        let scenes: Vec<RgbImage> = sided.iter().map(|it| it.scene.image.clone()).collect();
        let real = judge.read(&scenes)?;
        Ok::<_, EvaluateError>(sides::row(&sided, painted, &real))
    });
    let few_steps = [
        (PictureKind::FourSteps, "objects in 4 steps"),
        (PictureKind::EightSteps, "objects in 8 steps"),
    ];
    let few_steps = few_steps.into_iter().filter_map(|(kind, name)| {
        let rows = rows(of(kind)?, &real, &truths).into_iter();
        let mut objects = rows.filter(|row| row.question == Question::Object);
        objects.next().map(|row| AskedRow {
            name,
            painted: row.painted,
            real: row.real,
            chance: row.chance,
        })
    });
    let repainted = [
        (PictureKind::Inpainting, "objects"),
        (PictureKind::InpaintingInBox, "objects, told as a box too"),
    ];
    let repainted = repainted.into_iter().filter_map(|(kind, name)| {
        let painted = of(kind)?;
        inpainting(name, &holes, painted, &real)
    });
    let super_resolution = match enlarged.is_empty() {
        true => Vec::new(),
        false => {
            let made = [enlarged, reconstructed.clone()];
            let by = (upscaler, device);
            super_resolution(judge, &scenes, (model.manifest(), by), made)?
        }
    };
    Ok(EvaluationReport {
        prompts: plan.count,
        seed: plan.seed,
        steps: plan.steps,
        guidance_scale: plan.guidance_scale,
        reconstruction: reconstruction(&scenes, &reconstructed),
        text_to_image: of(PictureKind::TextToImage)
            .map_or_else(Vec::new, |read| rows(read, &real, &truths)),
        colours,
        frechet,
        few_steps: few_steps.collect(),
        numbers: counted,
        sides: sides.transpose()?,
        inpainting: repainted.collect(),
        conditions: condition_rows(&scenes, &real, &read, plan.boxes_are_regions),
        super_resolution,
        combinations: combined
            .remove(PictureKind::HeldOut.slug())
            .zip(combined.remove(PictureKind::Familiar.slug()))
            .map(|(held_out, familiar)| Combinations { held_out, familiar }),
    })
}

fn images(scenes: &[Scene]) -> Vec<RgbImage> {
    scenes.iter().map(|scene| scene.image.clone()).collect()
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

/// What a model is asked for, of a scene or of a hole in it.
pub(super) fn request_for(
    plan: &EvaluationPlan,
    (prompt, index): (&str, usize),
    scene: &Scene,
    (conditions, hole): (Conditions, Option<&Hole>),
) -> GenerationRequest {
    let (width_px, height_px) = scene.image.dimensions();
    GenerationRequest {
        prompt: prompt.to_owned(),
        reading: TextReading::PLAIN,
        sampler: plan.sampler.clone(),
        steps: plan.steps,
        guidance_scale: plan.guidance_scale,
        guidance_interval: plan.guidance_interval,
        seed: plan.seed.wrapping_add(index as u64),
        width_px,
        height_px,
        init: hole.map(|_| scene.image.clone()),
        mask: hole.map(|hole| hole.mask.clone()),
        canvas: crate::diffusion::Canvas::default(),
        given: crate::diffusion::GivenLatents::default(),
        conditions,
        ..GenerationRequest::default()
    }
}

/// The picture; of a hole, in its scene.
pub(super) fn paint_scene(
    model: &LatentDiffusion,
    request: &GenerationRequest,
    scene: &Scene,
    hole: Option<&Hole>,
) -> Result<RgbImage, EvaluateError> {
    let outcome = model.generate(request, &mut |_| ControlFlow::Continue(()))?;
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
