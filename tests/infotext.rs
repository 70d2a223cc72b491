//! Recipes inside picture files: the A1111 text against what other programs
//! write, and every file format there and back.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

use std::path::Path;
use std::sync::Arc;

use image::{GrayImage, Rgba, RgbaImage};
use proptest::prelude::{Strategy, prop_assert, prop_assert_eq, proptest};
use velatura::engine::SamplerChoice;
use velatura::recipe::prompt::{PromptSyntax, joined};
use velatura::recipe::{
    Finish, FoundRecipe, FrameSpec, Framing, GenerateSpec, GuideKind, ImageInput, Infill, LoraSpec,
    MaskInput, MaskedContent, PaintedRecipe, Palette, RecipeFileError, RecipeForm, SamplerId,
    SaveOptions, Schedule, SemanticInput, Tile, WindowChoice, open_picture, read_infotext,
    read_recipe, save_picture, write_infotext,
};

fn picture() -> RgbaImage {
    RgbaImage::from_fn(17, 9, |x, y| {
        Rgba([(x * 15) as u8, (y * 28) as u8, 90, 255])
    })
}

fn recipe() -> PaintedRecipe {
    let spec = GenerateSpec {
        prompt: "a red barn,\nby a lake".to_owned(),
        negative_prompt: "fog".to_owned(),
        sampler: Some(SamplerId::new("euler")),
        schedule: Some(Schedule::Karras),
        steps: 12,
        guidance_scale: 6.5,
        seed: 1234,
        width_px: 192,
        height_px: 96,
        windows: WindowChoice::Off,
        ..Default::default()
    };
    PaintedRecipe::new(spec, "Storybook", "0123456789").with_sampler_label("Euler")
}

#[test]
fn the_text_is_written_in_the_order_that_readers_know() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        write_infotext(&recipe()),
        format!(
            "a red barn,\nby a lake\nNegative prompt: fog\n\
             Steps: 12, Sampler: Euler, Schedule type: Karras, CFG scale: 6.5, Seed: 1234, \
             Size: 192x96, Model hash: 0123456789, Model: Storybook, Prompt syntax: weighted, \
             Version: Velatura {version}"
        )
    );
}

#[test]
fn an_inpainting_job_tells_its_strength_and_blur() {
    let spec = GenerateSpec {
        negative_prompt: String::new(),
        strength: 0.75,
        feather_px: 2.5,
        init: Some(ImageInput(Arc::new(RgbaImage::new(192, 96)))),
        mask: Some(MaskInput(Arc::new(GrayImage::new(192, 96)))),
        ..recipe().spec
    };
    let recipe = PaintedRecipe::new(spec, "barn, old: 2", "0123456789");
    assert!(recipe.used_picture && recipe.used_mask);
    assert_eq!((&recipe.spec.init, &recipe.spec.mask), (&None, &None));
    let text = write_infotext(&recipe);
    assert!(!text.contains("Negative prompt"), "{text}");
    assert!(
        text.contains(
            "Model: \"barn, old: 2\", Denoising strength: 0.75, Mask blur: 2.5, \
             Prompt syntax: weighted, Version: "
        ),
        "{text}"
    );
    let found = read_infotext(&text).unwrap();
    assert!(found.used_picture && found.used_mask);
    assert_eq!((found.spec.strength, found.spec.feather_px), (0.75, 2.5));
    assert_eq!(found.model_name.as_deref(), Some("barn, old: 2"));
    // And in our own form, which other programs do not read.
    let found = FoundRecipe::from_json(&recipe.to_json().unwrap()).unwrap();
    assert!(found.used_picture && found.used_mask);
    assert_eq!(found.spec, recipe.spec);
}

#[test]
fn windows_tiling_and_guide_are_told_and_come_back() {
    let spec = GenerateSpec {
        windows: WindowChoice::Side(256),
        tile: Tile::Xy,
        guide: Some(ImageInput(Arc::new(picture()))),
        guide_kind: GuideKind::Strokes,
        guide_scale: 2.5,
        ..recipe().spec
    };
    let recipe = PaintedRecipe::new(spec, "barn", "0123456789");
    let text = write_infotext(&recipe);
    let told = "Tiling: xy, Windows: 256, Guide: strokes, Guide scale: 2.5, \
                Prompt syntax: weighted, Version: ";
    assert!(text.contains(told), "{text}");
    let found = read_infotext(&text).unwrap().spec;
    assert_eq!(
        (found.windows, found.tile),
        (WindowChoice::Side(256), Tile::Xy)
    );
    assert_eq!(
        (found.guide_kind, found.guide_scale),
        (GuideKind::Strokes, 2.5)
    );
    let found = FoundRecipe::from_json(&recipe.to_json().unwrap()).unwrap();
    let mut restored = GenerateSpec::default();
    found.restore_into(&mut restored);
    assert_eq!(restored, recipe.spec);
    // A1111's web UI tiles both ways or not at all.
    let theirs = read_infotext("a barn\nSteps: 20, Seed: 3, Size: 64x64, Tiling: True").unwrap();
    assert_eq!(theirs.spec.tile, Tile::Xy);
    // Before there were windows, large pictures were painted whole.
    let old = r#"{"format":1,"program":"Velatura 0.0.1",
        "model":{"name":"m","hash":"h"},"inputs":{},"spec":{"prompt":"sea","width_px":1024}}"#;
    let found = FoundRecipe::from_json(old).unwrap();
    assert_eq!(found.spec.windows, WindowChoice::Off);
}

/// Files that hold nothing but infotext are painted again as they were too.
#[test]
fn what_signs_meant_is_told_and_known_of_older_files() {
    for prompt_syntax in [PromptSyntax::Plain, PromptSyntax::Weighted] {
        for windows in [
            WindowChoice::Off,
            WindowChoice::Side(48),
            WindowChoice::Auto,
        ] {
            let spec = GenerateSpec {
                prompt: "a (red:1.2) barn <lora:ink:much>".to_owned(),
                prompt_syntax,
                windows,
                ..recipe().spec
            };
            let found = read_infotext(&write_infotext(&PaintedRecipe::new(spec, "m", "h")));
            let found = found.unwrap();
            assert_eq!(
                (found.spec.prompt_syntax, found.spec.windows),
                (prompt_syntax, windows)
            );
            assert_eq!(found.unread, [] as [&str; 0]);
        }
    }
    let read = |rest: &str| {
        let text = format!("a (red) barn\nSteps: 12, Seed: 3, Size: 512x512, {rest}");
        let spec = read_infotext(&text).unwrap().spec;
        (spec.prompt_syntax, spec.windows)
    };
    let ours = "Version: Velatura 0.1.0";
    assert_eq!(read(ours), (PromptSyntax::Plain, WindowChoice::Off));
    for newer in [
        "Tiling: xy",
        "Clip skip: 2",
        "Lora hashes: \"ink: aa\"",
        "VAE: soft",
    ] {
        let told = read(&format!("{newer}, {ours}"));
        assert_eq!(told, (PromptSyntax::Weighted, WindowChoice::Off), "{newer}");
    }
    let others = (PromptSyntax::Weighted, WindowChoice::Auto);
    assert_eq!(read("Version: v1.10.1"), others);
    assert_eq!(read("Model: m"), others);
}

/// In infotext the prompt names LoRAs of the list, which plain prompts do not.
#[test]
fn loras_beside_a_plain_prompt_come_back_and_it_stays_plain() {
    let spec = GenerateSpec {
        prompt: "a (red) barn <lora:oil:1>".to_owned(),
        negative_prompt: "[fog]".to_owned(),
        prompt_syntax: PromptSyntax::Plain,
        loras: vec![LoraSpec::read("ink.safetensors:0.5")],
        ..recipe().spec
    };
    let recipe = PaintedRecipe::new(spec, "m", "h");
    let found = read_infotext(&write_infotext(&recipe)).unwrap().spec;
    let loras = found.all_loras().unwrap();
    let named: Vec<_> = loras.iter().map(|it| (&*it.file.name, it.weight)).collect();
    assert_eq!(named, [("ink", 0.5)]);
    let read = |text: &str| joined(&found.prompt_syntax.pieces(text));
    let prompt = found.prompt_syntax.without_loras(&found.prompt);
    assert_eq!(read(prompt.trim()), recipe.spec.prompt);
    assert_eq!(read(&found.negative_prompt), recipe.spec.negative_prompt);
}

/// Nothing of the picture before stays where a file says nothing.
#[test]
fn what_infotext_tells_only_where_it_acts_is_told() {
    let mut spec = GenerateSpec {
        clip_skip: 2,
        guidance_rescale: 0.7,
        guidance_start: 0.15,
        guidance_end: 0.9,
        variation_strength: 0.25,
        variation_seed: 3,
        ..GenerateSpec::default()
    };
    let found = read_infotext(&write_infotext(&recipe())).unwrap();
    found.restore_into(&mut spec);
    assert_eq!((spec.clip_skip, spec.guidance_rescale), (1, 0.0));
    assert_eq!((spec.guidance_start, spec.guidance_end), (0.0, 1.0));
    assert_eq!((spec.variation_strength, spec.variation_seed), (0.0, 0));
}

#[test]
fn the_frame_of_a_mask_is_told_and_comes_back() {
    let frame = FrameSpec {
        x: -8,
        y: 400,
        width_px: 212,
        height_px: 180,
        framing: Framing {
            padding_px: Some(48),
            infill: Infill::Blur,
            masked_content: MaskedContent::LatentNothing,
        },
    };
    let spec = GenerateSpec {
        frame: Some(frame),
        init: Some(ImageInput(Arc::new(RgbaImage::new(212, 180)))),
        mask: Some(MaskInput(Arc::new(GrayImage::new(212, 180)))),
        ..recipe().spec
    };
    spec.validate().unwrap();
    let recipe = PaintedRecipe::new(spec, "barn", "0123456789");
    let text = write_infotext(&recipe);
    assert!(
        text.contains(
            "Inpaint area: Only masked, Masked area padding: 48, Masked content: latent nothing, "
        ),
        "{text}"
    );
    let found = read_infotext(&text).unwrap();
    let framing = found.framing.unwrap();
    assert_eq!(framing.padding_px, Some(48));
    assert_eq!(framing.masked_content, MaskedContent::LatentNothing);
    assert_eq!(found.unread, Vec::<String>::new());

    // Our own form tells all of it, but for frames that cannot be.
    let json = recipe.to_json().unwrap();
    let found = FoundRecipe::from_json(&json).unwrap();
    assert_eq!(
        (found.spec, found.framing),
        (recipe.spec, Some(frame.framing))
    );
    let absurd = json.replace("\"width_px\":212", "\"width_px\":2120000");
    let found = FoundRecipe::from_json(&absurd).unwrap();
    assert_eq!((found.spec.frame, found.framing), (None, None));
}

#[test]
fn that_boxes_were_placed_is_told_and_comes_back() {
    let map = SemanticInput {
        map: Arc::new(GrayImage::new(64, 64)),
        palette: Palette::default(),
    };
    let [of_words, of_map] = [None, Some(map)].map(|semantic| {
        let spec = GenerateSpec {
            places_boxes: true,
            semantic,
            ..recipe().spec
        };
        PaintedRecipe::new(spec, "barn", "0123456789")
    });
    let text = write_infotext(&of_words);
    for (recipe, told) in [
        (&of_words, "Boxes from words: True"),
        (&of_map, "Boxes from label map: True"),
    ] {
        let text = write_infotext(recipe);
        assert!(text.contains(told), "{text}");
        let json = recipe.to_json().unwrap();
        for found in [
            read_infotext(&text).unwrap(),
            FoundRecipe::from_json(&json).unwrap(),
        ] {
            // A text alone holds no map.
            assert!(found.unread.is_empty() || recipe == &of_map);
            let mut restored = GenerateSpec::default();
            found.restore_into(&mut restored);
            assert!(restored.places_boxes);
        }
    }
    // Pictures that do not say so were painted without.
    let older = text.replace("Boxes from words: True, ", "");
    let mut restored = GenerateSpec {
        places_boxes: true,
        ..GenerateSpec::default()
    };
    read_infotext(&older).unwrap().restore_into(&mut restored);
    assert!(!restored.places_boxes);
}

#[test]
fn that_a_mask_was_taken_gradually_is_told_and_comes_back() {
    let spec = GenerateSpec {
        init: Some(ImageInput(Arc::new(RgbaImage::new(64, 64)))),
        mask: Some(MaskInput(Arc::new(GrayImage::new(64, 64)))),
        gradual_mask: true,
        ..recipe().spec
    };
    let recipe = PaintedRecipe::new(spec, "barn", "0123456789");
    let text = write_infotext(&recipe);
    assert!(text.contains("Gradual mask: True"), "{text}");
    let json = recipe.to_json().unwrap();
    for found in [
        read_infotext(&text).unwrap(),
        FoundRecipe::from_json(&json).unwrap(),
    ] {
        assert_eq!(found.unread, Vec::<String>::new());
        let mut restored = GenerateSpec::default();
        found.restore_into(&mut restored);
        assert!(restored.gradual_mask);
    }
    let hard = text.replace("Gradual mask: True, ", "");
    let mut restored = GenerateSpec {
        gradual_mask: true,
        ..GenerateSpec::default()
    };
    read_infotext(&hard).unwrap().restore_into(&mut restored);
    assert!(!restored.gradual_mask);
    let odd = text.replace("Gradual mask: True", "Gradual mask: rather");
    assert_eq!(
        read_infotext(&odd).unwrap().unread,
        ["Gradual mask: rather"]
    );
}

#[test]
fn what_is_repainted_in_a_frame_has_its_size() {
    let spec = |side| GenerateSpec {
        frame: Some(FrameSpec {
            width_px: 80,
            height_px: 80,
            ..FrameSpec::default()
        }),
        init: Some(ImageInput(Arc::new(RgbaImage::new(side, side)))),
        ..GenerateSpec::default()
    };
    assert_eq!(spec(80).validate(), Ok(()));
    let told = spec(64).validate().unwrap_err().to_string();
    assert!(
        told.contains("64 × 64") && told.contains("80 × 80"),
        "{told}"
    );
    let strengths = GenerateSpec {
        strengths: Some(MaskInput(Arc::new(GrayImage::new(80, 80)))),
        ..spec(80)
    };
    let told = strengths.validate().unwrap_err().to_string();
    assert!(told.contains("without a mask"), "{told}");
}

#[test]
fn the_text_of_a_web_ui_is_read() {
    let text = "portrait of a fox, (oil:1.2),\n  thick paint\nNegative prompt: photo,\nblurry\n\
        Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 965400086, \
        Size: 512x768, Model hash: 6ce0161689, Model: v1-5-pruned, Denoising strength: 0.75, \
        Clip skip: 2, Mask blur: 4, Inpaint area: Only masked, Masked area padding: 32, \
        Lora hashes: \"oil: aa, paint: bb\", Version: v1.10.1";
    let found = read_infotext(text).unwrap();
    let expected = GenerateSpec {
        prompt: "portrait of a fox, (oil:1.2),\nthick paint".to_owned(),
        negative_prompt: "photo,\nblurry".to_owned(),
        clip_skip: 2,
        sampler: Some(SamplerId::new("dpmpp-2m")),
        schedule: Some(Schedule::Karras),
        steps: 20,
        guidance_scale: 7.0,
        seed: 965_400_086,
        width_px: 512,
        height_px: 768,
        strength: 0.75,
        ..Default::default()
    };
    assert_eq!(found.spec, expected);
    assert_eq!(found.form, RecipeForm::Infotext);
    assert_eq!(found.model_hash.as_deref(), Some("6ce0161689"));
    assert_eq!(found.program.as_deref(), Some("v1.10.1"));
    assert!(found.used_picture && found.used_mask);
    let framing = found.framing.unwrap();
    assert_eq!(framing.padding_px, Some(32));
    assert_eq!(framing.masked_content, MaskedContent::Original);
    assert_eq!(found.unread, ["Lora hashes: oil: aa, paint: bb"]);
}

#[test]
fn a_variation_comes_back_and_is_read_of_a_web_ui() {
    let mut recipe = recipe();
    (recipe.spec.variation_strength, recipe.spec.variation_seed) = (0.3, 1 << 40);
    let found = read_infotext(&write_infotext(&recipe)).unwrap().spec;
    let told = (found.variation_strength, found.variation_seed);
    assert_eq!(told, (0.3, 1 << 40));
    let text = "a fox\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 3, Size: 512x512, \
        Variation seed: 3414834219, Variation seed strength: 0.15";
    let found = read_infotext(text).unwrap();
    let told = (found.spec.variation_strength, found.spec.variation_seed);
    assert_eq!((told, found.unread.len()), ((0.15, 3_414_834_219), 0));
}

#[test]
fn the_interval_of_guidance_comes_back_and_is_read_of_a_web_ui() {
    let mut recipe = recipe();
    (recipe.spec.guidance_start, recipe.spec.guidance_end) = (0.15, 0.8);
    let found = read_infotext(&write_infotext(&recipe)).unwrap().spec;
    assert_eq!((found.guidance_start, found.guidance_end), (0.15, 0.8));

    // There steps are counted from 0, and that at which the part is over is left out too.
    let start = |skipped: &str| {
        let text = format!("a fox\nSteps: 20, Sampler: Euler, Seed: 3, Skip Early CFG: {skipped}");
        let found = read_infotext(&text).unwrap();
        (found.spec.guidance_start, found.unread.len())
    };
    assert_eq!(start("0.1"), (0.15, 0));
    assert_eq!(start("0.12"), (0.15, 0));
    assert_eq!(start("0"), (0.0, 0));
    assert_eq!(start("much").1, 1);
}

/// What other programs tell of a first stage and of words.
#[test]
fn first_stages_and_words_come_back_by_their_names() {
    let text = "a hut, easynegative\nSteps: 20, Sampler: Euler, Seed: 3, Size: 64x64, \
        VAE hash: 63aeecb90f, VAE: vae-ft-mse-840000-ema-pruned.safetensors, \
        TI hashes: \"easynegative: c74b4e810b03, worn: 0123\", Version: v1.10.1";
    let found = read_infotext(text).unwrap();
    let mut spec = GenerateSpec::default();
    found.restore_into(&mut spec);
    let vae = spec.vae.clone().unwrap();
    assert_eq!(vae.name, "vae-ft-mse-840000-ema-pruned");
    assert_eq!(
        (vae.path, spec.vae_hash.as_deref()),
        (None, Some("63aeecb90f"))
    );
    let words: Vec<(&str, &str)> = spec
        .word_hashes
        .iter()
        .map(|(name, hash)| (name.as_str(), hash.as_str()))
        .collect();
    assert_eq!(words, [("easynegative", "c74b4e810b03"), ("worn", "0123")]);
    assert_eq!(found.unread, [] as [&str; 0]);
    // Ours are written in the same words.
    let ours = write_infotext(&PaintedRecipe::new(spec.clone(), "m", "0123456789"));
    let again = read_infotext(&ours).unwrap();
    assert_eq!(again.spec.vae, spec.vae);
    assert_eq!(again.spec.vae_hash, spec.vae_hash);
    assert_eq!(again.spec.word_hashes, spec.word_hashes);
    for own in ["Automatic", "None"] {
        let text = format!("a\nSteps: 2, Sampler: Euler, Seed: 1, VAE: {own}");
        assert_eq!(read_infotext(&text).unwrap().spec.vae, None);
    }
}

#[test]
fn older_and_stranger_texts_are_read() {
    // The schedule was once a part of the sampler's name.
    let found = read_infotext("cat\nSteps: 5, Sampler: Euler Karras, CFG scale: 3").unwrap();
    assert_eq!(found.spec.sampler, Some(SamplerId::new("euler")));
    assert_eq!(found.spec.schedule, Some(Schedule::Karras));

    // "Automatic" leaves the choice to the program.
    let text = "cat\nSteps: 5, Sampler: Euler a, Schedule type: Automatic, Seed: 2";
    let found = read_infotext(text).unwrap();
    assert_eq!(found.spec.sampler, Some(SamplerId::new("euler-a")));
    assert_eq!(found.spec.schedule, None);

    // The strength of a second pass is not that of an input picture. As many steps as in
    // the first are done there, whatever the strength, if nothing else is said.
    let hires = |more: &str| {
        let text = format!(
            "cat\nSteps: 5, Sampler: Euler, Seed: 2, Size: 512x320, Denoising strength: 0.4, {more}"
        );
        let found = read_infotext(&text).unwrap();
        assert!(!found.used_picture && found.spec.strength == 1.0, "{more}");
        let spec = &found.spec;
        let second = (spec.finish, spec.second_strength, spec.second_steps);
        (second, found.unread.join(", "))
    };
    let twice = Some(Finish::X2);
    assert_eq!(hires("Hires upscale: 2"), ((twice, 0.4, 5), String::new()));
    assert_eq!(
        hires("Hires upscale: 2.0, Hires steps: 15, Hires upscaler: Latent"),
        ((twice, 0.4, 15), "Hires upscaler: Latent".to_owned())
    );
    assert_eq!(
        hires("Hires resize: 768x480, Hires steps: 3"),
        ((Some(Finish::X1_5), 0.4, 3), String::new())
    );
    // A factor that there is not.
    for unknown in ["Hires upscale: 1.3", "Hires resize: 600x600"] {
        assert_eq!(hires(unknown), ((None, 0.0, 0), unknown.to_owned()));
    }

    // No prompt at all.
    let found = read_infotext("Steps: 5, Sampler: UniPC, Size: 0x9999999, Seed: -1").unwrap();
    assert_eq!(
        found.spec,
        GenerateSpec {
            steps: 5,
            // Whether there is one of that name the samplers know.
            sampler: Some(SamplerId::new("unipc")),
            ..Default::default()
        }
    );
    assert_eq!(found.unread, ["Size: 0x9999999", "Seed: -1"]);

    // Fewer than three pairs are a part of the prompt: no settings at all.
    assert_eq!(read_infotext("a sign that says: open, daily: 9"), None);
    assert_eq!(read_infotext(""), None);
}

#[test]
fn a_picture_comes_back_with_its_recipe_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    for (name, form, lossless) in [
        ("a.png", RecipeForm::Velatura, true),
        ("a.WEBP", RecipeForm::Infotext, true),
        ("a.jpeg", RecipeForm::Infotext, false),
    ] {
        let path = folder.path().join(name);
        let recipe = recipe();
        save_picture(&path, &picture(), Some(&recipe), &SaveOptions::default()).unwrap();
        let opened = open_picture(&path).unwrap();
        assert_eq!(opened.image.dimensions(), picture().dimensions());
        if lossless {
            assert_eq!(opened.image, picture(), "{name}");
        }
        let found = opened.recipe.unwrap();
        assert_eq!(found.spec, recipe.spec, "{name}");
        assert_eq!(found.form, form, "{name}");
        assert_eq!(read_recipe(&path).unwrap(), Some(found));

        save_picture(&path, &picture(), None, &SaveOptions::default()).unwrap();
        assert_eq!(read_recipe(&path).unwrap(), None, "{name}");
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 3, "no temporary file stays behind");
}

fn text_chunk_kinds(path: &Path) -> (usize, usize) {
    let file = std::io::BufReader::new(std::fs::File::open(path).unwrap());
    let reader = png::Decoder::new(file).read_info().unwrap();
    let info = reader.info();
    (info.uncompressed_latin1_text.len(), info.utf8_text.len())
}

#[test]
fn latin_1_goes_into_text_chunks_that_every_reader_knows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    let mut recipe = recipe();
    for (prompt, kinds) in [("Mühle", (2, 0)), ("水車 \u{1f33e}", (0, 2))] {
        recipe.spec.prompt = prompt.to_owned();
        save_picture(&path, &picture(), Some(&recipe), &SaveOptions::default()).unwrap();
        assert_eq!(text_chunk_kinds(&path), kinds, "{prompt}");
        assert_eq!(read_recipe(&path).unwrap().unwrap().spec.prompt, prompt);
    }
}

#[test]
fn compressed_and_late_text_chunks_of_other_programs_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.png");
    let file = std::fs::File::create(&path).unwrap();
    let encoder = png::Encoder::new(file, 1, 1);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[7]).unwrap();
    let text = "hills\nSteps: 9, Sampler: Heun, Seed: 3";
    let chunk = png::text_metadata::ZTXtChunk::new("parameters", text);
    writer.write_text_chunk(&chunk).unwrap();
    writer.finish().unwrap();

    let opened = open_picture(&path).unwrap();
    let found = opened.recipe.unwrap();
    assert_eq!(found.spec.prompt, "hills");
    assert_eq!(found.spec.sampler, Some(SamplerId::new("heun")));
    assert_eq!(opened.image.get_pixel(0, 0), &Rgba([7, 7, 7, 255]));
}

#[test]
fn a_jpeg_shows_its_background_through_transparent_pixels() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jpg");
    let clear = RgbaImage::from_pixel(16, 16, Rgba([255, 0, 0, 0]));
    let options = SaveOptions {
        background: [10, 200, 30],
        jpeg_quality: 100,
    };
    save_picture(&path, &clear, None, &options).unwrap();
    let pixel = *open_picture(&path).unwrap().image.get_pixel(8, 8);
    for (got, wanted) in pixel.0.into_iter().zip([10, 200, 30, 255]) {
        assert!(i32::from(got).abs_diff(wanted) <= 3, "{pixel:?}");
    }
}

#[test]
fn a_turned_photograph_is_opened_upright() {
    use image::ImageEncoder as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("photo.jpg");
    // Orientation 6: the camera was held so that the picture must be turned
    // clockwise by a quarter.
    let exif = b"II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let file = std::fs::File::create(&path).unwrap();
    let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(file, 100);
    encoder.set_exif_metadata(exif.to_vec()).unwrap();
    let left_dark =
        image::RgbImage::from_fn(32, 16, |x, _| image::Rgb([if x < 16 { 0 } else { 255 }; 3]));
    encoder
        .write_image(&left_dark, 32, 16, image::ExtendedColorType::Rgb8)
        .unwrap();

    let opened = open_picture(&path).unwrap();
    assert_eq!(opened.image.dimensions(), (16, 32));
    assert!(opened.image.get_pixel(8, 4)[0] < 50, "dark above");
    assert!(opened.image.get_pixel(8, 28)[0] > 200, "light below");
    assert_eq!(opened.recipe, None);
}

#[test]
fn every_error_names_the_file_and_leaves_the_old_one_alone() {
    let folder = tempfile::tempdir().unwrap();
    let save = |name: &str, image: &RgbaImage, recipe: Option<&PaintedRecipe>| {
        let path = folder.path().join(name);
        save_picture(&path, image, recipe, &SaveOptions::default()).unwrap_err()
    };
    let error = save("a.tiff", &picture(), None);
    assert!(matches!(error, RecipeFileError::UnknownFormat { .. }));
    assert!(error.to_string().contains("a.tiff"), "{error}");

    let error = save("no/such/folder/a.png", &picture(), None);
    assert!(matches!(error, RecipeFileError::Write { .. }), "{error}");

    let wide = RgbaImage::new(16_384, 1);
    let error = save("wide.webp", &wide, None);
    assert!(error.to_string().contains("16384 × 1"), "{error}");

    let path = folder.path().join("kept.jpg");
    save_picture(&path, &picture(), None, &SaveOptions::default()).unwrap();
    let before = std::fs::read(&path).unwrap();
    let mut long = recipe();
    long.spec.prompt = "very ".repeat(10_000);
    let left_out = save_picture(&path, &picture(), Some(&long), &SaveOptions::default()).unwrap();
    let sentence = left_out.unwrap().to_string();
    assert!(
        sentence.contains("kept.jpg") && sentence.contains("JPEG"),
        "{sentence}"
    );
    assert_eq!(
        std::fs::read(&path).unwrap(),
        before,
        "the picture, without a recipe"
    );

    let error = open_picture(&folder.path().join("none.png")).unwrap_err();
    assert!(matches!(error, RecipeFileError::Open { .. }));
    std::fs::write(folder.path().join("text.png"), "not a picture").unwrap();
    let error = open_picture(&folder.path().join("text.png")).unwrap_err();
    assert!(matches!(error, RecipeFileError::NotAPicture { .. }));
    std::fs::write(folder.path().join("cut.jpg"), &before[..before.len() / 2]).unwrap();
    std::fs::write(folder.path().join("head.jpg"), &before[..6]).unwrap();
    let error = open_picture(&folder.path().join("head.jpg")).unwrap_err();
    assert!(matches!(error, RecipeFileError::Damaged { .. }), "{error}");
}

#[test]
fn a_picture_cut_off_anywhere_is_an_error_or_a_picture_but_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.png", "a.webp", "a.jpg"] {
        let path = folder.path().join(name);
        save_picture(&path, &picture(), Some(&recipe()), &SaveOptions::default()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for end in (0..whole.len()).step_by(7) {
            std::fs::write(&path, &whole[..end]).unwrap();
            open_picture(&path).ok();
            read_recipe(&path).ok();
        }
    }
}

#[cfg(unix)]
#[test]
fn a_saved_file_has_usual_permissions_and_a_link_stays_a_link() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain");
    std::fs::write(&plain, []).unwrap();
    let path = folder.path().join("a.png");
    save_picture(&path, &picture(), None, &SaveOptions::default()).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&path), mode(&plain));

    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&path, private).unwrap();
    let link = folder.path().join("link.png");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    save_picture(&link, &RgbaImage::new(2, 2), None, &SaveOptions::default()).unwrap();
    assert!(link.is_symlink());
    assert_eq!(open_picture(&path).unwrap().image.dimensions(), (2, 2));
    assert_eq!(mode(&path) & 0o777, 0o600);
}

/// Texts as people type them, with every sign that the form gives a meaning.
fn prompts() -> impl Strategy<Value = String> {
    "([a-zäß水🌾,:\"\\\\(){}|.=-][ a-zäß水🌾,:\"\\\\(){}|.=-]{0,20}\n?){0,4}".prop_map(|text| {
        let lines = text.lines().map(str::trim);
        lines.collect::<Vec<_>>().join("\n").trim().to_owned()
    })
}

fn specs() -> impl Strategy<Value = GenerateSpec> {
    let words = (prompts(), prompts());
    let choice = (
        0..=SamplerChoice::all().len(),
        proptest::option::of(proptest::sample::select(Schedule::ALL.to_vec())),
    );
    let numbers = (
        1..=1000_u32,
        0.0..=100.0_f32,
        0.001..=1.0_f32,
        proptest::num::u64::ANY,
    );
    let size = (8..=8192_u32, 8..=8192_u32);
    (words, choice, numbers, size).prop_map(|(words, (kind, schedule), numbers, size)| {
        let sampler = SamplerChoice::all()
            .nth(kind)
            .map(|choice| SamplerId::new(choice.id));
        GenerateSpec {
            prompt: words.0,
            negative_prompt: words.1,
            eta: if sampler == Some(SamplerId::new("ddim")) {
                numbers.2
            } else {
                0.0
            },
            sampler,
            schedule,
            steps: numbers.0,
            guidance_scale: numbers.1,
            seed: numbers.3,
            width_px: size.0,
            height_px: size.1,
            ..Default::default()
        }
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(spec in specs(), name in "[a-z ,:\"\\\\水]{0,12}") {
        let label = spec.sampler.as_ref().map(|id| SamplerChoice::label_of(id).to_owned());
        let mut recipe = PaintedRecipe::new(spec, name.trim(), "0123456789");
        recipe.sampler_label = label;
        let found = read_infotext(&write_infotext(&recipe)).unwrap();
        prop_assert_eq!(&found.spec, &recipe.spec);
        prop_assert_eq!(found.model_name.unwrap_or_default(), recipe.model_name.clone());
        prop_assert!(found.unread.is_empty());
        let found = FoundRecipe::from_json(&recipe.to_json().unwrap()).unwrap();
        prop_assert_eq!(found.spec, recipe.spec);
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in "\\PC{0,200}", lines in "[\\PC\n:,]{0,200}") {
        read_infotext(&text);
        read_infotext(&lines);
        FoundRecipe::from_json(&text);
    }
}
