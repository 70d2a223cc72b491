//! What words name and a picture shows already, or does not show: it must be meant to lie
//! where the picture is painted anew, or elsewhere.

use image::{GrayImage, Luma, RgbImage, RgbaImage, imageops};

use super::EvaluateError;
use super::judge::Judge;
use super::network::CELLS;
use super::rooms::placed;
use crate::diffusion::{Composing, GenerationRequest, LatentDiffusion};
use crate::recipe::palette::is_same_name;
use crate::recipe::{LayoutBox, LayoutInput};
use crate::scenes::classes;

/// From this probability on a thing may be there: a second one that nobody wants is worse
/// than one without a box.
const PERHAPS: f32 = 0.2;

/// What a job that paints a part of a picture anew is told in place of its boxes and words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FilledIn {
    /// Boxes for what is nowhere in the picture.
    pub layout: Option<LayoutInput>,
    /// The words without what stands elsewhere in the picture, and would be painted a second
    /// time.
    pub prompt: Option<String>,
}

/// The things that words name, by where they are.
#[derive(Default)]
struct Sought {
    /// Nowhere.
    unseen: Vec<LayoutBox>,
    /// Kinds that are around the part that is painted, and not in it.
    elsewhere: Vec<String>,
}

impl Judge {
    /// What is to be told of the things that the words of a job name: boxes, in what is
    /// painted anew, for those that the kept part of its picture does not show and that are
    /// not `around` it either; and no words for those that are only there. Nothing where the
    /// job has boxes, begins with no picture or has no mask, or the model places no boxes for
    /// words.
    ///
    /// `around` is the whole picture where the job's is a part of it, clear where that is.
    ///
    /// # Errors
    /// If the device fails.
    pub fn missing(
        &self,
        model: &LatentDiffusion,
        request: &GenerationRequest,
        around: Option<&RgbaImage>,
    ) -> Result<FilledIn, EvaluateError> {
        let (Some(picture), Some(mask)) = (&request.init, &request.mask) else {
            return Ok(FilledIn::default());
        };
        if request.conditions.layout.is_some() || request.conditions.boxes_are_regions {
            return Ok(FilledIn::default());
        }
        let composing = Composing::of(request);
        let Some(named) = model.boxes_for(&composing) else {
            return Ok(FilledIn::default());
        };
        let around = around.map(|around| self.seen_around(around)).transpose()?;
        let Sought { unseen, elsewhere } = self.sought(&named, picture, mask, around.as_deref())?;
        let placed = placed(&unseen, mask);
        let prompt = match elsewhere.is_empty() {
            true => None,
            false => {
                model.words_without(&composing, |class| elsewhere.iter().any(|it| it == class))
            }
        };
        Ok(FilledIn {
            layout: (!placed.is_empty()).then(|| LayoutInput(placed.into())),
            prompt,
        })
    }

    /// Looks for some things in the kept part of a picture, given the kinds that are around
    /// it. Nothing is said where one is of a kind that nobody here can tell.
    fn sought(
        &self,
        named: &LayoutInput,
        picture: &RgbImage,
        mask: &GrayImage,
        around: Option<&[bool]>,
    ) -> Result<Sought, EvaluateError> {
        let kept = [without(picture, mask)];
        let stays = kept_cells(mask);
        let readings = self.read(&kept)?;
        let mut sought = Sought::default();
        let mut known: Vec<&str> = Vec::new();
        // Who names one kind alone wants it here, wherever else there is one.
        let names_several = named.0.iter().any(|it| it.class != named.0[0].class);
        for LayoutBox { class, .. } in named.0.iter() {
            if known.contains(&&**class) {
                continue;
            }
            known.push(class);
            let kind = classes()
                .iter()
                .position(|it| is_same_name(&it.noun, class));
            let Some(kind) = kind else {
                return Ok(Sought::default());
            };
            let alike = named.0.iter().filter(|it| it.class == *class);
            let traces = readings[0].traces(kind, &stays, PERHAPS);
            let is_around = names_several && around.is_some_and(|around| around[kind]);
            if is_around {
                // What reaches into the part with an edge is not there.
                if !readings[0].shows(kind, Some(&stays)) {
                    sought.elsewhere.push(class.clone());
                }
                continue;
            }
            let seen = match (traces, alike.clone().count()) {
                (0, _) => 0,
                // Of two, one may be gone. Nobody counts a flock as well as that.
                (1, 2) => match self.count(&kept, &[kind])? {
                    Some(counts) => counts[0].max(1) as usize,
                    None => continue,
                },
                _ => continue,
            };
            sought.unseen.extend(alike.skip(seen).cloned());
        }
        Ok(sought)
    }
}

/// The kept part of a picture: elsewhere it has the mean colour of that, in which nothing
/// is seen, as something is in white.
pub(super) fn without(picture: &RgbImage, mask: &GrayImage) -> RgbImage {
    let is_masked = |mask: &Luma<u8>| mask.0[0] >= 128;
    let kept = picture.pixels().zip(mask.pixels());
    let kept = kept.filter(|(_, mask)| !is_masked(mask));
    let (sum, count) = kept.fold(([0_u64; 3], 0_u64), |(sum, count), (pixel, _)| {
        let added = [0, 1, 2].map(|channel| sum[channel] + u64::from(pixel.0[channel]));
        (added, count + 1)
    });
    let mean = sum.map(|sum| (sum / count.max(1)) as u8);
    let mut kept = picture.clone();
    for (pixel, mask) in kept.pixels_mut().zip(mask.pixels()) {
        if is_masked(mask) {
            pixel.0 = mean;
        }
    }
    kept
}

/// The cells that the judge sees of what is kept, 255, but for those at the edge of a mask.
pub(super) fn kept_cells(mask: &GrayImage) -> GrayImage {
    let side = CELLS as u32;
    let covered = imageops::resize(mask, side, side, imageops::FilterType::Triangle);
    GrayImage::from_fn(side, side, |x, y| {
        let around = |at: u32| at.saturating_sub(1)..(at + 2).min(side);
        let mut cells = around(y).flat_map(|y| around(x).map(move |x| [x, y]));
        let is_kept = cells.all(|[x, y]| covered.get_pixel(x, y).0[0] == 0);
        Luma([if is_kept { 255 } else { 0 }])
    })
}

#[cfg(test)]
mod tests {
    use super::super::repainting::hole;
    use super::super::rooms::tests::{mask_of, thing};
    use super::*;
    use crate::scenes::{Scene, SceneSource};

    /// What a scene shows, as words place it.
    fn told(scene: &Scene) -> LayoutInput {
        let told = scene.objects.iter();
        let told = told.map(|object| thing(&classes()[object.class].noun, object.bbox));
        LayoutInput(told.collect())
    }

    #[test]
    fn what_was_cut_out_of_scenes_is_missed_and_nothing_else() {
        let judge = Judge::open("assets/judge".as_ref()).expect("a judge");
        let source = SceneSource::new(128).expect("a size");
        let scenes: Vec<Scene> = source.endless(900_000_700, 0).take(60).collect();
        let (mut holes, mut found, mut whole) = (0, 0, 0);
        for (index, scene) in scenes.iter().enumerate() {
            let named = told(scene);
            let sky = mask_of(128, &[[0, 0, 128, 8]]);
            let unseen = judge.sought(&named, &scene.image, &sky, None);
            whole += usize::from(unseen.expect("a reading").unseen.is_empty());
            let Some(hole) = hole((index, scene)) else {
                continue;
            };
            holes += 1;
            let unseen = judge.sought(&named, &scene.image, &hole.mask, None);
            let unseen = unseen.expect("a reading").unseen;
            let class = &hole.as_box().0[0].class;
            found += usize::from(matches!(&unseen[..], [only] if only.class == *class));
        }
        assert!(holes > 40 && found * 10 >= holes * 9, "{found} of {holes}");
        assert!(
            whole * 10 >= scenes.len() * 9,
            "{whole} of {}",
            scenes.len()
        );
    }
}
