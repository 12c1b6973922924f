mod identity;

use opsrun_core::Declaration;

pub(crate) use self::identity::identity;

pub(crate) const PRIMITIVES: &[Declaration] = &[Declaration::of::<identity::GetIdentity>()];
