//! One scene, from the choice of its parts to the finished picture.

use image::{GrayImage, RgbImage};
use serde::{Deserialize, Serialize};

use super::SceneError;
use super::caption::caption;
use super::colour::{mix, rgb};
use super::held_out::Allowed;
use super::landscape;
use super::objects::{self, SceneObject, Wish};
use super::painter::Painter;
use super::random::Dice;
use super::sprites::SpriteSet;
use super::vocabulary::{GROUNDS, Place, Realm, Stuff, Style, Time};

/// Share of scenes that are stickers on a plain ground.
const STICKERS: f32 = 0.25;

/// What a scene is, apart from its objects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attributes {
    /// Drawing style of the objects.
    pub style: Style,
    /// The place; means nothing on a sticker.
    pub place: Place,
    /// The time of day; means nothing on a sticker.
    pub time: Time,
    /// Whether the sun or moon can be seen.
    pub body: bool,
    /// Whether there are clouds.
    pub clouds: bool,
    /// Whether there is a path.
    pub path: bool,
    /// Index into the plain grounds, for a sticker.
    pub sticker_ground: Option<usize>,
}

/// A finished scene.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The picture.
    pub image: RgbImage,
    /// A sentence about it.
    pub caption: String,
    /// Its objects, far to near.
    pub objects: Vec<SceneObject>,
    /// The label of each pixel (see [`super::palette`]).
    pub labels: GrayImage,
    /// What it is.
    pub attributes: Attributes,
}

/// Makes scenes of one size. May be shared by threads.
pub struct SceneSource {
    side: u32,
    sprites: SpriteSet,
}

struct Plan {
    dice: Dice,
    attributes: Attributes,
    wishes: Vec<Wish>,
}

fn plan(seed: u64, index: u64) -> Plan {
    let mut dice = Dice::new(seed, index);
    let style = *dice.pick(&Style::ALL);
    let place = *dice.pick(&Place::ALL);
    let time = Time::ALL[dice.weighted(&[0.2, 0.4, 0.2, 0.2])];
    let sticker = dice.chance(STICKERS).then(|| dice.below(GROUNDS.len()));
    let attributes = Attributes {
        style,
        place,
        time,
        body: dice.chance(0.55),
        clouds: dice.chance(0.4),
        path: dice.chance(0.3) && matches!(place, Place::Meadow | Place::Mountains),
        sticker_ground: sticker,
    };
    let allowed = Allowed::new(seed, sticker.is_none().then_some(place));
    let mut wishes: Vec<Wish> = Vec::new();
    if sticker.is_some() {
        let realms = [Realm::Ground, Realm::Sky, Realm::Water];
        let mut wish = objects::choose(&mut dice, &realms, &[], allowed);
        if dice.chance(0.12) {
            wish.count = 2;
        }
        wishes.push(wish);
    } else {
        let mut realms = vec![Realm::Ground, Realm::Sky];
        if place.has_water() {
            realms.push(Realm::Water);
        }
        let kinds = dice.weighted(&[0.08, 0.52, 0.3, 0.1]);
        for _ in 0..kinds {
            let mut wish = objects::choose(&mut dice, &realms, &wishes, allowed);
            wish.count = 1 + dice.weighted(&[0.76, 0.14, 0.06, 0.04]);
            wishes.push(wish);
        }
        let mut room = 6usize;
        for wish in &mut wishes {
            wish.count = wish.count.min(room);
            room -= wish.count;
        }
        wishes.retain(|wish| wish.count > 0);
    }
    Plan {
        dice,
        attributes,
        wishes,
    }
}

/// A caption such as a scene could have, without painting it; for prompts.
pub fn sample_prompt(seed: u64, index: u64) -> String {
    let Plan {
        mut dice,
        attributes,
        wishes,
    } = plan(seed, index);
    caption(&mut dice, &attributes, &wishes)
}

/// The kinds of objects that a scene should show and how many of each, without painting
/// it; what finds no room is missing in the picture.
pub fn kinds_and_numbers(seed: u64, index: u64) -> Vec<(usize, usize)> {
    let wishes = plan(seed, index).wishes.into_iter();
    wishes.map(|wish| (wish.class, wish.count)).collect()
}

/// Whether a scene is a sticker, without painting it.
pub fn is_sticker(seed: u64, index: u64) -> bool {
    plan(seed, index).attributes.sticker_ground.is_some()
}

impl SceneSource {
    /// Draws the sprites for scenes of `side_px` pixels; takes part of a second.
    ///
    /// # Errors
    /// A side out of range, or damaged bundled files.
    pub fn new(side_px: u32) -> Result<Self, SceneError> {
        if !(16..=1024).contains(&side_px) {
            return Err(SceneError::Size(side_px));
        }
        Ok(Self {
            side: side_px,
            sprites: SpriteSet::load(side_px)?,
        })
    }

    /// Side of the scenes in pixels.
    pub fn side_px(&self) -> u32 {
        self.side
    }

    /// Scene `index` of the run `seed`: the same on every machine.
    pub fn scene(&self, seed: u64, index: u64) -> Scene {
        let Plan {
            mut dice,
            attributes,
            wishes,
        } = plan(seed, index);
        let mut painter = Painter::new(self.side as usize, [1.0; 3], Stuff::Plain as u8);
        let (light, ground) = match attributes.sticker_ground {
            Some(number) => {
                let base = rgb(GROUNDS[number].1);
                let shade = dice.between(0.0, 0.08);
                painter.rows(|v| base.map(|channel| channel * (1.0 - shade * v)));
                ([1.0; 3], None)
            }
            None => {
                let ground = landscape::paint(&mut painter, &mut dice, &attributes);
                // Objects are lit a little more than the land, or night would hide them.
                (
                    mix(landscape::light(attributes.time), [1.0; 3], 0.35),
                    Some(ground),
                )
            }
        };
        let (placed, wishes) =
            objects::place(&mut dice, &self.sprites, attributes.style, &wishes, ground);
        let objects = objects::paint(
            &mut painter,
            &self.sprites,
            attributes.style,
            &placed,
            light,
            ground.is_some(),
        );
        let caption = caption(&mut dice, &attributes, &wishes);
        let (image, labels) = painter.finish();
        Scene {
            image,
            caption,
            objects,
            labels,
            attributes,
        }
    }

    /// The endless run `seed`, from scene `first` on.
    pub fn endless(&self, seed: u64, first: u64) -> impl Iterator<Item = Scene> + '_ {
        (first..).map(move |index| self.scene(seed, index))
    }
}
