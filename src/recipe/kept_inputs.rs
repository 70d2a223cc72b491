//! What a recipe keeps of a job's inputs, so that the picture alone is enough to
//! paint it again: boxes, the label map and the small picture, as JSON in which
//! pictures are PNG files in Base64.

use std::io::Cursor;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use image::{GrayImage, RgbaImage};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::generate::{GenerateSpec, ImageInput, MAX_SIDE_PX};
use super::layout::{LayoutBox, LayoutInput};
use super::palette::Palette;
use super::semantic::SemanticInput;

/// Letters that one picture may take: a recipe of more is not read.
const MOST_LETTERS: usize = 1 << 20;
/// Bytes that the decoder may take beside a picture.
const MAX_DECODER_BYTES: usize = 64 << 20;

/// The inputs, as they stand in a recipe. Each is read by itself: what a stranger or
/// a newer program has written of one costs the others nothing.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct KeptInputs {
    #[serde(skip_serializing_if = "Value::is_null")]
    layout: Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    semantic: Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    low_resolution: Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    guide: Value,
    /// Those of the controls, in their order; null for the picture that is repainted.
    #[serde(skip_serializing_if = "Value::is_null")]
    control_pictures: Value,
}

#[derive(Serialize, Deserialize)]
struct KeptMap {
    palette: Palette,
    map: String,
}

impl KeptInputs {
    /// Those of a job. A picture that would make the recipe too long is only said
    /// to have been there.
    ///
    /// # Errors
    /// None that is known: all of it has a JSON form.
    pub(super) fn of(spec: &GenerateSpec) -> Result<Self, serde_json::Error> {
        let layout = spec.layout.as_ref().map(|layout| &layout.0);
        let semantic = match &spec.semantic {
            None => Value::Null,
            Some(input) => match packed(png::ColorType::Grayscale, &input.map) {
                None => Value::Bool(true),
                Some(map) => serde_json::to_value(KeptMap {
                    palette: input.palette.clone(),
                    map,
                })?,
            },
        };
        let kept = |input: &Option<ImageInput>| match input {
            None => Value::Null,
            Some(picture) => match packed(png::ColorType::Rgba, &picture.0) {
                None => Value::Bool(true),
                Some(picture) => Value::String(picture),
            },
        };
        Ok(Self {
            layout: layout.map_or(Ok(Value::Null), serde_json::to_value)?,
            semantic,
            low_resolution: kept(&spec.low_resolution),
            guide: kept(&spec.guide),
            control_pictures: match spec.controls.as_slice() {
                [] => Value::Null,
                controls => controls.iter().map(|it| kept(&it.picture)).collect(),
            },
        })
    }

    /// Whether a picture of the job is too large to be kept.
    pub(super) fn are_cut(&self) -> bool {
        let pictures = [&self.semantic, &self.low_resolution, &self.guide];
        let mut pictures = pictures.into_iter().chain(listed(&self.control_pictures));
        pictures.any(Value::is_boolean)
    }

    /// Takes the longest picture out, which is then only said to have been there; `false`
    /// where there is none left.
    pub(super) fn leave_one_out(&mut self) -> bool {
        let controls = self.control_pictures.as_array_mut();
        let pictures = [
            &mut self.semantic,
            &mut self.low_resolution,
            &mut self.guide,
        ];
        let pictures = pictures
            .into_iter()
            .chain(controls.into_iter().flatten())
            .filter(|kept| !kept.is_null() && !kept.is_boolean());
        let longest = pictures.max_by_key(|kept| letters_of(kept));
        longest.is_some_and(|kept| {
            *kept = Value::Bool(true);
            true
        })
    }

    /// Leaves out the pictures of controls that were left out, as told of each.
    pub(super) fn keep_control_pictures(&mut self, stay: &[bool]) {
        if let Value::Array(pictures) = &mut self.control_pictures {
            let mut stay = stay.iter();
            pictures.retain(|_| stay.next().is_some_and(|stays| *stays));
        }
    }

    /// Puts them into a job whose size is known; what cannot be is named.
    pub(super) fn restore(self, spec: &mut GenerateSpec) -> Vec<String> {
        let mut unread = Vec::new();
        let size_px = [spec.width_px, spec.height_px];
        if !self.layout.is_null() {
            spec.layout = layout_of(self.layout);
            if spec.layout.is_none() {
                unread.push("Boxes".to_owned());
            }
        }
        if !self.semantic.is_null() {
            spec.semantic = semantic_of(self.semantic, size_px);
            if spec.semantic.is_none() {
                unread.push("Label map".to_owned());
            }
        }
        if !self.low_resolution.is_null() {
            spec.low_resolution = picture_of(&self.low_resolution);
            if spec.low_resolution.is_none() {
                unread.push("Low-resolution picture".to_owned());
            }
        }
        if !self.guide.is_null() {
            spec.guide = picture_of(&self.guide);
            if spec.guide.is_none() {
                unread.push("Guide".to_owned());
            }
        }
        let pairs = spec.controls.iter_mut().zip(listed(&self.control_pictures));
        for (control, kept) in pairs.filter(|(_, kept)| !kept.is_null()) {
            control.picture = picture_of(kept);
            if control.picture.is_none() {
                unread.push(format!("Picture of the ControlNet {}", control.file.name));
            }
        }
        unread
    }
}

fn layout_of(kept: Value) -> Option<LayoutInput> {
    let boxes: Vec<LayoutBox> = serde_json::from_value(kept).ok()?;
    let layout = LayoutInput(boxes.into());
    layout.validate().is_ok().then_some(layout)
}

fn semantic_of(kept: Value, size_px: [u32; 2]) -> Option<SemanticInput> {
    let KeptMap { palette, map } = serde_json::from_value(kept).ok()?;
    let (width, height, numbers) = unpacked(png::ColorType::Grayscale, &map)?;
    let semantic = SemanticInput {
        map: Arc::new(GrayImage::from_raw(width, height, numbers)?),
        palette,
    };
    let is_whole = semantic.validate(size_px).is_ok() && semantic.check_values().is_ok();
    is_whole.then_some(semantic)
}

/// How long a kept picture or label map is.
fn letters_of(kept: &Value) -> usize {
    let picture = kept.as_str().or_else(|| kept.get("map")?.as_str());
    picture.map_or(0, str::len)
}

/// What is in a list; nothing in what is none.
fn listed(kept: &Value) -> impl Iterator<Item = &Value> {
    kept.as_array().into_iter().flatten()
}

fn picture_of(kept: &Value) -> Option<ImageInput> {
    let (width, height, pixels) = unpacked(png::ColorType::Rgba, kept.as_str()?)?;
    let picture = RgbaImage::from_raw(width, height, pixels)?;
    Some(ImageInput(Arc::new(picture)))
}

/// A picture as the letters of a PNG file; `None` for one that takes too many.
fn packed<P>(colour: png::ColorType, picture: &image::ImageBuffer<P, Vec<u8>>) -> Option<String>
where
    P: image::Pixel<Subpixel = u8>,
{
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, picture.width(), picture.height());
    encoder.set_color(colour);
    encoder.set_depth(png::BitDepth::Eight);
    if colour == png::ColorType::Grayscale {
        // Numbers of classes have no slopes.
        encoder.set_filter(png::Filter::NoFilter);
    }
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(picture.as_raw()).ok()?;
    writer.finish().ok()?;
    let letters = BASE64_STANDARD.encode(bytes);
    (letters.len() <= MOST_LETTERS).then_some(letters)
}

/// Width, height and bytes of a picture that was packed. It is read as what it was
/// packed as and nothing else: a recipe may come from anybody.
fn unpacked(colour: png::ColorType, letters: &str) -> Option<(u32, u32, Vec<u8>)> {
    let bytes = BASE64_STANDARD.decode(letters).ok()?;
    let limits = png::Limits {
        bytes: MAX_DECODER_BYTES,
    };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    let head = decoder.read_header_info().ok()?;
    let (width, height) = head.size();
    let is_ours = head.color_type == colour && head.bit_depth == png::BitDepth::Eight;
    if !is_ours || width.max(height) > MAX_SIDE_PX {
        return None;
    }
    let mut reader = decoder.read_info().ok()?;
    let mut pixels = vec![0; reader.output_buffer_size()?];
    reader.next_frame(&mut pixels).ok()?;
    Some((width, height, pixels))
}

#[cfg(test)]
mod tests {
    use image::{Luma, Rgba};

    use super::*;
    use crate::recipe::{
        ControlSpec, LeftOut, NamedFile, PaintedRecipe, PaletteClass, RecipeForm, SaveOptions,
        open_picture, save_picture,
    };

    fn spec() -> GenerateSpec {
        let it = |class: &str, colour: Option<&str>| LayoutBox {
            class: class.to_owned(),
            rect: [-3.25, 4.0, 20.5, 7.0],
            colour: colour.map(str::to_owned),
        };
        let class = |index: u8| PaletteClass {
            index,
            name: format!("class {index}"),
            color: [index, 7, 9],
        };
        let map = GrayImage::from_fn(40, 24, |x, y| {
            Luma([[0, 7, 255][((x + y) / 9 % 3) as usize]])
        });
        GenerateSpec {
            width_px: 40,
            height_px: 24,
            layout: Some(LayoutInput(
                [it("bus", Some("red")), it("水 boat", None)].into(),
            )),
            semantic: Some(SemanticInput {
                map: Arc::new(map),
                palette: Palette {
                    name: "Two".to_owned(),
                    classes: [0, 7].map(class).to_vec(),
                },
            }),
            low_resolution: Some(ImageInput(Arc::new(RgbaImage::from_pixel(
                10,
                6,
                Rgba([1, 2, 3, 200]),
            )))),
            guide: Some(ImageInput(Arc::new(RgbaImage::from_pixel(
                40,
                24,
                Rgba([9, 0, 3, 100]),
            )))),
            ..GenerateSpec::default()
        }
    }

    fn restored(kept: KeptInputs, of: &GenerateSpec) -> (GenerateSpec, Vec<String>) {
        let mut bare = GenerateSpec {
            layout: None,
            semantic: None,
            low_resolution: None,
            guide: None,
            ..of.clone()
        };
        let unread = kept.restore(&mut bare);
        (bare, unread)
    }

    #[test]
    fn inputs_come_back_value_for_value() {
        let spec = spec();
        let text = serde_json::to_string(&KeptInputs::of(&spec).unwrap()).unwrap();
        let kept: KeptInputs = serde_json::from_str(&text).unwrap();
        assert!(!kept.are_cut());
        assert_eq!(restored(kept, &spec), (spec, Vec::new()));
        let none = serde_json::to_string(&KeptInputs::of(&GenerateSpec::default()).unwrap());
        assert_eq!(none.unwrap(), "{}");
    }

    #[test]
    fn what_is_damaged_is_named_and_costs_nothing_else() {
        let spec = spec();
        let kept = || KeptInputs::of(&spec).unwrap();
        let damaged = KeptInputs {
            layout: serde_json::json!([{"class": "bus", "rect": [0, 0, -4, 1]}]),
            ..kept()
        };
        let (found, unread) = restored(damaged, &spec);
        assert_eq!((found.layout, unread), (None, vec!["Boxes".to_owned()]));
        assert_eq!(found.semantic, spec.semantic);
        for map in ["", "AAAA", "no letters!"] {
            let mut damaged = kept();
            damaged.semantic["map"] = map.into();
            assert_eq!(restored(damaged, &spec).1, ["Label map"]);
        }
        let other = GenerateSpec {
            width_px: 48,
            ..spec.clone()
        };
        assert_eq!(restored(kept(), &other).1, ["Label map"]);
        let mut same_index = kept();
        same_index.semantic["palette"]["classes"][1]["index"] = 0.into();
        assert_eq!(restored(same_index, &spec).1, ["Label map"]);
    }

    #[test]
    fn maps_of_noise_are_too_large_to_be_kept() {
        let mut state = 1_u32;
        let map = GrayImage::from_fn(1200, 1200, |_, _| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Luma([(state >> 24) as u8])
        });
        let mut large = spec();
        large.semantic.as_mut().unwrap().map = Arc::new(map);
        (large.width_px, large.height_px) = (1200, 1200);
        let kept = KeptInputs::of(&large).unwrap();
        assert!(kept.are_cut());
        assert_eq!(restored(kept, &large).1, ["Label map"]);
    }

    #[test]
    fn of_pictures_that_are_too_long_together_as_many_are_kept_as_are_read() {
        let noise = |seed: u32| {
            let mut state = seed;
            let picture = RgbaImage::from_fn(440, 440, |_, _| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let [_, a, b, c] = state.to_le_bytes();
                Rgba([a, b, c, 255])
            });
            ImageInput(Arc::new(picture))
        };
        let control = |seed: u32| ControlSpec {
            file: NamedFile::named(format!("control {seed}")),
            picture: Some(noise(seed)),
            ..ControlSpec::default()
        };
        let spec = GenerateSpec {
            prompt: "a barn".to_owned(),
            controls: [1, 2, 3].map(control).to_vec(),
            ..GenerateSpec::default()
        };
        let recipe = PaintedRecipe::new(spec, "Garden", "0123456789");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("barn.png");
        let canvas = RgbaImage::new(4, 4);
        let options = SaveOptions::default();
        let left_out = save_picture(&path, &canvas, Some(&recipe), &options).unwrap();
        assert_eq!(left_out, Some(LeftOut::LargeMap(path.clone())));
        let found = open_picture(&path).unwrap().recipe.unwrap();
        assert_eq!(found.form, RecipeForm::Velatura);
        assert_eq!(found.spec.prompt, "a barn");
        let kept = found.spec.controls.iter().zip(&recipe.spec.controls);
        let kept: Vec<bool> = kept.map(|(it, old)| it.picture == old.picture).collect();
        assert_eq!(kept.iter().filter(|is_kept| **is_kept).count(), 2);
        assert_eq!(found.unread.len(), 1, "{:?}", found.unread);
        assert!(found.unread[0].starts_with("Picture of the ControlNet control"));
    }
}
