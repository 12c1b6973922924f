//! Changing the tags of snapshots, which makes other snapshots of them: the new one is there before the old one goes.

use crate::lock::ExclusiveLock;
use crate::repository::Repository;
use crate::snapshot::{NamedSnapshot, Snapshot};
use crate::{Error, Id, Kind, Result};

impl Repository {
    /// Gives a snapshot these tags and no others; gives it as it is then. Where that broke off before, it is ended.
    ///
    /// # Errors
    /// `NoSnapshot` if it is gone; `Damaged`; those of the storage.
    pub async fn set_tags(
        &self,
        _lock: &ExclusiveLock<'_>,
        id: Id,
        tags: Vec<String>,
    ) -> Result<NamedSnapshot> {
        let before = match self.read_snapshot(id).await {
            Err(error) if error.is_not_found() => return Err(Error::NoSnapshot(format!("is named {id}"))),
            read => read?,
        };
        if before.tags == tags {
            return Ok(NamedSnapshot { id, snapshot: before });
        }
        let after = Snapshot { tags, original: before.original.or(Some(id)), ..before };
        let written = self.snapshots().await?.readable.into_iter().find(|named| named.snapshot == after);
        let named = match written {
            Some(named) => named,
            None => self.write_snapshot(after).await?,
        };
        self.remove(Kind::Snapshot, id).await?;
        Ok(named)
    }
}
