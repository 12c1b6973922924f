//! Messages of the protocol, version 3: what is read, and how answers are written.

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::postgres::PgError;

/// A message of a client: its letter, and what follows.
pub(super) struct Message {
    pub(super) kind: u8,
    pub(super) body: BytesMut,
}

/// The longest message that is taken, in bytes.
const LONGEST: usize = 1 << 30;

/// Reads whole messages. What has been read of one stays when reading is given up.
pub(super) struct Reader<R> {
    stream: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(super) fn new(stream: R) -> Self {
        Reader { stream, buffer: BytesMut::with_capacity(8192) }
    }

    /// `None` at the end of the stream, also in the middle of a message.
    async fn fill(&mut self, length: usize) -> std::io::Result<Option<()>> {
        while self.buffer.len() < length {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
        Ok(Some(()))
    }

    fn length(&self, at: usize) -> std::io::Result<usize> {
        let bytes: [u8; 4] = self.buffer[at..at + 4].try_into().unwrap_or_default();
        let length = u32::from_be_bytes(bytes) as usize;
        let fits = (4..=LONGEST).contains(&length);
        fits.then_some(length)
            .ok_or_else(|| std::io::Error::new(std::io::ErrorKind::InvalidData, "a message's length"))
    }

    /// The first message of a connection has no letter.
    pub(super) async fn first(&mut self) -> std::io::Result<Option<BytesMut>> {
        if self.fill(4).await?.is_none() {
            return Ok(None);
        }
        let length = self.length(0)?;
        if self.fill(length).await?.is_none() {
            return Ok(None);
        }
        let mut body = self.buffer.split_to(length);
        body.advance(4);
        Ok(Some(body))
    }

    pub(super) async fn message(&mut self) -> std::io::Result<Option<Message>> {
        if self.fill(5).await?.is_none() {
            return Ok(None);
        }
        let length = self.length(1)?;
        if self.fill(length + 1).await?.is_none() {
            return Ok(None);
        }
        let mut body = self.buffer.split_to(length + 1);
        let kind = body[0];
        body.advance(5);
        Ok(Some(Message { kind, body }))
    }
}

/// 08P01
pub(super) fn violation(what: &str) -> PgError {
    PgError::fatal("08P01", format!("invalid message format: {what}"))
}

/// A text that ends with a zero byte.
pub(super) fn text(body: &mut BytesMut) -> Result<String, PgError> {
    let end = body.iter().position(|byte| *byte == 0).ok_or_else(|| violation("a text without an end"))?;
    let bytes = body.split_to(end);
    body.advance(1);
    String::from_utf8(bytes.to_vec())
        .map_err(|_| PgError::new("22021", "invalid byte sequence for encoding \"UTF8\""))
}

pub(super) fn int2(body: &mut BytesMut) -> Result<i16, PgError> {
    if body.len() < 2 {
        return Err(violation("a number is missing"));
    }
    Ok(body.get_i16())
}

pub(super) fn int4(body: &mut BytesMut) -> Result<i32, PgError> {
    if body.len() < 4 {
        return Err(violation("a number is missing"));
    }
    Ok(body.get_i32())
}

/// So many numbers of two bytes as the first one says.
pub(super) fn int2s(body: &mut BytesMut) -> Result<Vec<i16>, PgError> {
    let count = int2(body)?;
    (0..count).map(|_| int2(body)).collect()
}

/// Answers that are still to be sent.
#[derive(Default)]
pub(super) struct Writer {
    pub(super) out: Vec<u8>,
}

impl Writer {
    pub(super) fn message(&mut self, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
        self.out.push(kind);
        let at = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        body(&mut self.out);
        let length = u32::try_from(self.out.len() - at).unwrap_or(u32::MAX);
        self.out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    }

    pub(super) fn empty(&mut self, kind: u8) {
        self.message(kind, |_| {});
    }

    pub(super) fn complete(&mut self, tag: &str) {
        self.message(b'C', |out| put(out, tag));
    }

    pub(super) fn parameter(&mut self, name: &str, value: &str) {
        self.message(b'S', |out| {
            put(out, name);
            put(out, value);
        });
    }

    pub(super) fn error(&mut self, error: &PgError) {
        let severity = if error.fatal { "FATAL" } else { "ERROR" };
        self.message(b'E', |out| {
            let mut field = |kind: u8, text: &str| {
                out.push(kind);
                put(out, text);
            };
            field(b'S', severity);
            field(b'V', severity);
            field(b'C', error.code);
            field(b'M', &error.message);
            if let Some(detail) = &error.detail {
                field(b'D', detail);
            }
            if let Some(hint) = &error.hint {
                field(b'H', hint);
            }
            if let Some(position) = error.position {
                field(b'P', &position.to_string());
            }
            out.push(0);
        });
    }

    pub(super) fn notice(&mut self, level: &str, text: &str) {
        self.message(b'N', |out| {
            let code = if level == "WARNING" { "01000" } else { "00000" };
            for (kind, text) in [(b'S', level), (b'V', level), (b'C', code), (b'M', text)] {
                out.push(kind);
                put(out, text);
            }
            out.push(0);
        });
    }
}

/// A text with its zero byte.
pub(super) fn put(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}
