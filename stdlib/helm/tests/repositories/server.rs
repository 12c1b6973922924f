//! A server on this machine that answers as a test wants it, well or badly.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// With the query.
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
}

/// What is answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    content: Vec<u8>,
    /// Says so many bytes, whatever comes.
    announced: Option<usize>,
    /// Goes on with the content for ever.
    endless: bool,
}

impl Reply {
    pub(crate) fn ok(content: impl Into<Vec<u8>>) -> Self {
        Reply { status: 200, content: content.into(), ..Reply::default() }
    }

    pub(crate) fn status(status: u16) -> Self {
        Reply { status, ..Reply::default() }
    }

    pub(crate) fn to(location: impl Into<String>) -> Self {
        Reply::status(302).header("Location", &location.into())
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn saying(self, text: &str) -> Self {
        Reply { content: text.into(), ..self }
    }

    pub(crate) fn announcing(self, bytes: usize) -> Self {
        Reply { announced: Some(bytes), ..self }
    }

    pub(crate) fn endless(self) -> Self {
        Reply { endless: true, ..self }
    }
}

/// It listens as long as the test program runs.
pub(crate) struct Server {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// `answer` is also given `127.0.0.1:PORT`.
    pub(crate) fn start(answer: impl Fn(&Asked, &str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let (answer, known, host) = (Arc::new(answer), asked.clone(), format!("127.0.0.1:{port}"));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, known, host) = (answer.clone(), known.clone(), host.clone());
                std::thread::spawn(move || {
                    if let Some(asked) = read(&stream) {
                        known.lock().unwrap().push(asked.clone());
                        // Who does not read to the end hangs up, which is what some tests are about.
                        let _ = write(&stream, &answer(&asked, &host));
                    }
                });
            }
        });
        Server { port, asked }
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.host())
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let path = words.nth(1)?.to_owned();
    let (mut authorization, mut length) = (None, 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => authorization = Some(value.to_owned()),
            "content-length" => length = value.parse().ok()?,
            _ => {}
        }
    }
    reader.read_exact(&mut vec![0; length]).ok()?;
    Some(Asked { path, authorization })
}

fn write(mut stream: &TcpStream, reply: &Reply) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Said\r\nConnection: close\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !reply.endless {
        head.push_str(&format!("Content-Length: {}\r\n", reply.announced.unwrap_or(reply.content.len())));
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    loop {
        stream.write_all(&reply.content)?;
        if !reply.endless {
            return Ok(());
        }
    }
}
