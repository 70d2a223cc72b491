//! Pictures as Inception sees them: 299 pixels a side, bilinear, in one of the two ways
//! that figures are published of.

use image::RgbImage;
use serde::Serialize;

/// Side of the pictures in pixels.
pub(super) const SIDE_PX: usize = 299;

/// Whose way of scaling pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resize {
    /// torch-fidelity's, which is that of the first TensorFlow: pixels are points, and
    /// the first of them is the first. The paper's figures are of it.
    #[default]
    TorchFidelity,
    /// pytorch-fid's: pixels are squares.
    PytorchFid,
}

impl Resize {
    /// That of statistics that do not say: only pytorch-fid's are silent.
    pub const UNSAID: Self = Self::PytorchFid;

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::TorchFidelity => "torch-fidelity",
            Self::PytorchFid => "pytorch-fid",
        }
    }

    pub(super) fn of_name(name: &str) -> Option<Self> {
        let all = [Self::TorchFidelity, Self::PytorchFid];
        all.into_iter().find(|resize| resize.name() == name)
    }

    /// The two pixels on a side that a place lies between, and how far it is from the
    /// first.
    fn taps(self, length: usize) -> Vec<(usize, usize, f32)> {
        let scale = length as f32 / SIDE_PX as f32;
        let tap = |at: usize| {
            let place = match self {
                Self::TorchFidelity => at as f32 * scale,
                Self::PytorchFid => ((at as f32 + 0.5) * scale - 0.5).max(0.0),
            };
            let first = (place as usize).min(length - 1);
            (first, (first + 1).min(length - 1), place - first as f32)
        };
        (0..SIDE_PX).map(tap).collect()
    }

    /// Adds the planes of a picture to those of others, in [-1, 1].
    ///
    /// # Shapes
    /// `[3, SIDE_PX, SIDE_PX]`.
    pub(super) fn push_planes(self, picture: &RgbImage, planes: &mut Vec<f32>) {
        let width = picture.width() as usize;
        let (across, down) = (self.taps(width), self.taps(picture.height() as usize));
        let bytes = picture.as_raw();
        for channel in 0..3 {
            let value = |x: usize, y: usize| f32::from(bytes[(y * width + x) * 3 + channel]);
            for (top, bottom, below) in &down {
                for (left, right, along) in &across {
                    let between = |row: usize| {
                        let (a, b) = (value(*left, row), value(*right, row));
                        a + (b - a) * along
                    };
                    let (a, b) = (between(*top), between(*bottom));
                    let mixed = a + (b - a) * below;
                    planes.push(match self {
                        Self::TorchFidelity => (mixed - 128.0) / 128.0,
                        Self::PytorchFid => mixed / 127.5 - 1.0,
                    });
                }
            }
        }
    }
}
