use super::*;
use crate::recipe::{LayoutInput, ModelSource, SamplerId, Schedule, Tile};

fn recipe() -> PaintedRecipe {
    let spec = GenerateSpec {
        model: ModelSource::Folder("models/garden".into()),
        prompt: "a \"red\" barn,\n(by night:1.2)".to_owned(),
        clip_skip: 2,
        sampler: Some(SamplerId::new("dpmpp-2m")),
        schedule: Some(Schedule::Karras),
        seed: u64::MAX,
        guidance_scale: 6.1,
        ..Default::default()
    };
    PaintedRecipe::new(spec, "Garden", "0123456789")
}

#[test]
fn the_json_form_comes_back_whole() {
    let recipe = recipe();
    let found = FoundRecipe::from_json(&recipe.to_json().unwrap()).unwrap();
    assert_eq!(found, FoundRecipe::of(recipe.clone()));
    let mut restored = GenerateSpec {
        model: recipe.spec.model.clone(),
        ..Default::default()
    };
    found.restore_into(&mut restored);
    assert_eq!(restored, recipe.spec);
    assert_eq!(found.form, RecipeForm::Velatura);
    assert_eq!(found.model_name.as_deref(), Some("Garden"));
    assert_eq!(found.program, Some(recipe.program));
    assert!(!found.used_picture && !found.used_mask);
}

#[test]
fn no_path_goes_into_a_picture_and_none_is_taken_from_one() {
    let mut recipe = recipe();
    recipe.spec.model = ModelSource::Folder("/home/anna/models/garden".into());
    let json = recipe.to_json().unwrap();
    assert!(!json.contains("anna") && json.contains("Garden"), "{json}");
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt as _;
        let path = std::ffi::OsStr::from_bytes(b"/models/m\xfcller");
        recipe.spec.model = ModelSource::Folder(path.into());
        assert_eq!(recipe.to_json().unwrap(), json);
    }
    // As versions before this one wrote it, or a stranger.
    let old = r#"{"format":1,"program":"Velatura 0.1.0",
        "model":{"name":"m","hash":"h"},"inputs":{"picture":true},
        "spec":{"model":{"folder":"//stranger/share"},"prompt":"sea","steps":7}}"#;
    let found = FoundRecipe::from_json(old).unwrap();
    assert_eq!(found.spec.model, ModelSource::default());
    assert_eq!((found.spec.steps, found.used_picture), (7, true));
}

#[test]
fn a_strength_that_did_not_act_is_not_restored() {
    let mut found = FoundRecipe::new(GenerateSpec::default(), RecipeForm::Velatura);
    assert!(!found.tells(&STRENGTH) && !found.tells(&FEATHER) && !found.tells(&BATCH));
    found.used_picture = true;
    assert!(found.tells(&STRENGTH) && !found.tells(&FEATHER));
}

#[test]
fn what_is_not_taken_over_is_named_but_not_at_any_length() {
    let mut found = FoundRecipe::new(GenerateSpec::default(), RecipeForm::Infotext);
    assert_eq!(found.complaint(), None);
    found.unread = vec!["Seed: -1".to_owned(); 20];
    found.unread[1] = "水".repeat(5000);
    let sentence = found.complaint().unwrap();
    assert!(sentence.contains("\u{201c}Seed: -1\u{201d}"), "{sentence}");
    assert!(sentence.ends_with("8 more"), "{sentence}");
    assert!(sentence.chars().count() < 500, "{sentence}");
}

#[test]
fn a_newer_form_and_foreign_json_are_refused() {
    let newer = recipe()
        .to_json()
        .unwrap()
        .replacen("\"format\":1", "\"format\":2", 1);
    assert_eq!(FoundRecipe::from_json(&newer), None);
    assert_eq!(FoundRecipe::from_json("{\"prompt\": 3}"), None);
    assert_eq!(FoundRecipe::from_json("not json"), None);
}

#[test]
fn what_is_unknown_of_one_field_costs_the_others_nothing() {
    let told = |fields: &str| {
        let json = format!(
            r#"{{"format":1,"program":"Velatura 9.0.0","model":{{"name":"m","hash":"h"}},
            "inputs":{{}},"spec":{{"prompt":"sea","seed":7,"prompt_syntax":"weighted",{fields}}}}}"#
        );
        FoundRecipe::from_json(&json).unwrap()
    };
    for (fields, unread) in [
        (r#""guide_kind":"future""#, r#"guide_kind: "future""#),
        (r#""tile":"diag""#, r#"tile: "diag""#),
        (r#""schedule":5"#, "schedule: 5"),
        (r#""schedule":"of tomorrow""#, r#"schedule: "of tomorrow""#),
        (r#""windows":"huge""#, r#"windows: "huge""#),
        (r#""steps":-5"#, "steps: -5"),
        (r#""loras":[{"name":" "}]"#, r#"loras: """#),
        (r#""vae":{"name":""}"#, r#"vae: """#),
    ] {
        let found = told(fields);
        assert_eq!((found.spec.prompt.as_str(), found.spec.seed), ("sea", 7));
        assert_eq!(found.unread, [unread]);
        assert_eq!(found.spec.tile, Tile::None);
        assert!(found.spec.loras.is_empty() && found.spec.vae.is_none());
    }
    // Windows of less than can be asked for were painted once.
    let found = told(r#""windows":"32""#);
    assert_eq!(found.spec.windows, WindowChoice::Side(32));
    assert_eq!(found.unread, [] as [&str; 0]);
    // Numbers that are not there are not restored.
    let found = told(r#""guidance_scale":"much","width_px":-1,"guidance_rescale":0.5"#);
    let mut spec = GenerateSpec {
        guidance_scale: 3.0,
        width_px: 96,
        ..Default::default()
    };
    found.restore_into(&mut spec);
    let numbers = (spec.guidance_scale, spec.width_px, spec.guidance_rescale);
    assert_eq!(numbers, (3.0, 96, 0.5));
}

#[test]
fn a_field_added_later_has_its_default_in_old_files() {
    let json = r#"{"format":1,"program":"Velatura 0.0.1",
        "model":{"name":"m","hash":"h"},"inputs":{},"spec":{"prompt":"sea"}}"#;
    let found = FoundRecipe::from_json(json).unwrap();
    let expected = GenerateSpec {
        prompt: "sea".to_owned(),
        prompt_syntax: PromptSyntax::Plain,
        windows: WindowChoice::Off,
        layout_bias: 0.0,
        ..Default::default()
    };
    assert_eq!(found.spec, expected);
    // What boxes had then is restored with them.
    let layout = LayoutInput(Vec::new().into());
    let mut spec = GenerateSpec::default();
    let mut with_boxes = found.clone();
    with_boxes.spec.layout = Some(layout);
    with_boxes.restore_into(&mut spec);
    assert_eq!(spec.layout_bias, 0.0);
}
