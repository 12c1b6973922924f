//! A session with a server: from the first byte to the last, on one connection, which ends with the conversation.

use std::io;

use bytes::BytesMut;
use opsrun_core::{Connection, Error, ErrorKind, Line};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::redis::error::Failure;
use crate::redis::resp::{self, Reply};
use crate::redis::section::Server;

/// An open session.
pub(crate) struct Session {
    connection: Connection,
    pub(crate) inbox: BytesMut,
    outbox: BytesMut,
    /// The one that it is at.
    database: u64,
    /// Something has left that takes effect by itself.
    pub(crate) sent: bool,
}

impl Session {
    /// Connects, signs in, and goes to the database.
    pub(crate) async fn open(line: &Line, server: &Server, database: u32) -> Result<Self, Failure> {
        let mut connection = line.connect().await?;
        if server.encrypted {
            connection = line.secure(connection).await.map_err(untrusted)?;
        }
        let mut session =
            Session { connection, inbox: BytesMut::new(), outbox: BytesMut::new(), database: 0, sent: false };
        match (&server.user, &server.password) {
            (Some(user), Some(password)) => {
                session.ask(&[b"AUTH", user.as_bytes(), password.as_bytes()]).await?;
            }
            (None, Some(password)) => {
                session.ask(&[b"AUTH", password.as_bytes()]).await?;
            }
            (_, None) => {}
        }
        session.go_to(u64::from(database)).await?;
        Ok(session)
    }

    pub(crate) fn is_at(&self, database: u64) -> bool {
        self.database == database
    }

    /// Goes to the database of this number.
    pub(crate) async fn go_to(&mut self, database: u64) -> Result<(), Failure> {
        if !self.is_at(database) {
            self.ask(&[b"SELECT", database.to_string().as_bytes()]).await?;
            self.database = database;
        }
        Ok(())
    }

    /// Says a command that the next [`Session::flush`] sends.
    pub(crate) fn put(&mut self, command: &[&[u8]]) {
        resp::put(command, &mut self.outbox);
    }

    /// How many bytes the next [`Session::flush`] sends.
    pub(crate) fn unsent(&self) -> usize {
        self.outbox.len()
    }

    pub(crate) async fn flush(&mut self) -> Result<(), Failure> {
        self.connection.write_all(&self.outbox).await?;
        self.outbox.clear();
        Ok(self.connection.flush().await?)
    }

    /// The next reply, as it is.
    pub(crate) async fn reply(&mut self) -> Result<Reply, Failure> {
        loop {
            if let Some(reply) = resp::take(&mut self.inbox)? {
                return Ok(reply);
            }
            self.receive().await?;
        }
    }

    /// The next line that is not empty; of a replication stream.
    pub(crate) async fn line(&mut self) -> Result<String, Failure> {
        loop {
            match resp::take_line(&mut self.inbox)? {
                // By empty lines a server says that it is still at work.
                Some(line) if line.is_empty() => {}
                Some(line) => return Ok(line),
                None => self.receive().await?,
            }
        }
    }

    /// Waits for more.
    pub(crate) async fn receive(&mut self) -> Result<(), Failure> {
        self.inbox.reserve(64 << 10);
        match self.connection.read_buf(&mut self.inbox).await? {
            0 => {
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server has closed the connection")
                    .into())
            }
            _ => Ok(()),
        }
    }

    /// Says a command, and gives the reply; an error is a failure.
    pub(crate) async fn ask(&mut self, command: &[&[u8]]) -> Result<Reply, Failure> {
        self.put(command);
        self.flush().await?;
        match self.reply().await? {
            Reply::Error(said) => Err(Failure::Refused(said)),
            reply => Ok(reply),
        }
    }

    /// Says commands all at once, and gives their replies in the same order; the first error is a failure, once all have come.
    pub(crate) async fn ask_all(&mut self, commands: &[Vec<&[u8]>]) -> Result<Vec<Reply>, Failure> {
        for command in commands {
            self.put(command);
        }
        self.flush().await?;
        let (mut replies, mut refused) = (Vec::with_capacity(commands.len()), None);
        for _ in commands {
            match self.reply().await? {
                Reply::Error(said) => refused = refused.or(Some(said)),
                reply => replies.push(reply),
            }
        }
        refused.map_or(Ok(replies), |said| Err(Failure::Refused(said)))
    }
}

fn untrusted(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::InvalidData => {
            let error =
                Error::new(ErrorKind::Forbidden, format!("the server's certificate is not trusted: {error}"));
            let hint = "name the authority that made it: `ca = \"FILE\"` in the target's section `redis`; `redis://` is without TLS";
            Failure::Ours(error.hint(hint))
        }
        _ => error.into(),
    }
}
