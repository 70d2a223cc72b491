//! Targets that read texts from memory.

use std::sync::Arc;

use image::{GrayImage, Luma, RgbaImage};
use velatura::recipe::{
    FoundRecipe, GenerateSpec, ImageInput, LayoutBox, LayoutInput, PaintedRecipe, Palette,
    PaletteClass, Schedule, SemanticInput, read_infotext,
};

use super::drive::{MOST_BYTES, Target};
use super::{json, mutate};

fn recipe() -> PaintedRecipe {
    let spec = GenerateSpec {
        prompt: "a red barn,\nby a lake (oil:1.2), \"水車\"".to_owned(),
        negative_prompt: "fog".to_owned(),
        schedule: Some(Schedule::Karras),
        layout: Some(LayoutInput(
            [LayoutBox {
                class: "bus".to_owned(),
                rect: [4.0, -2.0, 20.0, 9.0],
                colour: Some("red".to_owned()),
            }]
            .into(),
        )),
        semantic: Some(SemanticInput {
            map: Arc::new(GrayImage::from_fn(64, 64, |x, _| {
                Luma([if x < 9 { 3 } else { 255 }])
            })),
            palette: Palette {
                name: "One".to_owned(),
                classes: vec![PaletteClass {
                    index: 3,
                    name: "sky".to_owned(),
                    color: [1, 2, 3],
                }],
            },
        }),
        low_resolution: Some(ImageInput(Arc::new(RgbaImage::new(16, 16)))),
        ..Default::default()
    };
    PaintedRecipe::new(spec, "Story, \"book\"", "0123456789")
}

/// What came out must be usable: restored, told, written again.
fn use_recipe(found: &FoundRecipe) {
    let mut spec = GenerateSpec::default();
    found.restore_into(&mut spec);
    found.complaint();
    spec.validate().ok();
    let again = PaintedRecipe::new(spec, "m", "h");
    read_infotext(&velatura::recipe::write_infotext(&again));
    again.to_json().unwrap();
}

#[test]
fn infotext() {
    let web_ui = "portrait of a fox,\n  thick paint\nNegative prompt: photo,\nblurry\nSteps: 20, \
        Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 965400086, Size: 512x768, \
        Model hash: 6ce0161689, Model: v1-5, Denoising strength: 0.75, Mask blur: 4, Eta: 0.3, \
        Lora hashes: \"oil: aa, paint: bb\", Hires upscale: 2, Version: v1.10.1";
    let ours = velatura::recipe::write_infotext(&recipe());
    Target {
        name: "infotext",
        corpus: vec![web_ui.into(), ours.into_bytes()],
        mutate: mutate::bytes,
        most_bytes: MOST_BYTES,
        read: &|input| {
            if let Some(found) = read_infotext(&String::from_utf8_lossy(input)) {
                use_recipe(&found);
            }
        },
    }
    .fuzz();
}

#[test]
fn recipe_json() {
    Target {
        name: "recipe_json",
        corpus: vec![recipe().to_json().unwrap().into_bytes()],
        mutate: json::values,
        most_bytes: MOST_BYTES,
        read: &|input| {
            if let Some(found) = FoundRecipe::from_json(&String::from_utf8_lossy(input)) {
                use_recipe(&found);
            }
        },
    }
    .fuzz();
}

/// What eframe keeps from one start to the next.
struct Kept(String);

impl eframe::Storage for Kept {
    fn get_string(&self, _: &str) -> Option<String> {
        Some(self.0.clone())
    }

    fn set_string(&mut self, _: &str, value: String) {
        self.0 = value;
    }

    fn remove_string(&mut self, _: &str) {}

    fn flush(&mut self) {}
}

#[test]
fn settings() {
    let mut kept = Kept(String::new());
    velatura::app::settings::Settings::default().save(&mut kept);
    Target {
        name: "settings",
        corpus: vec![kept.0.into_bytes()],
        mutate: json::values,
        most_bytes: MOST_BYTES,
        read: &|input| {
            let kept = Kept(String::from_utf8_lossy(input).into_owned());
            let settings = velatura::app::settings::Settings::load(&kept);
            let form = &settings.form;
            let spec = form.spec([form.spec.width_px, form.spec.height_px], None, None);
            spec.validate().unwrap();
        },
    }
    .fuzz();
}
