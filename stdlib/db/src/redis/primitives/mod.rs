mod counts;
mod del;
mod flush;
mod get;
mod info;
mod put_back;
mod restore;
mod save;
mod scan;
mod set;
mod snapshot;

use opsrun_core::Declaration;

pub(crate) use self::info::info;
pub(crate) use self::scan::Cursor;

pub(crate) const PRIMITIVES: &[Declaration] = &[
    Declaration::of::<info::Info>(),
    Declaration::of::<counts::Counts>(),
    Declaration::of::<scan::Scan>(),
    Declaration::of::<get::Get>(),
    Declaration::of::<set::Set>(),
    Declaration::of::<del::Del>(),
    Declaration::of::<put_back::PutBack>(),
    Declaration::of::<snapshot::Snapshot>(),
    Declaration::of::<restore::Restore>(),
    Declaration::of::<save::Save>(),
    Declaration::of::<flush::Flush>(),
];
