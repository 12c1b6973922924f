//! The compact forms in which Redis keeps small values: listpack, ziplist, intset, zipmap. Each is a string of a file.

use super::RdbError;

pub(super) fn broken(what: &str) -> RdbError {
    RdbError::Malformed { at: 0, what: what.to_owned() }
}

fn take<'b>(bytes: &mut &'b [u8], count: usize, what: &str) -> Result<&'b [u8], RdbError> {
    let (taken, rest) = bytes.split_at_checked(count).ok_or_else(|| broken(what))?;
    *bytes = rest;
    Ok(taken)
}

/// A whole number of up to eight bytes, the lowest first, with its sign.
fn little(bytes: &[u8]) -> i64 {
    let negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
    let mut all = if negative { [0xff; 8] } else { [0; 8] };
    all[..bytes.len()].copy_from_slice(bytes);
    i64::from_le_bytes(all)
}

fn text(number: i64) -> Vec<u8> {
    number.to_string().into_bytes()
}

/// The items of a listpack; numbers as their digits.
pub(super) fn listpack(bytes: &[u8]) -> Result<Vec<Vec<u8>>, RdbError> {
    const WHAT: &str = "a listpack ends too early";
    let mut rest = bytes;
    take(&mut rest, 6, WHAT)?;
    let mut items = Vec::new();
    loop {
        let first = take(&mut rest, 1, WHAT)?[0];
        let before = rest.len() + 1;
        let item = match first {
            0xff => return Ok(items),
            0..=0x7f => text(i64::from(first)),
            0x80..=0xbf => take(&mut rest, usize::from(first & 0x3f), WHAT)?.to_vec(),
            0xc0..=0xdf => {
                let low = take(&mut rest, 1, WHAT)?[0];
                let number = (i64::from(first & 0x1f) << 8) | i64::from(low);
                text(if number >= 4096 { number - 8192 } else { number })
            }
            0xe0..=0xef => {
                let low = take(&mut rest, 1, WHAT)?[0];
                let length = (usize::from(first & 0x0f) << 8) | usize::from(low);
                take(&mut rest, length, WHAT)?.to_vec()
            }
            0xf0 => {
                let length = usize::try_from(little(&[take(&mut rest, 4, WHAT)?, &[0]].concat()))
                    .unwrap_or(usize::MAX);
                take(&mut rest, length, WHAT)?.to_vec()
            }
            0xf1 => text(little(take(&mut rest, 2, WHAT)?)),
            0xf2 => text(little(take(&mut rest, 3, WHAT)?)),
            0xf3 => text(little(take(&mut rest, 4, WHAT)?)),
            0xf4 => text(little(take(&mut rest, 8, WHAT)?)),
            _ => return Err(broken("an item of a listpack is of no known kind")),
        };
        items.push(item);
        // Its length stands behind it too, in groups of seven bits.
        let back = match before - rest.len() {
            0..=127 => 1,
            128..=16_382 => 2,
            16_383..=2_097_150 => 3,
            2_097_151..=268_435_454 => 4,
            _ => 5,
        };
        take(&mut rest, back, WHAT)?;
    }
}

/// The items of a ziplist, the listpack's predecessor; numbers as their digits.
pub(super) fn ziplist(bytes: &[u8]) -> Result<Vec<Vec<u8>>, RdbError> {
    const WHAT: &str = "a ziplist ends too early";
    let mut rest = bytes;
    take(&mut rest, 10, WHAT)?;
    let mut items = Vec::new();
    loop {
        // The length of the item before.
        match take(&mut rest, 1, WHAT)?[0] {
            0xff => return Ok(items),
            0xfe => drop(take(&mut rest, 4, WHAT)?),
            _ => {}
        }
        let first = take(&mut rest, 1, WHAT)?[0];
        items.push(match first {
            0x00..=0x3f => take(&mut rest, usize::from(first), WHAT)?.to_vec(),
            0x40..=0x7f => {
                let low = take(&mut rest, 1, WHAT)?[0];
                take(&mut rest, (usize::from(first & 0x3f) << 8) | usize::from(low), WHAT)?.to_vec()
            }
            0x80 => {
                let length =
                    take(&mut rest, 4, WHAT)?.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
                take(&mut rest, length, WHAT)?.to_vec()
            }
            0xc0 => text(little(take(&mut rest, 2, WHAT)?)),
            0xd0 => text(little(take(&mut rest, 4, WHAT)?)),
            0xe0 => text(little(take(&mut rest, 8, WHAT)?)),
            0xf0 => text(little(take(&mut rest, 3, WHAT)?)),
            0xfe => text(little(take(&mut rest, 1, WHAT)?)),
            0xf1..=0xfd => text(i64::from(first & 0x0f) - 1),
            _ => return Err(broken("an item of a ziplist is of no known kind")),
        });
    }
}

/// The numbers of an intset.
pub(super) fn intset(bytes: &[u8]) -> Result<Vec<Vec<u8>>, RdbError> {
    const WHAT: &str = "an intset ends too early";
    let mut rest = bytes;
    let header = take(&mut rest, 8, WHAT)?;
    let width = usize::try_from(little(&header[..4])).unwrap_or(0);
    let count = usize::try_from(little(&[&header[4..], &[0]].concat())).unwrap_or(usize::MAX);
    if !matches!(width, 2 | 4 | 8) {
        return Err(broken("the numbers of an intset are of no known width"));
    }
    (0..count).map(|_| take(&mut rest, width, WHAT).map(|number| text(little(number)))).collect()
}

/// Keys and values of a zipmap, of Redis before 2.6.
pub(super) fn zipmap(bytes: &[u8]) -> Result<Vec<Vec<u8>>, RdbError> {
    const WHAT: &str = "a zipmap ends too early";
    let mut rest = bytes;
    take(&mut rest, 1, WHAT)?;
    let mut items = Vec::new();
    let length = |rest: &mut &[u8]| -> Result<Option<usize>, RdbError> {
        Ok(match take(rest, 1, WHAT)?[0] {
            0xff => None,
            0xfe => {
                Some(usize::try_from(little(&[take(rest, 4, WHAT)?, &[0]].concat())).unwrap_or(usize::MAX))
            }
            short => Some(usize::from(short)),
        })
    };
    while let Some(key) = length(&mut rest)? {
        items.push(take(&mut rest, key, WHAT)?.to_vec());
        let value = length(&mut rest)?.ok_or_else(|| broken(WHAT))?;
        let free = usize::from(take(&mut rest, 1, WHAT)?[0]);
        items.push(take(&mut rest, value, WHAT)?.to_vec());
        take(&mut rest, free, WHAT)?;
    }
    Ok(items)
}
