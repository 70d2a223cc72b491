//! Reading Photoshop files: their layers as pictures, with what groups and masks do to them.
//!
//! What makes layers look otherwise than one lying over the other (ways of blending,
//! clipping, adjustments, effects) is not imitated: a file that has it gets its own picture
//! of the whole as the topmost layer.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::input::Input;
use super::planes::Plane;
use super::record::{Group, Record};
use super::{ALPHA, DEPTH, RGB, SIGNATURE};
use crate::document::{Document, Layer, LayerContent, LayerId, TileGrid, check_size, mul_255};
use crate::files::open_file;
use crate::geometry::{CanvasRect, CanvasView};
use crate::project::manifest::MAX_LAYERS;
use crate::project::reading::tame;
use crate::project::tile_rows::{Budget, LayerError, TileRows};
use crate::project::{
    Choices, Home, OpenedProject, Project, ProjectError, ProjectWarning, ReadLimits,
};

/// Grey values, as the header calls them.
const GREY: u16 = 1;

/// The version of the header; 2 is that of larger files.
const VERSION: u16 = 1;

/// The channel of a layer's mask.
const MASK: i16 = -2;

/// Letters of a name that are kept.
const MOST_LETTERS: usize = 255;

/// The name of the file's own picture of the whole.
const WHOLE: &str = "As it looks";

/// Opens a Photoshop file as a document with its layers.
///
/// # Errors
/// When it cannot be read, has another form than 8 bits a channel in RGB or grey, is
/// damaged, or needs more memory than `limits` say.
pub fn open_psd(path: &Path, limits: ReadLimits) -> Result<OpenedProject, ProjectError> {
    let too_large = || ProjectError::TooLarge {
        path: path.to_owned(),
        megabytes: limits.pixel_bytes >> 20,
    };
    let bytes = bytes_of(path, limits.pixel_bytes)?.ok_or_else(too_large)?;
    let budget = Budget::new(limits.pixel_bytes.saturating_sub(bytes.len() as u64));
    let failed = |error| match error {
        LayerError::Damaged(reason) => ProjectError::Damaged {
            path: path.to_owned(),
            reason,
        },
        LayerError::TooLarge => too_large(),
    };
    let mut input = Input(&bytes);
    let (size_px, is_grey) = header(&mut input).map_err(failed)?.map_err(|form| {
        let path = path.to_owned();
        ProjectError::PsdForm { path, form }
    })?;
    check_size(size_px).map_err(|_| ProjectError::CanvasSize {
        path: path.to_owned(),
        size_px,
    })?;
    let canvas = Canvas {
        size_px,
        is_grey,
        budget: &budget,
    };
    let (layers, is_blended) = canvas.read(input, path).map_err(failed)?;
    let mut warnings = Vec::new();
    if is_blended {
        warnings.push(ProjectWarning::Blended);
    }
    let document = Document::from_pictures(size_px, layers);
    let document = document.map_err(|error| failed(LayerError::Damaged(error.to_string())))?;
    let project = Project {
        document,
        view: CanvasView::default(),
        recipes: BTreeMap::new(),
        choices: Choices::default(),
        home: Some(Home {
            path: path.to_owned(),
            is_project: false,
        }),
    };
    Ok(OpenedProject { project, warnings })
}

/// The whole file; `None` if it has more bytes than `most`.
fn bytes_of(path: &Path, most: u64) -> Result<Option<Vec<u8>>, ProjectError> {
    let failed = |source| ProjectError::Open {
        path: path.to_owned(),
        source,
    };
    let file = open_file(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    if length > most {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(most).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}

/// Width and height, and whether pixels are grey; or what form of a file it is that is not
/// read here.
fn header(input: &mut Input) -> Result<Result<([u32; 2], bool), &'static str>, LayerError> {
    if input.key()? != SIGNATURE {
        return Err(LayerError::Damaged("it is no such file".to_owned()));
    }
    if input.u16()? != VERSION {
        return Ok(Err("is a PSB file"));
    }
    // Six bytes that say nothing, and how many channels there are.
    input.take(6 + 2)?;
    let (height, width) = (input.u32()?, input.u32()?);
    let (depth, mode) = (input.u16()?, input.u16()?);
    if depth != DEPTH {
        return Ok(Err("has more or less than 8 bits a channel"));
    }
    if mode != RGB && mode != GREY {
        return Ok(Err("has other colours than RGB"));
    }
    // A table of colours, and resources such as guides.
    input.section()?;
    input.section()?;
    Ok(Ok(([width, height], mode == GREY)))
}

/// What the layers of a file come to lie on.
struct Canvas<'a> {
    size_px: [u32; 2],
    is_grey: bool,
    budget: &'a Budget,
}

impl Canvas<'_> {
    /// The layers from bottom to top, and whether they look otherwise in the file.
    fn read(&self, mut input: Input, path: &Path) -> Result<(Vec<Layer>, bool), LayerError> {
        let mut section = input.section()?;
        let mut layers = match section.0.is_empty() {
            true => Input(&[]),
            false => section.section()?,
        };
        let count = match layers.0.is_empty() {
            true => 0,
            false => layers.i16()?,
        };
        if usize::from(count.unsigned_abs()) > MAX_LAYERS {
            return Err(LayerError::Damaged(format!(
                "it says that it has over {MAX_LAYERS} layers"
            )));
        }
        let records = (0..count.unsigned_abs()).map(|_| Record::read(&mut layers));
        let mut records = records.collect::<Result<Vec<_>, _>>()?;
        take_groups(&mut records);
        let is_blended = records.iter().any(|it| it.is_visible && it.is_blended);
        let mut with_pixels = Vec::new();
        for record in &records {
            let lengths = record.channels.iter();
            let channels = lengths.map(|(id, length)| {
                let bytes = layers.take(*length as usize)?;
                Ok((*id, Input(bytes)))
            });
            let channels = channels.collect::<Result<Vec<_>, LayerError>>()?;
            if record.group == Group::None && !record.part.is_empty() {
                with_pixels.push((record, channels));
            }
        }
        let pictures = with_pixels.par_iter().map(|(record, channels)| {
            let picture = self.picture(record, channels)?;
            Ok(Layer {
                opacity: f32::from(record.opacity) / 255.0,
                visible: record.is_visible,
                ..layer(tame(&record.name, MOST_LETTERS), picture)
            })
        });
        let mut pictures = pictures.collect::<Result<Vec<_>, LayerError>>()?;
        if is_blended || pictures.is_empty() {
            let name = match path.file_stem() {
                Some(stem) if pictures.is_empty() => stem.to_string_lossy().into_owned(),
                _ => WHOLE.to_owned(),
            };
            pictures.push(layer(name, self.whole(input, count < 0)?));
        }
        Ok((pictures, is_blended))
    }

    /// The pixels of a layer that lie on the canvas.
    fn picture(
        &self,
        record: &Record,
        channels: &[(i16, Input)],
    ) -> Result<TileGrid<[u8; 4]>, LayerError> {
        let plane = |id: i16, part: CanvasRect| {
            let channel = channels.iter().find(|(it, _)| *it == id);
            let planes = channel.map(|(_, input)| Plane::read(*input, part, 1));
            Ok(planes.transpose()?.and_then(|mut it| it.pop()))
        };
        let colours = (0..self.colours()).map(|id| plane(id, record.part));
        let planes = Planes {
            colours: colours.collect::<Result<_, _>>()?,
            alpha: plane(ALPHA, record.part)?,
            mask: match record.mask {
                Some((part, beyond)) => Some((plane(MASK, part)?, beyond)),
                None => None,
            },
        };
        let part = CanvasRect::from_size(self.size_px).intersect(&record.part);
        self.composed(part, &planes)
    }

    /// The picture of the whole that stands at the end of a file.
    fn whole(&self, input: Input, has_alpha: bool) -> Result<TileGrid<[u8; 4]>, LayerError> {
        let part = CanvasRect::from_size(self.size_px);
        let count = self.colours() as usize;
        let mut planes = Plane::read(input, part, count + usize::from(has_alpha))?;
        let alpha = has_alpha.then(|| planes.pop()).flatten();
        let planes = Planes {
            colours: planes.into_iter().map(Some).collect(),
            alpha,
            mask: None,
        };
        self.composed(part, &planes)
    }

    /// Pixels of a part of the canvas of their planes.
    fn composed(&self, part: CanvasRect, planes: &Planes) -> Result<TileGrid<[u8; 4]>, LayerError> {
        let mut rows = TileRows::new(self.size_px, part, self.budget);
        let width = part.width() as usize;
        let mut line = vec![[0; 4]; width];
        let mut values = vec![0; width];
        for y in part.min[1]..part.max[1] {
            let at = [part.min[0], y];
            for (colour, plane) in planes.colours.iter().enumerate() {
                values.fill(0);
                if let Some(plane) = plane {
                    plane.row(at, &mut values)?;
                }
                let last = if self.is_grey { 2 } else { colour };
                for (pixel, value) in line.iter_mut().zip(&values) {
                    pixel[colour..=last].fill(*value);
                }
            }
            values.fill(255);
            if let Some(plane) = &planes.alpha {
                plane.row(at, &mut values)?;
            }
            let alpha = line.iter_mut().zip(&values);
            alpha.for_each(|(pixel, value)| pixel[3] = *value);
            if let Some((plane, beyond)) = &planes.mask {
                values.fill(*beyond);
                if let Some(plane) = plane {
                    plane.row(at, &mut values)?;
                }
                let masked = line.iter_mut().zip(&values);
                masked.for_each(|(pixel, value)| pixel[3] = mul_255(pixel[3], *value));
            }
            // What cannot be seen is nothing.
            let unseen = line.iter_mut().filter(|pixel| pixel[3] == 0);
            unseen.for_each(|pixel| *pixel = [0; 4]);
            rows.push(&line)?;
        }
        Ok(rows.finish())
    }

    /// How many channels tell of colours.
    fn colours(&self) -> i16 {
        if self.is_grey { 1 } else { 3 }
    }
}

/// What the pixels of a layer are made of; a colour that is not there is 0.
struct Planes<'a> {
    colours: Vec<Option<Plane<'a>>>,
    alpha: Option<Plane<'a>>,
    /// How much is seen, and how much of what lies beyond, which may be all.
    mask: Option<(Option<Plane<'a>>, u8)>,
}

fn layer(name: String, picture: TileGrid<[u8; 4]>) -> Layer {
    // The document gives it its number.
    Layer::new(LayerId(0), name, LayerContent::Raster(picture))
}

/// Takes what groups do to what is in them: it is hidden and fades with them.
fn take_groups(records: &mut [Record]) {
    let mut open: Vec<(bool, u8)> = Vec::new();
    // From the top, where a group stands before what is in it.
    for record in records.iter_mut().rev() {
        if record.group == Group::End {
            open.pop();
            continue;
        }
        let (is_visible, opacity) = open.last().copied().unwrap_or((true, 255));
        record.is_visible &= is_visible;
        record.opacity = mul_255(record.opacity, opacity);
        if record.group == Group::Head {
            open.push((record.is_visible, record.opacity));
        }
    }
}
