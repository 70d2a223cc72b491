//! A drawing of points and lines: an axis of powers across, a plain one up.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use image::{DynamicImage, RgbaImage};
use resvg::{tiny_skia, usvg};

use super::labels::Drawn;
use super::lettering::{Anchor, outline};
use crate::evaluate::EvaluateError;

const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 500.0;
/// What is left around the field: left, top, right, bottom.
const MARGINS: [f64; 4] = [84.0, 56.0, 176.0, 64.0];
/// Pixels of the PNG for one of the drawing.
const SCALE: f32 = 2.0;
const TEXT: f32 = 13.0;
/// Size of what stands beside points.
const LABEL: f32 = 11.0;
/// Share of the largest above which all values lie close together.
const CLOSE: f64 = 0.5;
/// Colours that the colour-blind tell apart (Okabe and Ito 2008).
const COLOURS: [&str; 7] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000",
];

/// Points of one kind, joined in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What stands beside its colour.
    pub name: String,
    /// The points.
    pub points: Vec<Point>,
}

/// A point of a drawing.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Its place across and up.
    pub at: [f64; 2],
    /// The lowest and the highest figure of which the point is the mean.
    pub range: Option<[f64; 2]>,
    /// What stands beside it.
    pub label: String,
}

impl Point {
    /// The mean of figures, and how far they scatter.
    pub(super) fn of(across: f64, figures: &[f64], label: String) -> Self {
        let mean = figures.iter().sum::<f64>() / figures.len().max(1) as f64;
        let least = figures.iter().copied().fold(f64::INFINITY, f64::min);
        let most = figures.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Self {
            at: [across, mean],
            range: (figures.len() > 1).then_some([least, most]),
            label,
        }
    }
}

/// Figures of rows that have a key in common, by that key.
pub(super) fn grouped<'a, R, K: Ord>(
    rows: &[&'a R],
    key: impl Fn(&'a R) -> K,
    figure: impl Fn(&R) -> f64,
) -> Vec<(K, Vec<f64>)> {
    let mut groups: BTreeMap<K, Vec<f64>> = BTreeMap::new();
    for row in rows {
        groups.entry(key(row)).or_default().push(figure(row));
    }
    groups.into_iter().collect()
}

/// A drawing.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// What is across, which must be above 0.
    pub across: String,
    /// What is up.
    pub up: String,
    /// The points.
    pub series: Vec<Series>,
}

impl Chart {
    /// The drawing as SVG, letters as outlines.
    pub fn svg(&self) -> String {
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
             height=\"{HEIGHT}\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n"
        );
        let [left, top, right, bottom] = MARGINS;
        let (end, floor) = (WIDTH - right, HEIGHT - bottom);
        let across = Axis::across(self.values(0));
        let up = Axis::up(self.values(1).chain(self.ranges()));
        let x = |value: f64| left + across.part(value) * (end - left);
        let y = |value: f64| floor - up.part(value) * (floor - top);
        words(
            &mut svg,
            &self.title,
            [left, top - 24.0],
            Anchor::Start,
            16.0,
        );
        for tick in &up.ticks {
            let at = y(*tick);
            line(&mut svg, [left, at], [end, at], "#e2e2e2");
            let place = [left - 8.0, at + 4.5];
            words(&mut svg, &short(*tick), place, Anchor::End, TEXT);
        }
        for tick in &across.ticks {
            let at = x(*tick);
            line(&mut svg, [at, top], [at, floor], "#e2e2e2");
            let place = [at, floor + 20.0];
            words(&mut svg, &short(*tick), place, Anchor::Middle, TEXT);
        }
        line(&mut svg, [left, floor], [end, floor], "#606060");
        line(&mut svg, [left, top], [left, floor], "#606060");
        let place = [(left + end) / 2.0, HEIGHT - 18.0];
        words(&mut svg, &self.across, place, Anchor::Middle, TEXT);
        let (path, wide) = outline(&self.up, TEXT);
        let middle = (top + floor) / 2.0 + f64::from(wide) / 2.0;
        // Writing to a string cannot fail.
        writeln!(
            svg,
            "<path transform=\"translate(24 {middle:.1}) rotate(-90)\" fill=\"#202020\" d=\"{path}\"/>"
        )
        .ok();
        let mut drawn = Drawn {
            field: [left, top, end + 16.0, floor],
            ..Drawn::default()
        };
        let mut labels: Vec<(&str, [f64; 2])> = Vec::new();
        for (number, series) in self.series.iter().enumerate() {
            let colour = COLOURS[number % COLOURS.len()];
            let points: Vec<[f64; 2]> = series
                .points
                .iter()
                .map(|point| [x(point.at[0]), y(point.at[1])])
                .collect();
            let joined: Vec<String> = points
                .iter()
                .map(|[x, y]| format!("{x:.1},{y:.1}"))
                .collect();
            writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
                joined.join(" ")
            )
            .ok();
            for ([at, _], point) in points.iter().zip(&series.points) {
                if let Some([least, most]) = point.range {
                    let (low, high) = (y(least), y(most));
                    line(&mut svg, [*at, low], [*at, high], colour);
                    drawn.lines.push([[*at, low], [*at, high]]);
                    for end in [low, high] {
                        line(&mut svg, [at - 4.0, end], [at + 4.0, end], colour);
                    }
                }
            }
            let ends = points.windows(2).map(|ends| [ends[0], ends[1]]);
            drawn.lines.extend(ends);
            drawn.points.extend(&points);
            for ([x, y], Point { label, .. }) in points.iter().zip(&series.points) {
                writeln!(
                    svg,
                    "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/>"
                )
                .ok();
                if !label.is_empty() {
                    labels.push((label, [*x, *y]));
                }
            }
            let row = top + 12.0 + 22.0 * number as f64;
            writeln!(
                svg,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"12\" height=\"12\" rx=\"2\" fill=\"{colour}\"/>",
                end + 20.0,
                row - 10.0
            )
            .ok();
            words(
                &mut svg,
                &series.name,
                [end + 38.0, row],
                Anchor::Start,
                TEXT,
            );
        }
        let wide = labels.iter().map(|(label, point)| {
            let (_, wide) = outline(label, LABEL);
            (*point, f64::from(wide))
        });
        let places = drawn.places(&wide.collect::<Vec<_>>());
        for ((label, _), place) in labels.into_iter().zip(places) {
            words(&mut svg, label, place, Anchor::Start, LABEL);
        }
        svg + "</svg>\n"
    }

    /// The drawing as pixels.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn picture(&self) -> Result<DynamicImage, EvaluateError> {
        let tree = usvg::Tree::from_str(&self.svg(), &usvg::Options::default())
            .map_err(EvaluateError::device)?;
        let [width, height] = [WIDTH, HEIGHT].map(|side| (side as f32 * SCALE) as u32);
        let mut pixels = tiny_skia::Pixmap::new(width, height)
            .ok_or_else(|| EvaluateError::device("no memory for a drawing"))?;
        let scale = tiny_skia::Transform::from_scale(SCALE, SCALE);
        resvg::render(&tree, scale, &mut pixels.as_mut());
        // Nothing of it is clear, so that colours are as they should be.
        let picture = RgbaImage::from_raw(width, height, pixels.take())
            .ok_or_else(|| EvaluateError::device("no memory for a drawing"))?;
        Ok(DynamicImage::from(DynamicImage::from(picture).into_rgb8()))
    }

    fn values(&self, axis: usize) -> impl Iterator<Item = f64> {
        let points = self.series.iter().flat_map(|series| &series.points);
        points
            .map(move |point| point.at[axis])
            .filter(|value| value.is_finite())
    }

    /// The ends of what points are the means of.
    fn ranges(&self) -> impl Iterator<Item = f64> {
        let points = self.series.iter().flat_map(|series| &series.points);
        let ends = points.flat_map(|point| point.range.into_iter().flatten());
        ends.filter(|value| value.is_finite())
    }
}

/// How values lie along a side.
struct Axis {
    from: f64,
    to: f64,
    is_of_powers: bool,
    ticks: Vec<f64>,
}

impl Axis {
    /// From a little before the first to a little behind the last, by powers.
    fn across(values: impl Iterator<Item = f64>) -> Self {
        let (least, most) = range(values.filter(|value| *value > 0.0), 1.0);
        let (from, to) = (least / 1.25, most * 1.25);
        let steps =
            (-9..=9).flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * 10_f64.powi(power)));
        let is_by_two = least >= 1.0 && most <= 64.0 && least.fract() == 0.0;
        let ticks: Vec<f64> = if is_by_two {
            (0..=6).map(|power| f64::from(1 << power)).collect()
        } else {
            steps.collect()
        };
        let mut ticks = within(ticks, from, to);
        if ticks.len() < 2 {
            let steps = (-9..=9).flat_map(|power| (1..=9).map(move |it| (it, power)));
            let steps = steps.map(|(step, power)| f64::from(step) * 10_f64.powi(power));
            ticks = within(steps.collect(), from, to);
        }
        if ticks.len() < 2 {
            ticks = vec![from, to];
        }
        Self {
            from,
            to,
            is_of_powers: true,
            ticks,
        }
    }

    /// From nothing to a little above the largest; where all lie close together, from a
    /// little below the least.
    fn up(values: impl Iterator<Item = f64>) -> Self {
        let (least, most) = range(values, 1.0);
        let is_close = least < most && least > CLOSE * most;
        let low = if is_close { least } else { 0.0 };
        let to = most + 0.1 * (most - low);
        let step = 10_f64.powf(((to - low) / 5.0).log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|times| times * step);
        let step = steps.into_iter().find(|step| (to - low) / step <= 6.5);
        let step = step.unwrap_or(to - low);
        let first = match is_close {
            true => ((low - 0.1 * (most - low)) / step).floor().max(0.0),
            false => 0.0,
        };
        let ticks = (0..=8).map(|at| (first + f64::from(at)) * step).collect();
        let from = first * step;
        Self {
            from,
            to,
            is_of_powers: false,
            ticks: within(ticks, from, to),
        }
    }

    /// How far along the side a value lies.
    fn part(&self, value: f64) -> f64 {
        let part = if self.is_of_powers {
            (value / self.from).ln() / (self.to / self.from).ln()
        } else {
            (value - self.from) / (self.to - self.from)
        };
        part.clamp(0.0, 1.0)
    }
}

fn range(values: impl Iterator<Item = f64>, otherwise: f64) -> (f64, f64) {
    let start = (f64::INFINITY, 0.0);
    let (least, most) = values.fold(start, |(least, most): (f64, f64), value| {
        (least.min(value), most.max(value))
    });
    match most > 0.0 {
        true => (least, most),
        false => (otherwise, otherwise),
    }
}

fn within(ticks: Vec<f64>, from: f64, to: f64) -> Vec<f64> {
    let inside = ticks.into_iter().filter(|tick| (from..=to).contains(tick));
    inside.collect()
}

/// A number with as many digits as it needs.
fn short(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}

fn line(svg: &mut String, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2], colour: &str) {
    writeln!(
        svg,
        "<path d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\" stroke=\"{colour}\" stroke-width=\"1\"/>"
    )
    .ok();
}

fn words(svg: &mut String, words: &str, [x, y]: [f64; 2], anchor: Anchor, size_px: f32) {
    let (path, wide) = outline(words, size_px);
    let x = x - match anchor {
        Anchor::Start => 0.0,
        Anchor::Middle => f64::from(wide) / 2.0,
        Anchor::End => f64::from(wide),
    };
    writeln!(
        svg,
        "<path transform=\"translate({x:.1} {y:.1})\" fill=\"#202020\" d=\"{path}\"/>"
    )
    .ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_its_points_in_their_colours_and_every_word() {
        let chart = Chart {
            title: "Quality".into(),
            across: "pictures a second".into(),
            up: "distance <of what>".into(),
            series: (0..2)
                .map(|number| Series {
                    name: format!("sampler {number}"),
                    points: (1..5)
                        .map(|at| {
                            let up = f64::from(9 - at);
                            Point::of(f64::from(at) * 0.3, &[up, up + 1.0], at.to_string())
                        })
                        .collect(),
                })
                .collect(),
        };
        let svg = chart.svg();
        assert_eq!(svg.matches("<circle").count(), 8);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        let picture = chart.picture().expect("a drawing").into_rgb8();
        assert_eq!(picture.dimensions(), (1600, 1000));
        for colour in [[0x00, 0x72, 0xb2], [0xd5, 0x5e, 0x00]] {
            let count = picture.pixels().filter(|pixel| pixel.0 == colour).count();
            assert!(count > 500, "{count}");
        }
        let dark = picture.pixels().filter(|pixel| pixel.0[0] < 0x40).count();
        assert!(dark > 2000, "{dark}");
    }

    #[test]
    fn values_that_lie_close_together_are_seen_from_near() {
        let ends = |values: &[f64]| {
            let axis = Axis::up(values.iter().copied());
            (axis.from, axis.to, axis.ticks.len())
        };
        assert_eq!(ends(&[1.0, 20.0]).0, 0.0);
        let (from, to, ticks) = ends(&[34.0, 37.0]);
        assert!(from > 30.0 && from < 34.0 && to > 37.0 && to < 38.0);
        assert!((4..9).contains(&ticks), "{ticks}");
        // One alone has nothing to be compared with but nothing.
        assert_eq!(ends(&[34.0]).0, 0.0);
    }

    #[test]
    fn a_point_is_the_mean_of_its_figures() {
        let point = Point::of(1.0, &[2.0, 6.0], String::new());
        assert_eq!((point.at, point.range), ([1.0, 4.0], Some([2.0, 6.0])));
        assert_eq!(Point::of(1.0, &[2.0], String::new()).range, None);
    }

    #[test]
    fn a_chart_of_nothing_is_empty_and_whole() {
        let chart = Chart {
            title: String::new(),
            across: String::new(),
            up: String::new(),
            series: vec![Series {
                name: String::new(),
                points: vec![Point::of(0.0, &[f64::NAN], String::new())],
            }],
        };
        assert!(chart.picture().is_ok());
    }
}
