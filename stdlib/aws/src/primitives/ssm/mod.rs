mod delete;
mod get;
mod list;
mod put;

use opsrun_core::Declaration;

pub(crate) const PRIMITIVES: &[Declaration] = &[
    Declaration::of::<get::Get>(),
    Declaration::of::<list::List>(),
    Declaration::of::<put::Put>(),
    Declaration::of::<delete::Delete>(),
];
