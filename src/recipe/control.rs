//! Pictures that control what is painted, each through a network of its own, and what
//! such networks are made to see.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::generate::ImageInput;
use super::lora::{NamedFile, has_ending};
use super::param::{Number, Range, Shown, Value};
use super::spec_error::SpecError;

/// Networks of a job at most: each is asked at every step.
pub const MAX_CONTROLS: usize = 8;

/// How strongly a control acts.
pub static CONTROL_WEIGHT: Number = Number {
    id: "control_weight",
    label: "Weight",
    hint: "How strongly the picture controls what is painted: 0 not at all, 1 as the network was trained",
    unit: None,
    allowed: Range::real(0.0, 5.0),
    offered: Range::real(0.0, 2.0),
    shown: Shown::Hundredths,
    infotext: None,
};

/// When it begins to act.
pub static CONTROL_START: Number = Number {
    id: "control_start",
    label: "From",
    hint: "The part of the steps that is over when it begins to act",
    unit: None,
    allowed: Range::real(0.0, 1.0),
    offered: Range::real(0.0, 1.0),
    shown: Shown::Percent,
    infotext: None,
};

/// When it ends.
pub static CONTROL_END: Number = Number {
    id: "control_end",
    label: "To",
    hint: "The part of the steps that is over when it ends; what comes later is painted freely",
    unit: None,
    allowed: Range::real(0.0, 1.0),
    offered: Range::real(0.0, 1.0),
    shown: Shown::Percent,
    infotext: None,
};

/// What a network is made to see of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControlKind {
    /// The picture as it is, of whatever kind.
    #[default]
    AsIs,
    /// Its edges, in white on black (Canny 1986).
    Canny,
    /// Its strokes, in white on black.
    Scribble,
    /// Colours of classes.
    Segmentation,
    /// The picture itself, to be painted anew in detail.
    Tile,
    /// The picture without what the mask covers.
    Inpaint,
    /// How near everything is: white is near.
    Depth,
    /// Skeletons of people.
    Pose,
    /// Lines, in white on black.
    Lines,
}

impl ControlKind {
    /// All there are, in the order in which menus list them.
    pub const ALL: [Self; 9] = [
        Self::Canny,
        Self::Scribble,
        Self::Segmentation,
        Self::Tile,
        Self::Inpaint,
        Self::Depth,
        Self::Pose,
        Self::Lines,
        Self::AsIs,
    ];

    /// What menus call it.
    pub fn label(self) -> &'static str {
        match self {
            Self::AsIs => "As it is",
            Self::Canny => "Canny edges",
            Self::Scribble => "Scribble",
            Self::Segmentation => "Segmentation",
            Self::Tile => "Tile",
            Self::Inpaint => "Inpaint",
            Self::Depth => "Depth",
            Self::Pose => "Pose",
            Self::Lines => "Line art",
        }
    }

    /// What the network is shown, in a sentence.
    pub fn hint(self) -> &'static str {
        match self {
            Self::AsIs => "The network sees the picture as it is",
            Self::Canny => "The network sees the edges of the picture, white on black",
            Self::Scribble => {
                "The network sees strokes, white on black: all that is opaque on a clear layer, \
                 else what is drawn on the ground"
            }
            Self::Segmentation => {
                "The network sees the colours of classes, such as those of a label map with the \
                 palette ADE20K"
            }
            Self::Tile => "The network sees the picture, which is painted anew with detail",
            Self::Inpaint => "The network sees the picture without what the mask covers",
            Self::Depth => "The picture is a map of depth, in which white is near",
            Self::Pose => "The picture shows skeletons as OpenPose draws them",
            Self::Lines => "The picture shows lines, white on black",
        }
    }

    /// Its name in options, recipes and infotext.
    pub fn name(self) -> &'static str {
        match self {
            Self::AsIs => "as-is",
            Self::Canny => "canny",
            Self::Scribble => "scribble",
            Self::Segmentation => "segmentation",
            Self::Tile => "tile",
            Self::Inpaint => "inpaint",
            Self::Depth => "depth",
            Self::Pose => "pose",
            Self::Lines => "lines",
        }
    }

    /// The kind of a name; other programs say by which of their modules a picture was
    /// made.
    pub fn of_name(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|kind| kind.name() == name)
            .or_else(|| Self::mentioned_in(name))
    }

    /// What a network was most likely trained to see, by the name of its file.
    pub fn guessed(file_name: &str) -> Self {
        Self::mentioned_in(file_name).unwrap_or_default()
    }

    fn mentioned_in(name: &str) -> Option<Self> {
        const WORDS: [(&str, ControlKind); 16] = [
            ("canny", ControlKind::Canny),
            ("scribble", ControlKind::Scribble),
            ("segmentation", ControlKind::Segmentation),
            ("seg", ControlKind::Segmentation),
            ("tile", ControlKind::Tile),
            ("inpaint", ControlKind::Inpaint),
            ("depth", ControlKind::Depth),
            ("openpose", ControlKind::Pose),
            ("dwpose", ControlKind::Pose),
            ("pose", ControlKind::Pose),
            ("lineart", ControlKind::Lines),
            ("softedge", ControlKind::Lines),
            ("mlsd", ControlKind::Lines),
            ("hed", ControlKind::Lines),
            ("pidi", ControlKind::Lines),
            ("lines", ControlKind::Lines),
        ];
        let name = name.to_lowercase();
        // Short words are parts of others.
        let has = |word: &str| {
            let parts = name.split(|letter: char| !letter.is_alphanumeric());
            if word.len() > 4 {
                name.contains(word)
            } else {
                parts.into_iter().any(|part| part == word)
            }
        };
        WORDS
            .iter()
            .find(|(word, _)| has(word))
            .map(|(_, kind)| *kind)
    }
}

/// A ControlNet of a job (Zhang et al. 2023, <https://arxiv.org/abs/2302.05543>), the
/// picture that it sees, and how it acts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ControlSpec {
    /// The network.
    #[serde(flatten)]
    pub file: NamedFile,
    /// What it is made to see.
    pub kind: ControlKind,
    /// How strongly it acts: 0 not at all, 1 as it was trained.
    pub weight: f32,
    /// The part of the steps that is over when it begins to act.
    pub start: f32,
    /// The part of the steps that is over when it ends.
    pub end: f32,
    /// The first twelve digits of the digest of its weights: of a job that was done those
    /// it used, of one to be done those that it wants.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hash: String,
    /// The picture of which the network is shown something; `None` for the one that is
    /// repainted.
    #[serde(skip)]
    pub picture: Option<ImageInput>,
}

impl Default for ControlSpec {
    fn default() -> Self {
        Self {
            file: NamedFile::default(),
            kind: ControlKind::default(),
            weight: 1.0,
            start: 0.0,
            end: 1.0,
            hash: String::new(),
            picture: None,
        }
    }
}

impl ControlSpec {
    /// A network of which it is known where it lies, with the kind that its name tells.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        let mut path = path.into();
        // diffusers has one name for all files; the folder around says more.
        let is_plain = path.file_stem().is_some_and(|stem| {
            stem.to_string_lossy()
                .starts_with("diffusion_pytorch_model")
        });
        if is_plain && let Some(folder) = path.parent().filter(|it| it.file_name().is_some()) {
            path = folder.to_path_buf();
        }
        let whole = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let mut file = NamedFile::at(path);
        // A folder has no ending, whatever stands behind its last point.
        if let Some(whole) = whole.filter(|whole| !has_ending(whole)) {
            file.name = whole;
        }
        Self {
            kind: ControlKind::guessed(&file.name),
            file,
            ..Self::default()
        }
    }

    /// Checks its numbers.
    ///
    /// # Errors
    /// The first that is out of its range.
    pub fn validate(&self) -> Result<(), SpecError> {
        for (number, value) in [
            (&CONTROL_WEIGHT, self.weight),
            (&CONTROL_START, self.start),
            (&CONTROL_END, self.end),
        ] {
            number.check(Value::Real(value))?;
        }
        if self.start >= self.end {
            return Err(SpecError::ControlTimes(self.file.name.clone()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_the_names_of_files() {
        for (name, kind) in [
            ("control_v11p_sd15_canny", ControlKind::Canny),
            ("control_v11p_sd15_seg", ControlKind::Segmentation),
            ("control_v11f1e_sd15_tile", ControlKind::Tile),
            ("control_v11f1p_sd15_depth_fp16", ControlKind::Depth),
            ("control_v11p_sd15_openpose", ControlKind::Pose),
            ("control_v11p_sd15s2_lineart_anime", ControlKind::Lines),
            ("control_v11p_sd15_inpaint", ControlKind::Inpaint),
            ("sd-controlnet-scribble", ControlKind::Scribble),
            ("Controlnet-Canny-SDXL-1.0", ControlKind::Canny),
            ("control_v11e_sd15_shuffle", ControlKind::AsIs),
            ("based", ControlKind::AsIs),
        ] {
            assert_eq!(ControlKind::guessed(name), kind, "{name}");
        }
        for kind in ControlKind::ALL {
            assert_eq!(ControlKind::of_name(kind.name()), Some(kind));
            let text = serde_json::to_string(&kind).expect("a name");
            assert_eq!(text, format!("\"{}\"", kind.name()));
        }
        assert_eq!(
            ControlKind::of_name("openpose_full"),
            Some(ControlKind::Pose)
        );
    }

    #[test]
    fn networks_are_called_by_what_says_most() {
        for (path, name) in [
            ("/c/canny.safetensors", "canny"),
            (
                "/c/sd-canny/diffusion_pytorch_model.safetensors",
                "sd-canny",
            ),
            ("/c/controlnet-canny-sdxl-1.0", "controlnet-canny-sdxl-1.0"),
            ("/c/v1.1.canny.pth", "v1.1.canny"),
        ] {
            assert_eq!(ControlSpec::at(path).file.name, name);
        }
    }

    #[test]
    fn numbers_out_of_their_ranges_are_told() {
        let spec = ControlSpec::at("canny.pth");
        assert!(spec.validate().is_ok());
        for wrong in [
            ControlSpec {
                weight: f32::NAN,
                ..spec.clone()
            },
            ControlSpec {
                start: 0.5,
                end: 0.5,
                ..spec.clone()
            },
            ControlSpec { end: 1.5, ..spec },
        ] {
            assert!(wrong.validate().is_err());
        }
    }
}
