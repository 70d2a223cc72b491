//! The frame of `velatura generate`: which part of the picture is seen and painted.

use std::sync::Arc;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use image::RgbaImage;

use crate::cli::CliError;
use crate::frame::{
    FrameModel, Repaint, around_mask, cut_mask, cut_picture, grown_px, join_empty, mask_bounds,
    painted_px, surroundings, usual_padding_px, with_patch,
};
use crate::geometry::CanvasRect;
use crate::recipe::{
    FrameSpec, Framing, GenerateSpec, ImageInput, Infill, MAX_SIDE_PX, MaskInput, MaskedContent,
};

/// Which part of a picture is painted, and what stands there at first.
#[derive(Debug, Args)]
pub(in crate::cli) struct FrameArgs {
    /// Part of the picture that the model sees and paints, at the size that suits it:
    /// x,y,width,height in pixels of the picture, which grows where that reaches over
    /// its edges; mask for the mask with its surroundings; or full
    /// [default: mask where there is one, the picture is larger than the model's, and
    /// neither a size, tiling, guide nor latents are given, else full]
    #[arg(
        long,
        value_name = "X,Y,W,H|mask|full",
        requires = "init",
        allow_hyphen_values = true,
        value_parser = frame
    )]
    frame: Option<Frame>,
    /// Pixels of the picture that are seen around the mask [default: a quarter of its
    /// longer side, or of the model's]
    #[arg(
        long,
        value_name = "PX",
        requires = "mask",
        value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_SIDE_PX))
    )]
    padding: Option<u32>,
    /// What stands at first where the picture has nothing [default: edge-colour]
    #[arg(long, value_name = "KIND", requires = "init", value_parser = named(&Infill::ALL, Infill::id))]
    infill: Option<Infill>,
    /// What stands at first inside the mask; seen where the strength is below 1
    /// [default: original]
    #[arg(
        long,
        value_name = "KIND",
        requires = "mask",
        value_parser = named(&MaskedContent::ALL, MaskedContent::id)
    )]
    masked_content: Option<MaskedContent>,
}

/// A frame as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    Mask,
    Full,
    Rect([i32; 2], [u32; 2]),
}

/// Reads a frame as it is typed.
fn frame(text: &str) -> Result<Frame, String> {
    match text {
        "mask" => return Ok(Frame::Mask),
        "full" => return Ok(Frame::Full),
        _ => {}
    }
    let usage = "give it as x,y,width,height in whole pixels, as mask, or as full";
    let numbers: Option<Vec<i64>> = text.split(',').map(|it| it.trim().parse().ok()).collect();
    let Some([x, y, width, height]) = numbers.as_deref() else {
        return Err(usage.to_owned());
    };
    let corner = [i32::try_from(*x), i32::try_from(*y)];
    let size = [u32::try_from(*width), u32::try_from(*height)];
    match (corner, size) {
        ([Ok(x), Ok(y)], [Ok(width), Ok(height)]) => Ok(Frame::Rect([x, y], [width, height])),
        _ => Err(format!("no picture is there; {usage}")),
    }
}

/// Reads a kind by its name.
fn named<T: Copy + Send + Sync + 'static>(
    all: &'static [T],
    id: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(all.iter().map(|kind| id(*kind))).try_map(move |text| {
        let found = all.iter().copied().find(|kind| id(*kind) == text);
        found.ok_or("there is no such kind")
    })
}

/// The picture of a job, and the part of it that is painted.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cli) struct Framed {
    /// All of the picture.
    pub canvas: ImageInput,
    /// The part.
    pub rect: CanvasRect,
}

impl Framed {
    /// Width and height of all of the picture.
    pub fn picture_px(&self) -> [u32; 2] {
        self.canvas.0.dimensions().into()
    }

    /// The picture with the part painted.
    pub fn with(&self, patch: &RgbaImage) -> RgbaImage {
        with_patch(&self.canvas.0, self.rect, patch)
    }
}

impl FrameArgs {
    /// Finds the frame and cuts picture and masks to it; the size that is painted
    /// becomes that of the job. `recipe` is what a recipe says of its own frame.
    ///
    /// A job without a frame stays as it is.
    pub(super) fn cut(
        &self,
        spec: &mut GenerateSpec,
        model: FrameModel,
        recipe: Recipe,
        is_sized: bool,
    ) -> Result<Option<Framed>, CliError> {
        let Some(canvas) = spec.init.clone() else {
            return Ok(None);
        };
        let picture_px = <[u32; 2]>::from(canvas.0.dimensions());
        if spec
            .mask
            .as_ref()
            .is_some_and(|mask| mask.0.dimensions() != canvas.0.dimensions())
        {
            // Refused when the job is checked.
            return Ok(None);
        }
        let Some((frame, painted_px)) = self.placed(spec, picture_px, model, recipe, is_sized)?
        else {
            return Ok(None);
        };
        frame.validate().map_err(crate::recipe::SpecError::from)?;
        let rect = frame.rect();
        if rect
            .intersect(&CanvasRect::from_size(picture_px))
            .is_empty()
        {
            return Err(CliError::FrameOutside { frame, picture_px });
        }
        let grown_px = grown_px(picture_px, rect);
        if grown_px.iter().any(|side| *side > MAX_SIDE_PX) {
            return Err(CliError::TooGrown(grown_px));
        }
        let part = cut_picture(&canvas.0, rect);
        let mask = spec.mask.take().map(|mask| cut_mask(&mask.0, rect));
        let strengths = spec.strengths.take();
        match Repaint::of(&part, mask.as_ref(), rect, picture_px) {
            Repaint::New => spec.init = None,
            Repaint::Whole => spec.init = Some(ImageInput(Arc::new(part))),
            Repaint::Inside(mask) => {
                spec.strengths = strengths.map(|strengths| {
                    let mut strengths = cut_mask(&strengths.0, rect);
                    join_empty(&mut strengths, &part);
                    MaskInput(Arc::new(strengths))
                });
                spec.mask = Some(MaskInput(Arc::new(mask)));
                spec.init = Some(ImageInput(Arc::new(part)));
                let around = surroundings(picture_px, rect, |part| cut_picture(&canvas.0, part));
                spec.around = around.map(|around| ImageInput(Arc::new(around)));
            }
            Repaint::Nowhere => return Err(CliError::MaskElsewhere),
        }
        spec.frame = Some(frame);
        [spec.width_px, spec.height_px] = painted_px;
        Ok(Some(Framed { canvas, rect }))
    }

    /// Where the frame lies, and the size at which it is painted.
    fn placed(
        &self,
        spec: &GenerateSpec,
        picture_px: [u32; 2],
        model: FrameModel,
        recipe: Recipe,
        is_sized: bool,
    ) -> Result<Option<(FrameSpec, [u32; 2])>, CliError> {
        let mut framing = recipe.framing;
        framing.padding_px = self.padding.or(framing.padding_px);
        framing.infill = self.infill.unwrap_or(framing.infill);
        framing.masked_content = self.masked_content.unwrap_or(framing.masked_content);
        let fills = self.infill.is_some() || self.masked_content.is_some();
        let frame = |rect| FrameSpec::new(rect, framing);
        let suits_model = |rect: CanvasRect| painted_px([rect.width(), rect.height()], model);
        // These are of the whole picture.
        let has_latents = spec.initial_noise.is_some() || spec.initial_latents.is_some();
        let has_picture = spec.low_resolution.is_some() || spec.guide.is_some();
        let is_whole = has_latents || has_picture || !spec.tile.is_none();
        let is_automatic =
            spec.mask.is_some() && !is_sized && model.is_smaller_than(picture_px) && !is_whole;
        let rect = match (self.frame, recipe.frame) {
            (Some(Frame::Rect(corner, size)), _) => CanvasRect::from_min_size(corner, size),
            (None, Some((before, painted_px))) => {
                return Ok(Some((frame(before.rect()), painted_px)));
            }
            (wanted, _) if wanted == Some(Frame::Mask) || (wanted.is_none() && is_automatic) => {
                let mask = spec.mask.as_ref().ok_or(CliError::NoMaskToFrame)?;
                let bounds = mask_bounds(&mask.0).ok_or(CliError::EmptyMask)?;
                let usual = usual_padding_px(bounds, model);
                let padding_px = framing.padding_px.unwrap_or(usual);
                framing.padding_px = Some(padding_px);
                let rect = around_mask(bounds, padding_px, picture_px, model);
                return Ok(Some((FrameSpec::new(rect, framing), suits_model(rect))));
            }
            _ if fills => {
                // All of the picture at its own size, as without a frame.
                return Ok(Some((frame(CanvasRect::from_size(picture_px)), picture_px)));
            }
            _ => return Ok(None),
        };
        framing.padding_px = None;
        Ok(Some((FrameSpec::new(rect, framing), suits_model(rect))))
    }
}

/// What a recipe says of frames.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Recipe {
    /// How they come about.
    pub framing: Framing,
    /// The one it painted, and at what size.
    pub frame: Option<(FrameSpec, [u32; 2])>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_they_are_typed() {
        assert_eq!(frame("mask"), Ok(Frame::Mask));
        assert_eq!(frame("full"), Ok(Frame::Full));
        assert_eq!(
            frame("-64, 0,256,128"),
            Ok(Frame::Rect([-64, 0], [256, 128]))
        );
        for text in [
            "",
            "1,2,3",
            "1,2,3,4,5",
            "a,b,c,d",
            "NaN,0,64,64",
            "0,0,1e3,64",
            "0,0,-5,64",
            "99999999999,0,64,64",
            "masks",
        ] {
            let told = frame(text).unwrap_err();
            assert!(told.contains("x,y,width,height"), "{text}: {told}");
        }
    }
}
