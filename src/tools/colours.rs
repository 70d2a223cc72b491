//! The colour in hand, those before it, and where colours go.

use serde::{Deserialize, Serialize};

use super::ink::ColourInk;
use super::tool::{Target, ToolError};
use crate::document::{
    Document, DocumentEditor, Edit, Layer, LayerContent, LayerId, LayerKind, TileGrid,
    index_above_pictures,
};
use crate::geometry::{CanvasPoint, CanvasRect};

/// Most colours that are remembered.
const MOST: usize = 5;

/// The colour in hand and those that were painted with, the newest first; sRGB.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Colours {
    /// The one in hand.
    pub now: [u8; 3],
    recent: Vec<[u8; 3]>,
}

impl Default for Colours {
    fn default() -> Self {
        // A few to begin with: sky, grass, earth, skin and snow.
        let recent = [
            [92, 158, 228],
            [104, 168, 72],
            [132, 88, 52],
            [236, 188, 150],
            [244, 246, 250],
        ];
        Self {
            now: [214, 64, 48],
            recent: recent.to_vec(),
        }
    }
}

impl Colours {
    /// Those that were painted with, the one that came last first.
    pub fn recent(&self) -> &[[u8; 3]] {
        &self.recent
    }

    /// What paint does: lays down the colour in hand, which is remembered, or takes away.
    pub(super) fn ink(&mut self, is_erasing: bool) -> ColourInk {
        if is_erasing {
            return ColourInk::Clear;
        }
        self.note_use();
        ColourInk::Over(self.now)
    }

    /// Remembers that the one in hand was painted with. One that is remembered stays where
    /// it is: nothing moves under the pointer of whoever goes back and forth between two.
    fn note_use(&mut self) {
        if !self.recent.contains(&self.now) {
            self.recent.insert(0, self.now);
            self.recent.truncate(MOST);
        }
    }

    /// Takes settings from a settings file; what cannot be read is passed over.
    pub(super) fn read_json(told: &serde_json::Value) -> Self {
        let read = serde_json::from_value::<Self>(told.clone());
        let mut colours = read.unwrap_or_default();
        colours.recent.truncate(MOST);
        colours
    }

    /// Takes the colour in hand that is seen at a point. `false` where there is none.
    pub(super) fn pick(&mut self, document: &Document, at: CanvasPoint) -> bool {
        let pixel = [at.x.floor() as i32, at.y.floor() as i32];
        let pixel = CanvasRect::from_min_size(pixel, [1, 1]).intersect(&document.rect());
        if pixel.is_empty() {
            return false;
        }
        let seen = document.composite_in(pixel);
        let [r, g, b, alpha] = seen.get_pixel(0, 0).0;
        if alpha > 0 {
            self.now = [r, g, b];
        }
        alpha > 0
    }
}

/// The layer that colours go to: the selected one if that is a picture, else the one that
/// was painted on last, while it is there; or a new one above all pictures, also where a newer
/// picture has come to lie over that layer at the point where the paint begins.
///
/// # Errors
/// When that layer is hidden, or there is nothing to erase.
pub(super) fn target(
    document: &Document,
    last: Option<LayerId>,
    is_erasing: bool,
    at: Option<CanvasPoint>,
) -> Result<Target, ToolError> {
    let is_picture = |layer: &&Layer| layer.kind() == LayerKind::Raster;
    let selected = document.selected_layer().filter(is_picture);
    let last = last.and_then(|id| document.layer(id)).filter(is_picture);
    match selected.or(last) {
        Some(layer) if !layer.visible => Err(ToolError::HiddenLayer(layer.name.clone())),
        Some(layer) if !is_erasing && at.is_some_and(|at| is_hidden_at(document, layer.id, at)) => {
            Ok(Target::NewLayer)
        }
        Some(layer) => Ok(Target::Layer(layer.id)),
        None if is_erasing => Err(ToolError::NoPaint),
        None => Ok(Target::NewLayer),
    }
}

/// Whether pictures above a layer leave nothing to be seen of it at a point.
fn is_hidden_at(document: &Document, layer: LayerId, at: CanvasPoint) -> bool {
    let (x, y) = (at.x.floor() as i32, at.y.floor() as i32);
    let above = document.layers().iter().rev();
    let mut above = above.take_while(|it| it.id != layer);
    above.any(|it| {
        let covers = |grid: &TileGrid<[u8; 4]>| grid.pixel(x, y)[3] == u8::MAX;
        it.visible && it.opacity >= 1.0 && it.raster().is_some_and(covers)
    })
}

/// The layer that colour goes to that begins at a point, made if need be as a part of the
/// transaction in progress, and selected: the list of layers shows where the paint goes.
///
/// # Errors
/// As [`target`].
pub(super) fn open_target(
    editor: &mut DocumentEditor,
    last: Option<LayerId>,
    is_erasing: bool,
    at: CanvasPoint,
) -> Result<LayerId, ToolError> {
    let id = match target(editor.document(), last, is_erasing, Some(at))? {
        Target::Layer(id) => id,
        Target::NewLayer | Target::View | Target::Frame => {
            let id = editor.fresh_layer_id();
            let document = editor.document();
            let content = LayerContent::Raster(TileGrid::new(document.size_px()));
            let index = index_above_pictures(document.layers());
            let name = editor.free_name("Paint");
            let layer = Box::new(Layer::new(id, name, content));
            editor.apply(Edit::InsertLayer { index, layer })?;
            id
        }
    };
    editor.select_layer(id)?;
    Ok(id)
}
