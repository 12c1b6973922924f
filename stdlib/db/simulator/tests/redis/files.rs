//! RDB files and payloads, between the real Redis and this one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use opsrun_db_simulator::rdb::{Parser, Part, RdbError, Reader, VERSION, Value, of_payload, payload, value};
use opsrun_db_simulator::redis::{Keyspace, Memory};
use opsrun_tests::{Redis, skip};

use crate::client::{Client, Clock, served, simulated};

/// A real server with a value of every type, in every form in which it keeps them.
async fn filled(client: &mut Client) {
    let long = "x".repeat(5000);
    let texts: Vec<String> = (0..600).map(|number| format!("item-{number}")).collect();
    let mut commands: Vec<Vec<String>> = [
        "SET text hello",
        "SET number 12345",
        "SET negative -7",
        "SET large 9223372036854775807",
        "RPUSH numbers 0 127 128 -1 4095 4096 -4096 40000 -40000 9000000 3000000000 -9223372036854775808",
        "SADD integers 1 2 300000 -5",
        "SADD wide 1 9223372036854775807",
        "SADD words a b",
        "HSET hash f1 v1 f2 -12",
        "ZADD scores 1 one 2.5 two -inf least 1e300 most",
        "SET goes soon EX 100000",
    ]
    .iter()
    .map(|line| line.split(' ').map(str::to_owned).collect())
    .collect();
    commands.push(vec!["SET".into(), "long".into(), long.clone()]);
    commands.push(vec!["RPUSH".into(), "plain".into(), long, "short".into()]);
    commands.push([vec!["RPUSH".into(), "list".into()], texts.clone()].concat());
    commands.push([vec!["SADD".into(), "set".into()], texts.clone()].concat());
    commands.push([vec!["HSET".into(), "fields".into()], texts.clone()].concat());
    let scored = texts.iter().enumerate().flat_map(|(at, text)| [at.to_string(), text.clone()]);
    commands.push(["ZADD".to_owned(), "ranks".to_owned()].into_iter().chain(scored).collect());
    for command in &commands {
        let words: Vec<&[u8]> = command.iter().map(String::as_bytes).collect();
        let answer = client.ask(&words).await;
        assert!(!answer.starts_with('-'), "{command:?}: {answer}");
    }
    client.ask(&[b"SELECT", b"3"]).await;
    client.ask(&[b"SET", b"elsewhere", b"here"]).await;
    client.ask(&[b"SELECT", b"0"]).await;
}

/// What a file is made of that comes in pieces of so many bytes.
fn parts(file: &[u8], size: usize) -> Vec<Part> {
    let mut parser = Parser::default();
    let mut parts = Vec::new();
    for piece in file.chunks(size) {
        parser.push(piece);
        while let Some(part) = parser.part().expect("it is whole") {
            parts.push(part);
        }
    }
    parser.close();
    while let Some(part) = parser.part().expect("it is whole") {
        parts.push(part);
    }
    parts
}

/// What a server has under each key, as the simulated one understands it.
async fn dumped(client: &mut Client, keys: &[String]) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for key in keys {
        let payload = client.bytes(&[b"DUMP", key.as_bytes()]).await.expect("there is such a key");
        found.insert(key.clone(), of_payload(&payload).expect("a payload"));
    }
    found
}

#[tokio::test]
async fn a_file_of_redis_is_read_and_one_of_ours_is_read_by_redis() {
    let real = match Redis::start() {
        Ok(real) => real,
        Err(missing) => return skip(missing),
    };
    let mut theirs = Client::new(real.port()).await;
    filled(&mut theirs).await;
    assert_eq!(theirs.ask(&[b"SAVE"]).await, "+OK");
    let file = std::fs::read(real.rdb()).expect("it was saved");

    let reader = Reader::new(file.as_slice());
    let mut read = BTreeMap::new();
    let mut names = Vec::new();
    for entry in reader {
        let entry = entry.expect("a key");
        let key = String::from_utf8(entry.key.clone()).expect("text");
        assert_eq!(entry.expires.is_some(), key == "goes");
        assert_eq!(entry.database, if key == "elsewhere" { 3 } else { 0 });
        if entry.database == 0 {
            names.push(key.clone());
            read.insert(key.clone(), value(&entry.value).expect("a value"));
            // What stands in the file is what RESTORE takes.
            theirs.ask(&[b"DEL", b"again"]).await;
            assert_eq!(
                theirs.ask(&[b"RESTORE", b"again", b"0", &payload(&entry.value, VERSION)]).await,
                "+OK",
                "{key}"
            );
            let again = theirs.bytes(&[b"DUMP", b"again"]).await.expect("it is there");
            assert_eq!(of_payload(&again).expect("a payload"), read[&key], "{key}");
        }
    }
    assert_eq!(names.len(), 17);
    let whole = parts(&file, file.len());
    assert_eq!(whole.len(), 18);
    for size in [1, 2, 3, 7, 100, 4096] {
        assert!(parts(&file, size) == whole, "in pieces of {size} bytes it is another one");
    }
    assert_eq!(dumped(&mut theirs, &names).await, read);

    // Into the simulated one, out of it as a file, and into another real one.
    let now = jiff::Timestamp::now();
    let (server, port) = simulated(None).await;
    server.put(Keyspace::of_rdb(now, file.as_slice()).expect("all of it is supported"));
    let mut ours = Client::new(port).await;
    assert_eq!(dumped(&mut ours, &names).await, read);
    assert_eq!(ours.ask(&[b"SAVE"]).await, "+OK");
    let again = Redis::start_with(server.rdb().as_deref()).expect("it is installed");
    let mut third = Client::new(again.port()).await;
    assert_eq!(dumped(&mut third, &names).await, read);
    third.ask(&[b"SELECT", b"3"]).await;
    assert_eq!(third.ask(&[b"GET", b"elsewhere"]).await, "\"here\"");
}

#[tokio::test]
async fn what_one_dumps_the_other_restores() {
    let real = match Redis::start() {
        Ok(real) => real,
        Err(missing) => return skip(missing),
    };
    let (_, port) = simulated(None).await;
    let (mut ours, mut theirs) = (Client::new(port).await, Client::new(real.port()).await);
    filled(&mut theirs).await;
    for key in ["text", "numbers", "integers", "hash", "scores", "list", "set", "fields", "ranks", "plain"] {
        let key = key.as_bytes();
        let payload = theirs.bytes(&[b"DUMP", key]).await.expect("a payload");
        assert_eq!(ours.ask(&[b"RESTORE", key, b"0", &payload]).await, "+OK");
        assert_eq!(
            ours.ask(&[b"RESTORE", key, b"0", &payload]).await,
            "-BUSYKEY Target key name already exists."
        );
        let back = ours.bytes(&[b"DUMP", key]).await.expect("a payload");
        assert_eq!(theirs.ask(&[b"RESTORE", b"back", b"5000", &back, b"REPLACE"]).await, "+OK");
        let again = theirs.bytes(&[b"DUMP", b"back"]).await.expect("a payload");
        assert_eq!(of_payload(&again).expect("a value"), of_payload(&payload).expect("a value"));
    }
}

/// Every byte of a file, flipped, is found; every file that is cut off is.
#[tokio::test]
async fn a_broken_file_is_found() {
    let (server, port) = simulated(None).await;
    let mut client = Client::new(port).await;
    client.ask(&[b"SET", b"key", b"value"]).await;
    client.ask(&[b"RPUSH", b"list", b"a", b"b"]).await;
    client.ask(&[b"SAVE"]).await;
    let file = server.rdb().expect("it was saved");
    let whole = |bytes: &[u8]| Reader::new(bytes).collect::<Result<Vec<_>, _>>();
    assert_eq!(whole(&file).expect("it is whole").len(), 2);
    for at in 0..file.len() {
        let mut flipped = file.clone();
        flipped[at] ^= 0x10;
        assert!(whole(&flipped).is_err(), "byte {at} was flipped, and nobody has seen it");
        assert!(whole(&file[..at]).is_err(), "it ends at byte {at}, and nobody has seen it");
    }
    let error = whole(b"PK0123456789").expect_err("it is no RDB");
    assert!(matches!(error, RdbError::NoRdb));
}

#[tokio::test]
async fn keys_go_when_their_time_has_come_and_can_be_had_as_they_were() {
    let clock = Clock::default();
    let server = Arc::new(Memory::new(clock.clone(), None, &"ab".repeat(20)));
    let mut client = Client::new(served(server.clone()).await).await;
    client.ask(&[b"SET", b"a", b"1", b"EX", b"60"]).await;
    client.ask(&[b"SET", b"b", b"1"]).await;
    let before = jiff::Timestamp::now();
    clock.0.store(59, Ordering::SeqCst);
    assert_eq!(client.ask(&[b"EXISTS", b"a", b"b"]).await, ":2");
    clock.0.store(61, Ordering::SeqCst);
    client.ask(&[b"SET", b"b", b"2"]).await;
    assert_eq!(client.ask(&[b"EXISTS", b"a", b"b"]).await, ":1");
    let then = server.get().at(before);
    let text = |keys: &Keyspace, key: &[u8]| keys.get(before, 0, key).map(|held| held.value.as_ref().clone());
    assert_eq!(text(&then, b"a"), Some(Value::String(b"1".to_vec())));
    assert_eq!(text(&then, b"b"), Some(Value::String(b"1".to_vec())));
}
