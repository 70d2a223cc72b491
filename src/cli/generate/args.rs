//! From the options of `velatura generate` to the job they describe.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, ValueEnum};
use image::imageops::{self, FilterType};
use image::{GrayImage, Pixel as _, RgbaImage};

use super::conditions::ConditionArgs;
use crate::cli::model_name::find_model;
use crate::cli::{CliError, DeviceArg, Precision};
use crate::diffusion::{SAMPLERS, sampler_info};
use crate::engine::library::{self, PaintedWith};
use crate::folders;
use crate::model::{Manifest, ModelFolder};
use crate::random;
use crate::recipe::param::{
    BATCH, ETA, FEATHER, GUIDANCE, HEIGHT, Number, SEED, STEPS, STRENGTH, WIDTH,
};
use crate::recipe::{
    Finish, FoundRecipe, GenerateSpec, ImageInput, MaskInput, ModelSource, RecipeForm, SamplerId,
    open_picture, read_recipe, scale_picture,
};

/// What `velatura generate` takes.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// Folder of a model in diffusers layout, or its name among the models
    /// listed by `velatura models` [default: the Storybook model]
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// What to paint
    #[arg(short, long)]
    prompt: Option<String>,
    /// What to steer away from
    #[arg(short, long)]
    negative_prompt: Option<String>,
    #[arg(long, help = help(&STEPS, "the model's"))]
    steps: Option<u32>,
    /// Sampling algorithm [default: the model's]
    #[arg(long, value_parser = sampler_parser())]
    sampler: Option<SamplerId>,
    /// Take the noise levels of Karras et al. 2022
    #[arg(long, overrides_with = "no_karras")]
    karras: bool,
    /// Take the plain noise levels, even if the model asks for Karras
    #[arg(long)]
    no_karras: bool,
    #[arg(long, value_name = "SCALE", help = help(&GUIDANCE, "the model's"))]
    cfg_scale: Option<f32>,
    #[arg(long, help = help(&ETA, "0"))]
    eta: Option<f32>,
    #[arg(long, help = help(&SEED, "a random one"))]
    seed: Option<u64>,
    #[arg(long, value_name = "PX", help = help(&WIDTH, SIZE_DEFAULT))]
    width: Option<u32>,
    #[arg(long, value_name = "PX", help = help(&HEIGHT, SIZE_DEFAULT))]
    height: Option<u32>,
    /// Picture to start from
    #[arg(long, value_name = "IMG")]
    init: Option<PathBuf>,
    /// Repaint only where this picture is white
    #[arg(long, value_name = "IMG", requires = "init")]
    mask: Option<PathBuf>,
    #[arg(long, value_name = "PX", requires = "mask", help = help(&FEATHER, "4"))]
    feather: Option<f32>,
    #[arg(long, help = help(&STRENGTH, "0.75, or 1 inside a mask"))]
    strength: Option<f32>,
    #[command(flatten)]
    conditions: ConditionArgs,
    /// Make the painted picture four times as large, crisply [default: the recipe's, or none]
    #[arg(long, value_enum, value_name = "HOW")]
    finish: Option<FinishArg>,
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
    /// Print lines of JSON instead of text
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// What is done with a painted picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FinishArg {
    /// Nothing
    None,
    /// Four times the width and height
    X4,
}

/// Where width and height come from if they are not given.
const SIZE_DEFAULT: &str = "the input picture's, or the model's";

/// The help of an option that sets a number.
fn help(number: &Number, default: &str) -> String {
    let Number { hint, allowed, .. } = number;
    format!("{hint}; {allowed} [default: {default}]")
}

fn sampler_parser() -> impl clap::builder::TypedValueParser<Value = SamplerId> {
    PossibleValuesParser::new(SAMPLERS.iter().map(|info| info.id)).map(SamplerId::from)
}

impl GenerateArgs {
    /// The job that the options describe, with inputs read from their files.
    /// `warn` is told what of a recipe or picture had to be passed over.
    ///
    /// # Errors
    /// When a file cannot be read, a number is out of its range, or a recipe
    /// cannot be repeated here.
    pub(super) fn spec(&self, warn: &mut dyn FnMut(String)) -> Result<GenerateSpec, CliError> {
        let recipe = self
            .recipe
            .as_deref()
            .map(|path| self.recipe_in(path))
            .transpose()?;
        let model = match (&self.model, &self.recipe, &recipe) {
            (Some(named), _, _) => ModelSource::Folder(find_model(named)?),
            (None, Some(path), Some(recipe)) => model_of(path, recipe, warn)?,
            (None, _, _) => ModelSource::Storybook,
        };
        let manifest = manifest_of(&model)?;
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

        if let Some(prompt) = &self.prompt {
            spec.prompt.clone_from(prompt);
        }
        if let Some(negative) = &self.negative_prompt {
            spec.negative_prompt.clone_from(negative);
        }
        spec.sampler = self.sampler.clone().or(spec.sampler);
        if self.karras || self.no_karras {
            spec.karras = Some(self.karras);
        }
        spec.steps = self.steps.unwrap_or(spec.steps);
        spec.guidance_scale = self.cfg_scale.unwrap_or(spec.guidance_scale);
        spec.eta = self.eta.unwrap_or(spec.eta);
        spec.batch = self.batch.unwrap_or(1);
        spec.finish = match self.finish {
            Some(FinishArg::None) => None,
            Some(FinishArg::X4) => Some(Finish::X4),
            None => spec.finish,
        };
        spec.seed = self.seed.unwrap_or(spec.seed);
        let recipe_px = recipe.as_ref().map(|_| [spec.width_px, spec.height_px]);
        let strength = recipe.filter(|recipe| recipe.tells(&STRENGTH));
        let strength = strength.map(|recipe| recipe.spec.strength);
        self.read_inputs(&mut spec, strength, warn)?;
        self.conditions.read(&mut spec, &manifest, warn)?;
        spec.width_px = self.width.unwrap_or(spec.width_px);
        spec.height_px = self.height.unwrap_or(spec.height_px);
        // Wrong numbers are told before pictures are scaled to them.
        let without_inputs = GenerateSpec {
            init: None,
            mask: None,
            strengths: None,
            semantic: None,
            ..spec.clone()
        };
        without_inputs.validate()?;
        scale_inputs(&mut spec);
        self.conditions.fit(&mut spec, &manifest, recipe_px, warn)?;
        spec.validate()?;
        Ok(spec)
    }

    fn recipe_in(&self, path: &Path) -> Result<FoundRecipe, CliError> {
        let mut found = read_recipe(path)?.ok_or_else(|| CliError::NoRecipe(path.to_owned()))?;
        // Without its inputs the job would paint something else altogether.
        if found.used_mask && self.mask.is_none() {
            return Err(CliError::RecipeNeeds(path.to_owned(), "--init and --mask"));
        }
        if found.used_picture && self.init.is_none() {
            return Err(CliError::RecipeNeeds(path.to_owned(), "--init"));
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

    /// Reads the input pictures. `recipe_strength` is that of the recipe's.
    fn read_inputs(
        &self,
        spec: &mut GenerateSpec,
        recipe_strength: Option<f32>,
        warn: &mut dyn FnMut(String),
    ) -> Result<(), CliError> {
        let mut read = |path: &Path| -> Result<RgbaImage, CliError> {
            let opened = open_picture(path)?;
            for warning in opened.warnings {
                warn(warning.to_string());
            }
            Ok(opened.image)
        };
        let Some(path) = &self.init else {
            spec.strength = self.strength.unwrap_or(1.0);
            return Ok(());
        };
        let picture = read(path)?;
        (spec.width_px, spec.height_px) = picture.dimensions();
        spec.init = Some(ImageInput(Arc::new(picture)));
        if let Some(path) = &self.mask {
            let coverage = coverage_of(&read(path)?);
            spec.mask = Some(MaskInput(Arc::new(coverage)));
            spec.feather_px = self.feather.unwrap_or(spec.feather_px);
        }
        let usual = if spec.mask.is_some() { 1.0 } else { 0.75 };
        spec.strength = self.strength.or(recipe_strength).unwrap_or(usual);
        Ok(())
    }
}

/// Scales input pictures to the size asked for. A mask that does not fit its
/// picture stays as it is, for [`GenerateSpec::validate`] to refuse.
fn scale_inputs(spec: &mut GenerateSpec) {
    let (width_px, height_px) = (spec.width_px, spec.height_px);
    let Some(ImageInput(picture)) = &mut spec.init else {
        return;
    };
    let size_px = picture.dimensions();
    if size_px == (width_px, height_px) {
        return;
    }
    *picture = Arc::new(scale_picture(picture, width_px, height_px));
    if let Some(MaskInput(coverage)) = &mut spec.mask
        && coverage.dimensions() == size_px
    {
        let scaled = imageops::resize(coverage.as_ref(), width_px, height_px, FilterType::Triangle);
        *coverage = Arc::new(scaled);
    }
}

/// White repaints, black keeps; transparent pixels keep too.
fn coverage_of(mask: &RgbaImage) -> GrayImage {
    GrayImage::from_fn(mask.width(), mask.height(), |x, y| {
        let pixel = mask.get_pixel(x, y);
        let covered = u32::from(pixel.to_luma()[0]) * u32::from(pixel[3]);
        // At most (255 · 255 + 127) / 255 = 255.
        image::Luma([((covered + 127) / 255) as u8])
    })
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

/// What a model can be asked for, and how.
fn manifest_of(model: &ModelSource) -> Result<Manifest, CliError> {
    let folder = match model {
        ModelSource::Folder(folder) => folder.clone(),
        ModelSource::Storybook => folders::storybook_model().ok_or(CliError::NoStorybook)?,
    };
    Ok(ModelFolder::open(folder)?.manifest())
}

/// The settings that suit a model.
fn defaults_of(manifest: &Manifest) -> GenerateSpec {
    GenerateSpec {
        steps: manifest.default_steps,
        guidance_scale: manifest.default_guidance_scale,
        width_px: manifest.resolution_px,
        height_px: manifest.resolution_px,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests;
