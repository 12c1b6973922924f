//! Floating-point numbers as Go's `strconv` and `encoding/json` write them.

use gotemplate::format::format_float;

/// `FormatFloat(f, 'g', -1, 64)`: the shortest digits that read back, with an exponent when it is below -4 or above 5.
pub(crate) fn general(f: f64) -> String {
    format_float(f, b'g', None, false)
}

/// `FormatFloat(f, 'g', -1, 32)`.
pub(crate) fn general_32(f: f32) -> String {
    format_float(f64::from(f), b'g', None, true)
}

/// As `encoding/json` writes a float64: no exponent from 1e-6 to below 1e21, and never a padded one.
pub(crate) fn json(f: f64) -> String {
    format_json(f.abs(), f.to_string(), format!("{f:e}"))
}

/// The same for a float32.
pub(crate) fn json_32(f: f32) -> String {
    format_json(f64::from(f.abs()), f.to_string(), format!("{f:e}"))
}

fn format_json(size: f64, fixed: String, scientific: String) -> String {
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        fixed
    } else if size >= 1e21 {
        // Rust writes 1e21 where Go writes 1e+21; both write 1e-7.
        scientific.replace('e', "e+")
    } else {
        scientific
    }
}
