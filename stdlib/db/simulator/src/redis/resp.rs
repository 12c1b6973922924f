//! RESP, versions 2 and 3: requests read, answers written.

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reply {
    Ok,
    Simple(&'static str),
    Error(String),
    Number(i64),
    Bulk(Vec<u8>),
    Text(String),
    Null,
    /// Of a list that is not there.
    NullArray,
    Array(Vec<Reply>),
    /// An array before version 3.
    Set(Vec<Reply>),
    /// An array of both before version 3.
    Map(Vec<(Reply, Reply)>),
    /// A text before version 3.
    Double(f64),
    /// Nothing: what had to be sent was sent.
    Raw(Vec<u8>),
}

/// As Redis writes a fraction: whole numbers without a point.
pub(super) fn number(double: f64) -> String {
    if double.is_infinite() {
        return if double > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let plain = format!("{double}");
    let scientific = format!("{double:e}");
    let exponent: i32 = scientific.split_once('e').and_then(|(_, digits)| digits.parse().ok()).unwrap_or(0);
    // `%.17g`: scientific beyond these.
    if !(-4..17).contains(&exponent) {
        let (mantissa, _) = scientific.split_once('e').unwrap_or((&scientific, ""));
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs());
    }
    plain
}

impl Reply {
    pub(super) fn write(&self, version: u8, out: &mut Vec<u8>) {
        let line = |kind: char, text: &str, out: &mut Vec<u8>| {
            out.extend_from_slice(format!("{kind}{text}\r\n").as_bytes());
        };
        let all = |kind: char, items: &[Reply], out: &mut Vec<u8>| {
            line(kind, &items.len().to_string(), out);
            items.iter().for_each(|item| item.write(version, out));
        };
        match self {
            Reply::Ok => line('+', "OK", out),
            Reply::Simple(text) => line('+', text, out),
            Reply::Error(text) => line('-', text, out),
            Reply::Number(number) => line(':', &number.to_string(), out),
            Reply::Bulk(bytes) => {
                line('$', &bytes.len().to_string(), out);
                out.extend_from_slice(bytes);
                out.extend_from_slice(b"\r\n");
            }
            Reply::Text(text) => Reply::Bulk(text.as_bytes().to_vec()).write(version, out),
            Reply::Null | Reply::NullArray if version >= 3 => out.extend_from_slice(b"_\r\n"),
            Reply::Null => out.extend_from_slice(b"$-1\r\n"),
            Reply::NullArray => out.extend_from_slice(b"*-1\r\n"),
            Reply::Array(items) => all('*', items, out),
            Reply::Set(items) => all(if version >= 3 { '~' } else { '*' }, items, out),
            Reply::Map(pairs) => {
                let (kind, count) = if version >= 3 { ('%', pairs.len()) } else { ('*', pairs.len() * 2) };
                line(kind, &count.to_string(), out);
                for (key, value) in pairs {
                    key.write(version, out);
                    value.write(version, out);
                }
            }
            Reply::Double(double) if version >= 3 => line(',', &number(*double), out),
            Reply::Double(double) => Reply::Text(number(*double)).write(version, out),
            Reply::Raw(bytes) => out.extend_from_slice(bytes),
        }
    }
}

/// Reads requests: arrays of strings, or a line of words as somebody types it.
pub(super) struct Requests<R> {
    stream: R,
    buffer: BytesMut,
}

/// The longest string and the most of them that are taken.
const LONGEST: usize = 512 * 1024 * 1024;
const MOST: usize = 1024 * 1024;

/// What comes of reading.
pub(super) enum Read {
    Request(Vec<Vec<u8>>),
    End,
    /// What the client is told before it is left.
    Wrong(&'static str),
}

impl<R: AsyncRead + Unpin> Requests<R> {
    pub(super) fn new(stream: R) -> Self {
        Requests { stream, buffer: BytesMut::with_capacity(8192) }
    }

    async fn more(&mut self) -> std::io::Result<bool> {
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }

    async fn line(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let mut line = self.buffer.split_to(end + 1).to_vec();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(Some(line));
            }
            if !self.more().await? {
                return Ok(None);
            }
        }
    }

    pub(super) async fn next(&mut self) -> std::io::Result<Read> {
        let count =
            |line: &[u8]| std::str::from_utf8(line).ok().and_then(|digits| digits.parse::<i64>().ok());
        loop {
            let Some(line) = self.line().await? else { return Ok(Read::End) };
            let Some((b'*', rest)) = line.split_first() else {
                let words: Vec<Vec<u8>> = line
                    .split(|byte| *byte == b' ')
                    .filter(|word| !word.is_empty())
                    .map(<[u8]>::to_vec)
                    .collect();
                if words.is_empty() {
                    continue;
                }
                return Ok(Read::Request(words));
            };
            let Some(items) = count(rest).filter(|items| *items <= i64::try_from(MOST).unwrap_or(i64::MAX))
            else {
                return Ok(Read::Wrong("ERR Protocol error: invalid multibulk length"));
            };
            let mut request = Vec::new();
            for _ in 0..items {
                let Some(line) = self.line().await? else { return Ok(Read::End) };
                let Some((b'$', rest)) = line.split_first() else {
                    return Ok(Read::Wrong("ERR Protocol error: expected '$'"));
                };
                let length = count(rest).and_then(|length| usize::try_from(length).ok());
                let Some(length) = length.filter(|length| *length <= LONGEST) else {
                    return Ok(Read::Wrong("ERR Protocol error: invalid bulk length"));
                };
                while self.buffer.len() < length + 2 {
                    if !self.more().await? {
                        return Ok(Read::End);
                    }
                }
                request.push(self.buffer.split_to(length).to_vec());
                self.buffer.advance(2);
            }
            if !request.is_empty() {
                return Ok(Read::Request(request));
            }
        }
    }
}
