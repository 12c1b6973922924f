mod create;
mod delete;
mod describe;
mod put;
mod restore;
mod rotate;
mod use_version;

use opsrun_core::Declaration;

pub(crate) const PRIMITIVES: &[Declaration] = &[
    Declaration::of::<create::Create>(),
    Declaration::of::<delete::Delete>(),
    Declaration::of::<describe::Describe>(),
    Declaration::of::<put::Put>(),
    Declaration::of::<restore::Restore>(),
    Declaration::of::<rotate::Rotate>(),
    Declaration::of::<use_version::UseVersion>(),
];
