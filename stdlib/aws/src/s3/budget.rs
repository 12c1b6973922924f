//! How much of contents may be in memory at once, in all calls of a run together.

use std::sync::Arc;

use opsrun_core::{Cx, Error, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const MIB: u64 = 1 << 20;
/// In MiB.
const ALL: u32 = 64;

#[derive(Clone)]
pub(crate) struct Budget(Arc<Semaphore>);

impl Budget {
    /// # Errors
    /// None that a user can cause.
    pub(crate) fn of(cx: &Cx) -> Result<Self> {
        cx.shared("aws/s3/memory", || Ok(Semaphore::new(ALL as usize))).map(Budget)
    }

    /// Waits until so many bytes may be held; they may while the value lives.
    ///
    /// # Errors
    /// `Interrupted` at the end of a run.
    pub(crate) async fn take(&self, bytes: u64) -> Result<OwnedSemaphorePermit> {
        let mib = u32::try_from(bytes.div_ceil(MIB)).unwrap_or(ALL).clamp(1, ALL);
        let taken = self.0.clone().acquire_many_owned(mib).await;
        taken.map_err(|_| Error::interrupted())
    }
}
