//! From the options of `velatura generate` to the job they describe.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use image::imageops::{self, FilterType};
use image::{GrayImage, Pixel as _, RgbaImage};

use crate::cli::model_name::find_model;
use crate::cli::{CliError, DeviceArg, Precision};
use crate::diffusion::{SAMPLERS, sampler_info};
use crate::folders;
use crate::model::{ModelFolder, StudioConfig};
use crate::random;
use crate::recipe::{
    GenerateSpec, ImageInput, MaskInput, ModelSource, RecipeForm, SamplerId, open_picture,
    read_recipe,
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
    /// Number of sampling steps [default: the model's]
    #[arg(long)]
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
    /// Scale of classifier-free guidance, up to 1 for none [default: the model's]
    #[arg(long, value_name = "SCALE")]
    cfg_scale: Option<f32>,
    /// Randomness of DDIM, from 0 (none) to 1
    #[arg(long)]
    eta: Option<f32>,
    /// Seed of the noise [default: a random one]
    #[arg(long)]
    seed: Option<u64>,
    /// Width in pixels [default: the input picture's, or the model's]
    #[arg(long, value_name = "PX")]
    width: Option<u32>,
    /// Height in pixels [default: the input picture's, or the model's]
    #[arg(long, value_name = "PX")]
    height: Option<u32>,
    /// Picture to start from
    #[arg(long, value_name = "IMG")]
    init: Option<PathBuf>,
    /// Repaint only where this picture is white
    #[arg(long, value_name = "IMG", requires = "init")]
    mask: Option<PathBuf>,
    /// Width in pixels of the soft edge inside the mask
    #[arg(long, value_name = "PX", default_value_t = 4.0, requires = "mask")]
    feather: f32,
    /// How much of the input picture is repainted, from 0 to 1 [default: 0.75,
    /// or 1 inside a mask]
    #[arg(long)]
    strength: Option<f32>,
    /// Number of pictures; each has the next seed
    #[arg(long)]
    batch: Option<u32>,
    /// Take the settings from a picture painted before; other options given
    /// here come first
    #[arg(long, value_name = "IMG")]
    recipe: Option<PathBuf>,
    /// File to write, ending in .png, .jpg or .webp; pictures of a batch are
    /// numbered [default: a dated file in the folder for pictures]
    #[arg(short, long, value_name = "FILE")]
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

fn sampler_parser() -> impl clap::builder::TypedValueParser<Value = SamplerId> {
    PossibleValuesParser::new(SAMPLERS.iter().map(|info| info.id)).map(SamplerId::from)
}

impl GenerateArgs {
    /// The job that the options describe, with inputs read from their files.
    ///
    /// # Errors
    /// When a file cannot be read or a number is out of its range.
    pub(super) fn spec(&self) -> Result<GenerateSpec, CliError> {
        let recipe = self
            .recipe
            .as_deref()
            .map(|path| self.recipe_in(path))
            .transpose()?;
        let model = match (&self.model, &recipe) {
            (Some(named), _) => ModelSource::Folder(find_model(named)?),
            (None, Some(recipe)) => recipe.model.clone(),
            (None, None) => ModelSource::Storybook,
        };
        let from_recipe = recipe.is_some();
        let mut spec = match recipe {
            Some(recipe) => recipe,
            None => defaults_of(&model)?,
        };
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
        spec.seed = match self.seed {
            Some(seed) => seed,
            None if from_recipe => spec.seed,
            None => random::fresh_seed(),
        };
        self.read_inputs(&mut spec, from_recipe)?;
        spec.width_px = self.width.unwrap_or(spec.width_px);
        spec.height_px = self.height.unwrap_or(spec.height_px);
        // Wrong numbers are told before pictures are scaled to them.
        let without_inputs = GenerateSpec {
            init: None,
            mask: None,
            ..spec.clone()
        };
        without_inputs.validate()?;
        scale_inputs(&mut spec);
        spec.validate()?;
        Ok(spec)
    }

    fn recipe_in(&self, path: &Path) -> Result<GenerateSpec, CliError> {
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
            log::warn!("{error}; the model's own is taken");
            found.spec.sampler = None;
        }
        Ok(found.spec)
    }

    fn read_inputs(&self, spec: &mut GenerateSpec, from_recipe: bool) -> Result<(), CliError> {
        let Some(path) = &self.init else {
            spec.strength = self.strength.unwrap_or(1.0);
            return Ok(());
        };
        let picture = open_picture(path)?.image;
        (spec.width_px, spec.height_px) = picture.dimensions();
        spec.init = Some(ImageInput(Arc::new(picture)));
        if let Some(path) = &self.mask {
            spec.mask = Some(MaskInput {
                coverage: Arc::new(coverage_of(&open_picture(path)?.image)),
                feather_px: self.feather,
            });
        }
        let usual = match (from_recipe, &spec.mask) {
            (true, _) => spec.strength,
            (false, Some(_)) => 1.0,
            (false, None) => 0.75,
        };
        spec.strength = self.strength.unwrap_or(usual);
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
    *picture = Arc::new(imageops::resize(
        picture.as_ref(),
        width_px,
        height_px,
        FilterType::Lanczos3,
    ));
    if let Some(mask) = &mut spec.mask
        && mask.coverage.dimensions() == size_px
    {
        let coverage = mask.coverage.as_ref();
        let scaled = imageops::resize(coverage, width_px, height_px, FilterType::Triangle);
        mask.coverage = Arc::new(scaled);
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

/// The settings that suit a model.
fn defaults_of(model: &ModelSource) -> Result<GenerateSpec, CliError> {
    let folder = match model {
        ModelSource::Folder(folder) => folder.clone(),
        ModelSource::Storybook => folders::storybook_model().ok_or(CliError::NoStorybook)?,
    };
    let StudioConfig {
        resolution_px,
        default_steps,
        default_guidance_scale,
        ..
    } = ModelFolder::open(folder)?.studio();
    Ok(GenerateSpec {
        steps: default_steps,
        guidance_scale: default_guidance_scale,
        width_px: resolution_px,
        height_px: resolution_px,
        ..Default::default()
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use image::Rgba;

    use super::*;
    use crate::cli::{Cli, Command};
    use crate::recipe::{PaintedRecipe, SaveOptions, save_picture};

    const MODEL: &str = "tests/data/reference/sd1-tiny";

    fn args(options: &[&str]) -> GenerateArgs {
        let line = ["velatura", "generate", "--model", MODEL].into_iter();
        let cli = Cli::try_parse_from(line.chain(options.iter().copied())).unwrap();
        match cli.command {
            Some(Command::Generate(args)) => args,
            other => panic!("not a generate command: {other:?}"),
        }
    }

    #[test]
    fn every_option_ends_in_the_spec() {
        let options = "--negative-prompt fog --steps 12 --sampler euler --karras --cfg-scale 6.5 \
            --seed 1234 --width 192 --height 96 --eta 0.5 --batch 3 --strength 0.9 --prompt";
        let options: Vec<_> = options.split_whitespace().chain(["a red barn"]).collect();
        let expected = GenerateSpec {
            model: ModelSource::Folder(MODEL.into()),
            prompt: "a red barn".to_owned(),
            negative_prompt: "fog".to_owned(),
            sampler: Some(SamplerId::new("euler")),
            karras: Some(true),
            steps: 12,
            guidance_scale: 6.5,
            eta: 0.5,
            seed: 1234,
            width_px: 192,
            height_px: 96,
            strength: 0.9,
            batch: 3,
            init: None,
            mask: None,
        };
        assert_eq!(args(&options).spec().unwrap(), expected);
    }

    #[test]
    fn what_is_not_given_comes_from_the_model() {
        let spec = args(&[]).spec().unwrap();
        let studio = ModelFolder::open(MODEL).unwrap().studio();
        assert_eq!(spec.width_px, studio.resolution_px);
        assert_eq!(spec.steps, studio.default_steps);
        assert_eq!(spec.guidance_scale, studio.default_guidance_scale);
        assert_eq!((spec.sampler, spec.karras), (None, None));
        assert_eq!(args(&["--no-karras"]).spec().unwrap().karras, Some(false));
        assert_eq!(
            args(&["--no-karras", "--karras"]).spec().unwrap().karras,
            Some(true)
        );
    }

    #[test]
    fn inputs_are_read_and_scaled_together() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, image: RgbaImage| {
            let path = folder.path().join(name);
            save_picture(&path, &image, None, &SaveOptions::default()).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let init = file(
            "init.png",
            RgbaImage::from_pixel(32, 16, Rgba([9, 9, 9, 255])),
        );
        let mask = file(
            "mask.png",
            RgbaImage::from_fn(32, 16, |x, y| match (x < 16, y < 8) {
                (true, _) => Rgba([0, 0, 0, 255]),
                (false, true) => Rgba([255; 4]),
                (false, false) => Rgba([255, 255, 255, 0]),
            }),
        );

        let spec = args(&["--init", &init]).spec().unwrap();
        assert_eq!(
            (spec.width_px, spec.height_px, spec.strength),
            (32, 16, 0.75)
        );

        let spec = args(&["--init", &init, "--mask", &mask]).spec().unwrap();
        assert_eq!(spec.strength, 1.0);
        let coverage = spec.mask.unwrap().coverage;
        let at = |x, y| coverage.get_pixel(x, y)[0];
        assert_eq!([at(2, 2), at(30, 2), at(30, 12)], [0, 255, 0]);

        let options = [
            "--init", &init, "--mask", &mask, "--width", "64", "--height", "32",
        ];
        let spec = args(&options).spec().unwrap();
        assert_eq!(spec.init.unwrap().0.dimensions(), (64, 32));
        assert_eq!(spec.mask.unwrap().coverage.dimensions(), (64, 32));

        let small = file("small.png", RgbaImage::new(16, 16));
        let error = args(&["--init", &init, "--mask", &small])
            .spec()
            .unwrap_err();
        assert!(error.to_string().contains("same size"), "{error}");
    }

    #[test]
    fn a_recipe_gives_the_settings_and_options_come_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.png");
        let old = GenerateSpec {
            model: ModelSource::Folder("elsewhere".into()),
            prompt: "a pond".to_owned(),
            steps: 7,
            seed: 5,
            ..Default::default()
        };
        let recipe = PaintedRecipe::new(old.clone(), "m", "h");
        let options = SaveOptions::default();
        save_picture(&path, &RgbaImage::new(8, 8), Some(&recipe), &options).unwrap();

        let named = path.to_str().unwrap();
        let line = ["velatura", "generate", "--recipe", named, "--steps", "9"];
        let Some(Command::Generate(again)) = Cli::try_parse_from(line).unwrap().command else {
            panic!("not a generate command");
        };
        assert_eq!(again.spec().unwrap(), GenerateSpec { steps: 9, ..old });

        save_picture(&path, &RgbaImage::new(8, 8), None, &options).unwrap();
        let error = args(&["--recipe", named]).spec().unwrap_err();
        assert!(matches!(error, CliError::NoRecipe(_)), "{error}");
    }

    #[test]
    fn a_recipe_with_an_input_picture_asks_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.png");
        let picture = RgbaImage::new(8, 8);
        let old = GenerateSpec {
            strength: 0.4,
            init: Some(ImageInput(Arc::new(picture.clone()))),
            ..Default::default()
        };
        let recipe = PaintedRecipe::new(old, "m", "h");
        save_picture(&path, &picture, Some(&recipe), &SaveOptions::default()).unwrap();
        let named = path.to_str().unwrap();
        let error = args(&["--recipe", named]).spec().unwrap_err();
        assert!(error.to_string().contains("--init"), "{error}");
        let spec = args(&["--recipe", named, "--init", named]).spec().unwrap();
        assert_eq!(spec.strength, 0.4);
    }

    #[test]
    fn wrong_numbers_and_names_are_refused_before_anything_is_loaded() {
        let error = args(&["--steps", "0"]).spec().unwrap_err();
        assert!(error.to_string().contains("steps"), "{error}");
        let error = args(&["--width", "4"]).spec().unwrap_err();
        assert!(error.to_string().contains("4 ×"), "{error}");
        let line = ["velatura", "generate", "--sampler", "lms"];
        assert!(Cli::try_parse_from(line).is_err());
        assert!(Cli::try_parse_from(["velatura", "generate", "--mask", "m.png"]).is_err());
    }
}
