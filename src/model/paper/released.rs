//! The released latent diffusion models, for checkpoints that come without their YAML.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;

use super::{
    OriginalConditioner, OriginalConfig, OriginalFirstStage, OriginalUnet, ToldConditioner,
};

/// Their configurations as in the YAML files, without what only training needs.
const FILE: &str = include_str!("released.json");

#[derive(Deserialize)]
struct Entry {
    name: String,
    #[serde(flatten)]
    told: Value,
}

/// A released model.
#[derive(Debug)]
pub struct Released {
    /// Its name in the model zoo.
    pub name: String,
    /// Its configuration.
    pub config: OriginalConfig,
}

static RELEASED: LazyLock<Vec<Released>> = LazyLock::new(|| {
    const TESTED: &str = "the file is part of the program and tested";
    let entries: Vec<Entry> = serde_json::from_str(FILE).expect(TESTED);
    let released = |entry: Entry| Released {
        config: OriginalConfig::of_value(&entry.told)
            .ok()
            .flatten()
            .expect(TESTED),
        name: entry.name,
    };
    entries.into_iter().map(released).collect()
});

/// All of them.
pub fn released() -> &'static [Released] {
    &RELEASED
}

/// The one with exactly these parts, as far as names and shapes tell them: heads of
/// attention and pictures beside the latents they do not. Several that differ in nothing
/// but their pictures are as good as one.
pub(in crate::model) fn matching(
    unet: &OriginalUnet,
    first_stage: &OriginalFirstStage,
    conditioner: &OriginalConditioner,
) -> Option<&'static Released> {
    let is_told_so = |config: &OriginalConfig| match &config.conditioner {
        ToldConditioner::Sized(OriginalConditioner::Picture | OriginalConditioner::FirstStage) => {
            *conditioner == OriginalConditioner::Nothing
        }
        ToldConditioner::Sized(known) => known == conditioner,
        ToldConditioner::Clip(_) => false,
    };
    released().iter().find(|released| {
        let config = &released.config;
        let known = config.unet.as_ref().map(|unet| OriginalUnet {
            heads: None,
            ..unet.clone()
        });
        known.as_ref() == Some(unet)
            && config.first_stage.as_ref() == Some(first_stage)
            && is_told_so(config)
    })
}
