//! The evaluation: unseen captions are painted, and read by the judge.

use std::ops::ControlFlow;

use burn::tensor::{Device, Tensor, TensorData};
use image::{DynamicImage, GrayImage, Luma, RgbImage};

use super::EvaluateError;
use super::judge::{Judge, Reading, host};
use super::questions::{Question, Truth};
use super::report::{EvaluationReport, Reconstruction, Row, Share, rows};
use crate::diffusion::{
    Conditions, GenerationOutcome, GenerationRequest, LatentDiffusion, paste_back,
};
use crate::pixels::{opaque, planes, psnr_db};
use crate::recipe::{GenerateSpec, SamplerId};
use crate::scenes::{Scene, SceneObject, SceneSource};

/// Pixels around an object that are painted anew with it, at 64 pixels a side.
const MARGIN: f32 = 3.0 / 64.0;
/// Share of an object that must be seen before it is worth painting anew.
const LEAST_VISIBLE: f32 = 0.6;

/// What is painted, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluationPlan {
    /// Number of captions.
    pub prompts: u32,
    /// Seed of the scenes and of the noise; not one that the model was trained on.
    pub seed: u64,
    /// The sampler; `None` takes the model's own.
    pub sampler: Option<SamplerId>,
    /// Steps of the sampler.
    pub steps: u32,
    /// Scale of the guidance.
    pub guidance_scale: f32,
}

impl EvaluationPlan {
    /// Checks every number.
    ///
    /// # Errors
    /// The first that is out of range.
    pub fn validate(&self) -> Result<(), EvaluateError> {
        if self.prompts < 2 {
            return Err(EvaluateError::TooFew);
        }
        // The numbers of a picture have their ranges there.
        let painted = GenerateSpec {
            steps: self.steps,
            guidance_scale: self.guidance_scale,
            ..GenerateSpec::default()
        };
        Ok(painted.validate()?)
    }
}

/// How a picture was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureKind {
    /// From its caption alone.
    TextToImage,
    /// A scene of which one object was painted anew.
    Inpainting,
}

impl PictureKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::TextToImage, Self::Inpainting];

    /// A word for file names.
    pub fn slug(self) -> &'static str {
        match self {
            Self::TextToImage => "text",
            Self::Inpainting => "inpaint",
        }
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
struct Hole {
    /// Index of the scene.
    scene: usize,
    class: usize,
    mask: GrayImage,
}

/// Paints the captions of unseen scenes, and counts what the judge finds of
/// them. The same model, judge and plan give the same figures.
///
/// # Errors
/// If a number of the plan is out of range, the model cannot paint, a device fails,
/// or `observe` has enough.
pub fn evaluate(
    model: &LatentDiffusion,
    device: &Device,
    judge: &Judge,
    plan: &EvaluationPlan,
    observe: &mut dyn FnMut(EvaluationEvent<'_>) -> ControlFlow<()>,
) -> Result<EvaluationReport, EvaluateError> {
    plan.validate()?;
    let side = model.manifest().resolution_px;
    let source = SceneSource::new(side)?;
    let scenes: Vec<Scene> = source
        .endless(plan.seed, 0)
        .take(plan.prompts as usize)
        .collect();
    let holes: Vec<Hole> = scenes.iter().enumerate().filter_map(hole).collect();
    let total = (scenes.len() + holes.len()) as u32;
    let mut done = 0;
    let mut paint = |index: usize, hole: Option<&Hole>| -> Result<RgbImage, EvaluateError> {
        let scene = &scenes[index];
        let picture = paint_scene(model, plan, scene, index, hole)?;
        done += 1;
        let event = EvaluationEvent {
            done,
            total,
            index: index as u32,
            kind: match hole {
                Some(_) => PictureKind::Inpainting,
                None => PictureKind::TextToImage,
            },
            caption: &scene.caption,
            picture: &picture,
        };
        match observe(event) {
            ControlFlow::Continue(()) => Ok(picture),
            ControlFlow::Break(()) => Err(EvaluateError::Stopped),
        }
    };
    let painted: Vec<RgbImage> = (0..scenes.len())
        .map(|index| paint(index, None))
        .collect::<Result<_, _>>()?;
    let filled: Vec<RgbImage> = holes
        .iter()
        .map(|hole| paint(hole.scene, Some(hole)))
        .collect::<Result<_, _>>()?;

    let originals: Vec<RgbImage> = scenes.iter().map(|scene| scene.image.clone()).collect();
    let real = judge.read(&originals)?;
    let truths: Vec<Truth> = scenes.iter().map(Truth::of).collect();
    Ok(EvaluationReport {
        prompts: plan.prompts,
        seed: plan.seed,
        steps: plan.steps,
        guidance_scale: plan.guidance_scale,
        reconstruction: reconstruction(model, device, &scenes)?,
        text_to_image: rows(&judge.read(&painted)?, &real, &truths),
        inpainting: inpainting(&holes, &judge.read(&filled)?, &real),
    })
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

fn paint_scene(
    model: &LatentDiffusion,
    plan: &EvaluationPlan,
    scene: &Scene,
    index: usize,
    hole: Option<&Hole>,
) -> Result<RgbImage, EvaluateError> {
    let (width_px, height_px) = scene.image.dimensions();
    let request = GenerationRequest {
        prompt: scene.caption.clone(),
        negative_prompt: String::new(),
        sampler: plan.sampler.clone(),
        karras: None,
        steps: plan.steps,
        guidance_scale: plan.guidance_scale,
        eta: 0.0,
        seed: plan.seed.wrapping_add(index as u64),
        width_px,
        height_px,
        strength: 1.0,
        init: hole.map(|_| scene.image.clone()),
        mask: hole.map(|hole| hole.mask.clone()),
        conditions: Conditions::default(),
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
fn reconstruction(
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
