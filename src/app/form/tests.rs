use super::*;
use crate::recipe::RecipeForm;
use crate::recipe::param::{BATCH, GUIDANCE, STEPS, WIDTH};

fn real(value: f32) -> Value {
    Value::Real(value)
}

#[test]
fn the_sentence_says_what_will_happen() {
    let form = GenerateForm::default();
    let size = [64, 48];
    let told = |boxes, has_map| Told {
        boxes,
        has_map,
        boxes_are_regions: false,
        map_is_regions: false,
        has_small_picture: false,
        has_guide: false,
        controls: 0,
        reads_words: true,
    };
    let says = |intent: Intent| intent.sentence(&form, size, false, told(0, false));
    assert_eq!(says(Intent::of(false, true)), "Text to image, 64 × 48");
    let silent = Told::default();
    let words = Intent::TextToImage.sentence(&form, size, false, silent);
    assert_eq!(words, "A new picture, 64 × 48");
    assert_eq!(says(Intent::of(true, true)), "Repaint inside the mask");
    assert_eq!(says(Intent::of(true, false)), "Image to image, 60 %");
    let from = |intent: Intent, told| intent.sentence(&form, size, false, told);
    let words = "Paint 64 × 48 from 3 boxes and a label map";
    assert_eq!(from(Intent::TextToImage, told(3, true)), words);
    let words = "Repaint inside the mask, with 1 box";
    assert_eq!(from(Intent::Inpaint, told(1, false)), words);
    let framed = |intent: Intent, told| intent.sentence(&form, [212, 180], true, told);
    let words = "Inpaint 212 × 180 inside the frame, with 3 boxes";
    assert_eq!(framed(Intent::Inpaint, told(3, false)), words);
    let words = "Outpaint 212 × 180 inside the frame";
    assert_eq!(framed(Intent::Outpaint, told(0, false)), words);
    let words = "Paint 212 × 180 inside the frame, with a label map";
    assert_eq!(framed(Intent::TextToImage, told(0, true)), words);
    let words = "Image to image, 212 × 180 inside the frame, 60 %";
    assert_eq!(framed(Intent::ImageToImage, told(0, false)), words);
}

#[test]
fn a_broken_settings_file_becomes_a_usable_form() {
    let mut form = GenerateForm {
        mask_strength: f32::NAN,
        ..GenerateForm::default()
    };
    let spec = &mut form.spec;
    (spec.steps, spec.width_px, spec.batch) = (0, 0, 9999);
    (spec.guidance_scale, spec.strength) = (f32::NAN, f32::INFINITY);
    (spec.sampler, spec.schedule) = (Some(SamplerId::new("ddim")), Some(Schedule::Karras));
    let form = form.validated();
    let job = form.spec([form.spec.width_px, form.spec.height_px], None, None);
    assert!(job.validate().is_ok());
    assert_eq!(form.mask_strength, 1.0);
    assert_eq!(form.schedule(), Schedule::Uniform);
}

#[test]
fn forms_of_older_versions_are_read_field_by_field() {
    let old = r#"{"model": "storybook", "prompt": "a pond", "negative_prompt": "fog",
        "sampler": "heun", "karras": true, "steps": 33, "guidance_scale": 5.5, "seed": 9,
        "seed_locked": true, "width_px": 128, "height_px": 96, "strength": 0.4,
        "mask_strength": 0.8, "feather_px": 6.0, "batch": 3}"#;
    let form: GenerateForm = serde_json::from_str(old).expect("an older form");
    let GenerateSpec {
        prompt,
        steps,
        seed,
        width_px,
        strength,
        feather_px,
        batch,
        ..
    } = &form.spec;
    assert_eq!((prompt.as_str(), *steps, *seed), ("a pond", 33, 9));
    assert_eq!(
        (*width_px, *strength, *feather_px, *batch),
        (128, 0.4, 6.0, 3)
    );
    assert_eq!((form.mask_strength, form.seed_locked), (0.8, true));
    assert_eq!(form.sampler(), SamplerId::new("heun"));
    assert_eq!(form.schedule(), Schedule::Karras);
    let text = serde_json::to_string(&form).expect("plain data");
    let again: GenerateForm = serde_json::from_str(&text).expect("its own text");
    assert_eq!(again, form);
}

#[test]
fn a_sampler_of_a_newer_version_costs_nothing_else() {
    let text = r#"{"prompt": "a pond", "sampler": "unheard-of", "karras": true}"#;
    let form: GenerateForm = serde_json::from_str(text).expect("any name is read");
    let form = form.validated();
    assert_eq!(form.spec.prompt, "a pond");
    assert_eq!(form.sampler(), SamplerId::new("euler"));
}

#[test]
fn a_change_changes_one_field_and_keeps_to_what_is_allowed() {
    let mut form = GenerateForm::default();
    let before = form.clone();
    form.change(FormChange::Number(&STEPS, Value::Whole(12)));
    form.change(FormChange::Number(&GUIDANCE, real(7.5)));
    assert_eq!((form.spec.steps, form.spec.guidance_scale), (12, 7.5));
    // A slider offers fewer than a recipe may have.
    form.change(FormChange::Number(&STEPS, Value::Whole(500)));
    assert_eq!(form.spec.steps, 500);
    form.change(FormChange::Number(&BATCH, Value::Whole(9999)));
    assert_eq!(Some(form.number(&BATCH)), Some(BATCH.allowed.most));
    form.change(FormChange::Number(&MASK_STRENGTH, real(0.25)));
    assert_eq!(form.mask_strength, 0.25);
    assert_eq!(form.spec.strength, before.spec.strength);
    form.change(FormChange::Number(&MASK_STRENGTH, real(f32::NAN)));
    assert_eq!(form.mask_strength, 0.25);
}

#[test]
fn what_a_model_brings_survives_a_change_of_the_frame_before() {
    let mut form = GenerateForm::default();
    // What is typed while the model is being loaded names its field only.
    let typed = FormChange::Prompt("a pond".to_owned());
    form.spec.steps = 31;
    form.change(typed);
    assert_eq!((form.spec.prompt.as_str(), form.spec.steps), ("a pond", 31));
}

#[test]
fn restoring_gives_the_same_job_again() {
    let spec = GenerateSpec {
        prompt: "a red house".to_owned(),
        sampler: Some(SamplerId::new("heun")),
        schedule: Some(Schedule::Karras),
        steps: 12,
        seed: 77,
        width_px: 128,
        height_px: 64,
        ..GenerateSpec::default()
    };
    let mut form = GenerateForm::default();
    let mut recipe = FoundRecipe::new(spec, RecipeForm::Velatura);
    form.restore(&recipe);
    assert!(form.seed_locked);
    assert_eq!(form.spec([128, 64], None, None), recipe.spec);
    assert_eq!(form.number(&WIDTH), Value::Whole(128));

    // A sampler that is not here leaves the chosen one.
    recipe.spec.sampler = Some(SamplerId::new("unheard-of"));
    form.restore(&recipe);
    assert_eq!(form.sampler(), SamplerId::new("heun"));

    // What was painted inside of a mask says nothing of whole pictures.
    let usual = form.spec.strength;
    (recipe.used_picture, recipe.used_mask) = (true, true);
    (recipe.spec.strength, recipe.spec.feather_px) = (0.9, 7.0);
    form.restore(&recipe);
    assert_eq!((form.spec.strength, form.mask_strength), (usual, 0.9));
    assert_eq!(form.spec.feather_px, 7.0);
}
