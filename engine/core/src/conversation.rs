//! Protocols other than HTTP: a call talks with a server over byte streams. To the gate that is one request, which its system
//! classifies like any other; what is said meanwhile is the call's own matter.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::StatusCode;
use hyper_util::client::legacy::connect;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{BoxFuture, Error};

/// The way to one endpoint, for as long as a conversation lasts. The gate makes it.
#[derive(Clone)]
pub struct Line(Arc<dyn Dial>);

/// What a line does.
pub trait Dial: Send + Sync {
    fn connect(&self) -> BoxFuture<'static, io::Result<Connection>>;
    fn secure(&self, connection: Connection) -> BoxFuture<'static, io::Result<Connection>>;
}

impl Line {
    pub fn new(dial: impl Dial + 'static) -> Self {
        Line(Arc::new(dial))
    }

    /// A connection, without TLS.
    ///
    /// # Errors
    /// Why there is none; `TimedOut` after ten seconds.
    pub async fn connect(&self) -> io::Result<Connection> {
        self.0.connect().await
    }

    /// The same connection with TLS from here on, by the endpoint's rules of trust. In an estate, where a connection is a pipe in
    /// memory, it stays as it is.
    ///
    /// # Errors
    /// `InvalidData` for a certificate that is not trusted; those of the connection.
    pub async fn secure(&self, connection: Connection) -> io::Result<Connection> {
        self.0.secure(connection).await
    }
}

/// A stream of bytes to and from a server.
pub struct Connection(Box<dyn Io>);

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

impl Connection {
    pub fn new(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Connection(Box::new(stream))
    }
}

/// How a conversation ended in which the server had its say: for the record, in the words of HTTP, and what came of it.
#[derive(Debug)]
pub struct Said<T> {
    /// An error status says that the server refused, and nothing was changed.
    pub status: StatusCode,
    pub value: T,
}

/// Why a conversation broke off.
#[derive(Debug)]
pub struct BrokenLine {
    /// What was asked for may have been done.
    pub sent: bool,
    pub error: Error,
}

/// A whole conversation.
pub type Talk = Box<dyn FnOnce(Line) -> BoxFuture<'static, Result<StatusCode, BrokenLine>> + Send>;

/// As hyper's client wants it.
impl connect::Connection for Connection {
    fn connected(&self) -> connect::Connected {
        connect::Connected::new()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, data)
    }

    /// Else hyper copies each body into a buffer that the connection keeps.
    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
