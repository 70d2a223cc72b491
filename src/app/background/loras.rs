//! Reading what LoRA files say of themselves.

use std::path::{Path, PathBuf};

use super::{Background, BackgroundEvent};
use crate::app::loras::LoraSeen;
use crate::engine::kept_files::{TriggerWords, lora_words};
use crate::recipe::NamedFile;

impl Background {
    /// Reads the header of a LoRA, which is looked for beside the model where it is not
    /// told where it lies.
    pub fn read_lora(&self, file: NamedFile, model: Option<PathBuf>, is_added: bool) {
        let failed = {
            let (file, model) = (file.clone(), model.clone());
            Box::new(move |text| seen(file, model, is_added, Err(text)))
        };
        self.spawn("lora", failed, move || {
            let told = lora_words(&file, model.as_deref().unwrap_or(Path::new("")));
            Ok(seen(file, model, is_added, told))
        });
    }
}

fn seen(
    file: NamedFile,
    model: Option<PathBuf>,
    is_added: bool,
    told: Result<TriggerWords, String>,
) -> BackgroundEvent {
    BackgroundEvent::LoraSeen(Box::new(LoraSeen {
        file,
        model,
        is_added,
        told,
    }))
}
