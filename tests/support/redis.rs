//! A real Redis 7, Debian's, on free ports of this machine and with a folder of its own. It ends with the value, and with the test
//! program however that ends.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::Program;
use crate::owned::{Owned, free_port};
use crate::registry::certify;
use crate::servers::{self, Missing};

/// A running server, with TLS and without, that saves when it is told to, in `dump.rdb` of its folder.
#[derive(Debug)]
pub struct Redis {
    port: u16,
    tls_port: u16,
    owned: Owned,
    // It has the snapshots, and goes last.
    folder: TempDir,
}

impl Redis {
    /// Of a guarded one.
    pub const PASSWORD: &str = "battery-staple";

    /// An empty one that everybody may use.
    ///
    /// # Panics
    /// With its own words, where it is installed and does not come up.
    pub fn start() -> Result<Self, Missing> {
        Self::with("", None)
    }

    /// One that begins with the keys of an RDB file.
    ///
    /// # Panics
    /// As [`Redis::start`].
    pub fn start_with(rdb: Option<&[u8]>) -> Result<Self, Missing> {
        Self::with("", rdb)
    }

    /// One that wants a password, with these lines in its configuration, too. Besides the user `default` there is `reader`, who may read what
    /// begins with `public:`.
    ///
    /// # Panics
    /// As [`Redis::start`].
    pub fn guarded(lines: &str) -> Result<Self, Missing> {
        let password = Self::PASSWORD;
        let reader = format!("user reader on >{password} ~public:* +get +type +strlen +info");
        Self::with(&format!("requirepass {password}\n{reader}\n{lines}"), None)
    }

    fn with(lines: &str, rdb: Option<&[u8]>) -> Result<Self, Missing> {
        let program = servers::on_path("redis-server")?;
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
        certify(&servers::on_path("openssl")?, &certificate, &key);
        let (port, tls_port, place) = (free_port(), free_port(), folder.path().display());
        let configuration = format!(
            "bind 127.0.0.1\nport {port}\ntls-port {tls_port}\ntls-cert-file {place}/certificate.pem\ntls-key-file {place}/key.pem\n\
             tls-ca-cert-file {place}/certificate.pem\ntls-auth-clients no\ndir {place}\nsave \"\"\n\
             appendonly no\nrepl-diskless-sync-delay 0\n{lines}\n"
        );
        if let Some(rdb) = rdb {
            std::fs::write(folder.path().join("dump.rdb"), rdb).expect("the folder can be written");
        }
        let file = folder.path().join("redis.conf");
        std::fs::write(&file, configuration).expect("the folder can be written");
        let mut owned = Owned::start([program, file], "TERM", &folder.path().join("log"));
        owned.listens(port);
        Ok(Redis { port, tls_port, owned, folder })
    }

    /// `127.0.0.1:PORT`, without TLS.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `127.0.0.1:PORT`, with TLS.
    pub fn tls_host(&self) -> String {
        format!("127.0.0.1:{}", self.tls_port)
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

    /// The file with its certificate, which certifies itself.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// Ends it: sessions are broken off.
    pub fn end(&mut self) {
        self.owned.end();
    }
}
