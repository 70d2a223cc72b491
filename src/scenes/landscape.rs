//! Sky, land and water.

use libm::{cosf, sinf};

use super::colour::{Rgb, mix, multiply, rgb, smooth};
use super::painter::Painter;
use super::random::Dice;
use super::scene::Attributes;
use super::vocabulary::{Place, Stuff, Time};

/// Where things can stand, as shares of the height.
#[derive(Clone, Copy, Debug)]
pub struct Ground {
    /// Where the land or water begins.
    pub horizon: f32,
    /// Rows of water, if there are any.
    pub water: Option<[f32; 2]>,
    /// Rows on which objects can stand.
    pub land: [f32; 2],
}

/// The colours of the sky above and at the horizon.
fn sky_colours(time: Time) -> [Rgb; 2] {
    match time {
        Time::Dawn => [rgb([150, 190, 235]), rgb([255, 214, 200])],
        Time::Day => [rgb([84, 160, 236]), rgb([196, 228, 250])],
        Time::Sunset => [rgb([108, 78, 150]), rgb([255, 158, 94])],
        Time::Night => [rgb([16, 22, 58]), rgb([52, 62, 112])],
    }
}

/// What the light of a time of day does to colours.
pub fn light(time: Time) -> Rgb {
    match time {
        Time::Dawn => [1.0, 0.95, 0.95],
        Time::Day => [1.0, 1.0, 1.0],
        Time::Sunset => [1.0, 0.84, 0.74],
        Time::Night => [0.46, 0.52, 0.74],
    }
}

/// A smooth curve through the picture: a few waves of random phase.
struct Waves([(f32, f32, f32); 3]);

impl Waves {
    fn new(dice: &mut Dice, height: f32, frequency: f32) -> Self {
        Self([1.0, 2.1, 3.7].map(|octave| {
            (
                height / octave,
                frequency * octave * dice.between(0.8, 1.2),
                dice.between(0.0, std::f32::consts::TAU),
            )
        }))
    }

    fn at(&self, u: f32) -> f32 {
        self.0
            .iter()
            .map(|(height, frequency, phase)| height * sinf(u * frequency + phase))
            .sum()
    }
}

/// Jagged peaks: the highest of a few triangles.
fn peaks(dice: &mut Dice, base: f32) -> Vec<[f32; 3]> {
    let count = 2 + dice.below(3);
    (0..count)
        .map(|index| {
            let centre = (index as f32 + dice.between(0.2, 0.8)) / count as f32;
            [
                centre,
                base - dice.between(0.14, 0.3),
                dice.between(0.9, 1.6),
            ]
        })
        .collect()
}

/// Paints everything that is not an object; returns where objects can stand.
pub fn paint(painter: &mut Painter, dice: &mut Dice, scene: &Attributes) -> Ground {
    let light = light(scene.time);
    let [top, bottom] = sky_colours(scene.time);
    let horizon = dice.between(0.46, 0.58);
    painter.rows(|v| mix(top, bottom, smooth(0.0, horizon, v)));
    if scene.time == Time::Night {
        stars(painter, dice, horizon);
    }
    if scene.body {
        sky_body(painter, dice, scene.time, horizon);
    }
    if scene.clouds {
        clouds(painter, dice, scene.time, horizon);
    }
    if scene.place == Place::Mountains {
        mountains(painter, dice, horizon, mix(light, bottom, 0.25));
    }
    let haze = |colour: Rgb, amount: f32| mix(multiply(colour, light), bottom, amount);
    let wave = Waves::new(dice, 0.012, 5.0);
    let flat = move |u: f32| horizon + wave.at(u);
    let (near, far, label) = match scene.place {
        Place::Beach | Place::Desert => (rgb([236, 206, 142]), rgb([246, 224, 176]), Stuff::Sand),
        Place::Snow => (rgb([236, 243, 250]), rgb([214, 228, 242]), Stuff::Snow),
        _ => (rgb([98, 176, 76]), rgb([150, 206, 110]), Stuff::Grass),
    };
    let land = move |v: f32| mix(far, near, smooth(horizon, 1.0, v));
    match scene.place {
        Place::Hills | Place::Snow | Place::Desert => {
            for layer in 0..2 {
                let height = if scene.place == Place::Hills {
                    0.1
                } else {
                    0.05
                };
                let hills = Waves::new(dice, height * 0.5, 4.0);
                let base = horizon - height * (1.0 - layer as f32 * 0.6);
                let shade = match scene.place {
                    Place::Hills => rgb([116, 178, 104]),
                    Place::Snow => rgb([200, 216, 236]),
                    _ => rgb([226, 188, 120]),
                };
                let colour = haze(shade, 0.35 - 0.2 * layer as f32);
                let label = if scene.place == Place::Hills {
                    Stuff::Hill
                } else {
                    label
                };
                painter.below(|u| base + hills.at(u), |_, _| colour, label as u8);
            }
        }
        _ => {}
    }
    let ground = if scene.place.has_water() {
        water(
            painter,
            dice,
            scene,
            horizon,
            |v| multiply(land(v), light),
            label,
        )
    } else {
        painter.below(flat, |_, v| multiply(land(v), light), label as u8);
        Ground {
            horizon,
            water: None,
            land: [horizon + 0.1, 0.96],
        }
    };
    if scene.path {
        path(painter, dice, horizon, light);
    }
    ground
}

fn stars(painter: &mut Painter, dice: &mut Dice, horizon: f32) {
    for _ in 0..18 + dice.below(22) {
        let centre = [dice.unit(), dice.unit() * horizon];
        let radius = dice.between(0.004, 0.009);
        let strength = dice.between(0.4, 1.0);
        painter.disc(centre, [radius; 2], [1.0, 1.0, 0.92], strength, None);
    }
}

fn sky_body(painter: &mut Painter, dice: &mut Dice, time: Time, horizon: f32) {
    let across = if dice.chance(0.5) {
        dice.between(0.1, 0.35)
    } else {
        dice.between(0.65, 0.9)
    };
    let height = match time {
        Time::Dawn | Time::Sunset => horizon - dice.between(0.06, 0.16),
        Time::Day | Time::Night => dice.between(0.12, 0.24),
    };
    let centre = [across, height];
    let radius = dice.between(0.06, 0.085);
    if time == Time::Night {
        painter.glow(centre, radius * 2.6, [0.8, 0.84, 1.0], 0.5);
        let moon = rgb([246, 242, 214]);
        if dice.chance(0.5) {
            painter.disc(centre, [radius; 2], moon, 1.0, Some(Stuff::Moon as u8));
            for (x, y, r) in [(-0.3, -0.2, 0.22), (0.35, 0.25, 0.28), (0.1, -0.5, 0.15)] {
                let crater = [centre[0] + x * radius, centre[1] + y * radius];
                painter.disc(crater, [r * radius; 2], rgb([222, 216, 186]), 0.8, None);
            }
        } else {
            // A crescent: what the second disc does not hide of the first.
            let other = [centre[0] + radius * 0.55, centre[1] - radius * 0.3];
            painter.ellipse(
                centre,
                [radius; 2],
                1.0,
                |painter, x, y, distance, pixel| {
                    let side = painter.side() as f32;
                    let dx = ((x as f32 + 0.5) / side - other[0]) / radius;
                    let dy = ((y as f32 + 0.5) / side - other[1]) / radius;
                    let hidden =
                        (((dx * dx + dy * dy).sqrt() - 0.95) / pixel + 0.5).clamp(0.0, 1.0);
                    let coverage = ((1.0 - distance) / pixel + 0.5).clamp(0.0, 1.0) * hidden;
                    painter.lay(x, y, moon, coverage, Some(Stuff::Moon as u8));
                },
            );
        }
    } else {
        let warm = if time == Time::Day {
            [1.0, 0.97, 0.8]
        } else {
            [1.0, 0.86, 0.62]
        };
        painter.glow(centre, radius * 3.2, warm, 0.75);
        let disc = match time {
            Time::Sunset => rgb([255, 128, 66]),
            Time::Dawn => rgb([255, 196, 120]),
            _ => rgb([255, 226, 92]),
        };
        painter.disc(centre, [radius; 2], disc, 1.0, Some(Stuff::Sun as u8));
    }
}

fn clouds(painter: &mut Painter, dice: &mut Dice, time: Time, horizon: f32) {
    let colour = match time {
        Time::Dawn => rgb([255, 232, 226]),
        Time::Day => rgb([255, 255, 255]),
        Time::Sunset => rgb([255, 196, 160]),
        Time::Night => rgb([92, 102, 146]),
    };
    for _ in 0..1 + dice.below(3) {
        let centre = [dice.between(0.05, 0.95), dice.between(0.08, horizon * 0.62)];
        let size = dice.between(0.05, 0.085);
        for puff in 0..4 {
            let along = puff as f32 - 1.5;
            let radius = size * (1.0 - 0.28 * along.abs()) * dice.between(0.85, 1.1);
            let place = [centre[0] + along * size * 0.95, centre[1] - radius * 0.35];
            painter.disc(
                place,
                [radius * 1.15, radius * 0.8],
                colour,
                0.92,
                Some(Stuff::Cloud as u8),
            );
        }
    }
}

fn mountains(painter: &mut Painter, dice: &mut Dice, horizon: f32, tone: Rgb) {
    let peaks = peaks(dice, horizon);
    let edge = |u: f32| {
        let rough = 0.006 * sinf(u * 61.0) + 0.004 * cosf(u * 97.0);
        peaks
            .iter()
            .map(|[x, y, slope]| y + (u - x).abs() * slope)
            .fold(horizon, f32::min)
            + rough
    };
    let rock = multiply(rgb([140, 136, 164]), tone);
    let shadow = multiply(rgb([112, 108, 140]), tone);
    let snow = multiply(rgb([250, 251, 255]), tone);
    let line = horizon - 0.13;
    painter.below(
        edge,
        |u, v| {
            // The side away from the light, right of the nearest peak, is darker.
            let peak = peaks.iter().min_by(|a, b| {
                let height = |p: &[f32; 3]| p[1] + (u - p[0]).abs() * p[2];
                height(a).total_cmp(&height(b))
            });
            let body = if peak.is_some_and(|[x, _, _]| u > *x) {
                shadow
            } else {
                rock
            };
            let cap = smooth(line + 0.015, line - 0.015, v + 0.02 * sinf(u * 43.0));
            mix(body, snow, cap)
        },
        Stuff::Mountain as u8,
    );
}

fn water(
    painter: &mut Painter,
    dice: &mut Dice,
    scene: &Attributes,
    horizon: f32,
    land: impl Fn(f32) -> Rgb,
    label: Stuff,
) -> Ground {
    let light = light(scene.time);
    let [_, glow] = sky_colours(scene.time);
    let deep = multiply(rgb([36, 120, 196]), light);
    let shallow = mix(multiply(rgb([96, 190, 216]), light), glow, 0.3);
    let shore = horizon + dice.between(0.2, 0.28);
    let phase = dice.between(0.0, 6.0);
    let foam = multiply(rgb([250, 252, 252]), light);
    painter.below(
        |_| horizon,
        |u, v| {
            let depth = (v - horizon) / (shore - horizon);
            let base = mix(shallow, deep, 1.0 - depth.clamp(0.0, 1.0));
            // Wave crests lie closer together towards the horizon.
            let crest = sinf(depth * depth * 16.0 + sinf(u * 9.0 + phase) * 0.9 + depth * 9.0);
            mix(base, foam, smooth(0.86, 1.0, crest) * 0.32)
        },
        Stuff::Water as u8,
    );
    let coast = Waves::new(dice, 0.014, 6.0);
    painter.below(
        |u| shore - 0.016 + coast.at(u),
        |_, _| foam,
        Stuff::Water as u8,
    );
    painter.below(|u| shore + coast.at(u), |_, v| land(v), label as u8);
    Ground {
        horizon,
        water: Some([horizon + 0.07, shore - 0.02]),
        land: [shore + 0.12, 0.97],
    }
}

fn path(painter: &mut Painter, dice: &mut Dice, horizon: f32, light: Rgb) {
    let side = painter.side();
    let (from, to) = (dice.between(0.25, 0.75), dice.between(0.3, 0.7));
    let bend = dice.between(-0.18, 0.18);
    let colour = multiply(rgb([214, 178, 128]), light);
    for y in 0..side {
        let v = (y as f32 + 0.5) / side as f32;
        let t = (v - horizon - 0.02) / (1.0 - horizon - 0.02);
        if t <= 0.0 {
            continue;
        }
        let centre = to + (from - to) * t + bend * sinf(t * std::f32::consts::PI);
        let half = 0.012 + 0.1 * t * t;
        for x in 0..side {
            let away = ((x as f32 + 0.5) / side as f32 - centre).abs();
            let coverage = ((half - away) * side as f32 + 0.5).clamp(0.0, 1.0);
            if coverage > 0.0 && painter.label(x, y) == Stuff::Grass as u8 {
                painter.lay(x, y, colour, coverage, Some(Stuff::Path as u8));
            }
        }
    }
}
