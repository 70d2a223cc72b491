//! Choosing, placing and painting objects.

use serde::{Deserialize, Serialize};

use super::colour::{Rgb, multiply};
use super::held_out::Allowed;
use super::landscape::Ground;
use super::painter::Painter;
use super::random::Dice;
use super::sprites::SpriteSet;
use super::tint::Tint;
use super::vocabulary::{Realm, Style, classes, label_of_class};

/// The largest share that two boxes may have in common (intersection over union).
pub const MAX_OVERLAP: f32 = 0.3;

/// An object in a finished scene.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SceneObject {
    /// Index into the class list.
    pub class: usize,
    /// The colour it was given, for classes that take one.
    pub tint: Option<Tint>,
    /// Left, top, width and height of its visible box, in pixels.
    pub bbox: [f32; 4],
    /// Share of it that no other object hides.
    pub visible: f32,
    /// Whether it is mirrored.
    pub flipped: bool,
}

/// An object with its place, before it is painted.
#[derive(Clone, Debug)]
pub struct Placed {
    class: usize,
    tint: Option<Tint>,
    flipped: bool,
    /// Left and top of the whole sprite, and its side, as shares of the picture.
    sprite: [f32; 3],
    /// Left, top, right and bottom of what can be seen, likewise.
    bounds: [f32; 4],
}

/// A wish for objects: a class, its colour and how many.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// Index into the class list.
    pub class: usize,
    /// Colour, for classes that take one.
    pub tint: Option<Tint>,
    /// How many.
    pub count: usize,
}

/// Draws a class that can be in a scene, with a colour if it takes one.
pub fn choose(dice: &mut Dice, realms: &[Realm], taken: &[Wish], allowed: Allowed) -> Wish {
    let fits = |index: &usize| {
        realms.contains(&classes()[*index].realm)
            && taken.iter().all(|wish| wish.class != *index)
            && allowed.class(*index)
    };
    let candidates: Vec<usize> = (0..classes().len()).filter(fits).collect();
    let class = *dice.pick(&candidates);
    let tint = classes()[class]
        .recolours
        .then(|| *dice.pick(&allowed.tints(class)));
    Wish {
        class,
        tint,
        count: 1,
    }
}

fn overlap(a: [f32; 4], b: [f32; 4]) -> f32 {
    let area = |c: [f32; 4]| (c[2] - c[0]).max(0.0) * (c[3] - c[1]).max(0.0);
    let common = area([
        a[0].max(b[0]),
        a[1].max(b[1]),
        a[2].min(b[2]),
        a[3].min(b[3]),
    ]);
    common / (area(a) + area(b) - common).max(1e-6)
}

/// Finds places for what is wished; what finds none is left out.
pub fn place(
    dice: &mut Dice,
    sprites: &SpriteSet,
    style: Style,
    wishes: &[Wish],
    ground: Option<Ground>,
) -> (Vec<Placed>, Vec<Wish>) {
    let total: usize = wishes.iter().map(|wish| wish.count).sum();
    // A crowd is smaller than a soloist.
    let crowd = [1.0, 1.0, 0.86, 0.76, 0.7, 0.64, 0.6][total.min(6)];
    let mut placed: Vec<Placed> = Vec::new();
    let mut done = Vec::new();
    for wish in wishes {
        let before = placed.len();
        for _ in 0..wish.count {
            for _ in 0..24 {
                let candidate = propose(dice, sprites, style, wish, ground, crowd);
                let inside = candidate.bounds[0] >= 0.01
                    && candidate.bounds[1] >= 0.01
                    && candidate.bounds[2] <= 0.99
                    && candidate.bounds[3] <= 0.995;
                // Half of what is allowed: the pixel boxes are a little larger.
                if inside
                    && placed
                        .iter()
                        .all(|other| overlap(other.bounds, candidate.bounds) < MAX_OVERLAP * 0.5)
                {
                    placed.push(candidate);
                    break;
                }
            }
        }
        let count = placed.len() - before;
        if count > 0 {
            done.push(Wish { count, ..*wish });
        }
    }
    // From far to near; things in the sky come first.
    placed.sort_by(|a, b| a.bounds[3].total_cmp(&b.bounds[3]));
    (placed, done)
}

fn propose(
    dice: &mut Dice,
    sprites: &SpriteSet,
    style: Style,
    wish: &Wish,
    ground: Option<Ground>,
    crowd: f32,
) -> Placed {
    let class = &classes()[wish.class];
    let look = sprites.look(wish.class, style, wish.tint);
    let flipped = class.flips && dice.chance(0.5);
    let [left, top, right, bottom] = if flipped {
        [
            1.0 - look.bounds[2],
            look.bounds[1],
            1.0 - look.bounds[0],
            look.bounds[3],
        ]
    } else {
        look.bounds
    };
    let (width, height) = (right - left, bottom - top);
    let (size, centre_x, base) = match ground {
        // A sticker: large, in the middle.
        None => {
            let side =
                dice.between(0.58, 0.82) / width.max(height) * if crowd < 0.9 { 0.62 } else { 1.0 };
            let spread = if crowd < 0.9 { 0.26 } else { 0.06 };
            let centre = 0.5 + dice.between(-spread, spread);
            (
                side,
                centre,
                0.5 + side * height * 0.5 + dice.between(-spread, spread) * 0.7,
            )
        }
        Some(ground) => {
            let rows = match class.realm {
                Realm::Ground => ground.land,
                Realm::Water => ground.water.unwrap_or(ground.land),
                Realm::Sky => [0.1, ground.horizon],
            };
            let depth = dice.unit();
            let base = rows[0] + (rows[1] - rows[0]) * depth;
            let nearness = match class.realm {
                Realm::Ground => 0.72 + 0.36 * depth,
                Realm::Water => 0.62 + 0.2 * depth,
                Realm::Sky => 0.85,
            };
            let visible =
                0.45 * (0.45 + 0.55 * class.size) * nearness * crowd * dice.between(0.92, 1.12);
            (visible / height, dice.between(0.06, 0.94), base)
        }
    };
    let x = centre_x - size * (left + right) * 0.5;
    let y = base - size * bottom;
    Placed {
        class: wish.class,
        tint: wish.tint,
        flipped,
        sprite: [x, y, size],
        bounds: [
            x + left * size,
            y + top * size,
            x + right * size,
            y + bottom * size,
        ],
    }
}

/// Paints placed objects, nearest last, and describes them.
pub fn paint(
    painter: &mut Painter,
    sprites: &SpriteSet,
    style: Style,
    placed: &[Placed],
    light: Rgb,
    on_ground: bool,
) -> Vec<SceneObject> {
    let side = painter.side();
    let mut owners = vec![usize::MAX; side * side];
    let mut covered = vec![0usize; placed.len()];
    let mut boxes = vec![[side, side, 0, 0]; placed.len()];
    for (number, object) in placed.iter().enumerate() {
        let class = &classes()[object.class];
        if on_ground && class.realm == Realm::Ground {
            shadow(painter, object);
        }
        let look = sprites.look(object.class, style, object.tint);
        let [left, top, size] = object.sprite;
        let sprite = look.for_side(size * side as f32);
        let first = |start: f32| (start * side as f32).max(0.0) as usize;
        let last = |end: f32| ((end * side as f32).max(0.0) as usize + 1).min(side);
        for y in first(object.bounds[1])..last(object.bounds[3]) {
            for x in first(object.bounds[0])..last(object.bounds[2]) {
                // Four samples a pixel keep thin parts from breaking up.
                let mut sum = [0.0f32; 4];
                for (dx, dy) in [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)] {
                    let u = ((x as f32 + dx) / side as f32 - left) / size;
                    let v = ((y as f32 + dy) / side as f32 - top) / size;
                    if (0.0..=1.0).contains(&u) && (0.0..=1.0).contains(&v) {
                        let sample = sprite.sample(if object.flipped { 1.0 - u } else { u }, v);
                        for i in 0..4 {
                            sum[i] += sample[i] * 0.25;
                        }
                    }
                }
                let alpha = sum[3];
                if alpha <= 0.002 {
                    continue;
                }
                let colour = multiply([sum[0] / alpha, sum[1] / alpha, sum[2] / alpha], light);
                painter.lay(x, y, colour, alpha, Some(label_of_class(object.class)));
                if alpha >= 0.5 {
                    owners[y * side + x] = number;
                    covered[number] += 1;
                    let extent = &mut boxes[number];
                    *extent = [
                        extent[0].min(x),
                        extent[1].min(y),
                        extent[2].max(x + 1),
                        extent[3].max(y + 1),
                    ];
                }
            }
        }
    }
    let mut seen = vec![0usize; placed.len()];
    for owner in owners.into_iter().filter(|owner| *owner != usize::MAX) {
        seen[owner] += 1;
    }
    placed
        .iter()
        .enumerate()
        .filter(|(number, _)| covered[*number] > 0)
        .map(|(number, object)| {
            let [left, top, right, bottom] = boxes[number].map(|edge| edge as f32);
            SceneObject {
                class: object.class,
                tint: object.tint,
                bbox: [left, top, right - left, bottom - top],
                visible: seen[number] as f32 / covered[number] as f32,
                flipped: object.flipped,
            }
        })
        .collect()
}

fn shadow(painter: &mut Painter, object: &Placed) {
    let [left, _, right, bottom] = object.bounds;
    let radii = [(right - left) * 0.46, (right - left) * 0.1 + 0.004];
    painter.ellipse(
        [(left + right) * 0.5, bottom - radii[1] * 0.35],
        radii,
        1.0,
        |painter, x, y, distance, _| {
            let strength = 0.34 * (1.0 - distance * distance).max(0.0);
            painter.shade(x, y, [0.08, 0.08, 0.16], strength);
        },
    );
}
