//! What a file says of a layer before its pixels.

use encoding_rs::MACINTOSH;

use super::input::Input;
use super::{BLOCK, FULL_NAME, IS_HIDDEN, NORMAL};
use crate::document::mul_255;
use crate::geometry::CanvasRect;
use crate::project::tile_rows::LayerError;

/// The longest side of anything in such a file, by its specification.
const MOST_SIDE_PX: i32 = 30_000;

/// How far from the canvas a layer may lie; none that was painted lies as far.
const FARTHEST_PX: i32 = 1 << 20;

/// Most channels of a layer, by the specification.
const MOST_CHANNELS: u16 = 56;

/// What marks layers that change those below instead of showing pixels of their own, and
/// effects around their pixels.
const CHANGES: [&[u8; 4]; 22] = [
    b"levl", b"curv", b"brit", b"blnc", b"hue ", b"hue2", b"selc", b"mixr", b"grdm", b"phfl",
    b"expA", b"vibA", b"blwh", b"CgEd", b"nvrt", b"thrs", b"post", b"clrL", b"SoCo", b"GdFl",
    b"PtFl", b"lfx2",
];

/// The place of a layer in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// It is a layer.
    None,
    /// It is the group itself, above all that is in it.
    Head,
    /// It ends the group, below all that is in it.
    End,
}

/// A layer.
#[derive(Debug)]
pub(super) struct Record {
    pub name: String,
    /// What of the canvas it has pixels for; it may reach beyond.
    pub part: CanvasRect,
    /// Its channels, and how many bytes each of them takes.
    pub channels: Vec<(i16, u32)>,
    /// The part in which its mask has values, and the value of what lies beyond it.
    pub mask: Option<(CanvasRect, u8)>,
    pub opacity: u8,
    pub is_visible: bool,
    pub group: Group,
    /// Whether it does more than to lie over others.
    pub is_blended: bool,
}

impl Record {
    /// The next one.
    ///
    /// # Errors
    /// When it is cut off or says what cannot be.
    pub fn read(input: &mut Input) -> Result<Self, LayerError> {
        let part = rect(input)?;
        let count = input.u16()?;
        if count > MOST_CHANNELS {
            return Err(damaged("it says that it has too many channels"));
        }
        let channels = (0..count).map(|_| Ok((input.i16()?, input.u32()?)));
        let channels = channels.collect::<Result<_, _>>()?;
        if input.key()? != *BLOCK {
            return Err(damaged("its layers are not where they should be"));
        }
        let blending = input.key()?;
        let (opacity, clipping, flags) = (input.u8()?, input.u8()?, input.u8()?);
        input.u8()?;
        let mut further = input.section()?;
        let mask = mask(&mut further.section()?)?;
        // How it blends by grey values.
        further.section()?;
        let mut record = Self {
            name: short_name(&mut further)?,
            part,
            channels,
            mask,
            opacity,
            is_visible: flags & IS_HIDDEN == 0,
            group: Group::None,
            is_blended: blending != *NORMAL || clipping != 0,
        };
        while let Some((key, block)) = next_block(&mut further)? {
            record.take(&key, block)?;
        }
        // What is in a group is blended as it is, whatever the group is said to be.
        record.is_blended &= record.group == Group::None || blending != *b"pass";
        Ok(record)
    }

    fn take(&mut self, key: &[u8; 4], mut block: Input) -> Result<(), LayerError> {
        match key {
            _ if key == FULL_NAME => {
                let count = block.u32()? as usize;
                let (units, _) = block.take(count.saturating_mul(2))?.as_chunks::<2>();
                let units = units.iter().map(|it| u16::from_be_bytes(*it));
                let letters = char::decode_utf16(units).map(|it| it.unwrap_or('\u{fffd}'));
                self.name = letters.take_while(|letter| *letter != '\0').collect();
            }
            b"lsct" | b"lsdk" => {
                self.group = match block.u32()? {
                    1 | 2 => Group::Head,
                    3 => Group::End,
                    _ => Group::None,
                };
            }
            // How opaque its pixels are beside its effects.
            b"iOpa" => self.opacity = mul_255(self.opacity, block.u8()?),
            _ => self.is_blended |= CHANGES.contains(&key),
        }
        Ok(())
    }
}

/// Top, left, bottom and right.
fn rect(input: &mut Input) -> Result<CanvasRect, LayerError> {
    let [top, left, bottom, right] = [input.i32()?, input.i32()?, input.i32()?, input.i32()?];
    let near = -FARTHEST_PX..=FARTHEST_PX;
    let is_near = [top, left, bottom, right]
        .iter()
        .all(|it| near.contains(it));
    let sides = 0..=MOST_SIDE_PX;
    if !is_near || !sides.contains(&(right - left)) || !sides.contains(&(bottom - top)) {
        return Err(damaged("one of its layers lies where none can"));
    }
    Ok(CanvasRect::from_min_max([left, top], [right, bottom]))
}

fn mask(input: &mut Input) -> Result<Option<(CanvasRect, u8)>, LayerError> {
    const IS_OFF: u8 = 1 << 1;
    if input.0.is_empty() {
        return Ok(None);
    }
    let part = rect(input)?;
    let (beyond, flags) = (input.u8()?, input.u8()?);
    Ok((flags & IS_OFF == 0).then_some((part, beyond)))
}

/// The name in the letters of old Macintosh systems.
fn short_name(input: &mut Input) -> Result<String, LayerError> {
    let length = usize::from(input.u8()?);
    let name = input.take(length)?;
    input.take((length + 1).next_multiple_of(4) - length - 1)?;
    let (name, _) = MACINTOSH.decode_without_bom_handling(name);
    Ok(name.into_owned())
}

/// What else is said of a layer; programs do not agree on what fills the gaps between.
fn next_block<'a>(input: &mut Input<'a>) -> Result<Option<([u8; 4], Input<'a>)>, LayerError> {
    let starts = |bytes: &[u8]| bytes.starts_with(BLOCK) || bytes.starts_with(b"8B64");
    let Some(gap) = (0..4).find(|gap| input.0.get(*gap..).is_some_and(starts)) else {
        return Ok(None);
    };
    input.take(gap + BLOCK.len())?;
    let key = input.key()?;
    Ok(Some((key, input.section()?)))
}

fn damaged(reason: &str) -> LayerError {
    LayerError::Damaged(reason.to_owned())
}
