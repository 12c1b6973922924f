//! Stands before a server that speaks CloudWatch's JSON, and speaks CBOR to whoever asks.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // it is a server

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

use opsrun_aws_simulator::cbor;
use opsrun_core::Value;

/// Its address; it goes with the test program.
pub(crate) fn before(endpoint: &str) -> String {
    let host = endpoint.trim_start_matches("http://").to_owned();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", socket.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in socket.incoming() {
            translate(connection.unwrap(), &host);
        }
    });
    address
}

/// One request of a connection, which then ends.
fn translate(mut from: TcpStream, host: &str) {
    let (head, body) = message(&mut BufReader::new(&from));
    let Some(first) = head.first() else { return };
    let operation = first.split("/operation/").nth(1).unwrap_or_else(|| panic!("{head:?}"));
    let operation = operation.split(' ').next().unwrap();
    let signature = head.iter().find(|line| line.to_ascii_lowercase().starts_with("authorization:")).unwrap();
    let input = cbor::read(&body).unwrap().to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{signature}\r\nContent-Type: application/x-amz-json-1.0\r\n\
         X-Amz-Target: GraniteServiceVersion20100801.{operation}\r\nContent-Length: {}\r\n\r\n{input}",
        input.len()
    );
    let mut server = TcpStream::connect(host).unwrap();
    server.write_all(request.as_bytes()).unwrap();
    let (head, body) = message(&mut BufReader::new(server));
    let content: Value = serde_json::from_slice(&body).unwrap();
    let body = cbor::write(&meant("", content));
    let answer = format!(
        "{}\r\nConnection: close\r\nsmithy-protocol: rpc-v2-cbor\r\nContent-Type: application/cbor\r\nContent-Length: {}\r\n\r\n",
        head[0],
        body.len()
    );
    from.write_all(answer.as_bytes()).unwrap();
    from.write_all(&body).unwrap();
}

/// The lines of its head, and its body.
fn message(from: &mut impl BufRead) -> (Vec<String>, Vec<u8>) {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        if line.trim_end().is_empty() {
            break;
        }
        head.push(line.trim_end().to_owned());
    }
    let length = head
        .iter()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:").map(str::to_owned));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    from.read_exact(&mut body).unwrap();
    (head, body)
}

/// JSON has numbers for times, and writes some fractions as whole numbers.
fn meant(name: &str, content: Value) -> Value {
    match content {
        Value::Object(members) => {
            members.into_iter().map(|(name, content)| (name.clone(), meant(&name, content))).collect()
        }
        Value::Array(items) => items.into_iter().map(|item| meant(name, item)).collect(),
        Value::Number(number) if name.contains("Timestamp") => {
            let span = jiff::SignedDuration::from_secs_f64(number.as_f64().unwrap());
            jiff::Timestamp::from_duration(span).unwrap().to_string().into()
        }
        Value::Number(number) if ["Threshold", "Values"].contains(&name) => number.as_f64().unwrap().into(),
        other => other,
    }
}
