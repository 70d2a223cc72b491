//! ControlNets of `velatura generate`, and the pictures that they see.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::conditions::part_of;
use super::frame::Framed;
use crate::cli::CliError;
use crate::recipe::param::Number;
use crate::recipe::{
    CONTROL_END, CONTROL_START, CONTROL_WEIGHT, ControlKind, ControlSpec, GenerateSpec, ImageInput,
    NamedFile, open_picture,
};

/// What stands for the kind that the name of a file tells.
const BY_NAME: &str = "auto";

/// What controls a picture.
#[derive(Debug, Args)]
pub(in crate::cli) struct ControlArgs {
    /// ControlNet, and the picture by which it controls what is painted: a file, a folder,
    /// or a name in a folder "controlnet" beside the model; a picture [default: that of
    /// --init]; how strongly it acts, and from which to which part of the steps. As in
    /// canny.safetensors=house.png:0.8:0:0.6; may be given several times [default: the
    /// recipe's; weight: 1, start: 0, end: 1]
    #[arg(long, value_name = "NET[=IMG][:WEIGHT[:START[:END]]]", value_parser = given)]
    control: Vec<Given>,
    /// What each --control is made to see of its picture, in the same order
    /// [default: by the name of its file]
    #[arg(long, value_name = "KIND", requires = "control", value_parser = kind_parser())]
    control_kind: Vec<Option<ControlKind>>,
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
    let (network, picture) = match rest.split_once('=') {
        Some((network, picture)) => (network, Some(picture)),
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
        if is_name(&self.network) {
            spec.file = NamedFile::named(spec.file.name);
        }
        spec.kind = kind.unwrap_or(spec.kind);
        spec
    }
}

/// Whether it is a name to be looked for, and no file that is there.
fn is_name(network: &Path) -> bool {
    network.components().count() == 1 && !network.exists()
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
        let mut controls = Vec::new();
        for (index, given) in self.control.iter().enumerate() {
            let kind = self.control_kind.get(index).copied().flatten();
            let mut control = given.spec(kind);
            if let Some(path) = &given.picture {
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
        spec.controls = controls;
        Ok(())
    }
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
