//! LZF, in which Redis compresses longer strings.

/// `None` if it is no LZF of so many bytes.
pub(super) fn decompress(bytes: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut out: Vec<u8> = Vec::with_capacity(length.min(1 << 20));
    let mut rest = bytes.iter().copied();
    while let Some(control) = rest.next() {
        let control = usize::from(control);
        if control < 32 {
            for _ in 0..=control {
                out.push(rest.next()?);
            }
            continue;
        }
        let mut count = control >> 5;
        if count == 7 {
            count += usize::from(rest.next()?);
        }
        let distance = ((control & 0x1f) << 8) + usize::from(rest.next()?) + 1;
        let from = out.len().checked_sub(distance)?;
        for at in from..from + count + 2 {
            out.push(*out.get(at)?);
        }
        if out.len() > length {
            return None;
        }
    }
    (out.len() == length).then_some(out)
}
