//! Renders Helm charts as Helm 4 does.

#[allow(dead_code, reason = "the functions that use it follow")]
mod json;
#[allow(dead_code, reason = "the functions that use it follow")]
mod letters;
mod number;
pub mod yaml;

pub use json::EncodeError;
