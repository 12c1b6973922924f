//! A snapshot's way back into a server: each value as it stands in the file is given to `RESTORE`, which takes what `DUMP` gives.
//!
//! A server takes keys one by one, and gives none of them back. So all of a snapshot is read before anything is written ([`preflight`]), and read once
//! more then ([`bring_back`]); neither holds more of it than one value.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::TryStreamExt;
use opsrun_core::{Content, Cx, Error, ErrorKind, Result, Span};
use opsrun_db_simulator::rdb::{Entry, Parser, Part, RdbError, payload};
use schemars::JsonSchema;
use serde::Serialize;

use crate::redis::client::Client;
use crate::redis::error::{self, Failure};
use crate::redis::resp::Reply;
use crate::redis::server;
use crate::redis::session::Session;
use crate::redis::wanted::{Wanted, there_already};

/// What was found in a snapshot, or was brought back from it.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Contents {
    /// Keys by database; those without any are left out.
    pub(crate) databases: BTreeMap<String, u64>,
    /// Libraries of functions.
    pub(crate) functions: u64,
    /// Of the whole snapshot.
    pub(crate) bytes: u64,
}

/// A snapshot, part by part.
pub(crate) struct Reading {
    content: Content,
    parser: Parser,
    bytes: u64,
    over: bool,
}

impl Reading {
    pub(crate) fn new(content: Content) -> Self {
        Reading { content, parser: Parser::default(), bytes: 0, over: false }
    }

    /// What comes next; `None` once all has come, and its checksum was right.
    ///
    /// # Errors
    /// Those of the content; `Failed` for what is no whole snapshot, or has what cannot be brought back.
    pub(crate) async fn next(&mut self) -> Result<Option<Part>> {
        loop {
            match self.parser.part().map_err(|error| unreadable(&error))? {
                Some(part) => return Ok(Some(part)),
                None if self.over => return Ok(None),
                None => {}
            }
            match self.content.try_next().await? {
                Some(piece) => {
                    self.bytes += piece.len() as u64;
                    self.parser.push(&piece);
                }
                None => {
                    self.over = true;
                    self.parser.close();
                }
            }
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Known with the first part.
    fn version(&self) -> u16 {
        self.parser.version().unwrap_or_default()
    }
}

fn unreadable(error: &RdbError) -> Error {
    let hint = match error {
        RdbError::Unsupported(_) => {
            "a server with the same modules and version loads the file itself: put it into its folder, and start it"
        }
        RdbError::Newer(_) => "take an opsrun that is newer",
        _ => "take another snapshot: this one is damaged",
    };
    Error::failed(format!("the snapshot cannot be brought back: {error}")).hint(hint)
}

/// How much is sent before the answers are read.
const BATCH: usize = 512;
const BATCH_BYTES: usize = 1 << 20;
/// How long a conversation may take by itself.
pub(crate) const WITHIN: Span = Span::from_secs(3600);

/// Reads all of a snapshot, and sees whether the server would take it; writes nothing.
///
/// # Errors
/// Those of [`Reading::next`]; `Conflict` for keys that are there and would be written over; `Invalid` for a version that the server does not know and a
/// database that it has not; `NotFound` if nothing in it is wanted.
pub(crate) async fn preflight(client: &Client, wanted: &Wanted, content: Content) -> Result<Contents> {
    let (cx, place, wanting) = (client.cx().clone(), client.place(), wanted.clone());
    let found = client.converse(wanted.looking(), move |session| {
        Box::pin(async move {
            wanting.finds_room(session, &place).await?;
            let mut going = Going { cx: &cx, place: &place, contents: Contents::default() };
            let mut reading = Reading::new(content);
            let mut keys = Vec::new();
            let mut known = false;
            while let Some(part) = reading.next().await? {
                if !known {
                    going.takes_version(session, reading.version()).await?;
                    known = true;
                }
                match part {
                    Part::Functions(_) if wanting.takes_functions() => {
                        if server::has_functions(session).await?.is_none() {
                            let error = Error::invalid(format!(
                                "{place} knows no functions, and the snapshot has some"
                            ));
                            return Err(error.hint("functions are known since Redis 7").into());
                        }
                        going.contents.functions += 1;
                    }
                    Part::Key(entry) if wanting.takes(entry.database, &entry.key) => {
                        going.count(session, &entry).await?;
                        if wanting.is_of_keys() && !wanting.clean() {
                            keys.push(entry.key);
                            if keys.len() >= BATCH {
                                going.are_free(session, std::mem::take(&mut keys)).await?;
                            }
                        }
                    }
                    _ => {}
                }
            }
            going.are_free(session, keys).await?;
            going.contents.bytes = reading.bytes();
            Ok(going.contents)
        })
    });
    let found = found.await?;
    if found.databases.is_empty() && found.functions == 0 {
        let what = if wanted.is_of_keys() {
            "no key like those that are wanted"
        } else {
            "nothing of what is wanted"
        };
        return Err(Error::not_found(format!("the snapshot has {what}"))
            .hint("`clean` would only take away what is there; if that is meant, `redis::flush` does it"));
    }
    Ok(found)
}

/// Brings back what is wanted of a snapshot whose [`preflight`] went well.
///
/// # Errors
/// Those of [`Reading::next`] and of the server. Then what was written before stays.
pub(crate) async fn bring_back(client: &Client, wanted: &Wanted, content: Content) -> Result<Contents> {
    let begun = Begun::default();
    carry_out(client, wanted, content, &begun).await.map_err(|error| match begun.get() {
        true => error
            .context(format!("{} has the snapshot in part, or whole", client.place()))
            .hint("once the cause is gone, `clean: true` begins anew"),
        false => error,
    })
}

/// Whether something was written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Begun(Arc<AtomicBool>);

impl Begun {
    pub(crate) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Brings back what is wanted; `begun` says whether anything was written, however it ends.
///
/// # Errors
/// As [`bring_back`]; `Conflict` if there is something already.
pub(crate) async fn carry_out(
    client: &Client,
    wanted: &Wanted,
    content: Content,
    begun: &Begun,
) -> Result<Contents> {
    let (cx, place, wanting) = (client.cx().clone(), client.place(), wanted.clone());
    let begins = begun.clone();
    let brought = client.converse(wanted.writing(), move |session| {
        Box::pin(async move {
            wanting.finds_room(session, &place).await?;
            session.sent = true;
            begins.0.store(true, Ordering::Relaxed);
            if wanting.clean() {
                wanting.clear(session).await?;
            }
            let mut going = Going { cx: &cx, place: &place, contents: Contents::default() };
            let mut reading = Reading::new(content);
            let mut keys = Vec::new();
            while let Some(part) = reading.next().await? {
                match part {
                    Part::Functions(functions) if wanting.takes_functions() => {
                        let functions = payload(&functions, reading.version());
                        session.ask(&[b"FUNCTION", b"RESTORE", &functions]).await?;
                        going.contents.functions += 1;
                    }
                    Part::Key(entry) if wanting.takes(entry.database, &entry.key) => {
                        if !session.is_at(entry.database) {
                            going.are_restored(session, std::mem::take(&mut keys)).await?;
                        }
                        going.count(session, &entry).await?;
                        put(session, &entry, reading.version(), wanting.clean());
                        keys.push(entry.key);
                        if keys.len() >= BATCH || session.unsent() >= BATCH_BYTES {
                            going.are_restored(session, std::mem::take(&mut keys)).await?;
                        }
                    }
                    _ => {}
                }
            }
            going.are_restored(session, keys).await?;
            going.contents.bytes = reading.bytes();
            Ok(going.contents)
        })
    });
    brought.await
}

fn put(session: &mut Session, entry: &Entry, version: u16, replace: bool) {
    let payload = payload(&entry.value, version);
    // In Redis' terms, 0 is for ever.
    let expires = entry.expires.map_or(0, |at| at.max(1)).to_string();
    let mut command: Vec<&[u8]> = vec![b"RESTORE", &entry.key, expires.as_bytes(), &payload, b"ABSTTL"];
    command.extend(replace.then_some(b"REPLACE".as_slice()));
    let (idle, frequency) =
        (entry.idle.map(|idle| idle.to_string()), entry.frequency.map(|often| often.to_string()));
    // A server counts one of the two, and takes only one.
    match (&idle, &frequency) {
        (_, Some(often)) => command.extend([b"FREQ".as_slice(), often.as_bytes()]),
        (Some(idle), None) => command.extend([b"IDLETIME".as_slice(), idle.as_bytes()]),
        (None, None) => {}
    }
    session.put(&command);
}

/// Going through a snapshot.
struct Going<'g> {
    cx: &'g Cx,
    place: &'g str,
    contents: Contents,
}

impl Going<'_> {
    /// Goes to the key's database, and counts it there.
    async fn count(&mut self, session: &mut Session, entry: &Entry) -> Result<(), Failure> {
        session.go_to(entry.database).await.map_err(|failure| match failure {
            Failure::Refused(said) => {
                let message =
                    format!("{} has no database {}, and the snapshot has", self.place, entry.database);
                Error::invalid(message)
                    .detail(said)
                    .hint("raise `databases` in the server's configuration")
                    .into()
            }
            failure => failure,
        })?;
        *self.contents.databases.entry(entry.database.to_string()).or_default() += 1;
        Ok(())
    }

    /// # Errors
    /// `Invalid` if the server is older than the snapshot.
    async fn takes_version(&self, session: &mut Session, version: u16) -> Result<(), Failure> {
        // A value of no bytes is of no type: a server that knows the version says that it is broken, and keeps nothing.
        let nothing = payload(&[], version);
        match session.ask(&[b"RESTORE", b"opsrun:nothing", b"0", &nothing]).await {
            Err(Failure::Refused(said)) if said.contains("Bad data format") => Ok(()),
            Err(Failure::Refused(said)) if said.contains("version or checksum") => {
                let server = server::version(session).await?;
                let message = format!(
                    "{} is Redis {server}, which knows no snapshots of version {version}",
                    self.place
                );
                Err(Error::invalid(message)
                    .detail(said)
                    .hint("bring it back into a server that is as new as the one that it is of")
                    .into())
            }
            Err(failure) => Err(failure),
            Ok(reply) => Err(Failure::unexpected(&format!("{reply:?} to a value of no bytes"))),
        }
    }

    /// # Errors
    /// `Conflict` if one of the keys is there.
    async fn are_free(&self, session: &mut Session, keys: Vec<Vec<u8>>) -> Result<(), Failure> {
        let commands: Vec<Vec<&[u8]>> = keys.iter().map(|key| vec![b"EXISTS".as_slice(), key]).collect();
        let replies = session.ask_all(&commands).await?;
        let there = keys.iter().zip(replies).find(|(_, reply)| *reply != Reply::Integer(0));
        there.map_or(Ok(()), |(key, _)| {
            Err(there_already(self.place, &format!("the key `{}`", String::from_utf8_lossy(key))).into())
        })
    }

    /// Sends what was put for these keys, and sees what became of it.
    async fn are_restored(&self, session: &mut Session, keys: Vec<Vec<u8>>) -> Result<(), Failure> {
        session.flush().await?;
        let mut refused = None;
        for key in &keys {
            if let Reply::Error(said) = session.reply().await? {
                refused = refused.or(Some((key, said)));
            }
        }
        let keys: u64 = self.contents.databases.values().sum();
        self.cx.progress(format!("{keys} keys into {}", self.place));
        let Some((key, said)) = refused else { return Ok(()) };
        let key = format!("the key `{}`", String::from_utf8_lossy(key));
        let error = match error::kind(&said) {
            ErrorKind::Conflict => there_already(self.place, &key),
            _ => error::explain(&said, &format!("{}: {key}", self.place)),
        };
        Err(error.into())
    }
}
