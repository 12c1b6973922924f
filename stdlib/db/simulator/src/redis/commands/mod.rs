//! The commands: who may give one, with how many words, and what it comes to.

mod hashes;
mod keys;
mod lists;
mod server;
mod sets;
mod sorted;
mod strings;
mod transactions;

use std::sync::Arc;

use jiff::Timestamp;

use super::keyspace::{Held, Keyspace};
use super::pattern::matches;
use super::resp::Reply;
use super::server::Server;
use crate::rdb::Value;

/// What a connection has said of itself.
pub(super) struct Session {
    pub(super) version: u8,
    /// The connection ends after this answer.
    pub(super) over: bool,
    database: u64,
    authenticated: bool,
    name: Vec<u8>,
    /// Since `MULTI`.
    queued: Option<Queued>,
    /// Since `WATCH`: how much had become of the keys then, and which are watched.
    watched: Vec<(usize, u64, Vec<u8>)>,
}

/// What waits for `EXEC`.
#[derive(Default)]
struct Queued {
    requests: Vec<Vec<Vec<u8>>>,
    /// One of them cannot be.
    refused: bool,
}

impl Session {
    pub(super) fn new(authenticated: bool) -> Self {
        Session {
            version: 2,
            over: false,
            database: 0,
            authenticated,
            name: Vec::new(),
            queued: None,
            watched: Vec::new(),
        }
    }
}

type Words<'w> = &'w [Vec<u8>];
type Run = fn(&mut Call<'_>, Words<'_>) -> Result<Reply, String>;

/// A command: its name, how many words it has with its name (at least so many where it is negative), whether it writes.
struct Command {
    name: &'static str,
    words: i64,
    writes: bool,
    run: Run,
}

const fn reads(name: &'static str, words: i64, run: Run) -> Command {
    Command { name, words, writes: false, run }
}

const fn writes(name: &'static str, words: i64, run: Run) -> Command {
    Command { name, words, writes: true, run }
}

fn all() -> impl Iterator<Item = &'static Command> {
    [
        strings::COMMANDS,
        keys::COMMANDS,
        hashes::COMMANDS,
        lists::COMMANDS,
        sets::COMMANDS,
        sorted::COMMANDS,
        server::COMMANDS,
        transactions::COMMANDS,
    ]
    .into_iter()
    .flatten()
}

/// Commands that may be given before `AUTH`.
const OPEN: &[&str] = &["auth", "hello", "quit", "reset"];

/// Commands that are not put off by `MULTI`.
const AT_ONCE: &[&str] = &["exec", "discard", "multi", "watch", "quit", "reset"];

/// What a request comes to.
pub(super) fn run(server: &dyn Server, session: &mut Session, request: Words<'_>) -> Reply {
    match answered(server, session, request) {
        Ok(reply) => reply,
        Err(text) => Reply::Error(text),
    }
}

fn answered(server: &dyn Server, session: &mut Session, request: Words<'_>) -> Result<Reply, String> {
    let command = match admitted(server, session, request) {
        Ok(command) => command,
        Err(refused) => {
            session.queued.iter_mut().for_each(|queued| queued.refused = true);
            return Err(refused);
        }
    };
    if let Some(queued) = session.queued.as_mut().filter(|_| !AT_ONCE.contains(&command.name)) {
        queued.requests.push(request.to_vec());
        return Ok(Reply::Simple("QUEUED"));
    }
    let mut result = Err("ERR the server did not look at its keys".to_owned());
    server.keys(&mut |now, keys| {
        let mut call = Call { server, session, now, keys };
        result = (command.run)(&mut call, &request[1..]);
    })?;
    result
}

/// The command of a request, if it may be given.
fn admitted(server: &dyn Server, session: &Session, request: Words<'_>) -> Result<&'static Command, String> {
    let name = lower(&request[0]);
    let Some(command) = all().find(|command| command.name == name) else {
        let words: Vec<String> =
            request[1..].iter().map(|word| format!("'{}' ", String::from_utf8_lossy(word))).collect();
        let given = String::from_utf8_lossy(&request[0]).into_owned();
        return Err(format!("ERR unknown command '{given}', with args beginning with: {}", words.concat()));
    };
    let count = i64::try_from(request.len()).unwrap_or(i64::MAX);
    if (command.words >= 0 && count != command.words) || count < -command.words {
        return Err(format!("ERR wrong number of arguments for '{name}' command"));
    }
    if !session.authenticated && !OPEN.contains(&command.name) {
        return Err("NOAUTH Authentication required.".to_owned());
    }
    if command.writes && server.is_replica() {
        return Err("READONLY You can't write against a read only replica.".to_owned());
    }
    Ok(command)
}

/// A command that is being run.
struct Call<'c> {
    server: &'c dyn Server,
    session: &'c mut Session,
    now: Timestamp,
    keys: &'c mut Keyspace,
}

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
const SYNTAX: &str = "ERR syntax error";
const NO_INTEGER: &str = "ERR value is not an integer or out of range";
const NO_FLOAT: &str = "ERR value is not a valid float";

impl Call<'_> {
    fn held(&self, key: &[u8]) -> Option<&Held> {
        self.keys.get(self.now, self.session.database, key)
    }

    fn value(&self, key: &[u8]) -> Option<&Value> {
        self.held(key).map(|held| &*held.value)
    }

    /// Another value in the place of what the key has; an empty one takes it away. Its expiry stays.
    fn keep(&mut self, key: &[u8], value: Value) {
        let expires = self.held(key).and_then(|held| held.expires);
        let held = (!value.is_empty()).then(|| Held { value: Arc::new(value), expires });
        self.put(key, held);
    }

    fn put(&mut self, key: &[u8], held: Option<Held>) -> Option<Held> {
        self.keys.set(self.now, self.session.database, key, held)
    }
}

fn lower(word: &[u8]) -> String {
    String::from_utf8_lossy(word).to_ascii_lowercase()
}

fn is(word: &[u8], wanted: &str) -> bool {
    word.eq_ignore_ascii_case(wanted.as_bytes())
}

fn integer(word: &[u8]) -> Result<i64, String> {
    let text = std::str::from_utf8(word).ok().filter(|text| !text.starts_with('+'));
    text.and_then(|text| text.parse().ok()).ok_or_else(|| NO_INTEGER.to_owned())
}

fn float(word: &[u8]) -> Result<f64, String> {
    let text = std::str::from_utf8(word).ok().map(|text| text.trim_start_matches('+'));
    let number = text.and_then(|text| text.parse::<f64>().ok()).filter(|number| !number.is_nan());
    number.ok_or_else(|| NO_FLOAT.to_owned())
}

fn count(count: usize) -> Reply {
    Reply::Number(i64::try_from(count).unwrap_or(i64::MAX))
}

fn truth(is: bool) -> Reply {
    Reply::Number(i64::from(is))
}

fn bulk(bytes: &[u8]) -> Reply {
    Reply::Bulk(bytes.to_vec())
}

fn bulks<'b>(items: impl IntoIterator<Item = &'b Vec<u8>>) -> Vec<Reply> {
    items.into_iter().map(|item| bulk(item)).collect()
}

/// A part of so many items, from one place to another, which count from the end where they are negative.
fn part(length: usize, from: i64, to: i64) -> std::ops::Range<usize> {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let place = |at: i64| if at < 0 { (at + length).max(0) } else { at };
    let (from, to) = (place(from), if to < 0 { to + length } else { to.min(length - 1) });
    if from > to || from >= length {
        return 0..0;
    }
    usize::try_from(from).unwrap_or(0)..usize::try_from(to + 1).unwrap_or(0)
}
