//! Messages of PostgreSQL's protocol over a connection. It knows no order in which they come.

use std::io;

use bytes::BytesMut;
use opsrun_core::Connection;
use postgres_protocol::message::backend::{Header, Message};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A message may hold a row, and a row a file; what is longer than this would not be of use to a playbook.
const LONGEST: i32 = 64 << 20;

pub(crate) struct Wire {
    connection: Connection,
    inbox: BytesMut,
    outbox: BytesMut,
}

impl Wire {
    pub(crate) fn new(connection: Connection) -> Self {
        Wire { connection, inbox: BytesMut::with_capacity(8 << 10), outbox: BytesMut::new() }
    }

    /// What is sent by the next [`Wire::flush`].
    pub(crate) fn outbox(&mut self) -> &mut BytesMut {
        &mut self.outbox
    }

    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        self.connection.write_all(&self.outbox).await?;
        self.outbox.clear();
        self.connection.flush().await
    }

    pub(crate) async fn next(&mut self) -> io::Result<Message> {
        loop {
            if let Some(header) = Header::parse(&self.inbox)?
                && header.len() > LONGEST
            {
                let message =
                    format!("a message of {} MiB, where {} are taken", header.len() >> 20, LONGEST >> 20);
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            if let Some(message) = Message::parse(&mut self.inbox)? {
                return Ok(message);
            }
            if self.connection.read_buf(&mut self.inbox).await? == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the server has closed the connection",
                ));
            }
        }
    }

    /// Reads the one byte by which a server says whether it speaks TLS.
    pub(crate) async fn byte(&mut self) -> io::Result<u8> {
        self.connection.read_u8().await
    }

    /// The connection, before anything but such a byte was read.
    pub(crate) fn into_connection(self) -> Connection {
        self.connection
    }
}
