//! Redis' protocol, RESP2: requests are arrays of byte strings, replies are of five kinds. It knows no command.

use std::io;

use bytes::{Buf, Bytes, BytesMut};

/// What a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Status(String),
    Error(String),
    Integer(i64),
    Bytes(Bytes),
    Array(Vec<Reply>),
    /// Nothing is there.
    Nil,
}

/// A value has 512 MiB at most, by Redis' own rule.
const LONGEST: usize = 512 << 20;
const DEEPEST: u32 = 8;

/// Writes a command.
pub(crate) fn put(command: &[&[u8]], out: &mut BytesMut) {
    out.extend_from_slice(format!("*{}\r\n", command.len()).as_bytes());
    for part in command {
        out.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
        out.extend_from_slice(part);
        out.extend_from_slice(b"\r\n");
    }
}

/// Takes a reply off the beginning of what was received; `None` if it is not whole yet.
///
/// # Errors
/// `InvalidData` for what is no reply.
pub(crate) fn take(inbox: &mut BytesMut) -> io::Result<Option<Reply>> {
    let mut reading = Reading { bytes: inbox, at: 0 };
    let reply = reading.reply(DEEPEST)?;
    let read = reading.at;
    if reply.is_some() {
        inbox.advance(read);
    }
    Ok(reply)
}

/// A line of what was received, without its end.
pub(crate) fn take_line(inbox: &mut BytesMut) -> io::Result<Option<String>> {
    let mut reading = Reading { bytes: inbox, at: 0 };
    let line = reading.line()?.map(str::to_owned);
    let read = reading.at;
    if line.is_some() {
        inbox.advance(read);
    }
    Ok(line)
}

struct Reading<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Reading<'b> {
    fn line(&mut self) -> io::Result<Option<&'b str>> {
        let rest = &self.bytes[self.at..];
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            return if rest.len() > 64 << 10 { Err(bad("a line without an end")) } else { Ok(None) };
        };
        self.at += end + 1;
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        std::str::from_utf8(line).map(Some).map_err(|_| bad("a line that is no text"))
    }

    fn reply(&mut self, depth: u32) -> io::Result<Option<Reply>> {
        let Some(line) = self.line()? else { return Ok(None) };
        let (kind, rest) = line.split_at_checked(1).ok_or_else(|| bad("an empty line"))?;
        let number = || rest.parse::<i64>().map_err(|_| bad(&format!("`{rest}` instead of a number")));
        Ok(Some(match kind {
            "+" => Reply::Status(rest.to_owned()),
            "-" => Reply::Error(rest.to_owned()),
            ":" => Reply::Integer(number()?),
            "$" => {
                let Ok(length) = usize::try_from(number()?) else { return Ok(Some(Reply::Nil)) };
                if length > LONGEST {
                    return Err(bad("a value of more than 512 MiB"));
                }
                let Some(value) = self.bytes.get(self.at..self.at + length) else { return Ok(None) };
                if self.bytes.len() < self.at + length + 2 {
                    return Ok(None);
                }
                self.at += length + 2;
                Reply::Bytes(Bytes::copy_from_slice(value))
            }
            "*" => {
                let Ok(length) = usize::try_from(number()?) else { return Ok(Some(Reply::Nil)) };
                let depth = depth.checked_sub(1).ok_or_else(|| bad("arrays in arrays without an end"))?;
                let mut items = Vec::new();
                for _ in 0..length {
                    match self.reply(depth)? {
                        Some(item) => items.push(item),
                        None => return Ok(None),
                    }
                }
                Reply::Array(items)
            }
            _ => return Err(bad(&format!("a reply that begins with `{kind}`"))),
        }))
    }
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the server does not speak Redis' protocol: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_read_once_it_is_whole_and_not_before() {
        let whole = b"*4\r\n$5\r\na\r\nb\0\r\n:-7\r\n$-1\r\n*2\r\n+OK\r\n-ERR no\r\n";
        let expected = Reply::Array(vec![
            Reply::Bytes(Bytes::from_static(b"a\r\nb\0")),
            Reply::Integer(-7),
            Reply::Nil,
            Reply::Array(vec![Reply::Status("OK".into()), Reply::Error("ERR no".into())]),
        ]);
        for length in 0..whole.len() {
            let mut part = BytesMut::from(&whole[..length]);
            assert_eq!(take(&mut part).expect("so far it is right"), None, "after {length} bytes");
            assert_eq!(part.len(), length, "what is not read stays");
        }
        let mut two = BytesMut::from(&[&whole[..], b"+next\r\n"].concat()[..]);
        assert_eq!(take(&mut two).expect("it is one"), Some(expected));
        assert_eq!(take(&mut two).expect("it is one"), Some(Reply::Status("next".into())));
        assert!(two.is_empty());
    }

    #[test]
    fn what_is_no_reply_is_an_error() {
        for text in [
            "HTTP/1.1 400\r\n",
            "\r\n",
            ":x\r\n",
            "$99999999999\r\n",
            "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
        ] {
            assert!(take(&mut BytesMut::from(text)).is_err(), "{text:?}");
        }
    }
}
