//! A server that runs as long as a value, and no longer than the test program however that ends.

use std::ffi::OsStr;
use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long it may take until it listens, on a busy machine.
const COMES_UP_WITHIN: Duration = Duration::from_secs(60);

/// The shell that ends the server by its number when the test program's end of a pipe is closed.
#[derive(Debug)]
pub(crate) struct Owned {
    shell: Child,
    log: PathBuf,
}

impl Owned {
    /// Starts what the words say; what it prints goes into this file. `signal` ends it, such as `INT`.
    pub(crate) fn start<W: AsRef<OsStr>>(
        words: impl IntoIterator<Item = W>,
        signal: &str,
        log: &Path,
    ) -> Self {
        let output = File::create(log).expect("the log can be written");
        let shell = Command::new("/bin/sh")
            .arg("-c")
            .arg(format!("\"$@\" <&- & pid=$!; read -r _; kill -{signal} $pid; wait $pid"))
            .arg("sh")
            .args(words)
            .stdin(Stdio::piped())
            .stdout(output.try_clone().expect("a file has a second handle"))
            .stderr(output)
            .spawn()
            .expect("a shell runs");
        Owned { shell, log: log.to_owned() }
    }

    /// Waits until it listens.
    ///
    /// # Panics
    /// With its own words, if it does not.
    pub(crate) fn listens(&mut self, port: u16) {
        self.wait(|| TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    /// Waits until it is ready, as `is_ready` sees it.
    ///
    /// # Panics
    /// With its own words, if it does not get so.
    pub(crate) fn wait(&mut self, is_ready: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_ready() {
            if begun.elapsed() > COMES_UP_WITHIN {
                self.end();
                panic!("it does not come up: {}", std::fs::read_to_string(&self.log).unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it, and waits until it is gone.
    pub(crate) fn end(&mut self) {
        drop(self.shell.stdin.take());
        if let Err(error) = self.shell.wait() {
            panic!("the server's shell could not be waited for: {error}");
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.end();
    }
}

/// A port that is free now. Another process may take it in between: then the server ends, and says so.
pub(crate) fn free_port() -> u16 {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    port.expect("this machine has a free port").port()
}
