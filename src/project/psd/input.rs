//! Numbers and parts of a file that lies in memory, none of them beyond its end.

use crate::project::tile_rows::LayerError;

/// What is left of a file or of a part of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// The next bytes.
    ///
    /// # Errors
    /// When there are not as many left.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], LayerError> {
        let parts = self.0.split_at_checked(count);
        let (taken, rest) = parts.ok_or_else(|| {
            LayerError::Damaged("it ends early; fetch or save it once more".to_owned())
        })?;
        self.0 = rest;
        Ok(taken)
    }

    /// A part of which the length stands before it.
    ///
    /// # Errors
    /// When it is cut off.
    pub fn section(&mut self) -> Result<Self, LayerError> {
        let length = self.u32()?;
        Ok(Self(self.take(length as usize)?))
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], LayerError> {
        let taken = self.take(N)?;
        let mut bytes = [0; N];
        bytes.copy_from_slice(taken);
        Ok(bytes)
    }

    /// Four letters that say what follows.
    ///
    /// # Errors
    /// When they are cut off, as the numbers.
    pub fn key(&mut self) -> Result<[u8; 4], LayerError> {
        self.bytes()
    }

    pub fn u8(&mut self) -> Result<u8, LayerError> {
        self.bytes().map(u8::from_be_bytes)
    }

    pub fn u16(&mut self) -> Result<u16, LayerError> {
        self.bytes().map(u16::from_be_bytes)
    }

    pub fn i16(&mut self) -> Result<i16, LayerError> {
        self.bytes().map(i16::from_be_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, LayerError> {
        self.bytes().map(u32::from_be_bytes)
    }

    pub fn i32(&mut self) -> Result<i32, LayerError> {
        self.bytes().map(i32::from_be_bytes)
    }
}
