//! How much of the graphics card the canvas may use, and how it fares with that.

/// What the canvas may take of the graphics card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CanvasLimits {
    /// Bytes of all its textures together. A card with less says so itself.
    pub texture_bytes: u64,
    /// Bytes that one frame uploads at most; the rest follows with the next ones.
    pub frame_upload_bytes: u64,
}

impl Default for CanvasLimits {
    /// Six pictures of the largest size, and a picture of 2048² in one frame.
    fn default() -> Self {
        Self {
            texture_bytes: 2 << 30,
            frame_upload_bytes: 32 << 20,
        }
    }
}

/// What of the last frame could not be drawn as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CanvasStatus {
    /// Layers that are drawn from smaller copies, because there is no room.
    pub coarse_layers: usize,
    /// Layers and steps of a running job that are not drawn at all.
    pub missing_layers: usize,
    /// Whether more is uploaded with the next frame.
    pub is_loading: bool,
}

impl CanvasStatus {
    /// What the user should know, in words.
    pub fn notice(&self) -> Option<&'static str> {
        if self.missing_layers > 0 {
            Some(
                "The memory of the graphics card is full: not all layers are shown. Hide some, or close other programs. The document itself is whole and can be saved.",
            )
        } else if self.coarse_layers > 0 {
            Some(
                "The memory of the graphics card is full: some layers look softer than they are. The document itself is whole and can be saved.",
            )
        } else {
            None
        }
    }
}

/// What a frame may still upload.
#[derive(Debug)]
pub(super) struct Allowance {
    left_bytes: u64,
    is_untouched: bool,
    is_spent: bool,
}

impl Allowance {
    pub fn new(bytes: u64) -> Self {
        Self {
            left_bytes: bytes,
            is_untouched: true,
            is_spent: false,
        }
    }

    /// Whether so much may be uploaded now. The first in a frame always may, so
    /// that every frame brings something.
    pub fn take(&mut self, bytes: u64) -> bool {
        if !self.is_untouched && bytes > self.left_bytes {
            self.is_spent = true;
            return false;
        }
        self.is_untouched = false;
        self.left_bytes = self.left_bytes.saturating_sub(bytes);
        true
    }

    /// How many of `count` parts of `bytes` each may be uploaded now.
    pub fn take_some(&mut self, count: u32, bytes: u64) -> u32 {
        (0..count).take_while(|_| self.take(bytes)).count() as u32
    }

    /// Whether something has to wait for the next frame.
    pub fn is_spent(&self) -> bool {
        self.is_spent
    }
}

/// The account of the memory that textures take.
#[derive(Debug)]
pub(super) struct TextureMemory {
    limit_bytes: u64,
    used_bytes: u64,
    /// What the card was once found to have no room for.
    too_much_bytes: Option<u64>,
}

impl TextureMemory {
    pub fn new(limit_bytes: u64) -> Self {
        Self {
            limit_bytes,
            used_bytes: 0,
            too_much_bytes: None,
        }
    }

    /// Whether there is room for `bytes` in place of the `old` ones.
    pub fn fits(&self, bytes: u64, old: u64) -> bool {
        let total = self.used_bytes.saturating_sub(old) + bytes;
        total <= self.limit_bytes && self.too_much_bytes.is_none_or(|most| total < most)
    }

    /// Notes that `bytes` were taken.
    pub fn take(&mut self, bytes: u64) {
        self.used_bytes += bytes;
    }

    /// Notes that `bytes` are free again. What was found before about the room
    /// on the card is then worth another try.
    pub fn give_back(&mut self, bytes: u64) {
        self.used_bytes = self.used_bytes.saturating_sub(bytes);
        if bytes > 0 {
            self.too_much_bytes = None;
        }
    }

    /// Notes that the card has no room for `bytes` in place of the `old` ones.
    pub fn refused(&mut self, bytes: u64, old: u64) {
        self.too_much_bytes = Some(self.used_bytes.saturating_sub(old) + bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_brings_something_but_no_more_than_is_allowed() {
        let mut allowance = Allowance::new(100);
        assert!(allowance.take(300));
        assert!(!allowance.take(1) && allowance.is_spent());
        let mut allowance = Allowance::new(100);
        assert_eq!(allowance.take_some(3, 30), 3);
        assert!(!allowance.is_spent());
        assert_eq!(allowance.take_some(5, 5), 2);
        assert!(allowance.is_spent());
    }

    #[test]
    fn what_was_refused_is_asked_again_when_something_is_free() {
        let mut memory = TextureMemory::new(1000);
        memory.take(600);
        assert!(memory.fits(400, 0) && !memory.fits(401, 0));
        assert!(memory.fits(1000, 600));
        memory.refused(300, 0);
        assert!(!memory.fits(300, 0) && memory.fits(299, 0));
        memory.give_back(100);
        assert!(memory.fits(300, 0));
    }
}
