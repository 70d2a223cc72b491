//! What a job adds to its model: which files these are, and the model with them.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use super::device::ComputeDevice;
use super::kept_files::{self, Kept};
use super::memory::Memory;
use super::model_cache::{LoadNews, Loaded, UsedFiles, bad_model, folder_of, path_of};
use super::protocol::StopReason;
use super::workbench::check_room;
use crate::model::conditioner::LearnedWord;
use crate::model::lora::{Changes, LoraFile};
use crate::model::weights::{FileStamp, WeightDigest};
use crate::model::{Additions, FirstStageConfig, ModelFolder, load_first_stage};
use crate::recipe::{GenerateSpec, LayoutBox, LoraSpec, ModelSource, NamedFile};

/// Digits of the digest of a LoRA or word in recipes, as other programs have them.
const FILE_DIGITS: usize = 12;

/// The files that a job adds to its model, as they are now.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Chosen {
    /// With the weights for the denoiser and for the text encoder.
    loras: Vec<(String, PathBuf, [u32; 2])>,
    /// And whether each was named, instead of found by a word of the prompt.
    words: Vec<(PathBuf, bool)>,
    vae: Option<PathBuf>,
    /// A tiny first stage, to see steps by.
    preview: Option<PathBuf>,
    /// Another value means that one was exchanged.
    stamps: Vec<FileStamp>,
}

impl Chosen {
    /// Finds the files of a job; `is_xl` says of which kind its model is.
    ///
    /// # Errors
    /// If one that is named cannot be found.
    pub fn of(spec: &GenerateSpec, model: &Path, is_xl: bool) -> Result<Self, StopReason> {
        let loras = spec
            .all_loras()
            .map_err(|error| StopReason::Failed(error.into()))?;
        let find = |file: &NamedFile, kept: Kept| {
            kept_files::find_file(file, kept, model).map_err(|error| bad_model(&error))
        };
        let lora = |lora: &LoraSpec| {
            let weights = [lora.weight, lora.text_weight.unwrap_or(lora.weight)];
            let path = find(&lora.file, Kept::Loras)?;
            Ok((lora.file.name.clone(), path, weights.map(f32::to_bits)))
        };
        let loras: Vec<_> = loras.iter().map(lora).collect::<Result<_, StopReason>>()?;
        let named = spec.embeddings.iter();
        let mut words: Vec<(PathBuf, bool)> = named
            .map(|file| Ok((find(file, Kept::Embeddings)?, true)))
            .collect::<Result<_, StopReason>>()?;
        for path in kept_files::words_in(&texts_of(spec), model) {
            if words.iter().all(|(known, _)| *known != path) {
                words.push((path, false));
            }
        }
        let vae = match spec.vae.as_ref().map(|file| find(file, Kept::Vaes)) {
            // Nobody here asked for it.
            Some(Err(_)) if recipe_tells_vae(spec) => None,
            found => found.transpose()?,
        };
        let preview = spec
            .has_tiny_previews
            .then(|| kept_files::preview_file(model, is_xl));
        let preview = preview.flatten();
        let files = loras.iter().map(|(_, path, _)| path);
        let files = files.chain(words.iter().map(|(path, _)| path));
        let files = files.chain(&vae).chain(&preview);
        let stamps = files.flat_map(|path| match path.is_dir() {
            true => ModelFolder::stamp_of(path),
            false => FileStamp::of(path).into_iter().collect(),
        });
        Ok(Self {
            stamps: stamps.collect(),
            loras,
            words,
            vae,
            preview,
        })
    }

    /// Whether the model is to be as it is.
    pub fn is_nothing(&self) -> bool {
        let has_files = self.vae.is_some() || self.preview.is_some();
        self.loras.is_empty() && self.words.is_empty() && !has_files
    }

    /// The model with the files.
    ///
    /// # Errors
    /// If one cannot be read or does not fit, or there is not enough memory.
    pub fn added_to(
        &self,
        base: &Loaded,
        source: &ModelSource,
        device: &ComputeDevice,
        news: &dyn LoadNews,
    ) -> Result<Loaded, StopReason> {
        let model = base.model.model();
        let mut additions = Additions::default();
        let mut used = UsedFiles::default();
        if !self.loras.is_empty() {
            let targets = model.lora_targets();
            for (name, path, weights) in &self.loras {
                let file = LoraFile::open(path).map_err(|error| bad_model(&error))?;
                let weights = weights.map(f32::from_bits);
                let needed = file.numbers_needed(&targets);
                check_reading(needed.map_err(|error| bad_model(&error))?)?;
                file.add_to(&mut additions.changes, &targets, weights)
                    .map_err(|error| bad_model(&error))?;
                let digest = WeightDigest::of_data(path.clone());
                digest.begin();
                used.loras.insert(name.clone(), digest);
            }
            check_memory(&additions.changes, device)?;
        }
        let widths = model.word_widths();
        let reads_words = widths.iter().any(Option::is_some);
        if !reads_words && self.words.iter().any(|(_, is_named)| *is_named) {
            news.warn("this model reads no learned words, so that --embedding changes nothing");
        }
        if reads_words {
            for (path, is_named) in &self.words {
                match LearnedWord::open(path, widths) {
                    Ok(word) => {
                        let name = path.file_stem().unwrap_or_default().to_string_lossy();
                        let digest = begun(path);
                        used.words.insert(name.into_owned(), digest);
                        additions.words.push(word);
                    }
                    Err(error) if *is_named => return Err(bad_model(&error)),
                    // The word may mean something without them.
                    Err(error) => news.warn(&error.to_string()),
                }
            }
        }
        if let Some(path) = &self.vae
            && base.completed_by.as_ref() == Some(path)
        {
            // It is there, because the model has none.
            used.vae = path.is_file().then(|| begun(path));
        } else if let (Some(path), true) = (&self.vae, model.is_in_turn()) {
            // It is read when its turn comes.
            additions.first_stage_path = Some(path.clone());
            used.vae = path.is_file().then(|| begun(path));
        } else if let Some(path) = &self.vae {
            let own = base.completed_by.as_deref().map(NamedFile::at);
            let folder = folder_of(source, own.as_ref(), device, news.saves_memory())?;
            let config = folder.first_stage_config();
            let count = config.and_then(FirstStageConfig::parameter_count);
            let bytes = folder.first_stage_bytes(count.unwrap_or_default(), Some(path.as_path()));
            let folder = folder.watched(news.watch(bytes as u64));
            let stage = folder.load_first_stage_instead(path, &device.device);
            // One that was given up is none that failed.
            news.goes_on()?;
            additions.first_stage = Some(stage.map_err(|error| bad_model(&error))?);
            used.vae = path.is_file().then(|| begun(path));
        }
        if let Some(path) = &self.preview {
            match load_first_stage(path, device.weights, &device.device) {
                Ok(stage) if stage.info() == model.latents() => additions.preview = Some(stage),
                // It is for another kind of model.
                Ok(_) => {}
                Err(error) => log::warn!("Steps are shown without a tiny decoder: {error}"),
            }
        }
        let size_bytes = (additions.changes.touched() * device.weights.bytes()) as u64;
        let model = base
            .model
            .with(additions)
            .map_err(|error| bad_model(&error))?;
        Ok(base.changed(model, size_bytes, used))
    }
}

/// Refuses to read more numbers of a LoRA than there is room for.
fn check_reading(numbers: u64) -> Result<(), StopReason> {
    check_room(
        "Reading the LoRA",
        numbers.saturating_mul(size_of::<f32>() as u64),
        Memory::now().map(|memory| memory.available_bytes),
        "close other programs, or take a smaller one",
    )
    .map_err(StopReason::Failed)
}

/// Refuses to change more weights than can be held twice.
fn check_memory(changes: &Changes, device: &ComputeDevice) -> Result<(), StopReason> {
    if device.summary.is_gpu {
        return Ok(());
    }
    let needed_bytes = (changes.touched() * device.weights.bytes()) as u64;
    check_room(
        "Changing the model by LoRA",
        needed_bytes,
        Memory::now().map(|memory| memory.available_bytes),
        "close other programs, or take --precision f16",
    )
    .map_err(StopReason::Failed)
}

/// The model with a job's files, as it was made last: the weights that are changed are in
/// memory twice and no more often.
#[derive(Default)]
pub(super) struct Fitted {
    last: Option<(Rc<Loaded>, Chosen, Rc<Loaded>)>,
    /// What was told of the files of the last job: nobody wants to hear it at each.
    told: Vec<String>,
}

impl Fitted {
    /// A model with a job's files.
    pub fn get(
        &mut self,
        base: &Rc<Loaded>,
        spec: &GenerateSpec,
        device: &ComputeDevice,
        news: &dyn LoadNews,
    ) -> Result<Rc<Loaded>, StopReason> {
        let is_xl = base.model.model().word_widths()[1].is_some();
        let chosen = Chosen::of(spec, &path_of(&spec.model)?, is_xl)?;
        if chosen.is_nothing() {
            self.last = None;
            self.tell(spec, base, news);
            return Ok(Rc::clone(base));
        }
        if let Some((of, known, fitted)) = &self.last
            && Rc::ptr_eq(of, base)
            && *known == chosen
        {
            let fitted = Rc::clone(fitted);
            self.tell(spec, &fitted, news);
            return Ok(fitted);
        }
        // What was changed before goes first.
        self.last = None;
        let fitted = Rc::new(chosen.added_to(base, &spec.model, device, news)?);
        self.tell(spec, &fitted, news);
        self.last = Some((Rc::clone(base), chosen, Rc::clone(&fitted)));
        Ok(fitted)
    }

    fn tell(&mut self, spec: &GenerateSpec, fitted: &Loaded, news: &dyn LoadNews) {
        let complaints = complaints(spec, fitted);
        let fresh = complaints.iter().filter(|it| !self.told.contains(it));
        fresh.for_each(|complaint| news.warn(complaint));
        self.told = complaints;
    }

    /// Lets go of it unless it is of a model that is wanted: another one needs the room.
    pub fn forget_others(&mut self, wanted: &ModelSource) {
        let is_other = |(base, ..): &mut (Rc<Loaded>, _, _)| base.summary.source != *wanted;
        self.last.take_if(is_other);
    }

    /// Lets go of it.
    pub fn forget(&mut self) {
        self.last = None;
    }
}

/// What is to be said of files that were found by name and are others than those a recipe
/// wants, and of words that are missing.
fn complaints(spec: &GenerateSpec, fitted: &Loaded) -> Vec<String> {
    let mut complaints = Vec::new();
    let compare = |what: String, found: &str, wanted: &str| {
        let is_other = !found.is_empty()
            && !wanted.is_empty()
            && !wanted.starts_with(found)
            && !found.starts_with(wanted);
        is_other.then(|| {
            format!(
                "the {what} is another one ({found}) than the picture was painted with ({wanted}); the picture will be another"
            )
        })
    };
    let texts: Vec<String> = texts_of(spec)
        .iter()
        .map(|text| text.to_lowercase())
        .collect();
    for (name, wanted) in &spec.word_hashes {
        let word = name.to_lowercase();
        if !texts.iter().any(|text| kept_files::has_word(text, &word)) {
            continue;
        }
        let mut words = fitted.used.words.iter();
        match words.find(|(known, _)| known.to_lowercase() == word) {
            Some((_, found)) => {
                let what = format!("word \u{201c}{name}\u{201d}");
                complaints.extend(compare(what, &file_digits(found), wanted));
            }
            None => complaints.push(format!(
                "there is no file for the word \u{201c}{name}\u{201d}, which the picture was painted with; put it into a folder \u{201c}embeddings\u{201d} beside the model"
            )),
        }
    }
    if let (Some(vae), Some(found), Some(wanted)) = (&spec.vae, &fitted.used.vae, &spec.vae_hash)
        && vae.path.is_none()
    {
        let what = format!("first stage \u{201c}{}\u{201d}", vae.name);
        complaints.extend(compare(what, &file_digits(found), wanted));
    }
    if let Some(vae) = &spec.vae
        && lacks_vae(spec, fitted)
    {
        complaints.push(format!(
            "the first stage \u{201c}{}\u{201d}, which the picture was painted with, is not here; the model's own decodes the picture",
            vae.name
        ));
    }
    let is_found = |name: &str| {
        let listed = spec.loras.iter().find(|lora| lora.file.name == name);
        listed.is_none_or(|lora| lora.file.path.is_none())
    };
    for (name, wanted) in &spec.lora_hashes {
        if let Some(found) = fitted.used.loras.get(name).filter(|_| is_found(name)) {
            let what = format!("LoRA \u{201c}{name}\u{201d}");
            complaints.extend(compare(what, &file_digits(found), wanted));
        }
    }
    complaints
}

/// All that text encoders read of a job: its prompts, and the words of boxes and classes.
fn texts_of(spec: &GenerateSpec) -> Vec<String> {
    let prompt = spec.prompt_syntax.without_loras(&spec.prompt);
    let boxes = spec.layout.iter().flat_map(|layout| layout.0.iter());
    let classes = spec.semantic.iter().flat_map(|map| &map.palette.classes);
    [prompt.into_owned(), spec.negative_prompt.clone()]
        .into_iter()
        .chain(boxes.map(LayoutBox::words))
        .chain(classes.map(|class| class.name.clone()))
        .collect()
}

/// Whether the first stage is that of a recipe, and none that was asked for here.
fn recipe_tells_vae(spec: &GenerateSpec) -> bool {
    let is_asked = spec.vae.as_ref().is_some_and(|vae| vae.path.is_some());
    !is_asked && spec.vae_hash.is_some()
}

/// Whether the model's own first stage stands in for that of a recipe, which is not here.
pub(super) fn lacks_vae(spec: &GenerateSpec, fitted: &Loaded) -> bool {
    spec.vae.is_some() && recipe_tells_vae(spec) && fitted.used.vae.is_none()
}

/// The digest of a file, which is being read.
fn begun(path: &Path) -> Arc<WeightDigest> {
    let digest = WeightDigest::new(vec![path.to_path_buf()]);
    digest.begin();
    digest
}

/// The digits of a LoRA or word in recipes; empty where its file is gone.
pub(super) fn file_digits(digest: &Arc<WeightDigest>) -> String {
    let digits = digest.digits().unwrap_or_default();
    digits.chars().take(FILE_DIGITS).collect()
}
