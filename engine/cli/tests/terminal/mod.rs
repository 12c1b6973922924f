//! A program on a pseudo-terminal: what is typed reaches it as keys, and what it shows is read as a person would.
#![allow(dead_code)] // each test file uses a part of it

use std::io::{Read, Write};
use std::process::{Child, Command};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pty_process::Size;
use pty_process::blocking::Pty;
use regex::Regex;

/// Longer than this nothing takes, not even on a machine that builds something else.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const TAB: &str = "\t";
pub(crate) const UP: &str = "\x1b[A";
pub(crate) const CTRL_C: &str = "\x03";
pub(crate) const CTRL_D: &str = "\x04";

pub(crate) struct Terminal {
    pty: Arc<Pty>,
    program: Child,
    shown: Arc<Shown>,
    /// How much of what was shown has been looked at.
    seen: usize,
}

/// What the program has written so far.
#[derive(Default)]
struct Shown {
    bytes: Mutex<Vec<u8>>,
    more: Condvar,
}

impl Terminal {
    /// Starts `command` on a terminal of this many columns.
    pub(crate) fn start(command: &Command, columns: u16) -> Self {
        let (pty, pts) = pty_process::blocking::open().expect("there are pseudo-terminals");
        pty.resize(Size::new(50, columns)).expect("a terminal has a size");
        let mut started = pty_process::blocking::Command::new(command.get_program())
            .args(command.get_args())
            .env_clear()
            .env("TERM", "xterm");
        for (name, value) in command.get_envs() {
            started = started.env(name, value.unwrap_or_default());
        }
        if let Some(folder) = command.get_current_dir() {
            started = started.current_dir(folder);
        }
        let program = started.spawn(pts).expect("the program starts");
        let (pty, shown) = (Arc::new(pty), Arc::new(Shown::default()));
        let (reading, filled) = (pty.clone(), shown.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // When the program has ended, reading fails.
            while let Ok(count @ 1..) = (&*reading).read(&mut buffer) {
                filled.bytes.lock().unwrap_or_else(PoisonError::into_inner).extend(&buffer[..count]);
                filled.more.notify_all();
            }
        });
        Terminal { pty, program, shown, seen: 0 }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Types a line and presses Enter.
    pub(crate) fn enter(&mut self, line: &str) {
        self.press(line);
        self.press("\r");
    }

    /// Waits until `text` is shown after all that was waited for before, and gives what was shown up to its end.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut bytes = self.shown.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let readable = readable(&bytes);
            let rest = readable.get(self.seen..).unwrap_or_default();
            if let Some(at) = rest.find(text) {
                let shown = rest[..at + text.len()].to_owned();
                self.seen += shown.len();
                return shown;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "`{text}` does not appear; after what was seen before there is\n{rest}");
            let ended = self.program.try_wait().expect("the program can be waited for");
            let slice = Duration::from_millis(100).min(left);
            let more = self.shown.more.wait_timeout(bytes, slice);
            let (now, waited) = more.unwrap_or_else(PoisonError::into_inner);
            bytes = now;
            if let Some(status) = ended.filter(|_| waited.timed_out()) {
                panic!("it ended ({status}) before `{text}` appeared; there is\n{rest}");
            }
        }
    }

    /// Waits for the program to end, and gives its exit code.
    pub(crate) fn ended(mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.program.try_wait().expect("the program can be waited for") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the program does not end");
    }
}

impl Drop for Terminal {
    /// A test that failed leaves no program behind.
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// Without what only moves the cursor, or colours.
fn readable(bytes: &[u8]) -> String {
    let sequences = Regex::new(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|[()][A-Z0-9]|[=>])|\r|\x07").expect("it is one");
    sequences.replace_all(&String::from_utf8_lossy(bytes), "").into_owned()
}
