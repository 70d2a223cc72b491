//! A1111 infotext: the `parameters` text that most studios write and read.
//!
//! The form is defined by its first writer and reader, AUTOMATIC1111's web UI:
//! the prompt, a line `Negative prompt: …`, and a last line of `key: value`
//! pairs. It cannot hold everything (no picture, no mask), so our
//! own files carry [our JSON](super::PaintedRecipe::to_json) beside it.

use std::fmt::{Display, Write as _};
use std::sync::LazyLock;

use regex::Regex;

use super::control_infotext::{control_infotext, read_control_infotext};
use super::param::{
    CLASSIFIER_SCALE, CLIP_SKIP, ETA, FEATHER, GUIDANCE, GUIDANCE_RESCALE, GUIDE_SCALE, HEIGHT,
    Number, Param, SEED, STEPS, STRENGTH, WIDTH,
};
use super::prompt::PromptSyntax;
use super::{
    FoundRecipe, FrameSpec, GenerateSpec, GuideKind, LoraSpec, MAX_CONTROLS, MAX_SIDE_PX,
    MaskedContent, NamedFile, PaintedRecipe, Prediction, RecipeForm, SamplerId, Schedule, Tile,
    WindowChoice,
};

const NEGATIVE: &str = "Negative prompt:";

/// How masks are framed there: the keys, and the value that says that they are.
const INPAINT_AREA: &str = "Inpaint area";
const ONLY_MASKED: &str = "Only masked";
const PADDING: &str = "Masked area padding";
const MASKED_CONTENT: &str = "Masked content";
/// Whether what a mask covers in part is repainted less.
const GRADUAL_MASK: &str = "Gradual mask";

/// Whether copies side by side show no seam, and the windows that it is painted in.
const TILING: &str = "Tiling";
const WINDOWS: &str = "Windows";

/// What of a guide counts.
const PREDICTION: &str = "Prediction";
const GUIDE: &str = "Guide";
/// The number of the class that was painted.
const CLASS: &str = "Class";
/// What led to it, and its digest.
const CLASSIFIER: &str = "Classifier";
const CLASSIFIER_HASH: &str = "Classifier hash";
/// A picture that controls the painting, with its number behind it.
const CONTROL: &str = "ControlNet ";
/// Names and digests of LoRAs.
const LORA_HASHES: &str = "Lora hashes";

/// Names and digests of words that were taught to the text encoder.
const WORD_HASHES: &str = "TI hashes";
/// The first stage, where it is not the model's own, and its digest.
const VAE: &str = "VAE";
const VAE_HASH: &str = "VAE hash";
/// What stands there for the model's own.
const OWN_VAE: [&str; 3] = ["Automatic", "None", "Built in"];
/// Endings of its file, which other programs write too.
const VAE_ENDINGS: [&str; 5] = [".safetensors", ".ckpt", ".pt", ".pth", ".bin"];

/// What signs in prompts mean, which other programs need not be told.
const PROMPT_SYNTAX: &str = "Prompt syntax";
/// How our own files name the program.
const VERSION: &str = "Version";
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

/// A last line with fewer pairs than this belongs to the prompt.
const FEWEST_PAIRS: usize = 3;

/// One `key: value` pair; the value may be a JSON string. The pattern is the
/// one every reader of this form shares, so that all find the same pairs.
static PAIR: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)"#)
        .expect("the pattern is constant and valid")
});

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
    if spec.guidance_rescale > 0.0 {
        pairs.add_number(&GUIDANCE_RESCALE, spec.guidance_rescale);
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
    // These are told of only where they change something.
    found.told.extend([CLIP_SKIP.id, GUIDANCE_RESCALE.id]);
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
    if found.unread.iter().any(|pair| pair.starts_with("Hires ")) {
        // There the strength is that of a second pass, not of an input picture.
        found.used_picture = false;
        found.spec.strength = 1.0;
    }
    Some(found)
}

/// Reads a text that is known to be infotext, if only because of the place it
/// lies in: one without settings is a prompt. JSON, which some studios put into
/// the same place, is none.
pub(super) fn read_infotext_or_prompt(text: &str) -> Option<FoundRecipe> {
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
        GRADUAL_MASK => {
            spec.gradual_mask = match value {
                "True" => true,
                "False" => false,
                _ => return None,
            };
            found.used_mask = true;
        }
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
