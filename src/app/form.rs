//! What the Generate panel edits, and how it becomes a job.

use serde::{Deserialize, Serialize};

use super::conditions::{Condition, Told};
use super::controls::{ControlChange, ListedControl};
use super::live::LIVE_STEPS;
use super::loras::{ListedLora, LoraChange};
use crate::engine::SamplerChoice;
use crate::engine::protocol::ModelSummary;
use crate::project::ConditionChoices;
use crate::random::fresh_seed;
use crate::recipe::param::{Number, Param, SEED, STRENGTH, Value};
use crate::recipe::{
    Finish, FoundRecipe, FrameSpec, Framing, GenerateSpec, GuideKind, ImageInput, Infill,
    MaskInput, MaskedContent, SamplerId, Schedule, Tile, WindowChoice,
};

/// The prompt of a first start: what the first press on Generate paints, and how
/// Storybook wants to be spoken to.
pub const EXAMPLE_PROMPT: &str = "a yellow bus in the hills at sunset, 3d style";

/// How much is repainted inside of a mask. A number of its own: there one
/// usually wants all of it, and of a whole picture a part.
pub static MASK_STRENGTH: Number = Number {
    id: "mask_strength",
    infotext: None,
    ..STRENGTH
};

/// How far variations of a picture go at first: its things stay, how they look does not.
const USUAL_VARIATION: f32 = 0.25;

/// The settings of the next job: those of a job, and what a job has not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GenerateForm {
    /// What the job has too. Its strength is that for whole pictures.
    #[serde(flatten)]
    pub spec: GenerateSpec,
    /// How much is repainted inside of a mask.
    pub mask_strength: f32,
    /// Whether the seed stays from job to job.
    pub seed_locked: bool,
    /// Whether what variations go towards stays from job to job.
    pub variation_locked: bool,
    /// Most steps of a live picture.
    pub live_steps: u32,
    /// Whether a picture that is being painted follows what is changed meanwhile.
    pub follows_changes: bool,
    /// Whether the model is told of boxes, where there are some.
    pub uses_boxes: bool,
    /// Whether a model that can places boxes for the words, where none are drawn.
    pub places_boxes: bool,
    /// Whether the model is told of the label map, where there is one.
    pub uses_label_map: bool,
    /// How frames are put around masks, and what stands in them at first.
    pub framing: Framing,
    /// The LoRAs that are listed; the job has those that are switched on.
    pub listed_loras: Vec<ListedLora>,
    /// The ControlNets that are listed; the job has those that are used.
    pub listed_controls: Vec<ListedControl>,
}

impl Default for GenerateForm {
    fn default() -> Self {
        Self {
            spec: GenerateSpec {
                prompt: EXAMPLE_PROMPT.to_owned(),
                sampler: Some(SamplerChoice::usual()),
                schedule: Some(Schedule::Uniform),
                steps: 20,
                guidance_scale: 4.0,
                strength: 0.6,
                ..GenerateSpec::default()
            },
            mask_strength: 1.0,
            seed_locked: false,
            variation_locked: false,
            live_steps: 8,
            follows_changes: false,
            uses_boxes: true,
            places_boxes: true,
            uses_label_map: true,
            framing: Framing::default(),
            listed_loras: Vec::new(),
            listed_controls: Vec::new(),
        }
    }
}

/// A change of one field of the form.
#[derive(Clone, Debug)]
pub enum FormChange {
    /// What to paint.
    Prompt(String),
    /// What to steer away from.
    NegativePrompt(String),
    /// The class to paint; none for any.
    Class(Option<u32>),
    /// The sampler.
    Sampler(SamplerId),
    /// How noise levels are spread.
    Schedule(Schedule),
    /// Draws another one of a seed.
    Roll(&'static Number),
    /// Whether the seed stays from job to job.
    SeedLocked(bool),
    /// Whether what variations go towards stays from job to job.
    VariationLocked(bool),
    /// Whether something that is drawn is used.
    Uses(Condition, bool),
    /// Whether the model places boxes for the words.
    PlacesBoxes(bool),
    /// How much larger painted pictures are made.
    Finish(Option<Finish>),
    /// Whether pictures are painted whole or in windows.
    Windows(WindowChoice),
    /// Along which axes pictures go on over their edges.
    Tile(Tile),
    /// Whether what a mask covers in part is repainted less.
    GradualMask(bool),
    /// What of a guide counts.
    GuideKind(GuideKind),
    /// Pixels around a mask that the model sees; none for what suits the mask.
    Padding(Option<u32>),
    /// What stands at first where the picture has nothing.
    Infill(Infill),
    /// What stands at first inside of a mask.
    MaskedContent(MaskedContent),
    /// Whether a picture that is being painted follows changes.
    Follows(bool),
    /// A place in the list of LoRAs.
    Lora(usize, LoraChange),
    /// A place in the list of ControlNets.
    Control(usize, ControlChange),
    /// The model's own first stage instead of another.
    OwnVae,
    /// A number; brought into its range.
    Number(&'static Number, Value),
}

/// What a press on Generate would do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Intent {
    /// A new picture from the prompt alone.
    TextToImage,
    /// Only what the mask covers.
    Inpaint,
    /// What the mask covers, and where there is no picture.
    Outpaint,
    /// The whole picture, keeping some of it.
    ImageToImage,
}

impl Intent {
    /// The rule: no picture, a new one; a picture and a mask, inside the mask;
    /// a picture alone, all of it.
    pub fn of(has_picture: bool, has_mask: bool) -> Self {
        match (has_picture, has_mask) {
            (false, _) => Self::TextToImage,
            (true, true) => Self::Inpaint,
            (true, false) => Self::ImageToImage,
        }
    }

    /// Whether only a part is repainted.
    pub fn is_inside_mask(self) -> bool {
        matches!(self, Self::Inpaint | Self::Outpaint)
    }

    /// Whether the strength acts.
    pub fn uses_strength(self) -> bool {
        self.strength().is_some()
    }

    /// The strength that acts, if any.
    pub fn strength(self) -> Option<&'static Number> {
        match self {
            Self::TextToImage => None,
            Self::Inpaint | Self::Outpaint => Some(&MASK_STRENGTH),
            Self::ImageToImage => Some(&STRENGTH),
        }
    }

    /// One line for the user; `size_px` is the frame's where the job has one.
    pub fn sentence(
        self,
        form: &GenerateForm,
        size_px: [u32; 2],
        is_framed: bool,
        told: Told,
    ) -> String {
        let [width, height] = size_px;
        let percent = (form.strength_for(self) * 100.0).round();
        let what = match self {
            Self::TextToImage if is_framed => format!("Paint {width} × {height} inside the frame"),
            Self::TextToImage if told.reads_words => format!("Text to image, {width} × {height}"),
            Self::TextToImage => format!("A new picture, {width} × {height}"),
            Self::Inpaint if is_framed => format!("Inpaint {width} × {height} inside the frame"),
            Self::Inpaint => "Repaint inside the mask".to_owned(),
            Self::Outpaint => format!("Outpaint {width} × {height} inside the frame"),
            Self::ImageToImage if is_framed => {
                format!("Image to image, {width} × {height} inside the frame")
            }
            Self::ImageToImage => "Image to image".to_owned(),
        };
        let what = match self {
            Self::TextToImage => what,
            Self::Inpaint | Self::Outpaint if percent >= 100.0 => what,
            _ => format!("{what}, {percent} %"),
        };
        let what = match (self, told.words()) {
            (_, None) => what,
            (Self::TextToImage, Some(told)) if !is_framed => {
                format!("Paint {width} × {height} from {told}")
            }
            (_, Some(told)) => format!("{what}, with {told}"),
        };
        let what = match form.spec.finish.filter(|_| form.finishes(self, is_framed)) {
            None => what,
            Some(finish) if form.spec.second_strength > 0.0 => {
                format!("{what}, {} in a second pass", finish.label())
            }
            Some(finish) => format!("{what}, then {}", finish.label()),
        };
        match form.spec.batch {
            0 | 1 => what,
            batch => format!("{what}, {batch} pictures"),
        }
    }
}

impl GenerateForm {
    /// What the form has beside the numbers of a job.
    const PARAMS: &'static [Param<Self>] = &[
        Param {
            number: &MASK_STRENGTH,
            get: |form| Value::Real(form.mask_strength),
            set: |form, value| form.mask_strength = value.as_f32(),
        },
        Param {
            number: &LIVE_STEPS,
            get: |form| form.live_steps.into(),
            set: |form, value| form.live_steps = value.as_u32(),
        },
    ];

    /// What a number is; 0 for one that the form has not.
    pub fn number(&self, number: &Number) -> Value {
        let own = Self::PARAMS.iter().find(|own| own.number.id == number.id);
        let job = GenerateSpec::PARAMS
            .iter()
            .find(|job| job.number.id == number.id);
        let value = own.map(|own| (own.get)(self));
        value
            .or_else(|| job.map(|job| (job.get)(&self.spec)))
            .unwrap_or(Value::Whole(0))
    }

    fn set_number(&mut self, number: &Number, value: Value) {
        let value = number.allowed.nearest(value, self.number(number));
        if let Some(own) = Self::PARAMS.iter().find(|own| own.number.id == number.id) {
            (own.set)(self, value);
        }
        let mut job = GenerateSpec::PARAMS.iter();
        if let Some(job) = job.find(|job| job.number.id == number.id) {
            (job.set)(&mut self.spec, value);
        }
    }

    /// Changes one field.
    pub fn change(&mut self, change: FormChange) {
        match change {
            FormChange::Prompt(prompt) => {
                self.spec.take_usual_syntax();
                self.spec.prompt = prompt;
            }
            FormChange::NegativePrompt(prompt) => {
                self.spec.take_usual_syntax();
                self.spec.negative_prompt = prompt;
            }
            FormChange::Class(class) => self.spec.class = class,
            FormChange::Sampler(sampler) => self.spec.sampler = Some(sampler),
            FormChange::Schedule(schedule) => self.spec.schedule = Some(schedule),
            FormChange::SeedLocked(locked) => self.seed_locked = locked,
            FormChange::VariationLocked(locked) => self.variation_locked = locked,
            FormChange::Uses(Condition::Boxes, uses) => self.uses_boxes = uses,
            FormChange::Uses(Condition::LabelMap, uses) => self.uses_label_map = uses,
            FormChange::PlacesBoxes(places) => self.places_boxes = places,
            FormChange::Follows(follows) => self.follows_changes = follows,
            FormChange::Finish(finish) => self.spec.finish = finish,
            FormChange::Windows(windows) => self.spec.windows = windows,
            FormChange::Tile(tile) => self.spec.tile = tile,
            FormChange::GradualMask(on) => self.spec.gradual_mask = on,
            FormChange::GuideKind(kind) => self.spec.guide_kind = kind,
            FormChange::Padding(padding_px) => self.framing.padding_px = padding_px,
            FormChange::Infill(infill) => self.framing.infill = infill,
            FormChange::MaskedContent(content) => self.framing.masked_content = content,
            FormChange::Lora(place, change) => self.change_lora(place, change),
            FormChange::Control(place, change) => self.change_control(place, change),
            FormChange::OwnVae => self.spec.vae = None,
            FormChange::Number(number, value) => self.set_number(number, value),
            FormChange::Roll(seed) => self.set_number(seed, Value::Whole(fresh_seed())),
        }
    }

    /// Which conditions are used, and how strongly they act.
    pub fn conditions(&self) -> ConditionChoices {
        ConditionChoices {
            uses_boxes: self.uses_boxes,
            uses_label_map: self.uses_label_map,
            layout_weight: self.spec.layout_weight,
            semantic_weight: self.spec.semantic_weight,
        }
    }

    /// Takes over what a project says of conditions.
    pub fn use_conditions(&mut self, choices: ConditionChoices) {
        self.uses_boxes = choices.uses_boxes;
        self.uses_label_map = choices.uses_label_map;
        self.spec.layout_weight = choices.layout_weight;
        self.spec.semantic_weight = choices.semantic_weight;
    }

    /// Brings every number into its range, and takes a sampler that there is.
    pub fn validated(mut self) -> Self {
        let usual = Self::default();
        let job = GenerateSpec::PARAMS.iter().map(|param| param.number);
        for number in job.chain(Self::PARAMS.iter().map(|param| param.number)) {
            let range = number.allowed;
            let value = range.nearest(self.number(number), usual.number(number));
            self.set_number(number, value);
        }
        let sampler = self.sampler();
        if SamplerChoice::find(&sampler).is_none() {
            log::warn!("There is no sampler {sampler} (settings of a newer version?)");
            self.spec.sampler = usual.spec.sampler;
        }
        self
    }

    /// The sampler.
    pub fn sampler(&self) -> SamplerId {
        let chosen = self.spec.sampler.clone();
        chosen.unwrap_or_else(SamplerChoice::usual)
    }

    /// Whether the sampler's noise levels can be spread in several ways.
    pub fn takes_schedules(&self) -> bool {
        SamplerChoice::find(&self.sampler()).is_some_and(|choice| choice.takes_schedules)
    }

    /// Whether η changes anything.
    pub fn takes_eta(&self) -> bool {
        SamplerChoice::find(&self.sampler()).is_some_and(|choice| choice.takes_eta)
    }

    /// How noise levels are spread, as far as the sampler lets them.
    pub fn schedule(&self) -> Schedule {
        let chosen = self.spec.schedule.filter(|_| self.takes_schedules());
        chosen.unwrap_or(Schedule::Uniform)
    }

    /// Takes the defaults of a newly chosen model, but leaves words, seed and
    /// batch alone.
    pub fn adopt(&mut self, model: &ModelSummary) {
        let spec = std::mem::take(&mut self.spec);
        self.spec = GenerateSpec {
            sampler: Some(model.default_sampler.clone()),
            schedule: Some(model.default_schedule),
            steps: model.default_steps,
            guidance_scale: model.default_guidance,
            guidance_start: model.default_guidance_start,
            guidance_end: 1.0,
            width_px: model.native_size_px,
            height_px: model.native_size_px,
            // It came with the settings of another picture.
            prediction: None,
            ..spec
        };
    }

    /// Keeps the class where the model has it. One that has none to stand for any begins
    /// with its first.
    pub fn settle_class(&mut self, model: &ModelSummary) {
        if model.classes().is_none() && self.spec.classifier.is_some() {
            // It may be the classifier's.
            return;
        }
        let (classes, has_empty) = model.classes().unwrap_or((&[], true));
        let count = classes.len();
        let kept = self.spec.class.filter(|class| (*class as usize) < count);
        self.spec.class = kept.or((!has_empty).then_some(0));
    }

    /// Takes over the settings of a finished picture, but for its model, which
    /// must be looked for first.
    pub fn restore(&mut self, recipe: &FoundRecipe) {
        let own = (self.spec.strength, self.spec.sampler.clone());
        recipe.restore_into(&mut self.spec);
        // The list has them, and words are found by themselves.
        let loras = std::mem::take(&mut self.spec.loras);
        self.restore_loras(loras);
        let controls = std::mem::take(&mut self.spec.controls);
        self.restore_controls(controls);
        self.spec.embeddings.clear();
        let places_boxes = std::mem::take(&mut self.spec.places_boxes);
        let told = &recipe.spec;
        // Where something else said what is where, nothing is said of it.
        let says_so = !recipe.used_picture || told.semantic.is_some();
        if says_so && told.layout.is_none() {
            self.places_boxes = places_boxes;
        }
        // These go to the document.
        self.spec.frame = None;
        self.spec.layout = None;
        self.spec.semantic = None;
        self.spec.low_resolution = None;
        self.spec.guide = None;
        self.uses_boxes |= recipe.spec.layout.is_some();
        self.uses_label_map |= recipe.spec.semantic.is_some();
        if let Some(framing) = recipe.framing {
            self.framing = framing;
        }
        if recipe.used_mask {
            // What was painted inside of a mask says nothing of whole pictures.
            let told = std::mem::replace(&mut self.spec.strength, own.0);
            if recipe.tells(&STRENGTH) {
                self.mask_strength = told;
            }
        }
        if SamplerChoice::find(&self.sampler()).is_none() {
            self.spec.sampler = own.1;
        }
        // The point of restoring is to get the same picture again.
        self.seed_locked |= recipe.tells(&SEED);
        self.variation_locked |= self.is_varied();
        *self = std::mem::take(self).validated();
    }

    /// Whether pictures beside that of the seed are painted.
    pub fn is_varied(&self) -> bool {
        self.spec.variation_strength > 0.0
    }

    /// Gives the next picture noise of its own, unless it is to have the same: another
    /// variation where there are to be some, and another seed elsewhere.
    pub fn renew_noise(&mut self) {
        let (seed, stays) = match self.is_varied() {
            true => (&mut self.spec.variation_seed, self.variation_locked),
            false => (&mut self.spec.seed, self.seed_locked),
        };
        if !stays {
            *seed = fresh_seed();
        }
    }

    /// Has the next pictures be variations of that of the seed, each another one.
    pub fn vary(&mut self) {
        if !self.is_varied() {
            self.spec.variation_strength = USUAL_VARIATION;
        }
        self.variation_locked = false;
    }

    /// Whether what is painted is made four times as large: what is repainted inside
    /// of a mask goes back to where it was. A frame is finished anyway, and then scaled to
    /// its own size.
    pub fn finishes(&self, intent: Intent, is_framed: bool) -> bool {
        self.spec.finish.is_some() && (is_framed || intent != Intent::Inpaint)
    }

    /// The strength that acts for an intent.
    pub fn strength_for(&self, intent: Intent) -> f32 {
        let strength = intent.strength();
        strength.map_or(1.0, |number| self.number(number).as_f32())
    }

    /// The job that these settings describe, in a frame if there is one.
    pub fn spec_in(
        &self,
        frame: Option<FrameSpec>,
        size_px: [u32; 2],
        init: Option<ImageInput>,
        mask: Option<MaskInput>,
    ) -> GenerateSpec {
        let finish = self.spec.finish.filter(|_| frame.is_some());
        let spec = self.spec(size_px, init, mask);
        GenerateSpec {
            finish: finish.or(spec.finish),
            // What is a part of a picture has no edges to go on over.
            tile: if frame.is_some() {
                Tile::None
            } else {
                spec.tile
            },
            frame,
            ..spec
        }
    }

    /// The job that these settings describe.
    pub fn spec(
        &self,
        size_px: [u32; 2],
        init: Option<ImageInput>,
        mask: Option<MaskInput>,
    ) -> GenerateSpec {
        GenerateSpec {
            prompt: self.spec.prompt.trim().to_owned(),
            negative_prompt: self.spec.negative_prompt.trim().to_owned(),
            sampler: Some(self.sampler()),
            schedule: Some(self.schedule()),
            width_px: size_px[0],
            height_px: size_px[1],
            loras: self.used_loras(),
            places_boxes: self.places_boxes,
            strength: self.strength_for(Intent::of(init.is_some(), mask.is_some())),
            finish: self.spec.finish.filter(|_| mask.is_none()),
            init,
            mask,
            ..self.spec.clone()
        }
    }
}

#[cfg(test)]
mod tests;
