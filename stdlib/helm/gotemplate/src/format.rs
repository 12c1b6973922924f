//! Go's `fmt`: `Sprint`, `Sprintln`, `Sprintf` over template values.

use crate::value::Value;

/// `fmt.Sprint`: a space between operands when neither is a string.
pub fn sprint(_args: &[Value]) -> Vec<u8> {
    Vec::new()
}

/// `fmt.Sprintln`.
pub fn sprintln(_args: &[Value]) -> Vec<u8> {
    Vec::new()
}

/// `fmt.Sprintf`.
pub fn sprintf(_format: &[u8], _args: &[Value]) -> Vec<u8> {
    Vec::new()
}
