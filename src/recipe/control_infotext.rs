//! A control in the words of A1111's extension for ControlNets: one value of its
//! infotext, in which are pairs again.

use super::control::{ControlKind, ControlSpec};
use super::lora::NamedFile;

/// What the extension calls a picture that is shown as it is.
const NO_MODULE: &str = "none";

/// What is written of a control.
pub(super) fn control_infotext(control: &ControlSpec) -> String {
    let ControlSpec {
        file,
        kind,
        weight,
        start,
        end,
        hash,
        ..
    } = control;
    let module = match kind {
        ControlKind::AsIs => NO_MODULE,
        kind => kind.name(),
    };
    // A sign that would end the value is none of its name.
    let name = file.name.replace([',', '[', ']'], " ");
    let model = match hash.as_str() {
        "" => name,
        hash => format!("{name} [{hash}]"),
    };
    format!(
        "Module: {module}, Model: {model}, Weight: {weight}, Guidance Start: {start}, \
         Guidance End: {end}"
    )
}

/// Reads what was written of a control, here or by the extension in either of its forms;
/// `None` where it names no network. Which picture it was is not in it.
pub(super) fn read_control_infotext(text: &str) -> Option<ControlSpec> {
    let mut control = ControlSpec::default();
    let mut kind = None;
    let number = |value: &str| value.parse::<f32>().ok();
    let mut rest = text.split(", ");
    while let Some(pair) = rest.next() {
        let Some((key, value)) = pair.split_once(": ") else {
            continue;
        };
        match key.trim().to_lowercase().as_str() {
            "module" | "preprocessor" => kind = ControlKind::of_name(value),
            "model" if value != "None" => {
                let named = value.strip_suffix(']');
                let named = named.and_then(|named| named.rsplit_once(" ["));
                let (name, hash) = named.unwrap_or((value, ""));
                control.file = NamedFile::named(name);
                control.hash = hash.to_owned();
            }
            "weight" => control.weight = number(value)?,
            "guidance start" => control.start = number(value)?,
            "guidance end" => control.end = number(value)?,
            // The older form has both times in brackets.
            "starting/ending" => {
                control.start = number(value.trim_start_matches('('))?;
                control.end = number(rest.next()?.trim_end_matches(')'))?;
            }
            _ => {}
        }
    }
    let name = &control.file.name;
    control.kind = kind.unwrap_or_else(|| ControlKind::guessed(name));
    let is_whole = !name.is_empty() && control.validate().is_ok();
    is_whole.then_some(control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let control = ControlSpec {
            file: NamedFile::named("control_v11p_sd15_canny"),
            kind: ControlKind::Scribble,
            weight: 0.75,
            start: 0.1,
            end: 0.8,
            hash: "d14c016b0a11".to_owned(),
            picture: None,
        };
        let bracketed = ControlSpec {
            file: NamedFile::named("canny (1)"),
            ..control.clone()
        };
        for control in [control, bracketed] {
            let text = control_infotext(&control);
            assert_eq!(read_control_infotext(&text), Some(control));
        }
    }

    #[test]
    fn the_forms_of_the_extension_are_read() {
        let newer = "Module: canny, Model: control_v11p_sd15_canny [d14c016b], Weight: 0.9, \
                     Resize Mode: Crop and Resize, Low Vram: False, Processor Res: 512, \
                     Threshold A: 100, Threshold B: 200, Guidance Start: 0, Guidance End: 0.5, \
                     Pixel Perfect: True, Control Mode: Balanced";
        let older = "preprocessor: canny, model: control_v11p_sd15_canny [d14c016b], weight: 0.9, \
                     starting/ending: (0, 0.5), resize mode: Crop and Resize";
        for text in [newer, older] {
            let read = read_control_infotext(text).expect("a control");
            assert_eq!(read.file.name, "control_v11p_sd15_canny");
            assert_eq!(
                (read.kind, read.hash.as_str()),
                (ControlKind::Canny, "d14c016b")
            );
            assert_eq!([read.weight, read.start, read.end], [0.9, 0.0, 0.5]);
        }
        for wrong in [
            "",
            "Module: canny",
            "Model: x, Weight: much",
            "Model: x, Weight: NaN",
            "Model: None, Weight: 1",
        ] {
            assert_eq!(read_control_infotext(wrong), None, "{wrong}");
        }
    }
}
