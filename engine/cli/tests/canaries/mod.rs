//! Canaries: values that stand out, whoever may get them, and the search for them in all forms.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A secret that must be found nowhere.
#[derive(Debug, Clone)]
pub(crate) struct Canary {
    pub reference: String,
    pub value: String,
}

impl Canary {
    /// Addresses of hooks at `receiver`, each with letters that encodings change.
    pub(crate) fn one_for_each_scheme(receiver: &str) -> Vec<Canary> {
        [
            ("env:SLACK_URL", "env"),
            ("file:secrets/hook.txt", "file"),
            ("command:cat secrets/of-command.txt", "command"),
            ("vault:secret/data/hooks#url", "vault"),
            ("k8s:workflow-test/hooks#url", "k8s"),
            ("plain", "plain"),
        ]
        .into_iter()
        .map(|(reference, name)| Canary {
            reference: reference.to_owned(),
            value: format!("http://{receiver}/services/T0/{name}-kZ9(can'ary)&~x=Q7*{name}!end"),
        })
        .collect()
    }
}

impl Canary {
    /// What a parameter is given: the reference, or the value itself.
    pub(crate) fn given(&self) -> String {
        if self.reference == "plain" { self.value.clone() } else { self.reference.clone() }
    }
}

/// How the secret part of `value`, what is behind its last slash, stands in the text, if it does.
pub(crate) fn leak(text: &str, value: &str) -> Option<&'static str> {
    let secret = value.rsplit('/').next().unwrap();
    let squeezed: String = text.replace("\\n", "").chars().filter(|letter| !letter.is_whitespace()).collect();
    for text in [text, &squeezed] {
        let lower = text.to_lowercase();
        let has = |part: &str| text.contains(part);
        // Long enough to be no chance, short enough that half a secret is found.
        let pieces: Vec<&str> = (0..=secret.len() - 12).map(|from| &secret[from..from + 12]).collect();
        if pieces.iter().any(|piece| has(piece)) {
            return Some("as it is");
        }
        if pieces.iter().any(|piece| lower.contains(&hex(piece))) {
            return Some("in hexadecimal digits");
        }
        if pieces.iter().any(|piece| lower.contains(&percent(piece).to_lowercase())) {
            return Some("percent-encoded");
        }
        if pieces.iter().any(|piece| has(&json(piece)) || has(&json(&json(piece)))) {
            return Some("in JSON");
        }
        for url in [false, true] {
            if (0..3).any(|before| has(&base64_middle(secret.as_bytes(), before, url))) {
                return Some("in base64");
            }
        }
    }
    None
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

fn json(text: &str) -> String {
    text.replace('&', "\\u0026").replace('\'', "\\u0027")
}

/// The letters that twelve bytes from the middle alone decide, where so many bytes are before them in their group of three.
fn base64_middle(bytes: &[u8], before: usize, url: bool) -> String {
    let letters: &[u8; 64] = match url {
        false => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        true => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
    };
    // Where bytes stand behind `before` others, groups of three begin so many bytes later.
    let from = (3 - before) % 3;
    let middle = &bytes[from + 3..from + 12];
    let groups =
        middle.chunks(3).map(|group| group.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte)));
    groups.flat_map(|bits| [18, 12, 6, 0].map(|shift| char::from(letters[bits >> shift & 63]))).collect()
}

/// A web server that takes messages at its hooks, and is a Vault, too; it remembers every request.
pub(crate) struct Receiver {
    address: String,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    /// The first line, the headers and the body of each request.
    requests: Vec<(String, BTreeMap<String, String>, String)>,
    vault: String,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = seen.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let seen = shared.clone();
                // The client may have gone; then it has its answer.
                std::thread::spawn(move || drop(serve(client, &seen)));
            }
        });
        Receiver { address, seen }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn serve_as_vault(&self, value: &str) {
        value.clone_into(&mut self.seen.lock().unwrap().vault);
    }

    /// The first lines of all requests.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().requests.iter().map(|(first, ..)| first.clone()).collect()
    }

    /// The addresses of the hooks to which messages came.
    pub(crate) fn told(&self) -> Vec<String> {
        let requests = self.requests();
        let hooks = requests.iter().filter_map(|first| first.strip_prefix("POST "));
        hooks.map(|path| format!("http://{}{}", self.address, path.split(' ').next().unwrap())).collect()
    }

    /// The tokens that the Vault was asked with.
    pub(crate) fn tokens_of_vault(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.requests.iter().filter_map(|(_, headers, _)| headers.get("x-vault-token").cloned()).collect()
    }

    /// What was sent: without the path of a hook, which is meant to be there, and without the token that Vault is asked with.
    pub(crate) fn beside_the_hooks(&self) -> Vec<(String, String)> {
        let seen = self.seen.lock().unwrap();
        let requests = seen.requests.iter().map(|(first, headers, body)| {
            let first = if first.starts_with("POST /services/") { "POST" } else { first };
            let headers = headers.iter().filter(|(name, _)| *name != "x-vault-token");
            let headers: Vec<String> = headers.map(|(name, value)| format!("{name}: {value}")).collect();
            (format!("a request: {first}"), format!("{first}\n{}\n{body}", headers.join("\n")))
        });
        requests.collect()
    }
}

fn serve(mut client: TcpStream, seen: &Mutex<Seen>) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut headers = BTreeMap::new();
        let mut line = String::new();
        while reader.read_line(&mut line)? > 2 {
            if let Some((name, value)) = line.split_once(':') {
                headers.insert(name.to_lowercase(), value.trim().to_owned());
            }
            line.clear();
        }
        let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or_default();
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let answer = {
            let mut seen = seen.lock().unwrap();
            let answer = match first.starts_with("GET /v1/secret/data/hooks ") {
                true => serde_json::json!({ "data": { "data": { "url": seen.vault }, "metadata": { "version": 1 } } }).to_string(),
                false => "ok".to_owned(),
            };
            let body = String::from_utf8_lossy(&body).into_owned();
            seen.requests.push((first.trim().to_owned(), headers, body));
            answer
        };
        write!(client, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}", answer.len())?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_leak_is_found() {
        let value = &Canary::one_for_each_scheme("127.0.0.1:1")[0].value;
        let secret = value.rsplit('/').next().unwrap();
        let encode = |bytes: &[u8]| -> String { (0..3).map(|_| base64_middle(bytes, 0, false)).collect() };
        assert!(!encode(secret.as_bytes()).is_empty());
        for (text, form) in [
            (value.clone(), "as it is"),
            (format!("half of it: {}", &secret[8..22]), "as it is"),
            (format!("folded:\n  {}\n  {}", &secret[..9], &secret[9..]), "as it is"),
            (hex(secret), "in hexadecimal digits"),
            (hex(secret).to_uppercase(), "in hexadecimal digits"),
            (percent(secret), "percent-encoded"),
            (json(secret), "as it is"),
            (format!("{}\n{}", &base64(secret, "")[..20], &base64(secret, "")[20..]), "in base64"),
            (base64(secret, "x"), "in base64"),
            (base64(secret, "xy"), "in base64"),
        ] {
            assert_eq!(leak(&text, value), Some(form), "{text}");
        }
        assert_eq!(leak("‹env:SLACK_URL› is not env-kZ9 and not Q7", value), None);
    }

    /// Of the text behind `before`, by the program that everybody has.
    fn base64(text: &str, before: &str) -> String {
        let bytes: Vec<u8> = before.bytes().chain(text.bytes()).collect();
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let groups = bytes
            .chunks_exact(3)
            .map(|group| group.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte)));
        groups.flat_map(|bits| [18, 12, 6, 0].map(|shift| char::from(letters[bits >> shift & 63]))).collect()
    }
}
