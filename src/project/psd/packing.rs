//! PackBits: runs of a value as their length and the value.

/// Packs a row: runs as their length below 0 and the value, other values as they are behind
/// their number less one.
pub(super) fn pack_bits(line: &[u8], bytes: &mut Vec<u8>) {
    /// Most values that one number tells of.
    const MOST: usize = 128;
    /// Shorter runs are no shorter for it.
    const LEAST_RUN: usize = 3;
    let mut rest = line;
    while let Some(first) = rest.first() {
        let same = rest.iter().take(MOST).take_while(|value| *value == first);
        let run = same.count();
        let end = if run >= LEAST_RUN {
            bytes.extend([(257 - run) as u8, *first]);
            run
        } else {
            let mut ahead = rest.windows(LEAST_RUN).take(MOST);
            let next_run = ahead.position(|it| it.iter().all(|value| *value == it[0]));
            let end = next_run.unwrap_or(rest.len().min(MOST));
            bytes.push((end - 1) as u8);
            bytes.extend(&rest[..end]);
            end
        };
        rest = &rest[end..];
    }
}

/// Unpacks a row. `None` where it is not what was packed for one of that many values.
pub(super) fn unpack_bits(mut bytes: &[u8], line: &mut [u8]) -> Option<()> {
    let mut rest = line;
    while !rest.is_empty() {
        let (number, after) = bytes.split_first()?;
        let count = match *number {
            // Nothing, by the standard.
            128 => {
                bytes = after;
                continue;
            }
            number @ 0..128 => usize::from(number) + 1,
            number => 257 - usize::from(number),
        };
        let (values, left) = rest.split_at_mut_checked(count)?;
        bytes = if *number < 128 {
            let (literal, after) = after.split_at_checked(count)?;
            values.copy_from_slice(literal);
            after
        } else {
            let (value, after) = after.split_first()?;
            values.fill(*value);
            after
        };
        rest = left;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert_eq, prop_oneof, proptest};

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_comes_back(
            line in prop::collection::vec(prop_oneof![0_u8..2, any::<u8>()], 0..700),
        ) {
            let mut bytes = Vec::new();
            pack_bits(&line, &mut bytes);
            let mut back = vec![7; line.len()];
            prop_assert_eq!(unpack_bits(&bytes, &mut back), Some(()));
            prop_assert_eq!(back, line);
        }

        #[test]
        fn anything_else_is_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..99)) {
            unpack_bits(&bytes, &mut [0; 300]);
        }
    }

    /// The example of Apple's Technical Note 1023.
    #[test]
    fn the_usual_example_is_unpacked() {
        let packed = [
            0xfe, 0xaa, 0x02, 0x80, 0x00, 0x2a, 0xfd, 0xaa, 0x03, 0x80, 0x00, 0x2a, 0x22, 0xf7,
            0xaa,
        ];
        let mut line = [0; 24];
        assert_eq!(unpack_bits(&packed, &mut line), Some(()));
        let wanted = [
            [0xaa, 0xaa, 0xaa, 0x80, 0x00, 0x2a, 0xaa, 0xaa],
            [0xaa, 0xaa, 0x80, 0x00, 0x2a, 0x22, 0xaa, 0xaa],
            [0xaa; 8],
        ];
        assert_eq!(line, *wanted.as_flattened());
        let mut own = Vec::new();
        pack_bits(&line, &mut own);
        assert_eq!(own, packed);
    }
}
