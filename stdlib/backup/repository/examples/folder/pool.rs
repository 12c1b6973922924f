//! The machine: its clock and its randomness, and as many threads as it has processors.

use std::fs::File;
use std::io::Read;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use restic_repository::{Job, Surroundings, Time, User};

pub(crate) struct Machine {
    jobs: Sender<Job>,
    threads: usize,
    random: File,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let (jobs, taken) = channel::<Job>();
        let taken = Arc::new(Mutex::new(taken));
        for _ in 0..threads {
            let taken = taken.clone();
            std::thread::spawn(move || {
                while let Some(job) = taken.lock().ok().and_then(|jobs| jobs.recv().ok()) {
                    job();
                }
            });
        }
        let random = File::open("/dev/urandom").expect("a Unix machine has randomness");
        Machine { jobs, threads, random }
    }
}

impl Surroundings for Machine {
    fn now(&self) -> Time {
        Timestamp::now().into()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        let (done, slept) = futures::channel::oneshot::channel();
        std::thread::spawn(move || {
            std::thread::sleep(duration);
            let _ = done.send(());
        });
        slept.map(drop).boxed()
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        (&self.random).read_exact(bytes).expect("randomness does not end");
    }

    fn user(&self) -> User {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        User { host: host.trim().to_owned(), name: String::new(), uid: 0, gid: 0, pid: std::process::id() }
    }

    fn process_lives(&self, pid: u32) -> bool {
        std::path::Path::new(&format!("/proc/{pid}")).exists()
    }

    fn parallel_jobs(&self) -> usize {
        self.threads
    }

    fn run(&self, job: Job) {
        self.jobs.send(job).expect("the threads live as long as this");
    }
}
