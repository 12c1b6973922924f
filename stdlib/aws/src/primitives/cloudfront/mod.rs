mod distributions;
mod invalidate;
mod invalidation;
mod wait;

use opsrun_core::Declaration;

pub(crate) const PRIMITIVES: &[Declaration] = &[
    Declaration::of::<distributions::ListDistributions>(),
    Declaration::of::<invalidate::Invalidate>(),
    Declaration::of::<invalidation::GetInvalidation>(),
    Declaration::of::<wait::Wait>(),
];
