//! What a job is controlled by, worked out from a snapshot of the document.

use std::sync::Arc;

use image::{RgbaImage, imageops};

use super::{ControlPicture, ControlPreview, ControlSource, ListedControl};
use crate::app::dispatch::Core;
use crate::app::small_picture::cut;
use crate::app::state::AppState;
use crate::control::seen;
use crate::document::{DocumentSnapshot, Layer, LayerId};
use crate::geometry::CanvasRect;
use crate::recipe::{ControlSpec, GenerateSpec, ImageInput, MaskInput, SemanticInput};

/// Longest side of the picture that shows what a network sees.
const PREVIEW_PX: u32 = 512;

/// The controls of a job, of which pixels are still to be read.
#[derive(Clone, Debug)]
pub(in crate::app) struct DrawnControls(Vec<(ControlSpec, Shown)>);

/// Where the picture of a control comes from.
#[derive(Clone, Debug)]
enum Shown {
    Canvas,
    Layer(LayerId),
    LabelMap,
    Picture(ImageInput),
}

impl AppState {
    /// What the next job is controlled by.
    pub(in crate::app) fn drawn_controls(&self) -> DrawnControls {
        let used = self.used_controls();
        DrawnControls(
            used.filter_map(|listed| self.drawn_control(listed))
                .collect(),
        )
    }

    fn drawn_control(&self, listed: &ListedControl) -> Option<(ControlSpec, Shown)> {
        let shown = match &listed.source {
            ControlSource::Canvas => Shown::Canvas,
            ControlSource::Layer(..) => Shown::Layer(self.control_layer(&listed.source)?.id),
            ControlSource::LabelMap => Shown::LabelMap,
            ControlSource::File(path) => match self.known_controls.pictures.get(path)? {
                ControlPicture::Read(picture) => Shown::Picture(ImageInput(Arc::clone(picture))),
                ControlPicture::Asked | ControlPicture::Lost(_) => return None,
            },
            ControlSource::Recipe => Shown::Picture(listed.control.picture.clone()?),
        };
        Some((listed.control.clone(), shown))
    }

    /// Whether the canvas says how large the next picture is, for it is shown to a network.
    pub(in crate::app) fn controls_by_canvas(&self) -> bool {
        self.used_controls().any(|listed| {
            matches!(
                listed.source,
                ControlSource::Canvas | ControlSource::Layer(..) | ControlSource::LabelMap
            )
        })
    }
}

impl DrawnControls {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts them into a job that paints a part of the document. Reads every pixel.
    pub fn put_into(self, spec: &mut GenerateSpec, document: &DocumentSnapshot, part: CanvasRect) {
        let repaints = spec.init.is_some();
        let controls = self.0.into_iter().map(|(control, shown)| {
            let picture = match shown {
                // It is what is repainted.
                Shown::Canvas if repaints => return Some(without_picture(control)),
                shown => shown.picture(document, part)?,
            };
            Some(ControlSpec {
                picture: Some(picture),
                ..control
            })
        });
        spec.controls = controls.flatten().collect();
    }
}

fn without_picture(control: ControlSpec) -> ControlSpec {
    ControlSpec {
        picture: None,
        ..control
    }
}

impl Shown {
    /// The picture; `None` where nothing is left of it. Reads every pixel.
    fn picture(self, document: &DocumentSnapshot, part: CanvasRect) -> Option<ImageInput> {
        let picture = match self {
            Self::Picture(picture) => return Some(picture),
            Self::Canvas => document.composite_in(part),
            Self::Layer(layer) => cut(document.layer(layer).and_then(Layer::raster)?, part),
            Self::LabelMap => {
                let labels = SemanticInput {
                    map: Arc::new(document.label_map_in(part)?),
                    palette: document.palette().clone(),
                };
                labels.in_colours()
            }
        };
        Some(ImageInput(Arc::new(picture)))
    }
}

impl Core {
    /// Makes it anew where it is no longer what the network sees, and puts it away with its
    /// place of the list.
    pub(super) fn keep_preview(&mut self) {
        let Some(ControlPreview { place, of, .. }) = &self.state.known_controls.preview else {
            return;
        };
        let listed = self.state.form().listed_controls.get(*place);
        let is_same = listed.is_some_and(|it| (it.control.kind, &it.source) == (of.0, &of.1));
        if !is_same {
            let place = listed.map(|_| *place);
            self.preview_control(place);
        }
    }

    /// Has it worked out what the network of a place of the list sees.
    pub(super) fn preview_control(&mut self, place: Option<usize>) {
        let state = &mut self.state;
        state.known_controls.preview = None;
        let listed = place.and_then(|place| {
            let listed = state.form().listed_controls.get(place)?;
            Some((place, state.drawn_control(listed)?))
        });
        let Some((place, (control, shown))) = listed else {
            return;
        };
        let snapshot = state.front().editor.snapshot();
        let frame = state.job_frame();
        let part = frame.map_or_else(|| snapshot.rect(), |frame| frame.rect);
        let size_px = frame.map_or_else(|| state.job_size_px(), |frame| frame.painted_px);
        let has_mask = state.intent().is_inside_mask();
        let listed = &state.settings.form.listed_controls[place];
        let of = (control.kind, listed.source.clone());
        state.known_controls.preview = Some(ControlPreview {
            place,
            of: of.clone(),
            picture: None,
        });
        self.background.preview_control(place, of, move || {
            let picture = shown.picture(&snapshot, part)?;
            let mask = has_mask.then(|| snapshot.mask_in(part)).flatten();
            let mask = mask.map(|mask| MaskInput(Arc::new(mask)));
            Some(seen_small(&control, &picture.0, mask, size_px))
        });
    }
}

/// What a network sees, so small that it can be shown at once; what is hidden is clear.
fn seen_small(
    control: &ControlSpec,
    picture: &RgbaImage,
    mask: Option<MaskInput>,
    size_px: [u32; 2],
) -> RgbaImage {
    let mask = mask.map(
        |MaskInput(mask)| match <[u32; 2]>::from(mask.dimensions()) == size_px {
            true => mask.as_ref().clone(),
            false => imageops::resize(
                mask.as_ref(),
                size_px[0],
                size_px[1],
                imageops::FilterType::Triangle,
            ),
        },
    );
    let shown = seen(control.kind, picture, mask.as_ref(), size_px).into_picture();
    let longest = size_px[0].max(size_px[1]);
    if longest <= PREVIEW_PX {
        return shown;
    }
    let part = |side: u32| (side * PREVIEW_PX / longest).max(1);
    imageops::thumbnail(&shown, part(size_px[0]), part(size_px[1]))
}
