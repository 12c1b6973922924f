//! An API server of one kind, ConfigMaps, that knows nobody but who bears the right token, below any path.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// It serves until the test's process ends.
pub(crate) struct Server {
    address: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    token: String,
    /// `GET /api/v1/…` and who asked, of every request.
    seen: Vec<(String, String)>,
}

impl Server {
    pub(crate) fn that_accepts(token: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Mutex::new(State { token: token.to_owned(), seen: Vec::new() }));
        let shared = state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || serve(client, &shared));
            }
        });
        Server { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn accept(&self, token: &str) {
        self.state.lock().unwrap().token = token.to_owned();
    }

    /// The paths that were asked for since the last time, and the tokens.
    pub(crate) fn seen(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.state.lock().unwrap().seen)
    }
}

fn serve(mut client: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(client.try_clone().unwrap());
    let (mut path, mut token) = (String::new(), String::new());
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
        let text = line.trim_end().to_owned();
        line.clear();
        if let Some(rest) = text.strip_prefix("GET ") {
            path = rest.split(' ').next().unwrap_or_default().to_owned();
        } else if let Some(bearer) = text.strip_prefix("authorization: Bearer ") {
            token = bearer.to_owned();
        } else if text.is_empty() {
            let knows = {
                let mut state = state.lock().unwrap();
                state.seen.push((std::mem::take(&mut path), token.clone()));
                state.token == std::mem::take(&mut token)
            };
            let asked = state.lock().unwrap().seen.last().cloned().unwrap_or_default().0;
            let (status, body) = if knows { answer(&asked) } else { (401, status(401, "Unauthorized")) };
            let body = body.to_string();
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}",
                body.len()
            );
            // The client may have gone; then it has its answer.
            let _ = write!(client, "{head}\r\n\r\n{body}");
        }
    }
}

fn answer(path: &str) -> (u16, Value) {
    let path = path.split('?').next().unwrap_or_default();
    let resources = json!([{ "resource": "configmaps", "singularResource": "configmap", "scope": "Namespaced",
        "responseKind": { "group": "", "version": "v1", "kind": "ConfigMap" }, "verbs": ["get"] }]);
    let discovery = |items: Value| json!({ "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": items });
    match path {
        _ if path.ends_with("/api") => (
            200,
            discovery(json!([{ "metadata": {}, "versions": [{ "version": "v1", "resources": resources }] }])),
        ),
        _ if path.ends_with("/apis") => (200, discovery(json!([]))),
        _ if path.ends_with("/configmaps/settings") => {
            (200, json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings" } }))
        }
        _ => (404, status(404, "not found")),
    }
}

fn status(code: u16, message: &str) -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code })
}
