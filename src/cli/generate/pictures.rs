//! The picture of `velatura generate` that is repainted, and its masks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use image::imageops::{self, FilterType};
use image::{GrayImage, Pixel as _, RgbaImage};

use super::args::help;
use crate::cli::{CliError, latents};
use crate::frame::MaskUnion;
use crate::recipe::param::{FEATHER, STRENGTH};
use crate::recipe::{
    FoundRecipe, GenerateSpec, ImageInput, Latents, MaskInput, SpecError, open_picture,
    scale_picture,
};

/// What is repainted, and how strongly.
#[derive(Debug, Args)]
pub(in crate::cli) struct PictureArgs {
    /// Picture to start from
    #[arg(long, value_name = "IMG")]
    init: Option<PathBuf>,
    /// Repaint only where this picture is white; may be given several times, each with
    /// a strength of its own after a colon, from 0 to 1
    #[arg(long, value_name = "IMG[:STRENGTH]", requires = "init")]
    mask: Vec<PathBuf>,
    /// Repaint what is grey in a mask as much less strongly; without it a mask acts fully
    /// from half coverage on
    #[arg(long, requires = "mask")]
    gradual: bool,
    #[arg(long, value_name = "PX", requires = "mask", help = help(&FEATHER, "4"))]
    feather: Option<f32>,
    #[arg(long, help = help(&STRENGTH, "0.75, or 1 inside a mask"))]
    strength: Option<f32>,
    /// Begin with this noise instead of that of the seed: a safetensors file with the
    /// tensor "latents", F32 [1, c, h, w], of deviation 1; all other noise is the seed's
    #[arg(long, value_name = "FILE")]
    initial_noise: Option<PathBuf>,
    /// Start from these latents instead of those of a picture: such a file, scaled as
    /// --save-latents writes them
    #[arg(long, value_name = "FILE")]
    initial_latents: Option<PathBuf>,
}

impl PictureArgs {
    pub(super) fn has_init(&self) -> bool {
        self.init.is_some()
    }

    pub(super) fn has_mask(&self) -> bool {
        !self.mask.is_empty()
    }

    /// Whether the noise or latents that a recipe misses are given.
    pub(super) fn has_latents_of(&self, recipe: &FoundRecipe) -> bool {
        // Older ones do not say which of both they were.
        let has_noise = self.initial_noise.is_some() && !recipe.used_latents;
        self.initial_latents.is_some() || has_noise
    }

    /// Reads the files of noise and latents, once pictures are read. The answer is the
    /// size of their picture, for a model that makes a latent of so many pixels of a side.
    ///
    /// # Errors
    /// If one cannot be read or holds anything else.
    pub(super) fn read_latents(
        &self,
        spec: &mut GenerateSpec,
        factor: u32,
        warn: &mut dyn FnMut(String),
    ) -> Result<Option<[u32; 2]>, CliError> {
        let read = |path: &Option<PathBuf>| -> Result<Option<Arc<Latents>>, CliError> {
            let latents = path.as_deref().map(latents::read_exactly).transpose()?;
            Ok(latents.map(Arc::new))
        };
        spec.initial_noise = read(&self.initial_noise)?;
        spec.initial_latents = read(&self.initial_latents)?;
        if spec.initial_latents.is_some() && spec.init.is_some() && spec.mask.is_none() {
            warn(
                "the picture begins with --initial-latents; of --init only the size counts".into(),
            );
        }
        let given = spec
            .initial_latents
            .as_ref()
            .or(spec.initial_noise.as_ref());
        let side = |places: usize| u32::try_from(places).unwrap_or(u32::MAX);
        Ok(given.map(|latents| {
            let [_, _, height, width] = latents.shape;
            [width, height].map(|places| side(places).saturating_mul(factor))
        }))
    }

    /// Reads the files. The answer is the strength of the strongest mask, as a part of
    /// the job's.
    pub(super) fn read(
        &self,
        spec: &mut GenerateSpec,
        warn: &mut dyn FnMut(String),
    ) -> Result<f32, CliError> {
        let mut read = |path: &Path| -> Result<RgbaImage, CliError> {
            let opened = open_picture(path)?;
            for warning in opened.warnings {
                warn(warning.to_string());
            }
            Ok(opened.image)
        };
        let Some(path) = &self.init else {
            return Ok(1.0);
        };
        let picture = read(path)?;
        let image_px = picture.dimensions();
        (spec.width_px, spec.height_px) = image_px;
        spec.init = Some(ImageInput(Arc::new(picture)));
        let mut masks = Vec::new();
        for given in &self.mask {
            let (path, strength) = with_strength(given)?;
            let mask = coverage_of(&read(path)?);
            if mask.dimensions() != image_px {
                return Err(CliError::Spec(SpecError::MaskSize {
                    mask_px: mask.dimensions().into(),
                    image_px: image_px.into(),
                }));
            }
            masks.push((mask, strength));
        }
        let masks: Vec<_> = masks
            .iter()
            .map(|(mask, strength)| (mask, *strength))
            .collect();
        // That of a recipe stays.
        spec.gradual_mask |= self.gradual;
        let union = if spec.gradual_mask {
            MaskUnion::gradual(&masks)
        } else {
            MaskUnion::of(&masks)
        };
        let Some(union) = union else {
            return Ok(1.0);
        };
        spec.mask = Some(MaskInput(Arc::new(union.mask)));
        spec.strengths = union.strengths.map(|it| MaskInput(Arc::new(it)));
        spec.feather_px = self.feather.unwrap_or(spec.feather_px);
        Ok(union.strength)
    }

    /// How much of the picture is repainted, given what a recipe says of it, which knows
    /// its masks, and the strength of the strongest mask.
    pub(super) fn strength(
        &self,
        spec: &GenerateSpec,
        recipe: Option<f32>,
        most: f32,
        warn: &mut dyn FnMut(String),
    ) -> f32 {
        let has_start = self.has_init() || self.initial_latents.is_some();
        // What is no strength is refused, and 1 is what such a picture begins with.
        let is_less = self.strength.is_some_and(|it| (0.0..1.0).contains(&it));
        if is_less && !has_start {
            warn(
                "there is no picture to begin with, so that --strength changes nothing".to_owned(),
            );
        }
        let usual = match (has_start, &spec.mask) {
            (true, None) => 0.75,
            _ => 1.0,
        };
        match (self.strength, recipe.filter(|_| has_start)) {
            (Some(given), _) => given * most,
            (None, Some(before)) => before,
            (None, None) => usual * most,
        }
    }
}

/// The file of a mask, and the strength that stands behind its name. A file of the whole
/// name comes first.
fn with_strength(given: &Path) -> Result<(&Path, f32), CliError> {
    let split = given.to_str().and_then(|text| text.rsplit_once(':'));
    let Some((path, number)) =
        split.filter(|(path, _)| !given.exists() && Path::new(path).exists())
    else {
        return Ok((given, 1.0));
    };
    match STRENGTH.allowed.read(number) {
        Some(strength) => Ok((Path::new(path), strength.as_f32())),
        None => Err(CliError::MaskStrength {
            path: path.into(),
            given: number.to_owned(),
        }),
    }
}

/// Scales input pictures to the size asked for.
pub(super) fn scale_inputs(spec: &mut GenerateSpec) {
    let (width_px, height_px) = (spec.width_px, spec.height_px);
    let Some(ImageInput(picture)) = &mut spec.init else {
        return;
    };
    if picture.dimensions() == (width_px, height_px) {
        return;
    }
    *picture = Arc::new(scale_picture(picture, width_px, height_px));
    for MaskInput(coverage) in [&mut spec.mask, &mut spec.strengths].into_iter().flatten() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strength_of_a_mask_stands_behind_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("m.png"), "").unwrap();
        let read = |name: &str| {
            let path = at(name);
            let (file, strength) = with_strength(&path)?;
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            Ok::<_, CliError>((name, strength))
        };
        assert_eq!(read("m.png").unwrap(), ("m.png".to_owned(), 1.0));
        assert_eq!(read("m.png:0.4").unwrap(), ("m.png".to_owned(), 0.4));
        // Nothing is there but a name, which is told as it was given.
        assert_eq!(read("n.png:0.4").unwrap().0, "n.png:0.4");
        for strength in ["NaN", "2", "-1", "much", ""] {
            let told = read(&format!("m.png:{strength}")).unwrap_err().to_string();
            assert!(told.contains("between 0 and 1"), "{told}");
        }
        #[cfg(unix)]
        {
            std::fs::write(at("m.png:0.4"), "").unwrap();
            assert_eq!(read("m.png:0.4").unwrap(), ("m.png:0.4".to_owned(), 1.0));
        }
    }
}
