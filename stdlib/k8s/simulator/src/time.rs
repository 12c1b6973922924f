//! Where the server gets its time from; the cluster itself only ever is told.

use futures::future::BoxFuture;
use jiff::Timestamp;

/// A clock that can be waited on: the wall's, a run's virtual one, or either at another speed.
pub trait Time: Send + Sync {
    fn now(&self) -> Timestamp;

    /// Completes when `now` has reached `until`; at once if it has.
    fn sleep_until(&self, until: Timestamp) -> BoxFuture<'static, ()>;
}
