//! Writing a model anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::library::LibraryEvent;
use super::{Background, within};
use crate::engine::library::ConversionWish;

/// The window is told of every so manieth part that is written.
const PARTS: u64 = 200;

/// What is told of a model that is being written anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConversionNews {
    /// How many bytes of how many are written.
    Written(u64, u64),
    /// It is done.
    Done,
    /// It was ended by whoever began it.
    Ended,
    /// It cannot be done, and why.
    Failed(String),
}

impl From<ConversionNews> for super::BackgroundEvent {
    fn from(news: ConversionNews) -> Self {
        LibraryEvent::Conversion(news).into()
    }
}

impl Background {
    /// Writes a model anew until `is_ended`.
    pub fn convert(&self, wish: ConversionWish, is_ended: Arc<AtomicBool>) {
        let failed = Box::new(|text| ConversionNews::Failed(text).into());
        let reports = self.reports.clone();
        let errand = self.writing.begin();
        let leaves = Arc::clone(&self.leaves);
        self.spawn("convert", failed, move || {
            within(errand, || {
                let mut told = None;
                let is_whole = wish.fulfil(&mut |done, total| {
                    let part = done * PARTS / total.max(1);
                    if told != Some(part) {
                        told = Some(part);
                        reports.send(ConversionNews::Written(done, total).into());
                    }
                    let ends = [&is_ended, &leaves];
                    !ends.iter().any(|flag| flag.load(Ordering::Relaxed))
                })?;
                Ok(match is_whole {
                    true => ConversionNews::Done.into(),
                    false => ConversionNews::Ended.into(),
                })
            })
        });
    }
}
