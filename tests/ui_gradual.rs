//! Soft masks: the switch that has them repaint less where they cover less.

#[path = "support/studio.rs"]
mod studio;

use egui::vec2;
use egui_kittest::kittest::Queryable as _;
use studio::{Studio, number};
use velatura::app::Command;
use velatura::app::form::FormChange;
use velatura::recipe::param::{
    GUIDANCE, GUIDANCE_END, GUIDANCE_RESCALE, GUIDANCE_START, STEPS, Value,
};
use velatura::tools::ToolId;

const SWITCH: &str = "Soft mask repaints less";

/// A painted picture with a mask on it.
fn masked() -> Studio {
    let mut studio = Studio::start();
    studio.paint("a red house");
    studio.command(Command::SelectTool(ToolId("brush")));
    let centre = studio.harness.get_by_label("Canvas").rect().center();
    studio.harness.drag_at(centre);
    studio.harness.run();
    studio.harness.hover_at(centre + vec2(30.0, 10.0));
    studio.harness.run();
    studio.harness.drop_at(centre + vec2(30.0, 10.0));
    studio.harness.run();
    assert!(studio.state().document().has_mask_content());
    studio
}

fn scroll_to(studio: &mut Studio, label: &str) {
    studio.harness.get_by_label(label).scroll_to_me();
    studio.harness.run();
}

#[test]
fn the_switch_stands_beside_the_feather_and_goes_with_the_picture() {
    let mut studio = masked();
    scroll_to(&mut studio, SWITCH);
    assert!(!studio.state().form().spec.gradual_mask);
    studio.click(SWITCH);
    assert!(studio.state().form().spec.gradual_mask);
    studio.set([number(&STEPS, 2)]);
    studio.permit(2);
    studio.click("Generate");
    studio.wait("the picture", |state| state.document().layers().len() == 3);
    let recipe = studio.state().front().recipe().expect("a recipe").clone();
    assert!(recipe.spec.gradual_mask && recipe.used_mask);

    // It comes back with the settings of the picture.
    studio.set([FormChange::GradualMask(false)]);
    let found = velatura::recipe::FoundRecipe::of(recipe);
    studio.command(Command::RestoreSettings(Box::new(found)));
    assert!(studio.state().form().spec.gradual_mask);

    // Without a mask that is heeded there is nothing to switch.
    studio.command(Command::HeedMask(false));
    assert!(!studio.sees(SWITCH));
}

#[test]
fn guidance_can_be_rescaled_and_begin_later_where_there_is_some() {
    let mut studio = Studio::start();
    scroll_to(&mut studio, "Finish");
    assert!(studio.sees(GUIDANCE_RESCALE.label));
    studio.set([FormChange::Number(&GUIDANCE_RESCALE, Value::Real(0.7))]);
    assert_eq!(studio.state().form().spec.guidance_rescale, 0.7);
    let interval = [&GUIDANCE_START, &GUIDANCE_END];
    assert!(interval.iter().all(|number| studio.sees(number.label)));
    studio.set([FormChange::Number(&GUIDANCE_START, Value::Real(0.2))]);
    assert_eq!(studio.state().form().spec.guidance_start, 0.2);
    studio.set([FormChange::Number(&GUIDANCE, Value::Real(1.0))]);
    assert!(!studio.sees(GUIDANCE_RESCALE.label));
    assert!(!interval.iter().any(|number| studio.sees(number.label)));
}
