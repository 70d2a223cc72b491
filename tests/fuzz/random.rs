//! Random numbers that are the same everywhere.

/// SplitMix64, Steele et al. 2014 (<https://doi.org/10.1145/2714064.2660195>).
pub struct Random(u64);

impl Random {
    /// The stream of one case of one target.
    pub fn new(target: &str, seed: u64, case: u64) -> Self {
        let mut state = Self(seed);
        for word in target.bytes().map(u64::from).chain([case]) {
            state.0 ^= word;
            state.next();
        }
        state
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 if there is none.
    pub fn below(&mut self, end: usize) -> usize {
        match end {
            0 => 0,
            _ => (self.next() % end as u64) as usize,
        }
    }

    /// Whether one of `count` cases came up.
    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    /// One of the values.
    pub fn pick<'a, T>(&mut self, values: &'a [T]) -> &'a T {
        &values[self.below(values.len())]
    }
}
