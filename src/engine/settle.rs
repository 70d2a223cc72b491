//! From what a job asks for to what is done.

use std::collections::BTreeSet;

use crate::diffusion::{DiffusionError, LatentDiffusion, MOST_TEXTS, sampler_info};
use crate::recipe::{GenerateSpec, InputSpec, Schedule, WindowChoice};

/// Letters of a text that a sentence quotes.
const MOST_QUOTED: usize = 200;

/// The job as it is done, for its recipe too: the model's defaults filled in, and
/// without what the sampler does not have. With a sentence for each difference.
///
/// # Errors
/// If there is no sampler of the name asked for.
pub(super) fn settled(
    spec: &GenerateSpec,
    model: &LatentDiffusion,
) -> Result<(GenerateSpec, Vec<String>), DiffusionError> {
    let sampler = match &spec.sampler {
        Some(id) => sampler_info(id)?,
        None => model.default_sampler(),
    };
    let mut sentences = Vec::new();
    let other = spec.schedule.filter(|it| *it != Schedule::Uniform);
    if let (Some(schedule), false) = (other, sampler.takes_schedules) {
        let label = sampler.label;
        sentences.push(match schedule {
            Schedule::Karras => {
                format!("{label} has no noise levels of Karras et al.; it takes its own")
            }
            other => format!(
                "{label} has no noise levels of the schedule {}; it takes its own",
                other.infotext()
            ),
        });
    }
    sentences.extend(untold(spec, &model.manifest().inputs));
    let is_guided = model.is_guided(spec.guidance_scale);
    if spec.guidance_rescale > 0.0 && !is_guided {
        let sentence = match model.model().embeds_guidance() {
            true => {
                "guidance was taught to this model, which is asked once: there is nothing to rescale"
            }
            false => "without guidance there is nothing to rescale",
        };
        sentences.push(sentence.to_owned());
    }
    if is_guided && spec.guidance_start >= spec.guidance_end {
        sentences.push("guidance would begin when it has ended, and acts in no step".to_owned());
    }
    let is_varied = spec.variation_strength > 0.0;
    if is_varied && spec.initial_noise.is_some() {
        sentences.push("noise was handed in, so that there is none of a seed to vary".to_owned());
    }
    if spec.eta > 0.0 && !sampler.takes_eta {
        sentences.push(format!("eta changes nothing with {}", sampler.label));
    }
    let syntax = spec.prompt_syntax;
    let prompt = syntax.without_loras(&spec.prompt);
    let joined = syntax.conjuncts(&prompt);
    let is_several = joined.len() > 1;
    // As many as a run is told of each.
    let most = (MOST_TEXTS / 2 / joined.len()).max(1);
    if model.model().embeds_guidance() && !is_several && !spec.negative_prompt.trim().is_empty() {
        let what =
            "guidance was taught to this model, which is told of no words to steer away from";
        sentences.push(format!("{what}: the negative prompt changes nothing"));
    }
    let negative = (is_guided || is_several).then_some(&*spec.negative_prompt);
    let joined = joined.iter().map(|it| ("prompt", &*it.text, most));
    let texts = joined.chain(negative.map(|text| ("negative prompt", text, MOST_TEXTS / 2)));
    for (name, text, most) in texts {
        let Some(reader) = model.reader() else {
            continue;
        };
        let parts = syntax.parts(text, spec.steps as usize);
        // Alternatives come again and again.
        let mut known = BTreeSet::new();
        let texts = parts.iter().map(|part| &*part.text);
        let texts: Vec<&str> = texts.filter(|text| known.insert(*text)).collect();
        if texts.len() > most {
            sentences.push(format!(
                "the {name} changes into {} different texts; after the first {} it stays as it is",
                texts.len(),
                most
            ));
        }
        let read = texts.iter().take(most);
        let ends = read.map(|text| reader.unread(text, syntax));
        let unread = ends.max_by_key(|end| end.len()).unwrap_or("");
        if !unread.is_empty() {
            let mut quoted: String = unread.trim_end().chars().take(MOST_QUOTED).collect();
            if quoted.len() < unread.trim_end().len() {
                quoted.push('\u{2026}');
            }
            sentences.push(format!(
                "the {name} is longer than the model reads; left out is \u{201c}{quoted}\u{201d}"
            ));
        }
    }
    let most = model.text_layers().unwrap_or(1);
    let clip_skip = spec.clip_skip.min(u32::try_from(most).unwrap_or(u32::MAX));
    if clip_skip != spec.clip_skip {
        sentences.push(match most {
            1 => {
                "clip skip changes nothing: this model has no layers that could be left out".into()
            }
            _ => format!("the model's text encoder has {most} layers; clip skip is {clip_skip}"),
        });
    }
    let schedule = spec.schedule.unwrap_or_else(|| model.default_schedule());
    // A recipe says nothing of words that nobody read; LoRAs act all the same.
    let [prompt, negative_prompt] = match model.manifest().takes_text() {
        true => [spec.prompt.clone(), spec.negative_prompt.clone()],
        false => [syntax.only_loras(&spec.prompt), String::new()],
    };
    let size_px = [spec.width_px, spec.height_px];
    let has_boxes = spec.is_composed() || spec.layout.is_some();
    let windows = match has_boxes {
        true => beside_boxes(spec, model),
        false => spec.windows,
    };
    let done = GenerateSpec {
        prompt,
        negative_prompt,
        sampler: Some(sampler.sampler_id()),
        schedule: Some(if sampler.takes_schedules {
            schedule
        } else {
            Schedule::Uniform
        }),
        clip_skip,
        windows: windows.settled(size_px, model.manifest().resolution_px),
        places_boxes: spec.is_composed() && model.places_boxes(spec.semantic.is_some()),
        eta: if sampler.takes_eta { spec.eta } else { 0.0 },
        variation_seed: if is_varied { spec.variation_seed } else { 0 },
        // A picture that stays as large has no second pass, and its recipe none.
        second_strength: spec.finish.map_or(0.0, |_| spec.second_strength),
        second_steps: spec.second_px().map_or(0, |_| spec.second_steps),
        ..spec.clone()
    };
    Ok((done, sentences))
}

/// The windows of a job that is told of boxes.
pub(super) fn beside_boxes(spec: &GenerateSpec, model: &LatentDiffusion) -> WindowChoice {
    let size_px = [spec.width_px, spec.height_px];
    match model.names_boxes() {
        true => spec
            .windows
            .beside_boxes(size_px, model.manifest().resolution_px),
        false => spec.windows,
    }
}

/// A sentence where a model that is told one thing only is not told it.
fn untold(spec: &GenerateSpec, inputs: &[InputSpec]) -> Option<String> {
    let [only] = inputs else {
        return None;
    };
    let what = match only {
        InputSpec::Layout { .. } if spec.layout.as_ref().is_none_or(|it| it.0.is_empty()) => {
            "boxes"
        }
        InputSpec::Semantic { .. } if spec.semantic.is_none() => "a label map",
        _ => return None,
    };
    Some(format!(
        "this model paints from {what} and was given none, so that what it paints is left to chance"
    ))
}
