//! A client that shows what it is answered, and a served simulated server.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use opsrun_db_simulator::redis::{Memory, Surroundings, serve};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// The machine's time, and so many seconds more.
#[derive(Clone, Default)]
pub(crate) struct Clock(pub(crate) Arc<AtomicI64>);

impl Surroundings for Clock {
    fn now(&self) -> Timestamp {
        let later = self.0.load(Ordering::SeqCst) * 1000;
        Timestamp::from_millisecond(Timestamp::now().as_millisecond() + later).unwrap()
    }
}

pub(crate) type Simulated = Arc<Memory<Clock>>;

pub(crate) async fn simulated(password: Option<&str>) -> (Simulated, u16) {
    let server = Arc::new(Memory::new(Clock::default(), password, &"ab".repeat(20)));
    let port = served(server.clone()).await;
    (server, port)
}

pub(crate) async fn served(server: Simulated) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, server.clone()));
        }
    });
    port
}

pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) async fn new(port: u16) -> Self {
        Client(BufReader::new(TcpStream::connect(("127.0.0.1", port)).await.unwrap()))
    }

    async fn send(&mut self, words: &[&[u8]]) {
        let mut out = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            out.extend_from_slice(word);
            out.extend_from_slice(b"\r\n");
        }
        self.0.get_mut().write_all(&out).await.unwrap();
    }

    /// The answer as text; sets and the keys of a database come in any order, and are sorted.
    pub(crate) async fn ask(&mut self, words: &[&[u8]]) -> String {
        self.send(words).await;
        let answer = self.read().await;
        let name = String::from_utf8_lossy(words[0]).to_ascii_lowercase();
        let unordered = ["smembers", "sunion", "sinter", "sdiff", "keys", "hkeys", "hvals", "hgetall"];
        match answer.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
            Some(inner) if unordered.contains(&name.as_str()) => {
                let mut items: Vec<&str> = inner.split(", ").collect();
                items.sort_unstable();
                format!("[{}]", items.join(", "))
            }
            _ => answer,
        }
    }

    /// The bytes of an answer that is a string.
    pub(crate) async fn bytes(&mut self, words: &[&[u8]]) -> Option<Vec<u8>> {
        self.send(words).await;
        let line = self.line().await;
        let length: usize = line.strip_prefix('$')?.parse().ok()?;
        Some(self.exactly(length).await)
    }

    async fn exactly(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length + 2];
        self.0.read_exact(&mut bytes).await.unwrap();
        bytes.truncate(length);
        bytes
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        line.trim_end().to_owned()
    }

    fn read(&mut self) -> std::pin::Pin<Box<dyn Future<Output = String> + '_>> {
        Box::pin(async move {
            let line = self.line().await;
            let (kind, rest) = line.split_at(1);
            match (kind, rest) {
                ("$", "-1") | ("*", "-1") | ("_", "") => "nil".to_owned(),
                ("$", length) => {
                    let bytes = self.exactly(length.parse().unwrap()).await;
                    format!("\"{}\"", bytes.escape_ascii())
                }
                ("*" | "~" | "%", count) => {
                    let count: usize = count.parse().unwrap();
                    let mut items = Vec::new();
                    for _ in 0..(if kind == "%" { count * 2 } else { count }) {
                        items.push(self.read().await);
                    }
                    format!("{}[{}]", kind.trim_start_matches('*'), items.join(", "))
                }
                _ => line,
            }
        })
    }
}
