//! Infotext of a painted picture, as others read it.

use std::fmt::{Display, Write as _};

use super::{
    CLASS, CLASSIFIER, CLASSIFIER_HASH, CONTROL, GRADUAL_MASK, GUIDE, HIRES_UPSCALE,
    HIRES_UPSCALER, INPAINT_AREA, LORA_HASHES, MAP_AS_BOXES, MASKED_CONTENT, NEGATIVE, ONLY_MASKED,
    PADDING, PREDICTION, PROMPT_SYNTAX, TILING, UPSCALER, VAE, VAE_HASH, VERSION, WINDOWS,
    WORD_HASHES, WORDS_AS_BOXES,
};
use crate::recipe::control_infotext::control_infotext;
use crate::recipe::param::{
    CLASSIFIER_SCALE, CLIP_SKIP, ETA, FEATHER, GUIDANCE, GUIDANCE_END, GUIDANCE_RESCALE,
    GUIDANCE_START, GUIDE_SCALE, Number, SECOND_STEPS, SECOND_STRENGTH, SEED, STEPS, STRENGTH,
    VARIATION, VARIATION_SEED,
};
use crate::recipe::prompt::PromptSyntax;
use crate::recipe::{FrameSpec, LoraSpec, PaintedRecipe, Prediction, Schedule, WindowChoice};

/// Writes the infotext of a painted picture.
pub fn write_infotext(recipe: &PaintedRecipe) -> String {
    let spec = &recipe.spec;
    // There a list beside the prompt is not known, so that the prompt names what it has.
    let syntax = spec.prompt_syntax;
    let written = match spec.loras.is_empty() {
        true => syntax,
        false => PromptSyntax::default(),
    };
    let words = |text: &str| match written == syntax {
        true => text.trim().to_owned(),
        false => syntax.rewritten(text.trim()).into_owned(),
    };
    let mut text = words(&spec.prompt);
    for tag in spec.loras.iter().filter_map(LoraSpec::tag) {
        text.push_str(if text.is_empty() { "" } else { " " });
        text.push_str(&tag);
    }
    let negative = words(&spec.negative_prompt);
    if !negative.is_empty() {
        text.push_str(if text.is_empty() { "" } else { "\n" });
        text.push_str(NEGATIVE);
        text.push(' ');
        text.push_str(&negative);
    }

    let mut pairs = Pairs::default();
    pairs.add_number(&STEPS, spec.steps);
    pairs.add_some("Sampler", recipe.sampler_label.as_deref());
    // Without a schedule A1111 picks Karras for some samplers by itself.
    pairs.add_some("Schedule type", spec.schedule.map(Schedule::infotext));
    pairs.add_some(PREDICTION, spec.prediction.map(Prediction::id));
    pairs.add_number(&GUIDANCE, spec.guidance_scale);
    pairs.add_number(&SEED, spec.seed);
    if spec.variation_strength > 0.0 {
        pairs.add_number(&VARIATION_SEED, spec.variation_seed);
        pairs.add_number(&VARIATION, spec.variation_strength);
    }
    pairs.add("Size", format_args!("{}x{}", spec.width_px, spec.height_px));
    pairs.add_some("Model hash", non_empty(&recipe.model_hash));
    pairs.add_some("Model", non_empty(&recipe.model_name));
    if let Some(vae) = &spec.vae {
        pairs.add_some(VAE_HASH, spec.vae_hash.as_ref());
        pairs.add(VAE, &vae.name);
    }
    if recipe.used_picture {
        pairs.add_number(&STRENGTH, spec.strength);
    }
    if let Some(finish) = spec.finish {
        pairs.add(HIRES_UPSCALE, finish.factor());
        pairs.add(HIRES_UPSCALER, UPSCALER);
        // There it is the strength of either, and of the second pass where no picture was
        // given.
        match recipe.used_picture {
            true => pairs.add_number(&SECOND_STRENGTH, spec.second_strength),
            false => pairs.add_number(&STRENGTH, spec.second_strength),
        }
        if spec.second_strength > 0.0 {
            pairs.add_number(&SECOND_STEPS, spec.second_steps_done());
        }
    }
    if spec.guidance_rescale > 0.0 {
        pairs.add_number(&GUIDANCE_RESCALE, spec.guidance_rescale);
    }
    if spec.guidance_start > 0.0 {
        pairs.add_number(&GUIDANCE_START, spec.guidance_start);
    }
    if spec.guidance_end < 1.0 {
        pairs.add_number(&GUIDANCE_END, spec.guidance_end);
    }
    if spec.clip_skip > 1 {
        pairs.add_number(&CLIP_SKIP, spec.clip_skip);
    }
    if spec.eta > 0.0 {
        pairs.add_number(&ETA, spec.eta);
    }
    if recipe.used_mask {
        pairs.add_number(&FEATHER, spec.feather_px);
        pairs.add_some(GRADUAL_MASK, spec.gradual_mask.then_some("True"));
        if let Some(FrameSpec { framing, .. }) = &spec.frame {
            pairs.add(INPAINT_AREA, ONLY_MASKED);
            pairs.add_some(PADDING, framing.padding_px);
            pairs.add_some(MASKED_CONTENT, framing.masked_content.infotext());
        }
    }
    let placed_for = match spec.semantic {
        Some(_) => MAP_AS_BOXES,
        None => WORDS_AS_BOXES,
    };
    pairs.add_some(placed_for, spec.places_boxes.then_some("True"));
    pairs.add_some(TILING, spec.tile.name());
    // A picture that was painted is settled; one in no windows says nothing.
    if spec.windows != WindowChoice::Off {
        pairs.add(WINDOWS, spec.windows);
    }
    if spec.guide.is_some() {
        pairs.add(GUIDE, spec.guide_kind.name());
        pairs.add_number(&GUIDE_SCALE, spec.guide_scale);
    }
    pairs.add_some(CLASS, spec.class);
    if let Some(classifier) = &spec.classifier {
        pairs.add(CLASSIFIER, &classifier.name);
        pairs.add_some(CLASSIFIER_HASH, spec.classifier_hash.as_ref());
        pairs.add_number(&CLASSIFIER_SCALE, spec.classifier_scale);
    }
    for (index, control) in spec.controls.iter().enumerate() {
        pairs.add(&format!("{CONTROL}{index}"), control_infotext(control));
    }
    for (key, hashes) in [
        (LORA_HASHES, &spec.lora_hashes),
        (WORD_HASHES, &spec.word_hashes),
    ] {
        let hashes = hashes.iter();
        let hashes: Vec<String> = hashes
            .map(|(name, hash)| format!("{name}: {hash}"))
            .collect();
        pairs.add_some(key, non_empty(&hashes.join(", ")));
    }
    pairs.add(PROMPT_SYNTAX, written.name());
    pairs.add(VERSION, &recipe.program);

    text.push_str(if text.is_empty() { "" } else { "\n" });
    text.push_str(&pairs.line);
    text
}

#[derive(Default)]
struct Pairs {
    line: String,
}

impl Pairs {
    fn add(&mut self, key: &str, value: impl Display) {
        let value = value.to_string();
        let separator = if self.line.is_empty() { "" } else { ", " };
        let quoted = value.contains([',', ':', '\n', '"']);
        let value = if quoted {
            serde_json::Value::String(value).to_string()
        } else {
            value
        };
        // Writing to a string cannot fail.
        write!(self.line, "{separator}{key}: {value}").ok();
    }

    fn add_number(&mut self, number: &Number, value: impl Display) {
        if let Some(key) = number.infotext {
            self.add(key, value);
        }
    }

    fn add_some(&mut self, key: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.add(key, value);
        }
    }
}

fn non_empty(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
