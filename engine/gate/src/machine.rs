//! The machine, and this process on it, as a run signs what others read.

use opsrun_core::Process;

/// `user`: what the environment says.
pub fn process(user: Option<String>) -> Process {
    let uid = rustix::process::getuid().as_raw();
    Process {
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        user: user.unwrap_or_else(|| uid.to_string()),
        uid,
        gid: rustix::process::getgid().as_raw(),
        pid: std::process::id(),
    }
}

/// Whether there is such a process; one that is another user's lives, too.
pub fn process_lives(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// How many threads can be busy at a time.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
