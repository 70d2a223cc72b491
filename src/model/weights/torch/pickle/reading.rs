//! What instructions of a pickle are given: numbers, texts, bytes and names.

use std::io::{BufRead, Read as _};

use super::{Machine, Value, ended};

impl<R: BufRead> Machine<R> {
    pub(super) fn global(&mut self) -> Result<String, String> {
        let (module, name) = (self.line()?, self.line()?);
        Ok(format!("{module}.{name}"))
    }

    pub(super) fn text(&mut self, length: u64) -> Result<(), String> {
        let bytes = self.run(length)?;
        // Python's texts may hold halves of surrogate pairs; no name of a tensor does.
        let text = String::from_utf8_lossy(&bytes);
        self.push(Value::Text(text.into()))
    }

    pub(super) fn blob(&mut self, length: u64) -> Result<(), String> {
        self.run(length)?;
        self.push(Value::Bytes)
    }

    pub(super) fn long(&mut self, length: u64) -> Result<(), String> {
        let bytes = self.run(length)?;
        if bytes.len() > 8 {
            return self.push(Value::Large(bytes.into()));
        }
        let sign = bytes.last().is_some_and(|byte| *byte >= 0x80);
        let mut whole = [if sign { 0xff } else { 0 }; 8];
        whole[..bytes.len()].copy_from_slice(&bytes);
        self.push(Value::Int(i64::from_le_bytes(whole)))
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes).map_err(|_| ended())?;
        Ok(bytes)
    }

    /// So many bytes, for which memory is taken only as they come.
    pub(super) fn run(&mut self, length: u64) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let read = self.input.by_ref().take(length).read_to_end(&mut bytes);
        match read {
            Ok(read) if read as u64 == length => Ok(bytes),
            _ => Err(ended()),
        }
    }

    pub(super) fn line(&mut self) -> Result<String, String> {
        const LONGEST: u64 = 1 << 16;
        let mut line = Vec::new();
        let mut input = self.input.by_ref().take(LONGEST);
        input.read_until(b'\n', &mut line).map_err(|_| ended())?;
        if line.pop() != Some(b'\n') {
            return Err(ended());
        }
        Ok(String::from_utf8_lossy(&line).trim_end_matches('\r').into())
    }
}
