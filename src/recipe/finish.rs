//! What is done with a painted picture before it is handed over: it is made larger, and, if
//! that is asked for, painted over once more at that size. The composition is that of a size
//! that the model knows, the detail that of the larger one. Others call it "hires fix".

use std::sync::Arc;

use image::GrayImage;
use image::imageops::{self, FilterType};
use serde::{Deserialize, Serialize};

use super::param::STEPS;
use super::scale_picture;
use super::{ControlSpec, GenerateSpec, ImageInput, LayoutInput, MaskInput, SemanticInput};

/// How much larger a painted picture is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Finish {
    /// One and a half times.
    #[serde(rename = "x1.5")]
    X1_5,
    /// Twice.
    #[serde(rename = "x2")]
    X2,
    /// Three times.
    #[serde(rename = "x3")]
    X3,
    /// Four times.
    #[serde(rename = "x4")]
    X4,
}

/// What the sides of pictures are multiples of that every model can paint.
const STEP_PX: u32 = 8;

impl Finish {
    /// All there are, the smallest first.
    pub const ALL: [Self; 4] = [Self::X1_5, Self::X2, Self::X3, Self::X4];

    /// How often the side of the painted picture goes into that of the finished one.
    pub const fn factor(self) -> f32 {
        self.halves() as f32 / 2.0
    }

    const fn halves(self) -> u32 {
        match self {
            Self::X1_5 => 3,
            Self::X2 => 4,
            Self::X3 => 6,
            Self::X4 => 8,
        }
    }

    /// The one of a factor.
    pub fn of_factor(factor: f32) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.factor() == factor)
    }

    /// What menus call it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::X1_5 => "×1.5",
            Self::X2 => "×2",
            Self::X3 => "×3",
            Self::X4 => "×4",
        }
    }

    /// The size of the finished picture for that of the painted. Half of one more is brought
    /// down to what can be painted.
    pub fn finished_px(self, painted_px: [u32; 2]) -> [u32; 2] {
        painted_px.map(|side| {
            let finished = side.saturating_mul(self.halves()) / 2;
            match self {
                Self::X1_5 if side.is_multiple_of(STEP_PX) => finished / STEP_PX * STEP_PX,
                _ => finished,
            }
        })
    }

    /// The size to be painted for that of the finished picture; `None` where no size that is a
    /// multiple of `step_px` becomes it.
    pub fn painted_px(self, finished_px: [u32; 2], step_px: u32) -> Option<[u32; 2]> {
        let painted_px = finished_px.map(|side| side.saturating_mul(2) / self.halves());
        let is_step = |side: &u32| side.is_multiple_of(step_px.max(1));
        let is_so = painted_px.iter().all(is_step) && self.finished_px(painted_px) == finished_px;
        is_so.then_some(painted_px)
    }
}

impl GenerateSpec {
    /// The size of the second pass, where there is one.
    pub fn second_px(&self) -> Option<[u32; 2]> {
        let finish = self.finish.filter(|_| self.second_strength > 0.0)?;
        Some(finish.finished_px([self.width_px, self.height_px]))
    }

    /// The job whose finished picture has the size that this one's painted picture
    /// would have, where it was painted at `painted_px`: all that it is given becomes smaller
    /// with it.
    #[must_use]
    pub fn painted_smaller(self, finish: Finish, painted_px: [u32; 2]) -> Self {
        let small = GenerateSpec {
            finish: Some(finish),
            ..self.at_size(painted_px)
        };
        match small.frame {
            // What was cut for a frame keeps the frame's size.
            Some(_) => small,
            None => {
                let [width_px, height_px] = painted_px;
                let init = small.init.map(|ImageInput(picture)| {
                    ImageInput(Arc::new(scale_picture(&picture, width_px, height_px)))
                });
                Self { init, ..small }
            }
        }
    }

    /// The job that paints over a picture that this one has painted and that was made larger,
    /// as from a picture (diffusers calls it image to image). A mask acts once more; of a
    /// frame all is painted over, and is laid into its place afterwards.
    #[must_use]
    pub fn second_pass(self, larger: ImageInput) -> Self {
        let [width_px, height_px] = [larger.0.width(), larger.0.height()];
        let is_framed = self.frame.is_some();
        let mask_at = |mask: &MaskInput| scaled_mask(mask, width_px, height_px);
        let first = self.init.clone();
        // Networks that saw the picture that the first pass began with still do.
        let controls = self.controls.iter().map(|control| ControlSpec {
            picture: control.picture.clone().or_else(|| first.clone()),
            ..control.clone()
        });
        Self {
            controls: controls.collect(),
            mask: self.mask.as_ref().filter(|_| !is_framed).map(mask_at),
            strengths: self.strengths.as_ref().filter(|_| !is_framed).map(mask_at),
            steps: self.second_total(),
            strength: self.second_strength,
            init: Some(larger),
            finish: None,
            second_strength: 0.0,
            second_steps: 0,
            frame: None,
            initial_noise: None,
            initial_latents: None,
            was_given_latents: false,
            batch: 1,
            ..self.at_size([width_px, height_px])
        }
    }

    /// Steps that the second pass does, where there is one.
    pub fn second_steps_done(&self) -> u32 {
        let done = f64::from(self.second_total()) * self.second_share();
        done as u32
    }

    /// The strength of the second pass as it was written in decimals.
    fn second_share(&self) -> f64 {
        (f64::from(self.second_strength) * 1e6).round() / 1e6
    }

    /// Steps of which the strength of the second pass leaves so many as it is to do.
    fn second_total(&self) -> u32 {
        let share = self.second_share().max(1e-3);
        let least = (1.0 / share).ceil();
        let total = match self.second_steps {
            0 => f64::from(self.steps),
            done => (f64::from(done) / share - 1e-9).ceil(),
        };
        (total.max(least) as u32).min(STEPS.allowed.most.as_u32())
    }

    /// The job at another size, with what says where things are; pictures stay as they are.
    fn at_size(self, [width_px, height_px]: [u32; 2]) -> Self {
        let [across, down] = [(width_px, self.width_px), (height_px, self.height_px)]
            .map(|(to, from)| (u64::from(to), u64::from(from.max(1))));
        let share = |(to, from): (u64, u64)| to as f32 / from as f32;
        let boxes = |layout: &LayoutInput| layout.scaled(share(across), share(down));
        let map = |semantic: &SemanticInput| semantic.resized([width_px, height_px]);
        let small = |ImageInput(small): ImageInput| {
            let side = |side: u32, (to, from): (u64, u64)| {
                u32::try_from((u64::from(side) * to).div_ceil(from)).unwrap_or(side)
            };
            let size_px = [side(small.width(), across), side(small.height(), down)];
            ImageInput(Arc::new(scale_picture(&small, size_px[0], size_px[1])))
        };
        Self {
            width_px,
            height_px,
            layout: self.layout.as_ref().map(boxes),
            semantic: self.semantic.as_ref().map(map),
            low_resolution: self.low_resolution.map(small),
            ..self
        }
    }
}

fn scaled_mask(MaskInput(mask): &MaskInput, width_px: u32, height_px: u32) -> MaskInput {
    let filter = FilterType::Triangle;
    let scaled: GrayImage = imageops::resize(mask.as_ref(), width_px, height_px, filter);
    MaskInput(Arc::new(scaled))
}

#[cfg(test)]
mod tests {
    use image::{Luma, RgbaImage};

    use super::*;
    use crate::recipe::{FrameSpec, LayoutBox, Palette};

    fn picture(width: u32, height: u32) -> ImageInput {
        ImageInput(Arc::new(RgbaImage::new(width, height)))
    }

    fn told() -> GenerateSpec {
        GenerateSpec {
            width_px: 256,
            height_px: 128,
            init: Some(picture(256, 128)),
            layout: Some(LayoutInput(Arc::new([LayoutBox {
                class: "bus".to_owned(),
                rect: [40.0, -8.0, 100.0, 64.0],
                colour: None,
            }]))),
            semantic: Some(SemanticInput {
                map: Arc::new(GrayImage::from_pixel(256, 128, Luma([3]))),
                palette: Palette::default(),
            }),
            low_resolution: Some(picture(64, 32)),
            ..GenerateSpec::default()
        }
    }

    #[test]
    fn all_that_a_job_is_given_becomes_smaller_with_it() {
        let small = told().painted_smaller(Finish::X4, [64, 32]);
        assert_eq!([small.width_px, small.height_px], [64, 32]);
        assert_eq!(small.finish, Some(Finish::X4));
        assert_eq!(small.init.unwrap().0.dimensions(), (64, 32));
        assert_eq!(small.layout.unwrap().0[0].rect, [10.0, -2.0, 25.0, 16.0]);
        let map = small.semantic.unwrap().map;
        assert_eq!((map.dimensions(), map.get_pixel(5, 5)[0]), ((64, 32), 3));
        assert_eq!(small.low_resolution.unwrap().0.dimensions(), (16, 8));
    }

    #[test]
    fn the_second_pass_is_told_all_of_it_at_its_size() {
        let first = GenerateSpec {
            finish: Some(Finish::X2),
            second_strength: 0.4,
            mask: Some(MaskInput(Arc::new(GrayImage::from_pixel(
                256,
                128,
                Luma([255]),
            )))),
            controls: vec![ControlSpec::default()],
            ..told()
        };
        assert_eq!(first.second_px(), Some([512, 256]));
        assert_eq!(first.validate(), Ok(()));
        let second = first.clone().second_pass(picture(512, 256));
        assert_eq!([second.width_px, second.height_px], [512, 256]);
        assert_eq!((second.finish, second.strength), (None, 0.4));
        assert_eq!((second.steps, second.seed), (first.steps, first.seed));
        let layout = second.layout.as_ref().unwrap();
        assert_eq!(layout.0[0].rect, [80.0, -16.0, 200.0, 128.0]);
        assert_eq!(
            second.semantic.as_ref().unwrap().map.dimensions(),
            (512, 256)
        );
        assert_eq!(
            second.low_resolution.as_ref().unwrap().0.dimensions(),
            (128, 64)
        );
        assert_eq!(second.mask.as_ref().unwrap().0.dimensions(), (512, 256));
        assert_eq!(second.controls[0].picture, first.init);
        assert_eq!(second.validate(), Ok(()));

        let rect = crate::geometry::CanvasRect::from_min_size([0, 0], [256, 128]);
        let framed = GenerateSpec {
            frame: Some(FrameSpec::new(rect, Default::default())),
            ..first
        };
        let second = framed.second_pass(picture(512, 256));
        assert_eq!((second.frame, second.mask), (None, None));
    }

    #[test]
    fn as_many_steps_are_done_as_were_asked_for() {
        let done = |steps, second_steps, second_strength: f32| {
            let first = GenerateSpec {
                steps,
                finish: Some(Finish::X2),
                second_strength,
                second_steps,
                ..GenerateSpec::default()
            };
            first.second_steps_done()
        };
        for percent in 2..=100_u16 {
            let strength = f32::from(percent) / 100.0;
            for wanted in [1, 3, 7, 12, 20] {
                assert_eq!(
                    done(20, wanted, strength),
                    wanted,
                    "{wanted} at {percent} %"
                );
            }
            assert!(done(20, 0, strength) >= 1, "{percent} %");
        }
        assert_eq!(done(30, 0, 0.4), 12);
    }

    #[test]
    fn sizes_are_those_that_can_be_painted() {
        assert_eq!(Finish::X1_5.finished_px([512, 520]), [768, 776]);
        assert_eq!(Finish::X3.finished_px([64, 9]), [192, 27]);
        assert_eq!(Finish::X1_5.painted_px([768, 768], 8), Some([512, 512]));
        assert_eq!(Finish::X2.painted_px([256, 264], 8), None);
        for finish in Finish::ALL {
            assert_eq!(Finish::of_factor(finish.factor()), Some(finish));
        }
        assert_eq!(Finish::of_factor(1.25), None);
        let large = GenerateSpec {
            width_px: 4104,
            height_px: 8,
            finish: Some(Finish::X2),
            second_strength: 0.5,
            ..GenerateSpec::default()
        };
        let told = large.validate().unwrap_err().to_string();
        assert!(told.contains("8208 × 16 pixels"), "{told}");
        let once = GenerateSpec {
            second_strength: 0.0,
            ..large
        };
        assert_eq!(once.validate(), Ok(()));
    }
}
