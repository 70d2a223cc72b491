//! Writing PyTorch checkpoints, as `torch.save` does since version 1.6: a zip archive of a
//! pickle that describes tensors, and of their numbers. The pickle (protocol 2) names the
//! three things that any reader of weights knows and calls nothing else, so that
//! `torch.load` takes it with `weights_only=True`.

use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;

use super::super::ModelError;
use super::write::{Entry, given, stored_shape, write_entry};
use super::{Arranged, WeightDtype, WeightSource as _};
use crate::files::{PlainArchive, write_atomically};

/// Under what the weights lie in checkpoints of the paper's code.
const STATE: &str = "state_dict";

/// Writes tensors of given names, shapes and numbers to a checkpoint that appears whole or
/// not at all; they lie in its `state_dict`.
///
/// # Errors
/// If the file cannot be written, or a number does not fit `dtype`.
pub fn save_checkpoint(
    path: &Path,
    tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
    dtype: WeightDtype,
) -> Result<(), ModelError> {
    write(path, tensors.into_iter().map(given).collect(), dtype)
}

/// Writes tensors that lie elsewhere to such a checkpoint, one after the other, as numbers
/// of 32 bits.
///
/// # Errors
/// If one cannot be read, or the file cannot be written.
pub fn save_arranged_checkpoint(path: &Path, arranged: &Arc<Arranged>) -> Result<(), ModelError> {
    let entry = |name: &str| {
        let shape = arranged.shape(name).unwrap_or_default().to_vec();
        let (source, key, wanted) = (Arc::clone(arranged), name.to_owned(), shape.clone());
        Entry {
            key: name.to_owned(),
            shape,
            transposed: false,
            read: Box::new(move || {
                let read = source.read(&key, &wanted, false, WeightDtype::F32);
                read.map_err(|error| error.to_string())
            }),
        }
    };
    write(
        path,
        arranged.names().map(entry).collect(),
        WeightDtype::F32,
    )
}

fn write(path: &Path, entries: Vec<Entry>, dtype: WeightDtype) -> Result<(), ModelError> {
    // The folder in the archive is called like the file, as PyTorch calls it.
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let pickle = pickle(&entries, dtype);
    let written = write_atomically(path, |file| {
        let mut archive = PlainArchive::new(BufWriter::with_capacity(1 << 20, file));
        let mut add_text = |name: &str, text: &[u8]| {
            let name = format!("{stem}/{name}");
            archive.add(&name, text.len() as u64, |out| out.write_all(text))
        };
        add_text("data.pkl", &pickle)?;
        add_text("byteorder", b"little")?;
        for (number, entry) in entries.into_iter().enumerate() {
            let count: usize = entry.shape.iter().product();
            let bytes = (count * dtype.bytes()) as u64;
            let name = format!("{stem}/data/{number}");
            archive.add(&name, bytes, |out| write_entry(out, entry, dtype))?;
        }
        archive.add(&format!("{stem}/version"), 2, |out| out.write_all(b"3\n"))?;
        archive.finish()
    });
    written.map_err(ModelError::io("write", path))
}

/// The pickle of `{"state_dict": OrderedDict(…)}`.
fn pickle(entries: &[Entry], dtype: WeightDtype) -> Vec<u8> {
    let mut pickle = Pickle::default();
    pickle.code(b"\x80\x02}");
    pickle.text(STATE);
    pickle.ordered();
    for (number, entry) in entries.iter().enumerate() {
        let shape = stored_shape(&entry.shape, entry.transposed);
        pickle.text(&entry.key);
        pickle.name("torch._utils", "_rebuild_tensor_v2");
        pickle.code(b"((");
        pickle.text("storage");
        let class = match dtype {
            WeightDtype::F32 => "FloatStorage",
            WeightDtype::F16 => "HalfStorage",
            WeightDtype::Bf16 => "BFloat16Storage",
        };
        pickle.name("torch", class);
        pickle.text(&number.to_string());
        pickle.text("cpu");
        pickle.number(shape.iter().product());
        // What lies outside of the pickle, from its first number on.
        pickle.code(b"tQ");
        pickle.number(0);
        let mut strides = vec![1; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis] * shape[axis];
        }
        pickle.numbers(&shape);
        pickle.numbers(&strides);
        // Without gradients and what listens to them.
        pickle.code(b"\x89");
        pickle.ordered();
        pickle.code(b"tRs");
    }
    pickle.code(b"s.");
    pickle.0
}

/// Codes of Python's pickles.
#[derive(Default)]
struct Pickle(Vec<u8>);

impl Pickle {
    fn code(&mut self, codes: &[u8]) {
        self.0.extend_from_slice(codes);
    }

    fn text(&mut self, text: &str) {
        self.code(b"X");
        self.code(&(text.len() as u32).to_le_bytes());
        self.code(text.as_bytes());
    }

    fn name(&mut self, module: &str, name: &str) {
        self.code(format!("c{module}\n{name}\n").as_bytes());
    }

    /// An `OrderedDict` without entries.
    fn ordered(&mut self) {
        self.name("collections", "OrderedDict");
        self.code(b")R");
    }

    fn number(&mut self, number: usize) {
        match i32::try_from(number) {
            Ok(number) => {
                self.code(b"J");
                self.code(&number.to_le_bytes());
            }
            Err(_) => {
                // Eight bytes and one for the sign.
                self.code(b"\x8a\x09");
                self.code(&(number as u64).to_le_bytes());
                self.code(b"\0");
            }
        }
    }

    fn numbers(&mut self, numbers: &[usize]) {
        self.code(b"(");
        numbers.iter().for_each(|number| self.number(*number));
        self.code(b"t");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::weights::TorchFile;

    #[test]
    fn what_was_written_is_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("small.ckpt");
        let tensors = vec![
            (
                "b.weight".to_owned(),
                vec![2, 3],
                vec![0.0, 1.0, 2.0, -3.0, 0.5, 6.0],
            ),
            ("a".to_owned(), vec![], vec![0.25]),
            ("c".to_owned(), vec![0, 4], vec![]),
        ];
        for dtype in [WeightDtype::F32, WeightDtype::F16, WeightDtype::Bf16] {
            save_checkpoint(&path, tensors.clone(), dtype).expect("written");
            let file = TorchFile::open(&path).expect("a checkpoint");
            assert_eq!(file.names().count(), 3);
            for (name, shape, values) in &tensors {
                assert_eq!(file.shape(name), Some(&shape[..]), "{name}");
                let read = file.read(name, shape, false, WeightDtype::F32);
                let read: Vec<f32> = read.expect("numbers").try_into_vec().expect("f32");
                assert_eq!(&read, values, "{name}");
            }
        }
        let error = save_checkpoint(
            &path,
            vec![("a".to_owned(), vec![1], vec![1e30])],
            WeightDtype::F16,
        );
        assert!(error.expect_err("too large").to_string().contains("f16"));
        // The older file stays.
        assert!(TorchFile::open(&path).is_ok());
    }
}
