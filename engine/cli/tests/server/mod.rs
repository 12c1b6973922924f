//! Servers that are as bad as they come: one that nobody listens at, and one that knows nobody.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

/// Answers every request with 401, as an API server does when a token has expired, until the test's process ends.
pub(crate) struct Server {
    address: String,
}

impl Server {
    pub(crate) fn that_accepts_no_credentials() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address").to_string();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                std::thread::spawn(move || refuse(client));
            }
        });
        Server { address }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

/// An address at which nobody listens.
pub(crate) fn closed_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it has an address").to_string()
}

fn refuse(mut client: TcpStream) {
    let mut reader = BufReader::new(client.try_clone().expect("a socket can be shared"));
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
        if line == "\r\n" {
            let body = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#;
            let head = "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json";
            // The client may have gone; then it has its answer.
            let _ = write!(client, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        }
        line.clear();
    }
}
