//! moto, the mock of AWS that Python's projects test with, as a server on a free port of this machine. It ends with the value, and
//! with the test program however that ends.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::servers::{self, Missing};

/// How long it may take until it listens, on a busy machine.
const COMES_UP_WITHIN: Duration = Duration::from_secs(120);

/// A running `moto_server`, with nothing in it. It takes every key, and the account is 123456789012.
#[derive(Debug)]
pub struct Moto {
    port: u16,
    owner: Child,
}

impl Moto {
    /// # Panics
    /// With its own words, where it is installed and does not come up.
    pub fn start() -> Result<Self, Missing> {
        let program = servers::python("moto", "MOTO", "moto_server")?;
        // Another process may take the port in between: then the server ends, and says so.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let port = port.expect("this machine has a free port").port();
        // The shell ends it by its number when the test program's end of the pipe is closed.
        let mut owner = Command::new("/bin/sh")
            .arg("-c")
            .arg("\"$0\" -H 127.0.0.1 -p \"$1\" <&- & pid=$!; read -r _; kill $pid; wait $pid")
            .arg(program)
            .arg(port.to_string())
            // The mock looks for instance metadata and profiles of its own otherwise.
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // It writes a line for each request.
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell runs");
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if begun.elapsed() > COMES_UP_WITHIN {
                drop(owner.stdin.take());
                let ended = owner.wait().expect("the shell ends");
                panic!("moto_server does not listen on port {port}, and ended with {ended}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Moto { port, owner })
    }

    /// `http://127.0.0.1:PORT`
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.owner.stdin.take());
        if let Err(error) = self.owner.wait() {
            panic!("the shell of moto_server could not be waited for: {error}");
        }
    }
}
