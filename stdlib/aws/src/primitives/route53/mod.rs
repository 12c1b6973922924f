mod delete;
mod records;
mod set;
mod weights;

use opsrun_core::Declaration;

pub(crate) const PRIMITIVES: &[Declaration] = &[
    Declaration::of::<delete::Delete>(),
    Declaration::of::<records::Records>(),
    Declaration::of::<set::Set>(),
    Declaration::of::<weights::Weights>(),
];
