//! Servers as they come: one that nobody listens at, API servers that know nobody or are too old, and a web with all its faults.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// It answers until the test's process ends.
pub(crate) struct Server {
    address: String,
}

/// A request that came, and how many came to the same path before it.
struct Request {
    method: String,
    path: String,
    before: usize,
}

enum Answer {
    Whole(u16, &'static str, String),
    /// Fewer bytes than it says, and then the connection ends.
    Broken,
    Never,
}

type Answers = fn(&Request) -> Answer;

/// The servers that a session can name: `{web}`.
const SERVERS: &[(&str, Answers)] = &[
    ("{expired}", |_| status(401, "Unauthorized", "Unauthorized")),
    ("{forbidden}", forbidden),
    ("{old}", |_| json(200, r#"{"major":"1","minor":"24","gitVersion":"v1.24.17"}"#)),
    ("{vault}", vault),
    ("{web}", web),
];

impl Server {
    /// Starts those whose names stand in the text; gives each name with its address.
    pub(crate) fn all_in(text: &str) -> Vec<(&'static str, String)> {
        let mut names: Vec<_> = SERVERS
            .iter()
            .filter(|(name, _)| text.contains(name))
            .map(|(name, answers)| (*name, Server::start(*answers).address))
            .collect();
        if text.contains("{closed}") {
            names.push(("{closed}", closed_address()));
        }
        names
    }

    fn start(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address").to_string();
        let seen = Arc::new(Mutex::new(BTreeMap::new()));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let seen = seen.clone();
                // The client may have gone; then it has its answer.
                std::thread::spawn(move || drop(serve(client, answers, &seen)));
            }
        });
        Server { address }
    }
}

/// An address at which nobody listens.
fn closed_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it has an address").to_string()
}

fn serve(
    mut client: TcpStream,
    answers: Answers,
    seen: &Mutex<BTreeMap<String, usize>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    loop {
        let (mut first, mut length) = (String::new(), 0);
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut line = String::new();
        while reader.read_line(&mut line)? > 2 {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or_default();
            }
            line.clear();
        }
        reader.read_exact(&mut vec![0; length])?;
        let mut words = first.split_whitespace().map(str::to_owned);
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        // What does not speak HTTP (TLS, for one) is hung up on.
        if !path.starts_with('/') {
            return Ok(());
        }
        let before = {
            let mut seen = seen.lock().expect("no other request panicked");
            let count = seen.entry(path.clone()).or_default();
            *count += 1;
            *count - 1
        };
        let request = Request { before, method, path };
        match answers(&request) {
            Answer::Whole(status, headers, body) => {
                let body = if request.method == "HEAD" { String::new() } else { body };
                write!(
                    client,
                    "HTTP/1.1 {status} -\r\n{headers}content-length: {}\r\n\r\n{body}",
                    body.len()
                )?;
            }
            Answer::Broken => {
                return write!(client, "HTTP/1.1 200 -\r\ncontent-length: 100\r\n\r\nonly so far");
            }
            Answer::Never => {
                let mut rest = Vec::new();
                return reader.read_to_end(&mut rest).map(drop);
            }
        }
    }
}

const JSON: &str = "content-type: application/json\r\n";

fn json(code: u16, body: &str) -> Answer {
    Answer::Whole(code, JSON, body.to_owned())
}

fn status(code: u16, reason: &str, message: &str) -> Answer {
    let message = message.replace('"', "\\\"");
    json(
        code,
        &format!(
            r#"{{"kind":"Status","apiVersion":"v1","status":"Failure","message":"{message}","reason":"{reason}","code":{code}}}"#
        ),
    )
}

/// An API server that knows who asks, and allows nothing.
fn forbidden(request: &Request) -> Answer {
    match request.path.split('?').next().unwrap_or_default() {
        "/version" => json(200, r#"{"major":"1","minor":"34","gitVersion":"v1.34.4"}"#),
        "/api" => json(
            200,
            r#"{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","items":[{"metadata":{},"versions":[{"version":"v1","resources":[
            {"resource":"namespaces","singularResource":"namespace","scope":"Cluster","responseKind":{"group":"","version":"v1","kind":"Namespace"},"verbs":["get"]}]}]}]}"#,
        ),
        "/apis" => {
            json(200, r#"{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","items":[]}"#)
        }
        "/apis/authentication.k8s.io/v1/selfsubjectreviews" => {
            json(201, r#"{"status":{"userInfo":{"username":"robot@shop.test"}}}"#)
        }
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews" => json(
            201,
            r#"{"status":{"resourceRules":[{"verbs":["create"],"apiGroups":["authorization.k8s.io"],"resources":["selfsubjectrulesreviews"]}]}}"#,
        ),
        path => {
            let name = path.rsplit('/').next().unwrap_or_default();
            status(
                403,
                "Forbidden",
                &format!(
                    r#"namespaces "{name}" is forbidden: User "robot@shop.test" cannot get resource "namespaces" in API group "" in the namespace "{name}""#
                ),
            )
        }
    }
}

/// A Vault with an engine that has versions, `secret`, and one that has none, `kv`.
fn vault(request: &Request) -> Answer {
    match request.path.as_str() {
        "/v1/secret/data/app" => json(
            200,
            r#"{"data":{"data":{"password":"canary-of-v2","port":5432},"metadata":{"version":3,"destroyed":false}}}"#,
        ),
        "/v1/kv/app" => json(200, r#"{"data":{"password":"canary-of-v1","data":"canary-data"}}"#),
        "/v1/secret/app" => json(
            404,
            r#"{"errors":[],"warnings":["Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use."]}"#,
        ),
        "/v1/secret/data/closed" => {
            json(403, r#"{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"#)
        }
        "/v1/sys/health" => json(503, r#"{"initialized":true,"sealed":true}"#),
        _ => json(404, r#"{"errors":[]}"#),
    }
}

fn web(request: &Request) -> Answer {
    let text = |status, body: &str| Answer::Whole(status, "", body.to_owned());
    match request.path.split('?').next().unwrap_or_default() {
        "/" | "/up" => text(200, "up\n"),
        "/empty" => text(204, ""),
        "/health" => json(200, r#"{"status":"degraded","checks":{"database":"ok","cache":"down"}}"#),
        "/moved" => Answer::Whole(301, "location: https://elsewhere.test/up\r\n", String::new()),
        "/late" if request.before < 2 => text(503, "warming up\n"),
        "/late" => text(200, "ready\n"),
        "/big" => text(200, &"x".repeat((8 << 20) + 1)),
        "/broken" => Answer::Broken,
        "/never" => Answer::Never,
        "/services/T0000000/B0000000/s3cr3t" => text(404, "no_service\n"),
        path => text(404, &format!("there is no {path}\n")),
    }
}

/// A web server whose certificate an authority of its own has signed; ends with the value.
pub(crate) struct TlsServer {
    address: String,
    openssl: Child,
}

impl TlsServer {
    /// Writes the authority's certificate to `ca.pem` in the folder.
    pub(crate) fn start(folder: &Path) -> Self {
        let openssl = || {
            let mut command = Command::new("openssl");
            command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        let new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
        let authority = ["-x509", "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem"];
        let request = ["-subj", "/CN=web", "-keyout", "web.key", "-out", "web.csr"];
        let sign = ["x509", "-req", "-in", "web.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
        let names = folder.join("names.cnf");
        std::fs::write(&names, "subjectAltName=IP:127.0.0.1\n").expect("a file can be written");
        let signed = ["-extfile", "names.cnf", "-out", "web.pem"];
        for arguments in
            [[&new[..], &authority].concat(), [&new[..], &request].concat(), [&sign[..], &signed].concat()]
        {
            assert!(openssl().args(arguments).status().expect("openssl runs").success());
        }
        let address = closed_address();
        let serve = ["s_server", "-www", "-cert", "web.pem", "-key", "web.key", "-accept", &address];
        let openssl = openssl().args(serve).spawn().expect("openssl runs");
        let server = TlsServer { address, openssl };
        while TcpStream::connect(&server.address).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        // Who cannot be ended has ended.
        let _ = self.openssl.kill().and_then(|()| self.openssl.wait());
    }
}
