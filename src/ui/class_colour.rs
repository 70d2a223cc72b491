//! A colour for each class of boxes, the same wherever the class is shown.

use egui::Color32;
use egui::ecolor::Hsva;

/// Turns of the hue from one class to the next: the golden section, so that classes
/// that follow each other can be told apart.
const TURN: f32 = 0.618_034;

/// Saturation and value of each round of eight classes.
const ROUNDS: [[f32; 2]; 3] = [[0.92, 0.9], [0.55, 1.0], [0.95, 0.35]];

/// The colour of a class. `classes` is the vocabulary that it may be of: those of
/// one vocabulary differ as much as they can. A box without a class is grey.
pub fn class_colour(label: &str, classes: &[String]) -> Color32 {
    if label.is_empty() {
        return Color32::from_gray(190);
    }
    let known = classes
        .iter()
        .position(|class| class.eq_ignore_ascii_case(label));
    let number = known.unwrap_or_else(|| {
        // FNV-1a: the same in every run.
        let bytes = label.bytes().map(|byte| byte.to_ascii_lowercase());
        let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        (hash % 1009) as usize
    });
    let hue = (0.07 + number as f32 * TURN).fract();
    let [saturation, value] = ROUNDS[number / 8 % ROUNDS.len()];
    Hsva::new(hue, saturation, value, 1.0).into()
}

/// The colour that a word means; `None` for a word that is not among the common ones.
pub fn word_colour(word: &str) -> Option<Color32> {
    let [r, g, b] = match word.to_lowercase().as_str() {
        "red" => [0xD9, 0x36, 0x36],
        "orange" => [0xF0, 0x8A, 0x24],
        "yellow" => [0xF2, 0xD0, 0x3A],
        "green" => [0x3F, 0xA6, 0x4B],
        "teal" | "cyan" | "turquoise" => [0x2F, 0xB5, 0xB0],
        "blue" => [0x3A, 0x6F, 0xD8],
        "purple" | "violet" => [0x8B, 0x4F, 0xC8],
        "pink" => [0xF0, 0x8C, 0xB4],
        "brown" => [0x8A, 0x5A, 0x36],
        "black" => [0x20, 0x20, 0x20],
        "white" => [0xF4, 0xF4, 0xF4],
        "grey" | "gray" => [0x90, 0x90, 0x90],
        "gold" | "golden" => [0xD8, 0xA8, 0x2E],
        "silver" => [0xBC, 0xC2, 0xC8],
        "beige" | "cream" => [0xE8, 0xDC, 0xBE],
        _ => return None,
    };
    Some(Color32::from_rgb(r, g, b))
}

/// Black or white, whichever can be read on a colour.
pub fn text_on(ground: Color32) -> Color32 {
    let [r, g, b] = [ground.r(), ground.g(), ground.b()].map(f32::from);
    if 0.299 * r + 0.587 * g + 0.114 * b > 120.0 {
        Color32::BLACK
    } else {
        Color32::WHITE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_a_vocabulary_can_be_told_apart() {
        let classes: Vec<String> = (0..24).map(|number| format!("class {number}")).collect();
        let colours: Vec<Color32> = classes
            .iter()
            .map(|class| class_colour(class, &classes))
            .collect();
        for (index, a) in colours.iter().enumerate() {
            for b in &colours[index + 1..] {
                let apart = |a: u8, b: u8| i32::from(a.abs_diff(b));
                let apart = apart(a.r(), b.r()) + apart(a.g(), b.g()) + apart(a.b(), b.b());
                assert!(apart > 24, "{a:?} and {b:?}");
            }
        }
        assert_eq!(class_colour("Class 3", &classes), colours[3]);
        assert_eq!(class_colour("dragon", &[]), class_colour("Dragon", &[]));
    }
}
