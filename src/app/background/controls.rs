//! Looking at ControlNets, and reading and making the pictures that they see.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::RgbaImage;

use super::{Background, BackgroundEvent};
use crate::app::controls::{ControlEvent, ControlSource};
use crate::engine::kept_files::control_fits;
use crate::recipe::{ControlKind, NamedFile, open_picture};

impl Background {
    /// Reads the header of a network, which is looked for beside the model where it is not
    /// told where it lies, and finds out whether it was made for such models.
    pub fn look_at_control(&self, file: NamedFile, model: Option<PathBuf>, is_added: bool) {
        let event = move |file: NamedFile, model: Option<PathBuf>, told: Result<(), String>| {
            told_of(ControlEvent::Seen {
                file,
                model,
                is_added,
                told,
            })
        };
        let failed = {
            let (file, model) = (file.clone(), model.clone());
            Box::new(move |text| event(file, model, Err(text)))
        };
        self.spawn("control", failed, move || {
            let told = control_fits(&file, model.as_deref().unwrap_or(Path::new("")));
            Ok(event(file, model, told))
        });
    }

    /// Reads a picture that a network is shown.
    pub fn read_control_picture(&self, path: PathBuf) {
        let failed = {
            let path = path.clone();
            Box::new(move |text| told_of(ControlEvent::Picture(path, Err(text))))
        };
        self.spawn("control picture", failed, move || {
            let read = open_picture(&path).map(|opened| Arc::new(opened.image));
            let read = read.map_err(|error| error.to_string());
            Ok(told_of(ControlEvent::Picture(path, read)))
        });
    }

    /// Makes what the network of a place of the list sees.
    pub fn preview_control(
        &self,
        place: usize,
        of: (ControlKind, ControlSource),
        make: impl FnOnce() -> Option<RgbaImage> + Send + 'static,
    ) {
        let event = move |of, picture| told_of(ControlEvent::Previewed { place, of, picture });
        let failed = {
            let of = of.clone();
            Box::new(move |_| event(of, None))
        };
        self.spawn("control preview", failed, move || {
            Ok(event(of, make().map(Arc::new)))
        });
    }
}

fn told_of(event: ControlEvent) -> BackgroundEvent {
    BackgroundEvent::Control(Box::new(event))
}
