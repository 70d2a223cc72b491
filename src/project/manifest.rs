//! The manifest of a project file, as it stands in JSON.
//!
//! These types are the file's, not the document's: a field that is added needs a
//! default, one that changes its meaning a new [`VERSION`].

use serde::{Deserialize, Serialize};

/// Name of the manifest in the archive.
pub(super) const MANIFEST_NAME: &str = "manifest.json";

/// What a manifest says that it is of.
pub(super) const FORMAT: &str = "velatura-project";

/// Number of the form that is written; a reader refuses newer ones.
pub(super) const VERSION: u32 = 1;

/// Most bytes of a manifest: more than a hundred thousand boxes take.
pub(super) const MAX_MANIFEST_BYTES: u64 = 16 << 20;

/// Most bytes of a recipe with the boxes and small pictures that it keeps.
pub(super) const MAX_RECIPE_BYTES: u64 = 8 << 20;

/// Most layers of a project.
pub(super) const MAX_LAYERS: usize = 4096;

/// What every version says, read before the rest.
#[derive(Debug, Deserialize)]
pub(super) struct Head {
    pub(super) format: String,
    pub(super) version: u32,
    #[serde(default)]
    pub(super) program: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) format: String,
    pub(super) version: u32,
    pub(super) program: String,
    pub(super) size_px: [u32; 2],
    /// From bottom to top.
    pub(super) layers: Vec<LayerEntry>,
    #[serde(default)]
    pub(super) selected_layer: Option<u64>,
    #[serde(default)]
    pub(super) palette: PaletteEntry,
    #[serde(default)]
    pub(super) view: Option<ViewEntry>,
    /// What the next job paints.
    #[serde(default, skip_serializing_if = "FrameEntry::is_automatic")]
    pub(super) frame: FrameEntry,
    #[serde(default)]
    pub(super) choices: ChoicesEntry,
    /// Only in a copy for recovery: a project that is passed on says nothing of
    /// where it lay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) home: Option<HomeEntry>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LayerEntry {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) opacity: f32,
    pub(super) is_visible: bool,
    /// How strongly what a mask covers is repainted; as strongly as the job says where
    /// it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) strength: Option<f32>,
    pub(super) content: ContentEntry,
    /// How it was painted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) recipe: Option<RecipeEntry>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RecipeEntry {
    /// Name of the file in the archive that has what a PNG file carries under
    /// `velatura`.
    pub(super) file: String,
    /// How menus call the sampler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sampler_label: Option<String>,
}

/// Pixels are none where nothing is painted.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ContentEntry {
    /// 8-bit sRGB with straight alpha.
    Raster(Option<PixelsEntry>),
    /// 8-bit coverage.
    Mask(Option<PixelsEntry>),
    /// 8-bit class indices, 255 where there is none.
    Semantic(Option<PixelsEntry>),
    Layout(Vec<BoxEntry>),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PixelsEntry {
    /// Name of the PNG file in the archive.
    pub(super) file: String,
    /// Where its top-left corner lies on the canvas.
    pub(super) origin_px: [u32; 2],
    pub(super) size_px: [u32; 2],
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct BoxEntry {
    /// Empty for a box that has none yet.
    pub(super) class: String,
    pub(super) min: [f32; 2],
    pub(super) max: [f32; 2],
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) colour: Option<String>,
    #[serde(default)]
    pub(super) is_locked: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct PaletteEntry {
    pub(super) name: String,
    pub(super) classes: Vec<ClassEntry>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ClassEntry {
    pub(super) index: u8,
    pub(super) name: String,
    pub(super) color: [u8; 3],
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct ViewEntry {
    pub(super) center: [f32; 2],
    pub(super) zoom: f32,
    pub(super) is_fitted: bool,
}

/// Which part of the canvas the next job paints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FrameEntry {
    #[default]
    Automatic,
    Canvas,
    /// Left, top, width and height in pixels; it may reach over the edges.
    Fixed {
        origin_px: [i32; 2],
        size_px: [u32; 2],
    },
}

impl FrameEntry {
    fn is_automatic(&self) -> bool {
        *self == Self::Automatic
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ChoicesEntry {
    pub(super) starts_from_picture: bool,
    pub(super) heeds_mask: bool,
    /// The id of a layer.
    pub(super) small_picture: Option<u64>,
    /// The id of a layer.
    pub(super) guide: Option<u64>,
    pub(super) conditions: Option<ConditionsEntry>,
}

impl Default for ChoicesEntry {
    fn default() -> Self {
        Self {
            starts_from_picture: true,
            heeds_mask: true,
            small_picture: None,
            guide: None,
            conditions: None,
        }
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct ConditionsEntry {
    pub(super) uses_boxes: bool,
    pub(super) uses_label_map: bool,
    /// 0 to 1.
    pub(super) layout_weight: f32,
    pub(super) semantic_weight: f32,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct HomeEntry {
    pub(super) path: String,
    pub(super) is_project: bool,
}
