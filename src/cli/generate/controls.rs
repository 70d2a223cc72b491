//! ControlNets of `velatura generate`, and the pictures that they see.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use image::{RgbaImage, imageops};

use super::conditions::part_of;
use super::frame::Framed;
use crate::cli::CliError;
use crate::exchange::{ExchangeError, read_label_map, read_palette};
use crate::recipe::param::Number;
use crate::recipe::{
    CONTROL_END, CONTROL_START, CONTROL_WEIGHT, ControlKind, ControlSpec, GenerateSpec, ImageInput,
    NamedFile, Palette, SemanticInput, open_picture,
};

/// What stands for the kind that the name of a file tells.
const BY_NAME: &str = "auto";
/// The palette that comes with the program, and what it is called.
const ADE20K_NAME: &str = "ade20k";
const ADE20K: &str = include_str!("../../../assets/palettes/ade20k.json");

/// What controls a picture.
#[derive(Debug, Args)]
pub(in crate::cli) struct ControlArgs {
    /// ControlNet, and the picture by which it controls what is painted: a file, a folder,
    /// or a name in a folder "controlnet" beside the model; a picture [default: that of
    /// --init]; how strongly it acts (0 to 5), and from which to which part of the steps. As in
    /// canny.safetensors=house.png:0.8:0:0.6; may be given several times [default: the
    /// recipe's; weight: 1, start: 0, end: 1]
    #[arg(long, value_name = "NET[=IMG][:WEIGHT[:START[:END]]]", value_parser = given)]
    control: Vec<Given>,
    /// What each --control is made to see of its picture, in the same order
    /// [default: by the name of its file]
    #[arg(long, value_name = "KIND", requires = "control", value_parser = kind_parser())]
    control_kind: Vec<Option<ControlKind>>,
    /// Classes and colours by which the picture of a --control of the kind segmentation is
    /// read as a label map, and in whose colours the network sees it: a palette in JSON, or
    /// ade20k, whose colours such networks were trained on
    #[arg(long, value_name = "JSON|ade20k", requires = "control")]
    control_palette: Option<PathBuf>,
}

/// One control as it is typed.
#[derive(Clone, Debug, PartialEq)]
struct Given {
    network: PathBuf,
    picture: Option<PathBuf>,
    numbers: [f32; 3],
}

fn kind_parser() -> impl TypedValueParser<Value = Option<ControlKind>> {
    let names = ControlKind::ALL.into_iter().map(ControlKind::name);
    PossibleValuesParser::new([BY_NAME].into_iter().chain(names)).map(|name| {
        ControlKind::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
    })
}

/// Reads a control: colons count only before numbers, at most three of them.
fn given(text: &str) -> Result<Given, String> {
    let mut rest = text;
    let mut told: Vec<&str> = Vec::new();
    while let Some((before, number)) = rest.rsplit_once(':') {
        let is_number = number.parse::<f32>().is_ok() && !before.is_empty();
        if told.len() == 3 || !is_number {
            break;
        }
        told.insert(0, number);
        rest = before;
    }
    let of = |place: usize, number: &Number, usual: f32| match told.get(place) {
        None => Ok(usual),
        Some(told) => match number.allowed.read(told) {
            Some(value) => Ok(value.as_f32()),
            None => Err(format!("{} must be {}", number.label, number.allowed)),
        },
    };
    let numbers = [
        of(0, &CONTROL_WEIGHT, 1.0)?,
        of(1, &CONTROL_START, 0.0)?,
        of(2, &CONTROL_END, 1.0)?,
    ];
    // Names may have the sign in them too: what is there tells.
    let is_there = |path: &&str| Path::new(path).exists();
    let signs = rest.match_indices('=').map(|(at, _)| at);
    let mut cut = signs.filter(|at| is_there(&&rest[..*at]));
    let cut = match is_there(&rest) {
        true => None,
        false => cut.next().or(rest.find('=')),
    };
    let (network, picture) = match cut {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    if network.is_empty() || picture == Some("") {
        return Err("give it as NET=IMG, such as canny.safetensors=house.png".into());
    }
    if Path::new(network).file_name().is_none() {
        return Err(format!(
            "\u{201c}{network}\u{201d} has no name; name the file or folder of the network"
        ));
    }
    Ok(Given {
        network: network.into(),
        picture: picture.map(PathBuf::from),
        numbers,
    })
}

impl Given {
    fn spec(&self, kind: Option<ControlKind>) -> ControlSpec {
        let [weight, start, end] = self.numbers;
        let mut spec = ControlSpec {
            weight,
            start,
            end,
            ..ControlSpec::at(&self.network)
        };
        if let Some(typed) = NamedFile::typed(&self.network) {
            spec.file = typed;
        }
        spec.kind = kind.unwrap_or(spec.kind);
        spec
    }
}

impl ControlArgs {
    /// Reads the pictures; what lies in a frame is cut out of them. Without the option
    /// the controls of a recipe stay, as far as there is a picture for them.
    ///
    /// # Errors
    /// If a picture cannot be read.
    pub(super) fn read(
        &self,
        spec: &mut GenerateSpec,
        framed: Option<&Framed>,
        warn: &mut dyn FnMut(String),
    ) -> Result<(), CliError> {
        if self.control.is_empty() {
            let has_picture = spec.init.is_some();
            spec.controls.retain(|control| {
                let is_shown = control.picture.is_some() || has_picture;
                if !is_shown {
                    warn(format!(
                        "the recipe does not hold the picture of the ControlNet \u{201c}{0}\u{201d}, which is left \
                         out; give it with --control {0}=IMG",
                        control.file.name
                    ));
                }
                is_shown
            });
            return Ok(());
        }
        if self.control_kind.len() > self.control.len() {
            warn("there are more kinds than controls; those behind are passed over".to_owned());
        }
        let palette = self.control_palette.as_deref().map(palette).transpose()?;
        let mut read_maps = 0;
        let mut controls = Vec::new();
        for (index, given) in self.control.iter().enumerate() {
            let kind = self.control_kind.get(index).copied().flatten();
            let mut control = given.spec(kind);
            let labels = palette
                .as_ref()
                .filter(|_| control.kind == ControlKind::Segmentation);
            if let (Some(path), Some(palette)) = (&given.picture, labels) {
                let picture = label_map(path, palette, framed)?;
                control.picture = Some(ImageInput(Arc::new(picture)));
                read_maps += 1;
            } else if let Some(path) = &given.picture {
                let opened = open_picture(path)?;
                opened
                    .warnings
                    .iter()
                    .for_each(|warning| warn(warning.to_string()));
                let picture = match framed {
                    Some(framed) => part_of(&opened.image, framed),
                    None => opened.image,
                };
                control.picture = Some(ImageInput(Arc::new(picture)));
            }
            controls.push(control);
        }
        if palette.is_some() && read_maps == 0 {
            warn(
                "no --control is of the kind segmentation and has a picture, so that \
                 --control-palette changes nothing"
                    .to_owned(),
            );
        }
        spec.controls = controls;
        Ok(())
    }
}

/// The palette of a name or a file.
fn palette(path: &Path) -> Result<Palette, CliError> {
    if path == Path::new(ADE20K_NAME) && !path.exists() {
        return Ok(serde_json::from_str(ADE20K).unwrap_or_default());
    }
    Ok(read_palette(path)?)
}

/// A label map in the colours of its classes, or what lies of it in a frame.
fn label_map(
    path: &Path,
    palette: &Palette,
    framed: Option<&Framed>,
) -> Result<RgbaImage, CliError> {
    let numbers = read_label_map(path)?.numbers(palette, &BTreeMap::new());
    let map = numbers.map_err(|colours| ExchangeError::UnknownColours {
        path: path.to_owned(),
        colours,
    })?;
    let labels = SemanticInput {
        map: Arc::new(map),
        palette: palette.clone(),
    };
    let picture = labels.in_colours();
    let Some(framed) = framed else {
        return Ok(picture);
    };
    // Between two classes there is none.
    let [width, height] = framed.picture_px();
    let whole = imageops::resize(&picture, width, height, imageops::FilterType::Nearest);
    Ok(part_of(&whole, framed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_read_as_they_are_typed() {
        for (text, network, picture, numbers) in [
            ("canny", "canny", None, [1.0, 0.0, 1.0]),
            ("a.pth=b.png", "a.pth", Some("b.png"), [1.0, 0.0, 1.0]),
            ("a=b.png:0.5", "a", Some("b.png"), [0.5, 0.0, 1.0]),
            ("a=b.png:.5:0.1:0.9", "a", Some("b.png"), [0.5, 0.1, 0.9]),
            (
                "C:\\a=D:\\b.png",
                "C:\\a",
                Some("D:\\b.png"),
                [1.0, 0.0, 1.0],
            ),
            ("a=b:c.png:2", "a", Some("b:c.png"), [2.0, 0.0, 1.0]),
        ] {
            let read = given(text).unwrap();
            assert_eq!(read.network, Path::new(network), "{text}");
            assert_eq!(read.picture.as_deref(), picture.map(Path::new), "{text}");
            assert_eq!(read.numbers, numbers, "{text}");
        }
        for wrong in [
            "",
            "=b.png",
            "..",
            "/=b.png",
            "a=",
            "a=b.png:9",
            "a=b.png:1:2",
            "a=b.png:nan",
        ] {
            assert!(given(wrong).is_err(), "{wrong}");
        }
    }
}
