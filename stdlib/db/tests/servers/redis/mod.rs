mod backups;
mod caches;
mod estates;
mod keys;
mod restoring;
mod signing_in;
mod snapshots;
