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
    /// The size to which it grows.
    pub size_px: [u32; 2],
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
        let job = growing.job;
        let growth = Growth {
            from: document.size_px(),
            to: growing.size_px,
        };
        let failed = Box::new(move |text| BackgroundEvent::LayOutFailed { job, text });
        self.placer.send(failed, move |()| {
            let (mut has_old_layers, mut repainted) = (false, Vec::new());
            let grown = document.layers().iter().map(|layer| {
                let large = growing.layers.iter().find(|large| large.id == layer.id);
                let (content, is_old) = grown(&layer.content, large, growth);
                has_old_layers |= is_old;
                let recipe = large.and_then(|large| large.recipe.clone());
                repainted.extend(recipe.filter(|_| !is_old).map(|recipe| (layer.id, recipe)));
                Layer {
                    content,
                    ..layer.clone()
                }
            });
            let contents = CanvasContents {
                size_px: growth.to,
                layers: grown.collect(),
                palette: document.palette().clone(),
                frame: document.frame().scaled(|corner| growth.corner(corner)),
                origin_px: growth.corner(document.origin_px()),
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

/// From one size of a canvas to another.
#[derive(Clone, Copy, Debug)]
struct Growth {
    from: [u32; 2],
    to: [u32; 2],
}

impl Growth {
    fn shares(self) -> [f64; 2] {
        let share = |axis: usize| f64::from(self.to[axis]) / f64::from(self.from[axis].max(1));
        [share(0), share(1)]
    }

    /// The nearest corner of pixels. The cast saturates.
    fn corner(self, [x, y]: [i32; 2]) -> [i32; 2] {
        let [across, down] = self.shares();
        [
            (f64::from(x) * across).round() as i32,
            (f64::from(y) * down).round() as i32,
        ]
    }

    fn point(self, point: CanvasPoint) -> CanvasPoint {
        let [across, down] = self.shares().map(|share| share as f32);
        CanvasPoint::new(point.x * across, point.y * down)
    }
}

/// What a layer holds, so many times as large; and whether its picture is no longer the
/// one that the engine enlarged.
fn grown(
    content: &LayerContent,
    large: Option<&LargeLayer>,
    growth: Growth,
) -> (LayerContent, bool) {
    let content = match content {
        LayerContent::Raster(grid) => {
            if let Some(large) = large.filter(|large| large.before == *grid) {
                let grid = TileGrid::from_image(&large.picture);
                return (LayerContent::Raster(grid), false);
            }
            let scaled = picture_of(grid)
                .filter(|_| !grid.is_blank())
                .map(|picture| {
                    let [width, height] = growth.to;
                    TileGrid::from_image(&scale_picture(&picture, width, height))
                });
            let blank = || TileGrid::new(growth.to);
            let grid = scaled.unwrap_or_else(blank);
            return (LayerContent::Raster(grid), large.is_some());
        }
        // Soft edges stay soft; classes have nothing in between.
        LayerContent::Mask(grid) => {
            LayerContent::Mask(scaled(grid, FilterType::Triangle, growth.to))
        }
        LayerContent::Semantic(grid) => {
            LayerContent::Semantic(scaled(grid, FilterType::Nearest, growth.to))
        }
        LayerContent::Layout(boxes) => {
            LayerContent::Layout(boxes.iter().map(|it| larger(it, growth)).collect())
        }
    };
    (content, false)
}

fn picture_of(grid: &TileGrid<[u8; 4]>) -> Option<RgbaImage> {
    let [width, height] = grid.size_px();
    RgbaImage::from_raw(width, height, grid.to_pixels().into_flattened())
}

fn scaled(grid: &TileGrid<u8>, filter: FilterType, large: [u32; 2]) -> TileGrid<u8> {
    let [width, height] = grid.size_px();
    let values = GrayImage::from_raw(width, height, grid.to_pixels());
    match values.filter(|_| !grid.is_blank()) {
        Some(values) => {
            let values = imageops::resize(&values, large[0], large[1], filter);
            TileGrid::from_fn(large, |x, y| values.get_pixel(x, y)[0])
        }
        None => TileGrid::new(large),
    }
}

fn larger(found: &BoundingBox, growth: Growth) -> BoundingBox {
    BoundingBox {
        min: growth.point(found.min),
        max: growth.point(found.max),
        ..found.clone()
    }
}
