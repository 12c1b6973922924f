//! Time as a run sees it: the wall's, or a rehearsal's timeline.

use std::future::Future;
use std::pin::Pin;

use jiff::Timestamp;

/// A future that can be handed to the run.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The one source of time and the one way to wait.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;

    /// Completes when [`Clock::now`] has reached `deadline`; at once if it already has.
    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()>;
}
