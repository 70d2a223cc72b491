//! A class for every pixel of a picture.

use std::sync::Arc;

use image::{GrayImage, Luma, Rgba, RgbaImage};

use super::drawing::MOST_REGIONS;
use super::layout::listed;
use super::palette::{NOTHING, Palette, PaletteClass, PaletteError, is_same_name};

/// Numbers that one sentence names.
const MOST_NAMED: usize = 12;

/// The label map of a job, owned by it.
#[derive(Clone, Debug, PartialEq)]
pub struct SemanticInput {
    /// The number of a class for every pixel, [`NOTHING`] for none, at the size of the
    /// job's picture.
    pub map: Arc<GrayImage>,
    /// What the numbers mean.
    pub palette: Palette,
}

/// Why a label map cannot be painted, in a sentence for the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SemanticError {
    /// Its palette cannot be.
    #[error(transparent)]
    Palette(#[from] PaletteError),
    /// It has another size than the picture.
    #[error(
        "the label map is {} × {} pixels but the picture to paint is {} × {}; make them the same size",
        map_px[0], map_px[1], picture_px[0], picture_px[1]
    )]
    Size {
        /// Size of the map.
        map_px: [u32; 2],
        /// Size of the job.
        picture_px: [u32; 2],
    },
    /// It has numbers without a meaning.
    #[error(
        "the label map has the values {}, which are no classes of its palette; \
         give these pixels a class, or {NOTHING} for none",
        named(.0)
    )]
    Unknown(Vec<u8>),
    /// It has classes that the model does not know.
    #[error(
        "the model does not know {}; it knows {}",
        listed(unknown),
        listed(known)
    )]
    UnknownClasses {
        /// Classes that are somewhere in the map.
        unknown: Vec<String>,
        /// Those of the model.
        known: Vec<String>,
    },
    /// There are more regional prompts than one job may have.
    #[error(
        "there are {0} regional prompts, of the classes of the label map and of boxes; \
         at most {MOST_REGIONS} can be given"
    )]
    TooManyRegions(usize),
}

/// The first numbers of a list.
fn named(values: &[u8]) -> String {
    let shown = values.iter().take(MOST_NAMED).map(u8::to_string);
    let mut shown: Vec<String> = shown.collect();
    if let Some(more @ 1..) = values.len().checked_sub(MOST_NAMED) {
        shown.push(format!("{more} more"));
    }
    shown.join(", ")
}

impl SemanticInput {
    /// Checks palette and size, but looks at no pixel.
    ///
    /// # Errors
    /// If the palette cannot be, or the size is another.
    pub fn validate(&self, picture_px: [u32; 2]) -> Result<(), SemanticError> {
        self.palette.validate()?;
        let map_px = self.map.dimensions().into();
        if map_px != picture_px {
            return Err(SemanticError::Size { map_px, picture_px });
        }
        Ok(())
    }

    /// Checks every pixel; not for the thread of the window.
    ///
    /// # Errors
    /// If the map has numbers that are no classes of the palette.
    pub fn check_values(&self) -> Result<(), SemanticError> {
        let counts = self.counts();
        let is_unknown = |value: &u8| {
            let is_there = counts[usize::from(*value)] > 0;
            is_there && *value != NOTHING && self.palette.class(*value).is_none()
        };
        let unknown: Vec<u8> = (0..=NOTHING).filter(is_unknown).collect();
        if unknown.is_empty() {
            Ok(())
        } else {
            Err(SemanticError::Unknown(unknown))
        }
    }

    /// Checks that a model knows every class that is somewhere in the map; not for the
    /// thread of the window.
    ///
    /// # Errors
    /// If it does not know some.
    pub fn check_known(&self, classes: &[PaletteClass]) -> Result<(), SemanticError> {
        let counts = self.counts();
        let there = self.palette.classes.iter();
        let there = there.filter(|class| counts[usize::from(class.index)] > 0);
        let is_known = |class: &&PaletteClass| {
            let mut known = classes.iter();
            known.any(|known| is_same_name(&known.name, &class.name))
        };
        let names = |class: &PaletteClass| class.name.clone();
        let unknown = there.filter(|class| !is_known(class)).map(names);
        let unknown: Vec<String> = unknown.collect();
        if unknown.is_empty() {
            return Ok(());
        }
        Err(SemanticError::UnknownClasses {
            unknown,
            known: classes.iter().map(names).collect(),
        })
    }

    /// The map in the colours of its classes; what is nothing is clear. Not for the thread of
    /// the window.
    pub fn in_colours(&self) -> RgbaImage {
        let colours: [[u8; 4]; 256] = std::array::from_fn(|value| {
            let class = self.palette.class(value as u8);
            class.map_or([0; 4], |class| {
                let [red, green, blue] = class.color;
                [red, green, blue, 255]
            })
        });
        RgbaImage::from_fn(self.map.width(), self.map.height(), |x, y| {
            Rgba(colours[usize::from(self.map.get_pixel(x, y)[0])])
        })
    }

    /// The classes that are somewhere in the map; not for the thread of the window.
    pub fn painted(&self) -> Vec<&PaletteClass> {
        let counts = self.counts();
        let classes = self.palette.classes.iter();
        let there = classes.filter(|class| counts[usize::from(class.index)] > 0);
        there.collect()
    }

    /// Checks that all classes that are somewhere in the map can act as regional prompts,
    /// besides so many others; not for the thread of the window.
    ///
    /// # Errors
    /// If there are too many.
    pub fn check_regions(&self, others: usize) -> Result<(), SemanticError> {
        let regions = self.painted().len() + others;
        if regions > MOST_REGIONS {
            return Err(SemanticError::TooManyRegions(regions));
        }
        Ok(())
    }

    /// The map with nothing where a model does not know the class; `None` if then
    /// there is nothing left. Not for the thread of the window.
    pub fn limited_to(mut self, classes: &[PaletteClass]) -> Option<Self> {
        let is_known = |value: u8| {
            let class = self.palette.class(value);
            class.is_some_and(|class| {
                let mut known = classes.iter();
                known.any(|known| is_same_name(&known.name, &class.name))
            })
        };
        let kept: [u8; 256] = std::array::from_fn(|value| {
            let value = value as u8;
            if is_known(value) { value } else { NOTHING }
        });
        let map = Arc::make_mut(&mut self.map);
        let mut is_empty = true;
        for value in map.as_mut() {
            *value = kept[usize::from(*value)];
            is_empty &= *value == NOTHING;
        }
        (!is_empty).then_some(self)
    }

    /// How many pixels have each number.
    pub fn counts(&self) -> [u64; 256] {
        let mut counts = [0; 256];
        for value in self.map.as_raw() {
            counts[usize::from(*value)] += 1;
        }
        counts
    }

    /// The map at another size: each pixel has the class of the nearest, never one
    /// between two.
    #[must_use]
    pub fn resized(&self, [width_px, height_px]: [u32; 2]) -> Self {
        let (across, down) = self.map.dimensions();
        if (across, down) == (width_px, height_px) || across == 0 || down == 0 {
            return self.clone();
        }
        let nearest = |at: u32, to: u32, from: u32| {
            // The middle of a pixel, in pixels of the other size.
            let place = (2 * u64::from(at) + 1) * u64::from(from) / (2 * u64::from(to));
            (place as u32).min(from - 1)
        };
        let columns: Vec<u32> = (0..width_px)
            .map(|x| nearest(x, width_px, across))
            .collect();
        let map = GrayImage::from_fn(width_px, height_px, |x, y| {
            let from = columns.get(x as usize).copied().unwrap_or(0);
            let row = nearest(y, height_px, down);
            self.map
                .get_pixel_checked(from, row)
                .copied()
                .unwrap_or(Luma([NOTHING]))
        });
        Self {
            map: Arc::new(map),
            palette: self.palette.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(width: u32, values: &[u8]) -> SemanticInput {
        let class = |index: u8| PaletteClass {
            index,
            name: format!("class {index}"),
            color: [index; 3],
        };
        let height = values.len() as u32 / width;
        SemanticInput {
            map: Arc::new(GrayImage::from_raw(width, height, values.to_vec()).unwrap()),
            palette: Palette {
                name: "Test".to_owned(),
                classes: [0, 7].map(class).to_vec(),
            },
        }
    }

    #[test]
    fn sizes_and_values_are_checked() {
        let map = input(2, &[0, 7, 255, 0]);
        assert_eq!(map.validate([2, 2]), Ok(()));
        assert_eq!(map.check_values(), Ok(()));
        let error = map.validate([4, 2]).unwrap_err().to_string();
        assert!(
            error.contains("2 × 2") && error.contains("4 × 2"),
            "{error}"
        );
        let values: Vec<u8> = (0..=255).collect();
        let error = input(16, &values).check_values().unwrap_err().to_string();
        assert!(error.contains("the values 1, 2, 3"), "{error}");
        assert!(error.contains("241 more"), "{error}");
    }

    #[test]
    fn classes_that_a_model_does_not_know_are_named_where_they_are_used() {
        let map = input(2, &[0, 7, 255, 0]);
        let known = |name: &str| PaletteClass {
            index: 3,
            name: name.to_owned(),
            color: [0; 3],
        };
        let both = [known("Class 0"), known("class 7")];
        assert_eq!(map.check_known(&both), Ok(()));
        let error = map.check_known(&both[..1]).unwrap_err().to_string();
        assert!(
            error.contains("class 7") && !error.contains("class 0"),
            "{error}"
        );
        assert_eq!(input(1, &[0]).check_known(&both[..1]), Ok(()));
        let limited = map.limited_to(&both[..1]).expect("something is left");
        assert_eq!(limited.map.as_raw(), &[0, 255, 255, 0]);
        assert_eq!(limited.limited_to(&[]), None);
    }

    #[test]
    fn another_size_has_the_same_classes() {
        let map = input(2, &[0, 7, 255, 0]);
        let larger = map.resized([4, 6]);
        let row = |y: u32| -> Vec<u8> { (0..4).map(|x| larger.map.get_pixel(x, y).0[0]).collect() };
        assert_eq!([row(0), row(2)].concat(), [0, 0, 7, 7, 0, 0, 7, 7]);
        assert_eq!(row(3), [255, 255, 0, 0]);
        assert_eq!(*larger.resized([2, 2]).map, *map.map);
        let small = input(4, &[0, 7, 255, 0]).resized([1, 1]);
        assert_eq!(small.map.as_raw(), &[255]);
    }
}
