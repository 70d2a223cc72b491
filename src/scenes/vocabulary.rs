//! The things, places and words that scenes are made of.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// Where an object belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Realm {
    /// It stands on land.
    Ground,
    /// It floats in the air.
    Sky,
    /// It swims.
    Water,
}

/// A kind of object.
#[derive(Clone, Debug)]
pub struct ObjectClass {
    /// Name of its sprite files.
    pub slug: &'static str,
    /// Its name in captions and annotations.
    pub noun: String,
    /// Its name when there are several.
    pub plural: String,
    /// Where it belongs.
    pub realm: Realm,
    /// Height relative to the others; 1 is a cow.
    pub size: f32,
    /// Whether its mirror image looks as good.
    pub flips: bool,
    /// Whether it looks good in other colours.
    pub recolours: bool,
}

#[derive(Deserialize)]
struct Entry {
    slug: &'static str,
    noun: Option<String>,
    plural: Option<String>,
    realm: Realm,
    size: f32,
    flip: bool,
    #[serde(default)]
    colours: bool,
}

static CLASSES: LazyLock<Vec<ObjectClass>> = LazyLock::new(|| {
    let entries: Vec<Entry> =
        serde_json::from_str(include_str!("../../assets/sprites/classes.json"))
            .expect("the bundled class list is checked by a test");
    entries
        .into_iter()
        .map(|entry| {
            let noun = entry.noun.unwrap_or_else(|| entry.slug.replace('-', " "));
            ObjectClass {
                slug: entry.slug,
                plural: entry.plural.unwrap_or_else(|| format!("{noun}s")),
                noun,
                realm: entry.realm,
                size: entry.size,
                flips: entry.flip,
                recolours: entry.colours,
            }
        })
        .collect()
});

/// Every kind of object, in the order of their label numbers.
pub fn classes() -> &'static [ObjectClass] {
    &CLASSES
}

/// What is not an object: the first labels of the label map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Stuff {
    /// The plain ground of a sticker.
    Plain = 0,
    /// Sky.
    Sky,
    /// Cloud.
    Cloud,
    /// Sun.
    Sun,
    /// Moon.
    Moon,
    /// Mountain.
    Mountain,
    /// Hill.
    Hill,
    /// Grass.
    Grass,
    /// Sand.
    Sand,
    /// Snow.
    Snow,
    /// Water.
    Water,
    /// Path.
    Path,
}

impl Stuff {
    /// Every kind, in the order of their labels.
    pub const ALL: [Self; 12] = [
        Self::Plain,
        Self::Sky,
        Self::Cloud,
        Self::Sun,
        Self::Moon,
        Self::Mountain,
        Self::Hill,
        Self::Grass,
        Self::Sand,
        Self::Snow,
        Self::Water,
        Self::Path,
    ];

    /// Its name in `palette.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Sky => "sky",
            Self::Cloud => "cloud",
            Self::Sun => "sun",
            Self::Moon => "moon",
            Self::Mountain => "mountain",
            Self::Hill => "hill",
            Self::Grass => "grass",
            Self::Sand => "sand",
            Self::Snow => "snow",
            Self::Water => "water",
            Self::Path => "path",
        }
    }

    /// Its colour in label maps.
    fn colour(self) -> [u8; 3] {
        match self {
            Self::Plain => [200, 200, 200],
            Self::Sky => [120, 180, 240],
            Self::Cloud => [235, 240, 250],
            Self::Sun => [255, 210, 60],
            Self::Moon => [245, 245, 200],
            Self::Mountain => [130, 120, 140],
            Self::Hill => [90, 140, 80],
            Self::Grass => [110, 190, 80],
            Self::Sand => [230, 205, 140],
            Self::Snow => [250, 252, 255],
            Self::Water => [50, 110, 200],
            Self::Path => [180, 140, 100],
        }
    }
}

/// Label of an object class in the label map.
pub fn label_of_class(class: usize) -> u8 {
    // The table has under 200 classes; a test holds it to that.
    (Stuff::ALL.len() + class) as u8
}

/// One label: its number, name and colour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaletteEntry {
    /// Value in the label map.
    pub id: u8,
    /// Name.
    pub name: String,
    /// Colour for display.
    pub colour: [u8; 3],
    /// Whether it names an object and not a surface.
    pub is_thing: bool,
}

/// Every label that a map may hold.
pub fn palette() -> Vec<PaletteEntry> {
    let stuff = Stuff::ALL.into_iter().map(|stuff| PaletteEntry {
        id: stuff as u8,
        name: stuff.name().to_owned(),
        colour: stuff.colour(),
        is_thing: false,
    });
    let things = classes()
        .iter()
        .enumerate()
        .map(|(index, class)| PaletteEntry {
            id: label_of_class(index),
            name: class.noun.clone(),
            // Steps of the golden ratio keep neighbouring classes apart in hue.
            colour: super::colour::from_hue(
                (index as f32 * 0.618_034).fract(),
                0.75,
                0.55 + 0.35 * (index % 2) as f32,
            ),
            is_thing: true,
        });
    stuff.chain(things).collect()
}

/// Drawing styles of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Style {
    /// Glossy and rounded.
    #[serde(rename = "3d")]
    ThreeD,
    /// Without shading.
    #[serde(rename = "flat")]
    Flat,
    /// Outlined, as in a comic.
    #[serde(rename = "cartoon")]
    Cartoon,
}

impl Style {
    /// Every style.
    pub const ALL: [Self; 3] = [Self::ThreeD, Self::Flat, Self::Cartoon];

    /// Its name in captions.
    pub fn name(self) -> &'static str {
        match self {
            Self::ThreeD => "3d",
            Self::Flat => "flat",
            Self::Cartoon => "cartoon",
        }
    }
}

/// Times of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Time {
    /// Morning light.
    Dawn,
    /// Full daylight.
    Day,
    /// Evening light.
    Sunset,
    /// Dark, with a moon.
    Night,
}

impl Time {
    /// Every time.
    pub const ALL: [Self; 4] = [Self::Dawn, Self::Day, Self::Sunset, Self::Night];

    /// The words for it.
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Dawn => "at dawn",
            Self::Day => "by day",
            Self::Sunset => "at sunset",
            Self::Night => "at night",
        }
    }
}

/// Places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Grass, sometimes with a path.
    Meadow,
    /// Rolling green hills.
    Hills,
    /// Mountains behind grass.
    Mountains,
    /// Sand and the sea.
    Beach,
    /// Sand and dunes.
    Desert,
    /// Snow.
    Snow,
    /// Water with a grassy shore.
    Lake,
}

impl Place {
    /// Every place.
    pub const ALL: [Self; 7] = [
        Self::Meadow,
        Self::Hills,
        Self::Mountains,
        Self::Beach,
        Self::Desert,
        Self::Snow,
        Self::Lake,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Meadow => "meadow",
            Self::Hills => "hills",
            Self::Mountains => "mountains",
            Self::Beach => "beach",
            Self::Desert => "desert",
            Self::Snow => "snow",
            Self::Lake => "lake",
        }
    }

    /// The words for being there.
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Meadow => "in a meadow",
            Self::Hills => "in the hills",
            Self::Mountains => "in the mountains",
            Self::Beach => "on a beach",
            Self::Desert => "in a desert",
            Self::Snow => "in the snow",
            Self::Lake => "by a lake",
        }
    }

    /// The words for it alone.
    pub fn noun_phrase(self) -> &'static str {
        match self {
            Self::Meadow => "an empty meadow",
            Self::Hills => "green hills",
            Self::Mountains => "mountains",
            Self::Beach => "an empty beach",
            Self::Desert => "an empty desert",
            Self::Snow => "a snowy field",
            Self::Lake => "a quiet lake",
        }
    }

    /// Whether objects can swim here.
    pub fn has_water(self) -> bool {
        matches!(self, Self::Beach | Self::Lake)
    }
}

/// Plain grounds of stickers: name and colour.
pub const GROUNDS: [(&str, [u8; 3]); 8] = [
    ("white", [250, 249, 246]),
    ("blue", [112, 170, 232]),
    ("green", [140, 205, 130]),
    ("yellow", [250, 217, 110]),
    ("pink", [248, 178, 196]),
    ("purple", [184, 156, 226]),
    ("orange", [250, 176, 104]),
    ("gray", [176, 180, 188]),
];
