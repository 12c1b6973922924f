//! The wall's time, and the signals of whoever sits before it.

use jiff::{SignedDuration, Timestamp};
use opsrun_core::{BoxFuture, Clock};

/// Real time, from `base` on, `speed` times as fast.
#[derive(Debug, Clone)]
pub struct WallClock {
    base: Timestamp,
    speed: f64,
}

impl WallClock {
    /// Time as it is.
    pub fn real() -> Self {
        WallClock { base: wall(), speed: 1.0 }
    }

    /// Time that starts now and runs `speed` times as fast; `speed` is positive.
    pub fn faster(speed: f64) -> Self {
        WallClock { base: wall(), speed }
    }
}

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let passed = wall().duration_since(self.base);
        let scaled = SignedDuration::try_from_secs_f64(passed.as_secs_f64() * self.speed)
            .unwrap_or(SignedDuration::MAX);
        self.base.checked_add(scaled).unwrap_or(Timestamp::MAX)
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()> {
        let left = deadline.duration_since(self.now()).as_secs_f64() / self.speed;
        let left = std::time::Duration::try_from_secs_f64(left.max(0.0)).unwrap_or(std::time::Duration::MAX);
        Box::pin(async move {
            #[allow(clippy::disallowed_methods)] // this is the clock
            tokio::time::sleep(left).await;
        })
    }
}

fn wall() -> Timestamp {
    #[allow(clippy::disallowed_methods)] // this is the clock
    Timestamp::now()
}

/// Calls `interrupted` at each Ctrl-C or SIGTERM, from a thread of its own.
///
/// # Errors
/// If the signals cannot be caught.
pub fn interrupts(mut interrupted: impl FnMut() + Send + 'static) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut ctrl_c, mut term) = {
        let _inside = runtime.enter();
        use tokio::signal::unix::{SignalKind, signal};
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async {
            loop {
                let caught = futures::future::select(Box::pin(ctrl_c.recv()), Box::pin(term.recv())).await;
                drop(caught);
                interrupted();
            }
        });
    })?;
    Ok(())
}
