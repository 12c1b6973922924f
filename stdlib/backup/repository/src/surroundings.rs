//! What a repository needs of the process it lives in, which it does not look for itself.

use std::time::Duration;

use futures::channel::oneshot;
use futures::future::{BoxFuture, FutureExt};

use crate::{Error, Result, Time};

/// A piece of work for the processor; it waits for nothing.
pub type Job = Box<dyn FnOnce() + Send>;

/// Who uses a repository; stands in snapshots, keys and locks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub host: String,
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    /// This process.
    pub pid: u32,
}

/// Time, randomness, and who and where we are. With the same answers and one job at a time, the same bytes are written in the same order.
pub trait Surroundings: Send + Sync {
    fn now(&self) -> Time;

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()>;

    /// Randomness for keys and nonces: live, that of the operating system.
    fn fill_random(&self, bytes: &mut [u8]);

    fn user(&self) -> User;

    /// Whether a process of this host lives; asked about those that hold locks.
    fn process_lives(&self, pid: u32) -> bool;

    /// How many jobs [`Self::run`] does at a time. One, and `run` as it is: all work is done where it is asked for.
    fn parallel_jobs(&self) -> usize {
        1
    }

    /// Does a job at once, or has a thread do it, in the order in which jobs are given; there may be many more than are done at a time.
    fn run(&self, job: Job) {
        job();
    }

    /// Has something finished whose owner is gone: a lock is removed whose holder was cancelled. As it is, it is only tried as far as it
    /// goes without waiting.
    fn detach(&self, last: BoxFuture<'static, ()>) {
        let _ = last.now_or_never();
    }
}

/// Has work done. It begins at once, whether or not the future is polled.
pub(crate) fn compute<T: Send + 'static>(
    surroundings: &dyn Surroundings,
    work: impl FnOnce() -> T + Send + 'static,
) -> BoxFuture<'static, Result<T>> {
    let (sender, receiver) = oneshot::channel();
    // Who no longer waits for it has no use for it.
    surroundings.run(Box::new(move || drop(sender.send(work()))));
    async move { receiver.await.map_err(|_| Error::WorkerLost) }.boxed()
}

pub(crate) fn random<const N: usize>(surroundings: &dyn Surroundings) -> [u8; N] {
    let mut bytes = [0; N];
    surroundings.fill_random(&mut bytes);
    bytes
}
