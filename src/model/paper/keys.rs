//! The names and shapes of weights, as a list that is built up.

use std::collections::BTreeMap;

/// Names in a file and their shapes.
pub(in crate::model) type Layout = BTreeMap<String, Vec<usize>>;

/// Collects what lies under a common beginning of names.
pub(super) struct Keys<'a> {
    layout: &'a mut Layout,
    prefix: String,
}

impl<'a> Keys<'a> {
    pub fn new(layout: &'a mut Layout, prefix: &str) -> Self {
        Self {
            layout,
            prefix: prefix.to_owned(),
        }
    }

    /// What lies one level deeper.
    pub fn at(&mut self, name: impl std::fmt::Display) -> Keys<'_> {
        let prefix = format!("{}{name}.", self.prefix);
        Keys {
            layout: self.layout,
            prefix,
        }
    }

    pub fn tensor(&mut self, name: &str, shape: impl Into<Vec<usize>>) {
        let name = format!("{}{name}", self.prefix);
        self.layout.insert(name, shape.into());
    }

    fn pair(&mut self, name: impl std::fmt::Display, shape: impl Into<Vec<usize>>, outputs: usize) {
        self.tensor(&format!("{name}.weight"), shape);
        self.tensor(&format!("{name}.bias"), [outputs]);
    }

    pub fn linear(&mut self, name: impl std::fmt::Display, outputs: usize, inputs: usize) {
        self.pair(name, [outputs, inputs], outputs);
    }

    /// A matrix without a bias, or a table of vectors.
    pub fn matrix(&mut self, name: impl std::fmt::Display, outputs: usize, inputs: usize) {
        self.tensor(&format!("{name}.weight"), [outputs, inputs]);
    }

    pub fn conv(
        &mut self,
        name: impl std::fmt::Display,
        [outputs, inputs]: [usize; 2],
        side: usize,
    ) {
        self.pair(name, [outputs, inputs, side, side], outputs);
    }

    /// A convolution along one axis that looks at one place.
    pub fn conv1d(&mut self, name: impl std::fmt::Display, outputs: usize, inputs: usize) {
        self.pair(name, [outputs, inputs, 1], outputs);
    }

    pub fn norm(&mut self, name: impl std::fmt::Display, channels: usize) {
        self.pair(name, [channels], channels);
    }
}
