//! The beginning of a connection: TLS asked for, a cancellation, or a session with its user and settings.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::auth::{self, Scram};
use super::codec::{Reader, Writer, int4, put, text, violation};
use crate::postgres::session::Session;
use crate::postgres::sessions::Signal;
use crate::postgres::{Login, PgError, Server};

const CANCEL: i32 = 80_877_102;
const TLS: i32 = 80_877_103;
const GSSAPI: i32 = 80_877_104;
const VERSION: i32 = 3;

type Started = (Session, Arc<Signal>, Writer);

/// A session that has signed in, with what it is still to be told; `None` if the connection is over.
pub(super) async fn start<R, W>(
    reader: &mut Reader<R>,
    stream: &mut W,
    server: &Arc<dyn Server>,
) -> std::io::Result<Option<Started>>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut answers = Writer::default();
    loop {
        let Some(mut body) = reader.first().await? else { return Ok(None) };
        let begun = match int4(&mut body) {
            Ok(TLS) => {
                stream.write_all(if server.tls() { b"S" } else { b"N" }).await?;
                stream.flush().await?;
                continue;
            }
            Ok(GSSAPI) => {
                stream.write_all(b"N").await?;
                stream.flush().await?;
                continue;
            }
            Ok(CANCEL) => {
                if let (Ok(pid), Ok(secret)) = (int4(&mut body), int4(&mut body)) {
                    server.sessions().cancel_by(pid, secret);
                }
                return Ok(None);
            }
            Ok(version) if version >> 16 == VERSION => {
                session(reader, stream, server, &mut answers, version & 0xffff, body).await
            }
            Ok(version) => Err(Refused::Error(PgError::fatal(
                "0A000",
                format!(
                    "unsupported frontend protocol {}.{}: server supports 3.0 to 3.0",
                    version >> 16,
                    version & 0xffff
                ),
            ))),
            Err(error) => Err(Refused::Error(error)),
        };
        return match begun {
            Ok((session, signal)) => Ok(Some((session, signal, answers))),
            Err(Refused::Left) => Ok(None),
            Err(Refused::Stream(error)) => Err(error),
            Err(Refused::Error(error)) => {
                answers.error(&PgError { fatal: true, ..error });
                stream.write_all(&answers.out).await?;
                stream.flush().await?;
                Ok(None)
            }
        };
    }
}

enum Refused {
    Left,
    Stream(std::io::Error),
    Error(PgError),
}

impl From<PgError> for Refused {
    fn from(error: PgError) -> Self {
        Refused::Error(error)
    }
}

impl From<std::io::Error> for Refused {
    fn from(error: std::io::Error) -> Self {
        Refused::Stream(error)
    }
}

async fn session<R, W>(
    reader: &mut Reader<R>,
    stream: &mut W,
    server: &Arc<dyn Server>,
    answers: &mut Writer,
    minor: i32,
    mut body: BytesMut,
) -> Result<(Session, Arc<Signal>), Refused>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut given = BTreeMap::new();
    loop {
        let name = text(&mut body)?;
        if name.is_empty() {
            break;
        }
        given.insert(name, text(&mut body)?);
    }
    let of_protocol: Vec<&String> = given.keys().filter(|name| name.starts_with("_pq_.")).collect();
    if minor > 0 || !of_protocol.is_empty() {
        answers.message(b'v', |out| {
            out.put_i32(0);
            out.put_i32(i32::try_from(of_protocol.len()).unwrap_or(0));
            of_protocol.iter().for_each(|name| put(out, name));
        });
    }
    let user = given.remove("user").filter(|user| !user.is_empty());
    let user =
        user.ok_or_else(|| PgError::fatal("28000", "no PostgreSQL user name specified in startup packet"))?;
    let database =
        given.remove("database").filter(|database| !database.is_empty()).unwrap_or_else(|| user.clone());
    sign_in(reader, stream, server, answers, &user).await?;
    if !server.databases().contains(&database) {
        return Err(PgError::fatal("3D000", format!("database \"{database}\" does not exist")).into());
    }
    // It can be read: a server that is down says so here.
    server.read(&database)?;
    let mut session = Session::new(server.clone(), &database, &user);
    configure(&mut session, given)?;
    let mut secret = [0; 4];
    server.random(&mut secret);
    let secret = i32::from_be_bytes(secret);
    let application = session.settings.borrow().get("application_name")?;
    let (pid, signal) = server.sessions().join(server.now(), &database, &user, &application, secret);
    session.pid = pid;
    answers.message(b'R', |out| out.put_i32(0));
    for (name, value) in session.settings.borrow().reported() {
        answers.parameter(name, &value);
    }
    answers.message(b'K', |out| {
        out.put_i32(pid);
        out.put_i32(secret);
    });
    Ok((session, signal))
}

/// The settings of the first message, and those of its `options`: `-c name=value`.
fn configure(session: &mut Session, given: BTreeMap<String, String>) -> Result<(), PgError> {
    let mut settings = session.settings.borrow_mut();
    for (name, value) in given {
        match name.as_str() {
            name if name.starts_with("_pq_.") => {}
            "replication" if matches!(value.as_str(), "false" | "off" | "no" | "0") => {}
            "replication" => return Err(PgError::unsupported("a replication connection")),
            "options" => {
                let mut words = value.split_whitespace();
                while let Some(word) = words.next() {
                    let setting = match word {
                        "-c" => words.next(),
                        word => word.strip_prefix("-c").or_else(|| word.strip_prefix("--")),
                    };
                    let setting = setting.and_then(|setting| setting.split_once('='));
                    let (name, value) = setting.ok_or_else(|| {
                        PgError::new(
                            "42601",
                            format!("invalid command-line argument for server process: {word}"),
                        )
                    })?;
                    settings.set(&name.replace('-', "_"), Some(value), false)?;
                }
            }
            name => settings.set(name, Some(&value), false)?,
        }
    }
    settings.keep_as_defaults();
    // It is by itself what it was set to, also before the first transaction.
    settings.end(true);
    Ok(())
}

async fn sign_in<R, W>(
    reader: &mut Reader<R>,
    stream: &mut W,
    server: &Arc<dyn Server>,
    answers: &mut Writer,
    user: &str,
) -> Result<(), Refused>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    const PASSWORD: i32 = 3;
    const SASL: i32 = 10;
    const SASL_CONTINUE: i32 = 11;
    const SASL_FINAL: i32 = 12;
    match server.login(user)? {
        Login::Trust => Ok(()),
        Login::Cleartext(password) => {
            answers.message(b'R', |out| out.put_i32(PASSWORD));
            let mut body = asked(reader, stream, answers).await?;
            match text(&mut body)? == password {
                true => Ok(()),
                false => Err(auth::refused(user).into()),
            }
        }
        Login::Scram(password) => {
            answers.message(b'R', |out| {
                out.put_i32(SASL);
                put(out, auth::MECHANISM);
                out.push(0);
            });
            let mut body = asked(reader, stream, answers).await?;
            if text(&mut body)? != auth::MECHANISM {
                return Err(violation("another SASL mechanism than was offered").into());
            }
            let length = usize::try_from(int4(&mut body)?).unwrap_or(0);
            let client = body.get(..length).ok_or_else(|| violation("a SASL message that is too short"))?;
            let mut random = [0; 34];
            server.random(&mut random);
            let (scram, first) = Scram::begin(&password, &utf8(client)?, &random)?;
            answers.message(b'R', |out| {
                out.put_i32(SASL_CONTINUE);
                out.extend_from_slice(first.as_bytes());
            });
            let body = asked(reader, stream, answers).await?;
            let last = scram.finish(&utf8(&body)?, user)?;
            answers.message(b'R', |out| {
                out.put_i32(SASL_FINAL);
                out.extend_from_slice(last.as_bytes());
            });
            Ok(())
        }
    }
}

fn utf8(bytes: &[u8]) -> Result<String, PgError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| violation("a SASL message that is no text"))
}

/// Sends what there is to send, and waits for the client's answer to it.
async fn asked<R, W>(
    reader: &mut Reader<R>,
    stream: &mut W,
    answers: &mut Writer,
) -> Result<BytesMut, Refused>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    stream.write_all(&std::mem::take(&mut answers.out)).await?;
    stream.flush().await?;
    match reader.message().await? {
        Some(message) if message.kind == b'p' => Ok(message.body),
        Some(_) => Err(violation("no password where one was asked for").into()),
        // Who has to ask for a password hangs up first, and comes again.
        None => Err(Refused::Left),
    }
}
