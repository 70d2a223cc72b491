//! From the options of `velatura generate` to the job they describe.

use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, ValueEnum};

use super::class::ClassArgs;
use super::conditions::ConditionArgs;
use super::controls::ControlArgs;
use super::frame::{self, FrameArgs, Framed};
use super::pictures::{PictureArgs, scale_inputs};
use crate::cli::examples::GENERATE;
use crate::cli::model_name::find_model;
use crate::cli::{CliError, DeviceArg, Precision};
use crate::diffusion::{SAMPLERS, sampler_info};
use crate::engine::kept_files::{Kept, find_file};
use crate::engine::library::{self, PaintedWith};
use crate::folders;
use crate::frame::FrameModel;
use crate::model::{Manifest, ModelFolder};
use crate::random;
use crate::recipe::param::{
    BATCH, CLIP_SKIP, ETA, GUIDANCE, GUIDANCE_END, GUIDANCE_RESCALE, GUIDANCE_START, HEIGHT,
    Number, SECOND_STEPS, SECOND_STRENGTH, SEED, STEPS, STRENGTH, VARIATION, VARIATION_SEED, WIDTH,
};
use crate::recipe::{
    Finish, FoundRecipe, GenerateSpec, LoraSpec, ModelSource, NamedFile, Prediction, RecipeForm,
    SamplerId, Schedule, Tile, WindowChoice, read_recipe,
};

/// What `velatura generate` takes.
#[derive(Debug, Args)]
#[command(after_long_help = GENERATE)]
pub struct GenerateArgs {
    /// Folder of a model in diffusers layout, one file of Stable Diffusion 1, 2 or XL or of
    /// the latent diffusion paper, or its name among the models listed by `velatura models` [default: the
    /// Storybook model]
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// YAML file of a model in one file [default: the one beside it of the same name,
    /// or config.yaml]
    #[arg(long, value_name = "YAML", requires = "model")]
    config: Option<PathBuf>,
    /// What to paint
    #[arg(short, long)]
    prompt: Option<String>,
    /// What to steer away from
    #[arg(short, long)]
    negative_prompt: Option<String>,
    #[arg(long, value_name = "N", help = help(&CLIP_SKIP, "the recipe's, or 1"))]
    clip_skip: Option<u32>,
    #[arg(long, help = help(&STEPS, "the model's"))]
    steps: Option<u32>,
    /// LoRA that changes the model, and how strongly, such as ink.safetensors:0.8; may be
    /// given several times. A prompt can name one too: <lora:ink:0.8> [default weight: 1]
    #[arg(long, value_name = "FILE[:WEIGHT]", value_parser = lora_parser)]
    lora: Vec<LoraSpec>,
    /// First stage in place of the model's own: a folder, or a file of weights
    #[arg(long, value_name = "FILE|DIR")]
    vae: Option<PathBuf>,
    /// Word taught to the text encoder (textual inversion), called like its file; those in
    /// a folder "embeddings" beside the model need no option. May be given several times
    #[arg(long, value_name = "FILE")]
    embedding: Vec<PathBuf>,
    /// Sampling algorithm [default: the model's]
    #[arg(long, value_parser = sampler_parser())]
    sampler: Option<SamplerId>,
    /// Take the noise levels of Karras et al. 2022
    #[arg(long, overrides_with = "no_karras")]
    karras: bool,
    /// Take the plain noise levels, even if the model asks for Karras
    #[arg(long)]
    no_karras: bool,
    /// How noise levels are spread, for samplers that let them [default: the model's]
    #[arg(long, value_parser = schedule_parser(), conflicts_with_all = ["karras", "no_karras"])]
    schedule: Option<Schedule>,
    /// What the model predicts, where it is wrong about itself: noise or velocity
    /// [default: the recipe's, or as its files or name say]
    #[arg(long, value_name = "epsilon|v", value_parser = prediction_parser())]
    prediction: Option<Prediction>,
    #[arg(long, value_name = "SCALE", help = help(&GUIDANCE, "the model's"))]
    cfg_scale: Option<f32>,
    #[arg(long, value_name = "PART", help = help(&GUIDANCE_RESCALE, "0"))]
    guidance_rescale: Option<f32>,
    #[arg(long, value_name = "PART", help = help(&GUIDANCE_START, "the model's"))]
    guidance_start: Option<f32>,
    #[arg(long, value_name = "PART", help = help(&GUIDANCE_END, "1"))]
    guidance_end: Option<f32>,
    #[arg(long, help = help(&ETA, "0"))]
    eta: Option<f32>,
    #[arg(long, help = help(&SEED, "a random one"))]
    seed: Option<u64>,
    #[arg(long, value_name = "PART", help = help(&VARIATION, "the recipe's, or 0"))]
    variation: Option<f32>,
    #[arg(long, value_name = "SEED", help = help(&VARIATION_SEED, "the recipe's, or a random one"))]
    variation_seed: Option<u64>,
    #[arg(long, value_name = "PX", help = help(&WIDTH, SIZE_DEFAULT))]
    width: Option<u32>,
    #[arg(long, value_name = "PX", help = help(&HEIGHT, SIZE_DEFAULT))]
    height: Option<u32>,
    /// Paint in overlapping windows: auto for pictures much larger than the model's, off,
    /// or the side of a window in pixels [default: the recipe's, or auto]
    #[arg(long, value_name = "auto|off|PX")]
    windows: Option<WindowChoice>,
    /// Let the picture go on over its edges, so that copies of it side by side show no
    /// seam [default: the recipe's, or none]
    #[arg(long, value_enum, value_name = "AXES")]
    tile: Option<TileArg>,
    #[command(flatten)]
    pictures: PictureArgs,
    #[command(flatten)]
    frame: FrameArgs,
    #[command(flatten)]
    conditions: ConditionArgs,
    #[command(flatten)]
    class: ClassArgs,
    #[command(flatten)]
    controls: ControlArgs,
    /// Make the painted picture so many times as large, crisply [default: the recipe's, or
    /// none]
    #[arg(long, value_enum, value_name = "HOW")]
    finish: Option<FinishArg>,
    #[arg(long, help = help(&SECOND_STRENGTH, "the recipe's, or 0"))]
    second_strength: Option<f32>,
    #[arg(long, value_name = "STEPS", help = help(&SECOND_STEPS, "the recipe's, or 0"))]
    second_steps: Option<u32>,
    #[arg(long, help = help(&BATCH, "1"))]
    batch: Option<u32>,
    /// Take the settings from a picture painted before; other options given
    /// here come first
    #[arg(long, value_name = "IMG")]
    recipe: Option<PathBuf>,
    /// File to write, ending in .png, .jpg or .webp; pictures of a batch are
    /// numbered [default: a dated file in the folder for pictures]
    #[arg(short, long, visible_alias = "out", value_name = "FILE")]
    pub(in crate::cli) output: Option<PathBuf>,
    /// Also write the final latents, before they are decoded
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) save_latents: Option<PathBuf>,
    /// Do not write the settings into the picture files
    #[arg(long)]
    pub(in crate::cli) no_recipe: bool,
    /// Device that computes
    #[arg(long, value_enum, default_value_t)]
    pub(in crate::cli) device: DeviceArg,
    /// How weights are held in memory; half precision halves it, on the processor
    #[arg(long, value_enum, default_value_t)]
    pub(in crate::cli) precision: Precision,
    /// Read networks when their turn comes: of text encoders, denoiser and autoencoder no
    /// more than one is in memory at a time, and each is read again for the next picture
    #[arg(long)]
    pub(in crate::cli) low_memory: bool,
    /// Print lines of JSON instead of text
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// What is done with a painted picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FinishArg {
    /// Nothing
    None,
    /// One and a half times the width and height
    #[value(name = "x1.5")]
    X1_5,
    /// Twice the width and height
    X2,
    /// Three times
    X3,
    /// Four times
    X4,
}

impl From<FinishArg> for Option<Finish> {
    fn from(arg: FinishArg) -> Self {
        match arg {
            FinishArg::None => None,
            FinishArg::X1_5 => Some(Finish::X1_5),
            FinishArg::X2 => Some(Finish::X2),
            FinishArg::X3 => Some(Finish::X3),
            FinishArg::X4 => Some(Finish::X4),
        }
    }
}

/// Along which axes a picture is tiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TileArg {
    /// None
    None,
    /// From left to right
    X,
    /// From top to bottom
    Y,
    /// Both
    Xy,
}

impl From<TileArg> for Tile {
    fn from(tile: TileArg) -> Self {
        match tile {
            TileArg::None => Self::None,
            TileArg::X => Self::X,
            TileArg::Y => Self::Y,
            TileArg::Xy => Self::Xy,
        }
    }
}

/// Where width and height come from if they are not given.
const SIZE_DEFAULT: &str = "the input picture's, or the model's";

/// The help of an option that sets a number.
pub(in crate::cli) fn help(number: &Number, default: &str) -> String {
    let Number { hint, allowed, .. } = number;
    format!("{hint}; {allowed} [default: {default}]")
}

/// `FILE[:WEIGHT]`, of which nothing is wrong before the file is opened.
fn lora_parser(text: &str) -> Result<LoraSpec, String> {
    if text.is_empty() {
        return Err("name a file".into());
    }
    let read = LoraSpec::read(text);
    // Of `ink.safetensors:much` it is the weight that is wrong.
    let is_whole = |path: &str| Path::new(path).exists();
    match text.rsplit_once(':') {
        Some((file, weight)) if read.file.is_at(text) && is_whole(file) && !is_whole(text) => {
            Err(format!("the weight {weight:?} of {file} is no number"))
        }
        _ => Ok(read),
    }
}

fn sampler_parser() -> impl clap::builder::TypedValueParser<Value = SamplerId> {
    PossibleValuesParser::new(SAMPLERS.iter().map(|info| info.id)).map(SamplerId::from)
}

fn schedule_parser() -> impl clap::builder::TypedValueParser<Value = Schedule> {
    PossibleValuesParser::new(Schedule::ALL.map(Schedule::id))
        .map(|id| Schedule::of_id(&id).unwrap_or(Schedule::Uniform))
}

fn prediction_parser() -> impl clap::builder::TypedValueParser<Value = Prediction> {
    PossibleValuesParser::new(Prediction::ALL.map(Prediction::id))
        .map(|id| Prediction::of_id(&id).unwrap_or(Prediction::Epsilon))
}

impl GenerateArgs {
    /// The job that the options describe, with inputs read from their files, and the
    /// picture that it paints a part of, if it does. `warn` is told what of a recipe or
    /// picture had to be passed over.
    ///
    /// # Errors
    /// When a file cannot be read, a number is out of its range, or a recipe
    /// cannot be repeated here.
    pub(super) fn job(
        &self,
        warn: &mut dyn FnMut(String),
    ) -> Result<(GenerateSpec, Option<Framed>), CliError> {
        let recipe = self
            .recipe
            .as_deref()
            .map(|path| self.recipe_in(path))
            .transpose()?;
        let model = match (&self.model, &self.recipe, &recipe) {
            (Some(named), _, _) => match (find_model(named)?, &self.config) {
                (file, Some(yaml)) => ModelSource::Described {
                    file,
                    yaml: yaml.clone(),
                },
                (folder, None) => ModelSource::Folder(folder),
            },
            (None, Some(path), Some(recipe)) => model_of(path, recipe, warn)?,
            (None, _, _) => ModelSource::Storybook,
        };
        let folder = folder_of(&model)?;
        let manifest = folder.manifest();
        let mut spec = GenerateSpec {
            seed: random::fresh_seed(),
            ..defaults_of(&manifest)
        };
        if let Some(recipe) = &recipe {
            recipe.restore_into(&mut spec);
            if let Some(complaint) = recipe.complaint() {
                warn(complaint);
            }
        }
        spec.model = model;

        if self.prompt.is_some() || self.negative_prompt.is_some() {
            // Words that are given now are not read as those of old recipes.
            spec.take_usual_syntax();
        }
        if let Some(prompt) = &self.prompt {
            spec.prompt.clone_from(prompt);
        }
        if let Some(negative) = &self.negative_prompt {
            spec.negative_prompt.clone_from(negative);
        }
        spec.sampler = self.sampler.clone().or(spec.sampler);
        let plain = if self.karras {
            Schedule::Karras
        } else {
            Schedule::Uniform
        };
        let plain = (self.karras || self.no_karras).then_some(plain);
        spec.schedule = self.schedule.or(plain).or(spec.schedule);
        spec.prediction = self.prediction.or(spec.prediction);
        spec.clip_skip = self.clip_skip.unwrap_or(spec.clip_skip);
        if !self.lora.is_empty() {
            spec.loras.clone_from(&self.lora);
        }
        if !self.embedding.is_empty() {
            spec.embeddings = self.embedding.iter().map(NamedFile::at).collect();
        }
        spec.vae = self.vae.as_ref().map(NamedFile::at).or(spec.vae);
        let folder = match &spec.vae {
            Some(vae) if folder.lacks_first_stage() => {
                let place = find_file(vae, Kept::Vaes, folder.path())?;
                folder.completed_by(&place)?
            }
            _ => folder,
        };
        spec.steps = self.steps.unwrap_or(spec.steps);
        spec.guidance_scale = self.cfg_scale.unwrap_or(spec.guidance_scale);
        spec.guidance_rescale = self.guidance_rescale.unwrap_or(spec.guidance_rescale);
        spec.guidance_start = self.guidance_start.unwrap_or(spec.guidance_start);
        spec.guidance_end = self.guidance_end.unwrap_or(spec.guidance_end);
        spec.eta = self.eta.unwrap_or(spec.eta);
        spec.windows = self.windows.unwrap_or(spec.windows);
        spec.tile = self.tile.map_or(spec.tile, Tile::from);
        spec.batch = self.batch.unwrap_or(1);
        spec.finish = self.finish.map_or(spec.finish, Into::into);
        spec.second_strength = self.second_strength.unwrap_or(spec.second_strength);
        spec.second_steps = self.second_steps.unwrap_or(spec.second_steps);
        spec.seed = self.seed.unwrap_or(spec.seed);
        let before = (spec.variation_strength > 0.0).then_some(spec.variation_seed);
        spec.variation_strength = self.variation.unwrap_or(spec.variation_strength);
        spec.variation_seed = match spec.variation_strength > 0.0 {
            true => (self.variation_seed.or(before)).unwrap_or_else(random::fresh_seed),
            false => 0,
        };
        if self.variation_seed.is_some() && spec.variation_strength == 0.0 {
            warn("without --variation, --variation-seed changes nothing".to_owned());
        }
        let recipe_px = recipe.as_ref().map(|_| [spec.width_px, spec.height_px]);
        let before = recipe
            .as_ref()
            .map_or_else(frame::Recipe::default, |recipe| {
                let frame = spec.frame.take();
                frame::Recipe {
                    framing: recipe.framing.unwrap_or_default(),
                    frame: frame.map(|frame| (frame, [spec.width_px, spec.height_px])),
                }
            });
        let used_mask = recipe.as_ref().is_some_and(|recipe| recipe.used_mask);
        let strength = recipe.filter(|recipe| recipe.tells(&STRENGTH));
        let strength = strength.map(|recipe| recipe.spec.strength);
        let most = self.pictures.read(&mut spec, warn)?;
        let factor = folder.first_stage_config()?.info().factor;
        let factor = u32::try_from(factor).unwrap_or(u32::MAX);
        let given_px = self.pictures.read_latents(&mut spec, factor, warn)?;
        if let (Some(given_px), None) = (given_px, &spec.init) {
            [spec.width_px, spec.height_px] = given_px;
        }
        self.conditions.read(&mut spec, &manifest, warn)?;
        self.class.read(&mut spec, &folder, &manifest, warn)?;
        let is_sized = self.width.is_some() || self.height.is_some();
        let framed = match spec.init {
            Some(_) => {
                let model = frame_model(&folder, &manifest)?;
                self.frame.cut(&mut spec, model, before, is_sized)?
            }
            None => None,
        };
        self.controls.read(&mut spec, framed.as_ref(), warn)?;
        if let (Some(path), true, None) = (&self.recipe, used_mask, &spec.mask) {
            return Err(needs_mask(path));
        }
        spec.strength = self.pictures.strength(&spec, strength, most, warn);
        spec.width_px = self.width.unwrap_or(spec.width_px);
        spec.height_px = self.height.unwrap_or(spec.height_px);
        // Wrong numbers are told before pictures are scaled to them.
        let without_inputs = GenerateSpec {
            init: None,
            mask: None,
            strengths: None,
            semantic: None,
            controls: Vec::new(),
            ..spec.clone()
        };
        without_inputs.validate()?;
        if framed.is_none() {
            scale_inputs(&mut spec);
        }
        let framed_by = framed.as_ref();
        self.conditions
            .fit(&mut spec, &manifest, recipe_px, framed_by, warn)?;
        ClassArgs::check(&spec, &folder, &manifest)?;
        spec.validate()?;
        Ok((spec, framed))
    }

    fn recipe_in(&self, path: &Path) -> Result<FoundRecipe, CliError> {
        let mut found = read_recipe(path)?.ok_or_else(|| CliError::NoRecipe(path.to_owned()))?;
        // Without its inputs the job would paint something else altogether.
        // What is empty in a frame is a mask too, which is known once it is cut.
        let is_framed = found.spec.frame.is_some() && self.pictures.has_init();
        if found.used_mask && !self.pictures.has_mask() && !is_framed {
            return Err(needs_mask(path));
        }
        if found.used_picture && !self.pictures.has_init() {
            return Err(CliError::RecipeNeeds(path.to_owned(), "--init"));
        }
        if self.pictures.has_latents_of(&found) {
            found.give_latents();
        }
        if self.sampler.is_none()
            && let Some(id) = &found.spec.sampler
            && let Err(error) = sampler_info(id)
        {
            // Other studios have samplers of their own; ours is one of a newer version.
            if found.form == RecipeForm::Velatura {
                return Err(error.into());
            }
            found.leave_sampler_out();
        }
        Ok(found)
    }
}

fn needs_mask(recipe: &Path) -> CliError {
    CliError::RecipeNeeds(recipe.to_owned(), "--init and --mask")
}

/// The model that painted the picture of a recipe. Another program's cannot be
/// here, so the shipped one paints instead.
fn model_of(
    path: &Path,
    recipe: &FoundRecipe,
    warn: &mut dyn FnMut(String),
) -> Result<ModelSource, CliError> {
    let name = recipe.model_name.as_deref().unwrap_or("?");
    let hash = recipe.model_hash.as_deref().unwrap_or_default();
    match library::painted_with(recipe, &[]) {
        PaintedWith::Same(source) => Ok(source),
        PaintedWith::Namesake(source) => {
            if !hash.is_empty() {
                warn(format!(
                    "\u{201c}{}\u{201d} was painted with other weights ({hash}) of the model \
                     \u{201c}{name}\u{201d}; the picture will be another",
                    path.display()
                ));
            }
            Ok(source)
        }
        PaintedWith::Unsaid => Ok(ModelSource::Storybook),
        PaintedWith::Unknown if recipe.form == RecipeForm::Velatura => {
            Err(CliError::UnknownModel {
                picture: path.to_owned(),
                name: name.to_owned(),
                hash: hash.to_owned(),
            })
        }
        PaintedWith::Unknown => {
            warn(format!(
                "\u{201c}{}\u{201d} was painted with the model \u{201c}{name}\u{201d} ({hash}), \
                 which is not known here; Storybook paints instead",
                path.display()
            ));
            Ok(ModelSource::Storybook)
        }
    }
}

/// Where a model lies.
fn folder_of(model: &ModelSource) -> Result<ModelFolder, CliError> {
    Ok(match model {
        ModelSource::Folder(folder) => ModelFolder::open(folder)?,
        ModelSource::Described { file, yaml } => ModelFolder::open_with(file, Some(yaml))?,
        ModelSource::Storybook => {
            ModelFolder::open(folders::storybook_model().ok_or(CliError::NoStorybook)?)?
        }
    })
}

/// What a frame has to know of a model.
fn frame_model(folder: &ModelFolder, manifest: &Manifest) -> Result<FrameModel, CliError> {
    let multiple = folder.first_stage_config()?.info().factor;
    Ok(FrameModel {
        native_px: manifest.resolution_px,
        multiple_px: u32::try_from(multiple).unwrap_or(u32::MAX),
        composes: folder.has_layout_prior(),
    })
}

/// The settings that suit a model.
fn defaults_of(manifest: &Manifest) -> GenerateSpec {
    GenerateSpec {
        steps: manifest.default_steps,
        guidance_scale: manifest.default_guidance_scale,
        guidance_start: manifest.default_guidance_start,
        width_px: manifest.resolution_px,
        height_px: manifest.resolution_px,
        places_boxes: true,
        ..Default::default()
    }
}

#[cfg(test)]
mod condition_tests;
#[cfg(test)]
mod frame_tests;
#[cfg(test)]
mod tests;
