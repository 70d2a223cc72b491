//! The pictures of a run: those to train on and those to judge it by.

use std::sync::Arc;

use super::TrainError;
use super::folder::{FolderReport, ImageFolder};
use super::holdings::Holdings;
use super::loader::Stream;
use super::random::Purpose;
use super::scene_pictures::ScenePictures;
use super::source::{PictureSource, Sample, SkippedPicture};
use crate::model::ModelFolder;
use crate::recipe::TrainSpec;

/// Pictures that the model is judged by.
const HELD_OUT: usize = 32;
/// Of so many pictures of a folder one is held out; of fewer, none can be spared.
const ONE_IN: usize = 20;
/// Captions that a vocabulary is learnt from.
const MOST_CAPTIONS: usize = 5000;

/// How the pictures are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Split {
    /// So many are never trained on.
    HeldOut(usize),
    /// None can be spared: what is shown and measured was trained on.
    None,
}

impl Split {
    fn of(pictures: usize) -> Self {
        match (pictures / ONE_IN).min(HELD_OUT) {
            0 => Self::None,
            count => Self::HeldOut(count),
        }
    }
}

/// What a run sees.
pub(super) struct Pictures {
    /// Trained on.
    pub source: Arc<dyn PictureSource>,
    /// How those that the model is judged by were come by.
    pub split: Split,
    /// What the model is judged by; it was trained on where nothing is held out.
    pub judged: Vec<Sample>,
    /// Captions for learning a vocabulary and for sample sheets.
    pub captions: Vec<String>,
    /// What is known of them all.
    pub holdings: Holdings,
}

impl Pictures {
    /// What the pictures are, for people.
    pub fn describe(&self) -> String {
        let source = self.source.describe();
        match (self.source.len(), self.split) {
            (Some(_), Split::HeldOut(count)) => format!("{source} ({count} more are held out)"),
            _ => source,
        }
    }

    /// The name of a figure, which says whether the pictures were held out.
    pub fn figure(&self, held_out: &'static str, seen: &'static str) -> &'static str {
        match self.split {
            Split::HeldOut(_) => held_out,
            Split::None => seen,
        }
    }
}

/// Finds the pictures that a job names; what was met on the way goes to `report`.
pub(super) fn open(
    spec: &TrainSpec,
    sticker_share: Option<f32>,
    report: &mut FolderReport,
) -> Result<Pictures, TrainError> {
    let Some(root) = &spec.data else {
        let source = ScenePictures::new(spec.size_px, spec.seed)?.with_sticker_share(sticker_share);
        // Scenes without end: another seed is another world.
        let other = Purpose::HeldOut.random(spec.seed, 0).below(u64::MAX);
        let held_out = ScenePictures::new(spec.size_px, other)?;
        let captions = (0..MOST_CAPTIONS as u64).map(|index| source.caption(index));
        return Ok(Pictures {
            captions: captions.collect(),
            holdings: source.holdings(),
            split: Split::HeldOut(HELD_OUT),
            judged: read_all(Arc::new(held_out), HELD_OUT, &mut report.skipped)?,
            source: Arc::new(source),
        });
    };
    let (folder, found) = ImageFolder::open(root, spec.size_px, spec.fit, &spec.output)?;
    *report = found;
    // What is wrong with the model is told when it is opened to be trained.
    let from = spec.from.as_ref().map(ModelFolder::open);
    let zooms = matches!(&from, Some(Ok(model)) if model.tells_crop());
    let folder = folder.zooming(zooms);
    let holdings = folder.holdings();
    let count = folder.len().unwrap_or(0);
    let split = Split::of(count);
    let (source, judged, wanted) = match split {
        Split::HeldOut(count) => {
            let (source, judged) = folder.split(count);
            (Arc::new(source), Arc::new(judged), count)
        }
        Split::None => {
            let source = Arc::new(folder);
            (Arc::clone(&source), source, count.min(HELD_OUT))
        }
    };
    let captions = source.captions().filter(|caption| !caption.is_empty());
    Ok(Pictures {
        captions: captions.take(MOST_CAPTIONS).map(str::to_owned).collect(),
        holdings,
        split,
        judged: read_all(judged, wanted, &mut report.skipped)?,
        source,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_share_is_held_out_or_none() {
        for (pictures, split) in [
            (1, Split::None),
            (19, Split::None),
            (20, Split::HeldOut(1)),
            (199, Split::HeldOut(9)),
            (200, Split::HeldOut(10)),
            (100_000, Split::HeldOut(32)),
        ] {
            assert_eq!(Split::of(pictures), split);
        }
    }
}
