//! A real PostgreSQL 15, Debian's, on a free port of this machine and with a data folder of its own. It ends with the value, and with
//! the test program however that ends.

use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::Program;
use crate::owned::{Owned, free_port};
use crate::registry::certify;
use crate::servers::{self, Missing};

/// A running server, with TLS and without: its superuser is [`PostgreSql::USER`], its collation `C`, its time zone UTC, its encoding UTF-8.
#[derive(Debug)]
pub struct PostgreSql {
    port: u16,
    owned: Owned,
    // It has the data, and goes last.
    folder: TempDir,
}

const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";

impl PostgreSql {
    pub const USER: &str = "postgres";
    pub const PASSWORD: &str = "correct horse";

    /// An empty one.
    ///
    /// # Panics
    /// With its own words, where it is installed and does not come up.
    pub fn start() -> Result<Self, Missing> {
        let programs = Path::new(PROGRAMS);
        if !programs.join("postgres").is_file() {
            return Err(Missing::new("postgres 15"));
        }
        let folder = folder();
        let password = folder.path().join("password");
        std::fs::write(&password, Self::PASSWORD).expect("the folder can be written");
        let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
        certify(&servers::on_path("openssl")?, &certificate, &key);
        for file in [&password, &certificate, &key] {
            give(file);
        }
        run(as_its_user(&programs.join("initdb"))
            .args(["-U", "postgres", "--auth=scram-sha-256", "--locale=C", "-E", "UTF8", "-N", "-D"])
            .arg(folder.path().join("data"))
            .arg("--pwfile")
            .arg(&password));
        Ok(Self::serve(folder, ""))
    }

    /// A replica of this one, which is told apart by this name.
    ///
    /// # Panics
    /// As [`PostgreSql::start`].
    pub fn replica(&self, name: &str) -> Self {
        let folder = folder();
        for file in ["certificate.pem", "key.pem"] {
            let copy = folder.path().join(file);
            std::fs::copy(self.folder.path().join(file), &copy).expect("a file can be copied");
            give(&copy);
        }
        let source = format!(
            "host=127.0.0.1 port={} user=postgres password='{}' application_name={name}",
            self.port,
            Self::PASSWORD
        );
        run(as_its_user(&Path::new(PROGRAMS).join("pg_basebackup"))
            .args(["-R", "-c", "fast", "-X", "stream", "-d", &source, "-D"])
            .arg(folder.path().join("data")));
        Self::serve(folder, &format!("primary_conninfo = '{}'\n", source.replace('\'', "''")))
    }

    fn serve(folder: TempDir, more: &str) -> Self {
        let port = free_port();
        let place = folder.path().display();
        let configuration = format!(
            "port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{place}'\nfsync = off\ntimezone = UTC\nlog_timezone = UTC\nmax_connections = 100\n\
             ssl = on\nssl_cert_file = '{place}/certificate.pem'\nssl_key_file = '{place}/key.pem'\n{more}"
        );
        let data = folder.path().join("data");
        std::fs::write(data.join("postgresql.auto.conf"), configuration).expect("the folder can be written");
        give(&data.join("postgresql.auto.conf"));
        let command = as_its_user(&Path::new(PROGRAMS).join("postgres"));
        let mut words = vec![command.get_program().to_owned()];
        words.extend(command.get_args().map(ToOwned::to_owned));
        words.extend(["-D".into(), data.into()]);
        let mut owned = Owned::start(words, "INT", &folder.path().join("log"));
        let ready = Path::new(PROGRAMS).join("pg_isready");
        owned.wait(|| {
            let asked =
                Command::new(&ready).args(["-q", "-h", "127.0.0.1", "-p"]).arg(port.to_string()).status();
            asked.is_ok_and(|status| status.success())
        });
        PostgreSql { port, owned, folder }
    }

    /// `127.0.0.1:PORT`
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The file with its certificate, which certifies itself.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// The folder with its Unix socket.
    pub fn socket(&self) -> &Path {
        self.folder.path()
    }

    /// `psql`, or another of PostgreSQL's programs, for a server on this port of this machine, real or not.
    pub fn program(name: &str, port: u16) -> Result<Program, Missing> {
        let path = Path::new(PROGRAMS).join(name);
        let path = if path.is_file() { path } else { servers::on_path(name)? };
        Ok(Program::new(path)
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", port.to_string())
            .env("PGUSER", Self::USER)
            .env("PGPASSWORD", Self::PASSWORD)
            .env("PGDATABASE", "postgres"))
    }

    /// Ends it: sessions are broken off.
    pub fn end(&mut self) {
        self.owned.end();
    }
}

/// It does not run as root.
fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|facts| facts.uid() == 0)
}

/// Whom it runs as instead, and that user's group.
const USER: (u32, u32) = (65534, 65534);

fn as_its_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args([format!("--reuid={}", USER.0), format!("--regid={}", USER.1), "--clear-groups".to_owned()])
        .arg(program);
    command
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    give(folder.path());
    folder
}

fn give(path: &Path) {
    if is_root() {
        chown(path, Some(USER.0), Some(USER.1)).expect("root may give files away");
    }
}

fn run(command: &mut Command) {
    let done = command.output().expect("it runs");
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}
