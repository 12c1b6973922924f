//! Backups: sources of other systems, kept in repositories in restic's format, in stores of other systems or in folders.
//! It knows neither: both are found by the schemes that systems offer. Nothing leaves under its own name.

mod error;
mod folder;
mod items;
mod place;
mod primitives;
mod section;
mod storage;
mod surroundings;

use opsrun_core::{Module, SourceScheme, StoreScheme, System};

/// The system `backup`.
pub struct Backup;

pub(crate) const SYSTEM: &str = "backup";

/// What snapshots say that they were made by.
pub(crate) const PROGRAM: &str = concat!("opsrun ", env!("CARGO_PKG_VERSION"));

impl System for Backup {
    fn name(&self) -> &'static str {
        SYSTEM
    }

    fn modules(&self) -> &'static [Module] {
        &[Module {
            path: "backup",
            doc: "Backups that are known to restore, in restic's format.",
            primitives: primitives::PRIMITIVES,
        }]
    }

    fn verbs(&self) -> Option<&'static [&'static str]> {
        Some(&[])
    }

    fn sources(&self) -> &'static [SourceScheme] {
        &[folder::SOURCE]
    }

    fn stores(&self) -> &'static [StoreScheme] {
        &[folder::STORE]
    }
}
