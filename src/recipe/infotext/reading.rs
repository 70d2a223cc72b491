//! Infotext of any studio.

use std::sync::LazyLock;

use regex::Regex;

use super::{
    CLASS, CLASSIFIER, CLASSIFIER_HASH, CONTROL, GRADUAL_MASK, GUIDE, HIRES, HIRES_RESIZE,
    HIRES_UPSCALE, HIRES_UPSCALER, INPAINT_AREA, LORA_HASHES, MAP_AS_BOXES, MASKED_CONTENT,
    NEGATIVE, ONLY_MASKED, PADDING, PREDICTION, PROMPT_SYNTAX, SKIP_EARLY_CFG, TILING, UPSCALER,
    VAE, VAE_HASH, VERSION, WINDOWS, WORD_HASHES, WORDS_AS_BOXES,
};
use crate::recipe::control_infotext::read_control_infotext;
use crate::recipe::param::{
    CLIP_SKIP, FEATHER, GUIDANCE_END, GUIDANCE_RESCALE, GUIDANCE_START, HEIGHT, Number, Param,
    SECOND_STEPS, SECOND_STRENGTH, STRENGTH, VARIATION, VARIATION_SEED, WIDTH,
};
use crate::recipe::prompt::PromptSyntax;
use crate::recipe::{
    Finish, FoundRecipe, GenerateSpec, GuideKind, MAX_CONTROLS, MAX_SIDE_PX, MaskedContent,
    NamedFile, Prediction, RecipeForm, SamplerId, Schedule, Tile, WindowChoice,
};

/// What stands where the first stage is the model's own.
const OWN_VAE: [&str; 3] = ["Automatic", "None", "Built in"];
/// Endings of its file, which other programs write too.
const VAE_ENDINGS: [&str; 5] = [".safetensors", ".ckpt", ".pt", ".pth", ".bin"];
/// How our own files name the program.
const OURS: &str = "Velatura ";

/// What our own files can tell only since signs in prompts mean something: files with
/// none of it and without [`PROMPT_SYNTAX`] are older, and all was text.
const SINCE_SYNTAX: [&str; 8] = [
    "Clip skip",
    "CFG rescale",
    VAE,
    TILING,
    WINDOWS,
    GUIDE,
    "Guide scale",
    LORA_HASHES,
];

/// What is told of only where it changes something.
static TOLD_BY_SILENCE: [&Number; 6] = [
    &CLIP_SKIP,
    &GUIDANCE_RESCALE,
    &GUIDANCE_START,
    &GUIDANCE_END,
    &VARIATION,
    &VARIATION_SEED,
];

/// A last line with fewer pairs than this belongs to the prompt.
const FEWEST_PAIRS: usize = 3;

/// One `key: value` pair; the value may be a JSON string. The pattern is the
/// one every reader of this form shares, so that all find the same pairs.
static PAIR: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)"#)
        .expect("the pattern is constant and valid")
});

/// Reads infotext of any studio; `None` when the text has neither a line of
/// settings nor a negative prompt, and may be anything.
pub fn read_infotext(text: &str) -> Option<FoundRecipe> {
    let text = text.trim();
    let (prompts, settings) = text.rsplit_once('\n').unwrap_or(("", text));
    if PAIR.find_iter(settings).count() < FEWEST_PAIRS {
        let has_negative = text.lines().any(|line| line.trim().starts_with(NEGATIVE));
        return has_negative.then(|| prompts_only(text));
    }
    let mut found = prompts_only(prompts);
    found.told.extend(TOLD_BY_SILENCE.map(|number| number.id));
    let pairs = PAIR.captures_iter(settings);
    let pairs: Vec<(String, String)> = pairs
        .map(|pair| (pair[1].to_owned(), unquote(&pair[2])))
        .collect();
    let told = |key: &str| pairs.iter().find(|(own, _)| own == key);
    if told(VERSION).is_some_and(|(_, program)| program.starts_with(OURS)) {
        // Whole, but where they are told.
        found.spec.windows = WindowChoice::Off;
        let is_old =
            told(PROMPT_SYNTAX).is_none() && !SINCE_SYNTAX.iter().any(|key| told(key).is_some());
        if is_old {
            found.spec.prompt_syntax = PromptSyntax::Plain;
        }
    }
    for (key, value) in &pairs {
        if take(&mut found, key, value).is_none() {
            found.unread.push(format!("{key}: {value}"));
        }
    }
    take_second_pass(
        &mut found,
        told(VERSION).map(|(_, program)| &**program),
        &pairs,
    );
    Some(found)
}

/// Puts the strength where it belongs: where a picture was made larger it is that of a second
/// pass, and not of an input picture, unless both are told.
fn take_second_pass(found: &mut FoundRecipe, program: Option<&str>, pairs: &[(String, String)]) {
    let is_larger = pairs.iter().any(|(key, _)| key.starts_with(HIRES));
    if !is_larger || found.tells(&SECOND_STRENGTH) {
        return;
    }
    let strength = std::mem::replace(&mut found.spec.strength, 1.0);
    let is_told = found.told.remove(STRENGTH.id);
    found.used_picture = false;
    if found.spec.finish.is_none() || !is_told {
        return;
    }
    found.spec.second_strength = strength;
    found.told.insert(SECOND_STRENGTH.id);
    let is_ours = program.is_some_and(|program| program.starts_with(OURS));
    if strength > 0.0 && found.spec.second_steps == 0 && !is_ours {
        // As many as in the first pass are done there, whatever the strength.
        found.spec.second_steps = found.spec.steps;
        found.told.insert(SECOND_STEPS.id);
    }
}

/// Reads a text that is known to be infotext, if only because of the place it
/// lies in: one without settings is a prompt. JSON, which some studios put into
/// the same place, is none.
pub(in crate::recipe) fn read_infotext_or_prompt(text: &str) -> Option<FoundRecipe> {
    let is_prompt = !text.trim().is_empty() && !text.trim_start().starts_with('{');
    read_infotext(text).or_else(|| is_prompt.then(|| prompts_only(text.trim())))
}

fn prompts_only(text: &str) -> FoundRecipe {
    let (prompt, negative_prompt) = split_prompts(text);
    let spec = GenerateSpec {
        prompt,
        negative_prompt,
        ..Default::default()
    };
    FoundRecipe::new(spec, RecipeForm::Infotext)
}

fn split_prompts(text: &str) -> (String, String) {
    let mut prompt: Vec<&str> = Vec::new();
    let mut negative: Vec<&str> = Vec::new();
    let mut in_negative = false;
    for line in text.lines().map(str::trim) {
        let rest = line.strip_prefix(NEGATIVE);
        in_negative |= rest.is_some();
        let part = if in_negative {
            &mut negative
        } else {
            &mut prompt
        };
        part.push(rest.unwrap_or(line).trim());
    }
    (prompt.join("\n"), negative.join("\n"))
}

/// Whether a key is that of a control: one number stands behind the word.
fn is_control(key: &str) -> bool {
    let number = key.strip_prefix(CONTROL);
    number.is_some_and(|number| number.parse::<u8>().is_ok())
}

fn unquote(value: &str) -> String {
    let value = value.trim();
    if value.starts_with('"') {
        serde_json::from_str(value).unwrap_or_else(|_| value.to_owned())
    } else {
        value.to_owned()
    }
}

/// Names, each with a digest.
fn named_hashes(text: &str) -> Option<Vec<(&str, &str)>> {
    let pairs = text.split(", ").map(|pair| pair.split_once(": "));
    pairs.collect()
}

/// What Python's words for it say; `None` for others.
fn is_true(value: &str) -> Option<bool> {
    match value {
        "True" => Some(true),
        "False" => Some(false),
        _ => None,
    }
}

/// Puts one setting where it belongs; `None` when it means nothing here.
fn take(found: &mut FoundRecipe, key: &str, value: &str) -> Option<()> {
    let spec = &mut found.spec;
    // Some writers leave the sampler's name out.
    let key = if key == "Eta" { "Eta DDIM" } else { key };
    if let Some(param) = Param::with_infotext_key(GenerateSpec::PARAMS, key) {
        (param.set)(spec, param.number.allowed.read(value)?);
        found.told.insert(param.number.id);
        // These two act on inputs only, so there were some.
        found.used_mask |= *param.number == FEATHER;
        found.used_picture |= *param.number == STRENGTH;
        return Some(());
    }
    match key {
        "Sampler" => {
            // Before schedules had a setting of their own, the name carried it.
            let with_name = [Schedule::Karras, Schedule::Exponential];
            let named = with_name.into_iter().find_map(|schedule| {
                let name = value.strip_suffix(schedule.infotext())?;
                Some((name.strip_suffix(' ')?, Some(schedule)))
            });
            let (name, schedule) = named.unwrap_or((value, None));
            spec.sampler = Some(SamplerId::from_label(name));
            found.sampler_label = Some(name.to_owned());
            spec.schedule = spec.schedule.or(schedule);
        }
        "Schedule type" if value == "Automatic" => {}
        "Schedule type" => spec.schedule = Some(Schedule::of_infotext(value)?),
        PREDICTION => spec.prediction = Some(Prediction::of_id(value)?),
        "Size" => {
            let (width, height) = value.split_once('x')?;
            let width = WIDTH.allowed.read(width)?;
            let height = WIDTH.allowed.read(height)?;
            (spec.width_px, spec.height_px) = (width.as_u32(), height.as_u32());
            found.told.extend([WIDTH.id, HEIGHT.id]);
        }
        INPAINT_AREA => {
            if value == ONLY_MASKED {
                found.framing.get_or_insert_default();
            } else if value != "Whole picture" {
                return None;
            }
        }
        PADDING => {
            let padding_px = value.parse().ok().filter(|it| *it <= MAX_SIDE_PX)?;
            found.framing.get_or_insert_default().padding_px = Some(padding_px);
        }
        MASKED_CONTENT => {
            let mut known = MaskedContent::ALL.into_iter();
            let content = known.find(|it| it.infotext() == Some(value))?;
            found.framing.get_or_insert_default().masked_content = content;
        }
        SKIP_EARLY_CFG => {
            let share: f32 = value.parse().ok().filter(|it| (0.0..1.0).contains(it))?;
            if share > 0.0 {
                // There the step at which so much is over is left out too.
                let steps = spec.steps as f32;
                spec.guidance_start = (((share * steps).floor() + 1.0) / steps).min(1.0);
            }
        }
        WORDS_AS_BOXES | MAP_AS_BOXES => spec.places_boxes = is_true(value)?,
        GRADUAL_MASK => {
            spec.gradual_mask = is_true(value)?;
            found.used_mask = true;
        }
        HIRES_UPSCALE => spec.finish = Some(Finish::of_factor(value.parse().ok()?)?),
        HIRES_RESIZE => {
            let (width, height) = value.split_once('x')?;
            let finished_px: [u32; 2] = [width.parse().ok()?, height.parse().ok()?];
            let painted_px = [spec.width_px, spec.height_px];
            let mut known = Finish::ALL.into_iter();
            let finish = known.find(|it| it.finished_px(painted_px) == finished_px)?;
            spec.finish = Some(finish);
        }
        HIRES_UPSCALER if value == UPSCALER => {}
        TILING => {
            // Others tile both ways or not at all.
            let name = if value == "True" { "xy" } else { value };
            let mut known = Tile::ALL.into_iter();
            spec.tile = known.find(|tile| tile.name() == Some(name))?;
        }
        GUIDE => {
            let mut known = GuideKind::ALL.into_iter();
            spec.guide_kind = known.find(|kind| kind.name() == value)?;
        }
        CLASS => spec.class = Some(value.parse().ok()?),
        CLASSIFIER => {
            let named = NamedFile::named(value);
            spec.classifier = Some(named).filter(|it| !it.name.trim().is_empty());
        }
        CLASSIFIER_HASH => spec.classifier_hash = Some(value.to_owned()),
        WINDOWS => spec.windows = WindowChoice::of_recipe(value).ok()?,
        key if is_control(key) => {
            if spec.controls.len() == MAX_CONTROLS {
                return None;
            }
            spec.controls.push(read_control_infotext(value)?);
        }
        PROMPT_SYNTAX => spec.prompt_syntax = PromptSyntax::of_name(value)?,
        LORA_HASHES => {
            let hashes = named_hashes(value)?;
            // Those that the prompt does not name were used in some other way.
            let named = spec.prompt_syntax.loras_in(&spec.prompt).ok()?;
            let is_named = |name: &str| named.iter().any(|lora| lora.file.name == name);
            if !hashes.iter().all(|(name, _)| is_named(name)) {
                return None;
            }
            let hashes = hashes.into_iter();
            spec.lora_hashes
                .extend(hashes.map(|(name, hash)| (name.to_owned(), hash.to_owned())));
        }
        // They act by their names in the prompt.
        WORD_HASHES => {
            let hashes = named_hashes(value)?.into_iter();
            spec.word_hashes
                .extend(hashes.map(|(name, hash)| (name.to_owned(), hash.to_owned())));
        }
        VAE if OWN_VAE.contains(&value) => {}
        VAE => {
            let endings = VAE_ENDINGS.iter();
            let stem = endings
                .filter_map(|ending| value.strip_suffix(ending))
                .next();
            spec.vae = Some(NamedFile::named(stem.unwrap_or(value)));
        }
        VAE_HASH => spec.vae_hash = Some(value.to_owned()),
        "Model hash" => found.model_hash = Some(value.to_owned()),
        "Model" => found.model_name = Some(value.to_owned()),
        VERSION => found.program = Some(value.to_owned()),
        _ => return None,
    }
    Some(())
}
