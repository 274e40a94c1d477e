//! Where a MessagePack value ends, found before anything is decoded or allocated.
//!
//! [`end_of_map`] walks the bytes with a small stack of counters: no recursion, no allocation,
//! depth at most [`MAX_DEPTH`]. Only then does `rmp-serde` see them. The format is that of
//! <https://github.com/msgpack/msgpack/blob/master/spec.md>.

use super::Malformed;

/// How deep maps and arrays may be nested in a header.
pub const MAX_DEPTH: usize = 16;

/// The length in bytes of the map that `bytes` begins with.
///
/// `Ok(None)` says that the bytes end before the map does.
pub fn end_of_map(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    match bytes.first() {
        None => Ok(None),
        Some(0x80..=0x8f | 0xde | 0xdf) => end_of_value(bytes),
        Some(_) => Err(Malformed::HeaderIsNoMap),
    }
}

/// What follows the first byte of a value: `skip` bytes, then `items` values.
struct Shape {
    skip: usize,
    items: u64,
}

fn end_of_value(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    let mut open = [0_u64; MAX_DEPTH];
    let mut depth = 0;
    let mut at = 0_usize;
    loop {
        let Some(shape) = shape_at(&bytes[at..])? else { return Ok(None) };
        at = match at.checked_add(shape.skip) {
            Some(next) if next <= bytes.len() => next,
            _ => return Ok(None),
        };
        if shape.items > 0 {
            let slot = open.get_mut(depth).ok_or(Malformed::HeaderTooDeep)?;
            *slot = shape.items;
            depth += 1;
        } else {
            loop {
                if depth == 0 {
                    return Ok(Some(at));
                }
                open[depth - 1] -= 1;
                if open[depth - 1] > 0 {
                    break;
                }
                depth -= 1;
            }
        }
        if depth == 0 {
            return Ok(Some(at));
        }
    }
}

/// The first byte and the length it carries; `None` when the bytes end inside the length.
fn shape_at(bytes: &[u8]) -> Result<Option<Shape>, Malformed> {
    let Some(&first) = bytes.first() else { return Ok(None) };
    let number = |width: usize| {
        bytes.get(1..=width).map(|b| b.iter().fold(0_u64, |n, &byte| n << 8 | u64::from(byte)))
    };
    // A value of `1 + width + extra + length` bytes, its length in the `width` bytes after the first.
    let sized = |width: usize, extra: usize| {
        number(width).map(|length| Shape {
            skip: usize::try_from(length).unwrap_or(usize::MAX).saturating_add(1 + width + extra),
            items: 0,
        })
    };
    let plain = |skip: usize| Some(Shape { skip, items: 0 });
    let nested = |width: usize, each: u64| {
        number(width).map(|count| Shape { skip: 1 + width, items: count * each })
    };
    Ok(match first {
        0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => plain(1),
        0x80..=0x8f => Some(Shape { skip: 1, items: u64::from(first & 0x0f) * 2 }),
        0x90..=0x9f => Some(Shape { skip: 1, items: u64::from(first & 0x0f) }),
        0xa0..=0xbf => plain(1 + usize::from(first & 0x1f)),
        0xc1 => return Err(Malformed::HeaderIsNoMap),
        0xc4 | 0xd9 => sized(1, 0),
        0xc5 | 0xda => sized(2, 0),
        0xc6 | 0xdb => sized(4, 0),
        0xc7 => sized(1, 1),
        0xc8 => sized(2, 1),
        0xc9 => sized(4, 1),
        0xcc | 0xd0 => plain(2),
        0xcd | 0xd1 => plain(3),
        0xca | 0xce | 0xd2 => plain(5),
        0xcb | 0xcf | 0xd3 => plain(9),
        0xd4..=0xd8 => plain(2 + (1 << (first - 0xd4))),
        0xdc => nested(2, 1),
        0xdd => nested(4, 1),
        0xde => nested(2, 2),
        0xdf => nested(4, 2),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_ends_where_its_last_value_ends() {
        // {"a": [1, "xy"], "b": bin(3)} and a body behind it
        let map =
            [0x82, 0xa1, b'a', 0x92, 1, 0xa2, b'x', b'y', 0xa1, b'b', 0xc4, 3, 9, 9, 9, 0xde, 0xad];
        assert_eq!(end_of_map(&map), Ok(Some(15)));
        for cut in 0..15 {
            assert_eq!(end_of_map(&map[..cut]), Ok(None), "cut at {cut}");
        }
        assert_eq!(end_of_map(&[0x80]), Ok(Some(1)));
    }

    #[test]
    fn huge_counts_need_more_bytes_and_allocate_nothing() {
        for first in [0xc6, 0xc9, 0xdb, 0xdd, 0xdf] {
            let bytes = [0x81, 0xa1, b'a', first, 0xff, 0xff, 0xff, 0xff, 0, 0];
            assert_eq!(end_of_map(&bytes), Ok(None), "{first:#x}");
        }
    }

    #[test]
    fn nesting_deeper_than_the_limit_is_refused() {
        let mut bytes = vec![0x81, 0xa1, b'a'];
        bytes.extend([0x91; 10_000]);
        assert_eq!(end_of_map(&bytes), Err(Malformed::HeaderTooDeep));
    }

    #[test]
    fn a_header_that_is_no_map_is_refused() {
        for first in [0x00, 0x90, 0xa0, 0xc0, 0xc1, 0xcc, 0xdc] {
            assert_eq!(end_of_map(&[first, 0, 0]), Err(Malformed::HeaderIsNoMap));
        }
        assert_eq!(end_of_map(&[0x81, 0xa1, b'a', 0xc1]), Err(Malformed::HeaderIsNoMap));
    }
}
