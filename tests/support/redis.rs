//! A real Redis 7, Debian's, on a free port of this machine and with a folder of its own. It ends with the value, and with the test
//! program however that ends.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Program;
use crate::servers::{self, Missing};

/// How long it may take until it listens, on a busy machine.
const COMES_UP_WITHIN: Duration = Duration::from_secs(60);

/// A running server that saves when it is told to, in `dump.rdb` of its folder.
#[derive(Debug)]
pub struct Redis {
    port: u16,
    owner: Child,
    // It has the file, and goes last.
    folder: TempDir,
}

impl Redis {
    /// # Panics
    /// With its own words, where it is installed and does not come up.
    pub fn start() -> Result<Self, Missing> {
        Self::start_with(None)
    }

    /// One that begins with the keys of an RDB file.
    ///
    /// # Panics
    /// As [`Redis::start`].
    pub fn start_with(rdb: Option<&[u8]>) -> Result<Self, Missing> {
        let program = servers::on_path("redis-server")?;
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        if let Some(rdb) = rdb {
            std::fs::write(folder.path().join("dump.rdb"), rdb).expect("the folder can be written");
        }
        // Another process may take the port in between: then the server ends, and says so.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let port = port.expect("this machine has a free port").port();
        let log = folder.path().join("log");
        // The shell ends it by its number when the test program's end of the pipe is closed.
        let mut owner = Command::new("/bin/sh")
            .arg("-c")
            .arg(
                "\"$0\" --bind 127.0.0.1 --port \"$1\" --dir \"$2\" --save '' --appendonly no --repl-diskless-sync-delay 0 \
                 >\"$2/log\" 2>&1 <&- & pid=$!; read -r _; kill -KILL $pid; wait $pid",
            )
            .arg(program)
            .arg(port.to_string())
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell runs");
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if begun.elapsed() > COMES_UP_WITHIN {
                drop(owner.stdin.take());
                owner.wait().expect("the shell ends");
                let said = std::fs::read_to_string(log).unwrap_or_default();
                panic!("redis-server does not listen on port {port}: {said}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Redis { port, owner, folder })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The file that `SAVE` writes.
    pub fn rdb(&self) -> PathBuf {
        self.folder.path().join("dump.rdb")
    }

    /// `redis-cli`; a server on a port of this machine, real or not, is given it with `-p`.
    pub fn cli() -> Result<Program, Missing> {
        Ok(Program::new(servers::on_path("redis-cli")?))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.owner.stdin.take());
        if let Err(error) = self.owner.wait() {
            panic!("the shell of redis-server could not be waited for: {error}");
        }
    }
}
