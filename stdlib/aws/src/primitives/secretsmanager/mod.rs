mod describe;
mod put;
mod use_version;

use opsrun_core::Declaration;

pub(crate) const PRIMITIVES: &[Declaration] = &[
    Declaration::of::<describe::Describe>(),
    Declaration::of::<put::Put>(),
    Declaration::of::<use_version::UseVersion>(),
];
