//! Writing prompts in the window: emphasis and history by keys, length, styles.

#[path = "support/studio.rs"]
mod studio;

use egui::{Event, Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use studio::Studio;
use velatura::app::form::FormChange;
use velatura::app::prompt::{Style, StyleCommand, change_styles, read_styles};
use velatura::recipe::prompt::PromptSyntax;

impl Studio {
    fn prompt(&self) -> &str {
        &self.state().form().spec.prompt
    }

    fn write(&mut self, prompt: &str) {
        self.set([FormChange::Prompt(prompt.to_owned())]);
    }

    /// Puts the cursor at the end of the prompt.
    fn enter_prompt(&mut self) {
        self.harness.get_by_label("Prompt").focus();
        self.harness.run();
        self.press(Modifiers::COMMAND, Key::End);
    }

    fn press(&mut self, modifiers: Modifiers, key: Key) {
        self.harness.key_press_modifiers(modifiers, key);
        self.harness.run();
    }

    /// Waits until the prompt has so many tokens.
    fn wait_for_length(&mut self, tokens: usize) {
        self.wait("the length", |state| {
            let length = state.prompt_length.known();
            length.is_some_and(|count| count.tokens == tokens)
        });
    }

    fn type_text(&mut self, text: &str) {
        self.harness.event(Event::Text(text.to_owned()));
        self.harness.run();
    }
}

#[test]
fn arrows_with_ctrl_change_the_emphasis_of_the_word_at_the_cursor() {
    let mut studio = Studio::start();
    studio.write("a red house");
    studio.enter_prompt();
    studio.press(Modifiers::COMMAND, Key::ArrowUp);
    assert_eq!(studio.prompt(), "a red (house:1.1)");
    studio.press(Modifiers::COMMAND, Key::ArrowUp);
    assert_eq!(studio.prompt(), "a red (house:1.2)");
    // The word is selected, so that it can be typed anew.
    studio.type_text("boat");
    assert_eq!(studio.prompt(), "a red (boat:1.2)");
    for _ in 0..3 {
        studio.press(Modifiers::COMMAND, Key::ArrowDown);
    }
    assert_eq!(studio.prompt(), "a red (boat:0.9)");
    studio.press(Modifiers::COMMAND, Key::ArrowUp);
    assert_eq!(studio.prompt(), "a red boat");
    studio.press(Modifiers::NONE, Key::Home);
    studio.press(Modifiers::COMMAND, Key::ArrowUp);
    assert_eq!(studio.prompt(), "(a:1.1) red boat");
    // It is typing like any other: the field takes it back.
    studio.press(Modifiers::COMMAND, Key::Z);
    assert_ne!(studio.prompt(), "(a:1.1) red boat");
}

#[test]
fn arrows_with_alt_go_through_what_was_painted() {
    let mut studio = Studio::start();
    studio.paint("a red house");
    studio.paint("a blue boat");
    studio.write("something new");
    studio.enter_prompt();
    let mut shown = Vec::new();
    for key in [
        Key::ArrowUp,
        Key::ArrowUp,
        Key::ArrowUp,
        Key::ArrowDown,
        Key::ArrowDown,
    ] {
        studio.press(Modifiers::ALT, key);
        shown.push(studio.prompt().to_owned());
    }
    let expected = [
        "a blue boat",
        "a red house",
        "a red house",
        "a blue boat",
        "something new",
    ];
    assert_eq!(shown, expected);
    assert_eq!(
        studio.state().settings.prompt_history,
        ["a blue boat", "a red house"]
    );
}

#[test]
fn the_length_of_the_prompt_stands_above_it() {
    let mut studio = Studio::start();
    studio.write("a (red:1.3) house");
    studio.wait_for_length(3);
    assert!(studio.sees("3/38"));
    studio.write(&"red ".repeat(40));
    studio.wait_for_length(40);
    assert!(studio.sees("40/38"));
    studio.write("a [red|green hill] house");
    studio.wait_for_length(4);
    assert!(studio.sees("4/38"));
    // A word without end, and one that takes turns: the window goes on meanwhile.
    let word = "red".repeat(2000);
    studio.write(&format!("[{word}|{word} hill]"));
    studio.wait("the length", |state| {
        let length = state.prompt_length.known();
        length.is_some_and(|count| count.tokens > 2000)
    });
    studio.write("");
    studio.wait_for_length(0);
    assert!(studio.sees("0/38"));
}

#[test]
fn a_prompt_becomes_a_style_and_a_style_a_prompt() {
    let mut studio = Studio::start();
    let path = studio.styles.path().join("styles.json");
    studio.write("flat sticker of {prompt}, plain");
    studio.click("Styles");
    assert!(studio.sees("No styles yet"));
    studio.harness.get_by_label("Name of the style").focus();
    studio.harness.run();
    studio.type_text("Sticker");
    studio.click("Save");
    studio.wait("the style", |state| !state.styles.is_empty());
    let style = Style {
        name: "Sticker".to_owned(),
        prompt: "flat sticker of {prompt}, plain".to_owned(),
        ..Style::default()
    };
    assert_eq!(
        read_styles(&path).expect("a file"),
        std::slice::from_ref(&style)
    );

    studio.write("a red house");
    studio.click("Sticker");
    assert_eq!(studio.prompt(), "flat sticker of a red house, plain");

    studio.click("Styles");
    studio.click("Delete the style Sticker");
    studio.wait("no style", |state| state.styles.is_empty());
    assert!(read_styles(&path).expect("a file").is_empty());
    // It was one press: it comes back by another.
    assert!(studio.sees("Deleted the style \u{201c}Sticker\u{201d}"));
    studio.click("Put it back");
    studio.wait("the style", |state| !state.styles.is_empty());
    assert_eq!(
        read_styles(&path).expect("a file"),
        std::slice::from_ref(&style)
    );
    // So it is with one that is replaced.
    studio.write("something else");
    studio.command(StyleCommand::Save("Sticker".to_owned()).into());
    studio.wait("the other", |state| {
        state.styles[0].prompt == "something else"
    });
    assert!(studio.sees("Replaced the style \u{201c}Sticker\u{201d}"));
    studio.click("Put it back");
    studio.wait("the first", |state| state.styles == [style.clone()]);
    // A file that is no list of styles is told of and left alone.
    std::fs::write(&path, "oops").expect("written");
    studio.command(StyleCommand::Save("Again".to_owned()).into());
    studio.wait("the message", |state| {
        let mut notices = state.notices.iter();
        notices.any(|notice| notice.text.contains("no list of styles"))
    });
    assert_eq!(std::fs::read_to_string(&path).expect("a file"), "oops");
}

#[test]
fn typing_makes_an_old_prompt_one_of_today() {
    let mut studio = Studio::start();
    let syntax = |studio: &Studio| studio.state().form().spec.prompt_syntax;
    assert_eq!(syntax(&studio), PromptSyntax::Weighted);
    let json = r#"{"format":1,"program":"Velatura 0.1.0","model":{"name":"","hash":""},
        "inputs":{},"spec":{"prompt":"a (red) house"}}"#;
    let old = velatura::recipe::FoundRecipe::from_json(json).expect("a recipe");
    studio.command(velatura::app::Command::RestoreSettings(Box::new(old)));
    assert_eq!(syntax(&studio), PromptSyntax::Plain);
    studio.enter_prompt();
    studio.type_text("!");
    assert_eq!(studio.prompt(), "a (red) house!");
    assert_eq!(syntax(&studio), PromptSyntax::Weighted);
}

fn style(name: &str, prompt: &str, negative: &str) -> Style {
    Style {
        name: name.to_owned(),
        prompt: prompt.to_owned(),
        negative_prompt: negative.to_owned(),
        ..Style::default()
    }
}

#[test]
fn a_style_stands_around_a_prompt_or_after_it() {
    let around = style("Oil", "oil painting of {prompt}, impasto", "photo");
    let (prompt, negative) = around.around("a house", "fog");
    assert_eq!(prompt, "oil painting of a house, impasto");
    assert_eq!(negative, "fog, photo");
    let after = style("3d", "3d style", "");
    assert_eq!(after.around("a house", "").0, "a house, 3d style");
    assert_eq!(after.around(" ", ""), ("3d style".into(), String::new()));
}

#[test]
fn styles_come_back_from_their_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("new/styles.json");
    assert!(read_styles(&path).expect("styles").is_empty());
    let (oil, flat) = (style("oil", "oil", ""), style("Flat", "flat", "3d"));
    change_styles(&path, "oil", Some(oil.clone())).expect("styles");
    let both = change_styles(&path, "Flat", Some(flat.clone())).expect("styles");
    assert_eq!(both, [flat.clone(), oil]);
    let other = style("oil", "other", "");
    let both = change_styles(&path, "oil", Some(other.clone())).expect("styles");
    assert_eq!(both, [flat, other.clone()]);
    assert_eq!(
        change_styles(&path, "Flat", None).expect("styles"),
        std::slice::from_ref(&other)
    );
    assert_eq!(read_styles(&path).expect("styles"), [other]);
}

#[test]
fn files_of_others_are_read_and_broken_ones_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("styles.json");
    let others = r#"[{"name": "base", "prompt": "{prompt}, hd", "more": 1}, {"prompt": "x"}]"#;
    std::fs::write(&path, others).expect("styles");
    let mut base = style("base", "{prompt}, hd", "");
    base.more.insert("more".to_owned(), 1.into());
    assert_eq!(
        read_styles(&path).expect("styles"),
        std::slice::from_ref(&base)
    );
    // What is changed is changed, and nothing else.
    let both = change_styles(&path, "a", Some(style("a", "b", ""))).expect("styles");
    assert_eq!(both, [style("a", "b", ""), base.clone()]);
    assert_eq!(change_styles(&path, "a", None).expect("styles"), [base]);
    let text = std::fs::read(&path).expect("styles");
    let kept: Vec<Style> = serde_json::from_slice(&text).expect("styles");
    assert_eq!(kept.len(), 2);
    assert_eq!(
        (kept[0].more["more"].as_u64(), &*kept[1].prompt),
        (Some(1), "x")
    );
    // No list of styles is that large.
    std::fs::write(&path, " ".repeat(5 << 20)).expect("styles");
    let error = read_styles(&path).expect_err("too large").to_string();
    assert!(error.contains("more than 4 MiB"), "{error}");
    std::fs::write(&path, "{").expect("styles");
    let error = change_styles(&path, "a", Some(style("a", "b", "")));
    assert!(
        error
            .expect_err("no list")
            .to_string()
            .contains("left as it is")
    );
    assert_eq!(std::fs::read_to_string(&path).expect("styles"), "{");
}
