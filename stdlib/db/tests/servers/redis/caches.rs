//! Two servers of Redis for one test: one with something of everything, and an empty one that the target calls `spare`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use opsrun_core::Value;
use opsrun_db_simulator::rdb::{self, of_payload};
use opsrun_tests::{Redis, skip};
use serde_json::json;

use crate::stage::Stage;

/// Runs reach the full one as the target's own.
pub(crate) struct Caches {
    pub(crate) stage: Stage,
    /// The full one and the empty one; without them, they are an estate's.
    servers: Option<(Redis, Redis)>,
}

/// Plays `body` on two real servers, and on two of an estate.
pub(crate) fn on_caches(body: impl Fn(&Caches)) {
    on_real_caches("", &body);
    let url = |port: u16| format!("redis://127.0.0.1:{port}");
    let section = json!({ "url": url(6379), "servers": { "spare": { "url": url(6380) } } });
    let many: BTreeMap<String, String> =
        (0..300).map(|n| (format!("field-{n}"), format!("value-{n}"))).collect();
    let items: Vec<String> = (0..300).map(|n| format!("item-{n}")).collect();
    let of_estate = json!({
        "127.0.0.1:6379": { "databases": {
            "0": {
                "text": "hello", "number": 12345, "empty": "", "long": "x".repeat(5000),
                "session:1": "one", "session:2": { "hash": { "user": "anna", "visits": 3 }, "ttl": "1h" },
                "list": { "list": items.clone() }, "short": { "list": [1, "two"] },
                "set": { "set": items }, "numbers": { "set": [1, 2, 300_000] },
                "hash": { "hash": many }, "scores": { "zset": { "one": 1, "half": 0.5 } },
                "soon": { "string": "gone", "ttl": "10d" },
            },
            "9": { "elsewhere": "here", "session:9": "nine" },
        } },
        "127.0.0.1:6380": {},
    });
    body(&Caches { stage: Stage::on_estate("redis", section, of_estate), servers: None });
}

/// The same on two real servers alone; the empty one has these lines in its configuration.
pub(crate) fn on_real_caches(lines: &str, body: impl Fn(&Caches)) {
    let (full, spare) = match (Redis::guarded("maxmemory-policy allkeys-lru"), Redis::guarded(lines)) {
        (Ok(full), Ok(spare)) => (full, spare),
        (Err(missing), _) | (_, Err(missing)) => return skip(missing),
    };
    fill(&mut Wire::to(&full));
    let of =
        |server: &Redis| json!({ "url": format!("redis://{}", server.host()), "password": "env:PASSWORD" });
    let mut section = of(&full);
    section["servers"] = json!({ "spare": of(&spare) });
    let stage = Stage::new("redis", section, Redis::PASSWORD);
    body(&Caches { stage, servers: Some((full, spare)) });
}

/// A value of every type, in every form in which Redis keeps them.
fn fill(wire: &mut Wire) {
    let mut lines: Vec<String> = [
        "SET text hello",
        "SET number 12345",
        "SET negative -7",
        "SET large 9223372036854775807",
        "RPUSH numbers 0 127 128 -1 4095 4096 -4096 40000 9000000 3000000000 -9223372036854775808",
        "SADD integers 1 2 300000 -5",
        "SADD words a b",
        "HSET hash f1 v1 f2 -12",
        "ZADD scores 1 one 2.5 two -inf least 1e300 most",
        "SET session:1 one",
        "HSET session:2 user anna visits 3",
        "EXPIRE session:2 3600",
        "SET soon gone",
        "PEXPIREAT soon 4102444800123",
        "XADD events 1-1 kind created id 7",
        "XADD events 1-2 kind changed id 7",
        "XADD events 2-1 other field",
        "XGROUP CREATE events readers 0",
        "XREADGROUP GROUP readers one COUNT 2 STREAMS events >",
        "XACK events readers 1-1",
        "XDEL events 1-2",
        "PFADD visitors a b c",
        "SETBIT bits 1000 1",
        "GEOADD places 13.4 52.5 Berlin",
    ]
    .map(str::to_owned)
    .to_vec();
    let long = "x".repeat(5000);
    let noise: String =
        (0..20_000_u32).map(|n| char::from(b'!' + u8::try_from(n * n % 89).unwrap())).collect();
    lines.push(format!("SET long {long}"));
    lines.push(format!("SET noise {noise}"));
    lines.push(format!("RPUSH plain {long} short {noise}"));
    for n in 0..600 {
        lines.push(format!("RPUSH list item-{n}"));
        lines.push(format!("SADD set item-{n}"));
        lines.push(format!("HSET fields field-{n} value-{n}"));
        lines.push(format!("ZADD ranks {n}.5 item-{n}"));
        lines.push(format!("XADD stream {n}-1 n {n}"));
    }
    for line in lines {
        wire.ask(&line.split(' ').map(str::as_bytes).collect::<Vec<_>>());
    }
    wire.ask(&[b"SET", b"empty", b""]);
    wire.ask(&[b"SET", &[0, 255, 13, 10, 7], &[1, 2, 0, 10, 13, 200]]);
    let library = b"#!lua name=counters\nredis.register_function('up', function(keys) return redis.call('INCR', keys[1]) end)";
    wire.ask(&[b"FUNCTION", b"LOAD", library]);
    wire.ask(&[b"SELECT", b"9"]);
    wire.ask(&[b"SET", b"elsewhere", b"here"]);
    wire.ask(&[b"SET", b"session:9", b"nine"]);
}

/// What is at a key: as `DUMP` gives it, where that has one form alone; and when it ends.
pub(crate) type State = BTreeMap<String, String>;

impl Caches {
    /// What the full one has.
    pub(crate) fn full(&self) -> State {
        self.state(6379, self.servers.as_ref().map(|(full, _)| full))
    }

    /// What the empty one has now.
    pub(crate) fn spare(&self) -> State {
        self.state(6380, self.servers.as_ref().map(|(_, spare)| spare))
    }

    pub(crate) fn real(&self) -> Option<&(Redis, Redis)> {
        self.servers.as_ref()
    }

    fn state(&self, port: u16, real: Option<&Redis>) -> State {
        match real {
            Some(server) => Wire::to(server).state(),
            None => {
                let begins = format!("127.0.0.1:{port}/");
                let all = self.stage.snapshot().into_iter().filter_map(|(name, value)| {
                    let (_, name) = name.split_once(&begins)?;
                    Some((name.to_owned(), value.to_string()))
                });
                all.collect()
            }
        }
    }

    /// Takes the functions of the empty one away, if it has some and that is wanted.
    pub(crate) fn clear_functions(&self, wanted: bool) {
        if let Some((_, spare)) = self.servers.as_ref().filter(|_| wanted) {
            Wire::to(spare).ask(&[b"FUNCTION", b"FLUSH"]);
        }
    }

    /// A call, for the server that the target calls `spare`.
    pub(crate) fn on_spare(&self, path: &str, mut arguments: Value) -> crate::stage::Done {
        arguments["server"] = json!("spare");
        self.stage.call(path, &arguments)
    }

    /// Takes a snapshot of the full one, and gives it.
    #[track_caller]
    pub(crate) fn snapshot(&self) -> Vec<u8> {
        self.stage.call("redis::snapshot", &json!({ "file": "cache.rdb" })).value();
        std::fs::read(self.stage.folder().join("cache.rdb")).unwrap()
    }

    pub(crate) fn write(&self, file: &str, content: &[u8]) {
        std::fs::write(self.stage.folder().join(file), content).unwrap();
    }
}

/// A connection to a real server that says what it is told.
pub(crate) struct Wire(BufReader<TcpStream>);

impl Wire {
    pub(crate) fn to(server: &Redis) -> Self {
        let mut wire = Wire(BufReader::new(TcpStream::connect(server.host()).unwrap()));
        wire.ask(&[b"AUTH", Redis::PASSWORD.as_bytes()]);
        wire
    }

    /// The strings and numbers of the answer, one after the other.
    #[track_caller]
    pub(crate) fn ask(&mut self, words: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut out = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            out.extend_from_slice(word);
            out.extend_from_slice(b"\r\n");
        }
        self.0.get_mut().write_all(&out).unwrap();
        let mut found = Vec::new();
        let mut left = 1;
        while left > 0 {
            left -= 1;
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            let (kind, rest) = line.trim_end().split_at(1);
            match (kind, rest.parse::<usize>()) {
                ("-", _) => panic!("{}: {rest}", words[0].escape_ascii()),
                ("*", Ok(count)) => left += count,
                ("$", Ok(length)) => {
                    let mut bytes = vec![0; length + 2];
                    self.0.read_exact(&mut bytes).unwrap();
                    bytes.truncate(length);
                    found.push(bytes);
                }
                _ => found.push(rest.as_bytes().to_vec()),
            }
        }
        found
    }

    fn state(&mut self) -> State {
        let mut all = State::new();
        for database in 0..16 {
            self.ask(&[b"SELECT", database.to_string().as_bytes()]);
            for key in self.ask(&[b"KEYS", b"*"]) {
                let dump = self.ask(&[b"DUMP", &key]).remove(0);
                let ends = self.ask(&[b"PEXPIRETIME", &key]).remove(0);
                // A table of a server is in no order.
                let value = match dump[0] {
                    2 | 4 => format!("{:?}", of_payload(&dump).unwrap()),
                    _ => dump.escape_ascii().to_string(),
                };
                all.insert(
                    format!("{database} {}", key.escape_ascii()),
                    format!("{value} until {}", ends.escape_ascii()),
                );
            }
        }
        let functions: Vec<String> = self
            .ask(&[b"FUNCTION", b"LIST", b"WITHCODE"])
            .iter()
            .map(|part| part.escape_ascii().to_string())
            .collect();
        if !functions.is_empty() {
            all.insert("functions".to_owned(), functions.join(" "));
        }
        all
    }
}

/// The file with another version, and the checksum that it has then.
pub(crate) fn of_version(file: &[u8], version: u16) -> Vec<u8> {
    let mut file = file[..file.len() - 8].to_vec();
    file[5..9].copy_from_slice(format!("{version:04}").as_bytes());
    sealed(file)
}

/// With its checksum behind it.
pub(crate) fn sealed(mut file: Vec<u8>) -> Vec<u8> {
    let sum = crc(&file);
    file.extend_from_slice(&sum.to_le_bytes());
    file
}

/// By what a payload has at its end, as there is no other way to it.
fn crc(bytes: &[u8]) -> u64 {
    let (body, version) = bytes.split_at(bytes.len() - 2);
    let payload = rdb::payload(body, u16::from_le_bytes([version[0], version[1]]));
    u64::from_le_bytes(payload[payload.len() - 8..].try_into().unwrap())
}
