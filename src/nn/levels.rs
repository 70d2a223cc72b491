//! What is known of the places of a picture's latents, at every resolution at which a
//! network sees them.

use burn::tensor::Tensor;

use super::ops;

/// Something of each place, for maps of these heights and widths: those of the latents,
/// halved again and again.
#[derive(Clone, Debug)]
pub(super) struct Levels<const D: usize>(Vec<([usize; 2], Tensor<D>)>);

impl<const D: usize> Levels<D> {
    /// `of` a map at the highest resolution, and of what is its mean over ever larger
    /// areas at lower ones.
    ///
    /// # Shapes
    /// `map`: `[1, channels, height, width]`; so is what `of` is given, with other sides.
    pub(super) fn new(map: Tensor<4>, of: impl Fn(Tensor<4>) -> Tensor<D>) -> Self {
        let mut levels = Vec::new();
        let mut map = map;
        loop {
            let [_, _, height, width] = map.dims();
            levels.push(([height, width], of(map.clone())));
            if height <= 1 && width <= 1 {
                return Self(levels);
            }
            map = ops::halved(map);
        }
    }

    /// That of a map of a height and width; `None` for one that is no halving of the
    /// first.
    pub(super) fn at(&self, size: [usize; 2]) -> Option<&Tensor<D>> {
        let level = self.0.iter().find(|(known, _)| *known == size);
        level.map(|(_, tensor)| tensor)
    }
}
