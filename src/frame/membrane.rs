//! A smooth passage between colours that are known at some places.
//!
//! Where nothing is known the colours are those of a membrane that is held where they
//! are known: each is the mean of its neighbours, as in Poisson image editing (Pérez et
//! al. 2003, <https://doi.org/10.1145/882262.882269>). It is found from coarse to fine,
//! to about a hundredth of what the colours differ by, so that the work grows with the
//! number of places only (cascadic multigrid, Bornemann
//! and Deuflhard 1996, <https://doi.org/10.1007/s002110050234>).

/// Numbers of red, green and blue.
pub(super) type Colour = [f32; 3];

/// Passes over a grid, each from one end and back. The coarser grid has brought all but
/// the details, and small grids cost little.
fn sweeps(side: usize) -> usize {
    4 + 2000 / side.max(20)
}

/// How much farther than to the mean of its neighbours a place goes in a pass
/// (successive over-relaxation).
const STRIDE: f32 = 1.6;

/// Colours by row, some of which are known.
pub(super) struct Membrane {
    pub colours: Vec<Colour>,
    pub is_known: Vec<bool>,
    pub width: usize,
}

impl Membrane {
    /// Puts colours where none are known; where none are known at all, all stay.
    pub fn relax(&mut self) {
        let known = self.is_known.iter().filter(|known| **known).count();
        if known == 0 || known == self.is_known.len() {
            return;
        }
        let mut coarse = self.coarser();
        coarse.relax();
        self.take_unknown_from(&coarse);
        let height = self.height();
        for _ in 0..sweeps(self.width.max(height)) {
            (0..self.colours.len()).for_each(|at| self.settle(at, height));
            (0..self.colours.len())
                .rev()
                .for_each(|at| self.settle(at, height));
        }
    }

    fn height(&self) -> usize {
        self.colours.len() / self.width.max(1)
    }

    /// Half as many rows and columns; known where any of four places is.
    fn coarser(&self) -> Self {
        let (width, height) = (self.width.div_ceil(2), self.height().div_ceil(2));
        let mut sums = vec![([0.0; 3], 0.0_f32); width * height];
        for (at, colour) in self.colours.iter().enumerate() {
            if self.is_known[at] {
                let (x, y) = (at % self.width / 2, at / self.width / 2);
                let (sum, count) = &mut sums[y * width + x];
                (0..3).for_each(|k| sum[k] += colour[k]);
                *count += 1.0;
            }
        }
        let mean = |(sum, count): &(Colour, f32)| sum.map(|it| it / count.max(1.0));
        Self {
            colours: sums.iter().map(mean).collect(),
            is_known: sums.iter().map(|(_, count)| *count > 0.0).collect(),
            width,
        }
    }

    fn take_unknown_from(&mut self, coarse: &Self) {
        for at in 0..self.colours.len() {
            if !self.is_known[at] {
                let (x, y) = ((at % self.width) as f32, (at / self.width) as f32);
                self.colours[at] = coarse.at((x - 0.5) / 2.0, (y - 0.5) / 2.0);
            }
        }
    }

    /// The colour between the middles of places; beyond the outermost it is theirs.
    pub fn at(&self, x: f32, y: f32) -> Colour {
        let split = |at: f32, count: usize| {
            let at = at.clamp(0.0, count.saturating_sub(1) as f32);
            let first = at as usize;
            (first, (first + 1).min(count.saturating_sub(1)), at.fract())
        };
        let (left, right, across) = split(x, self.width);
        let (top, bottom, down) = split(y, self.height());
        let place = |x: usize, y: usize| self.colours[y * self.width + x];
        let corners = [
            (place(left, top), (1.0 - across) * (1.0 - down)),
            (place(right, top), across * (1.0 - down)),
            (place(left, bottom), (1.0 - across) * down),
            (place(right, bottom), across * down),
        ];
        std::array::from_fn(|k| corners.iter().map(|(colour, part)| colour[k] * part).sum())
    }

    /// Moves a place towards the mean of its neighbours.
    fn settle(&mut self, at: usize, height: usize) {
        if self.is_known[at] {
            return;
        }
        let (x, y) = (at % self.width, at / self.width);
        let neighbours = [
            (x > 0).then(|| at - 1),
            (x + 1 < self.width).then(|| at + 1),
            (y > 0).then(|| at - self.width),
            (y + 1 < height).then(|| at + self.width),
        ];
        let (mut sum, mut count) = ([0.0; 3], 0.0);
        for near in neighbours.into_iter().flatten() {
            (0..3).for_each(|k| sum[k] += self.colours[near][k]);
            count += 1.0;
        }
        let colour = &mut self.colours[at];
        (0..3).for_each(|k| colour[k] += (sum[k] / count - colour[k]) * STRIDE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(width: usize, height: usize, known: impl Fn(usize, usize) -> Option<f32>) -> Membrane {
        let places = (0..width * height).map(|at| known(at % width, at / width));
        let places: Vec<Option<f32>> = places.collect();
        let mut membrane = Membrane {
            colours: places.iter().map(|it| [it.unwrap_or(0.0); 3]).collect(),
            is_known: places.iter().map(Option::is_some).collect(),
            width,
        };
        membrane.relax();
        membrane
    }

    #[test]
    fn a_slope_goes_on_between_its_ends() {
        // Only the rim is known, and x + 2 y, which goes up to 698, is harmonic.
        let slope = |x: usize, y: usize| x as f32 + 2.0 * y as f32;
        let (width, height) = (301, 200);
        let membrane = held(width, height, |x, y| {
            let is_rim = x == 0 || y == 0 || x == width - 1 || y == height - 1;
            is_rim.then(|| slope(x, y))
        });
        for (at, colour) in membrane.colours.iter().enumerate() {
            let wanted = slope(at % width, at / width);
            assert!(
                (colour[1] - wanted).abs() < 7.0,
                "{at}: {colour:?}, {wanted}"
            );
        }
    }

    #[test]
    fn one_known_place_is_enough_and_none_changes_nothing() {
        let one = held(37, 5, |x, y| ((x, y) == (3, 4)).then_some(7.0));
        assert!(one.colours.iter().all(|it| (it[0] - 7.0).abs() < 1e-3));
        let none = held(4, 4, |_, _| None);
        assert!(none.colours.iter().all(|it| *it == [0.0; 3]));
        held(0, 0, |_, _| None);
    }
}
