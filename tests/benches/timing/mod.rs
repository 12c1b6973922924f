//! What runs of one kind took, summarised: the median for what a user feels, the least for what the machine's load hides,
//! and processor time, which load changes least. Knows nothing of what is run.

use std::time::Instant;

/// What one run took, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Took {
    pub(crate) wall: f64,
    /// Of this process and of the children that ended meanwhile.
    pub(crate) cpu: f64,
}

/// What each run took.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    /// In seconds, the least first.
    wall: Vec<f64>,
    /// In seconds, of all together: a single short run is shorter than the kernel's tick.
    cpu: f64,
}

impl Samples {
    pub(crate) fn add(&mut self, took: Took) {
        self.wall.push(took.wall);
        self.wall.sort_by(f64::total_cmp);
        self.cpu += took.cpu;
    }

    /// In seconds.
    pub(crate) fn median(&self) -> f64 {
        self.wall[self.wall.len() / 2]
    }

    /// In seconds.
    pub(crate) fn least(&self) -> f64 {
        self.wall[0]
    }

    /// In seconds, of a run on average.
    pub(crate) fn cpu(&self) -> f64 {
        self.cpu / self.wall.len() as f64
    }
}

impl std::fmt::Display for Samples {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (median, least, cpu) = (shown(self.median()), shown(self.least()), shown(self.cpu()));
        write!(f, "median {median}, least {least}, cpu {cpu}")
    }
}

/// Runs it, and says what that took.
pub(crate) fn timed<T>(run: impl FnOnce() -> T) -> (Took, T) {
    let (cpu, start) = (processor_time(), Instant::now());
    let result = run();
    (Took { wall: start.elapsed().as_secs_f64(), cpu: processor_time() - cpu }, result)
}

/// A time of that many seconds, as one says it.
pub(crate) fn shown(seconds: f64) -> String {
    match seconds.abs() < 0.001 {
        true => format!("{:>7.1} us", seconds * 1e6),
        false => format!("{:>7.1} ms", seconds * 1e3),
    }
}

/// The machine's load over a minute and its processors: a time without them says little.
pub(crate) fn load() -> String {
    let average = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{} on {processors} processors", average.split(' ').next().unwrap_or("unknown"))
}

/// Of this process and of the children that it has waited for, in seconds; proc(5) counts hundredths.
fn processor_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("the kernel tells of this process");
    // The name, second and in brackets, may hold anything; utime, stime, cutime and cstime are the 14th to 17th.
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(4);
    ticks.map(|field| field.parse::<f64>().expect("proc(5) has numbers here")).sum::<f64>() / 100.0
}
