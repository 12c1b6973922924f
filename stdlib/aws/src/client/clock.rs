//! The run's clock, as AWS's clients take one.

use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_async::time::TimeSource;
use opsrun_core::{BoxFuture, Cx};

#[derive(Clone)]
pub(super) struct RunClock(pub(super) Cx);

impl fmt::Debug for RunClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RunClock")
    }
}

impl TimeSource for RunClock {
    fn now(&self) -> SystemTime {
        self.0.now().into()
    }
}

impl AsyncSleep for RunClock {
    fn sleep(&self, duration: Duration) -> Sleep {
        let cx = self.0.clone();
        // Who interrupts the run ends the wait; the call then fails at its next request.
        let slept: BoxFuture<'static, ()> = Box::pin(async move { drop(cx.sleep(duration.into()).await) });
        Sleep::new(Shareable(Mutex::new(slept)))
    }
}

/// A future that is `Sync`, as AWS's clients want theirs; nobody ever polls one from two places.
struct Shareable(Mutex<BoxFuture<'static, ()>>);

impl Future for Shareable {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.get_mut().0.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll(context)
    }
}
