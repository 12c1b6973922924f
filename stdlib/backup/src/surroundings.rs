//! The run, as a repository sees it.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use opsrun_core::{Cx, Process};
use restic_repository::{Job, Surroundings, Time, User};

pub(crate) struct Here(pub(crate) Cx);

impl Surroundings for Here {
    fn now(&self) -> Time {
        self.0.now().into()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        // A run that is to stop stops elsewhere.
        self.0.sleep(duration.into()).map(drop).boxed()
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        self.0.fill_random(bytes);
    }

    fn user(&self) -> User {
        let Process { host, user, uid, gid, pid } = self.0.process();
        User { host, name: user, uid, gid, pid }
    }

    fn process_lives(&self, pid: u32) -> bool {
        self.0.process_lives(pid)
    }

    fn parallel_jobs(&self) -> usize {
        self.0.processors()
    }

    fn run(&self, job: Job) {
        self.0.compute(job);
    }
}
