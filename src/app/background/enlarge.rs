//! Documents that become larger: what is given to the engine, and what
//! is made of its answer.

use std::sync::Arc;

use image::imageops::{self, FilterType};
use image::{GrayImage, RgbaImage};

use super::{Background, BackgroundEvent, failing};
use crate::app::notices::Subject;
use crate::document::{
    BoundingBox, CanvasContents, DocumentSnapshot, Layer, LayerContent, LayerId, TileGrid,
};
use crate::engine::protocol::JobId;
use crate::geometry::CanvasPoint;
use crate::recipe::{Enlarger, ImageInput, PaintedRecipe, UpscaleSpec, scale_picture};

/// A layer that the engine enlarged.
#[derive(Clone, Debug)]
pub struct LargeLayer {
    /// The layer.
    pub id: LayerId,
    /// What it was when it was given to the engine.
    pub before: TileGrid<[u8; 4]>,
    /// It, larger.
    pub picture: Arc<RgbaImage>,
    /// How a model painted it larger, if one did.
    pub recipe: Option<PaintedRecipe>,
}

/// A finished picture that becomes a layer of a document that grows to its size.
#[derive(Clone, Debug)]
pub struct FinishedPicture {
    /// The layer's name.
    pub name: String,
    /// The picture as a layer.
    pub picture: TileGrid<[u8; 4]>,
    /// The picture.
    pub image: Arc<RgbaImage>,
    /// How it was painted.
    pub recipe: PaintedRecipe,
}

/// What is known of a document that is to grow.
#[derive(Clone, Debug)]
pub struct Growing {
    /// The job that it grows for.
    pub job: Option<JobId>,
    /// How often the old sides go into the new ones.
    pub factor: u32,
    /// The layers that the engine enlarged.
    pub layers: Vec<LargeLayer>,
    /// A picture that comes along.
    pub finished: Option<FinishedPicture>,
}

/// A document that has grown, as far as it was when that was worked out.
#[derive(Clone, Debug)]
pub struct Grown {
    /// What the document was.
    pub document: DocumentSnapshot,
    /// What it becomes.
    pub contents: CanvasContents,
    /// Whether a layer was painted on after it was given to the engine.
    pub has_old_layers: bool,
    /// The layers that a model painted anew, and how.
    pub repainted: Vec<(LayerId, PaintedRecipe)>,
    /// What it was made from.
    pub growing: Growing,
}

/// What an errand for documents that grow reports.
#[derive(Debug)]
pub enum EnlargeEvent {
    /// The pictures of a document are ready for the engine.
    Gathered {
        /// The document.
        document: DocumentSnapshot,
        /// The layers of the pictures.
        layers: Vec<LayerId>,
        /// The job.
        spec: UpscaleSpec,
    },
    /// A document has grown.
    Grown(Box<Grown>),
}

impl Background {
    /// Gathers the pictures of a document that are seen, to be made larger.
    pub fn gather(&self, document: DocumentSnapshot, by: Enlarger) {
        self.spawn("gather", failing(Subject::Enlarging), move || {
            let seen = document.layers().iter().filter(|layer| layer.visible);
            let seen = seen.filter(|layer| !layer.content.is_blank());
            let pictures = seen.filter_map(|layer| Some((layer.id, picture_of(layer.raster()?)?)));
            let (layers, pictures) = pictures
                .map(|(id, picture)| (id, ImageInput(Arc::new(picture))))
                .unzip();
            let event = EnlargeEvent::Gathered {
                document,
                layers,
                spec: UpscaleSpec { pictures, by },
            };
            Ok(BackgroundEvent::Enlarge(Box::new(event)))
        });
    }

    /// Works out what a document becomes, after the pictures that came before.
    pub fn grow(&mut self, document: DocumentSnapshot, growing: Growing) {
        let Growing { job, factor, .. } = growing;
        let failed = Box::new(move |text| BackgroundEvent::LayOutFailed { job, text });
        self.placer.send(failed, move |()| {
            let (mut has_old_layers, mut repainted) = (false, Vec::new());
            let grown = document.layers().iter().map(|layer| {
                let large = growing.layers.iter().find(|large| large.id == layer.id);
                let (content, is_old) = grown(&layer.content, large, factor);
                has_old_layers |= is_old;
                let recipe = large.and_then(|large| large.recipe.clone());
                repainted.extend(recipe.filter(|_| !is_old).map(|recipe| (layer.id, recipe)));
                Layer {
                    content,
                    ..layer.clone()
                }
            });
            let contents = CanvasContents {
                size_px: document.size_px().map(|side| side * factor),
                layers: grown.collect(),
                palette: document.palette().clone(),
                frame: document.frame().enlarged(factor),
                origin_px: document
                    .origin_px()
                    .map(|at| at.saturating_mul(factor as i32)),
            };
            let grown = Grown {
                document,
                contents,
                has_old_layers,
                repainted,
                growing,
            };
            let event = EnlargeEvent::Grown(Box::new(grown));
            Ok(BackgroundEvent::Enlarge(Box::new(event)))
        });
    }
}

/// What a layer holds, so many times as large; and whether its picture is no longer the
/// one that the engine enlarged.
fn grown(content: &LayerContent, large: Option<&LargeLayer>, factor: u32) -> (LayerContent, bool) {
    let content = match content {
        LayerContent::Raster(grid) => {
            if let Some(large) = large.filter(|large| large.before == *grid) {
                let grid = TileGrid::from_image(&large.picture);
                return (LayerContent::Raster(grid), false);
            }
            let scaled = picture_of(grid)
                .filter(|_| !grid.is_blank())
                .map(|picture| {
                    let [width, height] = large_size(grid.size_px(), factor);
                    TileGrid::from_image(&scale_picture(&picture, width, height))
                });
            let blank = || TileGrid::new(large_size(grid.size_px(), factor));
            let grid = scaled.unwrap_or_else(blank);
            return (LayerContent::Raster(grid), large.is_some());
        }
        // Soft edges stay soft; classes have nothing in between.
        LayerContent::Mask(grid) => LayerContent::Mask(scaled(grid, FilterType::Triangle, factor)),
        LayerContent::Semantic(grid) => {
            LayerContent::Semantic(scaled(grid, FilterType::Nearest, factor))
        }
        LayerContent::Layout(boxes) => {
            LayerContent::Layout(boxes.iter().map(|it| larger(it, factor)).collect())
        }
    };
    (content, false)
}

fn large_size(size_px: [u32; 2], factor: u32) -> [u32; 2] {
    size_px.map(|side| side * factor)
}

fn picture_of(grid: &TileGrid<[u8; 4]>) -> Option<RgbaImage> {
    let [width, height] = grid.size_px();
    RgbaImage::from_raw(width, height, grid.to_pixels().into_flattened())
}

fn scaled(grid: &TileGrid<u8>, filter: FilterType, factor: u32) -> TileGrid<u8> {
    let [width, height] = grid.size_px();
    let large = large_size([width, height], factor);
    let values = GrayImage::from_raw(width, height, grid.to_pixels());
    match values.filter(|_| !grid.is_blank()) {
        Some(values) => {
            let values = imageops::resize(&values, large[0], large[1], filter);
            TileGrid::from_fn(large, |x, y| values.get_pixel(x, y)[0])
        }
        None => TileGrid::new(large),
    }
}

fn larger(found: &BoundingBox, factor: u32) -> BoundingBox {
    let factor = factor as f32;
    let larger = |point: CanvasPoint| CanvasPoint::new(point.x * factor, point.y * factor);
    BoundingBox {
        min: larger(found.min),
        max: larger(found.max),
        ..found.clone()
    }
}
