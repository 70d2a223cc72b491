//! Looking at classifiers.

use std::path::{Path, PathBuf};

use super::{Background, BackgroundEvent};
use crate::app::classifier::ClassifierSeen;
use crate::engine::kept_files::{Kept, classifier_classes, listed};
use crate::recipe::NamedFile;

impl Background {
    /// Reads the header of a classifier, which is looked for beside the model where it is
    /// not told where it lies, and finds the others there.
    pub fn look_at_classifiers(&self, of: (Option<NamedFile>, Option<PathBuf>)) {
        let failed = {
            let of = of.clone();
            Box::new(move |text| {
                told_of(ClassifierSeen {
                    told: of.0.is_some().then_some(Err(text)),
                    of,
                    listed: Vec::new(),
                })
            })
        };
        self.spawn("classifier", failed, move || {
            let (file, model) = &of;
            let model = model.as_deref().unwrap_or(Path::new(""));
            let told = file.as_ref().map(|file| classifier_classes(file, model));
            let listed = listed(Kept::Classifiers, model).into_iter();
            Ok(told_of(ClassifierSeen {
                told,
                listed: listed.map(NamedFile::of_network).collect(),
                of,
            }))
        });
    }
}

fn told_of(seen: ClassifierSeen) -> BackgroundEvent {
    BackgroundEvent::Classifier(Box::new(seen))
}
