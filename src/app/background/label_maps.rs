//! Errands for files of label maps and palettes, and for drawings on their way into a
//! document.

use std::path::PathBuf;
use std::sync::Arc;

use super::classes::{ClassEvent, no_room};
use super::{Background, failing, not_written};
use crate::app::classes::{MapCoding, MapImport, ReadMap};
use crate::app::conditions::boxes_on_canvas;
use crate::app::notices::Subject;
use crate::app::tracing::Tracing;
use crate::document::{DocumentSnapshot, Drawing, DrawnMap, TileGrid, joined};
use crate::exchange::{read_palette, write_coloured_label_map, write_label_map, write_palette};
use crate::geometry::CanvasRect;
use crate::recipe::palette::Palette;
use crate::recipe::{ImageInput, LayoutInput, MAX_BOXES, SemanticInput, Things, scale_picture};

/// Boxes and a label map that are to become layers, as one step.
#[derive(Clone, Debug)]
pub struct DrawingArrival {
    /// What the menu calls the step.
    pub label: &'static str,
    /// The boxes.
    pub boxes: Option<ArrivingBoxes>,
    /// What the layer of the map is called; the map, of any size, and what its
    /// numbers mean.
    pub map: Option<(String, SemanticInput)>,
    /// A picture that was given to the job, and what as.
    pub picture: Option<(GivenAs, ImageInput)>,
    /// Whether they take the place of those that are seen, which are hidden.
    pub hides_others: bool,
    /// The part of the canvas that they are of; none for the whole.
    pub within: Option<CanvasRect>,
}

/// What a picture is to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenAs {
    /// The model is shown it in small.
    Small,
    /// It pulls what is painted towards itself.
    Guide,
}

impl GivenAs {
    /// What its layer is called.
    fn label(self) -> &'static str {
        match self {
            Self::Small => "Low-resolution picture",
            Self::Guide => "Guide",
        }
    }
}

/// Boxes of a picture of some size.
#[derive(Clone, Debug)]
pub struct ArrivingBoxes {
    /// What their layer is called.
    pub name: String,
    /// The boxes.
    pub boxes: LayoutInput,
    /// The size of the picture that they lie in.
    pub size_px: [u32; 2],
}

/// A drawing that is ready for its place.
#[derive(Clone, Debug)]
pub struct FittedDrawing {
    /// What it was made from.
    pub arrival: DrawingArrival,
    /// The document as it was then.
    pub document: DocumentSnapshot,
    /// What becomes layers of it.
    pub drawing: Drawing,
}

impl Background {
    /// Reads a label map.
    pub fn read_map(&self, path: PathBuf) {
        self.spawn("map", failing(Subject::Importing), move || {
            let file = ReadMap::read(path)?;
            Ok(ClassEvent::MapRead(Arc::new(file)).into())
        });
    }

    /// Makes a label map from a file ready for a document.
    pub fn import_map(&self, import: MapImport, document: DocumentSnapshot) {
        self.spawn("map", failing(Subject::Importing), move || {
            let palette = import.palette_of(&document);
            let map = Arc::new(import.decoded(&palette)?);
            let stem = import.file.path().file_stem().unwrap_or_default();
            let name = stem.to_string_lossy().into_owned();
            let arrival = DrawingArrival {
                label: "Import label map",
                boxes: None,
                map: Some((name, SemanticInput { map, palette })),
                picture: None,
                hides_others: false,
                within: None,
            };
            Ok(ClassEvent::Fitted(Box::new(fitted(arrival, document)?)).into())
        });
    }

    /// Makes any drawing ready for a document.
    pub fn fit_drawing(&self, arrival: DrawingArrival, document: DocumentSnapshot) {
        self.spawn("map", failing(Subject::Importing), move || {
            Ok(ClassEvent::Fitted(Box::new(fitted(arrival, document)?)).into())
        });
    }

    /// Draws boxes around what is on the label maps of a document, for things of some
    /// classes. The whole of them: a new map takes their place.
    pub fn box_things(&self, document: DocumentSnapshot, classes: Vec<String>) {
        self.spawn("map", failing(Subject::Tracing), move || {
            let map = document
                .label_map_in(document.rect())
                .map(|map| SemanticInput {
                    map: Arc::new(map),
                    palette: document.palette().clone(),
                });
            let things = map.as_ref().map(|map| map.things(&classes, MAX_BOXES));
            let things = things.filter(|things| !things.boxes.0.is_empty());
            let Things { boxes, map: rest } =
                things.ok_or("nothing on the label map is a thing that boxes can hold")?;
            // What is a box only is no outline on the map that is seen then.
            let rest = Some(rest).filter(|rest| Some(rest) != map.as_ref());
            let arrival = DrawingArrival {
                label: Tracing::Things.label(),
                boxes: Some(ArrivingBoxes {
                    name: "Boxes".to_owned(),
                    boxes,
                    size_px: document.size_px(),
                }),
                map: rest.map(|rest| ("Label map without blobs".to_owned(), rest)),
                picture: None,
                hides_others: true,
                within: None,
            };
            Ok(ClassEvent::Fitted(Box::new(fitted(arrival, document)?)).into())
        });
    }

    /// Saves a label map.
    pub fn write_map(
        &mut self,
        path: PathBuf,
        coding: MapCoding,
        map: TileGrid<u8>,
        palette: Palette,
    ) {
        self.write(move || {
            let map = map.to_class_map();
            let written = match coding {
                MapCoding::Index => write_label_map(&path, &map, &palette),
                MapCoding::Color => write_coloured_label_map(&path, &map, &palette),
            };
            written.map_err(|error| error.to_string())?;
            Ok(path)
        });
    }

    /// Saves a palette.
    pub fn write_palette(&mut self, path: PathBuf, palette: Palette) {
        self.write(move || {
            write_palette(&path, &palette).map_err(|error| error.to_string())?;
            Ok(path)
        });
    }

    /// Reads a palette.
    pub fn read_palette(&self, path: PathBuf) {
        self.spawn("palette", failing(Subject::Importing), move || {
            let palette = read_palette(&path).map_err(|error| error.to_string())?;
            Ok(ClassEvent::PaletteRead(palette).into())
        });
    }

    fn write(&mut self, write: impl FnOnce() -> Result<PathBuf, String> + Send + 'static) {
        self.write_in_turn(not_written(Subject::Exporting), move || {
            Ok(ClassEvent::Written(write()?).into())
        });
    }
}

/// Brings a drawing to the size of a document, or of the part of it that it is of.
fn fitted(arrival: DrawingArrival, document: DocumentSnapshot) -> Result<FittedDrawing, String> {
    let part = arrival.within.unwrap_or_else(|| document.rect());
    let map = arrival
        .map
        .as_ref()
        .map(|(name, input)| -> Result<_, String> {
            let (map, palette) = fitted_map(input, &document, part)?;
            let name = name.clone();
            Ok(DrawnMap { name, map, palette })
        });
    let boxes = arrival.boxes.as_ref().map(|it| {
        let boxes = boxes_on_canvas(&it.boxes, it.size_px, part);
        (it.name.clone(), boxes)
    });
    let picture = arrival.picture.as_ref().map(|(given, ImageInput(small))| {
        let [width, height] = document.size_px();
        let picture = TileGrid::from_image(&scale_picture(small, width, height));
        (given.label().to_owned(), picture)
    });
    Ok(FittedDrawing {
        drawing: Drawing {
            picture,
            boxes,
            map: map.transpose()?,
            hides_others: arrival.hides_others,
        },
        arrival,
        document,
    })
}

/// Brings a label map to the size of a document, by the nearest pixel, and its classes
/// to those of the document, by name. A document without a painted map takes the
/// palette over; to the classes of another one those that it lacks are added.
fn fitted_map(
    input: &SemanticInput,
    document: &DocumentSnapshot,
    part: CanvasRect,
) -> Result<(TileGrid<u8>, Palette), String> {
    let scaled = input.resized(part.size_px());
    let grid = TileGrid::from_class_map(&scaled.map).placed(document.size_px(), part.min);
    let mut maps = document
        .layers()
        .iter()
        .filter_map(|layer| layer.semantic());
    let is_alone = maps.all(TileGrid::is_blank);
    if is_alone || scaled.palette == *document.palette() {
        return Ok((grid, scaled.palette));
    }
    let counts = scaled.counts();
    let is_used = |index: u8| counts[usize::from(index)] > 0;
    let (both, recoding, left_out) = joined(document.palette(), &scaled.palette, is_used);
    if left_out.is_empty() {
        Ok((recoding.applied(&grid), both))
    } else {
        Err(no_room(&left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::classes::BuiltInPalette;
    use crate::document::{Document, DocumentEditor, LayerKind, class_index};
    use image::{GrayImage, Luma};

    fn arrival(index: u8, palette: BuiltInPalette) -> DrawingArrival {
        let input = SemanticInput {
            map: Arc::new(GrayImage::from_pixel(4, 4, Luma([index]))),
            palette: palette.palette(),
        };
        DrawingArrival {
            label: "Import label map",
            boxes: None,
            map: Some(("Map".to_owned(), input)),
            picture: None,
            hides_others: false,
            within: None,
        }
    }

    #[test]
    fn a_map_takes_the_size_and_keeps_its_classes_by_name() {
        let mut editor = DocumentEditor::new(Document::blank([30, 20]).expect("a size"));
        let steps = [
            // An empty document takes the palette; a painted one adds to its own.
            (3, BuiltInPalette::Ade20k, "sky", 150),
            (1, BuiltInPalette::Storybook, "sky", 150),
            (0, BuiltInPalette::Storybook, "plain", 151),
        ];
        for (index, palette, name, count) in steps {
            let fitted = fitted(arrival(index, palette), editor.snapshot()).expect("room");
            editor
                .insert_drawing("Import", fitted.drawing)
                .expect("a layer");
            let document = editor.document();
            let layer = document.selected_layer().expect("a layer");
            let map = layer.semantic().expect("a label map");
            assert_eq!(
                (layer.kind(), map.size_px()),
                (LayerKind::Semantic, [30, 20])
            );
            let class = document.palette().class(class_index(map.pixel(29, 19)));
            assert_eq!(class.map(|class| &*class.name), Some(name));
            assert_eq!(document.palette().classes.len(), count);
        }
    }
}
