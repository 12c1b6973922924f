//! A real OCI registry, the `docker-registry` of Debian, on a free port of this machine and with a folder of its own. It ends with the
//! value, and with the test program however that ends.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::servers::{self, Missing};

/// How long it may take until it listens, on a busy machine.
const COMES_UP_WITHIN: Duration = Duration::from_secs(60);

/// A running registry.
#[derive(Debug)]
pub struct DockerRegistry {
    port: u16,
    owner: Child,
    // It has the blobs, and goes last.
    folder: TempDir,
}

const CERTIFICATE: &str = "certificate.pem";

/// What is different about a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    /// Only who is in this line of an `htpasswd` file may use it.
    Users(&'static str),
    KeepsEverything,
    Tls,
}

impl DockerRegistry {
    /// One that everybody may use, and that deletes what it is told to.
    ///
    /// # Panics
    /// With its own words, where it is installed and does not come up.
    pub fn open() -> Result<Self, Missing> {
        Self::start(Way::Open)
    }

    /// One that only these users may use.
    ///
    /// # Panics
    /// As [`DockerRegistry::open`].
    pub fn of_users(htpasswd: &'static str) -> Result<Self, Missing> {
        Self::start(Way::Users(htpasswd))
    }

    /// One that deletes nothing, as it is by itself.
    ///
    /// # Panics
    /// As [`DockerRegistry::open`].
    pub fn that_keeps_everything() -> Result<Self, Missing> {
        Self::start(Way::KeepsEverything)
    }

    /// One that speaks TLS, with a certificate that nobody knows.
    ///
    /// # Panics
    /// As [`DockerRegistry::open`].
    pub fn over_tls() -> Result<Self, Missing> {
        Self::start(Way::Tls)
    }

    fn start(way: Way) -> Result<Self, Missing> {
        let program = servers::on_path("docker-registry")?;
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("the folder can be written");
            path
        };
        let auth = match way {
            Way::Users(line) => {
                let path = write("htpasswd", &format!("{line}\n"));
                format!("auth: {{ htpasswd: {{ realm: test, path: {} }} }}\n", path.display())
            }
            _ => String::new(),
        };
        let tls = match way {
            Way::Tls => {
                let (certificate, key) = (folder.path().join(CERTIFICATE), folder.path().join("key.pem"));
                certify(&servers::on_path("openssl")?, &certificate, &key);
                format!(", tls: {{ certificate: {}, key: {} }}", certificate.display(), key.display())
            }
            _ => String::new(),
        };
        let deletes = way != Way::KeepsEverything;
        // Another process may take the port in between: then the registry ends, and says so.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let port = port.expect("this machine has a free port").port();
        let data = folder.path().join("data");
        let config = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: {} }}, delete: {{ enabled: {deletes} }} }}\n\
             http: {{ addr: \"127.0.0.1:{port}\"{tls} }}\n{auth}",
            data.display()
        );
        let config = write("config.yml", &config);
        // The shell ends it by its number when the test program's end of the pipe is closed.
        let mut owner = Command::new("/bin/sh")
            .arg("-c")
            .arg("\"$0\" serve \"$1\" <&- & pid=$!; read -r _; kill $pid; wait $pid")
            .arg(program)
            .arg(config)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shell runs");
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if begun.elapsed() > COMES_UP_WITHIN {
                drop(owner.stdin.take());
                let said = owner.wait_with_output().expect("the shell ends");
                panic!("docker-registry does not listen: {}", String::from_utf8_lossy(&said.stderr));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(DockerRegistry { port, owner, folder })
    }

    /// `127.0.0.1:PORT`
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// PEM, of one over TLS.
    pub fn certificate(&self) -> String {
        std::fs::read_to_string(self.folder.path().join(CERTIFICATE)).expect("it speaks TLS")
    }
}

/// A certificate of this machine's address that certifies itself.
pub(crate) fn certify(openssl: &Path, certificate: &Path, key: &Path) {
    let mut command = Command::new(openssl);
    command.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]);
    command.args(["-subj", "/CN=registry", "-addext", "subjectAltName=IP:127.0.0.1"]);
    command
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-out")
        .arg(certificate)
        .arg("-keyout")
        .arg(key);
    let made = command.output().expect("openssl runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        drop(self.owner.stdin.take());
        if let Err(error) = self.owner.wait() {
            panic!("the registry's shell could not be waited for: {error}");
        }
    }
}
