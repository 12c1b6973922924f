//! A snapshot as it comes over a replication stream: where it ends, and whether it is whole. What is in it is not looked at.
//!
//! It is announced by its length, `$1234`, or by what ends it, `$EOF:` and forty bytes; either is followed by the file itself, which ends
//! with a checksum of its own (CRC-64, little-endian; zero if the server makes none).

use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use crc_fast::{CrcAlgorithm, Digest};
use futures::channel::mpsc;
use futures::future::ready;
use futures::{SinkExt, StreamExt, stream};
use opsrun_core::{Content, Cx, Effect, Error, Result};

use crate::redis::access::Asked;
use crate::redis::client::Client;
use crate::redis::error::Failure;
use crate::redis::session::Session;

/// What was fetched and waits to be taken, in pieces.
const AHEAD: usize = 2;

/// All databases of a server as of one moment, as a replica fetches them. Whether it came whole and is what was sent is known at the end, and else
/// the end is an error.
///
/// # Errors
/// Those of whoever may not, or cannot, fetch it.
pub(crate) async fn fetched(client: Client) -> Result<Content> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let talking = async move {
        let (cx, place) = (client.cx().clone(), client.place());
        let asked = Asked::of_server("sync", Effect::Read);
        let fetched = client.converse(asked, move |session| {
            Box::pin(async move { fetch(session, &cx, &place, sender).await })
        });
        fetched.await.map_err(|error| {
            let unwanted = ["NOPERM", "unknown command"].iter().any(|said| error.message().contains(said));
            match unwanted {
                true => error.hint("the server does not let this user replicate; `redis::save` has it write a snapshot of its own"),
                false => error,
            }
        })
    };
    let end = stream::once(talking).filter_map(|ended| ready(ended.err().map(Err)));
    let mut content = stream::select(receiver.map(Ok), end).boxed().peekable();
    match Pin::new(&mut content).next_if(Result::is_err).await {
        Some(Err(error)) => Err(error),
        _ => Ok(content.boxed()),
    }
}

async fn fetch(
    session: &mut Session,
    cx: &Cx,
    place: &str,
    mut sender: mpsc::Sender<Bytes>,
) -> Result<(), Failure> {
    session.ask(&[b"REPLCONF", b"capa", b"eof"]).await?;
    session.put(&[b"PSYNC", b"?", b"-1"]);
    session.flush().await?;
    let begun = session.line().await?;
    if let Some(said) = begun.strip_prefix('-') {
        return Err(Failure::Refused(said.to_owned()));
    }
    let mut arrived = Arrived::new(Payload::announced(&session.line().await?)?);
    let mut told = 0;
    loop {
        let piece = arrived.take(&mut session.inbox);
        // Who does not want it any more does not wait for how it ends either.
        if !piece.is_empty() && sender.send(piece).await.is_err() {
            return Err(Failure::Ours(Error::interrupted()));
        }
        if arrived.is_whole() {
            return Ok(arrived.check()?);
        }
        let megabytes = arrived.bytes() >> 20;
        if megabytes > told {
            told = megabytes;
            cx.progress(format!("{megabytes} MiB of {place}"));
        }
        session.receive().await?;
    }
}

/// The version of a snapshot that begins so.
///
/// # Errors
/// `Failed` for what is none.
pub(crate) fn version(head: &[u8]) -> Result<u32> {
    let digits = head.get(..HEAD).and_then(|head| head.strip_prefix(b"REDIS"));
    let version = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    version.ok_or_else(|| Error::failed("what the server sent is no snapshot of Redis"))
}

/// How the end is known.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Payload {
    Length(u64),
    Until(Vec<u8>),
}

/// What has come of a snapshot.
struct Arrived {
    payload: Payload,
    digest: Digest,
    bytes: u64,
    /// The first nine bytes, `REDIS0011`, and the last eight.
    head: Vec<u8>,
    tail: Vec<u8>,
    whole: bool,
}

pub(crate) const HEAD: usize = 9;
const CHECKSUM: usize = 8;
const DELIMITER: usize = 40;

impl Payload {
    fn announced(line: &str) -> Result<Self, Failure> {
        let announced = line.strip_prefix('$').and_then(|rest| match rest.strip_prefix("EOF:") {
            Some(delimiter) => {
                (delimiter.len() == DELIMITER).then(|| Payload::Until(delimiter.as_bytes().to_vec()))
            }
            None => rest.parse().ok().map(Payload::Length),
        });
        match line.strip_prefix('-') {
            Some(said) => Err(Failure::Refused(said.to_owned())),
            None => announced.ok_or_else(|| Failure::unexpected(&format!("`{line}` instead of a snapshot"))),
        }
    }
}

impl Arrived {
    fn new(payload: Payload) -> Self {
        let digest = Digest::new(CrcAlgorithm::Crc64Redis);
        Arrived { payload, digest, bytes: 0, head: Vec::new(), tail: Vec::new(), whole: false }
    }

    /// How many bytes of the file have been taken.
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn is_whole(&self) -> bool {
        self.whole
    }

    /// Takes what belongs to the file, as far as that can be told.
    fn take(&mut self, inbox: &mut BytesMut) -> Bytes {
        let piece = match &self.payload {
            Payload::Length(length) => {
                let left = usize::try_from(length - self.bytes).unwrap_or(usize::MAX);
                inbox.split_to(left.min(inbox.len()))
            }
            // The last forty bytes may be the end.
            Payload::Until(delimiter) => {
                self.whole = inbox.ends_with(delimiter);
                inbox.split_to(inbox.len().saturating_sub(DELIMITER))
            }
        };
        self.bytes += piece.len() as u64;
        if let Payload::Length(length) = self.payload {
            self.whole = self.bytes == length;
        }
        self.head.extend(piece.iter().take(HEAD - self.head.len()));
        self.tail.extend_from_slice(&piece);
        let summed = self.tail.len().saturating_sub(CHECKSUM);
        self.digest.update(&self.tail[..summed]);
        self.tail.drain(..summed);
        piece.freeze()
    }

    /// # Errors
    /// `Failed` for what is no snapshot, or not the one that was sent.
    fn check(&self) -> Result<()> {
        version(&self.head)?;
        let checksum = <[u8; CHECKSUM]>::try_from(self.tail.as_slice()).map(u64::from_le_bytes);
        match checksum {
            Ok(0) => Ok(()),
            Ok(checksum) if checksum == self.digest.finalize() => Ok(()),
            _ => Err(Error::failed("the snapshot was damaged on its way: its checksum is another one")
                .hint("nothing was kept; try again")),
        }
    }
}
