//! Times of one kind of run, summarised: the median for what a user feels, the least for what the machine's load hides.

use std::time::{Duration, Instant};

/// How long each run took.
#[derive(Debug, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn add(&mut self, took: Duration) {
        self.0.push(took.as_secs_f64());
        self.0.sort_by(f64::total_cmp);
    }

    /// In seconds.
    pub(crate) fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
    }

    /// In seconds.
    pub(crate) fn least(&self) -> f64 {
        self.0[0]
    }
}

impl std::fmt::Display for Samples {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "median {}, least {}", millis(self.median()), millis(self.least()))
    }
}

/// Runs it, and says how long that took.
pub(crate) fn timed<T>(run: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = run();
    (start.elapsed(), result)
}

pub(crate) fn millis(seconds: f64) -> String {
    format!("{:.1} ms", seconds * 1000.0)
}

/// The machine's load over a minute and its processors: a time without them says little.
pub(crate) fn load() -> String {
    let average = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{} on {processors} processors", average.split(' ').next().unwrap_or("unknown"))
}
