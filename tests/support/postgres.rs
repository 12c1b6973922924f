//! A real PostgreSQL 15, Debian's, on a free port of this machine and with a data folder of its own. It ends with the value, and with
//! the test program however that ends.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Program;
use crate::servers::{self, Missing};

/// How long it may take until it takes connections, on a busy machine.
const COMES_UP_WITHIN: Duration = Duration::from_secs(120);
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";

/// A running server: its user is [`PostgreSql::USER`], its collation `C`, its time zone UTC, its encoding UTF-8.
#[derive(Debug)]
pub struct PostgreSql {
    port: u16,
    owner: Child,
    // It has the data, and goes last.
    _folder: TempDir,
}

impl PostgreSql {
    pub const USER: &str = "postgres";
    pub const PASSWORD: &str = "opsrun";

    /// # Panics
    /// With its own words, where it is installed and does not come up.
    pub fn start() -> Result<Self, Missing> {
        let programs = Path::new(PROGRAMS);
        if !programs.join("postgres").is_file() {
            return Err(Missing::new("postgres 15"));
        }
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let password = folder.path().join("password");
        std::fs::write(&password, Self::PASSWORD).expect("the folder can be written");
        // Another process may take the port in between: then the server ends, and says so.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let port = port.expect("this machine has a free port").port();
        // It does not run as root. The shell ends it by its number when the test program's end of the pipe is closed.
        const SCRIPT: &str = r#"
            as() { "$@"; }
            if [ "$(id -u)" = 0 ]; then
                chown -R postgres: "$1"
                as() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
            fi
            as "$0/initdb" -D "$1/data" -U postgres -A scram-sha-256 --pwfile="$1/password" --locale=C -E UTF8 -N >"$1/log" 2>&1 || exit 1
            as "$0/postgres" -D "$1/data" -p "$2" -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off \
                -c timezone=UTC -c log_timezone=UTC >>"$1/log" 2>&1 <&- & pid=$!
            read -r _; kill -INT $pid; wait $pid"#;
        let mut owner = Command::new("/bin/bash")
            .arg("-c")
            .arg(SCRIPT)
            .arg(programs)
            .arg(folder.path())
            .arg(port.to_string())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell runs");
        let begun = Instant::now();
        let is_ready = || {
            let mut ask = Command::new(programs.join("pg_isready"));
            ask.args(["-q", "-h", "127.0.0.1", "-p"]).arg(port.to_string());
            ask.status().is_ok_and(|status| status.success())
        };
        while !is_ready() {
            if begun.elapsed() > COMES_UP_WITHIN {
                drop(owner.stdin.take());
                let ended = owner.wait().expect("the shell ends");
                let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
                panic!("postgres does not take connections on port {port}, and ended with {ended}: {log}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(PostgreSql { port, owner, _folder: folder })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// `psql`, or another of PostgreSQL's programs, for a server on this port of this machine, real or not.
    pub fn program(name: &str, port: u16) -> Result<Program, Missing> {
        let path: PathBuf = Path::new(PROGRAMS).join(name);
        let path = if path.is_file() { path } else { servers::on_path(name)? };
        Ok(Program::new(path)
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", port.to_string())
            .env("PGUSER", Self::USER)
            .env("PGPASSWORD", Self::PASSWORD)
            .env("PGDATABASE", "postgres"))
    }
}

impl Drop for PostgreSql {
    fn drop(&mut self) {
        drop(self.owner.stdin.take());
        if let Err(error) = self.owner.wait() {
            panic!("the shell of postgres could not be waited for: {error}");
        }
    }
}
