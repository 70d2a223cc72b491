//! Latents as a safetensors file, to exchange with other programs.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use safetensors::tensor::{Dtype, TensorView};

use crate::cli::CliError;
use crate::engine::protocol::Latents;
use crate::files::{reason_of, write_atomically};
use crate::model::weights::{SafetensorsFile, WeightDtype, WeightSource as _};
use crate::recipe::PictureFormat;

/// Name of the tensor.
const NAME: &str = "latents";

/// Refuses a name under which a picture could be written: one would replace the
/// other.
pub(super) fn check_name(path: &Path) -> Result<(), CliError> {
    match PictureFormat::from_path(path) {
        Some(_) => Err(CliError::LatentsName(path.to_owned())),
        None => Ok(()),
    }
}

/// Reads the latents of one picture.
///
/// # Errors
/// When the file cannot be read, is damaged, or holds anything else.
pub(super) fn read(path: &Path) -> Result<Latents, CliError> {
    let unlike = |reason: String| CliError::Read {
        path: path.to_owned(),
        reason,
    };
    let file = SafetensorsFile::open(path)?;
    let shape = file
        .shape(NAME)
        .ok_or_else(|| unlike(format!("it has no tensor \u{201c}{NAME}\u{201d}")))?;
    let shape = match *shape {
        [1, channels, height, width] if channels * height * width > 0 => {
            [1, channels, height, width]
        }
        _ => {
            return Err(unlike(format!(
                "\u{201c}{NAME}\u{201d} has the shape {shape:?} instead of [1, channels, height, width]"
            )));
        }
    };
    let values = file.read(NAME, &shape, false, WeightDtype::F32)?;
    let values = values
        .try_into_vec_as::<f32>()
        .map_err(|error| unlike(error.to_string()))?;
    Ok(Latents { shape, values })
}

/// Reads the latents of one picture that a run begins with, which must be F32.
///
/// # Errors
/// When the file cannot be read, is damaged, or holds anything else.
pub(super) fn read_exactly(path: &Path) -> Result<Latents, CliError> {
    let unlike = |reason: String| CliError::Read {
        path: path.to_owned(),
        reason,
    };
    if let Some(other) = SafetensorsFile::open(path)?.dtype(NAME)
        && other != Dtype::F32
    {
        return Err(unlike(format!(
            "\u{201c}{NAME}\u{201d} holds numbers of type {other:?} instead of F32"
        )));
    }
    let latents = read(path)?;
    if latents.values.iter().all(|value| value.is_finite()) {
        return Ok(latents);
    }
    Err(unlike(format!(
        "\u{201c}{NAME}\u{201d} has numbers that are not finite"
    )))
}

/// Writes the latents of a batch as one tensor, one picture after the other.
///
/// # Errors
/// When the engine gave none, or the file cannot be written.
pub(super) fn save(path: &Path, batch: &[Option<Arc<Latents>>]) -> Result<(), CliError> {
    let failed = |reason: String| CliError::Write {
        path: path.to_owned(),
        reason,
    };
    let mut shape = Vec::new();
    let mut bytes = Vec::new();
    for latents in batch {
        let latents = latents
            .as_deref()
            .ok_or_else(|| failed("the engine kept no latents".to_owned()))?;
        match shape.first_mut() {
            // The pictures of a batch have one size.
            Some(count) => *count += latents.shape[0],
            None => shape = latents.shape.to_vec(),
        }
        bytes.extend(latents.values.iter().flat_map(|value| value.to_le_bytes()));
    }
    let tensor =
        TensorView::new(Dtype::F32, shape, &bytes).map_err(|error| failed(error.to_string()))?;
    let file = safetensors::serialize([(NAME, tensor)], None)
        .map_err(|error| failed(error.to_string()))?;
    write_atomically(path, |to| to.write_all(&file)).map_err(|error| failed(reason_of(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latents_do_not_take_the_name_of_a_picture() {
        assert!(check_name(Path::new("out/barn.png")).is_err());
        assert!(check_name(Path::new("out/barn.safetensors")).is_ok());
    }

    #[test]
    fn what_a_run_cannot_begin_with_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("l.safetensors");
        let told = |name: &str, dtype, shape: &[usize], bytes: &[u8]| {
            let tensor = TensorView::new(dtype, shape.to_vec(), bytes).unwrap();
            let file = safetensors::serialize([(name, tensor)], None).unwrap();
            std::fs::write(&path, file).unwrap();
            let error = read_exactly(&path).err().map(|error| error.to_string());
            error.unwrap_or_default()
        };
        assert_eq!(told(NAME, Dtype::F32, &[1, 2, 1, 1], &[0; 8]), "");
        assert!(told("noise", Dtype::F32, &[1, 2, 1, 1], &[0; 8]).contains("no tensor"));
        assert!(told(NAME, Dtype::F16, &[1, 2, 1, 1], &[0; 4]).contains("F16 instead of F32"));
        assert!(told(NAME, Dtype::I64, &[1, 1, 1, 1], &[0; 8]).contains("I64"));
        assert!(told(NAME, Dtype::F32, &[2, 1, 1], &[0; 8]).contains("[2, 1, 1] instead of"));
        assert!(told(NAME, Dtype::F32, &[2, 1, 1, 1], &[0; 8]).contains("instead of [1,"));
        let infinite = [f32::INFINITY.to_le_bytes(), f32::NAN.to_le_bytes()].concat();
        assert!(told(NAME, Dtype::F32, &[1, 2, 1, 1], &infinite).contains("not finite"));
    }

    #[test]
    fn a_batch_is_one_tensor() {
        let latents = |first: f32| {
            Some(Arc::new(Latents {
                shape: [1, 2, 1, 2],
                values: vec![first, 0.5, -1.0, 2.0],
            }))
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("l.safetensors");
        save(&path, &[latents(7.0), latents(8.0)]).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let tensor = file.tensor(NAME).unwrap();
        assert_eq!(tensor.shape(), [2, 2, 1, 2]);
        assert!(read(&path).is_err(), "two pictures");
        let number =
            |at: usize| f32::from_le_bytes(*tensor.data()[at * 4..].first_chunk().unwrap());
        assert_eq!([number(0), number(4), number(7)], [7.0, 8.0, 2.0]);

        assert!(save(&path, &[None]).is_err());
        save(&path, &[latents(7.0)]).unwrap();
        assert_eq!(Some(Arc::new(read(&path).unwrap())), latents(7.0));
    }
}
