//! The released autoencoders of the paper by name (its table 8 and its model zoo).
//!
//! Those of f = 2 and `vq-f32` stand in the table only; their channels and codes are
//! the paper's, their levels continue those of the others.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;

use crate::model::first_stage::FirstStageConfig;

/// Names, classes and `params` as in the released YAML files.
const FILE: &str = include_str!("presets.json");

/// A released autoencoder.
#[derive(Debug)]
pub struct Preset {
    /// Its name in the model zoo.
    pub name: String,
    /// What it is made of.
    pub config: FirstStageConfig,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    #[serde(flatten)]
    told: Value,
}

static PRESETS: LazyLock<Vec<Preset>> = LazyLock::new(|| {
    let entries: Vec<Entry> =
        serde_json::from_str(FILE).expect("the file is part of the program and tested");
    let preset = |entry: Entry| Preset {
        config: FirstStageConfig::try_from(entry.told)
            .expect("the file is part of the program and tested"),
        name: entry.name,
    };
    entries.into_iter().map(preset).collect()
});

/// All of them.
pub fn all() -> &'static [Preset] {
    &PRESETS
}

/// Their names.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().iter().map(|preset| preset.name.as_str())
}

/// The one of a name.
pub fn find(name: &str) -> Option<FirstStageConfig> {
    let preset = all().iter().find(|preset| preset.name == name)?;
    Some(preset.config.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn released_autoencoders_have_their_numbers_of_weights() {
        // Counted from the released configurations.
        let counts = [
            ("kl-f4", 55_312_063, 3, 4),
            ("kl-f8", 83_653_863, 4, 8),
            ("kl-f16", 69_610_963, 16, 16),
            ("kl-f32", 103_880_131, 64, 32),
            ("vq-f4", 55_322_782, 3, 4),
            ("vq-f4-noattn", 53_219_486, 3, 4),
            ("vq-f8", 67_717_295, 4, 8),
            ("vq-f8-n256", 67_652_783, 4, 8),
            ("vq-f16", 69_593_371, 8, 16),
        ];
        for (name, count, channels, factor) in counts {
            let config = find(name).expect("a preset");
            assert_eq!(
                config.parameter_count().expect("supported"),
                count,
                "{name}"
            );
            let info = config.info();
            assert_eq!((info.channels, info.factor), (channels, factor), "{name}");
        }
    }

    #[test]
    fn presets_reach_from_pixels_to_a_thirty_second() {
        for (kind, wanted) in [("kl", [2, 4, 8, 16, 32]), ("vq", [2, 4, 8, 16, 32])] {
            let mut factors: Vec<usize> = all()
                .iter()
                .filter(|preset| preset.name.starts_with(kind))
                .map(|preset| preset.config.info().factor)
                .collect();
            factors.sort_unstable();
            factors.dedup();
            assert_eq!(factors, wanted);
        }
        assert_eq!(find("pixels").expect("f = 1").info().factor, 1);
        let named: FirstStageConfig = serde_json::from_str("\"vq-f8\"").expect("by name");
        assert_eq!(Some(named), find("vq-f8"));
        let error = serde_json::from_str::<FirstStageConfig>("\"vq-f7\"").expect_err("none");
        assert!(error.to_string().contains("vq-f4-noattn"), "{error}");
    }
}
