//! The pictures of a run: those to train on and those to judge it by.

use std::sync::Arc;

use super::TrainError;
use super::image_folder::ImageFolder;
use super::loader::Stream;
use super::random::{Purpose, Random};
use super::scene_pictures::ScenePictures;
use super::source::{PictureSource, Sample, SkippedPicture};
use crate::recipe::TrainSpec;

/// Pictures that the model is judged by.
const HELD_OUT: usize = 32;
/// From how many pictures of a folder on some can be spared for it.
const ENOUGH: usize = 200;
/// Captions that a vocabulary is learnt from.
const MOST_CAPTIONS: usize = 5000;

/// What a run sees.
pub(super) struct Pictures {
    /// Trained on.
    pub source: Arc<dyn PictureSource>,
    /// Judged by; some of those trained on where there are too few to spare any.
    pub held_out: Vec<Sample>,
    /// Captions for learning a vocabulary and for sample sheets.
    pub captions: Vec<String>,
}

/// Finds the pictures that a job names.
pub(super) fn open(
    spec: &TrainSpec,
    sticker_share: Option<f32>,
    skipped: &mut Vec<SkippedPicture>,
) -> Result<Pictures, TrainError> {
    let Some(root) = &spec.data else {
        let source = ScenePictures::new(spec.size_px, spec.seed)?.with_sticker_share(sticker_share);
        // Scenes without end: another seed is another world.
        let other = Random::new(spec.seed, Purpose::HeldOut, 0).below(u64::MAX);
        let held_out = ScenePictures::new(spec.size_px, other)?;
        let captions = (0..MOST_CAPTIONS as u64).map(|index| source.caption(index));
        return Ok(Pictures {
            captions: captions.collect(),
            held_out: read_all(Arc::new(held_out), HELD_OUT, skipped)?,
            source: Arc::new(source),
        });
    };
    let (folder, left_out) = ImageFolder::open(root, spec.size_px)?;
    skipped.extend(left_out);
    let captions: Vec<String> = folder
        .captions()
        .filter(|caption| !caption.is_empty())
        .take(MOST_CAPTIONS)
        .map(str::to_owned)
        .collect();
    let count = folder.len().unwrap_or(0);
    let (source, held_out) = if count >= ENOUGH {
        let (source, held_out) = folder.split(HELD_OUT.min(count / 20));
        let source: Arc<dyn PictureSource> = Arc::new(source);
        let held_out: Arc<dyn PictureSource> = Arc::new(held_out);
        (source, held_out)
    } else {
        let source: Arc<dyn PictureSource> = Arc::new(folder);
        (Arc::clone(&source), source)
    };
    let wanted = held_out.len().unwrap_or(0).min(HELD_OUT);
    Ok(Pictures {
        source,
        held_out: read_all(held_out, wanted, skipped)?,
        captions,
    })
}

/// The first pictures of a source in an order that is the same on every run.
fn read_all(
    source: Arc<dyn PictureSource>,
    count: usize,
    skipped: &mut Vec<SkippedPicture>,
) -> Result<Vec<Sample>, TrainError> {
    let name = source.describe();
    let mut stream = Stream::new(source, 0);
    let samples = (0..count as u64).map(|position| stream.get(position, skipped));
    samples
        .collect::<Result<Vec<_>, _>>()
        .map_err(|picture| TrainError::NoUsablePictures {
            folder: name.into(),
            count,
            first: Box::new(picture),
        })
}
