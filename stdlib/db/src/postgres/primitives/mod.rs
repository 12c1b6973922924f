mod checksums;
mod connections;
mod create_database;
mod drop_database;
mod dump;
mod exec;
mod query;
mod rename_database;
mod replication;
mod restore;
mod size;
mod tables;
mod terminate;
mod throwaway_database;
mod version;
mod wait_ready;
mod wait_replication;

use opsrun_core::Declaration;

pub(crate) use self::create_database::create;
pub(crate) use self::drop_database::PATH as DROP;
pub(crate) use self::tables::of_schema;
pub(crate) use self::version::version;

pub(crate) const PRIMITIVES: &[Declaration] = &[
    Declaration::of::<query::Query>(),
    Declaration::of::<exec::Exec>(),
    Declaration::of::<version::Version>(),
    Declaration::of::<wait_ready::WaitReady>(),
    Declaration::of::<tables::Tables>(),
    Declaration::of::<checksums::Checksums>(),
    Declaration::of::<size::Size>(),
    Declaration::of::<connections::Connections>(),
    Declaration::of::<terminate::Terminate>(),
    Declaration::of::<replication::Replication>(),
    Declaration::of::<wait_replication::WaitReplication>(),
    Declaration::of::<create_database::CreateDatabase>(),
    Declaration::of::<throwaway_database::ThrowawayDatabase>(),
    Declaration::of::<rename_database::RenameDatabase>(),
    Declaration::of::<drop_database::DropDatabase>(),
    Declaration::of::<dump::Dump>(),
    Declaration::of::<restore::Restore>(),
];
