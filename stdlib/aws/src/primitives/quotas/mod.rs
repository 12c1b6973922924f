mod get;

use opsrun_core::Declaration;

pub(crate) const PRIMITIVES: &[Declaration] = &[Declaration::of::<get::Get>()];
